"""Connections are pooled per member, virtual host, ProxyPass line and TLS settings."""

import socket
import subprocess

import pytest

from farmhttpd import client, wait
from farmhttpd.members import answer, early_hints, never


@pytest.mark.both_mpms
def test_130_01_connections_are_used_again(httpd):
    """Contract: "mod_proxy goes on with a pooled connection to it"."""
    members = httpd.three()
    httpd.farm(*members, "FarmAlgorithm roundrobin")
    httpd.conf.one_process()
    httpd.start()
    for n in range(60):
        assert httpd.get(f"/app/{n}").status == 200
    assert [m.count for m in members] == [20, 20, 20]
    assert all(m.connections <= 2 for m in members), [m.connections for m in members]


def test_130_02_disablereuse(httpd):
    """Contract: FarmMember takes "disablereuse": then each request has a connection of its own."""
    a, b = httpd.three("a", "b")
    httpd.farm((a, "disablereuse=on"), b, "FarmAlgorithm roundrobin")
    httpd.conf.one_process()
    httpd.start()
    for n in range(20):
        assert httpd.get(f"/app/{n}").status == 200
    assert (a.connections, a.count, b.count) == (10, 10, 10)
    assert b.connections <= 2


def test_130_03_disablereuse_on_the_proxypass_line(httpd):
    """Contract: "Worker parameters given on the ProxyPass line … are the members' defaults; those on a FarmMember
    line win"."""
    a, b = httpd.three("a", "b")
    httpd.conf.farm("app", a, (b, "disablereuse=off"), "FarmAlgorithm roundrobin")
    httpd.conf.proxy("/app/", "http://app/", "disablereuse=on").one_process()
    httpd.start()
    for n in range(20):
        assert httpd.get(f"/app/{n}").status == 200
    assert a.connections == 10
    assert b.connections <= 2


def test_130_04_member_that_closes_idle_connections(httpd):
    """Contract: a pooled connection that the member has closed meanwhile is nobody's failure."""
    a = httpd.member("a")
    httpd.farm(a)
    httpd.conf.one_process()
    httpd.start()
    for n in range(5):
        assert httpd.get(f"/app/{n}").status == 200
        a.hang_up()
        wait.until(lambda: not a.open, "the member to close its connections")
    assert a.count == 5
    row = httpd.rows()["a"]
    assert (row["errors"], row["health"], row["requests"]) == (0, "up", 5)


@pytest.mark.parametrize("mount, options, wins", [
    ("/app/", "timeout=1", "ProxyPass"), ("/app/", "", "ProxyTimeout"), ("/app/", "timeout=25", "FarmMember"),
], ids=lambda v: str(v))
def test_130_05_timeouts(httpd, mount, options, wins):
    """Contract: "Worker parameters given on the ProxyPass line (timeout, …) are the members' defaults; those on a
    FarmMember line win"."""
    a = httpd.member("a").always(never)
    httpd.conf.farm("app", (a, "timeout=1" if wins == "FarmMember" else ""), "FarmSet maxattempts=1")
    httpd.conf.proxy(mount, "http://app/", options)
    httpd.conf.add(f"ProxyTimeout {1 if wins == 'ProxyTimeout' else 25}")
    httpd.log.expect_broken()
    httpd.start()
    # With the other value (25 s) the client would give up before the server does.
    with client.Client(httpd.port) as impatient:
        impatient.connection.timeout = 12
        assert impatient.request(mount + "x").status in (502, 504)


def test_130_06_timeouts_do_not_leak(httpd):
    """Contract: "one pool per member, virtual host, ProxyPass line and TLS settings in force, so that neither SSLProxy*
    settings, client certificates nor timeouts leak from one to another"."""
    a = httpd.member("a")
    httpd.conf.farm("app", a, "FarmSet maxattempts=1 fall=1000")
    # Different paths, since mod_proxy itself takes only the first parameters of several lines for one URL.
    httpd.conf.proxy("/fast/", "http://app/f/", "timeout=1").proxy("/slow/", "http://app/s/", "timeout=28")
    httpd.conf.one_process()
    httpd.log.expect_broken()
    httpd.start()
    for mount in ("/slow/", "/fast/", "/slow/"):
        assert httpd.get(mount + "x").status == 200
    a.always(never)
    with client.Client(httpd.port) as impatient:
        impatient.connection.timeout = 12
        assert impatient.request("/fast/x").status in (502, 504)
    # The slow one is still waiting when the fast one, started after it, has given up.
    a.hold()
    with socket.create_connection(("127.0.0.1", httpd.port), timeout=25) as slow:
        slow.sendall(b"GET /slow/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        a.wait_for_active(1)
        assert httpd.get("/fast/x").status in (502, 504)
        a.release()
        assert slow.recv(12) == b"HTTP/1.1 200"


def test_130_07_parameters_of_proxypass_in_virtual_hosts(httpd):
    """Contract: "one pool per member, virtual host, ProxyPass line"."""
    a = httpd.member("a")
    httpd.conf.farm("app", a).one_process()
    for name, options in (("one", "disablereuse=on"), ("two", "")):
        httpd.conf.add(f"<VirtualHost 127.0.0.1:{httpd.port}>", f"ServerName {name}.test",
                       f'ProxyPass "/" "http://app/" {options}', "</VirtualHost>")
    httpd.start()
    for name, most in (("two", 2), ("one", 10), ("two", 2)):
        a.forget()
        for n in range(10):
            assert httpd.get(f"/{n}", host=f"{name}.test").status == 200
        assert a.connections == 10 if name == "one" else a.connections <= most


def test_130_08_full_pool_is_not_the_members_failure(httpd):
    """Contract: "Never charged to it: … this host's own shortage (files, ports, memory, connections in the pool)"."""
    a = httpd.member("a").hold()
    httpd.farm((a, "max=1 acquire=50"))
    httpd.conf.one_process()
    httpd.log.expect(r"AH00941|AH00943|AH01114|proxy_farm")
    httpd.start()
    def ask():
        return httpd.get("/app/x").status
    with client.ThreadPoolExecutor(4) as pool:
        first = pool.submit(ask)
        a.wait_for_active(1)
        others = [pool.submit(ask) for _ in range(3)]
        assert {f.result(wait.patiently(30)) for f in others} == {503}
        a.release()
        assert first.result(wait.patiently(30)) == 200
    row = httpd.rows()["a"]
    assert (row["health"], row["errors"], row["inflight"]) == ("up", 0, 0)


@pytest.mark.both_mpms
def test_130_09_large_answers_and_bodies(httpd):
    """Contract: "the whole path … on real input": a megabyte each way, byte for byte, counted."""
    a = httpd.member("a").always(answer(body=b"z" * 1_000_000))
    httpd.farm(a)
    httpd.start()
    body = bytes(range(256)) * 4096
    response = httpd.get("/app/x", method="POST", body=body)
    assert response.body == b"z" * 1_000_000
    assert a.bodies == [body]
    row = httpd.rows()["a"]
    assert row["bytes_in"] >= 1_000_000 and row["bytes_out"] >= len(body)
    assert row["bytes_in"] < 1_010_000 and row["bytes_out"] < len(body) + 10_000


def test_130_10_head_early_hints_and_continue(httpd):
    """Contract: "1xx answers do not change it"; HEAD, 103 and 100-continue pass as behind a plain ProxyPass."""
    a = httpd.member("a")
    httpd.farm(a)
    httpd.conf.one_process()
    httpd.start()
    assert httpd.get("/app/x", method="HEAD").body == b""
    for hints in (1, 3):
        a.next(early_hints(hints))
        reply = client.raw(httpd.port, b"GET /app/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert reply.count(b"HTTP/1.1 103") == hints
        assert reply.count(b"HTTP/1.1 200 OK") == 1 and b'"member": "a"' in reply
    reply = client.raw(httpd.port, b"POST /app/x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n"
                       b"Connection: close\r\n\r\nabc")
    assert b"200 OK" in reply and b'"body": "abc"' in reply
    assert httpd.rows()["a"]["errors"] == 0


def test_130_11_a_pool_for_each_line(httpd):
    """Contract: "one pool per member, virtual host, ProxyPass line": also of lines without parameters. The one connection that a
    line may have is in use, and requests by another line do not wait for it."""
    a = httpd.member("a").hold()
    httpd.conf.farm("app", (a, "max=1 acquire=50"), "FarmSet maxattempts=1")
    httpd.conf.proxy("/one/", "http://app/one/").proxy("/two/", "http://app/two/").one_process()
    httpd.conf.add('RewriteEngine on', 'RewriteRule "^/three/(.*)" "http://app/three/$1" [P]')
    httpd.log.expect(r"AH00941|AH00943|AH01114|proxy_farm")
    httpd.start()
    with client.ThreadPoolExecutor(4) as pool:
        held = []
        for line in ("one", "two", "three"):
            held.append(pool.submit(httpd.get, f"/{line}/held"))
            a.wait_for_active(len(held))
        assert [httpd.get(f"/{line}/x").status for line in ("one", "two", "three")] == [503] * 3
        a.release()
        assert [answer.result(wait.patiently(30)).status for answer in held] == [200] * 3
    assert a.connections == 3


def test_130_12_the_line_that_mod_proxy_finds(httpd):
    """Contract: as mod_proxy finds a worker: by the longest URL that the request's begins with, in any letters of the host, and not
    by another scheme."""
    a = httpd.member("a")
    httpd.conf.farm("app", a).one_process()
    httpd.conf.add('ProxyPass "/deep/" "http://APP/base/deep/" disablereuse=on', 'ProxyPass "/base/" "http://app/base/"',
                   'ProxyPass "/tls/" "https://app/base/deep/"')
    httpd.start()
    for path, most in (("/deep/x", 10), ("/base/deep/x", 10), ("/base/x", 2), ("/tls/x", 2)):
        a.forget()
        for _ in range(10):
            assert httpd.get(path).status == 200
        assert a.connections == 10 if most == 10 else a.connections <= most, path
        a.hang_up()


PATTERNS = {
    "host and capture": ('"^(/.*)$" "http://app$1"', ["/", "/x", "/long/path?q"]),
    "path is a capture": ('"^/(.*)$" "http://app/$1"', ["/", "/x", "/long/path?q"]),
    "two captures": ('"^/(\\w*)/(.*)$" "http://app/$1/of/$2"', ["/a/b", "/a/"]),
    "the farm is a capture": ('"^/m/(\\w+)(/.*)$" "http://$1$2"', ["/m/app/x", "/m/APP/"]),
    "no capture": ('"^/fixed" "http://app/one"', ["/fixed"]),
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_130_13_parameters_of_proxypassmatch(httpd, pattern):
    """Contract: "Worker parameters given on the ProxyPass or ProxyPassMatch line (timeout, …; also where the URL ends in a
    capture, `http://app$1`) are the members' defaults"."""
    line, paths = PATTERNS[pattern]
    a = httpd.member("a")
    httpd.conf.farm("app", a, "FarmSet maxattempts=1 fall=1000").one_process()
    httpd.conf.add(f"ProxyPassMatch {line} timeout=1", "ProxyTimeout 25")
    httpd.log.expect_broken()
    httpd.start()
    for path in paths:
        assert httpd.get(path).status == 200, path
        a.next(never)
        with client.Client(httpd.port) as impatient:
            impatient.connection.timeout = 12
            assert impatient.request(path).status in (502, 504), path


def test_130_14_captures_do_not_end_reuse(httpd):
    """Contract: "mod_proxy goes on with a pooled connection": a farm's members have fixed addresses, so a capture in the line
    does not take their connections away, and `disablereuse=on` written there does."""
    a = httpd.member("a")
    httpd.conf.farm("app", a).one_process()
    httpd.conf.add('ProxyPassMatch "^/once(/.*)$" "http://app/once$1" disablereuse=on', 'ProxyPassMatch "^(/.*)$" "http://app$1"')
    httpd.start()
    for path, most in (("/x", 2), ("/once/x", 10), ("/x", 2)):
        a.forget()
        for _ in range(10):
            assert httpd.get(path).status == 200
        assert a.connections == 10 if most == 10 else a.connections <= most, path


FAILING_POOL = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <apr_reslist.h>
APR_DECLARE(apr_status_t) apr_reslist_create(apr_reslist_t **list, int min, int smax, int hmax, apr_interval_time_t ttl,
    apr_reslist_constructor con, apr_reslist_destructor de, void *params, apr_pool_t *pool)
{
    apr_status_t (*real)(apr_reslist_t **, int, int, int, apr_interval_time_t, apr_reslist_constructor,
                         apr_reslist_destructor, void *, apr_pool_t *) = dlsym(RTLD_NEXT, "apr_reslist_create");
    return hmax == 7 ? APR_ENOMEM : real(list, min, smax, hmax, ttl, con, de, params, pool);
}
"""


def test_130_15_a_pool_that_cannot_be_made(httpd, monkeypatch):
    """Contract: a pool that cannot be made is "this host's own shortage (… memory, connections in the pool)": another member
    serves, nothing is charged, and a log line a second is all that it costs."""
    source, library = httpd.root / "failing.c", httpd.root / "failing.so"
    source.write_text(FAILING_POOL)
    flags = subprocess.run(["apr-1-config", "--includes", "--cppflags"], capture_output=True, text=True, check=True).stdout.split()
    subprocess.run(["gcc", "-shared", "-fPIC", *flags, "-o", str(library), str(source), "-ldl"], check=True)
    environment = {**httpd.environment, "LD_PRELOAD": str(library)}
    monkeypatch.setattr(type(httpd), "environment", property(lambda self: environment))
    a, b = httpd.three("a", "b")
    httpd.farm((a, "max=7"), b, "FarmAlgorithm roundrobin")
    httpd.farm((a, "max=7"), name="alone")
    httpd.conf.one_process()
    httpd.log.expect("FARM00011", "FARM00012")
    httpd.start()
    for method in ("GET", "POST"):
        assert [httpd.get("/app/x", method=method).member for _ in range(60)] == ["b"] * 60
    assert [httpd.get("/alone/x").status for _ in range(10)] == [503] * 10
    rows = httpd.rows()
    assert (rows["a"]["errors"], rows["a"]["health"], rows["a"]["inflight"], rows["b"]["inflight"]) == (0, "up", 0, 0)
    assert a.connections == 0
    assert 1 <= len(httpd.log.lines("FARM00011")) < 60
