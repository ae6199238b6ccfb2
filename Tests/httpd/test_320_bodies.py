"""Request bodies on their way to a second member."""

import hashlib
import random
import socket

import pytest

from farmhttpd import client, members
from farmhttpd.members import answer
from test_300_failover import bad_and_good

KIB = 1024


def body_of(size):
    """Bytes that repeat nowhere, the same in every run."""
    return random.Random(size).randbytes(size)


def in_pieces(body, size=5000):
    return [body[at:at + size] for at in range(0, len(body), size)]


@pytest.mark.both_mpms
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [0, 1, 60 * KIB, 64 * KIB, 1024 * KIB])
def test_320_01_post_to_a_member_that_refuses(httpd, size, chunked):
    """Contract: "If a member cannot be reached, the request goes to another available member": with its body, of any
    size, since nobody has had any of it."""
    bad, good = bad_and_good(httpd)
    bad.refuse()
    httpd.start()
    body = body_of(size)
    response = httpd.get("/app/x", method="POST", body=in_pieces(body) if chunked else body)
    assert (response.status, response.member) == (200, "good")
    assert good.bodies == [body]


@pytest.mark.parametrize("failure", [members.close_after_request, members.reset_after_request,
                                     members.half_status_line],
                         ids=["close", "reset", "half"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [0, 1, 8 * KIB, 16 * KIB, 16 * KIB + 1, 64 * KIB - 1, 64 * KIB])
def test_320_02_put_is_sent_again(httpd, size, chunked, failure):
    """Contract: "the request body, if any, can be sent again (bodies up to 64 KiB are kept for it)"."""
    bad, good = bad_and_good(httpd)
    bad.always(failure)
    httpd.start()
    body = body_of(size)
    response = httpd.get("/app/x", method="PUT", body=in_pieces(body) if chunked else body)
    assert (response.status, response.member) == (200, "good")
    assert bad.bodies == good.bodies == [body]
    assert response.json["sha256"] == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [64 * KIB + 1, 100 * KIB, 1024 * KIB])
def test_320_03_larger_bodies_are_sent_once(httpd, size, chunked):
    """Contract: "bodies up to 64 KiB are kept for it": a larger one cannot be sent again, so the client hears of it."""
    bad, good = bad_and_good(httpd)
    bad.always(members.close_after_request)
    httpd.start()
    body = body_of(size)
    assert httpd.get("/app/x", method="PUT", body=in_pieces(body) if chunked else body).status == 502
    assert bad.bodies == [body]
    assert good.count == 0


@pytest.mark.parametrize("size", [100, 60 * KIB])
def test_320_04_member_that_does_not_read_the_body(httpd, size):
    """Contract: "the member fails later (closes, resets, …)": also while the body is on its way."""
    bad, good = bad_and_good(httpd)
    httpd.start()
    body = body_of(size)
    for failure in (members.close_on_head, members.reset_on_head):
        bad.always(failure)
        response = httpd.get("/app/x", method="PUT", body=body)
        assert (response.status, response.member) == (200, "good")
        assert good.bodies[-1] == body
    assert httpd.rows()["bad"]["errors"] == 2


def test_320_05_body_that_comes_slowly(httpd):
    """Contract: a body that arrives in pieces after the first attempt began is sent whole to the second member."""
    bad, good = bad_and_good(httpd)
    bad.refuse()
    httpd.start()
    body = body_of(40 * KIB)
    with socket.create_connection(("127.0.0.1", httpd.port), timeout=30) as sock:
        sock.sendall(b"PUT /app/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
        for piece in in_pieces(body, 8000):
            sock.sendall(piece)
        assert sock.recv(12) == b"HTTP/1.1 200"
    assert good.bodies == [body]


def test_320_06_expect_100_continue(httpd):
    """Contract: with Expect: 100-continue the body is asked for once and reaches the member that answers."""
    bad, good = bad_and_good(httpd)
    httpd.start()
    for failure in (members.close_after_request, None):
        bad.always(failure or answer())
        if failure is None:
            bad.refuse()
        good.forget()
        reply = client.raw(httpd.port, b"PUT /app/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                           b"Expect: 100-continue\r\nContent-Length: 8\r\n\r\nthe body")
        assert reply.count(b"HTTP/1.1 100") <= 1
        assert b"HTTP/1.1 200" in reply
        assert good.bodies == [b"the body"]


BAD_BODIES = {
    "shorter than promised": b"Content-Length: 100\r\n\r\nonly this",
    "chunk size that is no number": b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n",
    "chunked without an end": b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "length that is no number": b"Content-Length: many\r\n\r\n",
    "two lengths": b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
    "unknown coding": b"Transfer-Encoding: wibble\r\n\r\nabc",
}


@pytest.mark.parametrize("rest", BAD_BODIES.values(), ids=BAD_BODIES.keys())
@pytest.mark.parametrize("method", [b"PUT", b"POST"])
def test_320_07_bad_bodies_are_the_clients_fault(httpd, rest, method):
    """Contract: "Never charged to it: a client that goes away or sends a bad or late body"."""
    a, b = httpd.three("a", "b")
    httpd.farm(a, b)
    httpd.log.expect_broken()
    httpd.log.expect(r"AH01587|AH01588|AH01590|AH02763|AH01089|AH01093|AH02601|AH10453|AH02\d+")
    httpd.start()
    for _ in range(3):
        reply = client.raw(httpd.port, method + b" /app/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + rest)
        assert b"HTTP/1.1 200" not in reply
    for name, row in httpd.rows().items():
        assert (row["errors"], row["health"]) == (0, "up"), name
        httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight", member=name)
    assert httpd.get("/app/x").status == 200


def test_320_08_late_body_is_the_clients_fault(httpd):
    """Contract: "… or sends a bad or late body"."""
    a = httpd.member("a")
    httpd.farm(a)
    httpd.conf.load("reqtimeout").add("RequestReadTimeout body=1")
    httpd.log.expect_broken()
    httpd.log.expect(r"AH01382|AH02\d+")
    httpd.start()
    with socket.create_connection(("127.0.0.1", httpd.port), timeout=30) as sock:
        sock.sendall(b"PUT /app/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        assert not sock.recv(100).startswith(b"HTTP/1.1 200")
    row = httpd.rows()["a"]
    assert (row["errors"], row["health"]) == (0, "up")


def test_320_09_answer_before_the_body_is_read(httpd):
    """Contract: a member may answer before it has read all; that is an answer, and no failure."""
    a, b = httpd.three("a", "b")
    httpd.farm(a, b)
    httpd.log.expect_broken()
    httpd.start()
    for member in (a, b):
        member.always(members.sending(b"HTTP/1.1 413 Too much\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                                      after="head"))
    assert httpd.get("/app/x", method="POST", body=b"x" * 10).status == 413
    assert a.count + b.count == 1
