"""Goal: between job and node anything may happen to the bytes (cut, delayed, sliced, throttled, held, answers lost): no row
is remembered that is not there, and retries have an end."""
import os
import pathlib
import time

import harness
import proxy
import pytest
from faults import Started, length

FEW = 4_000
REQUEST_MS = 1_000
BYTES_PER_S = 300_000  # of one connection through the proxy, when nothing else disturbs it


class Disturbed:
    """A job that reaches the one node of the tests only through a proxy: the driver keeps to the address it was given."""

    def __init__(self, servers):
        port = int(servers.environment["DATAFLOW_CASSANDRA_PORT"])
        self.between = proxy.TcpProxy(("127.0.0.1", port))
        # Slow all the time, so that a load is under way long enough to be disturbed.
        self.between.mode, self.between.bytes_per_s = "throttle", BYTES_PER_S
        self.port = port
        servers.environment.update(
            DATAFLOW_CASSANDRA_PORT=str(self.between.address[1]),
            DATAFLOW_CASSANDRA_REQUEST_TIMEOUT_MS=str(REQUEST_MS),
            DATAFLOW_CASSANDRA_RETRY_TIMEOUT_MS="30000",
        )


@pytest.fixture
def disturbed(servers):
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


@pytest.mark.parametrize("kind", ["cut", "delay", "slice", "throttle", "deaf", "hold", "refuse", "mixed"])
def test_bytes_disturbed_between_job_and_node(servers, disturbed, rng, figures, kind):
    texts = harness.catalogue(FEW, seed=rng.randrange(1000))
    expected = harness.rows_of(*texts)
    servers.put(texts)
    for _ in range(length(1, 12)):
        servers.truncate()
        disturbed.mode = "throttle"
        job = Started(servers, "-concurrency", "1")
        job.wait_until(lambda: has_rows(servers), "the load is under way")
        assert only_through(job, disturbed)
        until = time.monotonic() + length(3, 6)
        while job.runs() and time.monotonic() < until:
            mode = rng.choice(("cut", "delay", "slice", "throttle", "deaf", "hold", "refuse")) if kind == "mixed" else kind
            if mode == "cut":
                disturbed.cut()
            elif mode == "refuse":
                disturbed.mode = mode
                disturbed.cut()
            elif mode == "throttle":
                disturbed.bytes_per_s = BYTES_PER_S // 10
            else:
                disturbed.mode = mode
            figures.fault()
            time.sleep(rng.uniform(0.05, REQUEST_MS / 1000 * 1.3))
            disturbed.mode, disturbed.bytes_per_s = "throttle", BYTES_PER_S
            time.sleep(rng.uniform(0.1, 0.4))
        assert figures.faults > 0
        disturbed.mode = "pass"
        run = figures.run(job.end(timeout_s=90))
        assert run.code == 0, run.err
        assert figures.run(servers.job()).written == 0, "everything acknowledged is remembered"
        figures.compare(servers.table(), expected)


def test_write_timeouts_without_end_are_no_rows_and_end(servers, disturbed, rng, figures):
    """Writes arrive and no answer comes back: nothing of it is remembered, the job gives up, the attempts are bounded."""
    servers.environment["DATAFLOW_CASSANDRA_RETRY_TIMEOUT_MS"] = "4000"
    texts = harness.catalogue(FEW, seed=rng.randrange(1000))
    servers.put(texts)
    job = Started(servers, "-concurrency", "1")
    job.wait_until(lambda: has_rows(servers), "the load is under way")
    disturbed.mode = "deaf"
    figures.fault()
    began = time.monotonic()
    run = figures.run(job.end(code=4, timeout_s=60))
    figures.most("gave up after s", round(time.monotonic() - began, 1))
    figures.most("connections tried", disturbed.connections)
    assert disturbed.connections < 200
    assert "retry" in run.err, run.err
    disturbed.mode = "pass"
    figures.run(servers.job())
    figures.compare(servers.table(), harness.rows_of(*texts))
    assert figures.run(servers.job()).written == 0
