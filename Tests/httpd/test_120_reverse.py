"""Headers that name a member are mapped back to what the client knows."""

import pytest

from farmhttpd.members import answer

HEADERS = ["Location", "Content-Location", "URI"]


def front(httpd, *options, prefix="", members=("a", "b", "c")):
    """A farm behind /app/ with ProxyPassReverse; returns the members and what the client calls /app/."""
    made = [httpd.member(name, path=prefix) for name in members]
    httpd.farm(*made)
    httpd.conf.add('ProxyPassReverse "/app/" "http://app/"', *options)
    return made, f"http://127.0.0.1:{httpd.port}/app/"


def answered(httpd, members, *headers, status="200 OK", path="/app/x"):
    for member in members:
        member.always(answer(status, headers=headers))
    return httpd.get(path)


@pytest.mark.both_mpms
@pytest.mark.parametrize("header", HEADERS)
def test_120_01_any_member(httpd, header):
    """Contract: "ProxyPassReverse with the farm's URL maps back Location, Content-Location, URI … headers that name
    any member of the farm (and the farm)"."""
    members, public = front(httpd)
    httpd.start()
    for named in members:
        response = answered(httpd, members, (header, f"{named.url}/to/y?q=1"))
        assert response.get(header) == f"{public}to/y?q=1"
    assert answered(httpd, members, (header, "http://app/to/y")).get(header) == f"{public}to/y"


@pytest.mark.parametrize("status", ["201 Created", "301 Moved Permanently", "302 Found", "303 See Other", "307 Moved",
                                    "404 Not Found"])
def test_120_02_any_status(httpd, status):
    """Contract: the mapping depends on the header, not on the status."""
    members, public = front(httpd)
    httpd.start()
    response = answered(httpd, members, ("Location", f"{members[1].url}/y"), status=status)
    assert response.status == int(status[:3])
    assert response.get("Location") == f"{public}y"


@pytest.mark.parametrize("form, mapped", [
    ("5; url={}y", "5; url={}y"), ("0;URL={}y", "0;URL={}y"), ("3; url='{}y'", "3; url='{}y'"),
    ('3; url="{}y?a=b"', '3; url="{}y?a=b"'), ("10", "10"),
])
def test_120_03_refresh(httpd, form, mapped):
    """Contract: "… and Refresh headers"."""
    members, public = front(httpd)
    httpd.start()
    response = answered(httpd, members, ("Refresh", form.format(f"{members[2].url}/")))
    assert response.get("Refresh") == mapped.format(public)
    response = answered(httpd, members, ("Refresh", form.format("http://app/")))
    assert response.get("Refresh") == mapped.format(public)


def test_120_04_strangers_are_left_alone(httpd):
    """Contract: only "headers that name any member of the farm (and the farm)"."""
    members, _ = front(httpd)
    other = httpd.member("other")
    httpd.start()
    a = members[0]
    for url in (f"{other.url}/y", "http://127.0.0.1/y", f"{a.url}0/y", f"https://{a.address}/y", f"{a.url}@evil.test/y",
                f"http://evil.test/?{a.url}/y", "http://apple/y", "http://app:8080/y", "//evil.test/y", "ftp://app/y"):
        for header in HEADERS:
            assert answered(httpd, members, (header, url)).get(header) == url, header


def test_120_05_scheme_and_host_have_no_case(httpd):
    """RFC 3986 6.2.2.1: scheme and host have no case, so a member that writes them otherwise is still named."""
    httpd.conf.farm("app", f"FarmMember http://localhost:{(a := httpd.member('a')).port} name=a")
    httpd.conf.proxy("/app/", "http://app/").add('ProxyPassReverse "/app/" "http://app/"')
    httpd.start()
    public = f"http://127.0.0.1:{httpd.port}/app/"
    assert answered(httpd, [a], ("Location", f"HTTP://LocalHost:{a.port}/Y")).get("Location") == f"{public}Y"
    assert answered(httpd, [a], ("Location", "http://APP/Y")).get("Location") == f"{public}Y"


def test_120_06_member_with_a_path(httpd):
    """Contract: "a path in the URL goes before the request's"; on the way back it is taken off again."""
    members, public = front(httpd, prefix="/base")
    httpd.start()
    response = answered(httpd, members, ("Location", f"{members[1].url}/y"))
    assert response.get("Location") == f"{public}y"


def test_120_07_farm_url_with_a_path(httpd):
    """Contract: ProxyPassReverse takes the farm's URL, with a path where ProxyPass has one."""
    a, b = httpd.three("a", "b")
    httpd.conf.farm("app", a, b)
    httpd.conf.proxy("/m/", "http://app/ctx/").add('ProxyPassReverse "/m/" "http://app/ctx/"')
    httpd.start()
    public = f"http://127.0.0.1:{httpd.port}/m/"
    response = answered(httpd, [a, b], ("Location", f"{b.url}/ctx/y"), path="/m/x")
    assert response.json["target"] == "/ctx/x"
    assert response.get("Location") == f"{public}y"


def test_120_08_in_a_location(httpd):
    """Contract: ProxyPassReverse as mod_proxy knows it, so also with one argument in a Location."""
    a, b = httpd.three("a", "b")
    httpd.conf.farm("app", a, b)
    httpd.conf.add('<Location "/m/">', 'ProxyPass "http://app/"', 'ProxyPassReverse "http://app/"', "</Location>")
    httpd.start()
    response = answered(httpd, [a, b], ("Location", f"{b.url}/y"), path="/m/x")
    assert response.get("Location") == f"http://127.0.0.1:{httpd.port}/m/y"


def test_120_09_without_proxypassreverse(httpd):
    """Design: the header is turned "into the farm's URL" only to let ProxyPassReverse map it; without one the
    client must still see the member's own header, as behind a plain ProxyPass."""
    a, b = httpd.three("a", "b")
    httpd.farm(a, b)
    httpd.start()
    assert answered(httpd, [a, b], ("Location", "/relative")).get("Location") == "/relative"
    seen = answered(httpd, [a, b], ("Location", f"{b.url}/y")).get("Location")
    assert seen in (f"{b.url}/y", "http://app/y")


def test_120_10_after_a_failover(httpd):
    """Contract: "any member of the farm": also the one that has just failed."""
    members, public = front(httpd, members=("a", "b"))
    httpd.log.expect_refused()
    httpd.start()
    a, b = members
    a.refuse()
    for _ in range(4):
        for named in members:
            response = answered(httpd, [b], ("Location", f"{named.url}/y"))
            assert response.status == 200 and response.get("Location") == f"{public}y"


def test_120_11_cookie_domain(httpd):
    """Contract: "ProxyPassReverseCookieDomain/Path likewise": a member's host is the farm's name."""
    members, _ = front(httpd, 'ProxyPassReverseCookieDomain "app" "public.test"')
    httpd.start()
    response = answered(httpd, members, ("Set-Cookie", "one=1; Domain=127.0.0.1; Path=/; HttpOnly"),
                        ("Set-Cookie", "two=2; domain=app"), ("Set-Cookie", "three=3; Domain=other.test"))
    cookies = [c.lower().replace(" ", "") for c in response.all("Set-Cookie")]
    assert sorted(cookies) == ["one=1;domain=public.test;path=/;httponly", "three=3;domain=other.test",
                               "two=2;domain=public.test"]


@pytest.mark.parametrize("public", ["/app/", "/", "/app/deep/"])
def test_120_12_cookie_path_is_mapped_once(httpd, public):
    """Design: "mod_proxy_http has run once already, so never map twice": a plain ProxyPass is the oracle."""
    a = httpd.member("a")
    httpd.farm(a)
    httpd.conf.proxy("/plain/", f"{a.url}/").add(f'ProxyPassReverseCookiePath "/" "{public}"')
    httpd.start()
    cookies = [("Set-Cookie", c) for c in ("one=1; Path=/", "two=2; Path=/sub", "three=3; path=/app/", "four=4")]
    farm = answered(httpd, [a], *cookies).all("Set-Cookie")
    assert farm == answered(httpd, [a], *cookies, path="/plain/x").all("Set-Cookie")
    assert farm[0].replace(" ", "").lower() == f"one=1;path={public}"


def test_120_13_mapped_once_when_the_public_url_looks_alike(httpd):
    """Design: "never map twice": here the mapped URL would match ProxyPassReverse again."""
    a = httpd.member("a")
    httpd.conf.farm("app", a)
    httpd.conf.proxy("/app/", "http://app/").add('ProxyPassReverse "/app/" "http://app/"')
    httpd.start()
    response_host = answered_with_host(httpd, a, "app")
    assert response_host == "http://app/app/y"


def answered_with_host(httpd, member, host):
    member.always(answer(headers=[("Location", f"{member.url}/y")]))
    return httpd.get("/app/x", host=host).get("Location")


def test_120_14_several_and_broken_values(httpd):
    """Contract: "header and URL garbage from members": odd values pass or are dropped, and nothing breaks."""
    members, public = front(httpd)
    httpd.start()
    for value in ("", "http://", "http:///", "://", "http://[::1", "http://%", "x" * 4000, members[0].url,
                  f"{members[0].url}?q", f"{members[0].url}#f", "0; url=", "; url=", "url=",
                  "5; url='http://", "\xff\xfe"):
        for header in (*HEADERS, "Refresh"):
            assert answered(httpd, members, (header, value)).status == 200, (header, value)
    response = answered(httpd, members, ("Content-Location", f"{members[0].url}/one"),
                        ("Location", f"{members[1].url}/two"), ("Refresh", f"1; url={members[2].url}/three"))
    assert [response.get(h) for h in ("Content-Location", "Location", "Refresh")] == \
        [f"{public}one", f"{public}two", f"1; url={public}three"]


def test_120_15_unix_member(httpd):
    """Contract: "`unix:/path.sock|http://host/` is a member too": its own name is that host."""
    a = httpd.member("a", unix=httpd.unix_path("a"))
    httpd.farm(a)
    httpd.conf.add('ProxyPassReverse "/app/" "http://app/"')
    httpd.start()
    response = answered(httpd, [a], ("Location", "http://localhost/y"))
    assert response.get("Location") == f"http://127.0.0.1:{httpd.port}/app/y"
