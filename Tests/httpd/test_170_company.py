"""Farms among httpd's other modules: subrequests, error documents, caches, status pages, recycled children."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from farmhttpd import client, members, wait
from farmhttpd.conf import BALANCER_MODULES
from farmhttpd.members import answer
from test_300_failover import bad_and_good


def including(httpd):
    httpd.conf.load("include")
    httpd.conf.add(f'<Directory "{httpd.root}/htdocs">', "Options +Includes", "SetOutputFilter INCLUDES",
                   "</Directory>")


def test_170_01_subrequests(httpd):
    """Contract: "mod_proxy maps the request first": a page may include several answers of a farm."""
    a, b = httpd.three("a", "b")
    httpd.farm(a, b, "FarmAlgorithm roundrobin")
    httpd.conf.one_process()
    including(httpd)
    for member in (a, b):
        member.always(answer(body=b"[" + member.name.encode() + b"]"))
    page = httpd.root / "htdocs" / "page.shtml"
    page.write_text('<!--#include virtual="/app/1" --><!--#include virtual="/app/2" -->')
    httpd.start()
    for _ in range(3):
        assert sorted(httpd.get("/page.shtml").body.decode()) == sorted("[a][b]")
    rows = httpd.rows()
    assert [(row["requests"], row["inflight"], row["errors"]) for row in rows.values()] == [(3, 0, 0)] * 2


def test_170_02_subrequest_that_fails_over(httpd):
    """Contract: "The client sees no error", neither inside of a page."""
    bad, good = bad_and_good(httpd)
    including(httpd)
    (httpd.root / "htdocs" / "page.shtml").write_text('<p><!--#include virtual="/app/1" --></p>')
    bad.always(members.half_header)
    good.always(answer(body=b"good"))
    httpd.start()
    assert httpd.get("/page.shtml").body == b"<p>good</p>"


@pytest.mark.both_mpms
def test_170_03_error_document_in_a_farm(httpd):
    """What an httpd administrator expects: an ErrorDocument may be served by a farm, as by a plain ProxyPass."""
    a = httpd.member("a").always(answer(body=b"sorry from a"))
    httpd.farm(a)
    httpd.conf.proxy("/plain/", f"{a.url}/")
    for name, mount in (("one", "plain"), ("two", "app")):
        httpd.conf.add(f'<Location "/{name}/">', f"ErrorDocument 404 /{mount}/sorry", "</Location>")
    httpd.start()
    for method in ("GET", "POST"):
        plain, farm = (httpd.get(f"/{name}/nothing", method=method) for name in ("one", "two"))
        assert (farm.status, farm.body) == (plain.status, plain.body)
        assert farm.body == b"sorry from a"
    assert a.targets == ["/sorry"] * 4
    assert httpd.farm_status()["requests"] == 2


def test_170_04_farm_that_stands_in_for_a_farm(httpd):
    """What an httpd administrator expects: ErrorDocument 503 of one farm served by another."""
    dead, b = httpd.member("dead", start=False), httpd.member("b").always(answer(body=b"stand-in"))
    httpd.farm(dead, name="one").farm(b, name="two")
    httpd.conf.add('<Location "/one/">', "ErrorDocument 503 /two/sorry", "</Location>")
    httpd.log.expect_refused()
    httpd.start()
    for _ in range(3):
        assert httpd.get("/one/x").body == b"stand-in"
    assert httpd.farm_status("two")["requests"] == 3
    assert {row["inflight"] for name in ("one", "two") for row in httpd.rows(name).values()} == {0}


def test_170_05_server_status_and_balancer_manager(httpd):
    """Design: a farm's balancer is "never added to the server's list", so pages that walk that list are safe."""
    a, b = httpd.three("a", "b")
    httpd.conf.load("status", *BALANCER_MODULES)
    httpd.farm(a, b)
    httpd.conf.add("ExtendedStatus On", "ProxyStatus On",
                   '<Location "/server-status">', "SetHandler server-status", "</Location>",
                   '<Location "/manager">', "SetHandler balancer-manager", "</Location>",
                   '<Proxy "balancer://bal">', f"BalancerMember {a.url}", "</Proxy>")
    httpd.conf.proxy("/bal/", "balancer://bal/")
    httpd.start()
    assert httpd.get("/app/x").status == httpd.get("/bal/x").status == 200
    manager, status = httpd.get("/manager"), httpd.get("/server-status")
    assert (manager.status, status.status) == (200, 200)
    httpd.log.expect("AH10187")
    assert b"balancer://bal" in manager.body and b"balancer://app" not in manager.body


@pytest.mark.both_mpms
def test_170_06_recycled_children(httpd):
    """Contract: counts hold over all processes, also of children that end by themselves."""
    httpd.farm(*httpd.three())
    httpd.conf.add("MaxConnectionsPerChild 7")
    httpd.start()
    first = set(httpd.children())
    statuses = sum(client.at_once(3, lambda: [httpd.get("/app/x").status for _ in range(40)]), [])
    assert set(statuses) == {200}
    wait.until(lambda: not first & set(httpd.children()), "the first children to end")
    rows = httpd.rows()
    assert sum(row["requests"] for row in rows.values()) == 120
    assert {row["inflight"] for row in rows.values()} == {0}


def test_170_07_many_generations_at_once(httpd):
    """Contract: the ledger knows every process that is left, however many restarts ago it was started."""
    a = httpd.member("a").hold()
    httpd.farm(a)
    httpd.start()
    with ThreadPoolExecutor(6) as pool:
        asked = []
        for count in range(1, 7):
            asked.append(pool.submit(httpd.get, "/app/x"))
            a.wait_for_active(count)
            assert httpd.rows()["a"]["inflight"] == count
            httpd.graceful()
        assert httpd.rows()["a"]["inflight"] == 6
        a.always(answer()).release()
        assert {f.result(wait.patiently(30)).status for f in asked} == {200}
    httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight")
    assert httpd.rows()["a"]["requests"] == 6


def test_170_08_ping(httpd):
    """Contract: worker parameter `ping`: mod_proxy_http asks with Expect: 100-continue before it sends the body."""
    bad, good = httpd.three("bad", "good")
    httpd.farm((bad, "ping=1 weight=1000"), (good, "ping=1"), "FarmAlgorithm roundrobin", "FarmSet fall=1000000")
    httpd.conf.one_process()
    httpd.log.expect_broken()
    httpd.start()
    assert httpd.get("/app/x", method="PUT", body=b"body").json["body"] == "body"
    assert bad.requests[-1].header("Expect")
    bad.always(members.close_on_head)
    response = httpd.get("/app/x", method="PUT", body=b"body")
    assert (response.member, response.json["body"]) == ("good", "body")
    bad.always(members.close_after_request)
    before = good.count
    assert httpd.get("/app/x", method="POST", body=b"pay").status == 502
    assert good.count == before


def test_170_09_cached_answers_do_not_ask(httpd):
    """Contract: "a farm's `requests` are its clients' requests": what a cache answers is none."""
    a = httpd.member("a").always(answer(headers=[("Cache-Control", "max-age=600"), ("ETag", '"1"')]))
    httpd.farm(a)
    httpd.conf.load("cache", "cache_socache", "socache_shmcb")
    httpd.conf.add("CacheEnable socache /app/", "CacheSocache shmcb")
    httpd.log.expect(r"\[cache")
    httpd.start()
    assert [httpd.get("/app/x").member for _ in range(4)] == ["a"] * 4
    assert (a.count, httpd.farm_status()["requests"], httpd.rows()["a"]["requests"]) == (1, 1, 1)


@pytest.mark.parametrize("lines", [
    '<LocationMatch "^/m/(?<rest>.*)$">\nProxyPassMatch "http://app/$1"\n</LocationMatch>',
    'RewriteEngine On\nRewriteRule "^/m/(.*)$" "http://app/$1" [P,E=X:y]\nProxyPass "/m/" "!"',
    '<If "%{REQUEST_URI} =~ m#^/m/#">\nSetHandler "proxy:http://app"\n</If>',
])
def test_170_10_more_ways_in(httpd, lines):
    """Contract: whatever maps the request, the farm serves it, also after a failover."""
    bad, good = httpd.three("bad", "good")
    httpd.conf.farm("app", (bad, "weight=1000"), good, "FarmAlgorithm roundrobin", "FarmSet fall=1000000")
    httpd.conf.add(lines)
    httpd.log.expect_broken()
    bad.always(members.close_after_request)
    httpd.start()
    for _ in range(3):
        response = httpd.get("/m/x?q")
        assert (response.status, response.member) == (200, "good")
        assert response.json["target"] == bad.targets[-1] and response.json["target"].endswith("?q")
    assert httpd.farm_status()["requests"] == 3
