"""Goal: each id three times in one file and in two files, other contents: always the last, whatever -concurrency and timing."""
import random

import harness
import pytest

IDS = 400
RUNS = 10


def texts_with_repeats(seed):
    rng = random.Random(seed)
    texts = []
    for name in ("first", "second"):
        ids = [k for k in range(IDS) for _ in range(3)]
        rng.shuffle(ids)
        texts.append("".join(harness.line(k, f"{name} {n}", description="x" * rng.randrange(600)) for n, k in enumerate(ids)))
    return texts


@pytest.mark.parametrize("concurrency", (1, 8))
def test_the_last_wins_in_cassandra(servers, concurrency):
    servers.environment["DATAFLOW_PIPELINE_BLOCK_BYTES"] = "4096"  # many blocks, so that they overtake each other
    for run in range(RUNS):
        texts = texts_with_repeats(run)
        servers.put(texts)
        servers.job("-concurrency", concurrency)
        harness.assert_same_table(servers.table(), harness.rows_of(*texts))
        again = servers.job("-concurrency", concurrency)
        assert again.written == 0, again.report


@pytest.mark.parametrize("concurrency", (1, 8))
def test_the_last_wins_in_the_embedded_store(embedded, concurrency):
    embedded.environment["DATAFLOW_PIPELINE_BLOCK_BYTES"] = "4096"
    for run in range(RUNS):
        texts = texts_with_repeats(run)
        names = []
        for number, text in enumerate(texts, 1):
            path = embedded.folder / f"products-{number}.jsonl"
            path.write_text(text, encoding="utf-8")
            names.append(path)
        embedded.job("-concurrency", concurrency, *reversed(names))
        expected = harness.rows_of(*texts)
        assert embedded.job("-concurrency", concurrency, *names).written == 0
        with embedded.service() as address:
            for key in random.Random(run).sample(sorted(expected), 40):
                assert harness.json.loads(harness.get(address, f"/product/{key}")[2]) == expected[key]


def check_a_row_that_moves_to_an_earlier_file(load):
    """The later file lost the row in a run before, and is unchanged since: that its rows are stored does not say that it
    still has this one. `load` loads these files; the run, and the table."""
    two, three = harness.line(2, "two"), harness.line(3, "three")
    load(two, harness.line(1, "old") + three)
    assert load(two, three)[0].written == 0
    moved = (harness.line(1, "moved") + two, three)
    run, table = load(*moved)
    assert run.written == 1
    harness.assert_same_table(table, harness.rows_of(*moved))
    assert load(*moved)[0].written == 0
    assert load(*moved)[0].objects_skipped == 2, "it comes to rest"


def test_a_row_moves_to_an_earlier_file_in_cassandra(servers):
    def load(*texts):
        servers.put(texts)
        return servers.job(), servers.table()

    check_a_row_that_moves_to_an_earlier_file(load)


def test_a_row_moves_to_an_earlier_file_in_the_embedded_store(embedded):
    def load(*texts):
        for number, text in enumerate(texts, 1):
            path = embedded.folder / f"products-{number}.jsonl"
            if not path.exists() or path.read_text() != text:
                path.write_text(text)
        run = embedded.job(embedded.folder / "products-*.jsonl")
        with embedded.service() as address:
            return run, {key: harness.json.loads(harness.get(address, f"/product/{key}")[2]) for key in (1, 2, 3)}

    check_a_row_that_moves_to_an_earlier_file(load)
