"""A gate between S3 and the job: what it has not let through cannot have been loaded. So a load is under way for as long
as a test wants, however fast or busy the machine is, and a fault meets it there."""
import copy
import threading
import time

import harness
import proxy
from faults import Started

PART_BYTES = 65_536  # the least that may be asked for at once
STALL_S = 1
RESERVE = 4  # the ranges' last part of so many stays back until open()


class NotMet(AssertionError):
    """The moment that a test wanted did not come."""


def firsts(*texts, lines=20):
    """The rows at the beginning of each of these objects: one of them is among the first that a load writes."""
    return harness.rows_of(*("\n".join(text.split("\n")[:lines]) for text in texts))


class Gate:
    """Only for the jobs that it starts; everybody else goes past it. Made anew for each of them by start()."""

    def __init__(self, setup):
        self.setup = setup
        self.between = proxy.HttpProxy(setup.environment["AWS_ENDPOINT_URL"].removeprefix("http://"))
        self.between.rule = lambda request: proxy.after(self.wait) if request.is_object() else None
        self.changed = threading.Condition()
        self.allowed = self.passed = self.most = 0
        self.is_open = True
        self.pace_s = 0.02  # between two ranges that are let through, at least

    def start(self, texts, *arguments, **environment):
        """A job that loads what the bucket holds (`texts`), nothing of which passes yet."""
        with self.changed:
            self.is_open, self.allowed, self.passed = False, 0, 0
            ranges = sum(-(-len(text.encode()) // PART_BYTES) for text in texts)
            self.most = ranges - -(-ranges // RESERVE)
        gated = copy.copy(self.setup)
        patient = str(harness.RUN_TIMEOUT_S * 1000)
        gated.environment = {
            **self.setup.environment,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.between.port}",
            "DATAFLOW_S3_PART_BYTES": str(PART_BYTES),
            "DATAFLOW_S3_PARTS_PER_OBJECT": "1",  # in order: each range that passes is rows
            "DATAFLOW_S3_REQUEST_TIMEOUT_MS": patient,
            "DATAFLOW_PIPELINE_BLOCK_BYTES": str(PART_BYTES),
            **environment,
        }
        return Started(gated, *arguments)

    def wait(self):
        with self.changed:
            self.changed.wait_for(lambda: self.is_open or self.passed < self.allowed)
            self.passed += 1

    def let(self, ranges=1):
        """So many more may pass, but not the last: the load goes on until open()."""
        with self.changed:
            self.allowed = min(self.allowed + ranges, self.most)
            self.changed.notify_all()

    def feed_until(self, job, condition, what, timeout_s=harness.WAIT_S, stored=None):
        """Lets range after range pass until the condition holds; NotMet where it does not in time. With `stored` (tells how
        many rows are) the next one passes when more of them are, or a second later: what passes while nothing can be written
        is missing afterwards."""
        deadline, count, let_at = time.monotonic() + timeout_s, None, 0
        while not condition():
            assert job.runs(), f"the job ended ({job.process.returncode}) before: {what}\n{job.log()}"
            if time.monotonic() > deadline:
                raise NotMet(f"{what}: not within {timeout_s} s, {self.passed} ranges\n{job.log()}")
            if self.passed >= self.allowed:
                now = stored and stored()
                if stored is None or now != count or time.monotonic() > let_at + STALL_S:
                    self.let()
                    count, let_at = now, time.monotonic()
            time.sleep(self.pace_s)

    def feed_some(self, job, rng, what):
        """Lets a random share of the ranges pass that still may: the load goes on."""
        number = self.passed + int(rng.random() * (self.most - self.passed + 1))
        self.feed_until(job, lambda: self.passed >= number, what)

    def open(self):
        with self.changed:
            self.is_open = True
            self.changed.notify_all()

    def close(self):
        self.open()
        self.between.close()
