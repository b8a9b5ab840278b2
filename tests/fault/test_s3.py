"""Goal: whatever S3 or the way to it does, the job retries where that helps, never takes a part for the whole, never
mixes two versions, and otherwise ends with 4 and the name of what it could not read."""
import harness
import proxy
import pytest
from faults import Draws, length

ROWS = 4_000
PART_BYTES = 65_536
RETRIES = 4
STALLED_MS = "1000"  # then an answer that stalls is given up


@pytest.fixture
def between(servers):
    """A proxy between the job and S3; what the test itself does, it does past it."""
    made = proxy.HttpProxy(servers.environment["AWS_ENDPOINT_URL"].removeprefix("http://"))
    servers.environment.update(
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{made.port}",
        DATAFLOW_S3_PART_BYTES=str(PART_BYTES),
        DATAFLOW_S3_RETRIES=str(RETRIES),
    )
    yield made
    made.close()


def give_up_early(servers, kind):
    """Only where answers stall: elsewhere one that is late on a busy machine is not to be asked for again."""
    if kind in ("stalled", "mixed"):
        servers.environment["DATAFLOW_S3_REQUEST_TIMEOUT_MS"] = STALLED_MS


def check(servers, figures, texts):
    """Undisturbed, the next run completes the table, and the one after it writes nothing."""
    figures.run(servers.job())
    figures.compare(servers.table(), harness.rows_of(*texts))
    assert figures.run(servers.job()).written == 0


def disturb(between, figures, rule):
    def counted(request):
        act = rule(request)
        figures.fault(act is not None)
        return act

    between.rule = counted


TRANSIENT = {
    "SlowDown": lambda rng: proxy.refuse(503, "SlowDown"),
    "InternalError": lambda rng: proxy.refuse(500, "InternalError"),
    "cut": lambda rng: proxy.cut(rng.random()),
    "truncated": lambda rng: proxy.shorten(rng.randint(1, 500)),
    "announced as longer": lambda rng: proxy.lie_about_length(rng.randint(1, 500)),
    "stalled": lambda rng: proxy.stall(rng.random()),
}


@pytest.mark.parametrize("kind", [*TRANSIENT, "mixed"])
def test_a_fault_that_passes_is_retried(servers, between, rng, figures, kind):
    """A third of all ranges (a tenth where they stall), one of them for sure, and the first listing are disturbed; the same
    range asked again passes."""
    give_up_early(servers, kind)
    for _ in range(length(1, 15)):
        servers.truncate()
        texts = harness.catalogue(ROWS, seed=rng.randrange(1000))
        servers.put(texts)
        disturbed, draws = set(), Draws(rng)
        number = rng.randrange(len(texts))
        key, first = f"products-{number + 1}.jsonl", rng.randrange(0, len(texts[number].encode()), PART_BYTES)

        def rule(request):
            what, drawn = request.what(), draws.of(request.what())
            wanted = request.is_listing() and not disturbed or request.is_object(key) and request.range()[0] == first
            if what in disturbed or not (drawn.random() < (0.1 if kind == "stalled" else 0.3) or wanted):
                return None
            disturbed.add(what)
            name = drawn.choice(list(TRANSIENT)) if kind == "mixed" else kind
            return TRANSIENT[name](drawn)

        disturb(between, figures, rule)
        run = figures.run(servers.job())
        ranges = sum(asked is not None for _, asked in disturbed)
        assert 0 < ranges < len(disturbed), "a range, and the listing"
        figures.least("least ranges of a run", ranges)
        assert run.rejected == 0 and run.written == ROWS
        figures.compare(servers.table(), harness.rows_of(*texts))
        between.rule = None
        assert figures.run(servers.job()).objects_skipped == len(texts)


def test_cut_at_every_tenth_of_an_object(servers, between, figures):
    """Cut there, the object is resumed by a range of the same version: no byte before is asked for again than of that range."""
    text = harness.catalogue(ROWS, files=1)[0]
    size = len(text.encode())
    for tenth in range(10):
        servers.truncate()
        servers.put([text])
        listed = servers.s3.list_objects_v2(Bucket=servers.bucket)["Contents"][0]["ETag"]
        between.requests.clear()
        at, cuts = size * tenth // 10, []

        def rule(request):
            if cuts or not request.is_object() or not request.range()[0] <= at <= request.range()[1]:
                return None
            first, last = request.range()
            cuts.append(first)
            return proxy.cut((at - first) / (last + 1 - first))

        disturb(between, figures, rule)
        run = figures.run(servers.job())
        assert cuts and run.rejected == 0
        figures.compare(servers.table(), harness.rows_of(text))
        asked = [request for request in between.requests if request.is_object()]
        assert {request.headers["If-Match"] for request in asked} == {listed}, "all of them of the version that was listed"
        firsts = sorted(request.range()[0] for request in asked)
        assert firsts == sorted([*range(0, size, PART_BYTES), *cuts]), "only the range that was cut is asked for again"


@pytest.mark.parametrize("kind", TRANSIENT)
def test_a_fault_that_stays_ends_with_4_and_the_name(servers, between, rng, figures, kind):
    """From a random range on, one object cannot be read: no line of it is taken for another, the other objects are loaded."""
    give_up_early(servers, kind)
    texts = harness.catalogue(ROWS, seed=rng.randrange(1000))
    expected = harness.rows_of(*texts)
    bad = rng.randrange(len(texts))
    key = f"products-{bad + 1}.jsonl"
    first_bad = rng.randrange(0, len(texts[bad].encode()), PART_BYTES)
    servers.put(texts)
    draws = Draws(rng)

    def rule(request):
        return TRANSIENT[kind](draws.of(request.what())) if request.is_object(key) and request.range()[1] >= first_bad else None

    disturb(between, figures, rule)
    run = figures.run(servers.job(code=4))
    assert f"s3://{servers.bucket}/{key}" in run.err and f"tried {RETRIES + 1} times" in run.err, run.err
    assert run.rejected == 0, "a tail was parsed as if it were complete"
    table = servers.table()
    figures.compare(table, {key: expected[key] for key in table})
    others = harness.rows_of(*(text for number, text in enumerate(texts) if number != bad))
    assert others.keys() <= table.keys()
    between.rule = None
    check(servers, figures, texts)


def test_replaced_between_ranges_is_never_mixed(servers, between, rng, figures):
    """The same rows with other prices: afterwards the table is the new version, whole."""
    for _ in range(length(3, 20)):
        seed = rng.randrange(1000)
        old, new = (harness.catalogue(ROWS, files=1, seed=seed, changed_per_mille=share)[0] for share in (0, 900))
        servers.put([old])
        at = rng.randrange(1, len(old.encode()) // PART_BYTES)
        replaced = []

        def rule(request):
            if replaced or not request.is_object() or request.range()[0] < at * PART_BYTES:
                return None
            replaced.append(request)
            return proxy.after(lambda: servers.put([new]))

        disturb(between, figures, rule)
        run = figures.run(servers.job())
        assert replaced and run.lines == ROWS, run.report
        figures.compare(servers.table(), harness.rows_of(new))
        between.rule = None
        assert figures.run(servers.job()).objects_skipped == 1


def test_replaced_again_and_again_ends_with_4(servers, between, figures):
    versions = [harness.catalogue(ROWS, files=1, changed_per_mille=share)[0] for share in (0, 900)]
    servers.put(versions[:1])
    number = [0]

    def replace():
        number[0] += 1
        servers.put([versions[number[0] % 2]])

    disturb(between, figures, lambda r: proxy.after(replace) if r.is_object() and r.range()[0] == 5 * PART_BYTES else None)
    run = figures.run(servers.job(code=4))
    assert "products-1.jsonl" in run.err and "changed while it was read" in run.err
    between.rule = None
    check(servers, figures, [versions[number[0] % 2]])


def test_deleted_while_read(servers, between, figures):
    texts = harness.catalogue(ROWS)
    expected = harness.rows_of(*texts)
    servers.put(texts)

    def delete():
        servers.s3.delete_object(Bucket=servers.bucket, Key="products-2.jsonl")

    disturb(between, figures, lambda r: proxy.after(delete) if r.is_object("products-2.jsonl") and r.range()[0] > 0 else None)
    run = figures.run(servers.job(code=4))
    assert f"s3://{servers.bucket}/products-2.jsonl" in run.err, run.err
    table = servers.table()
    figures.compare(table, {key: expected[key] for key in table})
    assert harness.rows_of(texts[0], texts[2], texts[3]).keys() <= table.keys()
    between.rule = None
    assert figures.run(servers.job()).lines == 0, "what is there is stored"
    servers.put(texts)
    check(servers, figures, texts)


def test_a_page_of_the_listing_fails(servers, between, figures):
    texts = [harness.line(key, f"product {key}") for key in range(1_030)]
    for key, text in enumerate(texts):
        servers.s3.put_object(Bucket=servers.bucket, Key=f"products-{key:04}.jsonl", Body=text.encode())
    pages = []

    def rule(request, times):
        if not request.is_listing() or "start-after" not in request.target or len(pages) >= times:
            return None
        pages.append(request)
        return proxy.refuse(503, "SlowDown")

    disturb(between, figures, lambda request: rule(request, 1_000))
    run = figures.run(servers.job(code=4))
    assert f"s3://{servers.bucket}" in run.err and "tried" in run.err, run.err
    table, expected = servers.table(), harness.rows_of(*texts)
    figures.compare(table, {key: expected[key] for key in table})
    pages.clear()
    disturb(between, figures, lambda request: rule(request, 2))
    figures.run(servers.job())
    figures.compare(servers.table(), expected)
    between.rule = None
    assert figures.run(servers.job()).objects_skipped == len(texts)


@pytest.mark.parametrize(
    "code, remedy",
    [("ExpiredToken", "get new credentials"), ("RequestTimeTooSkewed", "clock"), ("InvalidAccessKeyId", "AWS_ACCESS_KEY_ID")],
)
@pytest.mark.parametrize("when", ["at the listing", "in the middle"])
def test_refused_credentials(servers, between, figures, code, remedy, when):
    """Nothing is gained by asking again: said at once, with the remedy."""
    texts = harness.catalogue(ROWS)
    expected = harness.rows_of(*texts)
    servers.put(texts)
    middle = when == "in the middle"

    def rule(request):
        concerned = request.is_object() and request.range()[0] >= 3 * PART_BYTES if middle else request.is_listing()
        return proxy.refuse(400 if code == "ExpiredToken" else 403, code) if concerned else None

    disturb(between, figures, rule)
    run = figures.run(servers.job(code=4))
    assert remedy in run.err and "tried" not in run.err, run.err
    assert f"s3://{servers.bucket}/products-1.jsonl" in run.err if middle else servers.bucket in run.err, run.err
    table = servers.table()
    figures.compare(table, {key: expected[key] for key in table})
    between.rule = None
    check(servers, figures, texts)
