"""Goal: Redis is advice. Whatever happens to it, before a run or in the middle of one, costs writes, never a row, never
the run, and what an outage left behind is not believed later."""
import shutil
import signal

import harness
import pytest
from faults import Started, length

ROWS = length(10_000, 20_000)
PATIENCE_MS = 1_000  # of one call, so that an outage is noticed quickly
PASSWORD = "right"


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


@pytest.mark.parametrize("fault", [kill, restart, pause, flush, fill_up, evict, change_password, go_back])
def test_in_the_middle_of_a_run(servers, own, rng, figures, fault):
    """Day 2 is loaded over day 1 while the fault comes; then day 1 again, which an entry of before must not prevent."""
    texts, tables = days(rng)
    for attempt in range(length(4, 18)):
        if figures.faults >= length(1, 6):
            return
        own.client().flushall()
        servers.truncate()
        load(servers, figures, texts[0], tables[0])
        own.client().save()
        shutil.copy(own.folder / "dump.rdb", own.folder / "old.rdb")
        servers.put(texts[1])
        before = own.client().info("commandstats").get("cmdstat_mset", {"calls": 0})["calls"]
        job = Started(servers, "-concurrency", "1")
        # The first rows of day 2 are remembered or made dirty: so many calls of the scripts, at random.
        calls = before + rng.randint(2, ROWS // 800)
        job.wait_until(lambda: own.client().info("commandstats")["cmdstat_mset"]["calls"] >= calls, "the run is under way")
        fault(own)
        run = figures.run(job.end(code=0))
        figures.compare(servers.table(), tables[1])
        # A run that had told the cache everything by then was not disturbed, and does not count.
        figures.fault(fault is evict or "the cache failed" in run.err)
        mend(own)
        load(servers, figures, texts[0], tables[0])
        load(servers, figures, texts[0], tables[0], written=0)
    raise AssertionError(f"only {figures.faults} of {attempt + 1} runs said that the cache failed")


@pytest.mark.parametrize("fault", [kill, pause, fill_up, change_password])
def test_before_a_run(servers, own, rng, figures, fault):
    texts, tables = days(rng)
    load(servers, figures, texts[0], tables[0], written=ROWS)
    fault(own)
    figures.fault()
    run = load(servers, figures, texts[1], tables[1])
    assert "the cache failed" in run.err, run.err
    mend(own)
    load(servers, figures, texts[0], tables[0], written=ROWS)
    load(servers, figures, texts[0], tables[0], written=0)


def test_a_short_pause_is_waited_for(servers, own, rng, figures):
    texts, tables = days(rng)
    servers.environment["DATAFLOW_REDIS_RESPONSE_TIMEOUT_MS"] = "20000"
    load(servers, figures, texts[0], tables[0])
    servers.put(texts[1])
    job = Started(servers, "-concurrency", "1")
    for _ in range(3):
        pause(own)
        figures.fault()
        harness.time.sleep(0.3)  # the fault's length
        own.process.send_signal(signal.SIGCONT)
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
        evicted = own.client().info("stats")["evicted_keys"]
        # The same rows under other names of files: they change hands.
        prefix = rng.choice(("products-", "products-x"))
        for listed in servers.s3.list_objects_v2(Bucket=servers.bucket).get("Contents", []):
            servers.s3.delete_object(Bucket=servers.bucket, Key=listed["Key"])
        servers.put(texts[day], prefix=prefix)
        figures.run(servers.job())
        figures.compare(servers.table(), tables[day])
        figures.fault(own.client().info("stats")["evicted_keys"] - evicted)
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
        keys = sorted(client.keys())
        for key in keys:
            if rng.random() < (0.3, 1, 0.01)[attempt % 3]:
                figures.fault()
                client.delete(key)
                rng.choice(
                    (
                        lambda: client.set(key, rng.randbytes(rng.choice((0, 1, 32, 34, 100)))),
                        lambda: client.hset(key, "field", "value"),
                        lambda: client.lpush(key, "value"),
                    )
                )()
        day = (attempt + 1) % 2
        load(servers, figures, texts[day], tables[day])
        client.flushall()
        load(servers, figures, texts[day], tables[day])
