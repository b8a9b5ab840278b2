"""Raw sockets to the service: exact bytes out, answers taken apart, waits for events and never for time."""
import re
import socket
import time

PATIENCE_S = 30


class Closed(Exception):
    """The server closed before a whole answer had come."""


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    def __repr__(self):
        return f"{self.status} {self.fields} {self.body[:200]}"


class Client:
    def __init__(self, address, receive_buffer=None):
        host, port = address.rsplit(":", 1)
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = b""

    def send(self, data):
        """Whether the server took everything; it may have answered and closed meanwhile."""
        try:
            self.socket.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def receive(self):
        """More input; False at the end."""
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        except TimeoutError as error:
            raise AssertionError(f"the server neither answers nor closes within {PATIENCE_S} s") from error
        self.input += data
        return bool(data)

    def answer(self, to_head=False):
        while b"\r\n\r\n" not in self.input:
            if not self.receive():
                raise Closed(f"after {self.input!r}")
        head, self.input = self.input.split(b"\r\n\r\n", 1)
        first, *lines = head.decode().split("\r\n")
        status = re.fullmatch(r"HTTP/1\.1 (\d{3}) [A-Za-z' -]*", first)
        assert status, f"no status line: {first}"
        fields = dict(line.split(": ", 1) for line in lines)
        assert len(fields) == len(lines), f"a field twice: {lines}"
        size = 0 if to_head else int(fields.get("Content-Length", 0))
        while len(self.input) < size:
            if not self.receive():
                raise Closed(f"in the body of {first}")
        body, self.input = self.input[:size], self.input[size:]
        return Answer(int(status.group(1)), fields, body)

    def is_closed(self):
        """Waits for the end; whether it comes without another byte."""
        while self.receive():
            pass
        return not self.input

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def get(target, *fields, version="1.1"):
    head = f"GET {target} HTTP/{version}\r\nHost: x\r\n" + "".join(f"{field}\r\n" for field in fields)
    return (head + "\r\n").encode()


def timed_gets(address, seconds, every_s=0.005, fresh=True):
    """GETs one after another for so long, each on a connection of its own where `fresh`, else on one for as long as it is
    served: milliseconds of each answer, and how many were refused (503 or closed)."""
    times, refused, client = [], 0, None
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.monotonic()
        try:
            client = client or Client(address)
            client.send(get("/product/42"))
            status = client.answer().status
        except (Closed, OSError):
            status = 0
        if status == 200:
            times.append(1000 * (time.monotonic() - begin))
        else:
            refused += 1
        if client and (fresh or status != 200):
            client.close()
            client = None
        time.sleep(every_s)
    return times, refused


def percentile(times, share):
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
