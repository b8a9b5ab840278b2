"""Goal: the cache is advice: lost, flushed, stale or stopped, it may cost writes and never a row."""
import contextlib
import fcntl
import json
import os
import signal
import subprocess

import harness
import pytest

ROWS = 20_000


def load_and_compare(servers, texts, **expected):
    servers.put(texts)
    run = servers.job()
    for key, value in expected.items():
        assert getattr(run, key) == value, (key, run.report)
    harness.assert_same_table(servers.table(), harness.rows_of(*texts))
    return run


def test_truncated_table_is_filled_again(servers):
    texts = harness.catalogue(2_000)
    load_and_compare(servers, texts, written=2_000)
    servers.truncate()
    load_and_compare(servers, texts, written=2_000)
    load_and_compare(servers, texts, written=0)


def test_dropped_and_recreated_table_is_filled_again(servers):
    texts = harness.catalogue(500)
    load_and_compare(servers, texts, written=500)
    servers.session.execute(f"DROP TABLE {servers.name}.products", timeout=120)
    servers.provision()
    load_and_compare(servers, texts, written=500)


def test_flushed_redis_costs_writes_only(servers):
    texts = harness.catalogue(2_000)
    load_and_compare(servers, texts, written=2_000)
    servers.redis.flushdb()
    load_and_compare(servers, texts, written=2_000)
    load_and_compare(servers, texts, written=0)


def test_price_changed_and_changed_back(servers):
    for price in (1.0, 2.0, 1.0):
        load_and_compare(servers, [harness.line(1, "one", price=price)], written=1)


def test_two_sets_with_the_same_ids_in_turn(servers):
    x = [harness.line(k, f"x{k}") for k in range(300)]
    y = [harness.line(k, f"y{k}") for k in range(300)]
    servers.put(["".join(x)], prefix="x-")
    servers.put(["".join(y)], prefix="y-")
    for name, texts in (("x", x), ("y", y), ("x", x), ("y", y)):
        assert servers.job(f"s3://{servers.bucket}/{name}-").written == 300
        harness.assert_same_table(servers.table(), harness.rows_of(*texts))
        assert servers.job(f"s3://{servers.bucket}/{name}-").objects_skipped == 1


def test_redis_stopped_in_the_middle_of_a_run(servers, folder):
    own = harness.OwnRedis(folder)
    try:
        servers.environment.update(DATAFLOW_REDIS_ADDR=f"127.0.0.1:{own.port}", DATAFLOW_REDIS_DB="0")
        texts = harness.catalogue(ROWS)
        half = len(texts) // 2
        process = servers.start("-report", folder / "report.json", "-", stdin=subprocess.PIPE)
        process.stdin.write("".join(texts[:half]).encode())
        process.stdin.flush()
        # In the middle: the first rows are remembered, the last ones have not come yet.
        harness.wait_for(lambda: own.client().dbsize() > 500, "the first rows are remembered")
        own.stop()
        out, err = process.communicate("".join(texts[half:]).encode(), timeout=harness.RUN_TIMEOUT_S)
        assert process.returncode == 0, err.decode()
        assert "the cache failed" in err.decode()
        assert json.loads((folder / "report.json").read_text())["written"] == ROWS
        harness.assert_same_table(servers.table(), harness.rows_of(*texts))
        # Prices that change and change back across the outage are followed.
        own.start()
        load_and_compare(servers, harness.catalogue(ROWS, changed_per_mille=500))
        load_and_compare(servers, texts)
        load_and_compare(servers, texts, written=0)
    finally:
        own.stop()


def test_stale_entries_of_an_outage_are_not_believed(servers, folder):
    own = harness.OwnRedis(folder)
    try:
        servers.environment.update(DATAFLOW_REDIS_ADDR=f"127.0.0.1:{own.port}", DATAFLOW_REDIS_DB="0")
        load_and_compare(servers, [harness.line(1, "old")], written=1)
        # Paused, not killed: its entries survive a run that could not ask it.
        own.process.send_signal(signal.SIGSTOP)
        load_and_compare(servers, [harness.line(1, "new")], written=1)
        own.process.send_signal(signal.SIGCONT)
        load_and_compare(servers, [harness.line(1, "old")], written=1)
    finally:
        own.stop()


def test_no_cache_writes_every_row_and_is_not_contradicted_later(servers):
    load_and_compare(servers, [harness.line(1, "old")], written=1)
    changed = [harness.line(1, "new")]
    servers.put(changed)
    assert servers.job("-no-cache").written == 1
    assert servers.job("-no-cache").written == 1
    load_and_compare(servers, [harness.line(1, "old")], written=1)


@pytest.mark.parametrize("without", ["-no-cache", "Redis"])
def test_without_a_cache_a_truncated_table_is_filled_again(servers, without):
    texts = harness.catalogue(500)
    load_and_compare(servers, texts, written=500)
    servers.truncate()
    arguments = ["-no-cache"] if without == "-no-cache" else []
    with_redis = dict(servers.environment)
    if without == "Redis":
        servers.environment["DATAFLOW_REDIS_ADDR"] = "127.0.0.1:1"
    assert servers.job(*arguments).written == 500
    harness.assert_same_table(servers.table(), harness.rows_of(*texts))
    servers.environment.update(with_redis)
    load_and_compare(servers, texts, written=500)
    load_and_compare(servers, texts, written=0)


def test_dry_run_tells_and_writes_nothing(servers):
    day1 = [harness.line(1, "one") + harness.line(2, "two")]
    load_and_compare(servers, day1, written=2)
    keys = sorted(servers.redis.keys())
    values = [servers.redis.type(key) == b"string" and servers.redis.get(key) for key in keys]
    servers.put([harness.line(1, "one") + harness.line(2, "zwei") + harness.line(3, "three") + "bad\n"])
    dry = servers.job("-dry-run", code=1)
    assert (dry.new, dry.changed, dry.unchanged, dry.rejected, dry.written) == (1, 1, 1, 1, 0)
    harness.assert_same_table(servers.table(), harness.rows_of(*day1))
    assert sorted(servers.redis.keys()) == keys
    assert [servers.redis.type(key) == b"string" and servers.redis.get(key) for key in keys] == values


def test_embedded_cache_before_cassandra(servers):
    for key in ("DATAFLOW_REDIS_ADDR", "DATAFLOW_REDIS_DB"):
        del servers.environment[key]
    texts = harness.catalogue(500)
    load_and_compare(servers, texts, written=500)
    load_and_compare(servers, texts, written=0, objects_skipped=4)
    servers.truncate()
    load_and_compare(servers, texts, written=500)


def without_redis(servers):
    for key in ("DATAFLOW_REDIS_ADDR", "DATAFLOW_REDIS_DB"):
        servers.environment.pop(key, None)


def versions(title):
    return ["".join(harness.line(k, title) for k in range(300))]


def test_caches_that_take_turns_over_one_table(servers):
    """Two working folders, each with an embedded cache, and Redis: each knows only what it was told."""
    with_redis = dict(servers.environment)
    without_redis(servers)
    old, new = [versions(title) for title in ("old", "new")]
    for name in ("x.db", "y.db", "x.db", "redis", "y.db", "redis"):
        if name == "redis":
            servers.environment.update(with_redis)
        else:
            without_redis(servers)
            servers.environment["DATAFLOW_ROCKSDB_PATH"] = str(servers.folder / name)
        load_and_compare(servers, old, written=300)
        old, new = new, old
    load_and_compare(servers, new, written=0)


@pytest.mark.parametrize("fault, code", [("damaged", 0), ("held", 4), ("a file is in its way", 2)])
def test_an_embedded_cache_that_fails_costs_writes_only(servers, fault, code):
    """But for one that another job has, and one that cannot be meant: nothing is written then."""
    without_redis(servers)
    database = servers.folder / "own" / "cache.db"
    database.parent.mkdir()
    servers.environment["DATAFLOW_ROCKSDB_PATH"] = str(database)
    old, new = [versions(title) for title in ("old", "new")]
    load_and_compare(servers, old, written=300)
    with contextlib.ExitStack() as until_then:
        if fault == "damaged":
            current = database / "CURRENT"
            before = current.read_bytes()
            current.write_bytes(b"MANIFEST-999999\n")
            until_then.callback(current.write_bytes, before)
        elif fault == "held":
            lock = until_then.enter_context(open(database / "LOCK", "r+"))
            fcntl.lockf(lock, fcntl.LOCK_EX)
        else:
            database.rename(database.parent / "elsewhere")
            until_then.callback((database.parent / "elsewhere").rename, database)
            database.write_text("a note")
            until_then.callback(database.unlink)
        servers.put(new)
        run = servers.job(code=code)
        if code == 0:
            assert run.written == 300
            assert "the cache failed" in run.err and "is not used" in run.err, run.err
        if fault == "held":
            assert f"in use by process {os.getpid()}" in run.err, run.err
        harness.assert_same_table(servers.table(), harness.rows_of(*(new if code == 0 else old)))
    # What it knew before is not believed where rows were written without it: the prices have gone back.
    load_and_compare(servers, old, written=300 if code == 0 else 0)
