"""Goal: what the parser accepts, and every value it yields, is what Python's json says under the rules of the domain."""
import collections
import json
import os
import pathlib
import struct
import subprocess
import sys

import lines

LINES = 1_000_000 if os.environ.get("DATAFLOW_LONG") else 100_000
MAX_LEVELS = 1000  # of objects and arrays, the line's own included
LARGEST_ID = (1 << 63) - 1
TEXTS = ("title", "category", "brand", "url", "description")
sys.setrecursionlimit(20_000)


class Number(str):
    """A number's text."""


class Rejected(Exception):
    pass


def refuse(reason):
    raise Rejected(reason)


def walk(value, level=1):
    """Rules that Python's json does not have: no lone surrogates, not too many levels."""
    if isinstance(value, str):
        if not isinstance(value, Number) and any(0xD800 <= ord(c) <= 0xDFFF for c in value):
            refuse("a lone surrogate")
    elif isinstance(value, (list, Pairs)):
        if level > MAX_LEVELS:
            refuse("too deep")
        for each in value:
            walk(each, level + 1)


class Pairs(list):
    """An object's keys and values one after another, repeated keys as well."""

    def last(self):
        return dict(zip(self[::2], self[1::2]))


DECODER = json.JSONDecoder(
    object_pairs_hook=lambda pairs: Pairs(part for pair in pairs for part in pair),
    parse_int=Number,
    parse_float=Number,
    parse_constant=lambda name: refuse(name),
)


def id_of(value):
    if not isinstance(value, Number) or set(value) & set(".eE"):
        refuse("no integer")
    if not 0 <= int(value) <= LARGEST_ID:
        refuse("out of range")
    return int(value)


def price_of(value):
    if value is None:
        return None
    if not isinstance(value, Number):
        refuse("no number")
    price = float(value)
    if price in (float("inf"), float("-inf")):
        refuse("out of range")
    return struct.pack(">d", price).hex()


def text_of(value):
    if value is not None and (not isinstance(value, str) or isinstance(value, Number)):
        refuse("no text")
    return None if value is None else value.encode()


def expected(line, first):
    """The row of a line: id, the price's bits, five texts; None where it is rejected; () where it is blank."""
    if first and line.startswith(b"\xef\xbb\xbf"):
        line = line[3:]
    if not line.strip(b" \t\r"):
        return ()
    try:
        value = DECODER.decode(line.decode())
        if not isinstance(value, Pairs):
            return None
        walk(value)
        fields = value.last()
        if fields.get("id") is None or not fields.get("title"):
            return None
        return (id_of(fields["id"]), price_of(fields.get("price")), *(text_of(fields.get(key)) for key in TEXTS))
    except (Rejected, ValueError):  # ValueError: neither JSON nor UTF-8
        return None


def parsed(content, *arguments):
    """What our parser made of it: by each line's offset a row or the reason of its rejection."""
    peer = pathlib.Path(os.environ["DATAFLOW_BIN_DIR"]) / "src/dataflow/pipeline/parser_peer"
    run = subprocess.run([peer, *map(str, arguments)], input=content, stdout=subprocess.PIPE, timeout=600, check=True)
    found = {}
    for text in run.stdout.decode().splitlines():
        kind, offset, *rest = text.split(" ")
        assert int(offset) not in found, f"the line at {offset} became two things"
        if kind == "A":
            texts = (None if part == "-" else bytes.fromhex(part[1:]) for part in rest[2:])
            found[int(offset)] = (int(rest[0]), None if rest[1] == "-" else rest[1], *texts)
        else:
            found[int(offset)] = (int(rest[0]), " ".join(rest[1:]))
    return found


def compare(content, found):
    """Counts of what was compared; the first differences."""
    counts, differences, offset = collections.Counter(), [], 0
    for number, line in enumerate(content.split(b"\n"), 1):
        wanted, got = expected(line, number == 1), found.pop(offset, ())
        rejected = len(got) == 2
        counts["blank" if wanted == () else "rejected" if wanted is None else "accepted"] += 1
        same = rejected and got[0] == number if wanted is None else got == wanted
        if not same:
            differences.append((line[:300], wanted, got))
        offset += len(line) + 1
    assert not found, f"lines that are not there: {sorted(found)[:3]}"
    return counts, differences


def test_the_parser_agrees_with_python(rng, tell, tried):
    content = b"\n".join(lines.mixed(rng, LINES))
    # Small blocks, so that lines lie across their ends.
    counts, differences = compare(content, parsed(content, 4096))
    tell(f"{sum(counts.values())} lines compared with Python's json: {dict(counts)}, {len(differences)} differences")
    tried("lines that are no products", counts["rejected"])
    assert not differences, f"{len(differences)} differences, e.g. {differences[:3]}"
    assert sum(counts.values()) >= LINES and min(counts.values()) > LINES // 200


def test_the_comparison_can_fail(rng):
    content = b"\n".join(lines.mixed(rng, 1000))
    found = parsed(content)
    for offset, got in list(found.items()):
        if len(got) > 2:
            found[offset] = (got[0] + 1, *got[1:])
            break
    assert len(compare(content, found)[1]) == 1
