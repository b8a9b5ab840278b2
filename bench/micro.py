"""The Google Benchmark programs as rows of the table: bytes a second and rows a second, one thread."""
import json
import subprocess

from measure import Wrong
from rounds import Contestant, Row, Sample
from world import bare_environment

LEAST_S = 0.2
# name in bench_micro: what it is, what is wanted of it
BENCHMARKS = {
    "split/and_parse": ("split, parse, validate, fingerprint", "1 GB/s a core, aim 1.5"),
    "split/and_count": ("split alone", ""),
    "fingerprint": ("fingerprint alone", ""),
    "cut/groups:1": ("cut batches, one replica group", ""),
    "cut/groups:12": ("cut batches, twelve replica groups", ""),
    "encode": ("rows in CQL's form", ""),
    "write_json": ("a product as JSON", ""),
}


def measured(context, name):
    command = [
        context.binaries / "bench_micro", f"--benchmark_filter=^{name}$", f"--benchmark_min_time={LEAST_S}", "--benchmark_format=json",
    ]
    done = subprocess.run(command, env=bare_environment(), check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    found = json.loads(done.stdout)["benchmarks"]
    if len(found) != 1 or found[0].get("error_occurred"):
        raise Wrong(f"bench_micro {name}: {found}")
    one = found[0]
    extra = {"GB/s": one["bytes_per_second"] / 1e9} if "bytes_per_second" in one else {}
    # A second's worth: the program counts by CPU time.
    return Sample(1.0, one["items_per_second"], 1.0, None, extra)


def micro(context):
    contestants = [
        Contestant(f"{what}{f' ({wanted})' if wanted else ''}", lambda name=name: measured(context, name))
        for name, (what, wanted) in BENCHMARKS.items()
    ]
    return Row("micro", "parts of the work on one thread, rows from memory", "row", contestants, rate=True)


def rows(context):
    return {"micro": lambda: micro(context)}
