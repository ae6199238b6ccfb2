"""Who is to blame for a failure: the member, or the request. What one client's page does must leave the farm to the others."""

import socket

import pytest

from farmhttpd import members, wait
from farmhttpd.members import answer
from farmhttpd.tls import make_certificate, server_context
from test_300_failover import bad_and_good

WAYS = {
    "close": members.close_after_request,
    "close-on-head": members.close_on_head,
    "reset": members.reset_after_request,
    "half-status-line": members.half_status_line,
    "half-header": members.half_header,
    "no-http": members.no_http,
    "garbage": members.binary_garbage,
    "header-without-colon": members.sending(b"HTTP/1.1 200 OK\r\nthis is no header\r\n\r\n"),
    "two-lengths": members.sending(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    "interim-then-close": members.hints_and_no_answer,
}


def poisoned(way):
    """Breaks on pages that are called poison, and serves every other."""
    return members.by(lambda request: way if "poison" in request.target else answer())


def farm_of(httpd, names, behaviour, *lines):
    made = [httpd.member(name).always(behaviour) for name in names]
    httpd.farm(*[(m, "disablereuse=on") for m in made], *lines)
    httpd.log.expect_broken()
    return made


def who(response):
    """The member that answered; None when none did."""
    return response.member if response.status == 200 else None


def healths(httpd):
    return {name: row["health"] for name, row in httpd.rows().items()}


def poison_count(made):
    return sum("poison" in target for m in made for target in m.targets)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_341_01_a_request_that_breaks_members(httpd, way):
    """Contract: "When two members in a row close, reset or send what is no HTTP on one request …, the request is suspect: no
    further attempt, 502"; "so a page that breaks members leaves the farm to the others". With fall=1 and a retry of an
    hour, a member that such a page put down would stay down."""
    made = farm_of(httpd, "abcdef", poisoned(way), "FarmSet retry=1h", "FarmAlgorithm roundrobin")
    httpd.conf.one_process()
    httpd.start()
    for n in range(1, 13):
        assert httpd.get("/app/poison").status == 502
        assert poison_count(made) == 2 * n, "a third member was asked"
        for _ in range(12):
            assert httpd.get("/app/page").status == 200
    assert set(healths(httpd).values()) == {"up"}
    assert httpd.farm_status()["suspects"] == 12


@pytest.mark.both_mpms
def test_341_02_beside_the_others(httpd):
    """The same while other clients ask at the same time: none of them notices."""
    from farmhttpd import client

    farm_of(httpd, "abc", poisoned(members.close_after_request), "FarmSet retry=1h")
    httpd.start()

    def ask(n):
        return [httpd.get("/app/poison" if n == 0 else "/app/page").status for _ in range(30)]

    answers = client.at_once(6, lambda: [httpd.get("/app/page").status for _ in range(30)] + ask(0)[:3])
    assert all(set(statuses[:30]) == {200} for statuses in answers), answers
    assert "up" in healths(httpd).values()
    assert httpd.get("/app/page").status == 200


def test_341_03_one_member(httpd):
    """Contract: doubtful failures put down "never the last available one"."""
    a, = farm_of(httpd, "a", poisoned(members.close_after_request), "FarmSet retry=1h")
    httpd.start()
    for _ in range(8):
        assert httpd.get("/app/poison").status == 502
    assert httpd.get("/app/page").member == "a"
    assert healths(httpd) == {"a": "up"}


def test_341_04_half_of_the_farm(httpd):
    """Contract: doubtful failures "put down no member when half of the farm's members that are on are down already"."""
    farm_of(httpd, "abcd", members.close_after_request, "FarmSet retry=1h")
    httpd.start()
    for _ in range(30):
        assert httpd.get("/app/x").status == 502
    assert sorted(healths(httpd).values()) == ["down", "down", "up", "up"]
    assert httpd.farm_status()["condition"] == "ok"


@pytest.mark.parametrize("way", [members.close_after_request, answer("503 No")], ids=["close", "failonstatus"])
def test_341_05_all_are_broken(httpd, way):
    """Contract: "unless no member of the farm has completed an answer for `retry`": "a farm that is broken altogether is `down`
    and follows its FarmRedirect and FarmForward"."""
    farm_of(httpd, "abcd", way, "FarmSet retry=300ms failonstatus=503", "FarmForward down http://spare/")
    spare = httpd.member("spare")
    httpd.farm(spare, name="spare")
    httpd.start()
    wait.until(lambda: who(httpd.get("/app/x")) == "spare", "the farm to be down")
    assert httpd.farm_status()["condition"] == "down"
    assert set(healths(httpd).values()) == {"down"}


def test_341_06_made_good(httpd):
    """Contract: a failure is certain "when it breaks a request that another member then answers"."""
    bad, good = bad_and_good(httpd, "FarmSet retry=1h", fall=1)
    bad.always(members.close_after_request)
    httpd.start()
    assert httpd.get("/app/x").member == "good"
    row = httpd.rows()["bad"]
    assert (row["health"], row["last_error"]["what"]) == ("down", "connection closed before an answer")


def test_341_07_posts_are_doubtful(httpd):
    """Contract: "A break that no other member has made good is doubtful"; "doubtful ones do when `3 × fall` of them come in a
    row"."""
    bad, good = bad_and_good(httpd, "FarmSet retry=1h", fall=1)
    bad.always(members.close_after_request)
    httpd.start()
    for _ in range(2):
        assert httpd.get("/app/x", method="POST", body=b"pay").status == 502
        assert healths(httpd)["bad"] == "up"
    assert httpd.get("/app/x", method="POST", body=b"pay").status == 502
    assert healths(httpd)["bad"] == "down"
    assert httpd.get("/app/x", method="POST", body=b"pay").member == "good"


def test_341_08_the_row_ends_with_a_whole_answer(httpd):
    """Contract: "A row ends with an answer that came to its end …; a final status alone ends a trial, no row"."""
    bad, good = bad_and_good(httpd, "FarmSet retry=1h", fall=1)
    httpd.start()

    def cut():
        bad.next(members.cut())
        with pytest.raises(Exception):
            assert httpd.get("/app/x").member == "bad"

    for _ in range(3):
        for _ in range(2):
            cut()
        errors = httpd.rows()["bad"]["errors"]
        wait.until(lambda: who(httpd.get("/app/x")) == "bad", "a whole answer")
        assert httpd.rows()["bad"]["errors"] == errors and healths(httpd)["bad"] == "up"
    for _ in range(3):
        cut()
    httpd.wait_for_row(lambda row: row["health"] == "down", "three cuts in a row", member="bad")


@pytest.mark.parametrize("fails", ["off", "on"])
def test_341_09_two_are_waited_for(httpd, fails):
    """Contract: "of one request at most two members are waited for, then 504"; with failontimeout=off "a timeout while waiting
    for an answer is an error and never a failure"."""
    slow = members.by(lambda request: members.never if "report" in request.target else answer())
    made = [httpd.member(name).always(slow) for name in "abcd"]
    httpd.farm(*[(m, "timeout=300ms") for m in made], f"FarmSet retry=1h failontimeout={fails}")
    httpd.log.expect_broken()
    httpd.start()
    for n in range(1, 4):
        assert httpd.get("/app/report").status == 504
        assert sum("report" in t for m in made for t in m.targets) == 2 * n
        for _ in range(8):
            assert httpd.get("/app/page").status == 200
    assert sum(row["errors"] for row in httpd.rows().values()) == 6
    assert set(healths(httpd).values()) == {"up"}


def test_341_10_failonstatus_page(httpd):
    """A page that every member answers with a failonstatus, asked for again and again beside others, puts nobody down."""
    page = members.by(lambda request: answer("503 No") if "full" in request.target else answer())
    farm_of(httpd, "abc", page, "FarmSet retry=1h failonstatus=503", "FarmAlgorithm roundrobin")
    httpd.start()
    for _ in range(8):
        assert httpd.get("/app/full").status == 503
        for _ in range(3):
            assert httpd.get("/app/page").status == 200
    assert set(healths(httpd).values()) == {"up"}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_341_11_tls_handshake(httpd, method, tmp_path):
    """Contract: "after a TLS handshake that failed nothing was sent, so it may go on", a POST too."""
    bad = httpd.member("bad").always(members.sending(b"no TLS here\r\n", after="accept"))
    good = httpd.member("good", members.TlsMember, server_context(*make_certificate(tmp_path)))
    bad.scheme = "https"
    httpd.farm((bad, "weight=1000"), good, "FarmAlgorithm roundrobin",
               "FarmSet retry=1h")
    httpd.conf.load("ssl").add("SSLProxyEngine on", "SSLProxyVerify none", "SSLProxyCheckPeerName off")
    httpd.log.expect_broken()
    httpd.log.expect(r"AH02003|AH00961|AH01084|AH02004")
    httpd.start()
    for _ in range(2):
        assert httpd.get("/app/x", method=method, body=b"pay" if method == "POST" else None).member == "good"
    row = httpd.rows()["bad"]
    assert (row["health"], row["last_error"]["what"]) == ("down", "TLS handshake failed")


def test_341_12_clients_are_not_the_member_s_fault(httpd):
    """Contract: never charged: "a client that goes away"."""
    a = httpd.member("a").hold()
    httpd.farm(a, "FarmSet retry=1h")
    httpd.start()
    for n in range(4):
        with socket.create_connection(("127.0.0.1", httpd.port)) as client:
            client.sendall(b"GET /app/x HTTP/1.1\r\nHost: x\r\n\r\n")
            a.wait_for_active(n + 1)
    a.release()
    wait.until(lambda: httpd.rows()["a"]["inflight"] == 0, "the requests to end")
    assert healths(httpd) == {"a": "up"}


def test_341_13_suspect_with_what_went_before(httpd):
    """Contract: "A member that never failed counts as one of the two; one that failed and has not answered since does not":
    a third member may then still serve."""
    made = [httpd.member(name) for name in "abc"]
    bad, worse, good = made
    bad.always(members.close_after_request)
    httpd.farm(*[(m, "disablereuse=on") for m in made], "FarmAlgorithm roundrobin", "FarmSet retry=1h fall=1000")
    httpd.conf.one_process()
    httpd.log.expect_broken()
    httpd.start()
    # bad has failed now, and has not answered since.
    wait.until(lambda: httpd.get("/app/x").status == 200 and bad.count, "bad to have failed")
    worse.always(members.close_after_request)
    for _ in range(9):
        assert httpd.get("/app/x").member == good.name
