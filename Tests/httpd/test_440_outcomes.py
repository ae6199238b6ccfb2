"""Outcomes: each request of a client counts once, in the farm that it was addressed to, with one outcome and one class."""

import socket
import struct

import pytest

from farmhttpd import client, members, outcomes, wait
from farmhttpd.fallback import kept_busy
from farmhttpd.instructions import instruction, secret_file
from farmhttpd.members import answer

KIB = 1024


def leave(sock):
    """Closes a client's connection so that the server is told at once."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.both_mpms
@pytest.mark.parametrize("status,kind", [("200 OK", "2xx"), ("204 No", "2xx"), ("302 Found", "3xx"), ("304 No", "3xx"),
                                         ("404 No", "4xx"), ("503 No", "5xx"), ("999 Odd", "5xx")])
def test_440_01_served(httpd, status, kind):
    """Contract: "`served` (a final status of a member, whole)"; "The status is the one that `%>s` logs"."""
    a = httpd.member("a").always(answer(status, body=b""))
    httpd.farm(a)
    httpd.start()
    for method in ("GET", "HEAD", "POST"):
        assert httpd.get("/app/x", method=method, body=b"x" if method == "POST" else None).status == int(status[:3])
    outcomes.check(httpd, {f"served {kind}": 3})


BREAKS = {"close": members.close_after_request, "reset": members.reset_after_request, "half a line": members.half_status_line,
          "half a header": members.half_header, "no HTTP": members.sending(b"no such thing\r\n\r\n"),
          "failonstatus": answer("503 Held")}


@pytest.mark.parametrize("how", BREAKS.values(), ids=BREAKS.keys())
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_440_02_failed(httpd, how, method):
    """Contract: "`failed`": members were tried, and none answered. A final status of a member that is passed on is an answer,
    also one of failonstatus."""
    httpd.farm(*[httpd.member(name).always(how) for name in "ab"], "FarmSet fall=1000 failonstatus=503")
    httpd.log.expect_broken()
    httpd.start()
    response = httpd.get("/app/x", method=method, body=b"x" if method == "POST" else None)
    assert response.status in (502, 503)
    is_answer = method == "POST" and how is BREAKS["failonstatus"]
    outcomes.check(httpd, {"served 5xx" if is_answer else "failed 5xx": 1})


def test_440_03_failed_for_other_reasons(httpd):
    """Contract: the same where no member can be reached, its name does not resolve, or it does not answer in time."""
    httpd.conf.farm("dead", *[httpd.member(name, start=False) for name in "ab"], "FarmSet fall=1000")
    httpd.conf.farm("nohost", "FarmMember http://no-such-host.invalid:1/ name=a", "FarmSet fall=1000")
    slow = httpd.member("slow").hold()
    httpd.conf.farm("slow", slow, "FarmSet maxattempts=1")
    for name in ("dead", "nohost"):
        httpd.conf.proxy(f"/{name}/", f"http://{name}/")
    httpd.conf.proxy("/slow/", "http://slow/", "timeout=1")
    httpd.log.expect_broken()
    httpd.start()
    for name in ("dead", "nohost", "slow"):
        assert httpd.get(f"/{name}/x").status in (500, 502, 503, 504)
        outcomes.check(httpd, {"failed 5xx": 1}, name)


@pytest.mark.parametrize("how", [members.cut(), members.cut_chunked()], ids=["length", "chunked"])
def test_440_04_cut(httpd, how):
    """Contract: "`failed` (also cut)"; the status that `%>s` logs is the member's."""
    httpd.farm(httpd.member("a").always(how), "FarmSet fall=1000")
    httpd.log.expect_broken()
    httpd.start()
    client.raw(httpd.port, b"GET /app/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    outcomes.check(httpd, {"failed 2xx": 1})


def test_440_05_refused(httpd):
    """Contract: "`refused` (no member was tried: the condition's 503, waited for or not, and the 503 of strict …)"."""
    a, b = httpd.three("a", "b")
    secret_file(httpd)
    httpd.conf.farm("offline", (a, "admin=off")).farm("busy", (a, "admin=off"), "FarmRedirect offline - 503 5")
    httpd.conf.farm("full", (b, "maxinflight=1")).farm("strict", (a, "admin=off"), b)
    for name in ("offline", "busy", "full", "strict"):
        httpd.conf.proxy(f"/{name}/", f"http://{name}/")
    httpd.log.expect("FARM00012")
    httpd.start()
    for name in ("offline", "busy"):
        assert [httpd.get(f"/{name}/x").status for _ in range(2)] == [503, 503]
        outcomes.check(httpd, {"refused 5xx": 2}, name)
    with kept_busy(httpd, b, "/full/x"):
        assert httpd.get("/full/x").status == 503
        assert outcomes.ended(httpd.farm_status("full")) == outcomes.settled(httpd, running=1)["full"]["refused"] == 1
    outcomes.check(httpd, {"refused 5xx": 1, "served 2xx": 1}, "full")
    cookie = instruction(farm="strict", member="a", mode="strict")
    assert httpd.get("/strict/x", headers={"Cookie": cookie}).status == 503
    outcomes.check(httpd, {"refused 5xx": 1}, "strict")


def test_440_06_redirected(httpd):
    """Contract: "`redirected`": at once, and when the attempts are used up."""
    httpd.conf.farm("offline", (httpd.member("a"), "admin=off"), "FarmRedirect offline http://sorry.test/ 307")
    httpd.conf.farm("broken", httpd.member("b", start=False), "FarmSet fall=1 retry=1h",
                    "FarmRedirect down http://sorry.test/ 303")
    for name in ("offline", "broken"):
        httpd.conf.proxy(f"/{name}/", f"http://{name}/")
    httpd.log.expect_broken()
    httpd.start()
    assert [httpd.get(f"/{name}/x").status for name in ("offline", "broken")] == [307, 303]
    for name in ("offline", "broken"):
        outcomes.check(httpd, {"redirected 3xx": 1}, name)


def test_440_07_forwarded(httpd):
    """Contract: "A request counts once, in the farm it was addressed to; where it was served elsewhere, that farm counts it in
    `came`, and its members' attempts": a chain of farms, a farm that redirects, one that refuses, one that breaks, a server."""
    off = (httpd.member("off"), "admin=off")
    spare, server = httpd.three("spare", "server")
    broken = httpd.member("broken").always(members.close_after_request)
    httpd.conf.farm("spare", spare).farm("middle", off, "FarmForward offline http://spare")
    httpd.conf.farm("moved", off, "FarmRedirect offline http://sorry.test/").farm("closed", off)
    httpd.conf.farm("broken", broken, "FarmSet fall=1000 maxattempts=1")
    for name, to in (("one", "http://spare"), ("two", "http://middle"), ("three", "http://moved"), ("four", "http://closed"),
                     ("five", "http://broken"), ("six", server.url)):
        httpd.conf.farm(name, off, f"FarmForward offline {to}").proxy(f"/{name}/", f"http://{name}/")
    httpd.log.expect_broken()
    httpd.start()
    statuses = [httpd.get(f"/{name}/x").status for name in ("one", "two", "three", "four", "five", "six")]
    assert statuses == [200, 200, 302, 503, 502, 200]
    for name, status in zip(("one", "two", "three", "four", "five", "six"), statuses):
        outcomes.check(httpd, {f"forwarded {status // 100}xx": 1}, name)
    farms = outcomes.settled(httpd)
    for name in ("spare", "middle", "moved", "closed", "broken"):
        assert (farms[name]["requests"], *outcomes.of(farms[name])) == (0, {}, {}), name
    came = {name: farms[name]["came"] for name in ("spare", "middle", "moved", "closed", "broken")}
    assert came == {name: {"to": 0, "forward": 2 if name == "spare" else 0, "split": 0, "hand-on": 0} for name in came}


def test_440_08_moved_by_an_instruction(httpd):
    """Contract: the same for `to=`: the farm that was addressed has the outcome, the one that served has it in `came`."""
    a, b = httpd.three("a", "b")
    secret_file(httpd)
    httpd.farm(a).farm(b, name="gold")
    httpd.log.expect_broken()
    httpd.start()
    cookie = {"Cookie": instruction(farm="app", to="gold")}
    assert [httpd.get("/app/x", headers=cookie).member for _ in range(3)] == ["b"] * 3
    assert httpd.get("/gold/x", headers={"Cookie": instruction(farm="gold", to="gold")}).member == "b"
    farm = outcomes.check(httpd, {"served 2xx": 3})
    assert farm["came"] == {"to": 0, "forward": 0, "split": 0, "hand-on": 0}
    farm = outcomes.check(httpd, {"served 2xx": 1}, "gold")
    assert farm["came"] == {"to": 3, "forward": 0, "split": 0, "hand-on": 0}
    assert (httpd.rows()["a"]["requests"], httpd.rows("gold")["b"]["requests"]) == (0, 4)


def test_440_09_aborted(httpd):
    """Contract: "`aborted` (the client left first)": before the answer began, in the middle of it, and in the middle of its own
    body."""
    a = httpd.member("a").hold()
    httpd.farm(a)
    httpd.log.expect(r"AH0(1095|2609|1084|1097|10154)|proxy_http:error")
    httpd.start()
    early = socket.create_connection(("127.0.0.1", httpd.port))
    early.sendall(b"GET /app/x HTTP/1.1\r\nHost: x\r\n\r\n")
    a.wait_for_active(1)
    leave(early)
    # More than the sockets between hold: the server must notice that nobody reads.
    a.always(answer(body=b"x" * 16 * 1024 * KIB)).release()
    outcomes.check(httpd, {"aborted 2xx": 1})
    late = socket.create_connection(("127.0.0.1", httpd.port))
    late.sendall(b"GET /app/x HTTP/1.1\r\nHost: x\r\n\r\n")
    assert late.recv(100).startswith(b"HTTP/1.1 200")
    leave(late)
    assert outcomes.check(httpd, {"aborted 2xx": 2})["requests"] == 2
    body = socket.create_connection(("127.0.0.1", httpd.port))
    body.sendall(b"POST /app/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    leave(body)
    farm = outcomes.settled(httpd)["app"]
    assert (farm["aborted"], farm["served"], farm["failed"]) == (3, 0, 0)


def test_440_10_upgrade_is_1xx(httpd):
    """Contract: "1xx counts 101 only"; interim answers are no answers."""
    from farmhttpd.protocols import WebSocketMember
    from test_140_protocols import upgrade
    a = httpd.member("a", WebSocketMember)
    a.scheme = "http"
    httpd.conf.farm("app", a).proxy("/app/", "http://app/", "upgrade=websocket")
    hints = httpd.member("hints").always(answer(early=members.head("103 Early Hints", [])))
    httpd.farm(hints, name="hints")
    httpd.start()
    sock, stream, _, _ = upgrade(httpd, "/app/x")
    assert outcomes.settled(httpd, running=1)["app"]["answers"]["1xx"] == 0
    with sock, stream:
        pass
    outcomes.check(httpd, {"served 1xx": 1})
    assert httpd.get("/hints/x").status == 200
    outcomes.check(httpd, {"served 2xx": 1}, "hints")


def test_440_11_error_documents_and_subrequests(httpd):
    """Contract: each request counts once: an ErrorDocument that a farm serves is a request of its own, to that farm; so is what
    a page includes, which httpd's log does not see."""
    httpd.conf.load("include", "filter")
    a, sorry = httpd.member("a").always(members.close_after_request), httpd.member("sorry").always(answer(body=b"sorry"))
    httpd.farm(a, "FarmSet fall=1000").farm(sorry, name="sorry")
    httpd.conf.add("ErrorDocument 502 /sorry/page", f"<Directory {httpd.root / 'htdocs'}>",
                   "Options +Includes", "SetOutputFilter INCLUDES", "</Directory>")
    (httpd.root / "htdocs" / "page.shtml").write_text(
        '<!--#include virtual="/sorry/1" --><!--#include virtual="/sorry/2" --><!--#include virtual="/app/3" -->')
    httpd.log.expect_broken()
    httpd.log.expect("AH01372|include:error")
    httpd.start()
    response = httpd.get("/app/x")
    assert response.body == b"sorry"
    # What serves the ErrorDocument decides the status that the client gets and %>s logs.
    outcomes.check(httpd, {f"failed {response.status // 100}xx": 1})
    farm = outcomes.settled(httpd)["sorry"]
    assert (farm["requests"], farm["served"]) == (1, 1)
    assert httpd.get("/page.shtml").body.startswith(b"sorrysorry")
    farms = outcomes.settled(httpd)
    assert (farms["app"]["requests"], farms["app"]["failed"]) == (2, 2)
    assert (farms["sorry"]["requests"], farms["sorry"]["served"]) == (3, 3)


def test_440_12_graceful_restart_in_the_middle(httpd):
    """Contract: "A graceful restart keeps every counter": the old child counts a request that it ends into the same row."""
    a = httpd.member("a").hold()
    httpd.farm(a)
    httpd.start()
    with kept_busy(httpd, a, "/app/x", 2):
        httpd.graceful()
        farm = httpd.farm_status()
        assert (farm["requests"], outcomes.ended(farm)) == (2, 0)
    outcomes.check(httpd, {"served 2xx": 2})
    assert httpd.get("/app/x").status == 200
    outcomes.check(httpd, {"served 2xx": 3})


def test_440_13_many_at_once(httpd):
    """Contract: exactly one outcome each, with every kind of ending at once and in every process."""
    def odd(_request, count=[0]):
        count[0] += 1
        kinds = [answer(), answer("404 No"), members.close_after_request, members.cut(), answer("500 No")]
        return kinds[count[0] % len(kinds)]
    made = [httpd.member(name).always(members.by(odd)) for name in "abc"]
    httpd.farm(*made, "FarmSet fall=1000000 maxattempts=2")
    httpd.log.expect_broken()
    httpd.start()

    def ask(_=None):
        for _ in range(25):
            client.raw(httpd.port, b"GET /app/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    client.at_once(8, ask)
    farm = outcomes.settled(httpd)["app"]
    assert farm["requests"] == outcomes.ended(farm) == 200
    assert farm["served"] > 0 and farm["failed"] > 0 and farm["refused"] == farm["aborted"] == 0
    assert wait.until(lambda: len(httpd.access("/app/x", 200)) == 200, "the access log")
    logged = {}
    for line in httpd.access("/app/x", 200):
        logged[f"{line[0][0]}xx"] = logged.get(f"{line[0][0]}xx", 0) + 1
    assert {key: count for key, count in farm["answers"].items() if count} == logged


def test_440_14_a_question_is_no_request(httpd):
    """Contract: farm-balance "counts as a choice", which is the member's; "a farm's `requests` are its clients' requests"."""
    httpd.farm(httpd.member("a"))
    httpd.conf.handler("farm-balance")
    httpd.start()
    for _ in range(3):
        assert httpd.get("/farm-balance?farm=app").status == 200
    farm = httpd.farm_status()
    assert (farm["requests"], outcomes.ended(farm), httpd.rows()["a"]["requests"]) == (0, 0, 3)
