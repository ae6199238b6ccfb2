"""Answers that a member cuts short."""

import http.client

import pytest

from farmhttpd import members
from farmhttpd.members import answer
from test_300_failover import bad_and_good

CUTS = {
    "by length": members.cut(),
    "by length, the last byte missing": members.cut(promised=100_001, sent=100_000),
    "chunked": members.cut_chunked(),
    "chunked, between chunks": members.sending(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                               + b"10000\r\n" + b"x" * 65536 + b"\r\n"),
    "chunked, size garbled": members.sending(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                             + b"10000\r\n" + b"x" * 65536 + b"\r\nwibble\r\n"),
}


def outcome(call):
    """"complete", "cut", or the status of a clear error."""
    try:
        response = call()
    except (http.client.IncompleteRead, ConnectionError, http.client.BadStatusLine):
        return "cut"
    return "complete" if response.status == 200 else response.status


@pytest.mark.both_mpms
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_330_01_client_sees_the_cut(httpd, cut, method):
    """Contract: "A member that cuts an answer short, after bytes have gone out, is charged a failure; the client sees the
    cut, never a complete answer"."""
    bad, good = bad_and_good(httpd)
    bad.always(cut)
    httpd.start()
    assert outcome(lambda: httpd.get("/app/x", method=method)) == "cut"
    assert (bad.count, good.count) == (1, 0)
    httpd.wait_for_row(lambda row: row["errors"] == 1, "the failure to be charged", member="bad")
    assert httpd.rows()["bad"]["inflight"] == 0


def test_330_02_a_cut_is_doubtful(httpd):
    """Contract: to "cut the answer short" is to break a request; nobody can make it good, so it is doubtful: "doubtful ones do
    when `3 × fall` of them come in a row"."""
    bad, good = bad_and_good(httpd, "FarmSet retry=1h", fall=2)
    bad.always(members.cut())
    httpd.start()
    for errors in range(1, 6):
        assert outcome(lambda: httpd.get("/app/x")) == "cut"
        httpd.wait_for_row(lambda row: row["errors"] == errors and row["health"] == "up", "a failure", member="bad")
    assert outcome(lambda: httpd.get("/app/x")) == "cut"
    httpd.wait_for_row(lambda row: row["errors"] == 6 and row["health"] == "down", "six failures", member="bad")
    assert httpd.get("/app/x").member == "good"


@pytest.mark.parametrize("cut", [members.cut(promised=100, sent=0), members.cut(promised=100, sent=50),
                                 members.sending(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
                                 members.sending(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")],
                         ids=["nothing", "half", "chunked, nothing", "chunked, half"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_330_03_small_answers_cut(httpd, cut, method):
    """Contract: "never a complete answer": a retry is right only for what may be repeated."""
    bad, good = bad_and_good(httpd)
    bad.always(cut)
    httpd.start()
    seen = outcome(lambda: httpd.get("/app/x", method=method))
    if method == "GET" and good.count:
        assert seen == "complete"
    else:
        assert seen in ("cut", 502), seen
        assert good.count == 0
    httpd.wait_for_row(lambda row: row["errors"] == 1, "the failure to be charged", member="bad")


def test_330_04_cut_of_a_head_or_304_is_none(httpd):
    """RFC 9110 8.6: HEAD and 304 carry a length and no body: nothing is cut."""
    a = httpd.member("a")
    httpd.farm(a)
    httpd.start()
    a.always(members.sending(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"))
    assert httpd.get("/app/x", method="HEAD").status == 200
    a.always(members.sending(b"HTTP/1.1 304 Same\r\nContent-Length: 500\r\n\r\n"))
    assert httpd.get("/app/x").status == 304
    assert httpd.rows()["a"]["errors"] == 0


def test_330_05_answer_that_ends_with_the_connection(httpd):
    """RFC 9112 6.3: without length and chunks the close is the end, and no cut."""
    a = httpd.member("a")
    httpd.farm(a)
    httpd.start()
    a.always(members.sending(b"HTTP/1.0 200 OK\r\n\r\n" + b"w" * 70_000))
    assert httpd.get("/app/x").body == b"w" * 70_000
    row = httpd.rows()["a"]
    assert (row["errors"], row["health"]) == (0, "up")


def test_330_06_client_that_goes_away_is_not_the_members_failure(httpd):
    """Contract: "Never charged to it: a client that goes away"."""
    import socket
    a = httpd.member("a").always(answer(body=b"y" * 20_000_000))
    httpd.farm(a)
    httpd.log.expect(r"proxy_http:|AH00898")
    httpd.start()
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", httpd.port)) as sock:
            sock.sendall(b"GET /app/x HTTP/1.1\r\nHost: x\r\n\r\n")
            assert sock.recv(100)
    httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight")
    row = httpd.rows()["a"]
    assert (row["errors"], row["health"]) == (0, "up")


def test_330_07_reset_in_the_middle(httpd):
    """Contract: a failure is the member's when it "resets …, cuts an answer short"."""
    bad, _ = bad_and_good(httpd)

    @members.stage("body")
    def reset(_member, wire, _request):
        wire.send(members.head("200 OK", [("Content-Length", 500_000)]) + b"x" * 300_000)
        # What has been sent must have been read before the reset throws away the rest.
        import time
        time.sleep(0.2)
        wire.reset()
        return False

    bad.always(reset)
    httpd.start()
    assert outcome(lambda: httpd.get("/app/x")) == "cut"
    httpd.wait_for_row(lambda row: row["errors"] == 1, "the failure to be charged", member="bad")
