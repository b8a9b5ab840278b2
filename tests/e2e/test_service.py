"""Goal: the service answers by id, says honestly what it has not and what it cannot reach, and recovers by itself."""
import contextlib
import fcntl
import http.client
import json
import os
import pty
import signal
import termios

import harness


def request(address, method, path):
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def check_problem(status, headers, body):
    assert headers["Content-Type"] == "application/problem+json"
    problem = json.loads(body)
    assert problem["status"] == status and problem["title"] and "type" in problem


def test_answers_of_the_embedded_store(embedded):
    (embedded.folder / "a.jsonl").write_text(harness.line(42, "größe \"quoted\" 😀", price=0.1, brand=None))
    embedded.job("a.jsonl")
    with embedded.service() as address:
        status, headers, body = request(address, "GET", "/product/42")
        assert status == 200 and json.loads(body) == harness.product_of((embedded.folder / "a.jsonl").read_text())
        status, headers, body = request(address, "HEAD", "/product/42")
        assert status == 200 and body == b"" and int(headers["Content-Length"]) > 0
        for method, path, expected in (
            ("GET", "/product/43", 404),
            ("GET", "/nothing", 404),
            ("GET", "/product/-1", 400),
            ("GET", "/product/abc", 400),
            ("GET", "/product/9223372036854775808", 400),
            ("POST", "/product/42", 405),
        ):
            status, headers, body = request(address, method, path)
            assert status == expected, (method, path, status)
            check_problem(status, headers, body)
        assert "GET" in headers["Allow"]


def test_without_a_store_it_says_so_and_recovers(embedded):
    with embedded.service() as address:
        status, headers, body = request(address, "GET", "/product/1")
        assert status == 503 and int(headers["Retry-After"]) >= 1
        check_problem(status, headers, body)
        (embedded.folder / "a.jsonl").write_text(harness.line(1, "one"))
        embedded.job("a.jsonl")
        harness.wait_for(lambda: request(address, "GET", "/product/1")[0] == 200, "the store is seen", timeout_s=10)


def test_unreachable_cassandra_is_503_and_it_starts_all_the_same(servers):
    servers.environment["DATAFLOW_CASSANDRA_PORT"] = str(harness.free_port())
    servers.environment["DATAFLOW_CASSANDRA_CONNECT_TIMEOUT_MS"] = "1000"
    with servers.service() as address:
        status, headers, body = request(address, "GET", "/product/1")
        assert status == 503 and "Retry-After" in headers
        check_problem(status, headers, body)


def test_port_in_use_is_said(embedded):
    with embedded.service() as address:
        process = embedded.start("-listen", address, program="microservice")
        _, err = process.communicate(timeout=60)
        assert process.returncode == 1 and address.split(":")[1] in err.decode()


def test_sighup_leaves_a_service_without_a_certificate_running(embedded):
    with harness.Service(embedded, start_new_session=True) as service:
        for _ in range(3):
            service.process.send_signal(signal.SIGHUP)
        harness.wait_for(lambda: "nothing to read again" in service.log() or service.process.poll() is not None, "it says so")
        assert request(service.address, "GET", "/")[0] == 404


def test_sighup_of_a_closed_terminal_ends_a_service_without_a_certificate(embedded):
    terminal, its_end = pty.openpty()

    def take_terminal():
        os.setsid()
        fcntl.ioctl(its_end, termios.TIOCSCTTY, 0)

    service = harness.Service(embedded, preexec_fn=take_terminal)
    try:
        os.close(its_end)
        os.close(terminal)
        assert service.process.wait(harness.WAIT_S) == -signal.SIGHUP
    finally:
        service.process.kill()
        service.process.wait()


class FullPipe:
    """A standard error that nobody reads: the test fills and empties it beside the service."""

    def __init__(self, path):
        os.mkfifo(path)
        self.reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.writer = os.open(path, os.O_WRONLY)  # the service's
        self.filler = os.open(path, os.O_WRONLY)

    def empty(self):
        text = b""
        with contextlib.suppress(BlockingIOError):
            while True:
                text += os.read(self.reader, 65536)
        return text.decode()

    def close(self):
        for descriptor in (self.reader, self.writer, self.filler):
            os.close(descriptor)


def test_a_standard_error_that_nobody_reads_holds_up_neither_requests_nor_the_end(embedded):
    pipe, port = FullPipe(embedded.folder / "err"), harness.free_port()
    address = f"127.0.0.1:{port}"
    embedded.environment["DATAFLOW_HTTP_THREADS"] = "1"
    process = embedded.start("-listen", address, program="microservice", stdout=harness.subprocess.DEVNULL, stderr=pipe.writer)
    try:
        harness.wait_for(lambda: request(address, "GET", "/")[0] == 404, "the service answers")
        harness.fill(pipe.filler)
        for _ in range(10):  # there is no store, which it wants to say
            assert request(address, "GET", "/product/1")[0] == 503
        said = ""

        def is_told():
            nonlocal said
            said += pipe.empty()
            return "the store could not be read" in said

        harness.wait_for(is_told, "what it had to say is said to who reads again")
        harness.fill(pipe.filler)
        process.send_signal(signal.SIGTERM)
        assert process.wait(harness.WAIT_S) == 0
    finally:
        process.kill()
        process.wait()
        pipe.close()
