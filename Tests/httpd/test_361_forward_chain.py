"""FarmForward: chains of farms, farms with directives of their own, headers on the way back, and what may go wrong there."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from farmhttpd import members, wait
from farmhttpd.fallback import FORWARDED_TOO_OFTEN, log_line, manage, wait_for_line
from farmhttpd.members import answer
from farmhttpd.update import push
from test_350_redirect import redirected, refused
from test_360_forward import forwards, offline


def chain(httpd, *names, last):
    """Each farm forwards to the one after it, the last of them to `last`."""
    for name, to in zip(names, [*[f"http://{name}" for name in names[1:]], last]):
        offline(httpd, to, name=name)


@pytest.mark.both_mpms
@pytest.mark.parametrize("to", ["farm", "server"])
def test_361_01_four_forwards(httpd, to):
    """Contract: "More than 4 forwards of one request: 503": four are served, path, query and body intact."""
    e = httpd.member("e")
    httpd.conf.farm("e", e)
    chain(httpd, "a", "b", "c", "d", last="http://e" if to == "farm" else e.url)
    httpd.start()
    response = httpd.get("/a/x%2525?y=%2525", method="POST", body=b"kept")
    assert (response.member, response.json["target"], response.json["body"]) == ("e", "/x%2525?y=%2525", "kept")
    line = log_line(httpd, "/a/x")
    assert (line["reason"], line["farm"]) == ("forward", "e" if to == "farm" else "d")
    # The request was addressed to the first alone.
    wait.until(lambda: forwards(httpd, "a") == (1, 0), "the request to end")
    assert [forwards(httpd, name) for name in "abcd"] == [(1, 0), *[(0, 0)] * 3]


@pytest.mark.parametrize("to", ["farm", "server"])
def test_361_02_five_forwards(httpd, to):
    """Contract: "More than 4 forwards of one request: 503"; each such request is told of once in the log."""
    f = httpd.member("f")
    httpd.conf.farm("f", f)
    chain(httpd, "a", "b", "c", "d", "e", last="http://f" if to == "farm" else f.url)
    httpd.log.expect(FORWARDED_TOO_OFTEN)
    httpd.start()
    for n in range(1, 4):
        response = httpd.get("/a/x", method="POST" if n == 2 else "GET", body=b"x" if n == 2 else None)
        assert (response.status, response.get("Location")) == (503, None)
        assert len(wait_for_line(httpd, FORWARDED_TOO_OFTEN, n)) == n
    assert httpd.get("/b/x").member == "f"
    assert f.count == 1 and len(httpd.log.lines(FORWARDED_TOO_OFTEN)) == 3


@pytest.mark.both_mpms
@pytest.mark.parametrize("names", ["ab", "abc", "abcdefg"])
def test_361_03_in_a_circle(httpd, names):
    """Contract: "More than 4 forwards of one request: 503": so a circle ends, and the server goes on."""
    chain(httpd, *names, last=f"http://{names[0]}")
    httpd.farm(httpd.member("m"), name="fine")
    httpd.log.expect(FORWARDED_TOO_OFTEN)
    httpd.start()
    with httpd.client() as client:
        for n in range(1, 6):
            assert client.request("/a/x", method="PUT", body=b"x").status == 503
            assert client.request("/fine/x").member == "m"
            assert len(wait_for_line(httpd, FORWARDED_TOO_OFTEN, n)) == n
    assert sum(row["inflight"] for name in names for row in httpd.rows(name).values()) == 0


def test_361_04_the_other_farms_own_directives(httpd):
    """Contract: "proxied there instead": a farm that is forwarded to does what its own directives say."""
    down = "FarmMember http://127.0.0.1:1 admin=off"
    httpd.conf.farm("redirecting", down, "FarmRedirect offline http://sorry.test%{REQUEST_URI} 307")
    httpd.conf.farm("refusing", down, "FarmRedirect any - 503 9", "FarmSet retry=20s")
    httpd.conf.farm("plain", down)
    offline(httpd, "http://redirecting", "FarmRedirect down http://not.mine/", name="one")
    offline(httpd, "http://refusing", "FarmRedirect any http://not.mine/", name="two")
    offline(httpd, "http://plain", "FarmRedirect any http://not.mine/", name="three")
    httpd.log.expect("proxy_farm:error")
    httpd.start()
    redirected(httpd.get("/one/x"), 307, "http://sorry.test/one/x")
    refused(httpd.get("/two/x"), 9)
    response = httpd.get("/three/x")
    assert (response.status, response.get("Location")) == (503, None)
    assert (forwards(httpd, "one"), forwards(httpd, "redirecting")) == ((1, 0), (0, 0))
    assert log_line(httpd, "/one/x")["condition"] == "offline"


def test_361_05_the_other_farms_own_attempts(httpd):
    """Contract: FARM_ATTEMPTS counts the attempts at members of all farms together; each farm makes as many as its own
    `maxattempts` says, and is charged its own failures."""
    dead = [httpd.member(f"dead{n}", start=False) for n in range(2)]
    ill = [httpd.member(f"ill{n}", start=False) for n in range(2)]
    good = httpd.member("good")
    httpd.conf.farm("other", *ill, (good, "tier=1"), "FarmSet fall=1 retry=1h maxattempts=3")
    httpd.farm(*dead, "FarmSet fall=1 retry=1h maxattempts=2", "FarmForward down http://other")
    httpd.log.expect_broken()
    httpd.start()
    assert httpd.get("/app/x").member == "good"
    assert [row["requests"] for name in ("app", "other") for row in httpd.rows(name).values()] == [1] * 5
    line = log_line(httpd, "/app/x")
    assert (line["farm"], line["member"], line["attempts"], line["reason"]) == ("other", "good", "5", "forward")
    assert [row["errors"] for name in ("app", "other") for row in httpd.rows(name).values()] == [1, 1, 1, 1, 0]


@pytest.mark.parametrize("header", ["Location", "Content-Location", "URI", "Refresh"])
def test_361_06_mapped_back(httpd, header):
    """Contract: "ProxyPassReverse with the farm's URL maps back Location, Content-Location, URI and Refresh headers" also
    of what was forwarded to: its member, the farm's name, or the server."""
    spare, server = httpd.three("spare", "server")
    httpd.conf.farm("other", spare)
    offline(httpd, "http://other", name="one")
    offline(httpd, server.url, name="two")
    httpd.conf.add('ProxyPassReverse "/one/" "http://one/"', 'ProxyPassReverse "/two/" "http://two/"')
    httpd.start()
    public = f"http://127.0.0.1:{httpd.port}"
    start = "5; url=" if header == "Refresh" else ""

    def mapped(name, member, url):
        member.always(answer("302 Found" if header == "Location" else "200 OK", headers=[(header, start + url)]))
        return httpd.get(f"/{name}/x").get(header)

    for url in (spare.url, "http://other"):
        assert mapped("one", spare, f"{url}/to/y?q=%2F") == f"{start}{public}/one/to/y?q=%2F"
    assert mapped("two", server, f"{server.url}/to/y") == f"{start}{public}/two/to/y"
    for name, member in (("one", spare), ("two", server)):
        for stranger in ("http://stranger.test/y", f"{member.url}0/y", "/relative"):
            assert mapped(name, member, stranger) == start + stranger


def test_361_07_cookies_mapped_back(httpd):
    """Contract: "ProxyPassReverseCookieDomain/Path likewise"."""
    spare = httpd.member("spare").always(answer(headers=[("Set-Cookie", "one=1; Domain=127.0.0.1; Path=/in")]))
    httpd.conf.farm("other", spare)
    offline(httpd, "http://other", name="one")
    httpd.conf.add('ProxyPassReverseCookieDomain "one" "public.test"', 'ProxyPassReverseCookiePath "/in" "/one/in"')
    httpd.start()
    assert httpd.get("/one/x").get("Set-Cookie").replace(" ", "").lower() == "one=1;domain=public.test;path=/one/in"


def test_361_08_virtual_hosts(httpd):
    """Contract: farms are of the whole server, but each virtual host proxies with its own settings: here ProxyPreserveHost
    and request headers, for a farm and a server that are forwarded to."""
    spare, server = httpd.three("spare", "server")
    httpd.conf.farm("other", spare)
    for name, to in (("app", "http://other"), ("two", server.url)):
        httpd.conf.farm(name, "FarmMember http://127.0.0.1:1 admin=off", f"FarmForward any {to}")
    for host, keep in (("keep.test", "On"), ("own.test", "Off")):
        httpd.conf.add(f"<VirtualHost 127.0.0.1:{httpd.port}>", f"ServerName {host}", f"ProxyPreserveHost {keep}",
                       f'RequestHeader set X-Front "{host}"', 'ProxyPass "/app/" "http://app/"',
                       'ProxyPass "/two/" "http://two/"', "</VirtualHost>")
    httpd.start()
    for path, member in (("/app/x", spare), ("/two/x", server)):
        for host, seen in (("keep.test", "keep.test"), ("own.test", member.address)):
            headers = httpd.get(path, host=host).json["headers"]
            assert (headers["host"], headers["x-front"]) == (seen, host)


@pytest.mark.both_mpms
def test_361_09_graceful_restart(httpd):
    """Contract: "A graceful restart … loses no request": neither one that is forwarded, nor one held there meanwhile."""
    spare, server = httpd.three("spare", "server")
    httpd.conf.farm("other", spare)
    offline(httpd, "http://other", name="one")
    offline(httpd, server.url, name="two")
    httpd.start()
    over = threading.Event()

    def load(name):
        statuses = []
        while not over.is_set():
            statuses.append(httpd.get(f"/{name}/x", method="POST", body=b"x" * 1000).status)
        return statuses

    spare.next(members.held())
    with ThreadPoolExecutor(3) as pool:
        held = pool.submit(httpd.get, "/one/held")
        spare.wait_for_active(1)
        loads = [pool.submit(load, name) for name in ("one", "two")]
        try:
            for _ in range(4):
                seen = spare.count + server.count
                httpd.graceful()
                wait.until(lambda: spare.count + server.count > seen + 20, "requests after the restart")
            assert httpd.rows("other")["spare"]["inflight"] >= 1
            spare.release()
        finally:
            over.set()
            spare.release()
        statuses = sum((f.result(wait.patiently(30)) for f in loads), [])
        assert held.result(wait.patiently(30)).member == "spare"
    assert set(statuses) == {200}
    assert forwards(httpd, "one")[0] + forwards(httpd, "two")[0] == spare.count + server.count == len(statuses) + 1
    httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight", "spare", "other")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_361_10_server_that_is_down(httpd, method):
    """Contract: "proxied there instead": a server that cannot be reached is a 503, once; the farm is not asked again."""
    dead = httpd.member("dead", start=False)
    offline(httpd, dead.url, "FarmRedirect any http://not.now/")
    httpd.log.expect_broken()
    httpd.start()
    response = httpd.get("/app/x", method=method, body=b"x" if method == "POST" else None)
    assert (response.status, response.get("Location")) == (503, None)
    assert log_line(httpd, "/app/x")["farm"] == "app"
    farm = httpd.farm_status()
    assert (farm["requests"], farm["redirected"]) == (1, 0)
    assert not httpd.log.lines(FORWARDED_TOO_OFTEN)


def test_361_11_farm_that_is_down(httpd):
    """Contract: a farm forwarded to whose members cannot be reached has no line of its own for it: 503."""
    httpd.conf.farm("other", *[httpd.member(name, start=False) for name in "ab"], "FarmSet retry=1h")
    offline(httpd, "http://other")
    httpd.log.expect_broken()
    httpd.start()
    for _ in range(2):
        assert httpd.get("/app/x").status == 503
    assert [row["errors"] for row in httpd.rows("other").values()] == [1, 1]
    assert httpd.farm_status("other")["condition"] == "down"


def test_361_12_servers_answer_is_an_answer(httpd):
    """Contract: "proxied there instead": a server's own errors and redirects are what the client gets."""
    server = httpd.member("server")
    offline(httpd, server.url, "FarmSet failonstatus=503")
    httpd.start()
    for status in ("404 No", "500 Broken", "503 Busy", "302 Found"):
        server.always(answer(status, headers=[("X-Own", "yes"), ("Retry-After", "77")]))
        response = httpd.get("/app/x")
        assert (response.status, response.get("X-Own"), response.get("Retry-After")) == (int(status[:3]), "yes", "77")
    assert server.count == 4 and forwards(httpd) == (4, 0)


def test_361_13_back_to_the_first_when_it_can(httpd):
    """Contract: "in that condition": two farms that stand in for each other serve as long as either can."""
    a, b = httpd.three("a", "b")
    httpd.farm(a, "FarmForward any http://two", name="one").farm(b, "FarmForward any http://one", name="two")
    httpd.conf.handler("farm-update").handler("farm-manager")
    httpd.log.expect(FORWARDED_TOO_OFTEN)
    httpd.start()
    assert (httpd.get("/one/x").member, httpd.get("/two/x").member) == ("a", "b")
    push(httpd, "farm=one&member=a&health=down")
    assert (httpd.get("/one/x").member, httpd.get("/two/x").member) == ("b", "b")
    manage(httpd, farm="two", admin="off")
    assert (httpd.get("/one/x").status, httpd.get("/two/x").status) == (503, 503)
    push(httpd, "farm=one&member=a&health=up")
    assert (httpd.get("/one/x").member, httpd.get("/two/x").member) == ("a", "a")


def test_361_14_head_and_kept_connections(httpd):
    """What an httpd administrator expects: a forwarded request leaves its client's connection as any other does."""
    spare = httpd.member("spare")
    offline(httpd, spare.url)
    httpd.start()
    with httpd.client() as client:
        port = None
        for method, body in (("GET", None), ("HEAD", None), ("POST", b"x"), ("POST", [b"a", b"b"]), ("DELETE", None)):
            response = client.request("/app/x", method=method, body=body)
            assert response.status == 200 and spare.requests[-1].method == method
            assert port in (None, client.local_port)
            port = client.local_port
