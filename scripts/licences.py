#!/usr/bin/env python3
"""What the programs are made of, and under which licences; audits the dependencies without a network.

usage: scripts/licences.py --write       writes docs/licences.md
       scripts/licences.py --check       fails where that file is not what --write would write
       scripts/licences.py --self-test   fails unless planted faults are found

Looks at src/clients/Cargo.lock through `cargo metadata` and `cargo tree`, both --locked --offline, and at the Debian packages that
scripts/install.sh installs for building. Refuses a crate from elsewhere than Rust's registry or without a checksum, a licence
that is not on the list below, a crate in versions that nobody meant to have beside each other, a second implementation
of TLS, and a Debian library of which nothing is said here. Known vulnerabilities it cannot know: see SECURITY.md.
exit codes: 0 all is well, 1 not, 2 usage
"""
import collections
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "licences.md"
MANIFEST = ROOT / "src" / "clients" / "Cargo.toml"
PLATFORM = "x86_64-unknown-linux-gnu"
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"

# What an Apache-2.0 program may be linked with and passed on as.
ALLOWED = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC", "MIT", "MIT-0", "Unicode-3.0", "Unlicense", "Zlib",
}
# Several versions at once cost build time and size: each is here because two of our dependencies want different ones.
MEANT_TWICE = {"crypto-common", "digest", "getrandom", "hashbrown", "rand", "rand_core", "syn"}
# One implementation of TLS is enough to keep up with: rustls on aws-lc-rs.
REFUSED = {"openssl", "openssl-sys", "native-tls", "ring"}

# Debian's libraries: where they are used, and the licence that we use them under. The copyright file of each, in
# /usr/share/doc, has every licence of every file of its source.
PROGRAMS, TESTS = "programs", "tests and benchmarks only"
DEBIAN = {
    "libboost1.81-dev": ("Boost (headers)", PROGRAMS, "BSL-1.0"),
    "librocksdb-dev": ("RocksDB", PROGRAMS, "Apache-2.0 (or GPL-2.0)"),
    "libsimdjson-dev": ("simdjson", PROGRAMS, "Apache-2.0"),
    "libtomlplusplus-dev": ("toml++ (headers)", PROGRAMS, "MIT"),
    "libspdlog-dev": ("spdlog, with fmt", PROGRAMS, "MIT"),
    "libxxhash-dev": ("xxHash", PROGRAMS, "BSD-2-Clause"),
    "zlib1g-dev": ("zlib", PROGRAMS, "Zlib"),
    "libzstd-dev": ("Zstandard", PROGRAMS, "BSD-3-Clause (or GPL-2.0)"),
    "libssl-dev": ("OpenSSL", PROGRAMS, "Apache-2.0"),
    "nlohmann-json3-dev": ("JSON for Modern C++ (headers)", TESTS, "MIT"),
    "libgtest-dev": ("GoogleTest", TESTS, "BSD-3-Clause"),
    "libgmock-dev": ("GoogleMock", TESTS, "BSD-3-Clause"),
    "libbenchmark-dev": ("Google Benchmark", TESTS, "Apache-2.0"),
}
# What those bring along into the programs.
BROUGHT = {
    "libfmt9": ("fmt, by spdlog", "MIT"),
    "libsnappy1v5": ("Snappy, by RocksDB", "BSD-3-Clause"),
    "liblz4-1": ("LZ4, by RocksDB", "BSD-2-Clause"),
    "libbz2-1.0": ("bzip2, by RocksDB", "bzip2-1.0.6"),
    "libgflags2.2": ("gflags, by RocksDB", "BSD-3-Clause"),
    "libstdc++6": ("GCC's runtime libraries", "GPL-3.0 with the GCC Runtime Library Exception"),
    "libc6": ("the GNU C library", "LGPL-2.1"),
}


def allowed(expression):
    """Whether an SPDX expression can be satisfied by what is allowed. `/` is how it was once written for OR."""
    tokens = re.findall(r"[()]|[^\s()/]+|/", expression)

    def alternatives():
        value = all_of()
        while tokens and tokens[0] in ("OR", "/"):
            tokens.pop(0)
            value = all_of() or value
        return value

    def all_of():
        value = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            value = one() and value
        return value

    def one():
        token = tokens.pop(0)
        if token != "(":
            return token in ALLOWED
        value = alternatives()
        tokens.pop(0)
        return value

    try:
        return alternatives() and not tokens
    except IndexError:
        return False


def cargo(command, *arguments):
    common = ["--manifest-path", MANIFEST, "--locked", "--offline"]
    done = subprocess.run(["cargo", command, *common, *arguments], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"cargo {command} failed; build once, so that the crates are there:\n{done.stderr}")
    return done.stdout


def used_crates():
    """The crates that are compiled. The lock file and `cargo metadata` also know what other features would need."""
    packages = json.loads(cargo("metadata", "--format-version", "1", "--filter-platform", PLATFORM))["packages"]
    tree = cargo("tree", "--target", PLATFORM, "--edges", "normal,build", "--prefix", "none", "--format", "{p}")
    used = {tuple(line.split()[:2]) for line in tree.splitlines() if line}
    # The package that has no source is our own.
    return [package for package in packages if (package["name"], "v" + package["version"]) in used and package["source"]]


def checksums():
    """(name, version) of every crate in the lock file that has one."""
    entries = (MANIFEST.parent / "Cargo.lock").read_text().split("[[package]]")
    fields = [dict(re.findall(r'^(\w+) = "(.*)"$', entry, re.MULTILINE)) for entry in entries]
    return {(entry["name"], entry["version"]) for entry in fields if "checksum" in entry}


def crate_problems(crates, known):
    problems = []
    versions = collections.defaultdict(set)
    for crate in crates:
        name = f"{crate['name']} {crate['version']}"
        versions[crate["name"]].add(crate["version"])
        if crate["source"] != CRATES_IO:
            problems.append(f"{name} comes from {crate['source']}, not from Rust's registry")
        if (crate["name"], crate["version"]) not in known:
            problems.append(f"{name} has no checksum in Cargo.lock")
        if not crate["license"] or not allowed(crate["license"]):
            problems.append(f"{name} has the licence \"{crate['license']}\", which is not on the list of those allowed")
        if crate["name"] in REFUSED:
            problems.append(f"{name} is a second implementation of TLS")
    for name, found in sorted(versions.items()):
        if len(found) > 1 and name not in MEANT_TWICE:
            problems.append(f"{name} is there in versions {', '.join(sorted(found))}: agree on one, or note it as meant")
    for name in sorted(MEANT_TWICE):
        if len(versions[name]) < 2:
            problems.append(f"{name} is noted as meant in several versions, and is not there in several")
    return problems


def debian_problems(installed_for_build):
    libraries = {name for name in installed_for_build if name.startswith("lib") or name.endswith("-dev")}
    problems = [f"{name} is installed by scripts/install.sh, and its licence is not noted" for name in sorted(libraries - DEBIAN.keys())]
    return problems + [f"{name} is noted, and scripts/install.sh does not install it" for name in sorted(DEBIAN.keys() - libraries)]


def build_packages():
    text = (ROOT / "scripts" / "install.sh").read_text()
    listed = re.search(r"^    build\)\n      echo (.*?)^      ;;$", text, re.MULTILINE | re.DOTALL)
    return listed.group(1).replace("\\", " ").split()


def document(crates):
    lines = [
        "# What dataflow is made of",
        "Written by `scripts/licences.py --write`; a test fails when it is not up to date. dataflow itself is Apache-2.0 (`LICENSE`).",
        "",
        "## Debian's libraries, linked dynamically or headers only",
        "| package | what | used by | licence |",
        "|---|---|---|---|",
    ]
    lines += [f"| {name} | {what} | {where} | {licence} |" for name, (what, where, licence) in sorted(DEBIAN.items())]
    lines += ["", "These bring along into the programs:", "", "| package | what | licence |", "|---|---|---|"]
    lines += [f"| {name} | {what} | {licence} |" for name, (what, licence) in sorted(BROUGHT.items())]
    lines += [
        "",
        f"## Crates, linked statically ({len(crates)}, some of them at build time only)",
        "| crate | version | licence |",
        "|---|---|---|",
    ]
    lines += [f"| {c['name']} | {c['version']} | {c['license']} |" for c in sorted(crates, key=lambda c: (c["name"], c["version"]))]
    lines += [
        "",
        "## Not passed on",
        "Tests and benchmarks fetch Cassandra and s3proxy (Maven), Redis (Debian) and Python packages (`tests/e2e/requirements.txt`); nothing of them is in the programs.",
    ]
    return "\n".join(lines) + "\n"


def self_test():
    good = {"name": "a", "version": "1.0.0", "source": CRATES_IO, "license": "MIT OR Apache-2.0"}
    known = {("a", "1.0.0"), ("b", "1.0.0"), ("b", "2.0.0"), ("ring", "1.0.0")}
    twice = [dict(good, name=name, version=version) for name in MEANT_TWICE for version in ("1.0.0", "2.0.0")]
    known |= {(crate["name"], crate["version"]) for crate in twice}
    planted = {
        "comes from": [dict(good, source="git+https://example.org/a")],
        "no checksum": [dict(good, version="9.9.9")],
        "has the licence": [dict(good, license="GPL-3.0-only")],
        "second implementation": [dict(good, name="ring")],
        "in versions 1.0.0, 2.0.0": [dict(good, name="b"), dict(good, name="b", version="2.0.0")],
    }
    failures = [words for words, crates in planted.items() if len([p for p in crate_problems(crates + twice, known) if words in p]) != 1]
    if crate_problems([good, *twice], known):
        failures.append("what is well is refused")
    expressions = {
        "MIT": True, "MIT/Apache-2.0": True, "GPL-2.0 OR MIT": True, "GPL-2.0 AND MIT": False, "ISC AND (GPL-2.0 OR ISC)": True,
        "(MIT OR Apache-2.0) AND Unicode-3.0": True, "": False, "MIT OR": False, "MIT AND (ISC": False,
    }
    failures += [f"{text!r} is not {value}" for text, value in expressions.items() if allowed(text) != value]
    if len(debian_problems([*DEBIAN, "libunknown-dev"])) != 1 or len(debian_problems([*DEBIAN][1:])) != 1:
        failures.append("a Debian library that is not noted, or noted in vain")
    for failure in failures:
        print(f"not found: {failure}")
    return 1 if failures else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    if arguments not in (["--write"], ["--check"]):
        print(__doc__)
        return 2
    crates = used_crates()
    problems = crate_problems(crates, checksums()) + debian_problems(build_packages())
    text = document(crates)
    if arguments == ["--write"]:
        DOCUMENT.write_text(text)
    elif not DOCUMENT.exists() or DOCUMENT.read_text() != text:
        problems.append("docs/licences.md is not up to date: scripts/licences.py --write")
    for problem in problems:
        print(problem)
    print(f"{len(crates)} crates, {len(DEBIAN) + len(BROUGHT)} Debian packages, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
