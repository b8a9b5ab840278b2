"""Goal: exactly the bad lines are rejected, each with its reason and place; every good line is stored; rejects can be mended."""
import json
import os
import subprocess
import threading

import pytest

import harness

GOOD = 10_000
MIB = 1 << 20


def bad_lines():
    """Each with a word of its reason."""
    deep = "[" * 100_000 + "]" * 100_000
    return [
        (b'{"id": 1, "title": "broken"', "JSON"),
        (b'{"id": 1, "title": "a",}', "JSON"),
        (b'{"id": 1 "title": "a"}', "JSON"),
        (b"not json at all", "object"),
        (b'["id", 1]', "object"),
        (b'{"id": "1", "title": "a"}', "id"),
        (b'{"id": 1, "title": 7}', "title"),
        (b'{"id": 1, "title": "a", "price": "7"}', "price"),
        (b'{"id": 1, "title": "a", "brand": ["b"]}', "brand"),
        (b'{"title": "a"}', "id is missing"),
        (b'{"id": null, "title": "a"}', "id is missing"),
        (b'{"id": 1}', "title is missing"),
        (b'{"id": -1, "title": "a"}', "negative"),
        (b'{"id": 1.5, "title": "a"}', "fraction"),
        (b'{"id": 1.0, "title": "a"}', "fraction"),
        (b'{"id": 9223372036854775808, "title": "a"}', "larger"),
        (b'{"id": 1, "title": ""}', "empty"),
        (b'{"id": 1, "title": "\xff\xfe"}', "UTF-8"),
        (b'{"id": 1, "title": "\\ud800"}', "JSON"),
        (b'{"id": 1, "title": "a", "price": 1e400}', "range"),
        (b'{"id": 1, "title": "a", "price": NaN}', "JSON"),
        (b'{"id": 1, "title": "a", "x": ' + deep.encode() + b"}", "deep"),
        (b'{"id": 1, "title": "a", "x": {"y": tru}}', "JSON"),
        (b'{"id": 1, "title": "' + b"x" * (20 * MIB) + b'"}', "longer"),
        (b'\xef\xbb\xbf{"id": 1, "title": "a mark in the middle"}', "object"),
    ]


def good_but_odd():
    """Lines that look wrong and are not: the line and its row."""
    return [
        (b'{"id": 90001, "title": "CRLF"}\r', harness.product_of('{"id": 90001, "title": "CRLF"}')),
        (b'{"id": 5, "id": 90002, "title": 3, "title": "repeated keys"}', harness.product_of('{"id": 90002, "title": "repeated keys"}')),
        (b'{"id": 90003, "title": "ignored", "x": 1e400, "y": [[[{}]]], "": null}', harness.product_of('{"id": 90003, "title": "ignored"}')),
        (b'{"\\u0069d": 90004, "title": "escaped key"}', harness.product_of('{"id": 90004, "title": "escaped key"}')),
        (b'  {"id": 9223372036854775807, "title": "largest"}  ', harness.product_of('{"id": 9223372036854775807, "title": "largest"}')),
        (b'{"id": 0, "title": "zero", "price": -0.0}', harness.product_of('{"id": 0, "title": "zero", "price": -0.0}')),
        (b'{"id": 90005, "title": "\\u0000\\ud83d\\ude00\\"\\\\", "price": 5e-324}', harness.product_of('{"id": 90005, "title": "\\u0000\\ud83d\\ude00\\"\\\\", "price": 5e-324}')),
    ]


def make_file():
    """The file, its bad lines as (line, byte, text, reason), and the table that it has to become."""
    good = [harness.line(100 + k, f"good {k}", price=k / 7).encode().rstrip() for k in range(GOOD)]
    table = {}
    for line in good:
        row = harness.product_of(line)
        table[row["id"]] = row
    odd = good_but_odd()
    table.update((row["id"], row) for _, row in odd)
    bad = dict(enumerate(bad_lines()))
    lines, places = [], []
    step = GOOD // (len(bad) + 1)
    for k, line in enumerate(good):
        if k % step == step - 1 and k // step in bad:
            places.append((len(lines), *bad[k // step]))
            lines.append(bad[k // step][0])
            lines.append(b" \t\r")
            lines.append(b"")
        lines.append(line)
    lines[3:3] = [line for line, _ in odd]
    places = [(number + len(odd), text, reason) for number, text, reason in places]
    content = b"\xef\xbb\xbf" + b"\n".join(lines)  # a BOM in front, no newline at the end
    offsets, at = [], 3
    for line in lines:
        offsets.append(at)
        at += len(line) + 1
    offsets[0] = 0
    return content, [(number + 1, offsets[number], text, reason) for number, text, reason in places], table


def check_rejects(setup, source, places):
    reasons = [json.loads(line) for line in (setup.folder / "rejects.jsonl.reasons").read_text().split("\n") if line]
    assert sorted((r["line"], r["byte"]) for r in reasons) == sorted((number, byte) for number, byte, _, _ in places)
    by_line = {r["line"]: r for r in reasons}
    for number, _, text, word in places:
        assert word in by_line[number]["reason"], (text[:80], by_line[number])
        assert by_line[number]["source"] == source
    rejected = (setup.folder / "rejects.jsonl").read_bytes()
    # As they were, one after another, in the order of their reasons.
    text_of = {number: text for number, _, text, _ in places}
    assert rejected == b"".join(text_of[r["line"]] + b"\n" for r in reasons)


def test_exactly_the_bad_lines_are_rejected_embedded(embedded):
    content, places, table = make_file()
    path = embedded.folder / "mixed.jsonl"
    path.write_bytes(content)
    run = embedded.job(path, code=1)
    assert (run.rejected, run.written, run.lines) == (len(places), len(table), len(table) + len(places))
    check_rejects(embedded, str(path), places)
    with embedded.service() as address:
        for key, row in list(table.items())[:: max(1, len(table) // 500)] + [(k, r) for k, r in table.items() if not 100 <= k < 90000]:
            status, _, body = harness.get(address, f"/product/{key}")
            assert status == 200 and harness.same(json.loads(body), row)
        assert harness.get(address, "/product/1")[0] == 404


def test_exactly_the_bad_lines_are_rejected_from_s3_to_cassandra(servers):
    content, places, table = make_file()
    servers.s3.put_object(Bucket=servers.bucket, Key="products-1.jsonl", Body=content)
    run = servers.job(code=1)
    assert (run.rejected, run.written) == (len(places), len(table))
    check_rejects(servers, f"s3://{servers.bucket}/products-1.jsonl", places)
    harness.assert_same_table(servers.table(), table)


def test_rejects_can_be_mended_and_loaded(embedded):
    path = embedded.folder / "a.jsonl"
    path.write_text('{"id": 1, "title": "one"}\n{"id": 2, "titel": "two"}\n')
    embedded.job(path, code=1)
    rejects = embedded.folder / "rejects.jsonl"
    rejects.write_text(rejects.read_text().replace("titel", "title"))
    assert embedded.job(rejects).new == 1
    with embedded.service() as address:
        assert json.loads(harness.get(address, "/product/2")[2])["title"] == "two"


def test_max_errors(embedded):
    path = embedded.folder / "a.jsonl"
    path.write_text("x\ny\nz\n" + harness.line(1, "one"))
    assert embedded.job("-max-errors", 3, path, code=1).rejected == 3
    path.write_text("x\ny\nz\nw\n" + harness.line(1, "one"))
    assert "max-errors" in embedded.job("-max-errors", 3, path, code=3).err


def both_rejects(setup):
    return (setup.folder / "rejects.jsonl").read_bytes(), (setup.folder / "rejects.jsonl.reasons").read_bytes()


@pytest.mark.parametrize("named", ["by its path", "by a pattern", "by a link", "as standard input"])
def test_rejects_that_are_read_stay_until_all_of_them_are_stored(embedded, named):
    """What was mended in the file is nowhere else: a run that stops must not replace it."""
    bad = [f'{{"id": {k}, "titel": "title {k}"}}' for k in range(20)]
    (embedded.folder / "a.jsonl").write_text("".join(line + "\n" for line in bad))
    embedded.job("-max-errors", 20, "a.jsonl", code=1)
    rejects = embedded.folder / "rejects.jsonl"
    rejects.write_text("".join(line.replace("titel", "title") + "\n" for line in bad[:10]) + "".join(line + "\n" for line in bad[10:]))
    (embedded.folder / "a.jsonl").unlink()
    (embedded.folder / "link").symlink_to("rejects.jsonl")
    source = {"by its path": "rejects.jsonl", "by a pattern": "*.jsonl", "by a link": "link", "as standard input": "-"}[named]

    def load(max_errors, code):
        with rejects.open("rb") as stdin:
            process = embedded.start("-max-errors", max_errors, source, stdin=stdin)
            _, err = process.communicate(timeout=harness.RUN_TIMEOUT_S)
        assert process.returncode == code, err.decode()
        return err.decode()

    before = both_rejects(embedded)
    err = load(3, code=3)
    assert both_rejects(embedded) == before
    beside = embedded.folder / "rejects.jsonl.incomplete-1"
    assert beside.name in err and "left as it is" in err, err
    assert set(beside.read_text().splitlines()) <= set(bad[10:])
    assert len((embedded.folder / "rejects.jsonl.incomplete-1.reasons").read_text().splitlines()) == len(beside.read_text().splitlines())
    load(20, code=1)
    assert rejects.read_text().splitlines() == bad[10:], "what was mended is stored, the rest is to be mended"
    with embedded.service() as address:
        assert json.loads(harness.get(address, "/product/9")[2])["title"] == "title 9"


def test_two_jobs_in_one_folder_keep_what_each_rejects(folder):
    """The file is that of the job that ends last, whole, and so are its reasons."""
    jobs = {}
    for name in ("first", "second"):
        setup = harness.Setup(folder, {"DATAFLOW_ROCKSDB_PATH": f"{name}.db"})
        jobs[name] = setup.start("-max-errors", 100_000, "-", stdin=subprocess.PIPE)
        jobs[name].stdin.write((f"a bad line of the {name} job\n" * 50_000 + harness.line(1, name)).encode())
        jobs[name].stdin.flush()
        with setup.service() as address:
            harness.wait_for(lambda: harness.get(address, "/product/1")[0] == 200, "the job has rejected its lines")
    for name in ("second", "first"):
        _, err = jobs[name].communicate(timeout=harness.RUN_TIMEOUT_S)
        assert jobs[name].returncode == 1, err.decode()
        lines, reasons = both_rejects(setup)
        assert lines == f"a bad line of the {name} job\n".encode() * 50_000
        assert len(reasons.splitlines()) == 50_000
    assert not [path for path in os.listdir(folder) if path.endswith(".part")]


def test_rejects_and_report_go_where_links_lead(embedded):
    (embedded.folder / "a.jsonl").write_text("bad\n")
    (embedded.folder / "elsewhere").mkdir()
    names = ("r", "r.reasons", "report.json")
    for name in names:
        (embedded.folder / name).symlink_to(f"elsewhere/{name}")
    for _ in range(2):
        process = embedded.start("-rejects", "r", "-report", "report.json", "a.jsonl")
        _, err = process.communicate(timeout=harness.RUN_TIMEOUT_S)
        assert process.returncode == 1, err.decode()
        assert all((embedded.folder / name).is_symlink() for name in names)
        assert sorted(os.listdir(embedded.folder / "elsewhere")) == sorted(names)
        assert (embedded.folder / "r").read_text() == "bad\n"
        assert json.loads((embedded.folder / "report.json").read_text())["rejected"] == 1


def test_rejects_and_report_go_into_pipes_and_standard_output(embedded):
    """Neither is replaced by a file. Standard output by a link of our own: a job that fails this test as root replaces it."""
    (embedded.folder / "a.jsonl").write_text("bad\nworse\n")
    read = {}

    def reader(name):
        read[name] = (embedded.folder / name).read_text()

    readers = [threading.Thread(target=reader, args=(name,), daemon=True) for name in ("r", "report")]
    for thread, name in zip(readers, ("r", "report")):
        os.mkfifo(embedded.folder / name)
        thread.start()
    process = embedded.start("-rejects", "r", "-report", "report", "a.jsonl")
    _, err = process.communicate(timeout=harness.RUN_TIMEOUT_S)
    assert process.returncode == 1, err.decode()
    assert (embedded.folder / "r").is_fifo() and (embedded.folder / "report").is_fifo()
    for thread in readers:
        thread.join(harness.WAIT_S)
    assert read["r"] == "bad\nworse\n"
    assert json.loads(read["report"])["rejected"] == 2
    assert "a.jsonl: line 2, byte 4:" in err.decode(), "the reasons have no file"

    (embedded.folder / "out").symlink_to("/proc/self/fd/1")
    with (embedded.folder / "said").open("wb") as said:
        process = embedded.start("-rejects", "out", "-report", "out", "a.jsonl", stdout=said)
        _, err = process.communicate(timeout=harness.RUN_TIMEOUT_S)
    assert process.returncode == 1, err.decode()
    said = (embedded.folder / "said").read_text()
    assert said.startswith("bad\nworse\nPipeline took") and json.loads(said[said.index("{"):])["rejected"] == 2
    assert (embedded.folder / "out").is_symlink()
    assert sorted(os.listdir(embedded.folder)) == ["a.jsonl", "dataflow.db", "out", "r", "report", "said"]


def test_a_dry_run_leaves_the_rejects_of_the_run_before(embedded):
    (embedded.folder / "a.jsonl").write_text("bad\n")
    embedded.job("a.jsonl", code=1)
    before = both_rejects(embedded)
    (embedded.folder / "b.jsonl").write_text(harness.line(1, "one") + "worse\n")
    dry = embedded.job("-dry-run", "b.jsonl", code=1)
    assert both_rejects(embedded) == before
    assert dry.rejected == 1 and "b.jsonl: line 2, byte" in dry.err, dry.err
    embedded.job("-dry-run", "-rejects", "asked-for", "b.jsonl", code=1)
    assert (embedded.folder / "asked-for").read_text() == "worse\n"
    assert both_rejects(embedded) == before
    # Nothing of it is stored: it is still to be mended and loaded.
    embedded.job("-dry-run", "-rejects", "rejects.jsonl", "rejects.jsonl", code=1)
    assert both_rejects(embedded) == before


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("report, rejects", [("r", "r"), ("./r", "r"), ("r.reasons", "r"), ("link", "r"), ("r", "link"), ("rejects.jsonl", None)])
def test_a_report_that_would_replace_the_rejects_is_refused(embedded, report, rejects, there):
    (embedded.folder / "a.jsonl").write_text("bad\n")
    (embedded.folder / "link").symlink_to("r")
    if there:
        for name in ("r", "r.reasons", "rejects.jsonl"):
            (embedded.folder / name).write_text("of the last run")
    before = {path.name: path.read_text() for path in embedded.folder.iterdir() if path.exists()}
    process = embedded.start("-report", report, *(["-rejects", rejects] if rejects else []), "a.jsonl")
    _, err = process.communicate(timeout=harness.RUN_TIMEOUT_S)
    assert process.returncode == 2 and f"-report {report} is where the rejected lines" in err.decode(), err.decode()
    assert {path.name: path.read_text() for path in embedded.folder.iterdir() if path.exists()} == before


@pytest.mark.parametrize("source", ["a.jsonl", ".", "*.jsonl", "link", "-"])
def test_a_report_that_would_replace_a_source_is_refused(embedded, source):
    text = harness.line(1, "one")
    (embedded.folder / "a.jsonl").write_text(text)
    (embedded.folder / "b.jsonl").write_text(harness.line(2, "two"))
    (embedded.folder / "link").symlink_to("a.jsonl")
    for report in ("a.jsonl", "link"):
        with (embedded.folder / "a.jsonl").open("rb") as stdin:
            process = embedded.start("-report", report, "b.jsonl", source, stdin=stdin)
            _, err = process.communicate(timeout=harness.RUN_TIMEOUT_S)
        assert process.returncode == 2 and f"-report {report} is a source" in err.decode(), err.decode()
        assert (embedded.folder / "a.jsonl").read_text() == text
        assert not (embedded.folder / "dataflow.db").exists(), "nothing was loaded"


def test_report_and_rejects_may_share_what_is_no_file(embedded):
    (embedded.folder / "a.jsonl").write_text("bad\n")
    for shared in ("/dev/null", "/dev/stderr"):
        process = embedded.start("-report", shared, "-rejects", shared, "a.jsonl")
        _, err = process.communicate(timeout=harness.RUN_TIMEOUT_S)
        assert process.returncode == 1, err.decode()
    assert err.startswith(b"bad\n") or b"\nbad\n" in err
    assert b'"rejected": 1' in err


@pytest.mark.parametrize("kind", ["report", "rejects"])
def test_what_replaces_a_file_is_read_by_whom_that_was(embedded, kind):
    (embedded.folder / "a.jsonl").write_text("bad\n")
    names = ["report.json"] if kind == "report" else ["rejects.jsonl", "rejects.jsonl.reasons"]
    for name in names:
        (embedded.folder / name).write_text("secret")
        (embedded.folder / name).chmod(0o600)
    process = embedded.start("-report", "report.json", "a.jsonl")
    _, err = process.communicate(timeout=harness.RUN_TIMEOUT_S)
    assert process.returncode == 1, err.decode()
    for name in names:
        assert "secret" not in (embedded.folder / name).read_text()
        assert (embedded.folder / name).stat().st_mode & 0o777 == 0o600
