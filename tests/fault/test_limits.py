"""Goal: few descriptors and little memory are borne by the job or told; what runs for long, or again and again, keeps its
memory and descriptors flat."""
import contextlib
import resource
import subprocess
import threading
import time

import harness
import pytest
from faults import Started, check_flat, length, limited, peak_mib, resources, served_table, write_files

MIB = 1 << 20
GROWTH_MIB = 24  # that an allocator may still find its level by
DATA_MIB = (64, 96, 128, 256, 512)  # of RLIMIT_DATA: heap, private mappings, the threads' stacks
END_S = 60  # for a run that is soon over one way or the other


def under_a_limit(setup, figures, *arguments, **popen):
    """Exit code and log of a run that may not end by a signal, nor in any way but done or told."""
    process = setup.start(*arguments, stdin=subprocess.DEVNULL, **popen)
    try:
        _, err = process.communicate(timeout=END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"the job hangs: {process.communicate()[1].decode()}") from None
    figures.runs += 1
    figures.fault()
    return process.returncode, err.decode()


def check_next_run(setup, figures, source, expected):
    """Without the limit the rest is loaded, and nothing was lost or made up."""
    figures.run(setup.job(source))
    with setup.service() as address:
        figures.compare(served_table(address, expected), expected)
    assert figures.run(setup.job(source)).written == 0


def test_few_open_files_embedded(embedded, rng, figures):
    texts = harness.catalogue(2_000, files=50, seed=rng.randrange(1000))
    source, expected = write_files(embedded, texts), harness.rows_of(*texts)
    enough = 0
    for number in length((8, 16, 32, 64, 192), range(6, 200, 6)):
        embedded.environment["DATAFLOW_ROCKSDB_PATH"] = f"store-{number}"
        code, err = under_a_limit(embedded, figures, source, **limited(resource.RLIMIT_NOFILE, number))
        assert code in (0, 4), (number, code, err)
        assert code == 0 or "ulimit -n" in err, (number, err)
        enough = enough or (number if code == 0 else 0)
        check_next_run(embedded, figures, source, expected)
    assert 0 < enough, "192 descriptors have to do"
    figures.most("descriptors that do", enough)


def test_few_open_files_servers(servers, rng, figures):
    texts = harness.catalogue(2_000, files=10, seed=rng.randrange(1000))
    servers.put(texts)
    enough = 0
    for number in length((12, 20, 40, 96), range(6, 100, 6)):
        servers.truncate()
        code, err = under_a_limit(servers, figures, **limited(resource.RLIMIT_NOFILE, number))
        assert code in (0, 4), (number, code, err)
        enough = enough or (number if code == 0 else 0)
        figures.run(servers.job())
        figures.compare(servers.table(), harness.rows_of(*texts))
    assert 0 < enough, "96 descriptors have to do"
    figures.most("descriptors that do", enough)


def test_little_memory(embedded, rng, figures):
    """Where it does not do, the run ends with a code and words, and what it had stored is whole."""
    texts = harness.catalogue(20_000, seed=rng.randrange(1000))
    source, expected = write_files(embedded, texts), harness.rows_of(*texts)
    enough = 0
    for mib in DATA_MIB:
        embedded.environment["DATAFLOW_ROCKSDB_PATH"] = f"store-{mib}"
        code, err = under_a_limit(embedded, figures, source, **limited(resource.RLIMIT_DATA, mib * MIB))
        assert code in (0, 4), (mib, code, err)
        assert code == 0 or "error" in err, (mib, err)
        enough = enough or (mib if code == 0 else 0)
        check_next_run(embedded, figures, source, expected)
    assert 0 < enough
    figures.most("MiB that do", enough)


@pytest.mark.parametrize("store", ["embedded", "servers"])
def test_too_little_memory(embedded, servers, rng, figures, store):
    """Down to where not even the first threads can be started: done or told, never waited for what cannot come."""
    texts = harness.catalogue(20_000, seed=rng.randrange(1000))
    setup, arguments = servers, ["-no-cache"]
    if store == "embedded":
        setup, arguments = embedded, ["-no-cache", write_files(embedded, texts)]
    else:
        servers.put(texts)
    setup.environment["RUST_BACKTRACE"] = "1"  # wants memory where there is none
    enough = 0
    for mib in range(8, 129, length(8, 2)):
        code, err = under_a_limit(setup, figures, *arguments, **limited(resource.RLIMIT_DATA, mib * MIB))
        assert code in (0, 4), (mib, code, err)
        assert code == 0 or ("error: the job cannot go on" in err and "ulimit -a" in err), (mib, err)
        enough = enough or (mib if code == 0 else 0)
    assert 0 < enough, "128 MiB have to do"
    figures.most("MiB that do", enough)
    if store == "embedded":
        check_next_run(embedded, figures, arguments[1], harness.rows_of(*texts))
    else:
        figures.run(servers.job())
        figures.compare(servers.table(), harness.rows_of(*texts))


class Feed:
    """Rows on the job's standard input for so long: the ids come round again and again, each time with another price."""

    def __init__(self, process, rows, seconds, rows_a_second):
        self.process, self.rows, self.seconds, self.pace = process, rows, seconds, rows_a_second
        self.last, self.sent = {}, 0
        self.thread = threading.Thread(target=self.feed)
        self.thread.start()

    def feed(self):
        text = "lorem ipsum dolor sit amet " * 12
        began = time.monotonic()
        with contextlib.suppress(BrokenPipeError), self.process.stdin as pipe:
            while time.monotonic() < began + self.seconds:
                for _ in range(500):
                    key = self.sent % self.rows + 1
                    self.last[key] = harness.line(key, f"title {key}", price=float(self.sent), description=text)
                    pipe.write(self.last[key].encode())
                    self.sent += 1
                time.sleep(max(0, began + self.sent / self.pace - time.monotonic()))

    def lives(self):
        return self.thread.is_alive()


def test_soak_of_one_long_run(servers, figures):
    """A job whose input does not end, on Cassandra and Redis: a window onto the same ids with ever new prices."""
    job = Started(servers, "-", stdin=subprocess.PIPE)
    seconds = length(30, 3_600)
    feed = Feed(job.process, rows=20_000, seconds=seconds, rows_a_second=4_000)
    samples = []
    # What comes after the last row is not part of the soak.
    with contextlib.suppress(OSError, AttributeError):  # it has ended, and its end will tell why
        while feed.lives():
            samples.append(resources(job.process.pid))
            time.sleep(seconds / 120)
    feed.thread.join()
    figures.run(job.end(code=0))
    figures.most("rows streamed", feed.sent)
    figures.compare(servers.table(), harness.rows_of(*feed.last.values()))
    check_flat(samples, GROWTH_MIB, least=8)
    for what in ("MiB", "descriptors", "threads"):
        figures.most(f"most {what}", round(max(sample[what] for sample in samples)))


def test_soak_of_many_runs(servers, rng, figures):
    """One run after another, a tenth of the prices new each time: each takes what the one before took, and is right."""
    seed = rng.randrange(1000)
    until = time.monotonic() + length(20, 1_800)
    peaks, turn = [], 0
    while time.monotonic() < until or turn < 4:
        texts = harness.catalogue(5_000, seed=seed, changed_per_mille=100 * (turn % 2))
        servers.put(texts)
        job = Started(servers)
        peaks.append(peak_mib(job.process))
        figures.run(job.end(code=0))
        figures.compare(servers.table(), harness.rows_of(*texts))
        turn += 1
    assert figures.run(servers.job()).written == 0
    half = len(peaks) // 2
    figures.most("most MiB", round(max(peaks)))
    assert max(peaks[half:]) <= max(peaks[:half]) + GROWTH_MIB, peaks
