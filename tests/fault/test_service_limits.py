"""Goal: few descriptors and little memory are borne by the service; and an embedded store that is
held, removed and made anew under it does not end it."""
import http.client
import math
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import time

import harness
import proxy
import pytest
import serving
from faults import length, limited

MIB = 1 << 20
ROWS = 2_000
BACK_S = 5
END_S = 20
SLACK_MIB = 8  # over what a service took before: so little that what leaks or piles up is seen


def load(setup, **more):
    texts = harness.catalogue(ROWS, files=1, **more)
    (setup.folder / "a.jsonl").write_text(texts[0])
    setup.job("a.jsonl")
    return harness.rows_of(*texts)


def test_embedded_store_removed_and_made_anew_under_a_crowd(embedded, figures):
    rows = load(embedded)
    with serving.Service(embedded) as service:
        crowd = serving.Crowd(service.address, rows)
        watch = serving.Watch(service)
        try:
            harness.wait_for(lambda: len(crowd.answers) > serving.CROWD, "the crowd is served")
            before = service.resources()
            for turn in range(length(3, 30)):
                shutil.rmtree(embedded.folder / "dataflow.db")
                figures.fault()
                harness.wait_for(lambda: crowd.answers[-1].status == 503, "it is noticed")
                rows = load(embedded, seed=turn)
                figures.runs += 1
                returned = time.monotonic()
                harness.wait_for(
                    lambda: any(answer.status == 200 for answer in crowd.since(returned)), "the service is back", BACK_S
                )
                figures.most("slowest recovery in s", round(time.monotonic() - returned, 2))
                # It may be back from the middle of the load, and sees the rest a little later.
                figures.compare(harness.wait_for(lambda rows=rows: service.serves(rows), "all of it is seen", BACK_S), rows)
        finally:
            crowd.stop.set()
            watch.end()
        for answer in crowd.end():
            # A store that is just being made has no products yet.
            if answer.status not in (200, 404):
                serving.check_unavailable(answer, 1)
        # Files that were deleted are let go of.
        assert watch.samples[-1]["descriptors"] <= before["descriptors"] + serving.CROWD
        figures.most("most descriptors", watch.most("descriptors"))


def test_embedded_store_held_by_a_job_that_hangs(embedded, figures):
    """What a job holds and no longer works on is served as it is; the job killed, its successor's rows are."""
    rows = load(embedded)
    kept = sorted(rows)[::10]
    more = "".join(harness.catalogue(20_000, seed=3))
    (embedded.folder / "more.jsonl").write_text(more)
    with serving.Service(embedded) as service:
        # Its input does not end: it keeps the store.
        job = embedded.start("-concurrency", "1", "-", stdin=subprocess.PIPE)
        try:
            job.stdin.write(more.encode())
            job.stdin.flush()
            before = {key: rows[key] for key in kept}
            harness.wait_for(lambda: service.serves(kept) != before, "the load is under way")
            job.send_signal(signal.SIGSTOP)
            figures.fault()
            # What was written before is seen within a second.
            stopped = time.monotonic()
            harness.wait_for(lambda: time.monotonic() > stopped + 1, "a second")
            seen = service.serves(kept)
            expected = harness.rows_of(more)
            for key, row in seen.items():
                assert row in (rows[key], expected[key]), "a mixture"
            for _ in range(length(5, 50)):
                assert service.serves(kept) == seen, "nobody writes"
        finally:
            job.kill()
            job.communicate()
        figures.fault()
        figures.compare(service.serves(kept), seen)
        figures.run(embedded.job("more.jsonl"))
        some = {key: expected[key] for key in sorted(expected)[::50]}
        harness.wait_for(lambda: service.serves(some) == some, "the load is seen", BACK_S)
        figures.compare(service.serves(some), some)


@pytest.mark.parametrize("files", [64, 128, 256])
def test_few_open_files(servers, figures, files):
    """More connections than descriptors: what is served goes on, the store keeps its own, and afterwards all is as before."""
    rows = load(servers)
    with serving.Service(servers, **limited(resource.RLIMIT_NOFILE, files)) as service:
        assert "open files are allowed" in service.log()
        before = service.resources()
        kept = http.client.HTTPConnection(service.address, timeout=30)
        assert serving.ask(kept, 1).status == 200
        host, port = service.address.split(":")
        crowd = []
        for _ in range(2 * files):
            crowd.append(socket.create_connection((host, int(port)), timeout=30))
        figures.fault(2 * files)
        for key in list(rows)[: length(200, 2_000)]:
            answer = serving.ask(kept, key)
            assert answer.status == 200, (answer.status, answer.body)
            assert answer.seconds < serving.SLACK_S, answer.seconds
        assert service.resources()["descriptors"] <= files
        figures.most(f"descriptors of {files}", service.resources()["descriptors"])
        for one in crowd:
            proxy.reset(one)
        kept.close()

        def alone():
            return service.asked().status == 200 and service.resources()["descriptors"] <= before["descriptors"] + 2

        harness.wait_for(alone, "the crowd is forgotten", BACK_S)
        figures.compare(service.serves(rows), rows)


def under_a_crowd(setup, rows, figures, mib, requests):
    """Asks for everything, again and again; what the service took of data (RLIMIT_DATA: heap, private mappings, the threads'
    stacks of 8 MiB), of which it may have so much."""
    allowed = resource.RLIM_INFINITY if mib is None else mib * MIB
    with serving.Service(setup, **limited(resource.RLIMIT_DATA, allowed)) as service:
        watch = serving.Watch(service, every_s=0.05)
        crowd = serving.Crowd(service.address, rows, pause_s=0, keep=False)
        try:
            harness.wait_for(lambda: crowd.served() > requests, "the crowd is served", 600)
        finally:
            crowd.stop.set()
            watch.end()
        crowd.end()
        assert set(crowd.statuses) == {200}, crowd.statuses
        figures.most("requests answered", crowd.served())
        figures.most("peak MiB", round(watch.most("MiB")))
        figures.compare(service.serves(rows), rows)
        return math.ceil(watch.most("MiB of data"))


@pytest.mark.parametrize("store", ["embedded", "cassandra"])
def test_little_memory(embedded, servers, figures, store):
    """A crowd that asks for everything, again and again, with hardly more memory than that takes."""
    setup = embedded if store == "embedded" else servers
    setup.environment["DATAFLOW_HTTP_THREADS"] = "2"
    rows = load(setup)
    taken = under_a_crowd(setup, rows, figures, None, 5 * ROWS)
    figures.most("MiB of data allowed", taken + SLACK_MIB)
    figures.fault()
    under_a_crowd(setup, rows, figures, taken + SLACK_MIB, length(10, 50) * ROWS)


@pytest.mark.parametrize("store", ["embedded", "cassandra"])
def test_too_little_memory(embedded, servers, figures, store):
    """What does not do is told, at the start or by the first request that wants it: never a service that nobody is answered by.
    A request alone does with less than a crowd; with half of that it does not."""
    setup = embedded if store == "embedded" else servers
    setup.environment["DATAFLOW_HTTP_THREADS"] = "2"
    rows = load(setup)
    taken, told = under_a_crowd(setup, rows, figures, None, ROWS), 0
    figures.most("MiB of data taken", taken)
    for mib in range(8, taken, length(8, 2)):
        figures.fault()
        figures.runs += 1
        with open(setup.folder / "log", "wb+") as log:
            process = setup.start(
                "-listen", "127.0.0.1:0", program="microservice", stdout=subprocess.DEVNULL, stderr=log,
                **limited(resource.RLIMIT_DATA, mib * MIB),
            )
            try:
                harness.wait_for(lambda: process.poll() is not None or serves(log), f"{mib} MiB: an end, or a product", END_S)
                works = process.poll() is None
            finally:
                process.kill()
                code = process.wait()
            said = log_of(log)
        if works:
            assert mib > taken / 2, f"{mib} MiB of the {taken} that are taken"
            continue
        assert code == 4 and "error: the service cannot go on" in said and "ulimit -a" in said, (mib, code, said)
        told = max(told, mib)
    figures.most("MiB of data that do not do", told)


def log_of(log):
    return os.pread(log.fileno(), os.fstat(log.fileno()).st_size, 0).decode(errors="replace")


def serves(log):
    """Whether the service listens and a product is served."""
    found = re.search(r"http://([0-9.]+:[0-9]+)", log_of(log))
    return found and serving.ask(http.client.HTTPConnection(found.group(1), timeout=5), 1).status == 200
