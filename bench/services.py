"""The services under load: ours and the peer's, and wrk beside them."""
import contextlib
import json
import pathlib
import re
import resource
import signal
import socket
import subprocess
import time
import urllib.request

import measure
from measure import Wrong
from rounds import Sample
from world import bare_environment

START_PATIENCE_S = 30
LUA = pathlib.Path(__file__).resolve().parent / "wrk.lua"
CONNECTIONS = 64
WARM_UP_S = 2


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(port, product_id):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/product/{product_id}", timeout=30) as answer:
        return json.load(answer)


class Service:
    """A service that runs while this is open. `known`: a product, to see that it serves what was loaded."""

    def __init__(self, command, environment, port, folder, known):
        self.port = port
        self.log = (folder / "service.log").open("w")
        self.process = subprocess.Popen(
            [str(word) for word in command], env=environment, cwd=folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=self.log,
        )
        try:
            self.wait_for(known)
        except BaseException:
            self.close()
            raise

    def wait_for(self, known):
        deadline = time.monotonic() + START_PATIENCE_S
        while True:
            try:
                served = get(self.port, known["id"])
                break
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise Wrong(f"the service does not answer: {error}; see {self.log.name}") from error
                time.sleep(0.05)
        if served != known:
            raise Wrong(f"the service serves {served}, loaded was {known}")

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def pid(self):
        return self.process.pid


def wrk(service, seconds, ids, connections=CONNECTIONS, prefix=()):
    """One run of wrk, one thread; its figures, and how much of a core it took: near 1, it is the limit. Every answer has
    to be 200."""
    command = [
        *prefix, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", LUA, f"http://127.0.0.1:{service.port}",
        "--", ids[0], ids[1],
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [str(word) for word in command], env=bare_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    found = re.search(r"^\{.*\}$", done.stdout, re.MULTILINE)
    if done.returncode or not found:
        raise Wrong(f"wrk ended with {done.returncode}: {done.stdout[-500:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures = json.loads(found.group())
    figures["cores"] = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / figures["seconds"]
    if figures["not_ok"] or figures["errors"]:
        raise Wrong(f"not every answer was a product: {figures}")
    return figures


def under_load(service, seconds, ids, prefix=(), count=None):
    """Loads a running service, warm, and returns the Sample. `count` counts something around the run."""
    wrk(service, WARM_UP_S, ids, prefix=prefix)
    cpu_before, counted_before = measure.cpu_s(service.pid), count() if count else 0
    figures = wrk(service, seconds, ids, prefix=prefix)
    extra = {"p99 ms": figures["p99_ms"], "p50 ms": figures["p50_ms"], "cores wrk took": figures["cores"]}
    if count:
        extra["reads of the store for 1,000 requests"] = (count() - counted_before) / figures["requests"] * 1000
    return Sample(
        figures["seconds"], figures["requests"], measure.cpu_s(service.pid) - cpu_before, measure.peak_bytes(service.pid), extra
    )


@contextlib.contextmanager
def ours(context, environment, known, prefix=(), access_log=False):
    """Our service; without its access log, as the peer writes none."""
    port = free_port()
    environment = {**environment, "DATAFLOW_HTTP_ACCESS_LOG": "true" if access_log else "false"}
    command = [*prefix, context.binaries / "microservice", "-listen", f"127.0.0.1:{port}"]
    with context.scratch() as folder, Service(command, environment, port, folder, known) as service:
        yield service


@contextlib.contextmanager
def go(context, program, world, keyspace, known):
    port = free_port()
    command = [
        program, "-listen", f"127.0.0.1:{port}", "-cassandra", world.hosts[0], "-cassandra-port", world.port, "-keyspace", keyspace,
    ]
    with context.scratch() as folder, Service(command, bare_environment(), port, folder, known) as service:
        yield service
