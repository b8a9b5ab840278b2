"""Proxies between the programs and real servers: what passes are the real bytes, and a test's rule disturbs them.

HttpProxy knows requests and answers (S3), CqlProxy the frames of Cassandra; TcpProxy only bytes (Cassandra, Redis). Threads,
one or two a connection.
"""
import collections
import contextlib
import http.client
import http.server
import random
import socket
import struct
import threading
import time


class Request:
    """What a rule of HttpProxy sees. `number` counts the requests that the proxy has seen, from 1."""

    def __init__(self, number, method, target, headers):
        self.number, self.method, self.target, self.headers = number, method, target, headers

    def is_object(self, *keys):
        path = self.target.split("?")[0]
        return self.method == "GET" and path.count("/") >= 2 and (not keys or path.split("/", 2)[2] in keys)

    def what(self):
        """The key and the range, or the listing's page: the same in every run, whatever the bucket's name."""
        path, _, query = self.target.partition("?")
        return path.split("/", 2)[2] if self.is_object() else query, self.headers.get("Range")

    def is_listing(self):
        return "list-type=2" in self.target

    def range(self):
        """First and last byte asked for."""
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        return int(first), int(last)


def refuse(status, code, message="disturbed by the test"):
    """The answer that S3 gives to say so, instead of the real one."""

    def act(handler, _):
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'.encode()
        handler.answer(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))], body)

    return act


def cut(share):
    """The real answer up to this share of its body, then a reset."""

    def act(handler, request):
        status, headers, body = handler.ask(request)
        handler.answer(status, headers, body[: int(len(body) * share)])
        handler.reset()

    return act


def shorten(by):
    """The real answer without its last bytes, its Content-Length made to fit: a whole answer, of the wrong length."""

    def act(handler, request):
        status, headers, body = handler.ask(request)
        body = body[: max(0, len(body) - by)]
        headers = [(name, str(len(body)) if name.lower() == "content-length" else value) for name, value in headers]
        handler.answer(status, headers, body)

    return act


def lie_about_length(more):
    """The real answer, announced as longer than it is; then an ordinary end of the connection."""

    def act(handler, request):
        status, headers, body = handler.ask(request)
        headers = [(name, str(len(body) + more) if name.lower() == "content-length" else value) for name, value in headers]
        handler.answer(status, headers, body)
        handler.close_connection = True

    return act


def stall(share):
    """The real answer up to this share of its body, and then nothing, on an open connection."""

    def act(handler, request):
        status, headers, body = handler.ask(request)
        handler.answer(status, headers, body[: int(len(body) * share)])
        with contextlib.suppress(OSError):  # until the client gives up
            while handler.connection.recv(4096):
                pass
        handler.close_connection = True

    return act


def after(do):
    """Does something else to the world first, then passes."""

    def act(handler, request):
        do()
        handler.answer(*handler.ask(request))

    return act


class HttpProxy:
    """Passes requests on to `upstream` (host:port); rule(request) may return one of the acts above."""

    def __init__(self, upstream):
        self.rule, self.requests, self.lock = None, [], threading.Lock()
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                with proxy.lock:
                    request = Request(len(proxy.requests) + 1, self.command, self.path, self.headers)
                    proxy.requests.append(request)
                    act = proxy.rule(request) if proxy.rule else None
                try:
                    if act is None:
                        self.answer(*self.ask(request))
                    else:
                        act(self, request)
                except OSError:
                    self.close_connection = True

            do_HEAD = do_GET

            def ask(self, request):
                upstream_connection = http.client.HTTPConnection(upstream, timeout=60)
                # The Host is part of what the client signed.
                headers = {name: value for name, value in request.headers.items() if name.lower() != "connection"}
                upstream_connection.request(request.method, request.target, headers=headers)
                answer = upstream_connection.getresponse()
                body = answer.read()
                upstream_connection.close()
                dropped = ("connection", "transfer-encoding", "content-length")
                kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in dropped]
                size = answer.headers["Content-Length"] if request.method == "HEAD" else str(len(body))
                return answer.status, kept + [("Content-Length", size or "0")], body

            def answer(self, status, headers, body):
                self.send_response_only(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def reset(self):
                self.wfile.flush()
                reset(self.connection)
                self.close_connection = True

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass  # clients go when they have given up

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def reset(connection):
    """Ends a connection as a broken peer does: with RST."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()


class TcpProxy:
    """Passes bytes on to `upstream`, as `mode` says at each moment:

    pass; delay (each piece waits `delay_s`); hold (nothing passes, in either direction); deaf (requests pass, answers do
    not: what a write timeout looks like); slice (pieces of a few bytes); throttle (`bytes_per_s`); refuse (connections are
    reset at once). cut() resets all connections. Connections are counted; `seen` has the bytes of requests, and how many connections were refused and pieces held.
    """

    def __init__(self, upstream, host="127.0.0.1", port=0):
        self.upstream = upstream
        self.mode, self.delay_s, self.bytes_per_s = "pass", 0.05, 200_000
        self.connections, self.open, self.lock, self.closed = 0, set(), threading.Lock(), False
        self.seen = collections.Counter()
        self.listener = socket.create_server((host, port), backlog=128)
        self.address = self.listener.getsockname()
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.mode == "refuse":
                self.count("refused")
                reset(client)
                continue
            try:
                server = socket.create_connection(self.upstream, timeout=10)
            except OSError:
                reset(client)
                continue
            server.settimeout(None)
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.open.update((client, server))
            for source, target, answers in ((client, server, False), (server, client, True)):
                threading.Thread(target=self.pump, args=(source, target, answers), daemon=True).start()

    def pump(self, source, target, answers):
        rng = random.Random(1)
        try:
            while data := source.recv(65536):
                if not answers:
                    self.count("asked", len(data))
                self.wait(answers)
                if self.mode == "delay":
                    time.sleep(self.delay_s)
                elif self.mode == "throttle":
                    time.sleep(len(data) / self.bytes_per_s)
                elif self.mode == "slice":
                    while data:
                        size = rng.randint(1, 2000)
                        target.sendall(data[:size])
                        data = data[size:]
                if data:
                    target.sendall(data)
        except OSError:
            pass
        finally:
            self.end(source, target)

    def end(self, source, target):
        with self.lock:
            self.open -= {source, target}
        reset(source)
        reset(target)

    def count(self, what, number=1):
        with self.lock:
            self.seen[what] += number

    def holds(self, answers):
        return not self.closed and (self.mode == "hold" or (self.mode == "deaf" and answers))

    def wait(self, answers):
        if self.holds(answers):
            self.count("held")
        while self.holds(answers):
            time.sleep(0.01)

    def cut(self):
        with self.lock:
            now = list(self.open)
        for one in now:
            reset(one)
        return len(now) // 2

    def close(self):
        self.closed = True
        reset(self.listener)
        self.cut()
        self.thread.join()


class CqlError:
    """What a coordinator says instead of an answer (native protocol, version 4). `late`: the request reaches the node all the
    same, and the error takes the place of what it answers."""

    def __init__(self, code, message, details=b"", late=False):
        text = message.encode()
        self.body = struct.pack(">iH", code, len(text)) + text + details
        self.late = late


def short_bytes(body):
    """What stands at the front, after its length in two bytes."""
    return body[2 : 2 + int.from_bytes(body[:2], "big")]


class CqlProxy(TcpProxy):
    """Passes whole frames on; rule(opcode, statement, what) may return a CqlError for a request: the statement's text where
    one that is prepared is executed alone, else ""; `what` tells the request from others, and is the same when it is
    repeated. `seen` has how many errors were given ("refused") and how many of them late ("late")."""

    HEAD = struct.Struct(">BBhBI")  # version, flags, stream, opcode, length
    VERSION, ERROR, RESULT, PREPARE, EXECUTE = 4, 0x00, 0x08, 0x09, 0x0A
    PREPARED = struct.pack(">i", 4)  # a result that begins so is a statement's id

    def __init__(self, upstream):
        self.rule = None
        self.preparing, self.statements = {}, {}  # texts: by (the client's connection, stream), by id
        self.replaced = {}  # (the client's connection, stream): the error that takes the place of the answer
        self.writing = collections.defaultdict(threading.Lock)  # to a client write its answers and its errors
        super().__init__(upstream)

    def pump(self, source, target, answers):
        client = target if answers else source
        try:
            with source.makefile("rb") as frames:
                while len(head := frames.read(self.HEAD.size)) == self.HEAD.size:
                    version, _, stream, opcode, size = self.HEAD.unpack(head)
                    body = frames.read(size)
                    if answers:
                        self.answer(client, stream, opcode, head, body)
                    elif version != self.VERSION or not self.refuse(client, stream, opcode, body):
                        target.sendall(head + body)
        except OSError:
            pass
        finally:
            self.end(source, target)

    def refuse(self, client, stream, opcode, body):
        """True where the request has had its answer."""
        with self.lock:
            if opcode == self.PREPARE:
                self.preparing[client, stream] = body[4:].decode()
            statement = self.statements.get(short_bytes(body), "") if opcode == self.EXECUTE else ""
            error = self.rule(opcode, statement, self.what(body)) if self.rule else None
            if error is None:
                return False
            self.seen["refused"] += 1
            if error.late:
                self.seen["late"] += 1
                self.replaced[client, stream] = error
                return False
        self.write(client, self.error(stream, error))
        return True

    def what(self, body):
        """A request without what is another in each run: the ids of statements, made of the keyspace's name, too, and the time
        of writing at its end."""
        for known in self.statements:
            body = body.replace(known, b"")
        written_s = int.from_bytes(body[-8:], "big") / 1e6
        return body[:-8] if abs(written_s - time.time()) < 86_400 else body

    def answer(self, client, stream, opcode, head, body):
        with self.lock:
            text = self.preparing.pop((client, stream), None)
            if text and opcode == self.RESULT and body.startswith(self.PREPARED):
                self.statements[short_bytes(body[len(self.PREPARED) :])] = text
            error = self.replaced.pop((client, stream), None)
        self.write(client, self.error(stream, error) if error else head + body)

    def error(self, stream, error):
        return self.HEAD.pack(0x80 | self.VERSION, 0, stream, self.ERROR, len(error.body)) + error.body

    def write(self, client, frame):
        with self.lock:
            writing = self.writing[client]
        with writing:
            client.sendall(frame)
