"""Every way in which mod_proxy maps a request reaches the farm, and nothing else does."""

import pytest

from farmhttpd.conf import BALANCER_MODULES


@pytest.mark.both_mpms
def test_100_01_proxypass(httpd):
    """Contract: "mod_proxy maps the request first (ProxyPass, …)" and the farm chooses a member."""
    httpd.farm(*httpd.three(), "FarmAlgorithm roundrobin")
    httpd.conf.one_process()
    httpd.start()
    answers = [httpd.get("/app/some/path?a=b") for _ in range(6)]
    assert {a.status for a in answers} == {200}
    assert sorted(a.member for a in answers) == ["a", "a", "b", "b", "c", "c"]
    assert {a.json["target"] for a in answers} == {"/some/path?a=b"}


MAPPINGS = {
    "ProxyPass in a Location": '<Location "/m/">\nProxyPass "http://app/"\n</Location>',
    "ProxyPassMatch": 'ProxyPassMatch "^/m/(.*)$" "http://app/$1"',
    "ProxyPassMatch without a substitution": 'ProxyPassMatch "^/m(/.*)$" "http://app$1"',
    "RewriteRule in the server": 'RewriteEngine On\nRewriteRule "^/m/(.*)$" "http://app/$1" [P]',
    "RewriteRule in a Directory": '<Directory "HTDOCS">\nRewriteEngine On\nRewriteRule "^m/(.*)$" "http://app/$1" [P]\n'
                                  "</Directory>",
    "RewriteRule in a Location": '<Location "/m/">\nRewriteEngine On\nRewriteRule "/m/(.*)$" "http://app/$1" [P]\n'
                                 "</Location>",
    "ProxyPass with an interpolated name": 'SetEnv FARM app\nRewriteEngine On\nRewriteRule "^" "-" [E=WHERE:app]\n'
                                           'ProxyPassInterpolateEnv On\nProxyPass "/m/" "http://${WHERE}/" interpolate',
}


@pytest.mark.parametrize("lines", MAPPINGS.values(), ids=MAPPINGS.keys())
def test_100_02_other_mappings(httpd, lines):
    """Contract: "mod_proxy maps the request first (ProxyPass, ProxyPassMatch, RewriteRule [P], …)"."""
    httpd.conf.farm("app", *httpd.three("a", "b"))
    httpd.log.expect(r"AH00111: Config variable \$\{WHERE\}")
    httpd.conf.add(lines.replace("HTDOCS", str(httpd.root / "htdocs")))
    httpd.start()
    answers = [httpd.get("/m/x/y?q=1") for _ in range(4)]
    assert {a.status for a in answers} == {200}
    assert {a.json["target"] for a in answers} == {"/x/y?q=1"}
    assert httpd.farm_status()["requests"] == 4


@pytest.mark.parametrize("tail", ["", "/", "/ctx"])
def test_100_03_sethandler(httpd, tail):
    """Contract: "SetHandler "proxy:…""; the target is what mod_proxy makes of it for a plain server."""
    a = httpd.member("a")
    httpd.conf.farm("app", a)
    for name in ("viafarm", "bare"):
        (httpd.root / "htdocs" / name).mkdir()
        (httpd.root / "htdocs" / name / "x.y").write_text("not this")
    httpd.conf.add(f'<Location "/viafarm/">\nSetHandler "proxy:http://app{tail}"\n</Location>',
                   f'<Location "/bare/">\nSetHandler "proxy:{a.url}{tail}"\n</Location>')
    httpd.start()
    farm, bare = httpd.get("/viafarm/x.y?q=1"), httpd.get("/bare/x.y?q=1")
    assert (farm.status, bare.status) == (200, 200)
    assert farm.json["target"].replace("/viafarm/", "/bare/") == bare.json["target"]
    assert httpd.farm_status()["requests"] == 1


def test_100_04_sethandler_in_htaccess(httpd):
    """Contract: farms serve reverse-proxied requests; an .htaccess may say SetHandler "proxy:…" too."""
    httpd.conf.farm("app", httpd.member("a"))
    (httpd.root / "htdocs" / "sub").mkdir()
    (httpd.root / "htdocs" / "sub" / ".htaccess").write_text('SetHandler "proxy:http://app/"\n')
    httpd.start()
    assert httpd.get("/sub/").member == "a"
    assert httpd.farm_status()["requests"] == 1


@pytest.mark.parametrize("configured, used", [("app", "APP"), ("App", "aPP"), ("APP", "app")])
def test_100_05_farm_names_have_no_case(httpd, configured, used):
    """Contract: "Farm names compare case-insensitively, as host names do"."""
    httpd.conf.farm(configured, httpd.member("a"))
    httpd.conf.proxy("/m/", f"http://{used}/")
    httpd.start()
    assert httpd.get("/m/x").member == "a"
    assert httpd.farm_status(configured)["requests"] == 1


@pytest.mark.parametrize("port", [80, 8080])
def test_100_06_url_with_a_port_is_no_farm(httpd, port):
    """Contract: "If the host of the resulting URL names a farm and the URL has no port, the farm handles it"."""
    a = httpd.member("a")
    httpd.conf.farm("app", a)
    httpd.conf.proxy("/m/", f"http://app:{port}/")
    httpd.log.expect(r"AH00898|DNS lookup|AH01059|AH00957|AH01114")
    httpd.start()
    assert httpd.get("/m/x").status >= 500
    assert a.count == 0 and httpd.farm_status()["requests"] == 0


def test_100_07_plain_proxypass_beside_a_farm(httpd):
    """Contract: "Any other URL is left alone, so plain ProxyPass … work beside farms"."""
    a, b = httpd.three("a", "b")
    httpd.farm(a)
    httpd.conf.proxy("/plain/", f"{b.url}/").proxy("/same/", f"{a.url}/")
    httpd.start()
    assert httpd.get("/plain/x").member == "b"
    assert httpd.get("/same/x").member == "a"
    assert httpd.get("/app/x").member == "a"
    assert httpd.rows()["a"]["requests"] == 1


@pytest.mark.parametrize("balancer", ["app", "other"])
def test_100_08_balancer_beside_a_farm(httpd, balancer):
    """Contract: "balancer:// (also balancer://NAME of a farm's name) work beside farms"."""
    a, b, c = httpd.three()
    httpd.conf.load(*BALANCER_MODULES)
    httpd.farm(a)
    httpd.conf.add(f'<Proxy "balancer://{balancer}">', f"BalancerMember {b.url}", f"BalancerMember {c.url}", "</Proxy>")
    httpd.conf.proxy("/bal/", f"balancer://{balancer}/")
    httpd.start()
    assert sorted(httpd.get("/bal/x").member for _ in range(4)) == ["b", "b", "c", "c"]
    assert {httpd.get("/app/x").member for _ in range(4)} == {"a"}
    assert httpd.farm_status()["requests"] == 4


def test_100_09_every_virtual_host(httpd):
    """Contract: "shared by all virtual hosts and processes"; Contract: "Farms are visible in every virtual host"."""
    a = httpd.member("a")
    httpd.conf.farm("app", a)
    for name in ("one", "two"):
        httpd.conf.add(f"<VirtualHost 127.0.0.1:{httpd.port}>", f"ServerName {name}.test",
                       f'ProxyPass "/{name}/" "http://app/"', "</VirtualHost>")
    httpd.start()
    assert httpd.get("/one/x", host="one.test").member == "a"
    assert httpd.get("/two/x", host="two.test").member == "a"
    assert httpd.rows()["a"]["requests"] == 2


def test_100_10_farm_only_in_a_virtual_host_that_came_first(httpd):
    """Contract: `<Farm>` is server config; a virtual host written above the section sees it too."""
    a = httpd.member("a")
    httpd.conf.head += [f"<VirtualHost 127.0.0.1:{httpd.port}>", "ServerName one.test",
                        'ProxyPass "/m/" "http://app/"', "</VirtualHost>"]
    httpd.conf.farm("app", a)
    httpd.start()
    assert httpd.get("/m/x", host="one.test").member == "a"


@pytest.mark.parametrize("prefix, target", [("", "/x/y?q"), ("/base", "/base/x/y?q"), ("/base/", "/base/x/y?q"),
                                            ("/two/levels", "/two/levels/x/y?q")])
def test_100_11_path_in_the_members_url(httpd, prefix, target):
    """Contract: "a path in the URL goes before the request's"."""
    httpd.farm(httpd.member("a", path=prefix))
    httpd.start()
    assert httpd.get("/app/x/y?q").json["target"] == target


def test_100_12_members_that_share_a_prefix(httpd):
    """Design: "mod_proxy lets `http://h/m1` swallow `http://h/m10`": each member has its own path all the same."""
    a = httpd.member("a")
    httpd.farm(f"FarmMember {a.url}/m1 name=m1", f"FarmMember {a.url}/m10 name=m10", f"FarmMember {a.url} name=m",
               "FarmAlgorithm roundrobin")
    httpd.conf.one_process()
    httpd.start()
    targets = sorted(httpd.get("/app/x").json["target"] for _ in range(6))
    assert targets == ["/m1/x", "/m1/x", "/m10/x", "/m10/x", "/x", "/x"]
    assert {row["requests"] for row in httpd.rows().values()} == {2}


def test_100_13_two_farms(httpd):
    """Contract: "a named pool of members": one member in two farms is two rows."""
    a, b = httpd.three("a", "b")
    httpd.farm(a, name="one").farm(a, b, "FarmAlgorithm roundrobin", name="two")
    httpd.conf.one_process()
    httpd.start()
    assert {httpd.get("/one/x").member for _ in range(2)} == {"a"}
    assert {httpd.get("/two/x").member for _ in range(4)} == {"a", "b"}
    assert httpd.rows("one")["a"]["requests"] == 2
    assert httpd.rows("two")["a"]["requests"] == 2


def test_100_14_proxy_section_of_the_farm(httpd):
    """Contract: "`<Proxy "http://app/">` sections apply to all members of the farm there"."""
    httpd.farm(*httpd.three("a", "b"))
    httpd.conf.add('<Proxy "http://app/">', "RequestHeader set X-Section yes", "</Proxy>")
    httpd.start()
    assert {httpd.get("/app/x").json["headers"].get("x-section") for _ in range(4)} == {"yes"}


def test_100_15_host_header(httpd):
    """Contract: "scheme, host and port of the URL become the member's": so does the Host header, unless preserved."""
    a = httpd.member("a")
    httpd.farm(a)
    httpd.conf.add('<Location "/app/keep/">', "ProxyPreserveHost On", "</Location>")
    httpd.start()
    assert httpd.get("/app/x", host="public.test").json["headers"]["host"] == a.address
    assert httpd.get("/app/keep/x", host="public.test").json["headers"]["host"] == "public.test"


def test_100_16_proxypass_exclusions(httpd):
    """Contract: mod_proxy maps first, so `ProxyPass /x !` and `no-proxy` keep a path from the farm."""
    a = httpd.member("a")
    httpd.conf.farm("app", a)
    httpd.conf.proxy("/app/not/", "!").proxy("/app/", "http://app/")
    httpd.start()
    assert httpd.get("/app/not/x").status == 404
    assert httpd.get("/app/x").member == "a"
    assert a.count == 1
