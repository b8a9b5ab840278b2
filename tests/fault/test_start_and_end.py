"""Goal: a cluster that is away when a job starts is waited for as long as one that goes while it writes; one that goes when all
is written leaves no claim that all is stored."""
import signal
import subprocess
import time

import harness
import proxy
import pytest
from faults import Started

ROWS = 500
RETRY_MS = 3_000
END_S = 10  # after a signal
SLACK_S = 3  # a busy machine's
MORE_THAN_A_PING = 200  # bytes: each connection brings one read before it is held
SOME_BYTES = 4_096  # of requests: more than what a driver says when it has nothing to write


@pytest.fixture
def away(servers):
    """The job's way to Cassandra: a port where nobody listens yet. come_back() listens there."""
    way = Way(servers)
    yield way
    way.go()


class Way:
    def __init__(self, servers):
        self.upstream = ("127.0.0.1", int(servers.environment["DATAFLOW_CASSANDRA_PORT"]))
        self.port, self.proxy = harness.free_port(), None
        servers.environment["DATAFLOW_CASSANDRA_PORT"] = str(self.port)

    def come_back(self):
        self.proxy = proxy.TcpProxy(self.upstream, port=self.port)

    def go(self):
        if self.proxy:
            self.proxy.close()
            self.proxy = None


def put(servers):
    texts = harness.catalogue(ROWS)
    servers.put(texts)
    return harness.rows_of(*texts)


def test_a_job_waits_for_its_cluster(servers, away, figures):
    expected = put(servers)
    job = Started(servers)
    figures.fault()
    job.wait_until(lambda: "trying again" in job.log(), "the job waits")
    assert "check that it runs there" in job.log() and str(away.port) in job.log(), job.log()
    away.come_back()
    run = figures.run(job.end(code=0))
    assert run.written == ROWS and run.err.count("trying again") == 1, run.err
    figures.compare(servers.table(), expected)
    assert figures.run(servers.job()).written == 0


def test_a_job_does_not_wait_for_ever(servers, away, figures):
    put(servers)
    servers.environment["DATAFLOW_CASSANDRA_RETRY_TIMEOUT_MS"] = str(RETRY_MS)
    began = time.monotonic()
    figures.fault()
    run = figures.run(servers.job(code=4))
    waited = time.monotonic() - began
    figures.most("gave up after s", round(waited, 1))
    assert RETRY_MS / 2000 < waited < RETRY_MS / 1000 + SLACK_S, waited
    assert "gave up at attempt" in run.err and "check that it runs there" in run.err, run.err


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_a_job_that_waits_ends_at_once_by_a_signal(servers, away, figures, which):
    put(servers)
    job = Started(servers)
    job.wait_until(lambda: "trying again" in job.log(), "the job waits")
    job.process.send_signal(which)
    figures.fault()
    figures.run(job.end(code=128 + which, timeout_s=END_S))


def test_a_cluster_that_goes_when_all_is_written_is_told(servers, away, figures):
    """The last question is whether the table is still the one that was written to."""
    servers.environment["DATAFLOW_CASSANDRA_RETRY_TIMEOUT_MS"] = str(RETRY_MS)
    text = "".join(harness.catalogue(ROWS))
    away.come_back()
    job = Started(servers, "-", stdin=subprocess.PIPE)
    job.process.stdin.write(text.encode())
    job.process.stdin.flush()
    job.wait_until(lambda: len(servers.table()) == ROWS, "all rows are written")
    job.wait_until(lambda: servers.redis.dbsize() >= ROWS, "all rows are remembered")
    away.go()
    figures.fault()
    job.process.stdin.close()
    run = figures.run(job.end(code=4))
    assert run.written == ROWS, run.err
    assert "every row was acknowledged" in run.err and "run the job again" in run.err, run.err
    figures.compare(servers.table(), harness.rows_of(text))
    # What was remembered is of the same table: the next run has nothing to write.
    away.come_back()
    again = figures.run(servers.job("-", stdin=text.encode()))
    assert again.written == 0


def test_a_signal_whose_time_is_up_still_tells_what_was_done(servers, away, figures):
    """The store does not answer, and the job is patient with it: what is in flight cannot be drained."""
    servers.environment["DATAFLOW_CASSANDRA_RETRY_TIMEOUT_MS"] = str(600_000)
    texts = harness.catalogue(ROWS)
    away.come_back()
    job = Started(servers, "-", stdin=subprocess.PIPE)
    job.process.stdin.write((texts[0] + "bad\n").encode())
    job.process.stdin.flush()
    first = harness.rows_of(texts[0])
    # Remembered: the job has the acknowledgements.
    job.wait_until(lambda: servers.redis.dbsize() >= len(first), "the first rows are written")
    away.proxy.mode = "hold"
    figures.fault()
    asked = away.proxy.seen["asked"]
    job.process.stdin.write("".join(texts[1:]).encode())
    job.process.stdin.flush()
    job.wait_until(lambda: away.proxy.seen["asked"] > asked + MORE_THAN_A_PING, "rows are on their way")
    job.process.send_signal(signal.SIGTERM)
    sent = time.monotonic()
    run = figures.run(job.end(code=143, timeout_s=END_S))
    figures.most("ended after s", round(time.monotonic() - sent, 1))
    job.process.stdin.close()
    assert "could not be written within 8 s" in run.err and "rejects.jsonl" in run.err, run.err
    assert (run.written, run.rejected, run.files) == (len(first), 1, 1), run.report
    assert (servers.folder / "rejects.jsonl").read_text() == "bad\n"
    figures.compare(servers.table(), first)
