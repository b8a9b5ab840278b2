"""Runs the benchmarks: scripts/bench.sh calls it. See docs/benchmarks.md."""
import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys

import report
from catalogue import Catalogue
from load import LoadRows
from measure import Wrong
from peers import Peers
from rounds import play, progress
from world import ROOT, World

PARTS = ("load",)
DEFAULT_ROWS = 200_000
DEFAULT_ROUNDS = 5


def arguments_of(words):
    parser = argparse.ArgumentParser(prog="scripts/bench.sh", description=__doc__)
    parser.add_argument("part", nargs="?", default="all", choices=(*PARTS, "all"))
    parser.add_argument("--rounds", type=int, default=DEFAULT_ROUNDS)
    parser.add_argument("--rows", type=int, default=DEFAULT_ROWS, help="products in the catalogue (default: %(default)s)")
    parser.add_argument("--only", default="", help="rows of the table to measure, by name, with commas between")
    parser.add_argument("--peers", default=",".join(Peers.NAMES), help="who is compared with us (default: %(default)s)")
    parser.add_argument("--long", action="store_true", help="the sizes of the full table; slow peers in every round")
    parser.add_argument("--out", help="the results (default: bench/results/DATE.json)")
    return parser.parse_args(words)


def machine():
    """What the figures were taken on."""
    name = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    memory = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemTotal:"))
    return {"cpu": name, "cores": os.cpu_count(), "memory_gib": round(memory / 2**20), "system": platform.platform()}


def commit():
    described = subprocess.run(
        ["git", "-C", ROOT, "describe", "--always", "--dirty"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    return described.stdout.strip() or "unknown"


def main(words):
    options = arguments_of(words)
    build = ROOT / "build"
    binaries = build / "release"
    peers = Peers(options.peers.split(","), build / "bench" / "peers")
    catalogue = Catalogue(build / "bench" / "data", options.rows)
    world = World(os.environ["DATAFLOW_SERVERS_DIR"], binaries)
    load = LoadRows(world, catalogue, peers)
    load.warm_up()
    rows = load.rows()
    only = options.only.split(",") if options.only else list(rows)
    results = {
        "date": datetime.date.today().isoformat(), "commit": commit(), "machine": machine(), "rows": [],
        "catalogue": {"rows": catalogue.rows, "bytes": catalogue.bytes}, "left_out": peers.left_out,
    }
    for name in only:
        progress(f"{name}:")
        results["rows"].append(play(rows[name](), options.rounds, options.rounds if options.long else 1, world.settle))
    world.close()
    path = pathlib.Path(options.out or ROOT / f"bench/results/{datetime.datetime.now():%Y-%m-%d-%H%M%S}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")
    print(report.text(results))
    progress(f"results: {path}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Wrong as wrong:
        sys.exit(f"scripts/bench.sh: error: {wrong}")
