"""What every fault test needs: a seed that replays a run, how long tests are, a count of what they did, a job that runs.

environment: DATAFLOW_FAULT_SEED  replays the faults of a run that printed this seed (default: a new one)
             DATAFLOW_FAULT_LONG  1: the full number of faults instead of what CI has time for
"""
import collections
import http.client
import json
import os
import pathlib
import random
import re
import resource
import statistics
import subprocess
import time

import harness

SEED = int(os.environ.get("DATAFLOW_FAULT_SEED") or random.SystemRandom().randrange(2**32))
LONG = os.environ.get("DATAFLOW_FAULT_LONG") == "1"


def length(short, full):
    """How many times: in CI, or where there is time."""
    return full if LONG else short


class Draws:
    """Random numbers for requests that come side by side: by what a request is and how often it has come, so that they are
    the seed's whichever is first. For one thread at a time."""

    def __init__(self, rng):
        self.seed, self.times = rng.random(), collections.Counter()

    def of(self, what):
        """Those of this request, which has come once more."""
        self.times[what] += 1
        return random.Random(f"{self.seed} {what} {self.times[what]}")


class Figures:
    """What one test did. Rows are counted where they are compared, and nowhere else; a difference is counted, and ends the
    test. One without a fault fails (conftest.py)."""

    def __init__(self, test):
        self.test, self.faults, self.runs, self._rows, self._differences, self.notes = test, 0, 0, 0, 0, {}

    def fault(self, count=1):
        self.faults += count

    def run(self, run):
        self.runs += 1
        return run

    def compare(self, actual, expected):
        self._rows += len(expected)
        self._differences += len(harness.differences(actual, expected))
        harness.assert_same_table(actual, expected)

    def compare_each(self, actual, allowed):
        """Each row is as one of the tables has it."""
        wrong = [row for key, row in actual.items() if not any(harness.same(row, table.get(key)) for table in allowed)]
        self._rows += len(actual)
        self._differences += len(wrong)
        assert not wrong, f"{len(wrong)} rows that nobody wrote, e.g. {wrong[0]}"

    def most(self, name, value):
        """Notes the largest value seen of something."""
        self.notes[name] = max(value, self.notes.get(name, value))

    def least(self, name, value):
        self.notes[name] = min(value, self.notes.get(name, value))

    def line(self):
        notes = "".join(f", {name} {value}" for name, value in self.notes.items())
        return f"{self.test}: {self.faults} faults, {self.runs} runs, {self._rows} rows compared, {self._differences} differences{notes}"


class Started:
    """A job that runs, to be disturbed; its output is kept in files, so that it never waits for a reader."""

    count = 0

    def __init__(self, setup, *arguments, **popen):
        Started.count += 1
        base = setup.folder / f"started-{Started.count}"
        self.report_path, self.err_path = base.with_suffix(".json"), base.with_suffix(".err")
        self.began = time.monotonic()
        popen = {"stdin": subprocess.DEVNULL, **popen}
        with open(self.err_path, "wb") as err:
            self.process = setup.start(
                "-report", self.report_path, *arguments, stdout=subprocess.DEVNULL, stderr=err, **popen
            )

    def runs(self):
        return self.process.poll() is None

    def log(self):
        return self.err_path.read_text(errors="replace")

    def wait_until(self, condition, what, timeout_s=harness.WAIT_S):
        """Waits for the condition; a job that ends first fails the test."""

        def check():
            return condition() or not self.runs()

        harness.wait_for(check, what, timeout_s)
        assert self.runs(), f"the job ended ({self.process.returncode}) before: {what}\n{self.log()}"

    def end(self, code=None, timeout_s=harness.RUN_TIMEOUT_S):
        """Waits for the end; `code` is the exit code expected, None: any."""
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the job did not end within {timeout_s} s\n{self.log()}") from None
        text = self.report_path.read_text() if self.report_path.exists() else ""
        run = harness.Run(self.process.returncode, "", self.log(), json.loads(text) if text else {})
        if code is not None:
            assert run.code == code, f"exit code {run.code} instead of {code}\n{run.err}"
        return run


def served_table(address, keys):
    """The rows as the service serves them, by a client that is not ours."""
    connection = http.client.HTTPConnection(address, timeout=30)
    table = {}
    for key in keys:
        connection.request("GET", f"/product/{key}")
        answer = connection.getresponse()
        body = answer.read()
        if answer.status == 200:
            table[key] = json.loads(body)
    return table


def write_files(setup, texts):
    """The texts as files in the setup's folder, and the pattern that names them."""
    for number, text in enumerate(texts):
        (setup.folder / f"p{number:02}.jsonl").write_text(text)
    return setup.folder / "p*.jsonl"


def limited(which, value):
    """For Popen: a process with this limit (RLIMIT_...), on two CPUs: what it takes goes by their number, which is the
    machine's."""

    def limit():
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
        resource.setrlimit(which, (value, value))

    return {"preexec_fn": limit}


def resources(pid):
    """MiB of memory and of what RLIMIT_DATA counts, descriptors and threads of a process, now."""
    proc = pathlib.Path(f"/proc/{pid}")
    status = (proc / "status").read_text()
    memory, data = (int(re.search(rf"{name}:\s+(\d+)", status).group(1)) / 1024 for name in ("VmRSS", "VmData"))
    return {"MiB": memory, "MiB of data": data, "descriptors": len(os.listdir(proc / "fd")), "threads": len(os.listdir(proc / "task"))}


def peak_mib(process):
    """Waits for its end; the most memory that it had taken when it was last looked at. (What wait4() says begins with what
    its parent takes.)"""
    status, peak = pathlib.Path(f"/proc/{process.pid}/status"), 0
    while process.poll() is None:
        if found := re.search(r"VmHWM:\s+(\d+)", status.read_text()):
            peak = int(found.group(1)) / 1024
        time.sleep(0.002)
    return peak


def check_flat(samples, growth_mib, least, name=""):
    """The last quarter is as the second one: by then everything that is made once has been made. `samples`: of resources(), at
    least so many. Returns the two medians of memory."""
    assert len(samples) >= least, f"{name}only {len(samples)} samples"
    quarter = len(samples) // 4
    second, last = samples[quarter : 2 * quarter], samples[-quarter:]
    memory = [statistics.median(sample["MiB"] for sample in part) for part in (second, last)]
    assert memory[1] <= memory[0] + growth_mib, f"{name}memory grew from {memory[0]:.1f} to {memory[1]:.1f} MiB"
    for what, allowed in (("descriptors", 8), ("threads", 2)):
        most = [max(sample[what] for sample in part) for part in (second, last)]
        assert most[1] <= most[0] + allowed, f"{name}{what} grew from {most[0]} to {most[1]}"
    return memory
