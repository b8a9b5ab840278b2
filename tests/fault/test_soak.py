"""Goal: what runs for long, and what runs again and again, takes as much at the end as in the beginning, and every row is right:
a job whose input does not end, one job after another, and the service on both stores while they change. All at once, each with
data of its own."""
import contextlib
import subprocess
import threading
import time
import uuid

import harness
import pytest
import serving
from faults import Started, check_flat, length, peak_mib, resources

SECONDS = length(300, 3_600)
SAMPLES = 200  # of each that is watched
# That an allocator may still find its level by; a job's queues (16 MiB) are as full as the machine is busy. A service was seen
# to grow by 0.1 to 0.7 MiB, in 5 min and in 1 h: 4 MiB are 220 bytes for each answer from the one quarter to the other, in full 18.
JOB_GROWTH_MIB, SERVICE_GROWTH_MIB = 24, 4
STREAMED_IDS, STREAMED_A_SECOND = 20_000, 2_000
ROWS = 2_000
WHOLE_EVERY = 10  # loads
CONNECTIONS = 8  # to each service, which keep asking
BACK_S = 5


class Stream:
    """A job that reads from here, for so long: the same ids come round again and again, each time at another price."""

    def __init__(self, setup):
        self.job = Started(setup, "-", stdin=subprocess.PIPE)
        self.last, self.sent, self.samples = {}, 0, []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=work) for work in (self.feed, self.watch)]
        for thread in self.threads:
            thread.start()

    def feed(self):
        text, began = "lorem ipsum dolor sit amet " * 12, time.monotonic()
        with contextlib.suppress(BrokenPipeError), self.job.process.stdin as pipe:
            while not self.stop.wait(max(0, began + self.sent / STREAMED_A_SECOND - time.monotonic())):
                for _ in range(500):
                    key = self.sent % STREAMED_IDS + 1
                    self.last[key] = harness.line(key, f"title {key}", price=float(self.sent), description=text)
                    pipe.write(self.last[key].encode())
                    self.sent += 1

    def watch(self):
        # What comes after the last row is not part of the soak.
        with contextlib.suppress(OSError, AttributeError):  # it has ended, and its end will tell why
            while not self.stop.wait(SECONDS / SAMPLES):
                self.samples.append(resources(self.job.process.pid))

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def check(self, setup, figures):
        figures.run(self.job.end(code=0))
        figures.most("rows streamed", self.sent)
        figures.compare(setup.table(), harness.rows_of(*self.last.values()))
        check_flat(self.samples, JOB_GROWTH_MIB, least=20, name="stream: ")
        for what in ("MiB", "descriptors", "threads"):
            figures.most(f"stream: most {what}", round(max(sample[what] for sample in self.samples)))


class Served:
    """A store with its service and a crowd that keeps asking it, while one job after another changes its rows."""

    def __init__(self, name, setup, stack):
        self.name, self.setup, self.day, self.rows, self.peaks = name, setup, 0, {}, []
        self.load()
        self.service = stack.enter_context(serving.Service(setup))
        self.watch = serving.Watch(self.service, SECONDS / SAMPLES)
        stack.callback(self.watch.end)
        self.crowd = serving.Crowd(self.service.address, self.rows, CONNECTIONS, pause_s=0.05, keep=False)
        stack.callback(self.crowd.stop.set)

    def load(self):
        """Some prices are new each day, and some as they were before yesterday."""
        texts = harness.catalogue(ROWS, files=1, changed_per_mille=self.day % 50)
        (self.setup.folder / "a.jsonl").write_text(texts[0])
        job = Started(self.setup, "a.jsonl")
        self.peaks.append(peak_mib(job.process))
        run, before = job.end(code=0), self.rows
        self.rows = harness.rows_of(*texts)
        self.day += 1
        self.changed = [key for key, row in self.rows.items() if before.get(key) != row]
        assert run.written == len(self.changed), f"{run.written} rows written where {len(self.changed)} were other ones"

    def ask(self):
        """On new connections, beside those that stay."""
        for _ in range(20):
            assert self.service.asked(self.day % ROWS + 1).status == 200
        counted = self.crowd.served()
        harness.wait_for(lambda: self.crowd.served() > counted + 100, "the crowd goes on")

    def compare(self, figures):
        """What this load changed, and at times everything."""
        last = {key: self.rows[key] for key in self.changed}
        harness.wait_for(lambda: self.service.serves(last) == last, "the last load is seen", BACK_S)
        if self.day % WHOLE_EVERY == 0:
            figures.compare(self.service.serves(self.rows), self.rows)

    def check(self, figures):
        self.watch.end()
        self.crowd.end()
        assert set(self.crowd.statuses) == {200}, self.crowd.statuses
        figures.compare(self.service.serves(self.rows), self.rows)
        assert figures.run(self.setup.job("a.jsonl")).written == 0
        memory = check_flat(self.watch.samples, SERVICE_GROWTH_MIB, least=20, name=f"service, {self.name}: ")
        half = len(self.peaks) // 2
        assert max(self.peaks[half:]) <= max(self.peaks[:half]) + JOB_GROWTH_MIB, self.peaks
        for what, value in {
            "loads": self.day,
            "most MiB of a job": round(max(self.peaks)),
            "requests answered": self.crowd.served(),
            "MiB of the service in the second quarter": round(memory[0], 1),
            "MiB in the last": round(memory[1], 1),
            "most descriptors": self.watch.most("descriptors"),
        }.items():
            figures.most(f"{self.name}: {what}", value)


@pytest.mark.without_faults
def test_soak(embedded, servers, tmp_path, figures):
    (tmp_path / "stream").mkdir()
    with contextlib.closing(harness.Servers(tmp_path / "stream", "fault_" + uuid.uuid4().hex[:12])) as streamed:
        stream = Stream(streamed)
        with contextlib.ExitStack() as stack:
            stack.callback(stream.end)
            stores = [Served("embedded", embedded, stack), Served("cassandra", servers, stack)]
            until = time.monotonic() + SECONDS
            while time.monotonic() < until:
                for store in stores:
                    store.load()
                    figures.runs += 1
                    store.ask()
                    store.compare(figures)
            for store in stores:
                store.check(figures)
        stream.check(streamed, figures)
