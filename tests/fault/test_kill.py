"""Goal: a job or a service that ends at any moment loses nothing that was acknowledged, and the next run continues."""
import array
import contextlib
import fcntl
import http.client
import json
import os
import random
import select
import signal
import subprocess
import termios
import threading
import time

import gate as gates
import harness
import pytest
from faults import Started, length, served_table, write_files

ROWS = 50_000
FILES = 8
BUFFER_BYTES = 16 << 20  # the least that the configuration allows: half of it is text in flight
DRAIN_S = 10
IN_TIME_S = 20  # twice what it may take: far less than a job takes that waits for a slow reader


def stored(servers):
    """How many rows the table holds, counted by the server."""
    return servers.session.execute(f"SELECT count(*) AS n FROM {servers.name}.products", timeout=120).one()["n"]


def duration_of(servers, *arguments):
    """What a load takes when nothing disturbs it: random points are chosen in it."""
    began = time.monotonic()
    servers.job(*arguments)
    return time.monotonic() - began


def end_in_the_middle(servers, rng, figures, duration, which):
    """Starts a load and sends it `which` at a random point; one that was over before is no fault and is not counted."""
    started = Started(servers)
    try:
        started.process.wait(rng.uniform(0, duration))
    except harness.subprocess.TimeoutExpired:
        started.process.send_signal(which)
    sent = time.monotonic()
    run = figures.run(started.end(timeout_s=DRAIN_S))
    if run.code != 0:
        figures.fault()
        figures.most("slowest end in s", round(time.monotonic() - sent, 2))
    return run


def in_flight_rows(texts):
    """The rows that half of BUFFER_BYTES can hold: lines that are read and not yet remembered."""
    return BUFFER_BYTES // 2 * ROWS // sum(len(text.encode()) for text in texts)


def test_sigkill_at_random_points_of_a_load(servers, rng, figures):
    servers.environment["DATAFLOW_PIPELINE_BUFFER_BYTES"] = str(BUFFER_BYTES)
    texts = harness.catalogue(ROWS, files=FILES, seed=rng.randrange(1000))
    expected = harness.rows_of(*texts)
    limit = in_flight_rows(texts)
    servers.put(texts)
    duration = duration_of(servers)
    while figures.faults < length(5, 50):
        servers.truncate()
        killed = end_in_the_middle(servers, rng, figures, duration, signal.SIGKILL)
        there = stored(servers)
        again = figures.run(servers.job())
        if killed.code == -signal.SIGKILL:
            twice = there + again.written - ROWS
            figures.most("rows written twice", twice)
            assert 0 <= twice <= limit, f"{twice} rows written twice; {limit} may be in flight"
        figures.compare(servers.table(), expected)
        assert figures.run(servers.job()).written == 0


def test_sigkill_while_rows_change_and_change_back(servers, gate, rng, figures):
    """What the cache says of a row that was being written when the job was killed must not be believed."""
    seed = rng.randrange(1000)
    days = [harness.catalogue(ROWS // 5, files=FILES, seed=seed, changed_per_mille=share) for share in (0, 500)]
    tables = [harness.rows_of(*texts) for texts in days]
    changing = [key for key, row in tables[0].items() if tables[1][key] != row]
    first_changes = [key for key in gates.firsts(*days[0]) if tables[1][key] != tables[0][key]]
    servers.put(days[0])
    servers.job()
    servers.put(days[1])
    duration = duration_of(servers)
    now, partly, held = 1, 0, False
    while figures.faults < length(5, 50):
        new = 1 - now
        servers.put(days[new])
        held = not held
        if held:  # the load waits for its kill: some rows are changed, and others not yet
            job = gate.start(days[new])
            gate.feed_until(job, lambda new=new: any_is(servers, tables[new], first_changes), "rows are changed")
            gate.feed_some(job, rng, "more of them are")
            job.process.send_signal(signal.SIGKILL)
            gate.open()
            figures.run(job.end(code=-signal.SIGKILL))
            figures.fault()
        else:
            end_in_the_middle(servers, rng, figures, duration, signal.SIGKILL)
        table = servers.table()
        changed = sum(table[key] == tables[new][key] for key in changing)
        partly += 0 < changed < len(changing)
        assert 0 < changed < len(changing) or not held, f"{changed} of {len(changing)} rows are changed"
        # Either the same files again, or those of before: then the cache of before the kill is just wrong.
        if rng.random() < 0.5:
            now = new
        else:
            servers.put(days[now])
        figures.run(servers.job())
        figures.compare(servers.table(), tables[now])
        assert figures.run(servers.job()).written == 0
    assert partly > 0, "no kill left a table that was changed in part: the test proves nothing"
    figures.most("tables changed in part", partly)


def any_is(servers, table, keys):
    """Whether a row of these is as this table has it."""
    return any(table[key] == row for key, row in servers.rows(keys).items())


def test_signals_at_random_points_drain_and_remember(servers, rng, figures):
    texts = harness.catalogue(ROWS, files=FILES, seed=rng.randrange(1000))
    expected = harness.rows_of(*texts)
    servers.put(texts)
    duration = duration_of(servers)
    while figures.faults < length(6, 50):
        servers.truncate()
        which = rng.choice((signal.SIGTERM, signal.SIGINT))
        run = end_in_the_middle(servers, rng, figures, duration, which)
        if run.code != 0:
            # Before its handlers are in place the signal itself ends the job, which a shell calls by the same number.
            assert run.code in (128 + which, -which), run.err
        there = stored(servers)
        assert there == run.report.get("written", 0), "what was written is what is counted"
        again = figures.run(servers.job())
        assert again.written == ROWS - there, "everything that was drained is remembered"
        figures.compare(servers.table(), expected)
        assert figures.run(servers.job()).written == 0


class Readers:
    """Keeps asking the service for random ids; what it served once is acknowledged and must be served ever after. Its random
    numbers are its own: how many it takes is a matter of time."""

    def __init__(self, address, expected, served, rng):
        self.address, self.expected, self.served = address, expected, served
        self.rng = random.Random(rng.random())
        self.stop, self.wrong, self.error = threading.Event(), [], None
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        keys = list(self.expected)
        try:
            connection = http.client.HTTPConnection(self.address, timeout=30)
            while not self.stop.is_set():
                key = self.rng.choice(keys)
                connection.request("GET", f"/product/{key}")
                answer = connection.getresponse()
                body = answer.read()
                if answer.status == 200 and json.loads(body) == self.expected[key]:
                    self.served.add(key)
                elif answer.status == 200 or key in self.served:
                    self.wrong.append((key, answer.status, body))
        except (OSError, http.client.HTTPException):
            pass  # the service was killed
        except Exception as error:  # a thread's end by one would go unnoticed
            self.error = error

    def end(self):
        self.stop.set()
        self.thread.join()
        if self.error:
            raise self.error
        assert not self.wrong, self.wrong[:3]


def test_embedded_store_survives_sigkill_of_job_and_service(embedded, rng, figures):
    rows = ROWS // 5
    texts = harness.catalogue(rows, files=FILES, seed=rng.randrange(1000))
    expected = harness.rows_of(*texts)
    source = write_files(embedded, texts)
    began = time.monotonic()
    embedded.job(source)
    duration = time.monotonic() - began
    served_before = rounds = 0
    while figures.faults < length(8, 50):
        rounds += 1
        path = embedded.folder / f"store-{figures.runs}"
        embedded.environment["DATAFLOW_ROCKSDB_PATH"] = str(path)
        served = set()
        service = harness.Service(embedded)
        readers = Readers(service.address, expected, served, rng)
        job = Started(embedded, source)
        if rounds % 2 == 0:  # else it may be too early for a row
            harness.wait_for(lambda served=served: served, "the first row is served")
        time.sleep(rng.uniform(0, duration))  # the fault's random point, nothing that is waited for
        for process in rng.sample([job.process, service.process], rng.choice((1, 2))):
            if process.poll() is None:
                process.kill()
                figures.fault()
        readers.end()
        served_before += len(served)
        figures.run(job.end())
        service.process.kill()
        service.process.wait()
        with embedded.service() as address:
            figures.compare(served_table(address, sorted(served)), {key: expected[key] for key in served})
            figures.run(embedded.job(source))
            figures.compare(served_table(address, sorted(expected)), expected)
        assert figures.run(embedded.job(source)).written == 0
    assert served_before > 0
    figures.most("rows served before a fault", served_before)


def test_a_second_job_on_the_embedded_store_is_told_who_holds_it(embedded, figures):
    fifo = embedded.folder / "held.jsonl"
    first = embedded.start("-", stdin=harness.subprocess.PIPE)
    first.stdin.write(harness.line(1, "one").encode())
    first.stdin.flush()
    fifo.write_text(harness.line(2, "two"))
    harness.wait_for(lambda: (embedded.folder / "dataflow.db" / "LOCK").exists(), "the first job has the store")
    second = figures.run(embedded.job(fifo, code=4))
    figures.fault()
    assert str(first.pid) in second.err and "dataflow.db" in second.err
    first.communicate(timeout=60)
    assert first.returncode == 0
    figures.run(embedded.job(fifo))
    with embedded.service() as address:
        expected = harness.rows_of(harness.line(1, "one") + harness.line(2, "two"))
        figures.compare(served_table(address, [1, 2]), expected)


def waiting_in(pipe):
    """Bytes that nobody has read yet."""
    waiting = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, waiting)
    return waiting[0]


class SlowReader:
    """Reads a pipe a little now and then, for as long as it lives: each write gets on, and they never end."""

    def __init__(self, path):
        os.mkfifo(path)
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.read)

    def is_full(self):
        return waiting_in(self.descriptor) >= fcntl.fcntl(self.descriptor, fcntl.F_GETPIPE_SZ)

    def read(self):
        while not self.stop.wait(1):
            with contextlib.suppress(BlockingIOError):
                os.read(self.descriptor, select.PIPE_BUF)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop.set()
        if self.thread.ident:
            self.thread.join()
        os.close(self.descriptor)


@contextlib.contextmanager
def held_by_its_rejects(embedded, concurrency, lines=200_000):
    """A job all of whose threads wait for whoever reads its rejects."""
    (embedded.folder / "a.jsonl").write_text("a line that is bad\n" * lines)
    with SlowReader(embedded.folder / "pipe") as reader:
        job = Started(embedded, "-concurrency", concurrency, "-max-errors", 1_000_000, "-rejects", "pipe", "a.jsonl")
        try:
            job.wait_until(reader.is_full, "the job waits for the reader")
            reader.thread.start()
            yield job
        finally:
            job.process.kill()
            job.process.wait()


# The fewer lines fit into the pipe and the job's own memory: they are written when all else is done.
@pytest.mark.parametrize("lines", [200_000, 6_500])
@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_signal_ends_a_job_whose_rejects_are_taken_slowly(embedded, figures, concurrency, lines):
    with held_by_its_rejects(embedded, concurrency, lines) as job:
        job.process.send_signal(signal.SIGTERM)
        figures.fault()
        run = figures.run(job.end(code=143, timeout_s=IN_TIME_S))
    assert "could not be written within 8 s" in run.err and "is not whole" in run.err, run.err
    assert run.report["files"] == 1, "it is told what was done"


@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_second_signal_ends_a_job_at_once(embedded, figures, concurrency):
    with held_by_its_rejects(embedded, concurrency) as job:
        job.process.send_signal(signal.SIGTERM)
        job.wait_until(lambda: "stop at once" in job.log(), "the first signal has come", DRAIN_S / 2)
        job.process.send_signal(signal.SIGTERM)
        figures.fault()
        figures.run(job.end(code=-signal.SIGTERM, timeout_s=DRAIN_S / 2))


@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_signal_ends_a_job_whose_log_nobody_reads(embedded, figures, concurrency):
    reader, log = os.pipe()
    harness.fill(log)
    process = embedded.start("-concurrency", concurrency, "-dry-run", "-", stdin=subprocess.PIPE, stderr=log)
    try:
        process.stdin.write(b"bad\n" * 10)
        process.stdin.flush()
        harness.wait_for(lambda: waiting_in(process.stdin) == 0, "the job reads")
        process.send_signal(signal.SIGTERM)
        figures.fault()
        figures.runs += 1
        assert process.wait(timeout=IN_TIME_S) == 143
    finally:
        process.kill()
        process.communicate()
        os.close(reader)
        os.close(log)
