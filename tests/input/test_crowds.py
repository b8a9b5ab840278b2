"""Goal: slow clients, ten thousand held connections and floods at the descriptor limit cost the others nothing but a little time."""
import concurrent.futures
import multiprocessing
import os
import re
import resource
import selectors
import socket
import subprocess
import time

import harness
import pytest
import wire
from wire import Client, get

LONG = bool(os.environ.get("DATAFLOW_LONG"))
HELD = 10_000
SERVED_S = 60 if LONG else 10
SLOW_S = 2  # a little longer than the deadlines of who is slow
# What a client may have to wait while the others are many, on two cores that also run the others.
P99_MS = 1000


def setup_with_a_product(folder, **environment):
    setup = harness.Setup(folder, {f"DATAFLOW_HTTP_{key.upper()}": str(value) for key, value in environment.items()})
    setup.environment["DATAFLOW_HTTP_ACCESS_LOG"] = "false"
    (setup.folder / "a.jsonl").write_text(harness.line(42, "Lamp", price=19.5))
    setup.job("a.jsonl")
    return setup


def wait_until_closed(clients, timeout_s):
    """Waits until the server has closed every one; how many have been told a status before."""
    told = 0
    deadline = time.monotonic() + timeout_s
    for client in clients:
        client.socket.settimeout(max(0.1, deadline - time.monotonic()))
        while client.receive():
            pass
        told += client.input.startswith(b"HTTP/1.1 408 ")
    return told


def raise_descriptor_limit(wanted):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted:
        pytest.fail(f"{wanted} open files are needed, {hard} allowed: raise the hard limit (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def measured(pool, address, seconds):
    """The others while something goes on: on new connections and on one that stays."""
    return [pool.submit(wire.timed_gets, str(address), seconds, fresh=fresh) for fresh in (True, False)]


def report(tell, what, measuring):
    """Tells the figures."""
    results = [each.result() for each in measuring]
    for (times, refused), how in zip(results, ("new connections", "a kept connection")):
        waited = f", p50 {wire.percentile(times, 0.5):.1f} ms, p99 {wire.percentile(times, 0.99):.1f} ms" if times else ""
        tell(f"{what}: {len(times)} others served on {how}{waited}, {refused} refused")
    return results


def check_served(results):
    for times, refused in results:
        assert times and refused == 0
        assert wire.percentile(times, 0.99) < P99_MS


def test_slow_headers_and_bodies_are_408_and_silence_is_closed(tmp_path, tell, pool):
    with setup_with_a_product(tmp_path, header_timeout_ms=1500, idle_timeout_ms=1500).service() as address:
        begun = (b"GET /product/42 HT", b"GET /product/42 HTTP/1.1\r\nHost: x\r\nA: ", get("/product/42", "Content-Length: 9") + b"bod",
                 get("/product/42", "Transfer-Encoding: chunked") + b"5\r\nhe")
        others = measured(pool, address, SLOW_S)
        slow = [Client(address) for _ in begun]
        for client, data in zip(slow, begun):
            client.send(data)
        silent, idle = Client(address), Client(address)
        idle.send(get("/product/42"))
        assert idle.answer().status == 200
        # A byte now and then does not count as progress.
        patience = time.monotonic() + wire.PATIENCE_S
        while not is_readable(slow[1]) and slow[1].send(b"x"):
            assert time.monotonic() < patience, "a byte now and then extends the deadline"
            time.sleep(0.05)
        assert wait_until_closed(slow, 20) == len(begun)
        assert wait_until_closed([silent, idle], 20) == 0
        assert silent.input == idle.input == b""
        check_waiting(report(tell, f"{len(slow)} slow and 2 silent clients", others))


def check_waiting(results):
    """As check_served(), where the deadlines are so short that one may meet them on a busy machine, too."""
    for times, refused in results:
        assert len(times) > 10 * refused
        assert wire.percentile(times, 0.99) < P99_MS


def is_readable(client):
    with selectors.DefaultSelector() as selector:
        selector.register(client.socket, selectors.EVENT_READ)
        return bool(selector.select(0))


def test_clients_that_do_not_read_are_closed_and_cost_no_memory(tmp_path, tell, pool):
    with setup_with_a_product(tmp_path, write_timeout_ms=1500).service() as address:
        before = memory_of(address)
        others = measured(pool, address, SLOW_S)
        slow = {Client(address, receive_buffer=4096) for _ in range(50)}
        most = 0

        def all_are_reset():
            nonlocal most
            for client in list(slow):
                if not went_on_asking(client):
                    slow.discard(client)
            most = max(most, memory_of(address) - before)
            return not slow

        harness.wait_for(all_are_reset, "who takes no answers is closed")
        tell(f"50 clients that read nothing: {most >> 20} MiB more in the service at most")
        assert most < 64 << 20
        check_waiting(report(tell, "50 clients that read nothing", others))
        assert is_served(address)


def test_large_answers_that_nobody_takes_are_held_once_and_within_their_limit(tmp_path, tell):
    size, limit, count = 8 << 20, 64 << 20, 20
    setup = setup_with_a_product(tmp_path, max_unsent_bytes=limit, idle_timeout_ms=600_000)
    # What is freed goes back to the system, so that it can be seen.
    setup.environment |= {"MALLOC_MMAP_THRESHOLD_": "1000000", "DATAFLOW_ROCKSDB_SERVICE_CACHE_BYTES": "1048576"}
    (setup.folder / "b.jsonl").write_text(harness.line(43, "Large", description="d" * size))
    setup.job("b.jsonl")
    with setup.service() as address:
        with Client(address) as first:
            first.send(get("/product/43"))
            assert len(first.answer().body) > size
        before = memory_of(address)
        slow = [Client(address, receive_buffer=4096) for _ in range(count)]
        for client in slow:
            client.send(get("/product/43"))
        harness.wait_for(lambda: all(map(is_readable, slow)), "each has its answer, or the beginning of it")
        statuses = [int(client.socket.recv(12, socket.MSG_PEEK)[9:]) for client in slow]
        most = memory_of(address) - before
        tell(f"{count} clients that do not take {size >> 20} MiB: {statuses.count(200)} answers wait, {statuses.count(503)} are 503, {most >> 20} MiB more in the service")
        assert is_served(address)
        assert statuses.count(200) == limit // size - 1 and statuses.count(503) == count - statuses.count(200)
        assert most < limit + 2 * size
        assert int(slow[statuses.index(503)].answer().fields["Retry-After"]) >= 1
        for client in slow:
            client.close()
        # Who has taken the answer and stays keeps nothing of it.
        harness.wait_for(lambda: memory_of(address) - before < size, "what nobody waits for is free")
        kept = []
        for _ in range(count):
            kept.append(Client(address))
            kept[-1].send(get("/product/43"))
            assert len(kept[-1].answer().body) > size
        harness.wait_for(lambda: memory_of(address) - before < 2 * size, "what was taken is free")
        for client in kept:
            client.close()


def went_on_asking(client):
    """Sends what the server takes without waiting; False when it has closed."""
    client.socket.settimeout(0)
    try:
        return client.send(get("/product/42") * 100)
    except BlockingIOError:
        return True


def memory_of(address):
    status = open(f"/proc/{address.pid}/status").read()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) << 10


def descriptors_of(address):
    return len(os.listdir(f"/proc/{address.pid}/fd"))


def connect_many(address, count):
    """Connections with half a request each."""
    host, port = address.rsplit(":", 1)
    held = []
    for _ in range(count):
        each = socket.create_connection((host, int(port)), timeout=wire.PATIENCE_S)
        each.sendall(b"GET /product/42 HTTP/1.1\r\nHost: x\r\nA:")
        held.append(each)
    return held


@pytest.fixture
def pool():
    """Processes for those who are served meanwhile, so that they do not wait for this one."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as made:
        list(made.map(abs, range(8)))  # started before anything is measured
        yield made


def test_ten_thousand_held_connections_leave_room_for_others(tmp_path, tell, pool):
    raise_descriptor_limit(HELD + 1000)
    limits = {"max_connections": HELD + 500, "header_timeout_ms": 120_000}
    with setup_with_a_product(tmp_path, **limits).service() as address:
        alone = measured(pool, address, 2)
        check_served(report(tell, "nobody else", alone))
        before = memory_of(address)
        held = connect_many(address, HELD)
        harness.wait_for(lambda: descriptors_of(address) >= HELD, "the service holds them")
        tell(f"{HELD} held: {(memory_of(address) - before) / HELD / 1024:.1f} KiB each in the service")
        check_served(report(tell, f"{HELD} connections held", measured(pool, address, SERVED_S)))
        for each in held:
            each.close()
        harness.wait_for(lambda: descriptors_of(address) < 100, "the service lets go of them")


def test_one_connection_too_many_is_told(tmp_path):
    with setup_with_a_product(tmp_path, max_connections=20).service() as address:
        held = connect_many(address, 20)
        harness.wait_for(lambda: descriptors_of(address) >= 20, "the service holds them")
        with Client(address) as client:
            answer = client.answer()
            assert answer.status == 503 and int(answer.fields["Retry-After"]) >= 1
            assert client.is_closed()
        held[0].sendall(b" b\r\n\r\n")  # those that are in go on
        assert held[0].recv(100).startswith(b"HTTP/1.1 200 ")
        for each in held:
            each.close()
        harness.wait_for(lambda: is_served(address), "there is room again")


def is_served(address):
    with Client(address) as client:
        client.send(get("/product/42"))
        return client.answer().status == 200


def flood(address, seconds):
    """Opens connections as fast as it can, says half a request on each, and lets go of the oldest."""
    host, port = address.rsplit(":", 1)
    held, opened, end = [], 0, time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            each = socket.create_connection((host, int(port)), timeout=1)
            each.send(b"GET /product/42 HT")
        except OSError:
            continue
        opened += 1
        held.append(each)
        if len(held) > 500:
            held.pop(0).close()
    for each in held:
        each.close()
    return opened


def test_a_flood_at_the_descriptor_limit_stops_neither_the_store_nor_who_is_in(tmp_path, tell, pool):
    limit = 600
    setup = setup_with_a_product(tmp_path)
    lower = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))  # noqa: E731
    with setup.service(preexec_fn=lower) as address:
        alone = descriptors_of(address)
        kept = pool.submit(wire.timed_gets, str(address), SERVED_S, fresh=False)
        harness.wait_for(lambda: descriptors_of(address) > alone, "who is kept is there")
        new = pool.submit(wire.timed_gets, str(address), SERVED_S, fresh=True)
        opened = flood(address, SERVED_S)
        # New ones may be refused, as those of the flood are.
        _, kept = report(tell, f"flood of {opened} connections at {limit} descriptors", [new, kept])
        assert opened > 1000
        check_served([kept])
        assert descriptors_of(address) <= limit
        harness.wait_for(lambda: is_served(address), "new ones are served again")


SLOW = {  # slowhttptest's modes: its arguments
    "headers": ["-H", "-x", "24"],
    "bodies": ["-B", "-s", "1000", "-x", "10"],
    "reads": ["-X", "-w", "10", "-y", "20", "-n", "5", "-z", "32", "-k", "3"],
    "ranges": ["-R", "-a", "10", "-b", "3000"],
}


@pytest.mark.parametrize("mode", SLOW)
def test_slowhttptest_finds_the_service_available(tmp_path, tell, pool, mode):
    connections, seconds = (4000, 60) if LONG else (1000, 10)
    raise_descriptor_limit(connections + 200)
    with setup_with_a_product(tmp_path, header_timeout_ms=3000).service() as address:
        arguments = ["-c", connections, "-r", connections // 3, "-i", 1, "-l", seconds, "-p", 2, "-t", "GET", *SLOW[mode]]
        others = measured(pool, address, seconds)
        run = subprocess.run(
            ["slowhttptest", *map(str, arguments), "-u", f"http://{address}/product/42"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds + 60,
        )
        said = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", run.stdout.decode(errors="replace"))
        verdicts = re.findall(r"service available: +(YES|NO)", said)
        tell(f"slowhttptest {mode}: {connections} connections, verdicts {verdicts.count('YES')} YES, {verdicts.count('NO')} NO")
        assert run.returncode == 0 and verdicts, said[-2000:]
        assert "NO" not in verdicts, said[-2000:]
        check_waiting(report(tell, f"slowhttptest {mode}", others))
        assert is_served(address)
