"""The seed corpora of the fuzz targets: small inputs that reach each part of a parser.

python3 fuzz/seeds.py FOLDER    writes FOLDER/TARGET/NN for each target
"""
import gzip
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

GOOD = '{"id": 42, "title": "größe \\"q\\" \\ud83d\\ude00", "price": -1.5e-3, "category": null, "brand": "b", "url": "u", "description": "d"}\n'
LINES = [
    GOOD,
    '\ufeff{"id":0,"title":"mark"}\r\n \t\r\n{"id":1,"id":9223372036854775807,"title":2,"title":"t"}',
    '\ufeff\ufeff{"id":0,"title":"two marks"}\n',
    '{"id":1,"title":"a","x":[[{"y":[null,true,false,1e400]}],""],"\\u0000":0}\n',
    '{"id":1.0,"title":"a"}\n{"id":-1,"title":"a"}\n{"id":1,"title":""}\n{"title":"a"}\n[1]\nx\n',
    '{"id":1,"title":"' + "x" * 200 + '"}\n{"id":2,"title":"a","price":18446744073709551616}\n',
    '{"id":1,"title":"a"}}\n{"id":1 "title":"a"}\n{"id":1,"title":"\\ud800"}\n{"id":1,"title":"a",}',
]
# zstd of "ab\n" four times, and a frame whose one block repeats a byte.
ZSTD = [bytes.fromhex("28b52ffd200c4d000018 61620a010000a5".replace(" ", "")), bytes.fromhex("28b52ffd0058020400613f")]


def lines():
    for text in LINES:
        data = text.encode()
        yield b"\x00\x80" + data
        yield b"\x1b\x83" + data
    yield b"\x00\x80" + b'{"id":1,"title":"\xff\xfe"}\n'
    yield b"\x00\x3f" + gzip.compress(GOOD.encode() * 3, mtime=0)
    yield b"\x00\x3f" + gzip.compress(b"a\n", mtime=0) + gzip.compress(b"b" * 300, mtime=0)
    for data in ZSTD:
        yield b"\x00\x7f" + data


def rejects():
    yield b""
    yield b"line\\ with\xff bytes\\ and \"quotes\"\x01\x02\x03\x04\x05\x06" * 3
    yield bytes(range(256))


def config():
    example = (ROOT / "dataflow.conf").read_bytes()
    yield example
    yield b'[cassandra]\nhost = ["a:1", "b"]\nport = 9042\n\n---\nDATAFLOW_REDIS_DB=3\nAWS_S3_BUCKET=b\n---\n-config\na\n-concurrency=4\n--\n-x'
    yield b'[pipeline]\nmax_line_bytes = 1_024\nrejects = """\na"""\n[http]\naccess_log = true\nlisten = "[::1]:0"\n'
    yield b'[cassandar]\nx=1\n[redis]\ndb="a"\npass=7\n"a\\nb"=1\n---\nDATAFLOW_REDIS_PAS=x\n---\n-confg\n-dry-run=false\n-5\n'
    yield b"a.b.c = [1979-05-27T07:32:00Z, {x = 0x1f, y = inf}]\n[[t]]\n"


def sources():
    for text in (
        "a.jsonl", "", "in", "*.jsonl*", "**/*.json", "in/[[]1].jsonl", "in/**/", "?.jsonl", "in/loop/in/**",
        "in/[!a]*", "in/x\\ y.jsonl", "in/q\"'\\\\.jsonl", "in/n\nl.jsonl", "a.jsonl/x", "**/**/er/*",
    ):
        yield text.encode()
    for pattern, key in (
        ("a*b", "axb"), ("**/x/**/y", "a/x/b/y"), ("a/**/*.jsonl", "a/b/p.jsonl"), ("p[1-3]", "p2"), ("p[!a-c]?", "pzz"),
        ("a\\*b", "a*b"), ("[[:alpha:]]", "a"), ("**", ""), ("**a**a**b", "a" * 60), ("*a*a*a*a*b", "a" * 60), ("s3://b/k", "k"),
    ):
        yield f"s3\n{pattern}\n{key}".encode()


def target():
    for text in (
        "/product/42", "/product/9223372036854775808", "/product/%34%32?x", "http://h:1/product/0", "*", "/%70roduct/007",
        "/product/../42", "//product/1", "/product/4%2", "h:443", "/product/", "HTTPS://x",
    ):
        for method in (b"\x00", b"\x02"):
            yield method + text.encode()


def connection():
    host = "Host: x\r\n"
    get = f"GET /product/42 HTTP/1.1\r\n{host}"
    for request in (
        f"{get}\r\n",
        f"{get}\r\nHEAD /product/45 HTTP/1.1\r\n{host}\r\n{get}Connection: close\r\n\r\n",
        f"{get}Content-Length: 5\r\n\r\nhello{get}\r\n",
        f"POST /product/1 HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{{}}\r\n0\r\nT: y\r\n\r\n{get}\r\n",
        f"{get}Expect: 100-continue\r\nContent-Length: 2\r\n\r\nab",
        f"{get}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        f"{get}Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET /product/46 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /product/43 HTTP/1.0\r\n\r\n",
        f"OPTIONS * HTTP/1.1\r\n{host}\r\nDELETE /product/1 HTTP/1.1\r\n{host}\r\n",
        f"{get}A: b\r\n c\r\n\r\n",
        "\r\n\r\nGET /product/42 HTTP/1.1\nHost: x\n\n",
        f"GET http://x/product/%34%32 HTTP/1.1\r\n{host}{host}\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /" + "a" * 2100 + f" HTTP/1.1\r\n{host}\r\n",
    ):
        yield b"\xff" + request.encode()
        yield b"\x04" + request.encode()


TARGETS = {"lines": lines, "rejects": rejects, "config": config, "sources": sources, "target": target, "connection": connection}


def write(folder, name):
    """Writes the seeds of one target into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(TARGETS[name]()):
        (folder / f"seed-{number:02}").write_bytes(data)


if __name__ == "__main__":
    for each in TARGETS:
        write(pathlib.Path(sys.argv[1]) / each, each)
