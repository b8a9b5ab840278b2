"""Compares a table with the files it was loaded from, row by row, by a client that is not ours.

usage: compare_table.py [--keyspace NAME] [--service HOST:PORT [--sample N]] FILE...

The files count in the order of their names, the last line of an id wins. With --service, N products (default 2,000) are
also fetched through the running service and compared value for value. Where Cassandra is, the environment says (as
scripts/servers.sh prints it). Exit code 0 when nothing differs, 1 when something does.
"""
import argparse
import json
import os
import pathlib
import random
import sys

os.environ.setdefault("DATAFLOW_BIN_DIR", ".")  # the harness wants to know; no program is run here
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import harness  # noqa: E402


def read_table(keyspace):
    from cassandra.cluster import Cluster
    from cassandra.query import dict_factory

    with Cluster(harness.required("DATAFLOW_CASSANDRA_HOST").split(","), port=int(harness.required("DATAFLOW_CASSANDRA_PORT"))) as cluster:
        session = cluster.connect(keyspace)
        session.row_factory = dict_factory
        session.default_timeout = 120
        columns = ", ".join(harness.COLUMNS)
        return {row["id"]: row for row in session.execute(f"SELECT {columns} FROM products")}


def count_differences(actual, expected):
    missing, extra = expected.keys() - actual.keys(), actual.keys() - expected.keys()
    different = [key for key in expected.keys() & actual.keys() if not harness.same(actual[key], expected[key])]
    print(f"{len(expected)} rows expected, {len(actual)} in the table: {len(missing)} missing, {len(extra)} too many, {len(different)} differ")
    for key in (sorted(missing) + sorted(extra) + sorted(different))[:5]:
        print(f"  id {key}: expected {expected.get(key)}, found {actual.get(key)}")
    return len(missing) + len(extra) + len(different)


def count_wrong_answers(address, expected, sample):
    keys = random.Random(1).sample(sorted(expected), min(sample, len(expected)))
    wrong = []
    for key in keys:
        status, _, body = harness.get(address, f"/product/{key}")
        if status != 200 or not harness.same(json.loads(body), expected[key]):
            wrong.append(key)
    print(f"{len(keys)} products fetched through the service, {len(wrong)} differ {wrong[:5] or ''}")
    return len(wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--keyspace", default=os.environ.get("DATAFLOW_CASSANDRA_KEYSPACE", "dataflow"))
    parser.add_argument("--service")
    parser.add_argument("--sample", type=int, default=2000)
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()
    expected = harness.rows_of(*(path.read_text(encoding="utf-8") for path in sorted(arguments.files)))
    differences = count_differences(read_table(arguments.keyspace), expected)
    if arguments.service:
        differences += count_wrong_answers(arguments.service, expected, arguments.sample)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
