"""No answer from a member crashes a child, however wrong it is."""

import random

import pytest

from farmhttpd import client, members
from farmhttpd.protocols import AjpMember, FcgiMember

OK = b"HTTP/1.1 200 OK\r\n"
LONG = b"a" * 20_000

ANSWERS = {
    "nothing": b"",
    "a byte": b"H",
    "a line end": b"\r\n",
    "NUL": bytes(1000),
    "binary": bytes(range(256)) * 40,
    "status line only": OK,
    "status line of 20000 bytes": b"HTTP/1.1 200 " + LONG + b"\r\n\r\n",
    "status line without words": b"HTTP/1.1 200\r\n\r\n",
    "status line without a number": b"HTTP/1.1\r\n\r\n",
    "status 0": b"HTTP/1.1 0 Zero\r\n\r\n",
    "status 99": b"HTTP/1.1 99 Low\r\n\r\n",
    "status 1000": b"HTTP/1.1 1000 High\r\n\r\n",
    "status negative": b"HTTP/1.1 -200 OK\r\n\r\n",
    "status with a letter": b"HTTP/1.1 2x0 OK\r\n\r\n",
    "HTTP/0.9 page": b"<html>hello</html>",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.10": b"HTTP/1.10 200 OK\r\nContent-Length: 0\r\n\r\n",
    "lower case http": b"http/1.1 200 ok\r\n\r\n",
    "HTTP/2 frames": b"\0\0\x12\4\0\0\0\0\0\0\3\0\0\0\x80\0\4\0\1\0\0\0\5\0\xff\xff\xff",
    "TLS alert": b"\x15\x03\x01\x00\x02\x02\x28",
    "101 unasked": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nwibble",
    "many 100s": b"HTTP/1.1 100 Continue\r\n\r\n" * 50 + OK + b"Content-Length: 0\r\n\r\n",
    "103 and nothing": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
    "header without a colon": OK + b"wibble\r\nContent-Length: 0\r\n\r\n",
    "header without a name": OK + b": wibble\r\nContent-Length: 0\r\n\r\n",
    "header with NUL": OK + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "header with odd bytes": OK + b"X\xff\xfe: \x01\x02\r\nContent-Length: 0\r\n\r\n",
    "header of 20000 bytes": OK + b"X: " + LONG + b"\r\nContent-Length: 0\r\n\r\n",
    "5000 headers": OK + b"X: y\r\n" * 5000 + b"Content-Length: 0\r\n\r\n",
    "folded header": OK + b"X: y\r\n z\r\n\t\r\nContent-Length: 0\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "bare carriage returns": b"HTTP/1.1 200 OK\rContent-Length: 2\r\rok",
    "length negative": OK + b"Content-Length: -5\r\n\r\nhello",
    "length no number": OK + b"Content-Length: many\r\n\r\nhello",
    "length beyond any integer": OK + b"Content-Length: 99999999999999999999999\r\n\r\nhello",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "length and chunked": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk size no number": OK + b"Transfer-Encoding: chunked\r\n\r\nwibble\r\n",
    "chunk size beyond any integer": OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx",
    "chunk size negative": OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nx",
    "chunk without an end": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
    "unknown coding": OK + b"Transfer-Encoding: wibble\r\n\r\nhello",
    "gzip that is none": OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
    "more than promised": OK + b"Content-Length: 2\r\n\r\nhello and much more",
    "answer twice": (OK + b"Content-Length: 2\r\n\r\nok") * 3,
    "body with 204": b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello",
    "body with 304": b"HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\nhello",
    "location odd": b"HTTP/1.1 302 Go\r\nLocation: \xff\0\x01://[::/%zz\r\nContent-Length: 0\r\n\r\n",
    "location of 20000 bytes": b"HTTP/1.1 302 Go\r\nLocation: http://" + LONG + b"\r\nContent-Length: 0\r\n\r\n",
    "cookies of all sorts": OK + b"Set-Cookie: \r\nSet-Cookie: ;;;=\r\nSet-Cookie: a=b; Domain=; Path=\r\nSet-Cookie: "
                            + LONG + b"\r\nContent-Length: 0\r\n\r\n",
    "refresh odd": OK + b"Refresh: ;url=;url='\"\r\nRefresh: 99999999999; URL\r\nContent-Length: 0\r\n\r\n",
    "load report odd": OK + b"Endpoint-Load-Metrics: JSON {{{{\r\nEndpoint-Load-Metrics: \xff=nan,\r\n"
                       b"Content-Length: 0\r\n\r\n",
    "connection names everything": OK + b"Connection: Content-Length, Set-Cookie, X, close, ,\r\n"
                                   b"Content-Length: 0\r\n\r\n",
    "content type odd": OK + b"Content-Type: \xff/;charset=\"\r\nContent-Length: 0\r\n\r\n",
    "trailers": OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nT: t\r\n" + b"U: " + LONG + b"\r\n\r\n",
}
NOISE = r"\[(proxy|proxy_http|proxy_fcgi|proxy_ajp|proxy_farm|http|core):"


def ask(httpd, method="GET"):
    extra = b"Content-Length: 4\r\n\r\nbody" if method in ("POST", "PUT") else b"\r\n"
    return client.raw(httpd.port, method.encode() + b" /app/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + extra)


def check_unharmed(httpd, before):
    assert set(before) <= set(httpd.children()), "a child is gone"
    assert not httpd.log.lines("exit signal")
    for name in httpd.rows():
        httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight", member=name)


def bad_beside_good(httpd, *options, kind=members.Member):
    bad, good = httpd.member("bad", kind), httpd.member("good", kind)
    httpd.farm((bad, "weight=1000 timeout=3"), good, "FarmAlgorithm roundrobin", "FarmSet fall=1000000", *options)
    httpd.conf.add('ProxyPassReverse "/app/" "http://app/"', 'ProxyPassReverseCookieDomain "app" "x.test"',
                   'ProxyPassReverseCookiePath "/" "/app/"')
    httpd.log.expect(NOISE)
    httpd.start()
    return bad, good, httpd.wait_for_children(2)


@pytest.mark.both_mpms
@pytest.mark.parametrize("options", [[], ["FarmSet failonstatus=204,302,503"], ["FarmSet retryon=connect"]],
                         ids=["default", "failonstatus", "connect"])
def test_510_01_answers_of_every_kind(httpd, options):
    """Contract: "header and URL garbage from members"; "no answer from a member, crashes a child"."""
    bad, good, before = bad_beside_good(httpd, *options)
    for name, data in ANSWERS.items():
        for method in ("GET", "HEAD", "POST", "PUT"):
            bad.always(members.sending(data))
            reply = ask(httpd, method)
            assert set(before) <= set(httpd.children()), f"a child is gone after: {name}"
            assert reply.startswith(b"HTTP/1.1 "), f"{method} with {name}: {reply[:80]}"
    bad.always(members.answer())
    check_unharmed(httpd, before)
    assert httpd.get("/app/x").status == 200


@pytest.mark.both_mpms
@pytest.mark.parametrize("seed", range(4))
def test_510_02_answers_by_chance(httpd, seed):
    """the contract, the same with answers that are right but for a few bytes; each run makes the same ones."""
    chance = random.Random(seed)
    bad, _, before = bad_beside_good(httpd, "FarmSet failonstatus=503")
    whole = [data for data in ANSWERS.values() if 20 < len(data) < 3000]
    for _ in range(150):
        data = bytearray(chance.choice(whole))
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data))
            data[at:at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
        bad.always(members.sending(bytes(data)))
        ask(httpd, chance.choice(["GET", "POST", "PUT", "HEAD"]))
    check_unharmed(httpd, before)
    bad.always(members.answer())
    assert httpd.get("/app/x").status == 200


@pytest.mark.parametrize("kind, module", [(FcgiMember, "proxy_fcgi"), (AjpMember, "proxy_ajp")], ids=["fcgi", "ajp"])
def test_510_03_other_protocols(httpd, kind, module):
    """Contract: "no answer from a member, crashes a child", whatever the member should have spoken."""
    httpd.conf.load(module)
    bad, good, before = bad_beside_good(httpd, kind=kind)
    fcgi_half = b"\1\6\0\1\0\x20\0\0Content-Type: text/pl"
    ajp_half = b"AB\0\x20\4\0\xc8\0\2OK"
    for name, data in {**ANSWERS, "half a record": fcgi_half, "half a packet": ajp_half}.items():
        for method in ("GET", "POST"):
            bad.always(members.sending(data))
            ask(httpd, method)
            assert set(before) <= set(httpd.children()), f"a child is gone after: {name}"
    check_unharmed(httpd, before)
    bad.refuse()
    assert httpd.get("/app/x").member == "good"


def test_510_04_garbage_never_reaches_a_get(httpd):
    """Contract: an answer "that does not begin with an HTTP status line" is retried: bytes that are no HTTP never reach a
    client that may be served by another."""
    bad, good, _ = bad_beside_good(httpd)
    for name in ("nothing", "a byte", "a line end", "NUL", "binary", "HTTP/0.9 page", "HTTP/2 frames", "TLS alert",
                 "status line without a number"):
        bad.always(members.sending(ANSWERS[name]))
        response = httpd.get("/app/x")
        assert (response.status, response.member) == (200, "good"), name
    assert httpd.rows()["bad"]["errors"] == 9


@pytest.mark.both_mpms
@pytest.mark.parametrize("body", [b"hello", b"x" * 20_000], ids=["short", "long"])
def test_510_05_two_lengths(httpd, body):
    """RFC 9112, 6.3: an answer with two lengths that differ is none: whoever believes the first takes its beginning for the
    whole, and the rest for the next answer. It goes to another member where it may, else it is a 502."""
    bad, good, _ = bad_beside_good(httpd)
    lengths = f"Content-Length: 3\r\nX-Between: 1\r\ncontent-length: {len(body)}\r\n\r\n".encode()

    def kept(data):
        @members.stage("body")
        def behave(_member, wire, _request):
            wire.send(data)
            return True
        return behave
    bad.always(kept(OK + lengths + body))
    for _ in range(6):
        response = httpd.get("/app/x")
        assert (response.status, response.member) == (200, "good")
    assert httpd.rows()["bad"]["errors"] >= 1
    seen = len(bad.requests)
    replies = [ask(httpd, "POST") for _ in range(6)]
    refused = [reply for reply in replies if reply.startswith(b"HTTP/1.1 502 ")]
    assert len(refused) == len(bad.requests) - seen and all(b"hel" not in reply.split(b"\r\n\r\n", 1)[1] for reply in refused)
    # Twice the same is one length.
    bad.always(kept(OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"))
    good.refuse()
    response = httpd.get("/app/x")
    assert (response.status, response.body) == (200, b"hello")
