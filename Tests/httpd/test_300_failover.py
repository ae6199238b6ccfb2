"""A member that cannot be reached, or does not answer as HTTP demands, is replaced by another."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from farmhttpd import members, wait
from farmhttpd.members import answer

# What a member may do to a request before the first byte of an answer has gone to the client.
FAILURES = {
    "closes on accept": members.close_on_accept,
    "resets on accept": members.reset_on_accept,
    "closes after the header": members.close_on_head,
    "resets after the header": members.reset_on_head,
    "closes after the request": members.close_after_request,
    "resets after the request": members.reset_after_request,
    "half a status line": members.half_status_line,
    "half a header": members.half_header,
    "a header without its end": members.header_without_end,
    "early hints and no answer": members.hints_and_no_answer,
    "another protocol": members.no_http,
    "bytes that mean nothing": members.binary_garbage,
    "a status line without HTTP": members.sending(b"200 OK\r\nX-Leak: 1\r\n\r\nbody"),
    "an HTML page and no header": members.sending(b"<html>X-Leak: 1</html>\n"),
    "an empty line": members.sending(b"\r\n"),
    "a status that is no number": members.sending(b"HTTP/1.1 abc OK\r\nX-Leak: 1\r\n\r\n"),
}


def bad_and_good(httpd, *directives, fall=1000000):
    """A bad member that is chosen first nearly always, and a good one."""
    bad, good = httpd.three("bad", "good")
    httpd.farm((bad, "weight=1000"), good, "FarmAlgorithm roundrobin", f"FarmSet fall={fall}", *directives)
    httpd.conf.one_process()
    httpd.log.expect_broken()
    return bad, good


@pytest.mark.both_mpms
def test_300_01_refused(httpd):
    """Contract: "If a member cannot be reached, the request goes to another available member, … The client sees no
    error"."""
    bad, good = bad_and_good(httpd)
    bad.refuse()
    httpd.start()
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        response = httpd.get("/app/x", method=method, body=b"body" if method in ("POST", "PUT", "PATCH") else None)
        assert response.status == 200, method
        assert good.requests[-1].method == method
    assert good.bodies == [b"", b"", b"body", b"body", b"", b"body", b""]
    rows = httpd.rows()
    assert rows["bad"]["errors"] == rows["bad"]["requests"] == 7
    assert (rows["good"]["errors"], rows["good"]["requests"]) == (0, 7)
    assert httpd.farm_status()["failovers"] == 7
    assert httpd.farm_status()["requests"] == 7


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_300_02_get_goes_on_to_another(httpd, failure):
    """Contract: "the same holds when the member fails later (closes, resets, times out, answers with something that does
    not begin with an HTTP status line, half a header …), as long as … the method is idempotent"."""
    bad, good = bad_and_good(httpd)
    bad.always(failure)
    httpd.start()
    for method in ("GET", "HEAD", "OPTIONS", "DELETE", "PUT"):
        response = httpd.get("/app/x", method=method, body=b"body" if method == "PUT" else None)
        assert (response.status, response.get("X-Leak"), response.get("Set-Cookie")) == (200, None, None), method
        assert good.requests[-1].method == method
        if method != "HEAD":
            assert response.member == "good"
    assert good.count == 5
    rows = httpd.rows()
    assert (rows["bad"]["errors"], rows["good"]["errors"]) == (5, 0)
    assert (rows["bad"]["inflight"], rows["good"]["inflight"]) == (0, 0)


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
@pytest.mark.parametrize("method", ["POST", "PATCH", "WIBBLE"])
def test_300_03_post_is_never_sent_twice(httpd, failure, method):
    """Contract: "A POST that a member may have begun to act on is never sent twice"; Contract: "a POST one clear 502"."""
    bad, good = bad_and_good(httpd)
    bad.always(failure)
    httpd.start()
    response = httpd.get("/app/x", method=method, body=b"pay 100")
    assert bad.count + good.count <= 1
    if good.count == 0:
        assert (response.status, response.get("X-Leak"), response.get("Set-Cookie")) == (502, None, None)
        assert b"leak" not in response.body.lower()
    else:
        assert response.status == 200
    assert httpd.rows()["bad"]["errors"] == 1


@pytest.mark.parametrize("failure", ["closes after the request", "resets after the request", "half a status line"])
def test_300_04_kept_connection_of_a_client(httpd, failure):
    """Design: every GET gets its 200 and a POST one clear 502: also as later requests of a kept-alive connection,
    which mod_proxy_http would close without an answer."""
    bad, good = bad_and_good(httpd)
    httpd.start()
    with httpd.client() as client:
        assert client.request("/app/first").member == "bad"
        bad.always(FAILURES[failure])
        port = client.local_port
        for n in range(3):
            assert client.request(f"/app/{n}").member == "good"
            assert client.local_port == port, "the client's connection did not survive the failed attempt"
        before = good.count
        assert client.request("/app/x", method="POST", body=b"pay").status == 502
        assert good.count == before
        assert client.request("/app/after").member == "good"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_300_05_retryon_connect(httpd, method):
    """Contract: "`retryon=connect|safe`": with connect only members that cannot be reached are replaced."""
    bad, good = bad_and_good(httpd, "FarmSet retryon=connect failonstatus=503")
    httpd.start()
    for failure in (members.close_after_request, members.half_status_line):
        bad.always(failure)
        assert httpd.get("/app/x", method=method).status == 502
    bad.always(answer("503 No"))
    assert httpd.get("/app/x", method=method).status == 503
    assert good.count == 0
    assert httpd.rows()["bad"]["errors"] == 3
    bad.refuse()
    assert httpd.get("/app/x", method=method).member == "good"


def test_300_06_connect_timeout(httpd):
    """Contract: "cannot be reached"; Contract: "a connect timeout always is" counted towards fall."""
    bad, good = httpd.member("bad", start=False), httpd.member("good")
    # A full backlog answers no more connection attempts.
    bad.listener.listen(0)
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", bad.port))
    httpd.farm((bad, "weight=1000 connectiontimeout=300ms"), good, "FarmAlgorithm roundrobin",
               "FarmSet failontimeout=off retry=1h")
    httpd.conf.one_process()
    httpd.log.expect_broken()
    httpd.start()
    assert httpd.get("/app/x", method="POST", body=b"once").member == "good"
    assert good.bodies == [b"once"]
    assert httpd.rows()["bad"]["health"] == "down"
    for filler in fillers:
        filler.close()


@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_300_07_maxattempts(httpd, most):
    """Contract: "at most `maxattempts` in all"; "if it is `ok`, the last failure's status". A failonstatus makes no request a
    suspect, which a member that closes does."""
    made = [httpd.member(name).always(answer("503 No")) for name in "abcde"]
    httpd.farm(*made, f"FarmSet fall=1000000 failonstatus=503 maxattempts={most}")
    httpd.log.expect_broken()
    httpd.start()
    for n in range(1, 4):
        assert httpd.get("/app/x").status == 503
        assert sum(m.count for m in made) == n * most
    assert httpd.farm_status()["failovers"] == 3 * (most - 1)
    assert httpd.farm_status()["requests"] == 3


def test_300_08_default_is_three_attempts(httpd):
    """Contract: "`maxattempts=` (3)"."""
    made = [httpd.member(name).always(answer("503 No")) for name in "abcde"]
    httpd.farm(*made, "FarmSet fall=1000000 failonstatus=503")
    httpd.log.expect_broken()
    httpd.start()
    assert httpd.get("/app/x").status == 503
    assert sorted(m.count for m in made) == [0, 0, 1, 1, 1]


def test_300_09_no_member_twice(httpd):
    """Contract: "the request goes to *another* available member": with fewer members than attempts each gets one."""
    made = [httpd.member(name).always(members.close_after_request) for name in "ab"]
    httpd.farm(*made, "FarmSet fall=1000000 maxattempts=10")
    httpd.log.expect_broken()
    httpd.start()
    assert httpd.get("/app/x").status == 502
    assert [m.count for m in made] == [1, 1]


def test_300_10_all_refuse(httpd):
    """Contract: "the farm's condition at that moment decides …; if it is `ok`, the last failure's status"."""
    made = [httpd.member(name, start=False) for name in "ab"]
    httpd.farm(*made, "FarmSet fall=2 retry=1h")
    httpd.log.expect_broken()
    httpd.start()
    assert httpd.get("/app/ok").status == 503
    assert httpd.farm_status()["condition"] == "ok"
    assert httpd.get("/app/down").status == 503
    assert httpd.farm_status()["condition"] == "down"
    before = {n: r["requests"] for n, r in httpd.rows().items()}
    assert httpd.get("/app/nobody").status == 503
    assert {n: r["requests"] for n, r in httpd.rows().items()} == before


@pytest.mark.parametrize("failure", ["closes after the request", "resets after the request", "closes after the header"])
def test_300_12_pooled_connections_do_not_use_up_the_attempts(httpd, failure):
    """Contract: "the request goes to *another* available member, at most `maxattempts` in all (3)": with two bad members
    and one good one the third attempt is the good one's, also when the bad ones fail on connections used before."""
    bad, worse, good = httpd.three("bad", "worse", "good")
    httpd.farm((bad, "weight=1000"), (worse, "weight=1000"), good, "FarmAlgorithm roundrobin", "FarmSet fall=1000000")
    httpd.conf.one_process()
    httpd.log.expect_broken()
    httpd.start()
    for n in range(8):
        assert httpd.get(f"/app/warm{n}").status == 200
    for member in (bad, worse):
        member.always(FAILURES[failure])
    for n in range(3):
        response = httpd.get(f"/app/{n}")
        assert (response.status, response.member) == (200, "good")


@pytest.mark.both_mpms
def test_300_11_fails_over_while_members_come_and_go(httpd):
    """Contract: "The client sees no error", whatever the moment at which a member goes away."""
    made = httpd.three()
    httpd.farm(*made, "FarmSet retry=100ms maxattempts=3")
    httpd.log.expect_broken()
    httpd.start()
    over = threading.Event()

    def ask():
        statuses = []
        while not over.is_set():
            statuses.append(httpd.get("/app/x").status)
        return statuses

    def come_and_go():
        try:
            for member in made * 3:
                member.refuse()
                httpd.wait_for_row(lambda row: row["health"] == "down", "the member to be missed", member=member.name)
                member.start()
                httpd.wait_for_row(lambda row: row["health"] == "up", "the member to be back", member=member.name)
        finally:
            over.set()

    with ThreadPoolExecutor(5) as pool:
        chaos = pool.submit(come_and_go)
        results = [f.result(wait.patiently(90)) for f in [pool.submit(ask) for _ in range(4)]]
        chaos.result(wait.patiently(90))
    statuses = sum(results, [])
    assert set(statuses) == {200} and len(statuses) > 100
    assert {row["inflight"] for row in httpd.rows().values()} == {0}
