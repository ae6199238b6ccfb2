"""Members of every scheme that mod_proxy carries, also after a failover."""

import json
import socket

import pytest

from farmhttpd import wait
from farmhttpd.client import TIMEOUT
from farmhttpd.env import Httpd
from farmhttpd.members import Member, TlsMember
from farmhttpd.protocols import AjpMember, FcgiMember, WebSocketMember, websocket_accept
from farmhttpd.tls import make_certificate, server_context


def with_dead(httpd, *members, options=""):
    """A farm whose first choice refuses nearly always, so that requests reach the member only by failover."""
    dead = httpd.member("dead", Member, start=False)
    dead.scheme = members[0].scheme
    httpd.farm((dead, f"weight=1000 {options}"), *members, "FarmAlgorithm roundrobin", "FarmSet fall=1000000")
    httpd.log.expect_refused()


@pytest.mark.both_mpms
@pytest.mark.parametrize("kind, modules", [(FcgiMember, ["proxy_fcgi"]), (AjpMember, ["proxy_ajp"])],
                         ids=["fcgi", "ajp"])
def test_140_01_fcgi_and_ajp(httpd, kind, modules):
    """Contract: "for http, https, h2, ws upgrade, ajp, fcgi members alike as far as mod_proxy carries them"."""
    httpd.conf.load(*modules).one_process()
    a, b = httpd.member("a", kind), httpd.member("b", kind)
    httpd.farm(a, b, "FarmAlgorithm roundrobin")
    httpd.start()
    answers = [httpd.get("/app/x.php?q=1", method="POST", body=b"a body").json for _ in range(6)]
    assert sorted(j["member"] for j in answers) == ["a", "a", "a", "b", "b", "b"]
    assert {j["body"] for j in answers} == {"a body"}
    assert all(row["requests"] == 3 and row["errors"] == 0 for row in httpd.rows().values())


@pytest.mark.parametrize("kind, modules", [(FcgiMember, ["proxy_fcgi"]), (AjpMember, ["proxy_ajp"])],
                         ids=["fcgi", "ajp"])
def test_140_02_fcgi_and_ajp_fail_over(httpd, kind, modules):
    """Contract: "If a member cannot be reached, the request goes to another available member … The client sees no
    error"."""
    httpd.conf.load(*modules).one_process()
    a = httpd.member("a", kind)
    with_dead(httpd, a)
    httpd.log.expect(r"proxy_(fcgi|ajp):error")
    httpd.start()
    for n in range(4):
        answer = httpd.get(f"/app/{n}", method="POST", body=b"kept").json
        assert (answer["member"], answer["body"]) == ("a", "kept")
    assert httpd.rows()["dead"]["errors"] >= 3


def test_140_03_fcgi_and_ajp_that_break_off(httpd):
    """Contract: "`retryon=safe` … the same holds when the member fails later (closes, resets, …)"."""
    from farmhttpd.members import close_after_request
    httpd.conf.load("proxy_fcgi", "proxy_ajp").one_process()
    for kind, name in ((FcgiMember, "fcgi"), (AjpMember, "ajp")):
        bad = httpd.member("bad", kind).always(close_after_request)
        good = httpd.member("good", kind)
        httpd.farm((bad, "weight=100"), good, "FarmAlgorithm roundrobin", "FarmSet fall=1000", name=name)
    httpd.log.expect_broken()
    httpd.log.expect(r"proxy_(fcgi|ajp):error|AH01075|AH01067|AH01068|AH00992")
    httpd.start()
    for name in ("fcgi", "ajp"):
        assert [httpd.get(f"/{name}/{n}").member for n in range(4)] == ["good"] * 4
        assert httpd.rows(name)["bad"]["errors"] >= 3


@pytest.mark.both_mpms
def test_140_04_unix_socket(httpd):
    """Contract: "`unix:/path.sock|http://host/` is a member too"."""
    httpd.conf.one_process()
    a, b = (httpd.member(name, unix=httpd.unix_path(name)) for name in "ab")
    httpd.farm(a, b, "FarmAlgorithm roundrobin")
    httpd.start()
    answers = [httpd.get("/app/x?y") for _ in range(4)]
    assert sorted(r.member for r in answers) == ["a", "a", "b", "b"]
    assert {r.json["headers"]["host"] for r in answers} == {"localhost"}
    assert httpd.rows()["a"]["url"] == a.url


def test_140_05_unix_socket_fails_over(httpd):
    """Contract: "If a member cannot be reached, the request goes to another available member"."""
    httpd.conf.one_process()
    a = httpd.member("a", unix=httpd.unix_path("a"))
    tcp = httpd.member("tcp")
    httpd.farm(f'FarmMember "unix:{httpd.root}/run/no.sock|http://localhost/" name=gone weight=50', a, tcp,
               "FarmAlgorithm roundrobin", "FarmSet fall=1000")
    httpd.log.expect_refused()
    httpd.start()
    assert {httpd.get(f"/app/{n}").member for n in range(60)} == {"a", "tcp"}
    assert httpd.rows()["gone"]["errors"] > 0


def test_140_06_fcgi_over_a_unix_socket(httpd):
    """Contract: a unix: member of another scheme."""
    httpd.conf.load("proxy_fcgi")
    a = httpd.member("a", FcgiMember, unix=httpd.unix_path("a"))
    httpd.conf.farm("app", a).proxy("/app/", "http://app/").proxy("/plain/", f"{a.url}/")
    httpd.start()
    farm, plain = httpd.get("/app/x.php?q").json, httpd.get("/plain/x.php?q").json
    assert farm["SCRIPT_FILENAME"] == plain["SCRIPT_FILENAME"]
    assert farm["QUERY_STRING"] == "q"


TLS_LINES = ["SSLProxyEngine On", "SSLProxyCheckPeerCN off"]


@pytest.mark.both_mpms
def test_140_07_https(httpd, certificate):
    """Contract: "https … members"; the member's certificate is checked as for a plain ProxyPass."""
    httpd.conf.load("ssl").one_process()
    context = server_context(*certificate)
    a, b = (httpd.member(name, TlsMember, context) for name in "ab")
    httpd.farm(a, b, "FarmAlgorithm roundrobin")
    httpd.conf.add(*TLS_LINES, f"SSLProxyCACertificateFile {certificate[0]}", "SSLProxyVerify require")
    httpd.start()
    assert sorted(httpd.get("/app/x").member for _ in range(6)) == ["a", "a", "a", "b", "b", "b"]
    assert a.connections <= 2 and b.connections <= 2


def test_140_08_https_fails_over(httpd, certificate):
    """Contract: "If a member cannot be reached, the request goes to another available member"."""
    httpd.conf.load("ssl").one_process()
    a = httpd.member("a", TlsMember, server_context(*certificate))
    with_dead(httpd, a)
    httpd.conf.add(*TLS_LINES, f"SSLProxyCACertificateFile {certificate[0]}", "SSLProxyVerify require")
    httpd.start()
    assert [httpd.get(f"/app/{n}").member for n in range(4)] == ["a"] * 4


def test_140_09_tls_settings_do_not_leak(httpd, certificate, tmp_path):
    """Contract: "one pool per member, virtual host and set of worker parameters, so that neither SSLProxy* settings …
    leak from one to another"."""
    httpd.conf.load("ssl").one_process()
    a = httpd.member("a", TlsMember, server_context(*certificate))
    stranger, _ = make_certificate(tmp_path)
    (httpd.root / "stranger.crt").write_bytes(stranger.read_bytes())
    httpd.conf.farm("app", a, "FarmSet fall=1000 maxattempts=1")
    for name, trusted in (("one", certificate[0]), ("two", httpd.root / "stranger.crt")):
        httpd.conf.add(f"<VirtualHost 127.0.0.1:{httpd.port}>", f"ServerName {name}.test", *TLS_LINES,
                       f"SSLProxyCACertificateFile {trusted}", "SSLProxyVerify require",
                       'ProxyPass "/" "http://app/"', "</VirtualHost>")
    httpd.log.expect_broken()
    httpd.log.expect(r"AH02039|AH00961|AH02004|AH02003|ssl:error|AH01084|AH01097")
    httpd.start()
    for _ in range(3):
        assert httpd.get("/x", host="one.test").status == 200
        assert httpd.get("/x", host="two.test").status >= 500
    assert a.count == 3


def upgrade(httpd, target):
    """Does the handshake; returns the open socket, the status line and what the member said first."""
    sock = socket.create_connection(("127.0.0.1", httpd.port), timeout=TIMEOUT)
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    sock.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
    stream = sock.makefile("rb")
    status = stream.readline()
    headers = b""
    while (line := stream.readline()) not in (b"\r\n", b""):
        headers += line
    hello = json.loads(stream.readline()) if b" 101 " in status else None
    assert hello is None or websocket_accept(key).encode() in headers
    return sock, stream, status, hello


@pytest.mark.both_mpms
@pytest.mark.parametrize("farm_url, member_scheme, options", [
    ("ws://app/", "ws", ""), ("http://app/", "ws", "upgrade=websocket"), ("http://app/", "http", "upgrade=websocket"),
    ("ws://app/", "http", "upgrade=websocket"),
])
def test_140_10_websocket(httpd, farm_url, member_scheme, options):
    """Contract: "ws upgrade"; Contract: "A request is in flight from the choice to its end"."""
    httpd.conf.load("proxy_wstunnel")
    a = httpd.member("a", WebSocketMember)
    a.scheme = member_scheme
    httpd.conf.farm("app", a).proxy("/app/", farm_url, options)
    httpd.start()
    sock, stream, status, hello = upgrade(httpd, "/app/chat/%2525?room=%2F")
    with sock:
        assert b" 101 " in status
        assert hello == {"member": "a", "target": "/chat/%2525?room=%2F"}
        for size in (1, 100, 50_000):
            data = bytes(n % 251 for n in range(size))
            sock.sendall(data)
            assert stream.read(size) == data
        httpd.wait_for_row(lambda row: row["inflight"] == 1, "the upgraded connection to be in flight")
        stream.close()
    httpd.wait_for_row(lambda row: row["inflight"] == 0, "the upgraded connection to be over")
    assert httpd.rows()["a"]["errors"] == 0


@pytest.mark.parametrize("line", ['"^(/.*)$" "http://app$1"', '"^/(.*)$" "http://app/$1"'])
def test_140_14_upgrade_of_proxypassmatch(httpd, line):
    """Contract: parameters of the line, `upgrade` among them, "also where the URL ends in a capture, `http://app$1`"."""
    a = httpd.member("a", WebSocketMember)
    a.scheme = "http"
    httpd.conf.farm("app", a).add(f"ProxyPassMatch {line} upgrade=websocket")
    httpd.start()
    for target in ("/", "/chat?room=1"):
        sock, stream, status, hello = upgrade(httpd, target)
        with sock:
            assert b" 101 " in status and hello == {"member": "a", "target": target}
            stream.close()
    # A child of any httpd takes ten seconds to stop when it is told to while a tunnel is just closing.
    wait.until(lambda: not a.open, "the last tunnel to close")


def test_140_11_websocket_fails_over(httpd):
    """Contract: "If a member cannot be reached, the request goes to another available member"."""
    httpd.conf.load("proxy_wstunnel").one_process()
    a = httpd.member("a", WebSocketMember)
    with_dead(httpd, a)
    httpd.conf.body = [line.replace('"http://app/"', '"ws://app/"') for line in httpd.conf.body]
    httpd.start()
    for _ in range(3):
        sock, stream, status, hello = upgrade(httpd, "/app/a%2520b?c")
        with sock, stream:
            assert b" 101 " in status and hello["target"] == "/a%2520b?c"
            sock.sendall(b"echo")
            assert stream.read(4) == b"echo"
    # A child of any httpd takes ten seconds to stop when it is told to while a tunnel is just closing.
    wait.until(lambda: not a.open, "the last tunnel to close")


@pytest.fixture
def h2c_member():
    """A second real httpd with mod_http2: its answers tell the request line and who it is."""
    server = Httpd(farm_module=None)
    server.conf.load("http2")
    server.conf.add("Protocols h2c http/1.1", "AllowEncodedSlashes NoDecode", "RewriteEngine On",
                    'RewriteRule ".*" "/index.html" [L]', 'Header always set X-Line "expr=%{THE_REQUEST}"')
    (server.root / "htdocs" / "index.html").write_text("h2c")
    server.log.expect(r"AH10034|AH00035")
    try:
        yield server.start()
        server.check_clean_end()
    finally:
        server.close()


@pytest.mark.parametrize("dead", [False, True], ids=["alone", "failover"])
def test_140_12_h2c(httpd, h2c_member, dead):
    """Contract: "for http, https, h2, … members alike as far as mod_proxy carries them"."""
    httpd.conf.load("proxy_http2", "http2").one_process()
    live = f"h2c://127.0.0.1:{h2c_member.port}"
    gone = [f"FarmMember {(d := httpd.member('d', start=False)).url.replace('http', 'h2c')} name=dead weight=1000"]
    httpd.conf.farm("app", *(gone if dead else []), f"FarmMember {live} name=a", "FarmAlgorithm roundrobin",
                    "FarmSet fall=1000000")
    httpd.conf.proxy("/app/", "http://app/").proxy("/plain/", f"{live}/").add("AllowEncodedSlashes NoDecode")
    httpd.log.expect_broken()
    httpd.log.expect(r"AH03353|AH03354|AH03355|AH03356|AH02981|AH10403|proxy_http2:error" if dead else "AH10403")
    httpd.start()
    for path in ("x", "a%2525b?c=%2F", "a%2Fb", "a;b?c"):
        farm, plain = httpd.get(f"/app/{path}"), httpd.get(f"/plain/{path}")
        assert (farm.status, farm.body) == (plain.status, plain.body) == (200, b"h2c")
        assert farm.get("X-Line") == plain.get("X-Line") and "HTTP/2" in farm.get("X-Line")
    row = httpd.rows()["a"]
    assert row["requests"] == 4 and row["errors"] == 0 and row["inflight"] == 0


@pytest.mark.both_mpms
def test_140_13_clients_over_http2(httpd):
    """Design: "HTTP/2 secondary connections have none" (no scoreboard slot): in-flight counts must hold there too."""
    if httpd.mpm == "prefork":
        httpd.log.expect("AH10034")
    httpd.conf.load("http2").add("Protocols h2c http/1.1")
    a = httpd.member("a")
    httpd.farm(a)
    httpd.start()
    front = Httpd(farm_module=None)
    try:
        # The client is another httpd that speaks h2c; prefork's mod_http2 refuses it and says so.
        front.conf.load("proxy_http2", "http2").proxy("/", f"h2c://127.0.0.1:{httpd.port}/")
        front.log.expect_broken()
        front.log.expect("proxy_http2")
        front.start()
        statuses = {front.get(f"/app/{n}").status for n in range(10)}
        if httpd.mpm == "event":
            assert statuses == {200} and a.count == 10
        front.stop()
    finally:
        front.close()
    httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight")
    wait.until(lambda: httpd.rows()["a"]["requests"] == a.count, "as many requests as the member saw")
