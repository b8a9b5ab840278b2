"""Goal: nodes that answer "not now" in Cassandra's own words (overloaded, starting, timeouts and failures of replicas) cost
time, and never a row: the load completes, nothing is remembered that is not there, and the service says 503 or the truth."""
import collections
import contextlib
import struct
import time

import harness
import proxy
import pytest
import serving
from faults import Draws, length

ROWS = length(8_000, 20_000)
SHARE = 0.1  # of the requests
CHANGED_PER_MILLE = 200
RETRY_MS = 120_000
DEADLINE_S = 1
LIMIT_MS, REQUEST_MS = 3_000, 2_000  # where there is no end
SLACK_S = 10  # a busy machine's
WAIT_MS, WAIT_MAX_MS = 50, 2_000  # retry_wait_ms, retry_wait_max_ms of cassandra/options.h
EXECUTE, BATCH = 0x0A, 0x0D
QUORUM = 4


def counts(received, required):
    return struct.pack(">Hii", QUORUM, received, required)


def text(word):
    return struct.pack(">H", len(word)) + word.encode()


# https://github.com/apache/cassandra/blob/trunk/doc/native_protocol_v4.spec, 9. A write that timed out or failed may be there.
ANYTIME = {
    "overloaded": proxy.CqlError(0x1001, "Request dropped by the test: too many in flight"),
    "bootstrapping": proxy.CqlError(0x1002, "Cannot read from a bootstrapping node"),
    "unavailable": proxy.CqlError(0x1000, "Cannot achieve consistency level QUORUM", counts(2, 1)),
    "server error": proxy.CqlError(0x0000, "java.lang.RuntimeException"),
}
WRITES = {
    **ANYTIME,
    "write timeout": proxy.CqlError(0x1100, "Operation timed out", counts(0, 1) + text("UNLOGGED_BATCH")),
    "late write timeout": proxy.CqlError(0x1100, "Operation timed out", counts(0, 1) + text("UNLOGGED_BATCH"), late=True),
    "late write failure": proxy.CqlError(
        0x1500, "Operation failed", counts(0, 1) + struct.pack(">i", 1) + text("UNLOGGED_BATCH"), late=True
    ),
}
READS = {
    **ANYTIME,
    "read timeout": proxy.CqlError(0x1200, "Operation timed out", counts(0, 1) + b"\0"),
    "late read timeout": proxy.CqlError(0x1200, "Operation timed out", counts(0, 1) + b"\0", late=True),
}


@pytest.fixture
def between(servers):
    """All that the programs say to the node goes through it; the Python driver goes past it."""
    made = proxy.CqlProxy(("127.0.0.1", int(servers.environment["DATAFLOW_CASSANDRA_PORT"])))
    servers.environment.update(
        DATAFLOW_CASSANDRA_PORT=str(made.address[1]),
        DATAFLOW_CASSANDRA_RETRY_TIMEOUT_MS=str(RETRY_MS),
        DATAFLOW_HTTP_REQUEST_TIMEOUT_MS=str(DEADLINE_S * 1000),
    )
    with contextlib.closing(made):
        yield made


def most_attempts(limit_ms):
    """Of one batch: each wait is half of what it has doubled to, at least, and none ends after the limit."""
    attempts, waited, wait = 1, WAIT_MS / 2, WAIT_MS
    while waited < limit_ms:
        attempts, wait = attempts + 1, min(2 * wait, WAIT_MAX_MS)
        waited += wait / 2
    return attempts


def some(rng, errors, share=SHARE):
    """A rule: one of the errors for a share of the requests."""
    kinds, draws = list(errors.values()), Draws(rng)

    def rule(opcode, _, what):
        if opcode not in (EXECUTE, BATCH):
            return None
        drawn = draws.of(what)
        return drawn.choice(kinds) if drawn.random() < share else None

    return rule


@pytest.mark.parametrize("kind", [*WRITES, "mixed"])
def test_writes_that_a_node_refuses_for_now(servers, between, rng, figures, kind):
    errors = WRITES if kind == "mixed" else {kind: WRITES[kind]}
    seed = rng.randrange(1000)
    for _ in range(length(1, 4)):
        servers.truncate()
        for texts in (harness.catalogue(ROWS, seed), harness.catalogue(ROWS, seed, CHANGED_PER_MILLE)):
            servers.put(texts)
            before = between.seen["refused"]
            between.rule = some(rng, errors)
            run = figures.run(servers.job(code=None))
            assert run.code == 0, run.err
            figures.fault(met := between.seen["refused"] - before)
            assert met > 10, f"only {met} requests were refused"
            # The errors go on: what is known to be stored is so without asking for it again.
            again = figures.run(servers.job())
            assert again.written == 0, f"{run.err}\n{again.err}"
            between.rule = None
            figures.compare(servers.table(), harness.rows_of(*texts))
    if all(error.late for error in errors.values()):
        assert between.seen["late"] == between.seen["refused"]


@pytest.mark.parametrize("about", ["", "system.local", "system.peers", "system_schema"])
def test_a_node_that_is_overloaded_when_the_job_starts(servers, between, rng, figures, about):
    """The client connects also where it could not read which nodes there are: that is not to be taken for another cluster."""
    texts = harness.catalogue(200, seed=rng.randrange(1000))
    servers.put(texts)
    servers.truncate()  # a time of the node that the cache depends on
    for number in range(length(3, 24)):
        left = [4 ** (number % 3)]  # one attempt to know the nodes is some requests at once
        refused = between.seen["refused"]

        def rule(opcode, statement, _, left=left):
            if opcode != EXECUTE or about not in statement or left[0] == 0:
                return None
            left[0] -= 1
            return WRITES["overloaded"]

        between.rule = rule
        assert figures.run(servers.job()).written == (0 if number else 200)
        figures.fault(between.seen["refused"] - refused)
        assert between.seen["refused"] > refused
    figures.compare(servers.table(), harness.rows_of(*texts))


def test_a_node_that_is_overloaded_without_end(servers, between, rng, figures):
    """The job gives up in time and says why; what it had acknowledged is remembered, what it had not is written later."""
    servers.environment.update(
        DATAFLOW_CASSANDRA_RETRY_TIMEOUT_MS=str(LIMIT_MS), DATAFLOW_CASSANDRA_REQUEST_TIMEOUT_MS=str(REQUEST_MS)
    )
    texts = harness.catalogue(ROWS, seed=rng.randrange(1000))
    servers.put(texts)
    left = [rng.randrange(20, 200)]  # batches that are taken before
    since, attempts = [], collections.Counter()

    def rule(opcode, _, what):
        if opcode != BATCH:
            return None
        left[0] -= 1
        if left[0] >= 0:
            return None
        since.append(time.monotonic())
        attempts[what] += 1
        return WRITES["overloaded"]

    between.rule = rule
    run = figures.run(servers.job(code=4))
    gave_up_s = time.monotonic() - since[0]
    figures.fault(between.seen["refused"])
    figures.most("gave up after s", round(gave_up_s, 1))
    figures.most("attempts of a batch", most := max(attempts.values()))
    assert "too many in flight" in run.err and "retry" in run.err, run.err
    assert gave_up_s < (LIMIT_MS + REQUEST_MS) / 1000 + SLACK_S, gave_up_s
    assert most <= most_attempts(LIMIT_MS), f"a batch was sent {most} times"
    between.rule = None
    stored = len(servers.table())
    assert 0 < stored < ROWS, stored
    rest = figures.run(servers.job())
    assert rest.written >= ROWS - stored
    figures.compare(servers.table(), harness.rows_of(*texts))
    assert figures.run(servers.job()).written == 0


@pytest.mark.parametrize("kind", [*READS, "mixed"])
def test_reads_that_a_node_refuses_for_now(servers, between, rng, figures, kind):
    errors = READS if kind == "mixed" else {kind: READS[kind]}
    texts = harness.catalogue(400, seed=rng.randrange(1000), files=1)
    servers.put(texts)
    figures.run(servers.job())
    rows = harness.rows_of(*texts)
    keys = [*rows, *range(10_000, 10_100)]  # the last are not there
    rng.shuffle(keys)
    with serving.Service(servers) as service:
        between.rule = some(rng, errors)
        crowd = serving.Crowd(service.address, keys, connections=16, rows=rows)

        def enough():
            return between.seen["refused"] > length(100, 2_000) and min(crowd.statuses[status] for status in (200, 404, 503))

        try:
            # One node: there is no other to ask, so somebody is told.
            harness.wait_for(enough, "reads are answered and refused", 300)
        finally:
            crowd.stop.set()
        answers = crowd.end()
        figures.fault(between.seen["refused"])
        figures.most("answers", len(answers))
        figures.most("503s", crowd.statuses[503])
        assert set(crowd.statuses) <= {200, 404, 503}, crowd.statuses
        for answer in answers:
            if answer.status == 503:
                serving.check_unavailable(answer, DEADLINE_S)
        between.rule = None
        figures.compare(service.serves(rows), rows)
