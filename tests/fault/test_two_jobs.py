"""Goal: two jobs at once end with each row as one of them wrote it, and either of them run again alone makes the table
equal to its files."""
import signal

import harness
from faults import Started, length

ROWS = 10_000


class Side:
    """One of the two jobs: its files are its prefix in the bucket, rows first .. first + ROWS - 1."""

    def __init__(self, servers, name, first):
        self.servers, self.name, self.first = servers, name, first
        self.source = f"s3://{servers.bucket}/{name}-"

    def put(self, seed):
        """New contents for every row."""
        texts = harness.catalogue(ROWS, seed=seed)
        shifted = []
        for text in texts:
            lines = []
            for line in text.split("\n")[:-1]:  # a line may hold U+2028
                product = harness.json.loads(line)
                product["id"] += self.first - 1
                product["title"] += f" {self.name}"
                lines.append(harness.json.dumps(product) + "\n")
            shifted.append("".join(lines))
        self.servers.put(shifted, prefix=f"{self.name}-")
        self.rows = harness.rows_of(*shifted)

    def start(self):
        return Started(self.servers, self.source)

    def run(self, figures):
        return figures.run(self.servers.job(self.source))


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


def test_other_contents_for_the_same_rows(servers, rng, figures):
    sides = [Side(servers, "x", 1), Side(servers, "y", ROWS // 2)]
    before = {}
    for round_number in range(length(4, 30)):
        for side in sides:
            side.put(rng.randrange(1 << 20))
        started = [side.start() for side in sides]
        for job in started:
            figures.run(job.end(code=0))
        figures.fault()
        table = servers.table()
        assert table.keys() == sides[0].rows.keys() | sides[1].rows.keys()
        check_no_mixture(table, sides, {}, figures)
        taken = sum(table[key] == sides[0].rows[key] for key in sides[0].rows.keys() & sides[1].rows.keys())
        figures.most("rows of both that the first side won", taken)
        for side in rng.sample(sides, 2 if round_number % 2 else 1):
            settle(side, servers.table(), figures)
        before = servers.table()
    assert before


def test_one_of_them_is_killed(servers, rng, figures):
    """Rows that both are changing: what the killed one wrote and could not remember must not be taken for the other's."""
    sides = [Side(servers, "x", 1), Side(servers, "y", 1)]
    for side in sides:
        side.put(rng.randrange(1 << 20))
        side.run(figures)
    killed_in_the_middle = 0
    while killed_in_the_middle < length(4, 30):
        before = servers.table()
        for side in sides:
            side.put(rng.randrange(1 << 20))
        victim, survivor = rng.sample(sides, 2)
        begun = harness.time.monotonic()
        started = {side.name: side.start() for side in rng.sample(sides, 2)}
        try:
            started[victim.name].process.wait(rng.uniform(0.1, 1.2))
        except harness.subprocess.TimeoutExpired:
            started[victim.name].process.send_signal(signal.SIGKILL)
            killed_in_the_middle += 1
            figures.fault()
        figures.run(started[victim.name].end())
        figures.run(started[survivor.name].end(code=0))
        assert harness.time.monotonic() - begun < harness.RUN_TIMEOUT_S
        table = servers.table()
        check_no_mixture(table, sides, before, figures)
        # Either may be the one that runs again: the survivor whose files have not changed since, or the killed one.
        settle(rng.choice((survivor, victim)), table, figures)


def test_the_same_files(servers, rng, figures):
    texts = harness.catalogue(ROWS, seed=rng.randrange(1000), files=6)
    servers.put(texts)
    sources = [f"s3://{servers.bucket}/products-{number}.jsonl" for number in range(1, 7)]
    expected = harness.rows_of(*texts)
    for _ in range(length(2, 10)):
        servers.truncate()
        started = [Started(servers, *sources[:4]), Started(servers, *sources[2:])]
        figures.fault()
        for job in started:
            figures.run(job.end(code=0))
        figures.compare(servers.table(), expected)
        figures.run(servers.job(*sources))
        assert figures.run(servers.job(*sources)).written == 0
        figures.compare(servers.table(), expected)
