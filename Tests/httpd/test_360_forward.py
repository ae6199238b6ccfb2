"""FarmForward: to another farm or a server; what they see of the path, the query and the body."""

import hashlib

import pytest

from farmhttpd import members
from farmhttpd.fallback import BRITTLE, CONDITIONS, Fallbacks, log_line
from farmhttpd.members import answer
from farmhttpd.protocols import FcgiMember, WebSocketMember
from farmhttpd.update import push
from test_110_encoding import BAD_PATHS, MOUNTS, OPTIONS, PATHS, seen
from test_140_protocols import upgrade
from test_160_environment import environment, log_environment
from test_320_bodies import body_of, in_pieces

KIB = 1024


def forwards(httpd, name="app"):
    farm = httpd.farm_status(name)
    return farm["forwarded"], farm["redirected"]


def offline(httpd, to, *directives, name="app"):
    """A farm that is offline and forwards."""
    httpd.farm("FarmMember http://127.0.0.1:1 name=nobody admin=off", f"FarmForward offline {to}", *directives, name=name)


def test_360_01_every_condition(httpd):
    """Contract: "offline|down|full|any": "in that condition the request is proxied there instead: another farm or a
    server"; "the one for the condition itself goes before `any`"."""
    farms = Fallbacks(httpd)
    spare, server = httpd.three("spare", "server")
    httpd.conf.farm("other", spare)
    for condition in CONDITIONS:
        farms.farm(condition, f"FarmForward {condition} http://other", "FarmRedirect any http://any.test/")
        farms.farm(condition, f"FarmForward any {server.url}", name=f"{condition}-any")
        farms.farm(condition, f"FarmForward any {server.url}", f"FarmRedirect {condition} http://own.test/",
                   name=f"{condition}-own")
    with farms.settled():
        for condition in CONDITIONS:
            assert httpd.get(f"/{condition}/x").member == "spare"
            assert httpd.get(f"/{condition}-any/x").member == "server"
            assert httpd.get(f"/{condition}-own/x").get("Location") == "http://own.test/"
            assert forwards(httpd, condition) == forwards(httpd, f"{condition}-any") == (1, 0)
            assert forwards(httpd, f"{condition}-own") == (0, 1)
        assert forwards(httpd, "other") == (0, 0)
        assert httpd.rows("other")["spare"]["requests"] == 3
    assert farms.member.connections == 0


def test_360_02_not_while_it_can_serve(httpd):
    """Contract: "in that condition": with a member available nothing is forwarded, and as soon as one is, no more."""
    a, spare = httpd.three("a", "spare")
    httpd.conf.farm("other", spare).handler("farm-update")
    httpd.farm(a, "FarmForward any http://other")
    httpd.start()
    for health, served in (("up", "a"), ("down", "spare"), ("up", "a"), ("down", "spare")):
        push(httpd, f"farm=app&member=a&health={health}")
        assert [httpd.get("/app/x").member for _ in range(3)] == [served] * 3
    assert forwards(httpd) == (6, 0)


@pytest.mark.both_mpms
def test_360_03_environment(httpd):
    """Contract: FARM_REASON `forward`; FARM_NAME "the farm that served"; of a server the farm that forwarded, no member,
    and the server's URL; FARM_CONDITION of the one that served, or the one that led to the server."""
    spare, server = httpd.member("spare", path="/base"), httpd.member("server")
    httpd.conf.farm("other", spare)
    offline(httpd, "http://other", name="one")
    offline(httpd, server.url, name="two")
    log_environment(httpd)
    httpd.start()
    assert (httpd.get("/one/x").member, httpd.get("/two/x").member) == ("spare", "server")
    assert environment(httpd, "/one/x") == {
        "FARM_NAME": "other", "FARM_MEMBER": "spare", "FARM_URL": spare.url, "FARM_REASON": "forward",
        "FARM_ATTEMPTS": "1", "FARM_CONDITION": "ok", "BALANCER_NAME": "balancer://other",
        "BALANCER_WORKER_NAME": spare.url, "BALANCER_WORKER_ROUTE": "spare"}
    told = environment(httpd, "/two/x")
    assert (told["FARM_NAME"], told["FARM_MEMBER"], told["FARM_REASON"], told["FARM_CONDITION"]) == \
        ("two", "-", "forward", "offline")
    assert told["FARM_URL"].rstrip("/") == server.url and told["FARM_ATTEMPTS"] in ("0", "-")


def check_paths(httpd, *mounts):
    """What comes through these mounts is what a plain ProxyPass gives, path by path."""
    wrong = []
    for path in PATHS:
        oracle = seen(httpd.get(MOUNTS[0] + path), MOUNTS[0])
        answers = [(mount, seen(httpd.get(mount + path), mount)) for mount in mounts]
        wrong += [f"{mount}{path}: {answer} instead of {oracle}" for mount, answer in answers if answer != oracle]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("options", OPTIONS)
def test_360_04_mapped_path_and_query(httpd, options):
    """Contract: "A URL with no path keeps the mapped path and query": byte for byte as a plain ProxyPass to the same member
    does it, for a farm, a server, a server at a unix socket, and through two farms."""
    a = httpd.member("a")
    httpd.conf.farm("other", a)
    httpd.conf.proxy("/plain/", f"{a.url}/base/", options).one_process()
    sock = httpd.member("a", unix=httpd.unix_path("a"))
    urls = {"farm": "http://other", "server": a.url, "unix": sock.url, "chain": "http://farm"}
    for name, url in urls.items():
        httpd.conf.farm(name, "FarmMember http://127.0.0.1:1 admin=off", f'FarmForward offline "{url}"')
        httpd.conf.proxy(f"/{name}/", f"http://{name}/base/", options)
    httpd.conf.add("AllowEncodedSlashes NoDecode")
    httpd.log.expect(BAD_PATHS)
    httpd.start()
    check_paths(httpd, *[f"/{name}/" for name in urls])
    assert forwards(httpd, "server")[0] > 20


def test_360_05_after_a_failed_attempt(httpd):
    """Contract: the same when the attempts were used up before, and a member had a path of its own."""
    dead, a = httpd.member("dead", start=False, path="/of%20dead"), httpd.member("a")
    httpd.conf.farm("other", a)
    httpd.conf.proxy("/plain/", f"{a.url}/base/").one_process().handler("farm-update")
    names = ["farm", "server"]
    for name, url in zip(names, ("http://other", a.url)):
        httpd.conf.farm(name, dead, "FarmSet retry=1h", f"FarmForward down {url}")
        httpd.conf.proxy(f"/{name}/", f"http://{name}/base/")
    httpd.log.expect_refused()
    httpd.start()
    for path in ("x", "a%2525b?c=%2F%2525", "a%3Fb;c", "a//b?"):
        oracle = httpd.get(f"/plain/{path}").json["target"]
        for name in names:
            push(httpd, f"farm={name}&member=dead&health=up")
            assert httpd.get(f"/{name}/{path}").json["target"] == oracle
            assert httpd.rows(name)["dead"]["health"] == "down"
    assert [line["attempts"] for line in map(lambda n: log_line(httpd, f"/{n}/x"), names)] == ["2", "1"]


COMPLETE = {"/": "/", "/sorry": "/sorry", "/sorry/page?x=1": "/sorry/page?x=1", "/sorry/?": None, "/a%2Fb;c?d=%2525&e=%2F":
            "/a%2Fb;c?d=%2525&e=%2F", "/a%2525b": "/a%2525b", "/a%20b?c+d": "/a%20b?c+d"}


@pytest.mark.parametrize("kind", ["farm", "server", "unix"])
def test_360_06_complete_url(httpd, kind):
    """Contract: "with one [a path], even `/`, it is used complete": nothing of the client's path or query is left."""
    a = httpd.member("a", unix=httpd.unix_path("a")) if kind == "unix" else httpd.member("a")
    httpd.conf.farm("other", a)
    base = {"farm": "http://other", "server": a.url, "unix": a.url}[kind]
    httpd.conf.add("AllowEncodedSlashes NoDecode")
    for n, path in enumerate(COMPLETE):
        offline(httpd, f'"{base}{path}"', name=f"f{n}")
    httpd.start()
    for n, (path, target) in enumerate(COMPLETE.items()):
        for asked in ("x", "x?mine=1", "", "a%2Fb?c=%2525", "?mine"):
            response = httpd.get(f"/f{n}/{asked}")
            assert response.status == 200, (path, asked)
            got = response.json["target"]
            assert got == target if target else got in (path, path.rstrip("?")), (path, asked)


def test_360_07_complete_url_of_a_farm_with_a_path(httpd):
    """Contract: "a path in the [member's] URL goes before the request's": also before the one that FarmForward gives."""
    a = httpd.member("a", path="/of/a")
    httpd.conf.farm("other", a)
    offline(httpd, "http://other/sorry?x", name="complete")
    offline(httpd, "http://other", name="kept")
    httpd.start()
    assert httpd.get("/complete/y?z").json["target"] == "/of/a/sorry?x"
    assert httpd.get("/kept/y?z").json["target"] == "/of/a/y?z"


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [0, 1, 8 * KIB, 64 * KIB + 1, 1024 * KIB])
def test_360_08_bodies(httpd, size, chunked):
    """Contract: "the request is proxied there instead": with its body, of any size when nothing was sent before; also when
    a member was tried that could not be reached."""
    dead, spare, server = httpd.member("dead", start=False), *httpd.three("spare", "server")
    httpd.conf.farm("other", spare)
    offline(httpd, "http://other", name="farm")
    offline(httpd, server.url, name="server")
    httpd.farm(dead, "FarmSet fall=1 retry=1h", f"FarmForward down {server.url}", name="tried")
    httpd.farm(dead, "FarmSet fall=1 retry=1h", f"FarmForward down http://other", name="twice")
    httpd.log.expect_refused()
    httpd.start()
    body = body_of(size)
    for method in ("POST", "PUT"):
        for name in ("farm", "server", "tried", "twice"):
            response = httpd.get(f"/{name}/x", method=method, body=in_pieces(body) if chunked else body)
            assert (response.status, response.json["method"]) == (200, method), name
            assert response.json["sha256"] == hashlib.sha256(body).hexdigest(), name
    assert (spare.count, server.count) == (4, 4)


@pytest.mark.parametrize("to", ["farm", "server"])
@pytest.mark.parametrize("failure", [members.close_after_request, members.half_header, answer(
    "503 Leak", headers=[("X-Leak", "1"), ("Set-Cookie", "leak=1")], body=b"leak" * 10_000)],
    ids=["close", "half a header", "failonstatus"])
def test_360_09_attempts_used_up(httpd, failure, to):
    """Contract: "When the attempts are used up, the farm's condition at that moment decides (FarmRedirect, FarmForward)":
    with the body that was kept, and nothing of the failed answers."""
    made, spare = [httpd.member(name).always(failure) for name in "ab"], httpd.member("spare")
    httpd.conf.farm("other", spare)
    httpd.farm(*made, f"{BRITTLE} failonstatus=503",
               f"FarmForward down {'http://other' if to == 'farm' else spare.url}")
    httpd.conf.proxy("/plain/", f"{spare.url}/")
    httpd.log.expect_broken()
    httpd.start()
    for _ in range(2):
        assert httpd.get("/app/before").status in (502, 503)
    body = body_of(64 * KIB)
    plain = httpd.get("/plain/x", method="PUT", body=body)
    response = httpd.get("/app/x", method="PUT", body=body)
    assert (response.status, response.member) == (200, "spare")
    assert spare.bodies == [body, body] and [m.bodies[2:] for m in made] == [[body], [body]]
    names = lambda answered: sorted(k for k, _ in answered.headers)
    assert names(response) == names(plain)
    assert [dict(r.headers) for r in spare.requests[:1]] == [dict(r.headers) for r in spare.requests[1:]]
    line = log_line(httpd, "/app/x")
    assert (line["reason"], line["attempts"]) == ("forward", "3" if to == "farm" else "2")
    assert forwards(httpd) == (1, 0)
    assert [row["inflight"] for row in httpd.rows().values()] == [0, 0]


def test_360_10_what_may_not_be_sent_again(httpd):
    """Contract: "A POST that a member may have begun to act on is never sent twice", "bodies up to 64 KiB are kept": such a
    request is not forwarded either; the one after it is."""
    a, spare = httpd.three("a", "spare")
    a.always(members.close_after_request)
    httpd.conf.farm("other", spare).handler("farm-update")
    httpd.farm(a, BRITTLE, "FarmForward any http://other")
    httpd.log.expect_broken()
    httpd.start()
    for method, body in (("POST", b"pay 100"), ("PATCH", b"x"), ("PUT", body_of(100 * KIB))):
        before = a.count, spare.count
        for _ in range(3):
            assert httpd.get("/app/x", method=method, body=body).status == 502
        assert (a.count, spare.count) == (before[0] + 3, before[1])
        assert httpd.rows()["a"]["health"] == "down"
        assert httpd.get("/app/x", method=method, body=body).member == "spare"
        push(httpd, "farm=app&member=a&health=up")
    assert forwards(httpd) == (3, 0)


@pytest.mark.parametrize("scheme, kind, url", [("fcgi", FcgiMember, "http://app/"), ("fcgi", FcgiMember, "fcgi://app/")])
def test_360_11_to_a_farm_of_another_scheme(httpd, scheme, kind, url):
    """Contract: "scheme, host and port of the URL become the member's", whatever the farm was addressed by."""
    httpd.conf.load("proxy_fcgi")
    spare = httpd.member("spare", kind)
    httpd.conf.farm("other", spare).proxy("/plain/", f"{spare.url}/")
    httpd.conf.farm("app", "FarmMember http://127.0.0.1:1 admin=off", f"FarmForward offline {scheme}://other")
    httpd.conf.proxy("/app/", url)
    httpd.start()
    for path in ("x.php?y", "a%2520b.php/z?c=%2525"):
        plain, farm = (httpd.get(f"/{name}/{path}", method="POST", body=b"b").json for name in ("plain", "app"))
        assert {k: str(v).replace("/app/", "/plain/") for k, v in farm.items()} == {k: str(v) for k, v in plain.items()}
        assert farm["member"] == "spare" and farm["body"] == "b"


@pytest.mark.parametrize("scheme", ["fcgi", "ajp", "ws"])
@pytest.mark.parametrize("to", ["farm", "server"])
def test_360_12_from_a_farm_of_another_scheme(httpd, scheme, to):
    """Contract: a farm whose members speak FastCGI, AJP or WebSocket forwards to what speaks HTTP."""
    httpd.conf.load("proxy_fcgi", "proxy_ajp", "proxy_wstunnel")
    spare = httpd.member("spare")
    httpd.conf.farm("other", spare).proxy("/plain/", f"{spare.url}/")
    for name, url in (("kept", ""), ("complete", "/sorry?x=1")):
        there = "http://other" if to == "farm" else spare.url
        httpd.conf.farm(name, f"FarmMember {scheme}://127.0.0.1:1 admin=off", f"FarmForward offline {there}{url}")
        httpd.conf.proxy(f"/{name}/", f"{scheme}://{name}/")
    httpd.start()
    for path in ("x", "a%2525b?c=%2525", "a;b?c"):
        assert httpd.get(f"/kept/{path}").json["target"] == httpd.get(f"/plain/{path}").json["target"]
        assert httpd.get(f"/complete/{path}").json["target"] == "/sorry?x=1"


def test_360_13_websocket(httpd):
    """Contract: "for http, https, h2, ws upgrade … alike": an upgrade is forwarded as well."""
    httpd.conf.load("proxy_wstunnel")
    spare = httpd.member("spare", WebSocketMember)
    httpd.conf.farm("other", spare)
    httpd.conf.farm("app", "FarmMember ws://127.0.0.1:1 admin=off", "FarmForward offline ws://other")
    httpd.conf.proxy("/app/", "ws://app/")
    httpd.start()
    sock, stream, status, hello = upgrade(httpd, "/app/a%2525?b")
    with sock, stream:
        assert b" 101 " in status and hello == {"member": "spare", "target": "/a%2525?b"}
        sock.sendall(b"echo")
        assert stream.read(4) == b"echo"
        httpd.wait_for_row(lambda row: row["inflight"] == 1, "the tunnel to be in flight", "spare", "other")
    httpd.wait_for_row(lambda row: row["inflight"] == 0, "the tunnel to be over", "spare", "other")
