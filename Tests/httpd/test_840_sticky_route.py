"""FarmSticky route: the member is the one that the request's cookie, path or query names."""

import pytest

from farmhttpd import client, members, wait
from farmhttpd.conf import BALANCER_MODULES
from farmhttpd.manager import NOBODY, change, farm_of
from farmhttpd.members import answer

A = "farm=app&member=a"
ROUNDROBIN = "FarmAlgorithm roundrobin"


def sticky(httpd, line="FarmSticky route ROUTE", *lines, options=(), names=()):
    """A single child and round robin: what is not tied goes to a, b, c in turn."""
    made = farm_of(httpd, *names, options=options, lines=[line, ROUNDROBIN, *lines])
    httpd.conf.one_process()
    return made


def served(httpd, target="/app/x", cookie=None, count=6):
    """Names of the members that serve such a request, sent several times."""
    headers = {} if cookie is None else {"Cookie": cookie}
    answers = [httpd.get(target, headers=headers) for _ in range(count)]
    assert {answer.status for answer in answers} == {200}, (target, cookie)
    return [answer.member for answer in answers]


def tied_to(httpd, member, target="/app/x", cookie=None):
    assert served(httpd, target, cookie) == [member] * 6, (target, cookie)


def not_tied(httpd, target="/app/x", cookie=None):
    assert sorted(served(httpd, target, cookie)) == ["a", "a", "b", "b", "c", "c"], (target, cookie)


COOKIES = ["ROUTE=x.{}", "a=1; ROUTE=x.{}; b=2", "a=1;ROUTE=x.{};b=2", "ROUTE=x.{};", "a=1; b; =; ;ROUTE=x.{}", "ROUTE=.{}",
           "XROUTE=x.c; ROUTE=x.{}", "ROUTE2=x.c; ROUTE=x.{}", "a=ROUTE=x.c; ROUTE=x.{}",
           "MYROUTE=ROUTE; ROUTE=abc.{}; ROUTEX=1.c",
           "a=1,ROUTE=x.{}", "ROUTE=0123456789ABCDEF0123456789ABCDEF.{}; JSESSIONID=x.c"]
TARGETS = ["/app/x;ROUTE=s.{}", "/app/x;v=1;ROUTE=s.{}", "/app/x?ROUTE=s.{}", "/app/x?v=1&ROUTE=s.{}&w=2", "/app/;ROUTE=s.{}",
           "/app/x?ROUTE=s.{}&ROUTE2=s.c", "/app/x;ROUTE=s.{}?v=1", "/app/?ROUTE=.{}"]


def test_840_01_cookie(httpd):
    """Contract: "`FarmSticky route NAME`: as mod_proxy_balancer's stickysession, route after the last dot": by cookie NAME,
    among other cookies, whichever stands first."""
    sticky(httpd)
    httpd.start()
    for cookie in COOKIES:
        for name in "bca":
            tied_to(httpd, name, cookie=cookie.format(name))
    not_tied(httpd)
    for cookie in ("XROUTE=x.a", "ROUTE2=x.a", "a=ROUTE=x.a", "RO=x.a", "ROUTE", "x.a", ""):
        not_tied(httpd, cookie=cookie)


def test_840_02_path_and_query(httpd):
    """Contract: "path parameter (;PARAM=, or ?PARAM=/&PARAM=)"; the member gets the path and query as they came."""
    sticky(httpd)
    httpd.start()
    for target in TARGETS:
        for name in "bca":
            tied_to(httpd, name, target.format(name))
            member = httpd.members["abc".index(name)]
            assert member.targets[-1] == target.format(name).removeprefix("/app")
    for target in ("/app/x;XROUTE=s.a", "/app/x?XROUTE=s.a", "/app/x?v=1&ROUTE2=s.a", "/app/ROUTE=s.a", "/app/x?v=ROUTE=s.a",
                   "/app/x?ROUTE", "/app/x;ROUTE", "/app/x?ROUTE&s.a"):
        not_tied(httpd, target)


def test_840_03_path_before_cookie(httpd):
    """Contract: the path parameter first, then the cookie."""
    sticky(httpd)
    httpd.start()
    for target in ("/app/x;ROUTE=s.b", "/app/x?ROUTE=s.b"):
        tied_to(httpd, "b", target, "ROUTE=x.c")
    tied_to(httpd, "c", "/app/x?other=s.b", "ROUTE=x.c")


def test_840_04_name_and_parameter(httpd):
    """Contract: "`FarmSticky route NAME|PARAM`": NAME is the cookie's name, PARAM the path parameter's."""
    sticky(httpd, "FarmSticky route ROUTE|jsid")
    httpd.start()
    tied_to(httpd, "b", cookie="ROUTE=x.b")
    for target in ("/app/x;jsid=s.c", "/app/x?jsid=s.c", "/app/x?v=1&jsid=s.c"):
        tied_to(httpd, "c", target)
        tied_to(httpd, "c", target, "ROUTE=x.b")
    not_tied(httpd, cookie="jsid=x.b")
    not_tied(httpd, "/app/x;ROUTE=s.b"), not_tied(httpd, "/app/x?ROUTE=s.b")


def test_840_05_last_dot(httpd):
    """Contract: "the route is what follows the last dot of the value; a value without a dot, or an unknown route: balanced
    as if it were not there"."""
    sticky(httpd)
    httpd.start()
    for value in ("x.y.z.b", "..b", ".b", "127.0.0.1.b", "c.b", "x..b"):
        tied_to(httpd, "b", cookie=f"ROUTE={value}")
        tied_to(httpd, "b", f"/app/x?ROUTE={value}")
    for value in ("b", "", ".", "b.", "x.b.", "x.nosuch", "x.B", "x.bb", "x. b", "x.-", "b.x"):
        not_tied(httpd, cookie=f"ROUTE={value}")


def test_840_06_route_of_a_member(httpd):
    """Contract: "`route=` (default the name)": what a cookie says is the route; with one the name is none."""
    a, b, c = sticky(httpd, options=["route=node1", "route=b2_-"])
    httpd.start()
    for route, name in (("node1", "a"), ("b2_-", "b"), ("c", "c")):
        tied_to(httpd, name, cookie=f"ROUTE=x.{route}")
    not_tied(httpd, cookie="ROUTE=x.a"), not_tied(httpd, cookie="ROUTE=x.b"), not_tied(httpd, cookie="ROUTE=x.node")
    # The same routes may go to others after a restart.
    httpd.conf.farm("app", (a, "route=b"), (c, "route=node1"), (b, "route=a"), "FarmSticky route OTHER", ROUNDROBIN)
    httpd.restart()
    for route, name in (("b", "a"), ("node1", "c"), ("a", "b")):
        tied_to(httpd, name, cookie=f"OTHER=x.{route}; ROUTE=x.c")


def test_840_07_reason(httpd):
    """Contract: "`FARM_REASON` (`algorithm`, … `sticky` for a route, `failover`, …)"; "BALANCER_WORKER_ROUTE"."""
    a, b, _ = sticky(httpd, "FarmSticky route ROUTE", "FarmSet fall=1 retry=1h", options=["route=r1", "route=r2"])
    httpd.conf.add('Header set X-Route "%{BALANCER_WORKER_ROUTE}e"')
    httpd.log.expect_broken()
    httpd.start()
    assert httpd.get("/app/one", headers={"Cookie": "ROUTE=x.r2"}).get("X-Route") == "r2"
    assert httpd.get("/app/two", headers={"Cookie": "ROUTE=x.nosuch"}).get("X-Route") == "r1"
    a.refuse()
    assert httpd.get("/app/three", headers={"Cookie": "ROUTE=x.r1"}).status == 200
    assert httpd.get("/app/four", headers={"Cookie": "ROUTE=x.r1"}).status == 200
    for path, reason in (("one", "sticky"), ("two", "algorithm"), ("three", "failover"), ("four", "algorithm")):
        line, = httpd.access(f"/app/{path}")
        assert line[5] == reason, line
    assert httpd.access("/app/one")[0][3:5] == ["app", "b"]


def test_840_08_failover(httpd):
    """Contract: "If a member cannot be reached, the request goes to another available member": also when it was named;
    when the member has come back, it serves those who name it again."""
    a, b, c = sticky(httpd, "FarmSticky route ROUTE", "FarmSet fall=1 retry=100ms")
    httpd.log.expect_broken()
    httpd.start()
    tied_to(httpd, "a", cookie="ROUTE=x.a")
    a.refuse()
    for _ in range(6):
        assert httpd.get("/app/x", headers={"Cookie": "ROUTE=x.a"}).member in "bc"
    assert httpd.rows()["a"]["health"] == "down"
    tied_to(httpd, "b", cookie="ROUTE=x.b")
    a.start()
    wait.until(lambda: httpd.get("/app/x", headers={"Cookie": "ROUTE=x.a"}).member == "a", "the member to come back")
    tied_to(httpd, "a", cookie="ROUTE=x.a")
    # A failure after the request has been sent is repaired in the same way, once for each request.
    a.hang_up()
    a.next(members.close_on_accept)
    assert httpd.get("/app/x", headers={"Cookie": "ROUTE=x.a"}).status == 200
    assert a.script == []
    for _ in range(3):
        assert httpd.get("/app/x", headers={"Cookie": "ROUTE=x.c"}).member == "c"


def test_840_09_posts(httpd):
    """Contract: "A POST that a member may have begun to act on is never sent twice": not to another member either, because
    it was tied to the first."""
    a, *_ = sticky(httpd, "FarmSticky route ROUTE", "FarmSet fall=100")
    httpd.log.expect_broken()
    httpd.start()
    a.next(answer(), members.close_after_request)
    assert httpd.get("/app/x", method="POST", body=b"1", headers={"Cookie": "ROUTE=x.a"}).member == "a"
    a.hang_up()
    assert httpd.get("/app/x", method="POST", body=b"2", headers={"Cookie": "ROUTE=x.a"}).status in (502, 503)
    assert [member.bodies for member in httpd.members] == [[b"1", b"2"], [], []]


@pytest.mark.both_mpms
@pytest.mark.parametrize("algorithm", ["roundrobin", "random", "busyness", "traffic", "load", "adaptive",
                                       'hash "%{REMOTE_ADDR}"'])
def test_840_10_every_algorithm(httpd, algorithm):
    """Contract: "instruction, then stickiness, then the algorithm choose a member": in every process, whatever the
    algorithm."""
    farm_of(httpd, lines=["FarmSticky route ROUTE", f"FarmAlgorithm {algorithm}"], options=["weight=1000"])
    httpd.start()
    for name in "bca":
        tied = client.at_once(8, lambda: [httpd.get("/app/x", headers={"Cookie": f"ROUTE=x.{name}"}).member for _ in range(3)])
        assert tied == [[name] * 3] * 8
    assert {answer.status for answer in client.at_once(8, httpd.get, "/app/x")} == {200}
    rows = httpd.rows()
    assert rows["b"]["requests"] >= 24 and rows["c"]["requests"] >= 24 and {row["inflight"] for row in rows.values()} == {0}


def test_840_11_only_where_it_is_set(httpd):
    """Contract: default `off`; each farm has its own: what names a member of one means nothing in another."""
    a, b, c = sticky(httpd, "FarmSticky off")
    httpd.farm(a, b, "FarmSticky route ROUTE", ROUNDROBIN, name="two").farm(c, ROUNDROBIN, name="three")
    httpd.start()
    not_tied(httpd, cookie="ROUTE=x.a"), not_tied(httpd, "/app/x;ROUTE=s.a"), not_tied(httpd, "/app/x?ROUTE=s.a")
    tied_to(httpd, "b", "/two/x", "ROUTE=x.b")
    assert sorted(served(httpd, "/two/x", "ROUTE=x.c")) == ["a"] * 3 + ["b"] * 3
    tied_to(httpd, "c", "/three/x", "ROUTE=x.a")


def test_840_12_cookies_go_through(httpd):
    """Contract: a route's cookie is the application's own: the member gets it as it came."""
    sticky(httpd)
    httpd.start()
    for cookie in ("ROUTE=x.b; other=1", "a=1; ROUTE=y.b"):
        assert httpd.get("/app/x", headers={"Cookie": cookie}).json["headers"]["cookie"] == cookie
    assert httpd.get("/app/x").get("Set-Cookie") is None


@pytest.mark.parametrize("health", ["down", "up"])
def test_840_13_not_available(httpd, health):
    """Contract: a member that is not available and names nobody to stand in for it: the algorithm chooses."""
    a, *_ = sticky(httpd)
    httpd.log.expect(NOBODY)
    httpd.start()
    change(httpd, f"{A}&health={health}&admin={'on' if health == 'down' else 'off'}")
    assert sorted(served(httpd, cookie="ROUTE=x.a")) == ["b"] * 3 + ["c"] * 3
    assert a.count == 0
    for name in "bc":
        change(httpd, f"farm=app&member={name}&health=down")
    assert httpd.get("/app/x", headers={"Cookie": "ROUTE=x.a"}).status == 503
    change(httpd, f"{A}&health=up&admin=on")
    tied_to(httpd, "a", cookie="ROUTE=x.a"), tied_to(httpd, "a", cookie="ROUTE=x.b")


# Only values with a single dot and parameters that both take: the balancer takes the first dot.
@pytest.mark.parametrize("line", ["ROUTE", "ROUTE|jsid"])
def test_840_14_as_the_balancer_does(httpd, line):
    """Contract: "as mod_proxy_balancer's stickysession": behind the same backends, the same request goes to the same one."""
    options = ["route=r1", "route=r2", "route=r3"]
    made = sticky(httpd, f"FarmSticky route {line}", options=options)
    httpd.conf.load(*BALANCER_MODULES)
    httpd.conf.add('<Proxy "balancer://pool">',
                   *[f"BalancerMember {member.url} {option}" for member, option in zip(made, options)], "</Proxy>")
    httpd.conf.proxy("/pool/", "balancer://pool/", f"stickysession={line}")
    httpd.start()
    cases = [(f"x{target}", cookie) for n in (3, 1, 2) for target, cookie in (
        ("", f"ROUTE=x.r{n}"), ("", f"a=1; ROUTE=x.r{n}; b=2"), ("", f"XROUTE=x.r1;ROUTE=x.r{n}"), ("", f"ROUTE=.r{n}"),
        ("", f"a=1,ROUTE=x.r{n}"), (f"?{line.split('|')[-1]}=s.r{n}", None), (f"?v=1&{line.split('|')[-1]}=s.r{n}&w=2", None),
        (f";{line.split('|')[-1]}=s.r{n}", None), (f"?{line.split('|')[-1]}=s.r{n}", "ROUTE=x.r2"),
        (f";{line.split('|')[-1]}=s.r{n}", "ROUTE=x.r2"))]
    differing = []
    for target, cookie in cases:
        headers = {"Cookie": cookie} if cookie else {}
        ours, theirs = ([httpd.get(f"/{place}/{target}", headers=headers).member for _ in range(3)]
                        for place in ("app", "pool"))
        assert len(set(theirs)) == 1, f"the balancer itself does not stick by this: {target} {cookie}"
        if ours != theirs:
            differing.append((target, cookie, ours, theirs))
    assert differing == []
