"""Goal: whatever bytes come to the running service, it answers with the right status or closes, exactly, and goes on serving."""
import json

import harness
import pytest
import wire
from wire import Client, get

TITLE = "größe \"quoted\" 😀"
HOST = "Host: x\r\n"
HEADER_BYTES, TARGET_BYTES, BODY_BYTES = 8192, 2048, 1024  # the defaults
STAYS, CLOSES = False, True


def request(line, *fields, body=""):
    return (f"{line} HTTP/1.1\r\n{HOST}" + "".join(f"{field}\r\n" for field in fields) + f"\r\n{body}").encode("latin-1")


def line_of(text):
    return f"{text}\r\n{HOST}\r\n".encode("latin-1")


# Bytes, the status they have to get, whether the connection closes then.
REQUESTS = [
    # ids of every form
    (get("/product/42"), 200, STAYS),
    (get("/product/0"), 200, STAYS),
    (get("/product/9223372036854775807"), 200, STAYS),
    (get("/product/43"), 404, STAYS),
    (get("/product/9223372036854775808"), 400, STAYS),
    (get("/product/18446744073709551658"), 400, STAYS),
    (get("/product/" + "9" * 1000), 400, STAYS),
    (get("/product/" + "0" * 1000), 400, STAYS),
    *((get(f"/product/{wrong}"), 400, STAYS) for wrong in (
        "-1", "-0", "+42", "042", "00", "4.2", "42.0", "42e0", "4e1", "0x2a", "0b1", "0o52", "2a", "a", "NaN", "Infinity", "null", "true",
        "4_2", "4,2", "42;", "42,43", "42&x", "42'", '42"', "42\\", "42|x", "42=1", "42!", "42~", "42*", "(42)", "[42]", "{42}", "<42>", "$42",
        "%2042", "42%20", "42%09", "42%0a", "42%0d%0a", "42%00", "%00", "%2b42", "%2d1", "4%2e2", "42%2f", "%2f42", "42%3fx", "42%23",
        "%d9%a4%d9%a2", "%ef%bc%94%ef%bc%92", "%f0%9d%9f%92", "%34%32%", "%34%3", "%3", "%", "%zz", "%u0034", "%-1", "42#", "42#x", "#42",
        "' OR 1=1", "..", ".", "...", "%2e%2e",
    ) if " " not in wrong),
    # paths
    (get("/product/%34%32"), 200, STAYS),
    (get("/%70%72%6F%64%75%63%74/42"), 200, STAYS),
    (get("/product/42?"), 200, STAYS),
    (get("/product/42?x=%zz&/../y"), 200, STAYS),
    (get("http://x/product/42"), 200, STAYS),
    (get("HTTP://anything:99/product/42?x"), 200, STAYS),
    *((get(path), 404, STAYS) for path in (
        "/", "//", "/product", "/product/", "/product//42", "//product/42", "/product/42/", "/product/42//", "/product/42/x", "/Product/42",
        "/products/42", "/product/../product/42", "/./product/42", "/product/./42", "/product/42/..", "/product/42/.", "/..", "/../../etc/passwd",
        "/%2e%2e/product/42", "/product%2f42", "/product%2F42", "/product%00/42", "/%00", "/product;x/42", "/product/42;/x", "/?/product/42",
        "/product?id=42", "/favicon.ico", "http://x", "http://x?y",
    )),
    *((get(target), 400, STAYS) for target in ("product/42", "*", "x", "x:80", "http://", "http:///product/42", "ftp://x/product/42", "http:/product/42", "/%", "/%4", "/%zz/42")),
    # methods
    *((request(f"{method} /product/42"), 405, STAYS) for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "FROB", "get", "GETS", "G", "!#$%&'*+-.^_`|~")),
    *((request(f"{method} /other"), 404, STAYS) for method in ("POST", "OPTIONS", "FROB")),
    (request("OPTIONS /product/42"), 204, STAYS),
    (request("OPTIONS *"), 204, STAYS),
    (request("CONNECT x:80"), 400, STAYS),
    (request("CONNECT /product/42"), 405, STAYS),
    (request("POST /product/42", "Content-Length: 2", body="{}"), 405, STAYS),
    *((line_of(text), 400, CLOSES) for text in ("G(T /product/42 HTTP/1.1", " GET /product/42 HTTP/1.1", "GET  /product/42 HTTP/1.1", "GET\t/product/42 HTTP/1.1",
      "GET /product/42  HTTP/1.1", "GET /product/42 HTTP/1.1 ", "GET /product/4 2 HTTP/1.1", "/product/42 HTTP/1.1", "GET HTTP/1.1", "GET /product/42", "GET", "\x00",
      "GET /product/\x01 HTTP/1.1", "GET /product/\x7f HTTP/1.1", "G\xe9T /product/42 HTTP/1.1", "<html>")),
    # versions
    (b"GET /product/42 HTTP/1.0\r\n\r\n", 200, CLOSES),
    (b"GET /product/42 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, STAYS),
    (b"GET /product/42 HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", 400, CLOSES),
    *((line_of(f"GET /product/42 HTTP/{version}"), 505, CLOSES) for version in ("0.9", "1.2", "2.0", "3.0", "9.9")),
    *((line_of(f"GET /product/42 {version}"), 400, CLOSES) for version in ("HTTP/1", "HTTP/1.", "HTTP/11", "HTTP/1.10", "HTTP/x.y", "http/1.1", "HTTPS/1.1", "HTTP/1,1", "HTTP /1.1", "XTTP/1.1")),
    (b"GET /product/42\r\n\r\n", 400, CLOSES),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, CLOSES),
    (bytes.fromhex("16030100c8010000c403034e"), 400, CLOSES),
    # Host
    (b"GET /product/42 HTTP/1.1\r\n\r\n", 400, CLOSES),
    (b"GET http://x/product/42 HTTP/1.1\r\n\r\n", 400, CLOSES),
    (get("/product/42", "Host: x"), 400, CLOSES),
    (get("/product/42", "host: y", "HOST: z"), 400, CLOSES),
    (b"GET /product/42 HTTP/1.1\r\nHost:\r\n\r\n", 200, STAYS),
    (b"GET /product/42 HTTP/1.1\r\nHost: a b\r\n\r\n", 400, CLOSES),
    (b"GET /product/42 HTTP/1.1\r\nHost: x/y@z\r\n\r\n", 400, CLOSES),
    (b"GET /product/42 HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 200, STAYS),
    # lines and fields
    (b"\r\n\r\n" + get("/product/42"), 200, STAYS),
    (b"GET /product/42 HTTP/1.1\nHost: x\n\n", 400, CLOSES),
    (b"GET /product/42 HTTP/1.1\r\nHost: x\n\r\n", 400, CLOSES),
    (b"GET /product/42 HTTP/1.1\r\nHost: x\r\n\n", 400, CLOSES),
    (b"GET /product/42 HTTP/1.1\nHost: x\r\n\r\n", 400, CLOSES),
    (b"\n" + get("/product/42"), 400, CLOSES),
    (b"GET /product/42 HTTP/1.1\r\nHost: x\r\n\rX\r\n\r\n", 400, CLOSES),
    (b"GET /product/42 HTTP/1.1\rHost: x\r\r", 400, CLOSES),
    (get("/product/42", "A: b", " c"), 200, STAYS),  # obs-fold, which a recipient may read as a space
    (get("/product/42", "A: b", "\tc"), 200, STAYS),
    (b"GET /product/42 HTTP/1.1\r\n Host: x\r\n\r\n", 400, CLOSES),
    (get("/product/42", "Transfer-Encoding:", " chunked") + b"0\r\n\r\n", 200, STAYS),
    *((get("/product/42", field), 400, CLOSES) for field in ("A : b", " A: b".strip() + "\x00", ": b", "what", "A\x00: b", "A: b\x00c", "A: b\x01", "A: b\rc", "A: b\nc", "A b: c", "A\x7f: b", "(A): b", "A\u00e9: b", "A: \x7f")),
    (get("/product/42", "A: é", "B:", "C:  \t", "X-!#$%&'*+.^_`|~: ok"), 200, STAYS),
    (get("/product/42", *(f"H{k}: v" for k in range(500))), 200, STAYS),
    # lengths and codings
    (get("/product/42", "Content-Length: 5") + b"hello", 200, STAYS),
    (get("/product/42", "Content-Length: 0"), 200, STAYS),
    (get("/product/42", "Content-Length: 2", "Content-Length: 2") + b"ab", 200, STAYS),
    (get("/product/42", "Content-Length: 2, 2") + b"ab", 200, STAYS),
    *((get("/product/42", f"Content-Length: {wrong}"), 400, CLOSES) for wrong in ("", "-1", "+5", "5x", "x", "5 5", "0x5", "5.0", "1e1", "99999999999999999999", "18446744073709551616", "٥", "5,6")),
    (get("/product/42", "Content-Length: 5", "Content-Length: 6"), 400, CLOSES),
    (get("/product/42", "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n", 400, CLOSES),
    (get("/product/42", "Transfer-Encoding: chunked", "Content-Length: 5") + b"0\r\n\r\n", 400, CLOSES),
    (get("/product/42", "Transfer-Encoding: chunked", "Content-Length: 0") + b"0\r\n\r\n", 400, CLOSES),
    (get("/product/42", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n", 200, STAYS),
    (get("/product/42", "Transfer-Encoding: CHUNKED") + b"A;x=\"y\"\r\n0123456789\r\n000\r\nT: v\r\n\r\n", 200, STAYS),
    *((get("/product/42", f"Transfer-Encoding: {wrong}") + b"0\r\n\r\n", 400, CLOSES) for wrong in ("", "gzip", "identity", "xchunked", "chunked, identity", "gzip, chunked", "chunked, chunked", "chunked;q=1", "\x0bchunked", "chun ked", '"chunked"')),
    (get("/product/42", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + b"0\r\n\r\n", 400, CLOSES),
    (get("/product/42", "Transfer-Encoding: chunked", "Transfer-Encoding: identity") + b"0\r\n\r\n", 400, CLOSES),
    (b"GET /product/42 HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, CLOSES),
    *((get("/product/42", "Transfer-Encoding: chunked") + chunk, 400, CLOSES) for chunk in (b"zz\r\n", b"-1\r\n", b"0x5\r\nhello\r\n\r\n", b"+5\r\nhello\r\n", b" 5\r\nhello\r\n", b"\r\n", b"5\r\nhelloX\r\n\r\n", b"5\nhello\n0\n\n", b"fffffffffffffffff\r\n")),
    (get("/product/42", f"Content-Length: {BODY_BYTES}") + b"x" * BODY_BYTES, 200, STAYS),
    (get("/product/42", f"Content-Length: {BODY_BYTES + 1}"), 413, CLOSES),
    (get("/product/42", "Content-Length: 9223372036854775807"), 413, CLOSES),
    (get("/product/42", "Transfer-Encoding: chunked") + b"401\r\n", 413, CLOSES),
    (get("/product/42", "Transfer-Encoding: chunked") + b"ffffffffffffffff\r\n", 413, CLOSES),
    (get("/product/42", "Transfer-Encoding: chunked") + b"1;" + b"x" * HEADER_BYTES, 413, CLOSES),
    (get("/product/42", "Expect: a miracle"), 417, CLOSES),
    # sizes
    (get("/product/42?" + "x" * (TARGET_BYTES - 12)), 200, STAYS),
    (get("/product/42?" + "x" * (TARGET_BYTES - 11)), 414, CLOSES),
    (b"GET /" + b"x" * HEADER_BYTES, 414, CLOSES),
    (b"GET /" + b"x" * (1 << 20) + b" HTTP/1.1\r\n\r\n", 414, CLOSES),
    (get("/product/42", "A: " + "x" * HEADER_BYTES), 431, CLOSES),
    (get("/product/42", "x" * HEADER_BYTES + ": a"), 431, CLOSES),
    (get("/product/42", *(f"H{k}: v" for k in range(2000))), 431, CLOSES),
    (get("/product/42", "A: b", *(" x" for _ in range(4000))), 431, CLOSES),
    (b"x" * (HEADER_BYTES + 10), 414, CLOSES),
    (b"\r\n" * HEADER_BYTES, 431, CLOSES),
    # connections
    (get("/product/42", "Connection: close"), 200, CLOSES),
    (get("/product/42", "Connection: Close, x"), 200, CLOSES),
    (get("/product/42", "Connection: keep-alive"), 200, STAYS),
    (get("/product/42", "Connection: upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: x"), 200, STAYS),
    (get("/product/42", "Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x"), 200, STAYS),
]


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """The service over an embedded store with three products; yields its address."""
    setup = harness.Setup(tmp_path_factory.mktemp("http"), {})
    text = "".join(harness.line(key, TITLE, price=0.1) for key in (0, 42, (1 << 63) - 1))
    (setup.folder / "a.jsonl").write_text(text)
    setup.job("a.jsonl")
    setup.environment["DATAFLOW_HTTP_ACCESS_LOG"] = "false"  # nobody reads it here
    with setup.service() as address:
        yield address


def check_shape(answer, sent):
    """What every answer has, and what its status asks for."""
    assert answer.fields["Server"] and answer.fields["Date"].endswith(" GMT"), sent
    assert ("Allow" in answer.fields) == (answer.status in (204, 405)), sent
    if answer.status == 200:
        product = json.loads(answer.body)
        assert product["title"] == TITLE and product["price"] == 0.1, sent
    elif answer.status >= 400:
        assert answer.fields["Content-Type"] == "application/problem+json", sent
        assert json.loads(answer.body)["status"] == answer.status, sent


def complaint(address, sent, status, closes):
    """What is wrong with the answer, nothing where all is right."""
    with Client(address) as client:
        client.send(sent)
        try:
            answer = client.answer()
        except wire.Closed as error:
            return f"closed {error}"
        if answer.status != status:
            return answer
        check_shape(answer, sent)
        if (answer.fields.get("Connection") == "close") != closes:
            return f"says Connection: {answer.fields.get('Connection')}"
        if closes:
            return None if client.is_closed() else "does not close"
        client.send(get("/product/42"))
        return None if client.answer().status == 200 else "does not go on"


def test_every_request_has_its_answer(service, tell, tried):
    tried("hostile requests", len(REQUESTS))
    wrong = [(sent[:120], status, found) for sent, status, closes in REQUESTS if (found := complaint(service, sent, status, closes))]
    tell(f"{len(REQUESTS)} hostile requests, {len(wrong)} with another answer than they should have")
    assert not wrong, "\n".join(map(str, wrong))


def test_packets_may_end_anywhere(service, tried):
    for sent, status, _ in REQUESTS:
        if len(sent) > 1000:
            continue
        tried("hostile requests in parts")
        middle = len(sent) // 2
        with Client(service) as client:
            for part in (sent[:1], sent[1:middle], sent[middle:-1], sent[-1:]):
                if not client.send(part):
                    break
            assert client.answer().status == status, sent


def test_head_is_get_without_a_body(service):
    for target, status in (("/product/42", 200), ("/product/43", 404), ("/product/x", 400), ("/x", 404)):
        with Client(service) as client:
            client.send(request(f"HEAD {target}") + get(target))
            head, full = client.answer(to_head=True), client.answer()
            assert head.status == full.status == status
            assert head.fields["Content-Length"] == full.fields["Content-Length"] == str(len(full.body))


def test_pipelined_requests_are_answered_in_order(service, tried):
    with Client(service) as client:
        targets = [("/product/42", 200), ("/product/43", 404), ("/x", 404), ("/product/042", 400)] * 250
        client.send(b"".join(get(target) for target, _ in targets) + get("/product/42", "Connection: close") + get("/product/42"))
        assert [client.answer().status for _ in targets] == [status for _, status in targets]
        tried("hostile requests among others", sum(status != 200 for _, status in targets))
        assert client.answer().status == 200
        assert client.is_closed(), "nothing is answered behind the last request"


def test_smuggled_requests_are_not_seen(service, tried):
    """A request inside the body of another is a body."""
    inner = get("/product/43")
    for outer in (
        get("/product/42", f"Content-Length: {len(inner)}") + inner,
        get("/product/42", "Transfer-Encoding: chunked") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(inner), inner),
        get("/product/42", "Transfer-Encoding: chunked") + b"0\r\nGET: /product/43 HTTP/1.1\r\n\r\n",
    ):
        tried("smuggled requests")
        with Client(service) as client:
            client.send(outer + get("/product/0", "Connection: close"))
            assert [json.loads(client.answer().body)["id"] for _ in range(2)] == [42, 0], outer
            assert client.is_closed()


def test_continue_is_said_before_the_body(service):
    with Client(service) as client:
        client.send(get("/product/42", "Expect: 100-continue", "Content-Length: 2"))
        assert client.answer().status == 100
        client.send(b"{}")
        assert client.answer().status == 200


def test_a_client_that_leaves_anywhere_disturbs_nobody(service, tried):
    sent = get("/product/42", "Content-Length: 4") + b"body" + get("/product/42")
    for cut in range(len(sent) + 1):
        for shut in (False, True):
            tried("requests that end early")
            with Client(service) as client:
                client.send(sent[:cut])
                if shut:
                    client.socket.shutdown(1)
    assert complaint(service, get("/product/42"), 200, STAYS) is None
