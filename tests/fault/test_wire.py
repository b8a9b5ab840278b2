"""Goal: between job and node anything may happen to the bytes (cut, delayed, sliced, throttled, held, answers lost): no row
is remembered that is not there, and retries have an end."""
import os
import pathlib
import time

import harness
import proxy
import pytest
from faults import length
from gate import NotMet

ROWS = length(8_000, 20_000)
FAULTS = length(4, 8)  # of one load
REQUEST_MS = 1_000
LIMIT_MS = 4_000  # to retry what has no end
SLACK_S = 10  # a busy machine's
PLACES, BATCH_BYTES = 64, 5_120  # cassandra/adaptive_limit.h: 16 at first, more after hundreds of answers
# That may be tried, however much waits for one: the driver's waits double.
CONNECTIONS_AT_ONCE, CONNECTIONS_A_SECOND = 20, 5
RETRY_MS = 120_000  # the faults of one load are over by then
BYTES_PER_S = 300_000  # of one connection through the proxy, when nothing else disturbs it
SOME_BYTES = 4_096  # of requests: more than what a driver says when it has nothing to write
MODES = ("cut", "delay", "slice", "throttle", "deaf", "hold", "refuse")


class Disturbed:
    """A job that reaches the one node of the tests only through a proxy: the driver keeps to the address it was given."""

    def __init__(self, servers):
        port = int(servers.environment["DATAFLOW_CASSANDRA_PORT"])
        self.between = proxy.TcpProxy(("127.0.0.1", port))
        # Slow all the time, so that a request is under way long enough to be disturbed.
        self.between.mode, self.between.bytes_per_s = "throttle", BYTES_PER_S
        self.port = port
        servers.environment.update(
            DATAFLOW_CASSANDRA_PORT=str(self.between.address[1]),
            DATAFLOW_CASSANDRA_REQUEST_TIMEOUT_MS=str(REQUEST_MS),
            DATAFLOW_CASSANDRA_RETRY_TIMEOUT_MS=str(RETRY_MS),
        )


@pytest.fixture
def disturbed(servers, gate):
    gate.pace_s = 0.1  # a range's rows are on their way to the node by then, mostly: there have to be some for each fault
    made = Disturbed(servers)
    yield made.between
    made.between.close()


def only_through(job, between):
    """Every connection of the job to Cassandra goes to the proxy."""
    port = int(os.environ["DATAFLOW_CASSANDRA_PORT"])
    inodes = set()
    for folder in pathlib.Path(f"/proc/{job.process.pid}/fd").iterdir():
        try:
            inodes.add(os.readlink(folder).removeprefix("socket:[").removesuffix("]"))
        except OSError:
            continue
    remote = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    past = [fields for fields in remote if int(fields[2].split(":")[1], 16) == port and fields[9] in inodes]
    return not past and between.connections > 0


def has_rows(servers):
    """The table is asked, not the cache: a block's rows are remembered together, when all of them are written."""
    return len(list(servers.session.execute(f"SELECT id FROM {servers.name}.products LIMIT 11"))) > 10


def more(between, what, number):
    """A condition: so much more than now has been seen of it."""
    least = between.seen[what] + number
    return lambda: between.seen[what] >= least


def disturb(between, gate, job, rng, mode):
    """One fault for a random time. False where no row was on its way into it: such as when the fault before has cost the
    connection only now."""
    gate.feed_until(job, more(between, "asked", SOME_BYTES), "the job has recovered")
    what, number = {"refuse": ("refused", 1), "hold": ("held", 1), "deaf": ("held", 1)}.get(mode, ("asked", SOME_BYTES))
    is_met = more(between, what, number)
    if mode == "throttle":
        between.bytes_per_s = BYTES_PER_S // 10
    elif mode != "cut":
        between.mode = mode
    if mode == "refuse":
        between.cut()
    try:
        gate.feed_until(job, is_met, f"rows are written into '{mode}'", timeout_s=5)
        if mode == "cut":
            assert between.cut() > 0
        time.sleep(rng.uniform(0.05, REQUEST_MS / 1000 * 1.3))
        return True
    except NotMet:
        return False
    finally:
        between.mode, between.bytes_per_s = "throttle", BYTES_PER_S


@pytest.mark.parametrize("kind", [*MODES, "mixed"])
def test_bytes_disturbed_between_job_and_node(servers, disturbed, gate, rng, figures, kind):
    texts = harness.catalogue(ROWS, seed=rng.randrange(1000))
    expected = harness.rows_of(*texts)
    servers.put(texts)
    for _ in range(length(1, 12)):
        servers.truncate()
        disturbed.mode = "throttle"
        job = gate.start(texts, "-concurrency", "1")
        gate.feed_until(job, lambda: has_rows(servers), "the load is under way")
        assert only_through(job, disturbed)
        met = tried = 0
        while met < FAULTS:
            assert tried < 2 * FAULTS, f"only {met} of {tried} faults met a row on its way"
            met += disturb(disturbed, gate, job, rng, rng.choice(MODES) if kind == "mixed" else kind)
            tried += 1
        figures.fault(met)
        disturbed.mode = "pass"
        gate.open()
        run = figures.run(job.end(timeout_s=RETRY_MS / 1000))
        assert run.code == 0, run.err
        assert figures.run(servers.job()).written == 0, "everything acknowledged is remembered"
        figures.compare(servers.table(), expected)


@pytest.mark.parametrize("mode", ["deaf", "refuse"])
def test_faults_without_end_are_no_rows_and_end(servers, disturbed, gate, rng, figures, mode):
    """Writes arrive and no answer comes back (write timeouts), or there is no connection any more: nothing of it is
    remembered, the job gives up in time, the attempts are bounded."""
    servers.environment["DATAFLOW_CASSANDRA_RETRY_TIMEOUT_MS"] = str(LIMIT_MS)
    texts = harness.catalogue(ROWS, seed=rng.randrange(1000))
    servers.put(texts)
    job = gate.start(texts, "-concurrency", "1")
    gate.feed_until(job, lambda: has_rows(servers), "the load is under way")
    tried, asked, began = disturbed.connections, disturbed.seen["asked"], time.monotonic()
    disturbed.mode = mode
    if mode == "refuse":
        disturbed.cut()
    gate.open()
    figures.fault()
    run = figures.run(job.end(code=4))
    took_s, tried, asked = time.monotonic() - began, disturbed.connections - tried, disturbed.seen["asked"] - asked
    figures.most("gave up after s", round(took_s, 1))
    figures.most("connections tried", tried)
    figures.most("kB sent", asked // 1000)
    assert "retry" in run.err, run.err
    assert took_s < (LIMIT_MS + REQUEST_MS) / 1000 + SLACK_S, f"gave up after {took_s:.1f} s"
    assert tried <= CONNECTIONS_AT_ONCE + CONNECTIONS_A_SECOND * took_s, f"{tried} connections tried in {took_s:.1f} s"
    # Each place for a batch under way is taken for a whole timeout.
    attempts = 1 + LIMIT_MS // REQUEST_MS
    assert asked <= attempts * PLACES * BATCH_BYTES, f"{asked} bytes sent"
    disturbed.mode = "pass"
    figures.run(servers.job())
    figures.compare(servers.table(), harness.rows_of(*texts))
    assert figures.run(servers.job()).written == 0
