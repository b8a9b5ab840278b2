"""Goal: a folder includes only what it may: the domain, its own files and its own dependency, never a sibling.

python3 tests/layout_test.py [ROOT]   exit 1 and one line for each include that breaks the rule.
--self-test plants such includes in a copy of the tree's shape and fails unless each of them is found.
"""
import pathlib
import re
import sys
import tempfile

FOLDERS = ("s3", "file", "cassandra", "redis", "rocksdb", "http", "mock", "pipeline")
BRIDGE_USERS = ("s3", "cassandra", "redis")
# The driver's headers, and the one folder that may see them.
DRIVERS = {
    "rocksdb/": "rocksdb",
    "simdjson": "pipeline",
    "boost/beast": "http",
    "boost/asio/ssl": "http",
    "openssl/": "http",
    "zlib.h": "pipeline",
    "zstd.h": "pipeline",
}
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)


def is_test(path):
    """Tests may use what they need to look at the folder from outside."""
    return re.search(r"(_test|_livetest|_bench)\.cc$", path.name) or path.name.endswith(
        ("_fixture.h", "test_client.h", "test_peer.cc", "testing.h", "test_support.h", "live_support.h", "canned_server.h")
    )


def broken_rule(folder, path, include):
    """Why `include` may not stand in `path`, a file of `folder` ("" for the domain); None where it may."""
    if include.startswith("dataflow/"):
        target = include.split("/")[1] if include.count("/") > 1 else ""
        if target and target != folder:
            if target == "mock" and is_test(path):
                return None
            return f"includes its sibling {target}"
        return None
    if include.startswith("cmd/"):
        return "includes cmd"
    if include.startswith("clients/") and folder not in BRIDGE_USERS:
        return "includes the bridge"
    if is_test(path):
        return None
    for prefix, owner in DRIVERS.items():
        if include.startswith(prefix) and folder != owner:
            return f"includes {include}, which belongs to {owner}"
    return None


def bridge_seen_from_cmd(root):
    """Headers that cmd includes and that lead to the bridge: its types would leave their adapter's folder."""
    problems = []
    for path in sorted((root / "cmd").rglob("*")):
        if path.suffix not in (".h", ".cc"):
            continue
        ahead, seen = [path], {path}
        while ahead:
            at = ahead.pop()
            for include in INCLUDE.findall(at.read_text(encoding="utf-8")):
                if include.startswith("clients/"):
                    problems.append(f"{path.relative_to(root)}: sees the bridge through {at.relative_to(root)}: {include}")
                target = root / "src" / include
                if include.startswith("dataflow/") and target.exists() and target not in seen:
                    seen.add(target)
                    ahead.append(target)
    return problems


def check(root):
    source = root / "src" / "dataflow"
    problems = []
    files = [p for p in sorted(source.rglob("*")) if p.suffix in (".h", ".cc")]
    for path in files:
        parts = path.relative_to(source).parts
        folder = parts[0] if len(parts) > 1 else ""
        if folder and folder not in FOLDERS:
            problems.append(f"{path}: the folder {folder} is not part of the layout")
        for include in INCLUDE.findall(path.read_text(encoding="utf-8")):
            why = broken_rule(folder, path, include)
            if why:
                problems.append(f"{path.relative_to(root)}: {why}: {include}")
    return files, problems + bridge_seen_from_cmd(root)


def self_test():
    planted = {
        "src/dataflow/http/a.cc": '#include "dataflow/cassandra/product_service.h"',
        "src/dataflow/pipeline/b.h": '#include "dataflow/redis/cache.h"',
        "src/dataflow/c.h": '#include "dataflow/s3/fetch_service.h"',
        "src/dataflow/file/d.cc": '#include "clients/call.h"',
        "cmd/e.cc": '#include "dataflow/redis/shown.h"',
        "src/dataflow/cassandra/f.cc": "#include <rocksdb/db.h>",
        "src/dataflow/mock/g.cc": '#include "cmd/common/config.h"',
        "src/dataflow/other/h.cc": "#include <vector>",
    }
    allowed = {
        "src/dataflow/http/ok.cc": '#include "dataflow/error.h"\n#include "dataflow/http/server.h"\n#include <boost/beast.hpp>',
        "src/dataflow/redis/ok.cc": '#include "clients/call.h"',
        "src/dataflow/redis/shown.h": '#include "clients/call.h"',
        "src/dataflow/http/ok_test.cc": '#include "dataflow/mock/product_service.h"',
    }
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        for path, text in {**planted, **allowed}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text + "\n", encoding="utf-8")
        _, problems = check(root)
    found = {problem.split(":")[0].split(name + "/")[-1] for problem in problems}
    missed, wrong = set(planted) - found, found & set(allowed)
    for path in sorted(missed):
        print(f"the check does not find what is planted in {path}")
    for path in sorted(wrong):
        print(f"the check refuses what is allowed in {path}")
    return not missed and not wrong


def main():
    if "--self-test" in sys.argv:
        return 0 if self_test() else 1
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    files, problems = check(root)
    for problem in problems:
        print(problem)
    if not files:
        print(f"no sources under {root}/src/dataflow")
        return 1
    print(f"{len(files)} files, {len(problems)} includes that the layout does not allow")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
