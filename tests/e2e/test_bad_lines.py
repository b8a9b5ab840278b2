"""Goal: exactly the bad lines are rejected, each with its reason and place; every good line is stored; rejects can be mended."""
import json

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
            assert status == 200 and json.loads(body) == row
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
