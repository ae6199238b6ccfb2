"""Members whose scheme no loaded module carries, and members at unix sockets of every scheme."""

import re

import pytest

from farmhttpd.members import Member
from farmhttpd.protocols import AjpMember, FcgiMember, ScgiMember, UwsgiMember

# What carries each scheme, where mod_proxy_http is loaded and nothing else.
MISSING = {"fcgi": "proxy_fcgi", "scgi": "proxy_scgi", "uwsgi": "proxy_uwsgi", "ajp": "proxy_ajp", "h2c": "proxy_http2",
           "h2": "proxy_http2", "https": "ssl", "wss": "ssl"}
DECLINED = r"AH01113|AH01144|AH00961|proxy_http:"


@pytest.mark.parametrize("scheme", MISSING)
def test_145_01_configtest_warns(httpd, scheme):
    """Contract: "a member's scheme whose mod_proxy_* is not loaded" is a warning, with the file, the line and the module to load;
    one for each farm and scheme; and none once the module is there."""
    httpd.conf.farm("app", f"FarmMember {scheme}://127.0.0.1:1/ name=one", f"FarmMember {scheme}://127.0.0.1:2/ name=two",
                    "FarmMember http://127.0.0.1:3/ name=three", f"FarmForward any {scheme}://127.0.0.1:4/")
    status, said = httpd.configtest()
    assert status == 0, said
    lines = re.findall(r"FARM00041: .*", said)
    assert len(lines) == 2, said
    for line, what in zip(lines, ("name=one", "FarmForward")):
        assert f"httpd.conf:{httpd.conf.line_of(what)}: " in line, line
        assert f"LoadModule {MISSING[scheme]}_module" in line and f"a2enmod {MISSING[scheme]}" in line, line
    httpd.conf.load("ssl", "http2", MISSING[scheme])
    status, said = httpd.configtest()
    assert status == 0 and "FARM00041" not in said, said


def test_145_02_http_itself(httpd):
    """Contract: the same for http without mod_proxy_http; ws is carried by mod_proxy_wstunnel as well."""
    httpd.conf.modules.remove("proxy_http")
    httpd.conf.farm("app", "FarmMember http://127.0.0.1:1/").farm("tunnel", "FarmMember ws://127.0.0.1:1/")
    status, said = httpd.configtest()
    assert status == 0 and len(re.findall("FARM00041.*LoadModule proxy_http_module", said)) == 2, said
    httpd.conf.load("proxy_wstunnel")
    assert len(re.findall("FARM00041", httpd.configtest()[1])) == 1


@pytest.mark.parametrize("scheme", MISSING)
def test_145_03_passed_over(httpd, scheme):
    """Contract: "at run time such a member is passed over as this host's shortage": another member serves, of any method; nothing
    is charged; a line of ours names the member and the module, at most once a second."""
    httpd.conf.one_process()
    other, b = httpd.member("other", Member), httpd.member("b")
    other.scheme = scheme
    httpd.farm(other, b, "FarmAlgorithm roundrobin", "FarmSet retryon=connect")
    httpd.farm(other, name="alone")
    httpd.log.expect("FARM0004[12]", "FARM00012", DECLINED)
    httpd.start()
    for method in ("GET", "POST"):
        assert [httpd.get("/app/x", method=method, body=b"abc" if method == "POST" else None).member
                for _ in range(40)] == ["b"] * 40
    assert set(b.bodies) == {b"", b"abc"}
    assert [httpd.get("/alone/x").status for _ in range(3)] == [503] * 3
    for row in (httpd.rows()["other"], httpd.rows("alone")["other"]):
        assert (row["errors"], row["health"], row["inflight"]) == (0, "up", 0)
    assert other.connections == 0
    lines = httpd.log.lines("FARM00042")
    assert 1 <= len(lines) < 40
    assert "member other" in lines[0] and f"mod_{MISSING[scheme]}" in lines[0], lines[0]


def test_145_04_past_a_remote_proxy(httpd):
    """Contract: the same with ProxyRemote, where mod_proxy itself would ask again without it."""
    httpd.conf.one_process()
    other, b, remote = httpd.three("other", "b", "remote")
    other.scheme = "scgi"
    httpd.farm(other, b, "FarmAlgorithm roundrobin")
    httpd.farm(other, name="alone")
    httpd.conf.add(f'ProxyRemote "*" "{remote.url}"')
    httpd.log.expect("FARM0004[12]", "FARM00012", DECLINED)
    httpd.start()
    assert [httpd.get("/app/x").member for _ in range(10)] == ["remote"] * 10
    assert httpd.get("/alone/x").status == 503
    assert (other.connections, b.connections, httpd.rows()["other"]["inflight"]) == (0, 0, 0)


def test_145_05_forwards(httpd):
    """Contract: a farm all of whose members are passed over gives its status; a server that nobody carries is a 503."""
    other = httpd.member("other")
    other.scheme = "uwsgi"
    httpd.farm("FarmMember http://127.0.0.1:1 name=off admin=off", f"FarmForward any {other.url}")
    httpd.log.expect("FARM0004[12]", "FARM00012", DECLINED)
    httpd.start()
    assert httpd.get("/app/x").status == 503
    assert "the server" in httpd.log.lines("FARM00042")[0]


UNIX = {"http": (Member, []), "fcgi": (FcgiMember, ["proxy_fcgi"]), "scgi": (ScgiMember, ["proxy_scgi"]),
        "uwsgi": (UwsgiMember, ["proxy_uwsgi"]), "ajp": (AjpMember, ["proxy_ajp"])}


@pytest.mark.parametrize("host", ["", "app1", "app1/base"])
@pytest.mark.parametrize("scheme", UNIX)
def test_145_10_unix_sockets_of_every_scheme(httpd, scheme, host):
    """Contract: "`unix:/path.sock|http://host/` is a member too, with any scheme and no port"; also as FarmForward's server."""
    kind, modules = UNIX[scheme]
    httpd.conf.load(*modules).one_process()
    a = httpd.member("a", kind, unix=httpd.unix_path("a"))
    url = f"unix:{a.unix}|{scheme}://{host}"
    httpd.farm(f'FarmMember "{url}" name=a')
    httpd.farm("FarmMember http://127.0.0.1:1 name=off admin=off", f'FarmForward any "{url}"', name="forwards")
    if scheme == "scgi" or scheme == "uwsgi":
        httpd.conf.add("SetEnv proxy-scgi-pathinfo 1")
    httpd.start()
    for target in ("/app/x", "/forwards/x"):
        for method, body in (("GET", None), ("POST", b"abc")):
            response = httpd.get(target, method=method, body=body)
            assert (response.status, response.json["member"]) == (200, "a"), (target, response)
            assert a.bodies[-1] == (body or b"")
    row = httpd.rows()["a"]
    assert (row["errors"], row["requests"]) == (0, 2)


@pytest.mark.parametrize("kind, modules", [(ScgiMember, ["proxy_scgi"]), (UwsgiMember, ["proxy_uwsgi"])], ids=["scgi", "uwsgi"])
def test_145_11_scgi_and_uwsgi(httpd, kind, modules):
    """Contract: every scheme that mod_proxy can carry: scgi and uwsgi members serve, and take over from one that refuses."""
    httpd.conf.load(*modules).one_process()
    dead, a, b = httpd.member("dead", kind, start=False), httpd.member("a", kind), httpd.member("b", kind)
    httpd.farm((dead, "weight=1000"), a, b, "FarmAlgorithm roundrobin", "FarmSet fall=1000000")
    httpd.log.expect_refused()
    httpd.log.expect("AH00866|AH10101")
    httpd.start()
    answers = [httpd.get("/app/x", method="POST", body=b"a body").json for _ in range(6)]
    assert {answer["body"] for answer in answers} == {"a body"} and {answer["member"] for answer in answers} <= {"a", "b"}
    assert dead.connections == 0
