"""What a member sees of the path and query is byte for byte what it sees behind a plain ProxyPass.

The plain ProxyPass to the same member is the oracle, so nothing here says what mod_proxy ought to do."""

import pytest

from farmhttpd.protocols import AjpMember, FcgiMember

PATHS = ["", "a", "a/b/c", "a?", "a?b", "a?b?c", "a?b=%2525&c=%20%2F", "a;b=c", "a;jsessionid=1.r1?x=1", "a%3Fb?c",
         "a%2525b", "a%252Fb", "a%25", "a%20b", "a%23b", "a%5Bb%5D", "a%5Cb", "a%7Eb~", "a%C3%A4", "%E2%82%AC",
         "a%2Fb", "a%2fb?x", "a//b", "a/../b", "a/./b", "a/..;/b", "a+b", "a:b@c", "a&b=c", "a'(b)!*,", "a%3Bb",
         "a%26b",
         "a%7Cb", "a%22b", "a%3Cb%3E", "a%zz", "a%00b", "a%0Ab", "a.php/extra/path?q", "http://other/x",
         "?unix:/x%7Chttp://other/"]
# What httpd says of paths that it refuses on its own, alike for every mount.
BAD_PATHS = r"AH10244|AH0012[67]|AH00026|AH00036|AH1041[0-5]|AH10508|AH00665|AH01071"
OPTIONS = ["", "nocanon", "mapping=encoded", "mapping=servlet"]
MOUNTS = ("/plain/", "/afarm/", "/ownsc/", "/later/")
MODULES = {"fcgi": ["proxy_fcgi"], "ajp": ["proxy_ajp"]}


def mount(httpd, member, options, slashes, prefix="base/"):
    """The same member plainly, by a farm under http:// and under its own scheme, and after a failover."""
    dead = httpd.member("dead", type(member), start=False)
    httpd.conf.farm("app", member)
    httpd.conf.farm("bad", (dead, "weight=1000"), member, "FarmAlgorithm roundrobin", "FarmSet fall=1000000")
    bare = member.url.removesuffix("/")
    for path, url in zip(MOUNTS, (bare, "http://app", f"{member.scheme}://app", "http://bad")):
        httpd.conf.proxy(path, f"{url}/{prefix}", options)
    httpd.conf.add(f"AllowEncodedSlashes {slashes}")
    httpd.conf.one_process()
    httpd.log.expect_refused()
    httpd.log.expect(BAD_PATHS, r"AH01079|AH00896")


def seen(response, path):
    """What the member reported, with the mount's own name taken out; only the status when it was not asked."""
    if response.status != 200:
        return response.status
    facts = {k: v for k, v in response.json.items() if k not in ("headers",)}
    return {k: v.replace(path, "/MOUNT/") if isinstance(v, str) else v for k, v in facts.items()}


def compare(httpd):
    wrong = []
    for path in PATHS:
        answers = [(m, seen(httpd.get(m + path), m)) for m in MOUNTS]
        oracle = answers[0][1]
        wrong += [f"{m}{path}: {answer} instead of {oracle}" for m, answer in answers[1:] if answer != oracle]
    assert not wrong, "\n".join(wrong)


def check_that_failovers_happened(httpd):
    later = [line for line in httpd.access("/later/") if line[4] == "a"]
    assert any(line[6] == "2" for line in later), "no request failed over: this test would prove nothing"


@pytest.mark.parametrize("slashes", ["NoDecode", "Off", "On"])
@pytest.mark.parametrize("options", OPTIONS)
def test_110_01_http(httpd, options, slashes):
    """Design: "Test `%2525`, `%2F`, `?`, `;`, nocanon and mapping= … also after a failover"."""
    mount(httpd, httpd.member("a"), options, slashes)
    httpd.start()
    compare(httpd)
    check_that_failovers_happened(httpd)


@pytest.mark.parametrize("scheme", ["fcgi", "ajp"])
@pytest.mark.parametrize("options", OPTIONS)
def test_110_02_other_schemes(httpd, options, scheme):
    """Design: "Running it again for a member of another scheme encodes `%` twice; not running it leaves
    mod_proxy_fcgi without its request config and SCRIPT_FILENAME"."""
    kind = {"fcgi": FcgiMember, "ajp": AjpMember}[scheme]
    httpd.conf.load(*MODULES[scheme])
    mount(httpd, httpd.member("a", kind), options, "NoDecode")
    httpd.start()
    compare(httpd)
    check_that_failovers_happened(httpd)


@pytest.mark.parametrize("options", OPTIONS)
def test_110_03_unix_socket(httpd, options):
    """Contract: "`unix:/path.sock|http://host/` is a member too"."""
    a = httpd.member("a", unix=httpd.unix_path("a"))
    dead = httpd.member("dead", unix=httpd.unix_path("dead"), start=False)
    httpd.conf.farm("app", a)
    httpd.conf.farm("bad", (dead, "weight=1000"), a, "FarmAlgorithm roundrobin", "FarmSet fall=1000000")
    for path, url in zip(MOUNTS, (a.url, "http://app", "http://app", "http://bad")):
        httpd.conf.proxy(path, f"{url}/base/", options)
    httpd.conf.add("AllowEncodedSlashes NoDecode").one_process()
    httpd.log.expect_refused()
    httpd.log.expect(BAD_PATHS)
    httpd.start()
    compare(httpd)
    check_that_failovers_happened(httpd)


def test_110_04_mixed_schemes_fail_over(httpd):
    """Contract: "for http, https, h2, ws upgrade, ajp, fcgi members alike": a farm may hold several schemes."""
    httpd.conf.load("proxy_fcgi", "proxy_ajp").one_process()
    members = [httpd.member("h"), httpd.member("f", FcgiMember), httpd.member("j", AjpMember)]
    httpd.farm(*members, "FarmAlgorithm roundrobin", "FarmSet fall=1000000 maxattempts=3")
    for member in members:
        httpd.conf.proxy(f"/{member.name}/", f"{member.url}/")
    httpd.log.expect_broken()
    httpd.log.expect(r"proxy_(fcgi|ajp):error")
    httpd.start()
    for alive in members:
        rest = [member for member in members if member is not alive]
        for other in rest:
            other.refuse()
        for path in ("a%2520b?c=%2525", "a%2Fb;c=d", "x.php/y?z"):
            oracle = seen(httpd.get(f"/{alive.name}/{path}"), f"/{alive.name}/")
            for _ in range(3):
                assert seen(httpd.get(f"/app/{path}"), "/app/") == oracle
        for other in rest:
            other.start()


@pytest.mark.parametrize("rule", ['RewriteRule "^/plain/(.*)$" "{plain}/base/$1" [P{flags}]\n'
                                  'RewriteRule "^/afarm/(.*)$" "http://app/base/$1" [P{flags}]'])
@pytest.mark.parametrize("flags", ["", ",NE", ",B", ",QSA"])
def test_110_05_rewrite_rule(httpd, rule, flags):
    """Contract: RewriteRule [P] with the flags that touch encoding."""
    a = httpd.member("a")
    httpd.conf.farm("app", a)
    httpd.conf.add("RewriteEngine On", rule.format(plain=a.url, flags=flags), "AllowEncodedSlashes NoDecode")
    httpd.log.expect(BAD_PATHS)
    httpd.start()
    wrong = []
    for path in PATHS:
        plain, farm = (seen(httpd.get(m + path), m) for m in MOUNTS[:2])
        if farm != plain:
            wrong.append(f"{path}: {farm} instead of {plain}")
    assert not wrong, "\n".join(wrong)


def test_110_06_a_path_in_every_place(httpd):
    """Contract: the member's path comes first, then what ProxyPass maps: compare with ProxyPass to the joined URL."""
    a = httpd.member("a", path="/m%20ember")
    httpd.conf.farm("app", a)
    httpd.conf.proxy("/plain/", f"{a.url}/b%20ase/").proxy("/afarm/", "http://app/b%20ase/")
    httpd.start()
    for path in ("x", "x%2520?y=%2525", "x;y"):
        plain, farm = (httpd.get(m + path).json["target"] for m in MOUNTS[:2])
        assert farm == plain


def test_110_07_oracle_is_worth_its_name(httpd):
    """A check of this file: the plain proxy passes `%2525` through unchanged, so a double encoding would show."""
    a = httpd.member("a")
    httpd.conf.proxy("/plain/", f"{a.url}/base/")
    httpd.start()
    assert httpd.get("/plain/a%2525b").json["target"] == "/base/a%2525b"
