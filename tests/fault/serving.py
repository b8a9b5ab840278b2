"""The service under faults: its process, a crowd that keeps asking it, and what it takes of the machine meanwhile."""
import collections
import http.client
import json
import threading
import time

import harness
from faults import resources

CROWD = 64
SLACK_S = 1.5  # a busy machine's, over a deadline


class Service(harness.Service):
    """The running service, what it takes of the machine, and what it answers."""

    def resources(self):
        return resources(self.process.pid)

    def asked(self, key=1):
        return ask(http.client.HTTPConnection(self.address, timeout=30), key)

    def serves(self, keys):
        """The rows of these ids; every answer has to be one."""
        connection = http.client.HTTPConnection(self.address, timeout=30)
        rows = {}
        for key in keys:
            answer = ask(connection, key)
            assert answer.status == 200, (key, answer.status, answer.body)
            rows[key] = json.loads(answer.body)
        connection.close()
        return rows


class Answer:
    def __init__(self, key, status, headers, body, began, seconds):
        self.key, self.status, self.headers, self.body = key, status, headers, body
        self.began, self.seconds = began, seconds


def ask(connection, key):
    began = time.monotonic()
    connection.request("GET", f"/product/{key}")
    answer = connection.getresponse()
    body = answer.read()
    return Answer(key, answer.status, dict(answer.getheaders()), body, began, time.monotonic() - began)


def check_unavailable(answer, deadline_s):
    """A 503 as it is promised: in time, a problem, with the time to come again."""
    assert answer.status == 503, (answer.status, answer.body)
    assert int(answer.headers["Retry-After"]) >= 1, answer.headers
    assert json.loads(answer.body)["status"] == 503
    assert answer.seconds < deadline_s + SLACK_S, f"answered after {answer.seconds:.2f} s"


class Crowd:
    """Connections that keep asking, each as soon as it has its answer (and `pause_s`), until end(). Answers are kept, without
    the products in them, unless there would be too many (`keep`); statuses are counted. With `rows` each answer is compared:
    200 has the row of that id, 404 is said of ids that are not there."""

    def __init__(self, address, keys, connections=CROWD, pause_s=0.02, keep=True, rows=None):
        self.address, self.keys, self.pause_s, self.keep, self.rows = address, list(keys), pause_s, keep, rows
        self.answers, self.broken, self.wrong = [], [], []
        self.statuses, self.lock = collections.Counter(), threading.Lock()
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(number,)) for number in range(connections)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        connection = http.client.HTTPConnection(self.address, timeout=30)
        while not self.stop.wait(self.pause_s):
            number += 1
            try:
                self.note(ask(connection, self.keys[number % len(self.keys)]))
            except (OSError, http.client.HTTPException) as error:
                self.broken.append(error)
                connection.close()

    def note(self, answer):
        if self.rows is not None and answer.status in (200, 404):
            served = json.loads(answer.body) if answer.status == 200 else None
            if served != self.rows.get(answer.key):
                self.wrong.append(answer)
        if answer.status == 200:
            answer.body = b""
        with self.lock:
            self.statuses[answer.status] += 1
        if self.keep:
            self.answers.append(answer)

    def served(self):
        return self.statuses.total()

    def since(self, moment):
        """The answers to what was asked after it."""
        return [answer for answer in list(self.answers) if answer.began > moment]

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        assert not self.broken, f"{len(self.broken)} requests had no answer, e.g. {self.broken[0]!r}"
        assert not self.wrong, f"{len(self.wrong)} answers were wrong, e.g. {self.wrong[0].status} for {self.wrong[0].key}"
        return self.answers


class Watch:
    """Samples what a service takes until it is ended."""

    def __init__(self, service, every_s=0.2):
        self.service, self.every_s, self.samples = service, every_s, []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def watch(self):
        while not self.stop.wait(self.every_s):
            self.samples.append(self.service.resources())

    def end(self):
        self.stop.set()
        self.thread.join()
        return self

    def most(self, what):
        return max(sample[what] for sample in self.samples)
