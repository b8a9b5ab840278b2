"""Runs the benchmarks: scripts/bench.sh calls it. See docs/benchmarks.md."""
import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys

import embedded
import load
import micro
import nodes
import report
import serve
import sizes
from context import Context
from measure import Wrong
from peers import Peers
from rounds import play, progress
from world import ROOT, start_servers

PARTS = {"load": (load, sizes), "serve": (serve,), "parse": (embedded, micro)}
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
    parser.add_argument("--start", action="store_true", help="start the servers and leave them running, nothing more")
    parser.add_argument("--binaries", help="the folder of job, microservice and bench_* (default: build/release)")
    options = parser.parse_args(words)
    if options.rounds < 1 or options.rows < 1000:
        parser.error("--rounds is at least 1, --rows at least 1000")
    return options


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


def chosen_rows(context, options):
    """The rows asked for, by name; each is made when it is its turn."""
    available = {}
    for name, modules in PARTS.items():
        for module in modules if options.part in (name, "all") else ():
            available.update(module.rows(context))
    names = list(available)
    # Only where it is asked for.
    if options.part in ("load", "all"):
        available.update(nodes.rows(context))
        names += list(nodes.rows(context)) if options.long else []
    if options.only:
        names = options.only.split(",")
    unknown = [name for name in names if name not in available]
    if unknown:
        raise Wrong(f"no row is called {', '.join(unknown)}; there are {', '.join(available)}")
    return {name: available[name] for name in names}


def measured(context, options, path):
    """Measures row after row; what is there is written after each, so that a failure costs only what comes after it."""
    results = {
        "date": datetime.date.today().isoformat(), "commit": commit(), "machine": machine(), "rows": [],
        "catalogue": {"rows": context.catalogue.rows, "bytes": context.catalogue.bytes}, "left_out": context.peers.left_out,
        "not_asked_for": sorted(set(Peers.NAMES) - set(options.peers.split(","))),
    }
    slow_rounds = options.rounds if options.long else 1
    for name, make in chosen_rows(context, options).items():
        progress(f"{name}:")
        results["rows"].append(play(make(), options.rounds, slow_rounds, context.settle))
        path.write_text(json.dumps(results, indent=1) + "\n")
    return results


def main(words):
    options = arguments_of(words)
    if options.start:
        start_servers(os.environ["DATAFLOW_SERVERS_DIR"])
        return
    path = pathlib.Path(options.out or ROOT / f"bench/results/{datetime.datetime.now():%Y-%m-%d-%H%M%S}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    with Context(options) as context:
        results = measured(context, options, path)
    print(report.text(results))
    progress(f"results: {path}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Wrong as wrong:
        sys.exit(f"scripts/bench.sh: error: {wrong}")
