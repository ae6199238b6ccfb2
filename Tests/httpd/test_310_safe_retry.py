"""Timeouts, statuses that mean failure, and what must not leak from a failed attempt."""

import pytest

from farmhttpd import members
from farmhttpd.members import answer
from test_300_failover import bad_and_good


@pytest.mark.parametrize("setting, health", [("", "up"), ("failontimeout=off", "up"), ("failontimeout=on", "down")])
def test_310_01_timeout(httpd, setting, health):
    """Contract: "`failontimeout=on|off` (off: a timeout while waiting for an answer is retried and counted in errors but
    not towards `fall`"."""
    bad, good = httpd.three("bad", "good")
    httpd.farm((bad, "weight=1000 timeout=1"), good, "FarmAlgorithm roundrobin", f"FarmSet fall=1 retry=1h {setting}")
    httpd.log.expect_broken()
    httpd.start()
    bad.always(members.never)
    response = httpd.get("/app/x", method="PUT", body=b"again")
    assert (response.status, response.member, response.json["body"]) == (200, "good", "again")
    row = httpd.rows()["bad"]
    assert (row["errors"], row["health"], row["inflight"]) == (1, health, 0)


def test_310_02_timeout_of_a_post(httpd):
    """Contract: "A POST that a member may have begun to act on is never sent twice": a late answer is no exception."""
    bad, good = httpd.three("bad", "good")
    httpd.farm((bad, "weight=1000 timeout=1"), good, "FarmAlgorithm roundrobin")
    httpd.log.expect_broken()
    httpd.start()
    bad.always(members.never)
    assert httpd.get("/app/x", method="POST", body=b"pay").status in (502, 504)
    assert (bad.count, good.count) == (1, 0)
    row = httpd.rows()["bad"]
    assert (row["errors"], row["health"]) == (1, "up")


def test_310_03_failonstatus(httpd):
    """Contract: "`failonstatus=` e.g. 502,503"; Contract: the same holds for a `failonstatus`."""
    bad, good = bad_and_good(httpd, "FarmSet failonstatus=502,503")
    httpd.start()
    leaks = [("Set-Cookie", "leak=1"), ("X-Leak", "1"), ("Content-Language", "xx"), ("ETag", '"leak"'),
             ("Location", "http://leak/"), ("Retry-After", "5"), ("WWW-Authenticate", "Leak"), ("Warning", "leak")]
    for status in ("502 Leak", "503 Leak"):
        bad.always(answer(status, headers=leaks, body=b"leak" * 10_000))
        response = httpd.get("/app/x")
        assert (response.status, response.member) == (200, "good")
        assert [name for name, _ in leaks if response.get(name)] == []
        assert "leak" not in str(response.headers).lower() + response.body.decode().lower().replace("x-leak", "")
    bad.always(answer("504 Not listed", body=b"504"))
    assert httpd.get("/app/x").status == 504
    assert httpd.rows()["bad"]["errors"] == 2
    assert good.count == 2


@pytest.mark.parametrize("framing", ["length", "chunked", "close", "none"])
def test_310_04_failonstatus_swallows_any_answer(httpd, framing):
    """Design: "when a retry is allowed it swallows the whole answer", however it is framed."""
    bad, good = bad_and_good(httpd, "FarmSet failonstatus=503")
    httpd.start()
    start = b"HTTP/1.1 503 No\r\nX-Leak: 1\r\nSet-Cookie: leak=1\r\n"
    bad.always(members.sending({
        "length": start + b"Content-Length: 50000\r\n\r\n" + b"leak!" * 10_000,
        "chunked": start + b"Transfer-Encoding: chunked\r\n\r\n" + b"4\r\nleak\r\n" * 5_000 + b"0\r\n\r\n",
        "close": start + b"\r\n" + b"leak!" * 10_000, "none": start + b"Content-Length: 0\r\n\r\n"}[framing]))
    for method in ("GET", "HEAD", "PUT"):
        response = httpd.get("/app/x", method=method, body=b"b" if method == "PUT" else None)
        assert (response.status, response.get("X-Leak"), response.get("Set-Cookie")) == (200, None, None)
        assert b"leak!" not in response.body
    assert good.count == 3


def test_310_05_failonstatus_of_a_post_passes_through(httpd):
    """Contract: a POST is not sent again, so the client gets the member's own answer."""
    bad, good = bad_and_good(httpd, "FarmSet failonstatus=503")
    bad.always(answer("503 Come back", headers=[("X-Own", "yes"), ("Retry-After", "7")], body=b"the member's words"))
    httpd.start()
    response = httpd.get("/app/x", method="POST", body=b"pay")
    assert (response.status, response.body) == (503, b"the member's words")
    assert (response.get("X-Own"), response.get("Retry-After")) == ("yes", "7")
    assert (bad.count, good.count) == (1, 0)
    assert httpd.rows()["bad"]["errors"] == 1


def test_310_06_failonstatus_everywhere(httpd):
    """Contract: "When the attempts are used up, …; if it is `ok`, the last failure's status"."""
    made = [httpd.member(name).always(answer("503 No", headers=[("X-Member", name)])) for name in "ab"]
    httpd.farm(*made, "FarmSet failonstatus=503 fall=1000000")
    httpd.log.expect_broken()
    httpd.start()
    response = httpd.get("/app/x")
    assert response.status == 503
    assert len(response.all("X-Member")) <= 1
    assert [m.count for m in made] == [1, 1]


def test_310_07_other_statuses_are_answers(httpd):
    """Contract: a failure is what is listed there; a 500 without failonstatus is an answer like any other."""
    a, b = httpd.three("a", "b")
    httpd.farm(a, b)
    httpd.start()
    for status in ("200 OK", "204 Empty", "304 Same", "400 Bad", "404 No", "500 Broken", "501 No", "502 Bad", "503 No",
                   "504 Late", "599 Odd"):
        for member in (a, b):
            member.always(answer(status, body=b"" if status[:3] in ("204", "304") else b"words"))
        response = httpd.get("/app/x")
        assert response.status == int(status[:3])
    assert a.count + b.count == 11
    assert [row["errors"] for row in httpd.rows().values()] == [0, 0]
    assert httpd.farm_status()["failovers"] == 0


@pytest.mark.parametrize("lists", ["", "failonstatus=503"])
def test_310_08_proxyerroroverride(httpd, lists):
    """Design: "The note `proxy-error-override` means that the member answered"."""
    bad, good = bad_and_good(httpd, f"FarmSet {lists}" if lists else "FarmSet maxattempts=3")
    (httpd.root / "htdocs" / "sorry.html").write_text("our own page")
    httpd.conf.add("ProxyErrorOverride On", "ErrorDocument 500 /sorry.html", "ErrorDocument 503 /sorry.html")
    httpd.start()
    bad.always(answer("500 Broken", body=b"the member's page"))
    response = httpd.get("/app/x")
    assert (response.status, response.body) == (500, b"our own page")
    assert (good.count, httpd.rows()["bad"]["errors"]) == (0, 0)
    bad.always(answer("503 No", headers=[("X-Leak", "1")], body=b"the member's page"))
    response = httpd.get("/app/x")
    if lists:
        assert (response.status, response.member, response.get("X-Leak")) == (200, "good", None)
        assert httpd.get("/app/x", method="POST", body=b"b").body == b"our own page"
        assert httpd.rows()["bad"]["errors"] == 2
    else:
        assert (response.status, response.body) == (503, b"our own page")
        assert httpd.rows()["bad"]["errors"] == 0


def test_310_09_error_page_when_attempts_are_used_up(httpd):
    """Contract: "the last failure's status", with httpd's ErrorDocument as for any error."""
    made = [httpd.member(name).always(members.close_after_request) for name in "ab"]
    httpd.farm(*made, "FarmSet fall=1000000")
    (httpd.root / "htdocs" / "sorry.html").write_text("our own page")
    httpd.conf.add("ErrorDocument 502 /sorry.html")
    httpd.log.expect_broken()
    httpd.start()
    response = httpd.get("/app/x")
    assert (response.status, response.body) == (502, b"our own page")


def test_310_10_filters_and_headers_are_as_after_one_attempt(httpd):
    """Design: "Before each attempt after the first, restore what the failed one left: … filter lists …"."""
    bad, good = bad_and_good(httpd, "FarmSet failonstatus=503")
    httpd.conf.load("deflate").add('<Location "/app/">', "SetOutputFilter DEFLATE", 'Header set X-Once "1"',
                                   'Header add X-Added "1"', "</Location>")
    bad.always(answer("503 No"))
    httpd.start()
    import gzip
    retried = httpd.get("/app/x", headers={"Accept-Encoding": "gzip", "X-Mine": "1"})
    bad.always(answer())
    single = httpd.get("/app/x", headers={"Accept-Encoding": "gzip", "X-Mine": "1"})
    names = lambda response: sorted((k, v) for k, v in response.headers if k not in ("Date", "Content-Length"))
    assert names(retried) == names(single)
    assert retried.all("X-Added") == ["1"]
    assert b'"good"' in gzip.decompress(retried.body)
    sent = [sorted((k, v) for k, v in m.requests[-1].headers if k != "Host") for m in (good, bad)]
    assert sent[0] == sent[1], "the second attempt carried other request headers than a first one does"


def test_310_11_forwarded_headers_are_not_doubled(httpd):
    """Design: each attempt starts from the same request: X-Forwarded-For and Via are added once."""
    bad, good = bad_and_good(httpd)
    bad.always(members.close_after_request)
    httpd.conf.add("ProxyVia On")
    httpd.start()
    headers = httpd.get("/app/x", headers={"X-Forwarded-For": "192.0.2.1"}).json["headers"]
    assert headers["x-forwarded-for"] == "192.0.2.1, 127.0.0.1"
    assert headers["via"].count("localhost") == 1
    assert headers["host"] == good.address


def test_310_20_no_second_chance_past_a_remote_proxy(httpd):
    """Contract: "A POST that a member may have begun to act on is never sent twice": mod_proxy itself would send a request
    again, without the ProxyRemote that failed, when it has no body."""
    a, remote = httpd.three("a", "remote")
    httpd.farm(a)
    httpd.conf.add(f'ProxyRemote "*" "{remote.url}"')
    httpd.log.expect_broken()
    httpd.start()
    assert httpd.get("/app/x").json["target"].startswith("http://")
    assert (remote.count, a.count) == (1, 0)
    remote.always(members.half_status_line)
    assert httpd.get("/app/x", method="POST", headers={"Connection": "close", "Content-Length": "0"}).status == 502
    assert (remote.count, a.count) == (2, 0)
    assert httpd.rows()["a"]["inflight"] == 0
