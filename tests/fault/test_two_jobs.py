"""Goal: two jobs at once end with each row as one of them wrote it, and either of them run again alone makes the table
equal to its files. That they are at work at once is the gate's doing: neither ends before both have written."""
import contextlib
import signal

import gate as gates
import harness
import pytest
from faults import length

ROWS = 10_000


class Side:
    """One of the two jobs: its files are its prefix in the bucket, rows first .. first + ROWS - 1."""

    def __init__(self, servers, name, first):
        self.servers, self.name, self.first = servers, name, first
        self.source = f"s3://{servers.bucket}/{name}-"
        self.gate = gates.Gate(servers)

    def put(self, seed):
        """New contents for every row."""
        texts = harness.catalogue(ROWS, seed=seed)
        self.texts = []
        for text in texts:
            lines = []
            for line in text.split("\n")[:-1]:  # a line may hold U+2028
                product = harness.json.loads(line)
                product["id"] += self.first - 1
                product["title"] += f" {self.name}"
                lines.append(harness.json.dumps(product) + "\n")
            self.texts.append("".join(lines))
        self.servers.put(self.texts, prefix=f"{self.name}-")
        self.rows = harness.rows_of(*self.texts)
        self.firsts = gates.firsts(*self.texts)

    def start(self):
        self.job = self.gate.start(self.texts, self.source)

    def has_written(self):
        return any(self.firsts[key] == row for key, row in self.servers.rows(self.firsts).items())

    def feed_until_it_has_written(self):
        self.gate.feed_until(self.job, self.has_written, f"{self.name} has written a row")

    def run(self, figures):
        return figures.run(self.servers.job(self.source))


@pytest.fixture
def sides(servers):
    """Makes the two, each with its first row."""
    with contextlib.ExitStack() as stack:

        def make(*firsts):
            made = [Side(servers, name, first) for name, first in zip("xy", firsts)]
            for side in made:
                stack.callback(side.gate.close)
            return made

        yield make


def begin(sides, rng):
    """Both are started and have written, and neither ends before its gate is opened."""
    for side in rng.sample(sides, 2):
        side.start()
    for side in rng.sample(sides, 2):
        side.feed_until_it_has_written()


def check_no_mixture(table, sides, before, figures):
    """Every row is as one of the sides has it, or as it was before where a side was killed."""
    figures.compare_each(table, [side.rows for side in sides] + [before])


def settle(side, table_before, figures):
    """Run alone it makes the table equal to its files, and then writes nothing."""
    side.run(figures)
    table = side.servers.table()
    figures.compare({key: table[key] for key in side.rows}, side.rows)
    others = {key: row for key, row in table_before.items() if key not in side.rows}
    figures.compare({key: row for key, row in table.items() if key not in side.rows}, others)
    assert side.run(figures).written == 0


def test_other_contents_for_the_same_rows(servers, sides, rng, figures):
    """Each wins rows of both: those that the other had written before it came to them."""
    sides = sides(1, ROWS // 2)
    for round_number in range(length(4, 30)):
        for side in sides:
            side.put(rng.randrange(1 << 20))
        begin(sides, rng)
        for side in rng.sample(sides, rng.randrange(3)):
            side.gate.feed_some(side.job, rng, "rows of both are written")
        for side in sides:
            side.gate.open()
        for side in sides:
            figures.run(side.job.end(code=0))
        figures.fault()
        table = servers.table()
        assert table.keys() == sides[0].rows.keys() | sides[1].rows.keys()
        check_no_mixture(table, sides, {}, figures)
        both = sides[0].rows.keys() & sides[1].rows.keys()
        taken = sum(table[key] == sides[0].rows[key] for key in both)
        assert 0 < taken < len(both), f"one of them won {taken} of {len(both)} rows: they were not at work at once"
        figures.least("least rows of both that one of them won", min(taken, len(both) - taken))
        for side in rng.sample(sides, 2 if round_number % 2 else 1):
            settle(side, servers.table(), figures)


def test_one_of_them_is_killed(servers, sides, rng, figures):
    """Rows that both are changing: what the killed one wrote and could not remember must not be taken for the other's."""
    sides = sides(1, 1)
    for side in sides:
        side.put(rng.randrange(1 << 20))
        side.run(figures)
    for _ in range(length(4, 30)):
        before = servers.table()
        for side in sides:
            side.put(rng.randrange(1 << 20))
        begin(sides, rng)
        victim, survivor = rng.sample(sides, 2)
        if rng.random() < 0.5:  # it goes on at full speed, or it waits and writes over what the killed one has left
            survivor.gate.open()
        victim.gate.feed_some(victim.job, rng, "the one to be killed goes on")
        victim.job.process.send_signal(signal.SIGKILL)
        figures.fault()
        victim.gate.open()
        survivor.gate.open()
        figures.run(victim.job.end(code=-signal.SIGKILL))
        figures.run(survivor.job.end(code=0))
        table = servers.table()
        check_no_mixture(table, sides, before, figures)
        figures.most("most rows left by the killed one", sum(victim.rows[key] == row for key, row in table.items()))
        # Either may be the one that runs again: the survivor whose files have not changed since, or the killed one.
        settle(rng.choice((survivor, victim)), table, figures)


def test_the_same_files(servers, rng, figures):
    texts = harness.catalogue(ROWS, seed=rng.randrange(1000), files=6)
    servers.put(texts)
    sources = [f"s3://{servers.bucket}/products-{number}.jsonl" for number in range(1, 7)]
    expected = harness.rows_of(*texts)
    shared = [f"products-{number}.jsonl" for number in (3, 4)]
    with contextlib.ExitStack() as stack:
        ways = [stack.enter_context(contextlib.closing(gates.Gate(servers))) for _ in range(2)]

        def has_begun(way):
            return any(request.is_object(*shared) for request in list(way.between.requests))

        for _ in range(length(2, 10)):
            servers.truncate()
            jobs = []
            for way, part in zip(ways, (slice(0, 4), slice(2, 6))):
                way.between.requests.clear()
                jobs.append(way.start(texts[part], *sources[part]))
            # Neither can end before the other is at the files of both.
            for way, job in zip(ways, jobs):
                way.feed_until(job, lambda way=way: has_begun(way), "it reads what both read")
                way.feed_some(job, rng, "it goes on")
            figures.fault()
            for way in ways:
                way.open()
            for job in jobs:
                figures.run(job.end(code=0))
            figures.compare(servers.table(), expected)
            figures.run(servers.job(*sources))
            assert figures.run(servers.job(*sources)).written == 0
            figures.compare(servers.table(), expected)
