"""FarmForward among httpd's other modules, and with all that a farm or a member may have of its own."""

import hashlib
import re
import socket

import pytest

from farmhttpd import client, members, wait
from farmhttpd.fallback import log_line
from farmhttpd.members import TlsMember, answer
from farmhttpd.tls import server_context
from test_170_company import including
from test_360_forward import forwards, offline

BOTH = pytest.mark.parametrize("to", ["farm", "server"])
REPORT = ("Endpoint-Load-Metrics", "TEXT cpu_utilization=0.25")


def forwarding(httpd, to, *directives, spare=None):
    """A farm that is offline and forwards to a farm of one member, or straight to that server."""
    spare = spare or httpd.member("spare")
    httpd.conf.farm("other", spare, "FarmSet fall=1000000")
    offline(httpd, "http://other" if to == "farm" else spare.url, *directives)
    return spare


@BOTH
@pytest.mark.parametrize("lines", [
    'ProxyPassMatch "^/m/(.*)$" "http://app/$1"',
    'RewriteEngine On\nRewriteRule "^/m/(.*)$" "http://app/$1" [P]',
    '<If "%{REQUEST_URI} =~ m#^/m/#">\nSetHandler "proxy:http://app"\n</If>',
    '<Location "/m/">\nProxyPass "http://app/"\n</Location>',
], ids=["match", "rewrite", "handler", "location"])
def test_362_01_every_way_in(httpd, to, lines):
    """Contract: whatever maps the request ("ProxyPass, ProxyPassMatch, RewriteRule [P], SetHandler"), the mapped path and
    query are what a plain proxy of the same lines gives."""
    spare = forwarding(httpd, to)
    httpd.conf.add(lines, lines.replace("/m/", "/plain/").replace("http://app", spare.url))
    httpd.start()
    for path in ("x", "a%2525b?c=%2525", "y?"):
        plain, farm = (httpd.get(f"/{name}/{path}").json["target"] for name in ("plain", "m"))
        assert re.sub(r"/m\b", "/plain", farm) == plain, path
    assert forwards(httpd) == (3, 0)


@BOTH
def test_362_02_expect_100_continue(httpd, to):
    """Contract: a forwarded body is asked for once, and arrives."""
    spare = forwarding(httpd, to)
    httpd.start()
    reply = client.raw(httpd.port, b"PUT /app/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n"
                       b"Content-Length: 8\r\n\r\nthe body")
    assert reply.count(b"HTTP/1.1 100") <= 1 and b"HTTP/1.1 200" in reply
    assert spare.bodies == [b"the body"]


@BOTH
def test_362_03_subrequests(httpd, to):
    """What an httpd administrator expects: a page may include what is forwarded."""
    forwarding(httpd, to).always(answer(body=b"[spare]"))
    including(httpd)
    (httpd.root / "htdocs" / "page.shtml").write_text('<!--#include virtual="/app/1" --><!--#include virtual="/app/2" -->')
    httpd.start()
    assert httpd.get("/page.shtml").body == b"[spare][spare]"
    assert forwards(httpd) == (2, 0)


@BOTH
def test_362_04_proxyerroroverride(httpd, to):
    """What an httpd administrator expects: ProxyErrorOverride and ErrorDocument as for any proxied request."""
    spare = forwarding(httpd, to).always(answer("500 Broken", body=b"its own page"))
    (httpd.root / "htdocs" / "sorry.html").write_text("our own page")
    httpd.conf.add("ProxyErrorOverride On", "ErrorDocument 500 /sorry.html", "ErrorDocument 503 /sorry.html")
    httpd.log.expect_broken()
    httpd.start()
    response = httpd.get("/app/x")
    assert (response.status, response.body) == (500, b"our own page")
    spare.refuse()
    response = httpd.get("/app/x")
    assert (response.status, response.body) == (503, b"our own page")


def test_362_05_load_reports(httpd):
    """Contract: "FarmReport … take metrics from the members' `Endpoint-Load-Metrics` response header and remove it": those
    of the farm that served; a server is no member, and what it says goes through."""
    spare, server = httpd.three("spare", "server")
    for member in (spare, server):
        member.always(answer(headers=[REPORT]))
    httpd.conf.farm("other", spare, "FarmReport on").farm("quiet", spare)
    offline(httpd, "http://other", name="one")
    offline(httpd, "http://quiet", "FarmReport on", name="two")
    offline(httpd, server.url, "FarmReport on", name="three")
    httpd.start()
    assert [httpd.get(f"/{name}/x").get(REPORT[0]) for name in ("one", "two", "three")] == [None, REPORT[1], REPORT[1]]
    assert httpd.rows("other")["spare"]["metrics"] == {"cpu_utilization": 0.25}
    assert [httpd.rows(name)[member]["metrics"] for name, member in (("quiet", "spare"), ("one", "nobody"),
                                                                     ("three", "nobody"))] == [{}, {}, {}]


def test_362_06_the_other_farms_key_and_route(httpd):
    """Contract: a farm that is forwarded to applies its own directives: here the expression of its hash, and its routes."""
    made = httpd.three(*"abcd")
    httpd.conf.farm("keyed", *made, 'FarmAlgorithm hash "%{HTTP:X-Key}"')
    httpd.conf.farm("tied", *made, "FarmAlgorithm roundrobin", "FarmSticky route SID")
    for name in ("keyed", "tied"):
        httpd.conf.proxy(f"/{name}/", f"http://{name}/")
        offline(httpd, f"http://{name}", name=f"to-{name}")
    httpd.start()
    keys = [f"key{n}" for n in range(20)]
    straight, forwarded = ([httpd.get(f"/{name}/x", headers={"X-Key": key}).member for key in keys]
                           for name in ("keyed", "to-keyed"))
    assert straight == forwarded and len(set(straight)) > 1
    for route in "abcd" * 2:
        assert httpd.get("/to-tied/x", headers={"Cookie": f"SID=1234.{route}"}).member == route


@BOTH
def test_362_07_https(httpd, certificate, to):
    """Contract: "another farm or a server": by https as well, with the TLS settings there are."""
    httpd.conf.load("ssl")
    spare = httpd.member("spare", TlsMember, server_context(*certificate))
    forwarding(httpd, to, spare=spare)
    httpd.conf.add("SSLProxyEngine On", "SSLProxyCheckPeerCN off", f"SSLProxyCACertificateFile {certificate[0]}",
                   "SSLProxyVerify require")
    httpd.start()
    for _ in range(3):
        assert httpd.get("/app/x", method="POST", body=b"b").member == "spare"


@BOTH
def test_362_08_client_that_goes_away(httpd, to):
    """Contract: "in flight from the choice to its end"; "Never charged to it: a client that goes away"."""
    spare = forwarding(httpd, to).hold()
    httpd.log.expect(r"AH01110|AH01102|proxy_http:|proxy_farm")
    httpd.start()
    with socket.create_connection(("127.0.0.1", httpd.port)) as sock:
        sock.sendall(b"GET /app/x HTTP/1.1\r\nHost: x\r\n\r\n")
        spare.wait_for_active(1)
    spare.always(answer(body=b"y" * 3_000_000)).release()
    httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight", "spare", "other")
    row = httpd.rows("other")["spare"]
    assert (row["errors"], row["health"]) == (0, "up")
    spare.always(answer())
    assert httpd.get("/app/x").status == 200


@BOTH
def test_362_09_timeout(httpd, to):
    """Contract: "Worker parameters given on the ProxyPass line … are the members' defaults"; and ProxyTimeout is the
    server's: what is forwarded ends as well."""
    spare = forwarding(httpd, to).always(members.never)
    httpd.conf.body = [line for line in httpd.conf.body if "/app/" not in line]
    httpd.conf.proxy("/app/", "http://app/", "timeout=1").add("ProxyTimeout 1")
    httpd.log.expect_broken()
    httpd.start()
    with httpd.client() as impatient:
        impatient.connection.timeout = 12
        assert impatient.request("/app/x").status in (502, 503, 504)
    assert spare.count == 1


@BOTH
def test_362_10_answer_that_is_cut(httpd, to):
    """Contract: an answer cut short after bytes have gone out: "the client sees the cut, never a complete answer"; and a
    chunked one too."""
    spare = forwarding(httpd, to)
    httpd.log.expect_broken()
    httpd.start()
    for behaviour in (members.cut(), members.cut_chunked()):
        spare.always(behaviour)
        reply = client.raw(httpd.port, b"GET /app/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert reply.startswith(b"HTTP/1.1 200") and not reply.endswith(b"0\r\n\r\n")
        assert len(reply) < 150_000
    if to == "farm":
        assert httpd.rows("other")["spare"]["errors"] == 2


@BOTH
def test_362_11_large_answers(httpd, to):
    """Contract: what is forwarded is proxied: a large answer arrives whole, several at once."""
    body = bytes(range(256)) * 8000
    forwarding(httpd, to).always(answer(body=body))
    httpd.start()
    digests = {hashlib.sha256(response.body).digest() for response in client.at_once(6, httpd.get, "/app/x")}
    assert digests == {hashlib.sha256(body).digest()}


def test_362_12_more_than_one_door(httpd):
    """Contract: counters are of the farm that forwarded; a request of its own does not count as forwarded there."""
    a = httpd.member("a")
    httpd.farm(a, name="other")
    offline(httpd, "http://other", name="one")
    offline(httpd, "http://OTHER", name="two")
    httpd.start()
    for name, count in (("one", 2), ("two", 3), ("other", 4)):
        assert {httpd.get(f"/{name}/x").member for _ in range(count)} == {"a"}
    assert [forwards(httpd, name) for name in ("one", "two", "other")] == [(2, 0), (3, 0), (0, 0)]
    assert [httpd.farm_status(name)["requests"] for name in ("one", "two")] == [2, 3]
    assert httpd.rows("other")["a"]["requests"] == 9
    lines = wait.until(lambda: len(found := httpd.access("/other/x", 4)) == 4 and found, "four lines")
    assert {line[5] for line in lines} == {"algorithm"}
    assert log_line(httpd, "/one/x")["reason"] == "forward"


def test_362_13_members_that_are_tied_stay(httpd):
    """Contract: `drain` (only requests already tied to it): those a draining farm's member still serves are not forwarded."""
    a, spare = httpd.three("a", "spare")
    httpd.conf.farm("other", spare)
    httpd.farm((a, "admin=drain"), "FarmSticky route SID", "FarmForward offline http://other")
    httpd.start()
    assert httpd.get("/app/x", headers={"Cookie": "SID=1.a"}).member == "a"
    assert httpd.get("/app/x", headers={"Cookie": "SID=1.nosuch"}).member == "spare"
    assert httpd.get("/app/x").member == "spare"
    assert forwards(httpd) == (2, 0)
