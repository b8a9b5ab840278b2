"""Goal: from S3 to Cassandra with Redis: loaded once, then only what changed, and served value for value."""
import gzip
import json
import random

import harness

ROWS = 20_000


def test_cold_again_touched_and_one_per_mille(servers):
    day1 = harness.catalogue(ROWS)
    servers.put(day1)
    cold = servers.job()
    assert (cold.files, cold.lines, cold.new, cold.written, cold.rejected) == (4, ROWS, ROWS, ROWS, 0)
    harness.assert_same_table(servers.table(), harness.rows_of(*day1))

    again = servers.job()
    assert (again.objects_skipped, again.lines, again.written) == (4, 0, 0)

    # Other bytes, so another ETag; the same content.
    servers.put([text.replace('{"id": ', '{ "id":  ') for text in day1])
    touched = servers.job()
    assert (touched.objects_skipped, touched.unchanged, touched.written) == (0, ROWS, 0)

    day2 = harness.catalogue(ROWS, changed_per_mille=1)
    expected, before = harness.rows_of(*day2), harness.rows_of(*day1)
    changed = sum(expected[key] != before[key] for key in expected)
    assert changed > 0
    servers.put(day2)
    repriced = servers.job()
    assert (repriced.changed, repriced.written, repriced.unchanged) == (changed, changed, ROWS - changed)
    harness.assert_same_table(servers.table(), expected)

    sample = random.Random(1).sample(sorted(expected), 2_000)
    with servers.service() as address:
        for key in sample:
            status, headers, body = harness.get(address, f"/product/{key}")
            assert status == 200 and headers["Content-Type"].startswith("application/json")
            assert json.loads(body) == expected[key]
        assert harness.get(address, f"/product/{ROWS + 1}")[0] == 404


def test_dropped_fields_and_nulls(servers):
    servers.put([harness.line(1, "full", price=1.5, brand="b", category="c", url="u", description="d")])
    servers.job()
    second = harness.line(1, "bare", price=None)
    servers.put([second])
    assert servers.job().changed == 1
    harness.assert_same_table(servers.table(), harness.rows_of(second))


def test_sources_by_prefix_and_glob(servers):
    servers.put([harness.line(1, "one"), harness.line(2, "two")], prefix="day/a-")
    servers.put([harness.line(3, "three")], prefix="day/b-")
    assert servers.job(f"s3://{servers.bucket}/day/a-").new == 2
    assert servers.job(f"s3://{servers.bucket}/day/b*.jsonl").new == 1
    assert servers.table().keys() == {1, 2, 3}
    missing = servers.job(f"s3://{servers.bucket}/nothing-here", code=None)
    assert missing.code == 4 and "nothing-here" in missing.err


def test_a_missing_table_names_the_remedy(servers):
    servers.put([harness.line(1, "one")])
    servers.session.execute(f"DROP TABLE {servers.name}.products", timeout=120)
    run = servers.job(code=2)
    assert "scripts/provision.sh" in run.err
    servers.session.execute(f"DROP KEYSPACE {servers.name}", timeout=120)
    run = servers.job(code=2)
    assert "scripts/provision.sh" in run.err


def test_unreachable_store_is_said(servers):
    servers.put([harness.line(1, "one")])
    servers.environment["DATAFLOW_CASSANDRA_PORT"] = str(harness.free_port())
    servers.environment["DATAFLOW_CASSANDRA_CONNECT_TIMEOUT_MS"] = "1000"
    servers.environment["DATAFLOW_CASSANDRA_RETRY_TIMEOUT_MS"] = "0"
    run = servers.job(code=4)
    assert servers.environment["DATAFLOW_CASSANDRA_PORT"] in run.err


def test_objects_stored_with_a_content_encoding(servers):
    """As S3 keeps what uploads to websites and pipelines say: the key has no .gz, or has it as well."""
    packed = {key: gzip.compress(harness.line(key, f"product {key}").encode()) for key in (1, 2)}
    servers.s3.put_object(Bucket=servers.bucket, Key="products-1.jsonl", Body=packed[1], ContentEncoding="gzip")
    servers.s3.put_object(Bucket=servers.bucket, Key="products-2.jsonl.gz", Body=packed[2], ContentEncoding="gzip")
    run = servers.job(f"s3://{servers.bucket}/products-")
    assert (run.files, run.new, run.rejected) == (2, 2, 0), run.err
    harness.assert_same_table(servers.table(), harness.rows_of(*(harness.line(key, f"product {key}") for key in (1, 2))))
