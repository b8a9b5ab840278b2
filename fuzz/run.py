"""Builds the fuzz targets (preset `fuzz`) and runs one of them.

python3 fuzz/run.py build
python3 fuzz/run.py TARGET [--seconds N] [--corpus FOLDER]

Without --corpus each run begins at the seeds (fuzz/seeds.py). The last line tells executions and the corpus' size; a
crash, a leak, a hang of 10 s or more than 1 GiB of memory ends with exit code 1, the input in hexadecimal.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import seeds  # noqa: E402

sys.path.insert(0, str(seeds.ROOT / "tests" / "input"))
import figures  # noqa: E402

BUILD = seeds.ROOT / "build" / "fuzz"
DICTIONARIES = {"lines": "json", "config": "config", "sources": "sources", "target": "http", "connection": "http"}
HANG_S = 10
MEMORY_MIB = 1024
LONGEST_SHOWN = 4096


def build():
    for command in (["cmake", "--preset", "fuzz"], ["cmake", "--build", "--preset", "fuzz"]):
        code = subprocess.run(command, cwd=seeds.ROOT).returncode
        if code:
            return code
    return 0


def command_of(name, seconds, corpus, start, artifacts):
    command = [
        BUILD / "fuzz" / f"fuzz_{name}",
        f"-max_total_time={seconds}",
        f"-timeout={HANG_S}",
        f"-rss_limit_mb={MEMORY_MIB}",
        f"-artifact_prefix={artifacts}/",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    if name in DICTIONARIES:
        command.append(f"-dict={seeds.ROOT}/fuzz/{DICTIONARIES[name]}.dict")
    return [str(part) for part in [*command, corpus, start]]


def fuzz(name, seconds, corpus):
    with tempfile.TemporaryDirectory(prefix="dataflow-fuzz-") as folder:
        scratch = pathlib.Path(folder)
        corpus = pathlib.Path(corpus) if corpus else scratch / "corpus"
        for each in (corpus, scratch / "artifacts"):
            each.mkdir(parents=True, exist_ok=True)
        seeds.write(scratch / "seeds", name)
        process = subprocess.run(
            command_of(name, seconds, corpus, scratch / "seeds", scratch / "artifacts"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        said = process.stdout.decode(errors="replace")
        executions = re.search(r"number_of_executed_units: +(\d+)", said)
        covered = re.findall(r" cov: (\d+) ", said)
        ran = executions is not None and int(executions.group(1)) > 0
        if process.returncode or not ran:
            print(said)
        for artifact in sorted((scratch / "artifacts").iterdir()):
            data = artifact.read_bytes()
            print(f"{artifact.name}: {len(data)} bytes: {data[:LONGEST_SHOWN].hex()}")
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
    given = parser.parse_args()
    return build() if given.target == "build" else fuzz(given.target, given.seconds, given.corpus)


if __name__ == "__main__":
    sys.exit(main())
