"""A member that is down is tried by requests without a body, and by those whose body has been read."""

import contextlib
import socket
import time

import pytest

from farmhttpd import client, members, wait
from test_300_failover import bad_and_good

KIB = 1024


def open_request(httpd, header, method="PUT"):
    """A client that sends the header of a request and then nothing."""
    sock = socket.create_connection(("127.0.0.1", httpd.port), timeout=wait.patiently(30))
    sock.sendall(f"{method} /app/x HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n".encode())
    return sock


def bad_came_back(httpd, retry="100ms", *directives):
    """`bad` is down and would answer again, `good` serves; the trial of `bad` is due."""
    bad, good = bad_and_good(httpd, f"FarmSet retry={retry}", *directives, fall=1)
    bad.refuse()
    httpd.start()
    assert httpd.get("/app/x").member == "good"
    assert httpd.rows()["bad"]["health"] == "down"
    bad.start()
    return bad, good


@pytest.mark.parametrize("header", ["Content-Length: 100", "Transfer-Encoding: chunked",
                                    "Content-Length: 100\r\nExpect: 100-continue"], ids=["length", "chunked", "expect"])
def test_343_01_bodies_that_do_not_come(httpd, header):
    """Contract: "A trial is given only to a request without a body or whose body has been read"."""
    # Long, so that a trial that is lost would keep `bad` away for the rest of the test.
    bad, good = bad_came_back(httpd, "2s")
    # Of the clients that go without having sent their bodies.
    httpd.log.expect("AH02608|AH10154|AH01095")
    # However late this is, the trial is still due.
    time.sleep(wait.patiently(2.1))
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(open_request(httpd, header))
        time.sleep(0.3)
        assert httpd.get("/app/x").member == "bad"
        row = httpd.rows()["bad"]
        assert (row["health"], row["requests"]) == ("up", bad.count + 1)


def test_343_02_get_with_a_long_body(httpd):
    """Contract: "A trial is given only to a request … whose body has been read": no longer one is, of any method, so that
    it never ends in an error while another member is up."""
    bad, good = bad_came_back(httpd)
    bad.always(members.close_after_request)
    for n in range(20):
        response = httpd.get("/app/x", method=("GET", "PUT")[n % 2], body=b"x" * 200_000)
        assert (response.status, response.member) == (200, "good")
        time.sleep(0.01)
    assert bad.count == 0


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [1, 20 * KIB, 64 * KIB - 1, 64 * KIB])
def test_343_03_short_bodies_are_trials(httpd, size, chunked):
    """Contract: "A trial is given only to a request … whose body has been read": then it is, also where all requests have
    bodies, and the member gets the body whole, once."""
    bad, good = bad_came_back(httpd)
    body = bytes(n % 251 for n in range(size))

    def put():
        response = httpd.get("/app/x", method="PUT", body=[body[:7], body[7:]] if chunked else body)
        assert response.status == 200
        return response.member

    if chunked and size == 64 * KIB:
        # That this is all of it could only be known by reading more than can be kept.
        assert {put() for _ in range(20) if not time.sleep(0.01)} == {"good"}
        return
    wait.until(lambda: put() == "bad", "a PUT to be the trial")
    assert set(bad.bodies) == {body}
    assert httpd.rows()["bad"]["health"] == "up"


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize("size", [1, 20 * KIB, 64 * KIB])
@pytest.mark.parametrize("expect", [False, True], ids=["", "expect"])
def test_343_04_nobody_else(httpd, method, size, expect):
    """Contract: "while nobody is available, by any request"; of those whose body has been read."""
    a = httpd.member("a")
    httpd.farm(a, "FarmSet fall=1 retry=100ms")
    httpd.log.expect_broken()
    a.refuse()
    httpd.start()
    assert httpd.get("/app/x").status == 503
    a.start()
    body = bytes(n % 251 for n in range(size))
    headers = {"Expect": "100-continue"} if expect else {}

    def send():
        return httpd.get("/app/x", method=method, body=body, headers=headers).status

    wait.until(lambda: send() == 200, "the member to come back")
    assert a.bodies == [body]


def test_343_05_nobody_else_and_a_long_body(httpd):
    """Contract: "A trial is given only to a request without a body or whose body has been read": a body of more than 64 KiB
    is not, and gets what the farm's condition says."""
    a = httpd.member("a")
    httpd.farm(a, "FarmSet fall=1 retry=50ms")
    httpd.log.expect_broken()
    a.refuse()
    httpd.start()
    assert httpd.get("/app/x").status == 503
    a.start()
    for _ in range(10):
        assert httpd.get("/app/x", method="POST", body=b"x" * 70_000).status == 503
        time.sleep(0.02)
    assert a.count == 0
    wait.until(lambda: httpd.get("/app/x").status == 200, "a GET to be the trial")
    assert httpd.get("/app/x", method="POST", body=b"x" * 70_000).status == 200


@pytest.mark.parametrize("rest", [b"Content-Length: 100\r\n\r\nonly this", b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n"],
                         ids=["short", "no chunk"])
def test_343_06_bad_bodies(httpd, rest):
    """Contract: "Never charged: a client that goes away or sends a bad or late body", also before a member is chosen."""
    bad, good = bad_came_back(httpd, "1ms")
    httpd.log.expect(r"AH0\d+")
    bad.refuse()
    errors = httpd.rows()["bad"]["errors"]
    for _ in range(5):
        reply = client.raw(httpd.port, b"PUT /app/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + rest)
        assert b"HTTP/1.1 200" not in reply
    rows = httpd.rows()
    assert (rows["bad"]["errors"], rows["good"]["errors"]) == (errors, 0)
    assert all(row["inflight"] == 0 for row in rows.values())


def test_343_07_next_request(httpd):
    """What comes after a body that was read before the choice is the next request."""
    bad, good = bad_came_back(httpd, "1ms")
    one = b"PUT /app/one HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n"
    two = b"PUT /app/two HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nworld"
    end = b"GET /app/three HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    reply = client.raw(httpd.port, one + two + end)
    assert reply.count(b"HTTP/1.1 200") == 3
    assert {r.target: r.body for r in bad.requests + good.requests if r.body} == {"/one": b"hello", "/two": b"world"}
