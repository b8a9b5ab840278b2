"""Rounds in alternation: everyone runs once a round, the order turned by one each round, so that what drifts (the
machine, the server's compactions) meets everyone alike."""
import dataclasses
import sys

from measure import Wrong


@dataclasses.dataclass
class Sample:
    """One run. `work`: how many rows or requests."""

    wall_s: float
    work: int
    cpu_s: float | None = None
    peak_bytes: int | None = None
    extra: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Contestant:
    """Someone who does the work of a row of the table. `run` returns a Sample of a run that was complete, or raises;
    `prepare` is not timed. One that takes minutes is `slow`: it runs in one round only, unless the run is a long one.
    `at_most`: so many rounds in any case."""

    who: str
    run: object
    prepare: object = lambda: None
    slow: bool = False
    at_most: int | None = None


@dataclasses.dataclass
class Row:
    """One row of the table. `rate`: its figure is work a second, not time. `each` is False where a figure for each piece of
    work would mislead, because there was none to do."""

    name: str
    title: str
    unit: str
    contestants: list
    rate: bool = False
    each: bool = True
    target: str = ""
    note: str = ""


def progress(text):
    print(text, file=sys.stderr, flush=True)


def turned(things, by):
    by %= max(len(things), 1)
    return things[by:] + things[:by]


def rounds_of(contestant, rounds, slow_rounds):
    wanted = slow_rounds if contestant.slow else rounds
    return wanted if contestant.at_most is None else min(wanted, contestant.at_most)


def play(row, rounds, slow_rounds, settle):
    """Runs a row and returns what is kept of it."""
    samples = {contestant.who: [] for contestant in row.contestants}
    for number in range(rounds):
        for contestant in turned(row.contestants, number):
            if number >= rounds_of(contestant, rounds, slow_rounds):
                continue
            contestant.prepare()
            settle()
            sample = contestant.run()
            if sample.work <= 0 or sample.wall_s <= 0:
                raise Wrong(f"{row.name}, {contestant.who}: nothing was done: {sample}")
            samples[contestant.who].append(sample)
            progress(f"  {row.name} round {number + 1}: {contestant.who:24} {sample.wall_s:9.3f} s  {shown(sample)}")
    return {
        "name": row.name, "title": row.title, "unit": row.unit, "rate": row.rate, "each": row.each, "target": row.target, "note": row.note,
        "entries": [
            {"who": who, "samples": [dataclasses.asdict(sample) for sample in taken]} for who, taken in samples.items() if taken
        ],
    }


def shown(sample):
    parts = [f"{sample.work / sample.wall_s:,.0f}/s"]
    if sample.cpu_s is not None:
        parts.append(f"{sample.cpu_s / sample.work * 1e6:.2f} us CPU each")
    if sample.peak_bytes:
        parts.append(f"{sample.peak_bytes / 2**20:.0f} MiB")
    parts += [f"{key} {value:.3g}" for key, value in sample.extra.items()]
    return ", ".join(parts)
