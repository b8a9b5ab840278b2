"""A flame graph in words: what `perf script` tells of a recording, as a tree of who called whom.

    perf record -F 997 --call-graph dwarf,16384 -o job.perf build/release/job ...
    perf script -i job.perf -F comm,ip,sym | bench/flame.py

Each line has the share of all samples in a function and in what it called, and in brackets in the function itself. Frames
of executors, futures and the standard libraries are left out: they stand between all that is of interest."""
import argparse
import collections
import re
import sys

HIDDEN = (
    r"^(boost::asio|std::|core::|alloc::|tokio::(runtime|task)|futures_util::|<?(core|alloc|std|futures_util)::|\{|do_call|poll|"
    r"catch_unwind|call_once|with_mut|run|enter|start_thread|clone3|__clone|_start|main$|\[unknown\]|0x|asm_|_dl_|budget|"
    r"with_budget|set|try_with|with|spawn_|_ZZ|prevent_unwind|operator|entry_SYSCALL|do_syscall|__x64_sys|__rust_begin)|"
    r"closure#0\}$|awaitable|async_result|move_only_function|any_executor|_boost"
)

# Where the kernel begins, and what it was asked for. What it does inside is not ours to change.
KERNEL = re.compile(r"__x64_sys_(?P<call>\w+)|asm_(exc|sysvec)_(?P<fault>\w+)")


def name_of(frame):
    """A function's name without its arguments, its parameters and what the compiler adds."""
    name = frame.replace(" (inlined)", "")
    while True:
        shorter = re.sub(r"<[^<>]*>", "", name)
        if shorter == name or not shorter.strip(":& "):
            break
        name = shorter
    name = re.sub(r"\(.*\)|\[clone.*\]|::\{\{closure\}\}|\.isra\.\d+|\.constprop\.\d+|\.part\.\d+", "", name)
    if not name.startswith("<"):
        name = name.split(" ")[-1]  # behind the type that it returns
    return re.sub(r"(::){2,}", "::", name.replace("dataflow::", "")).strip(": ") or frame


class Node:
    def __init__(self):
        self.samples = self.own = 0
        self.callees = collections.defaultdict(Node)


def stacks(lines):
    """(thread's name, frames from the outermost on) of each sample."""
    thread, frames = None, []
    for line in lines:
        words = line.strip().split(" ", 1)
        if not line.strip():
            if thread is not None:
                yield thread, frames[::-1]
            thread, frames = None, []
        elif not line[0].isspace():
            thread = line.strip().split("  ")[0].rsplit(" ", 1)[0] if line.strip().endswith(":") else line.strip()
        elif len(words) == 2:
            frames.append(words[1])
    if thread is not None:
        yield thread, frames[::-1]


def grown(samples, hidden):
    root = Node()
    for thread, frames in samples:
        names = [thread]
        for frame in frames:
            if kernel := KERNEL.match(frame):
                names.append("kernel: " + (kernel["call"] or kernel["fault"]).replace("_", " "))
                break
            name = name_of(frame)
            if not hidden.search(name) and name != names[-1]:
                names.append(name)
        node = root
        root.samples += 1
        for name in names:
            node = node.callees[name]
            node.samples += 1
        node.own += 1
    return root


def told(node, total, least, depth=0):
    for name, callee in sorted(node.callees.items(), key=lambda entry: -entry[1].samples):
        share = 100 * callee.samples / total
        only = next(iter(callee.callees.items())) if len(callee.callees) == 1 else None
        if only and only[1].samples >= 0.97 * callee.samples and depth:
            # Nothing but a way to the next.
            yield from told(callee, total, least, depth)
        elif share >= least:
            own = f" [{100 * callee.own / total:.1f}]" if callee.own and callee.own < callee.samples else ""
            yield f"{share:5.1f} % {'  ' * depth}{name[:100]}{own}"
            yield from told(callee, total, least, depth + 1)


def main(words):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--least", type=float, default=2, help="per cent, below which nothing is shown (default: %(default)s)")
    parser.add_argument("--hide", default=HIDDEN, help="frames left out, a regular expression")
    options = parser.parse_args(words)
    root = grown(stacks(sys.stdin), re.compile(options.hide))
    if not root.samples:
        sys.exit("flame.py: no samples on standard input: pipe `perf script -F comm,ip,sym` into it")
    print(f"{root.samples} samples")
    for line in told(root, root.samples, options.least):
        print(line)


if __name__ == "__main__":
    main(sys.argv[1:])
