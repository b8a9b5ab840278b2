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
