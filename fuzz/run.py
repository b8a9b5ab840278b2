"""Builds the fuzz targets (preset `fuzz`) and runs one of them.

python3 fuzz/run.py build
python3 fuzz/run.py TARGET [--seconds N] [--corpus FOLDER]
python3 fuzz/run.py TARGET --input FILE

Without --corpus each run begins at the seeds (fuzz/seeds.py). The last line tells executions and the corpus' size; a
crash, a leak, a hang of 10 s or more than 1 GiB of memory ends with exit code 1. The input that did it is kept in
build/logs/fuzz/TARGET, and shown in hexadecimal with the command that runs it again (--input).
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import seeds  # noqa: E402

sys.path.insert(0, str(seeds.ROOT / "tests"))
import figures  # noqa: E402

BUILD = seeds.ROOT / "build" / "fuzz"
# With the logs, which CI keeps of a run that failed.
FOUND = seeds.ROOT / "build" / "logs" / "fuzz"
DICTIONARIES = {"lines": "json", "rejects": "json", "config": "config", "sources": "sources", "target": "http", "connection": "http"}
HANG_S = 10
MEMORY_MIB = 1024
LONGEST_SHOWN = 4096


def build():
    for command in (["cmake", "--preset", "fuzz"], ["cmake", "--build", "--preset", "fuzz"]):
        code = subprocess.run(command, cwd=seeds.ROOT).returncode
        if code:
            return code
    return 0


def program(name):
    return [str(BUILD / "fuzz" / f"fuzz_{name}"), f"-timeout={HANG_S}", f"-rss_limit_mb={MEMORY_MIB}"]


def command_of(name, seconds, corpus, start):
    command = [
        *program(name),
        f"-max_total_time={seconds}",
        f"-artifact_prefix={FOUND / name}/",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    if name in DICTIONARIES:
        command.append(f"-dict={seeds.ROOT}/fuzz/{DICTIONARIES[name]}.dict")
    return [*command, str(corpus), str(start)]


def show(name, artifact):
    data = artifact.read_bytes()
    print(f"{artifact}: {len(data)} bytes: {data[:LONGEST_SHOWN].hex()}")
    print(f"once more: python3 fuzz/run.py {name} --input {artifact.relative_to(seeds.ROOT)}")


def fuzz(name, seconds, corpus):
    with tempfile.TemporaryDirectory(prefix="dataflow-fuzz-") as folder:
        scratch = pathlib.Path(folder)
        corpus = pathlib.Path(corpus) if corpus else scratch / "corpus"
        for each in (corpus, FOUND / name):
            each.mkdir(parents=True, exist_ok=True)
        began = time.time()
        seeds.write(scratch / "seeds", name)
        process = subprocess.run(
            command_of(name, seconds, corpus, scratch / "seeds"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        said = process.stdout.decode(errors="replace")
        executions = re.search(r"number_of_executed_units: +(\d+)", said)
        covered = re.findall(r" cov: (\d+) ", said)
        ran = executions is not None and int(executions.group(1)) > 0
        if process.returncode or not ran:
            print(said)
        for artifact in sorted((FOUND / name).iterdir()):
            if artifact.stat().st_mtime >= began:
                show(name, artifact)
        summary = (
            f"fuzz {name}: {executions.group(1) if executions else 0} executions in {seconds} s, corpus"
            f" {len(list(corpus.iterdir()))} inputs, {covered[-1] if covered else 0} edges, exit code {process.returncode}"
        )
        print(summary)
        figures.tell(summary)
        return 1 if process.returncode or not ran else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=["build", *seeds.TARGETS])
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--corpus")
    parser.add_argument("--input")
    given = parser.parse_args()
    if given.target == "build":
        return build()
    if given.input:
        return subprocess.run([*program(given.target), given.input]).returncode
    return fuzz(given.target, given.seconds, given.corpus)


if __name__ == "__main__":
    sys.exit(main())
