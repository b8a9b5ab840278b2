"""Parsing and the embedded load, this commit's job beside another's: fails when it has become much slower.

python bench/against.py BINARIES OTHER_BINARIES
Rounds in alternation on the same machine. A machine that others use as well makes one round, or most of them, slow for
one of the two; so a loss counts only where it is seen in every round.
"""
import pathlib
import statistics
import sys
import types

from context import Context
from embedded import EmbeddedJob, stream_files
from measure import Wrong
from rounds import turned

ROWS = 250_000
ROUNDS = 7
# The share of the other's rate that has to be reached in one round at least.
LEAST_SHARE = 0.75
WORK = {"parse": (EmbeddedJob.parse, ("-dry-run",)), "embedded load": (EmbeddedJob.load, ())}


def is_loss(shares):
    """Whether this commit is beyond doubt slower: `shares` of the other's rate, one a round."""
    return all(share < LEAST_SHARE for share in shares)


def rate(job, run):
    sample = run(job)
    return sample.work / sample.wall_s


def shares_of(ours, other, run):
    """In each round, our rate by the other's."""
    shares = []
    for number in range(ROUNDS):
        rates = {who: rate(job, run) for who, job in turned([("ours", ours), ("other", other)], number)}
        shares.append(rates["ours"] / rates["other"])
    return shares


def main(binaries, other_binaries):
    lost = []
    options = types.SimpleNamespace(binaries=binaries)
    with Context(options) as context:
        paths = stream_files(context, ROWS)
        for name, (run, arguments) in WORK.items():
            ours, other = (
                EmbeddedJob(context, paths, ROWS, *arguments, job=pathlib.Path(folder, "job").resolve(strict=True))
                for folder in (binaries, other_binaries)
            )
            try:
                rate(other, run)
            except Wrong as why:
                print(f"{name}: not compared: the other commit's job does not do this work: {why}")
                continue
            shares = shares_of(ours, other, run)
            print(
                f"{name}: {statistics.median(shares):.2f} x the other's rate (median of {ROUNDS} rounds, "
                f"{min(shares):.2f}-{max(shares):.2f})"
            )
            if is_loss(shares):
                lost.append(name)
    if lost:
        sys.exit(f"slower than {LEAST_SHARE} x the other commit in every round: {', '.join(lost)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
