"""Goal: the programs are built so that a mistake in them is hard to make use of; looked for in what was built, not in flags.

python3 tests/tls/hardening.py PROGRAM...   exit 1 and a line for each property that one of them lacks
--compile-commands FILE                     also that every file of ours was compiled with the flags
--self-test                                 builds a program that lacks everything and fails unless each lack is found
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

FLAGS = ("-D_FORTIFY_SOURCE=3", "-fstack-protector-strong", "-fstack-clash-protection", "-fcf-protection=full")


def output(*command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


def segment_flags(headers, name):
    """The flags of each segment of that name, as readelf -lW prints them: "R E"."""
    return re.findall(rf"^  {name} +(?:0x[0-9a-f]+ +){{5}}([RWE ]{{3}})", headers, re.MULTILINE)


def disassembly_has(program, pattern, *arguments):
    process = subprocess.Popen(["objdump", "-d", "--no-show-raw-insn", *arguments, program], stdout=subprocess.PIPE, text=True)
    with process:
        for line in process.stdout:
            if re.search(pattern, line):
                process.kill()
                return True
    return False


def lacks(program):
    """What a program does not have, each with what it is good for."""
    headers, dynamic = output("readelf", "-hlW", program), output("readelf", "-dW", program)
    imports = set(re.findall(r" UND (\w+)", output("readelf", "--dyn-syms", "-W", program)))
    stack = segment_flags(headers, "GNU_STACK")
    checks = {
        "position independent (addresses differ from run to run)": re.search(r"Type: +DYN", headers) and "PIE" in dynamic,
        "read-only after relocation (GNU_RELRO)": segment_flags(headers, "GNU_RELRO"),
        "bound at the start, so that all of it is read-only (BIND_NOW)": re.search(r"\(FLAGS_1\).*\bNOW\b", dynamic),
        "a stack that is not executable": stack and not any("E" in flags for flags in stack),
        "no memory that is writable and executable": not any(set("WE") <= set(flags) for flags in segment_flags(headers, "LOAD")),
        "libraries from the system's folders only (no RPATH)": not re.search(r"\((RPATH|RUNPATH)\)", dynamic),
        "stack protector": "__stack_chk_fail" in imports,
        "fortified calls": any(name.startswith("__") and name.endswith("_chk") for name in imports),
        "branch targets are marked (endbr64)": disassembly_has(program, r"\bendbr64\b", "--disassemble=main"),
        "a large frame is touched page by page (stack clash)": disassembly_has(program, r"\bor[ql]? +\$0x0,\(%rsp\)"),
    }
    return [what for what, holds in checks.items() if not holds]


def unflagged(file):
    """Files of the programs that were compiled without one of the flags. Tests, known by -O0, are not the programs."""
    ours = [entry for entry in json.loads(pathlib.Path(file).read_text()) if re.search(r"/(src|cmd)/", entry["file"]) and "-O0" not in entry["command"]]
    assert ours, f"{file} has none of our files"
    return [f"{entry['file']} was compiled without {flag}" for entry in ours for flag in FLAGS if flag not in entry["command"]]


def self_test():
    with tempfile.TemporaryDirectory() as name:
        source, bare = pathlib.Path(name) / "bare.c", pathlib.Path(name) / "bare"
        source.write_text('#include <string.h>\nint main(int c, char** v) { char large[65536]; strcpy(large, v[0]); return large[c]; }\n')
        none = ["-O2", "-no-pie", "-fno-pie", "-fno-stack-protector", "-U_FORTIFY_SOURCE", "-fno-stack-clash-protection", "-fcf-protection=none"]
        # Two, for the linker makes nothing that is writable and executable and has a path to libraries.
        found = set()
        for link in ("-Wl,-z,norelro,-z,lazy,-z,execstack,-rpath,/tmp", "-Wl,--no-warnings,-N"):
            subprocess.run(["gcc", *none, source, "-o", bare, link], check=True, capture_output=True)
            found |= set(lacks(bare))
    expected = 10
    if len(found) != expected:
        print(f"a program that lacks everything lacks {len(found)} of {expected}: {found}")
    return 0 if len(found) == expected else 1


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    problems = []
    if "--compile-commands" in arguments:
        at = arguments.index("--compile-commands")
        problems += unflagged(arguments[at + 1])
        del arguments[at : at + 2]
    assert arguments, __doc__
    for program in arguments:
        problems += [f"{program} lacks: {what}" for what in lacks(program)]
    for problem in problems:
        print(problem)
    print(f"{len(arguments)} programs, {len(problems)} properties missing")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
