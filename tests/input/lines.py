"""Lines that are products in every spelling JSON has, and what random damage makes of them."""
import json

KNOWN = ("id", "title", "price", "category", "brand", "url", "description")
PIECES = (
    b'"id":', b'"title":"t"', b'"price":', b"null", b"true", b"false", b"NaN", b"Infinity", b"-", b"0", b"00", b"1e400", b"1E+2", b".5",
    b"5.", b"-0", b"9223372036854775807", b"9223372036854775808", b"-1", b"\\u0000", b"\\ud83d\\ude00", b"\\ud800", b"\\udc00",
    b"\\ud800\\u0041", b"\\u00", b"\\x", b"\\", b'"', b"{", b"}", b"[", b"]", b",", b":", b" ", b"\t", b"\r", b"\x00", b"\x1f", b"\x7f",
    b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\xef\xbb\xbf", b"\xc2\x85", b"\xe2\x80\xa8", b"//", b"/**/",
    b"'", b"{}", b"[]", b'{"id":1,"title":"a"}',
)


def character(rng):
    kind = rng.random()
    if kind < 0.6:
        return chr(rng.randrange(0x20, 0x7F))
    if kind < 0.7:
        return chr(rng.randrange(0x00, 0x20))
    if kind < 0.8:
        return rng.choice("\"\\/\b\f\t\x7f\u2028\u2029\ufeff\uffff\u0080\u07ff\u0800\U00010000\U0010ffff")
    code = rng.randrange(0x80, 0x11_0000 if kind > 0.9 else 0x3000)
    return chr(code) if not 0xD800 <= code <= 0xDFFF else "?"


def text(rng):
    return "".join(character(rng) for _ in range(int(rng.expovariate(0.1))))


def escaped(rng, c):
    """One of the ways to write a character in a string."""
    short = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    must = c in '"\\' or c < " "
    if c in short and (rng.random() < 0.5 or (must and rng.random() < 0.5)):
        return short[c]
    if not must and rng.random() < 0.9:
        return c
    units = c.encode("utf-16-be")
    form = "\\u{:04x}" if rng.random() < 0.5 else "\\u{:04X}"
    return "".join(form.format(units[k] << 8 | units[k + 1]) for k in range(0, len(units), 2))


def string(rng, value):
    return '"' + "".join(escaped(rng, c) for c in value) + '"'


def digits(rng, count):
    return "".join(rng.choices("0123456789", k=count))


def number(rng):
    kind = rng.random()
    if kind < 0.3:
        return json.dumps(round(rng.uniform(0, 2000), 2))
    if kind < 0.5:
        return repr(rng.uniform(-1, 1) * 10.0 ** rng.randrange(-320, 308))
    whole = "0" if rng.random() < 0.3 else rng.choice("123456789") + digits(rng, int(rng.expovariate(0.1)))
    fraction = "." + digits(rng, 1 + int(rng.expovariate(0.05))) if rng.random() < 0.5 else ""
    exponent = rng.choice("eE") + rng.choice(("", "+", "-")) + digits(rng, rng.randrange(1, 4)) if rng.random() < 0.5 else ""
    return rng.choice(("", "-")) + whole + fraction + exponent


def space(rng):
    return "" if rng.random() < 0.8 else "".join(rng.choices(" \t\r", k=rng.randrange(1, 4)))


def anything(rng, level=0):
    kind = rng.random() + level * 0.1
    if kind < 0.15:
        return "[" + ",".join(space(rng) + anything(rng, level + 1) for _ in range(rng.randrange(4))) + space(rng) + "]"
    if kind < 0.3:
        pairs = (string(rng, rng.choice((*KNOWN, text(rng)))) + space(rng) + ":" + anything(rng, level + 1) for _ in range(rng.randrange(4)))
        return "{" + space(rng) + ",".join(pairs) + "}"
    if kind < 0.5:
        return number(rng)
    return string(rng, text(rng)) if kind < 0.8 else rng.choice(("null", "true", "false", '""', "[]", "{}", "0"))


def product_id(rng):
    if rng.random() < 0.9:
        return str(rng.randrange(1 << rng.randrange(1, 64)))
    return rng.choice(("-0", "-1", "9223372036854775807", "9223372036854775808", "18446744073709551616", "1.0", "1e2", "01", "null", '"1"', number(rng)))


def product(rng):
    """A line as text; most are good."""
    pairs = [("id", product_id(rng)), ("title", string(rng, text(rng) or "t"))]
    if rng.random() < 0.8:
        pairs.append(("price", number(rng) if rng.random() < 0.9 else rng.choice(("null", "1e309", '"1"', "-1e400"))))
    for key in ("category", "brand", "url", "description"):
        if rng.random() < 0.6:
            pairs.append((key, "null" if rng.random() < 0.2 else string(rng, text(rng))))
    if rng.random() < 0.2:
        pairs.append((rng.choice((*KNOWN, text(rng))), anything(rng)))
    if rng.random() < 0.5:
        rng.shuffle(pairs)
    members = (space(rng) + string(rng, key) + space(rng) + ":" + space(rng) + value + space(rng) for key, value in pairs)
    return space(rng) + "{" + ",".join(members) + "}" + space(rng)


def deep(rng):
    """Levels about the limit, closed or not."""
    levels = rng.choice((2, 500, 998, 999, 1000, 1001, 1023, 1024, 1500))
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}"), ('{"id":', "}")))
    inner = rng.choice(("", "1", '"x"')) if opening == "[" else "1"
    return '{"id":7,"title":"deep","x":' + opening * levels + inner + closing * (levels - rng.choice((0, 0, 0, 1))) + "}"


def damaged(rng, line, other):
    """The line after one to three accidents."""
    out = bytearray(line)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(out) + 1)
        kind = rng.randrange(7)
        if kind == 0 and out:
            out[at % len(out)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del out[at : at + rng.randrange(1, 5)]
        elif kind == 2:
            out[at:at] = rng.choice(PIECES)
        elif kind == 3:
            del out[at:]
        elif kind == 4:
            out[at:at] = out[at : at + rng.randrange(1, 20)]
        elif kind == 5:
            out[at:] = other[min(at, len(other)) :]
        else:
            out[at:at] = bytes((rng.randrange(256),))
    return bytes(out)


def mixed(rng, count):
    """`count` lines, without their newlines: four of ten good products, the others damaged or odd."""
    last = b"{}"
    for index in range(count):
        kind = rng.random()
        line = (deep(rng) if kind < 0.002 else anything(rng) if kind < 0.02 else "" if kind < 0.03 else product(rng)).encode()
        if rng.random() < 0.03:
            line = rng.choice((b"", b" ", b"\r", b"\t \r"))
        made = damaged(rng, line, last) if rng.random() < 0.5 else line
        if index == 0 and rng.random() < 0.5:
            made = b"\xef\xbb\xbf" + made
        last = line
        yield made.replace(b"\n", b" ")
