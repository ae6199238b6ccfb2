"""No request from outside crashes a child, takes a member down, or stays in flight."""

import random
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from farmhttpd import client
from farmhttpd.members import answer

CLIENT_FAULTS = r"\[(core|http|proxy|proxy_http|http2|reqtimeout):"
LONG = b"a" * 8000

REQUESTS = {
    "nothing": b"",
    "empty lines": b"\r\n\r\n\r\n\r\n",
    "a byte": b"\0",
    "binary": bytes(range(256)) * 20,
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(50),
    "HTTP/0.9": b"GET /app/x\r\n",
    "HTTP/1.0 without a host": b"GET /app/x HTTP/1.0\r\n\r\n",
    "HTTP/9.9": b"GET /app/x HTTP/9.9\r\nHost: x\r\n\r\n",
    "no version": b"GET /app/x \r\nHost: x\r\n\r\n",
    "no method": b"/app/x HTTP/1.1\r\nHost: x\r\n\r\n",
    "method of 8000 letters": LONG + b" /app/x HTTP/1.1\r\nHost: x\r\n\r\n",
    "method of odd letters": b"G\x7fT /app/x HTTP/1.1\r\nHost: x\r\n\r\n",
    "path of 8000 letters": b"GET /app/" + LONG + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "query of 8000 letters": b"GET /app/x?" + LONG + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "path of per cents": b"GET /app/" + b"%25" * 2000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "path of half escapes": b"GET /app/%/%2/%g0/%% HTTP/1.1\r\nHost: x\r\n\r\n",
    "path with NUL": b"GET /app/%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "path with bytes over 127": b"GET /app/\xff\xfe\xc3\x28 HTTP/1.1\r\nHost: x\r\n\r\n",
    "path with a line feed": b"GET /app/%0d%0aX:%20y HTTP/1.1\r\nHost: x\r\n\r\n",
    "path that climbs": b"GET /app/../../../../app/../x HTTP/1.1\r\nHost: x\r\n\r\n",
    "path of slashes": b"GET " + b"/" * 7000 + b"app/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "path with another farm": b"GET /app/http://app/ HTTP/1.1\r\nHost: app\r\n\r\n",
    "absolute URI without an end": b"GET http:// HTTP/1.1\r\nHost: x\r\n\r\n",
    "absolute URI with an odd port": b"GET http://x:99999999/app/x HTTP/1.1\r\nHost: x\r\n\r\n",
    "host empty": b"GET /app/x HTTP/1.1\r\nHost:\r\n\r\n",
    "host odd": b"GET /app/x HTTP/1.1\r\nHost: \xff:\r\n\r\n",
    "host twice": b"GET /app/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "header without a colon": b"GET /app/x HTTP/1.1\r\nHost: x\r\nwibble\r\n\r\n",
    "header with NUL": b"GET /app/x HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
    "header folded": b"GET /app/x HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "header of 8000 letters": b"GET /app/x HTTP/1.1\r\nHost: x\r\nA: " + LONG + b"\r\n\r\n",
    "90 headers": b"GET /app/x HTTP/1.1\r\nHost: x\r\n" + b"".join(b"A%d: b\r\n" % n for n in range(90)) + b"\r\n",
    "2000 headers": b"GET /app/x HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 2000 + b"\r\n",
    "half a request": b"GET /app/x HTTP/1.1\r\nHo",
    "cookies of all sorts": b"GET /app/x HTTP/1.1\r\nHost: x\r\nCookie: farm=v1.k.e30.x; farm=; =; ;;; farm\r\nCookie: "
                            + b"farm=" + b"A" * 4000 + b"\r\n\r\n",
    "connection names headers": b"GET /app/x HTTP/1.1\r\nHost: x\r\n"
                                b"Connection: Host, Via, X-Forwarded-For, close\r\n\r\n",
    "forwarding loop": b"GET /app/x HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\nVia: " + b"1.1 x, " * 500
                       + b"1.1 x\r\n\r\n",
    "upgrade to nothing": b"GET /app/x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: \r\n\r\n",
    "upgrade to anything": b"GET /app/x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                           b"Upgrade: websocket, h2c, x/9\r\n\r\n",
    "range of nonsense": b"GET /app/x HTTP/1.1\r\nHost: x\r\nRange: bytes=9-1,,-\r\n\r\n",
    "expect nonsense": b"POST /app/x HTTP/1.1\r\nHost: x\r\nExpect: a miracle\r\nContent-Length: 1\r\n\r\nx",
    "length negative": b"POST /app/x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "length beyond any integer": b"POST /app/x HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "length and chunked": b"POST /app/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                          b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
    "chunk of 16 digits": b"POST /app/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
    "chunk extension endless": b"POST /app/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" + LONG
                               + b"\r\nx\r\n",
    "trailer endless": b"POST /app/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
                       + b"T: t\r\n" * 200 + b"\r\n",
    "TRACE": b"TRACE /app/x HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT": b"CONNECT /app/x HTTP/1.1\r\nHost: x\r\n\r\n",
    "OPTIONS of all": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "status with a long query": b"GET /farm-status?" + b"format=json&" * 600 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "status in JSON with a long query": b"GET /farm-status?format=json&" + b"x=y&" * 1500 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "status with an odd query": b"GET /farm-status?&&=&format&format=%zz&%00=%ff HTTP/1.1\r\nHost: x\r\n\r\n",
    "pipelined": b"GET /app/1 HTTP/1.1\r\nHost: x\r\n\r\n" * 20 + b"garbage",
}


def check_unharmed(httpd, before):
    """The same children, the members up and idle, and service as before."""
    assert set(before) <= set(httpd.children()), "a child is gone"
    assert not httpd.log.lines("exit signal")
    for name in httpd.rows():
        httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight", member=name)
    assert {(row["health"], row["errors"]) for row in httpd.rows().values()} == {("up", 0)}
    assert httpd.get("/app/x").status == 200


@pytest.mark.both_mpms
def test_500_01_requests_of_every_kind(httpd):
    """Contract: "No request from outside, and no answer from a member, crashes a child"."""
    httpd.farm(*httpd.three("a", "b"))
    httpd.log.expect(CLIENT_FAULTS)
    httpd.start()
    before = httpd.wait_for_children(2)
    for name, data in REQUESTS.items():
        client.raw(httpd.port, data)
        assert set(before) <= set(httpd.children()), f"a child is gone after: {name}"
    check_unharmed(httpd, before)


@pytest.mark.both_mpms
@pytest.mark.parametrize("seed", range(4))
def test_500_02_requests_by_chance(httpd, seed):
    """the contract, the same with requests that are right but for a few bytes; each run makes the same ones."""
    chance = random.Random(seed)
    httpd.farm(*httpd.three("a", "b"))
    httpd.log.expect(CLIENT_FAULTS)
    httpd.start()
    before = httpd.wait_for_children(2)
    whole = [data for data in REQUESTS.values() if 20 < len(data) < 3000]
    for _ in range(150):
        data = bytearray(chance.choice(whole))
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data))
            data[at:at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
        client.raw(httpd.port, bytes(data))
    check_unharmed(httpd, before)


@pytest.mark.both_mpms
def test_500_03_clients_that_vanish(httpd):
    """Contract: "a client that goes away" is nobody's failure; "in flight from the choice to its end"."""
    a = httpd.member("a").always(answer(body=b"v" * 500_000))
    httpd.farm(a)
    httpd.log.expect(CLIENT_FAULTS)
    httpd.start()
    before = httpd.wait_for_children(2)

    def vanish(number):
        with socket.create_connection(("127.0.0.1", httpd.port)) as sock:
            if number % 3 == 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            body = b"Content-Length: 100000\r\n\r\npart" if number % 2 else b"\r\n"
            sock.sendall(b"PUT /app/x HTTP/1.1\r\nHost: x\r\n" + body)
            if number % 10 == 0:
                sock.recv(1000)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(vanish, range(80)))
    check_unharmed(httpd, before)
