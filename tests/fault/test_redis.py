"""Goal: Redis is advice. Whatever happens to it, before a run or in the middle of one, costs writes, never a row, never
the run, and what an outage left behind is not believed later."""
import pathlib
import shutil
import signal
import time

import harness
import pytest
from faults import length

ROWS = length(10_000, 20_000)
PATIENCE_MS = 20_000  # of one call: a Redis that is only slow, on a busy machine, is no fault
NO_PATIENCE = {"DATAFLOW_REDIS_RESPONSE_TIMEOUT_MS": "2000"}  # where it does not answer at all
PASSWORD = "right"
POINTER = b"dataflow:cache:"  # the key that says under which name the rows are


@pytest.fixture
def own(servers, folder_of_redis):
    """A Redis of the test's own, used by the job."""
    redis = harness.OwnRedis(folder_of_redis, "--dbfilename", "dump.rdb")
    servers.environment.update(
        DATAFLOW_REDIS_ADDR=f"127.0.0.1:{redis.port}",
        DATAFLOW_REDIS_DB="0",
        DATAFLOW_REDIS_RESPONSE_TIMEOUT_MS=str(PATIENCE_MS),
    )
    yield redis
    redis.stop()


@pytest.fixture
def folder_of_redis(tmp_path):
    folder = tmp_path / "redis"
    folder.mkdir()
    return folder


def days(rng):
    """The same catalogue at two days, half of its prices changed, and the tables that they make."""
    seed = rng.randrange(1000)
    texts = [harness.catalogue(ROWS, seed=seed, changed_per_mille=share) for share in (0, 500)]
    return texts, [harness.rows_of(*day) for day in texts]


def load(servers, figures, texts, expected, **facts):
    servers.put(texts)
    run = figures.run(servers.job())
    figures.compare(servers.table(), expected)
    for key, value in facts.items():
        assert getattr(run, key) == value, (key, run.report, run.err)
    return run


def kill(own):
    own.stop()


def restart(own):
    own.stop()
    own.start()


def pause(own):
    own.process.send_signal(signal.SIGSTOP)


def flush(own):
    own.client().flushall()


def fill_up(own):
    own.client().config_set("maxmemory-policy", "noeviction")
    own.client().config_set("maxmemory", 1)


def evict(own):
    used = own.client().info("memory")["used_memory"]
    own.client().config_set("maxmemory-policy", "allkeys-random")
    own.client().config_set("maxmemory", used - (200 << 10))


def change_password(own):
    client = own.client()
    client.config_set("requirepass", "another")
    client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def go_back(own):
    """What comes back on the address is an older snapshot: what it says was true once."""
    own.stop()
    shutil.copy(own.folder / "old.rdb", own.folder / "dump.rdb")
    own.start()


def mend(own):
    """Redis as it was before the fault, with whatever it still holds."""
    if own.process is None:
        own.start()
    own.process.send_signal(signal.SIGCONT)
    import redis

    for password in (None, "another"):
        try:
            client = redis.Redis(port=own.port, password=password)
            client.config_set("maxmemory", 0)
            client.config_set("requirepass", "")
            return
        except redis.exceptions.AuthenticationError:
            continue


def calls(own):
    """How often the cache was told of rows, since it was started or reset."""
    return own.client().info("commandstats").get("cmdstat_mset", {"calls": 0})["calls"]


def evictions(own):
    return own.client().info("stats")["evicted_keys"]


@pytest.mark.parametrize("fault", [kill, restart, pause, flush, fill_up, evict, change_password, go_back])
def test_in_the_middle_of_a_run(servers, own, gate, rng, figures, fault):
    """Day 2 is loaded over day 1 while the fault comes; then day 1 again, which an entry of before must not prevent."""
    texts, tables = days(rng)
    for _ in range(length(1, 6)):
        own.client().flushall()
        servers.truncate()
        load(servers, figures, texts[0], tables[0])
        own.client().save()
        shutil.copy(own.folder / "dump.rdb", own.folder / "old.rdb")
        servers.put(texts[1])
        job = gate.start(texts[1], "-concurrency", "1", **(NO_PATIENCE if fault is pause else {}))
        # Rows of day 2 are remembered or made dirty: so many calls, at random, of two for each range.
        least = calls(own) + rng.randint(2, gate.most)
        gate.feed_until(job, lambda: calls(own) >= least, "the run is under way")
        evicted = evictions(own)
        fault(own)
        figures.fault()
        gate.open()
        run = figures.run(job.end(code=0))
        figures.compare(servers.table(), tables[1])
        if fault is evict:
            assert evictions(own) > evicted
        else:
            assert "the cache failed" in run.err, run.err
        mend(own)
        load(servers, figures, texts[0], tables[0])
        load(servers, figures, texts[0], tables[0], written=0)


@pytest.mark.parametrize("fault", [kill, pause, fill_up, change_password])
def test_before_a_run(servers, own, rng, figures, fault):
    texts, tables = days(rng)
    load(servers, figures, texts[0], tables[0], written=ROWS)
    fault(own)
    figures.fault()
    patient = dict(servers.environment)
    servers.environment.update(NO_PATIENCE if fault is pause else {})
    run = load(servers, figures, texts[1], tables[1])
    servers.environment = patient
    assert "the cache failed" in run.err, run.err
    mend(own)
    load(servers, figures, texts[0], tables[0], written=ROWS)
    load(servers, figures, texts[0], tables[0], written=0)


def is_waited_for(own):
    """A call lies before Redis, unread."""
    connections = (line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:])
    return any(
        int(fields[1].split(":")[1], 16) == own.port and fields[3] == "01" and int(fields[4].split(":")[1], 16) > 0
        for fields in connections
    )


def test_a_short_pause_is_waited_for(servers, own, gate, rng, figures):
    texts, tables = days(rng)
    load(servers, figures, texts[0], tables[0])
    servers.put(texts[1])
    job = gate.start(texts[1], "-concurrency", "1")
    for _ in range(3):
        least = calls(own) + rng.randint(1, gate.most // 4)
        gate.feed_until(job, lambda: calls(own) >= least, "the run is under way")
        pause(own)
        gate.feed_until(job, lambda: is_waited_for(own), "Redis is asked while it does not answer")
        figures.fault()
        time.sleep(0.3)  # the fault's length
        own.process.send_signal(signal.SIGCONT)
    gate.open()
    run = figures.run(job.end(code=0))
    assert "the cache failed" not in run.err
    figures.compare(servers.table(), tables[1])
    load(servers, figures, texts[1], tables[1], written=0)


def test_always_short_of_memory_with_eviction(servers, own, rng, figures):
    """Entries and records vanish at any time, for runs on end, while rows change and change hands."""
    texts, tables = days(rng)
    own.client().config_set("maxmemory-policy", "allkeys-lru")
    empty = own.client().info("memory")["used_memory"]
    load(servers, figures, texts[0], tables[0])
    full = own.client().info("memory")["used_memory"]
    own.client().config_set("maxmemory", empty + (full - empty) * 7 // 10)  # three tenths do not fit
    for _ in range(length(5, 30)):
        day = rng.randrange(2)
        evicted = evictions(own)
        # The same rows under other names of files: they change hands.
        prefix = rng.choice(("products-", "products-x"))
        for listed in servers.s3.list_objects_v2(Bucket=servers.bucket).get("Contents", []):
            servers.s3.delete_object(Bucket=servers.bucket, Key=listed["Key"])
        servers.put(texts[day], prefix=prefix)
        figures.run(servers.job())
        figures.compare(servers.table(), tables[day])
        figures.fault(evictions(own) - evicted)
    assert figures.faults > 0, "nothing was evicted: the test proves nothing"


def test_wrong_password_and_the_right_one(servers, own, rng, figures):
    texts, tables = days(rng)
    own.client().config_set("requirepass", PASSWORD)
    servers.environment["DATAFLOW_REDIS_PASS"] = PASSWORD
    load(servers, figures, texts[0], tables[0], written=ROWS)
    servers.environment["DATAFLOW_REDIS_PASS"] = "wrong-secret"
    figures.fault()
    run = load(servers, figures, texts[1], tables[1], written=ROWS)
    assert "redis.pass" in run.err and "wrong-secret" not in run.err, run.err
    servers.environment["DATAFLOW_REDIS_PASS"] = PASSWORD
    load(servers, figures, texts[0], tables[0], written=ROWS)
    load(servers, figures, texts[0], tables[0], written=0)


def test_holding_something_else_under_our_names(servers, own, rng, figures):
    """Another program's data: other types, other lengths, random bytes, under every key that the job uses."""
    texts, tables = days(rng)
    load(servers, figures, texts[0], tables[0], written=ROWS)
    client = own.client()
    for attempt in range(length(3, 10)):
        taken = set()
        for key in sorted(client.keys()):
            if rng.random() < (0.3, 1, 0.01)[attempt % 3]:
                figures.fault()
                taken.add(key)
                client.delete(key)
                rng.choice(
                    (
                        lambda: client.set(key, rng.randbytes(rng.choice((0, 1, 32, 34, 100)))),
                        lambda: client.hset(key, "field", "value"),
                        lambda: client.lpush(key, "value"),
                    )
                )()
        day = (attempt + 1) % 2
        run = load(servers, figures, texts[day], tables[day])
        # A row that is somebody else's is one that was never seen. Where the name of all rows is, there is no cache.
        assert "the cache failed" in run.err or not any(key.startswith(POINTER) for key in taken), run.err
        client.flushall()
        load(servers, figures, texts[day], tables[day])
