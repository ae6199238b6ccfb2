"""FarmSticky cookie and what is around it: caches that many clients share, SameSite."""

import re

import pytest

from farmhttpd import wait
from farmhttpd.instructions import ask, attributes_of, instructed, instruction, own, pair_of, read, set_cookies
from farmhttpd.members import answer, by

COOKIE = "FarmSticky cookie"
NO_CACHE = 'no-cache="set-cookie"'


def caching(httpd, kind):
    if kind == "disk":
        (httpd.root / "cache").mkdir()
        (httpd.root / "cache").chmod(0o777)
        httpd.conf.load("cache", "cache_disk")
        httpd.conf.add(f"CacheRoot {httpd.root}/cache", "CacheEnable disk /app/")
    else:
        httpd.conf.load("cache", "cache_socache", "socache_shmcb")
        httpd.conf.add("CacheEnable socache /app/", "CacheSocache shmcb")
    httpd.conf.add("CacheIgnoreNoLastMod On", "CacheHeader on")
    httpd.log.expect(r"\[cache")


def says(made, *values):
    for member in made:
        member.always(answer(headers=[("Cache-Control", value) for value in values]))


def cache_control(response):
    return ", ".join(response.all("Cache-Control"))


@pytest.mark.parametrize("kind", ["disk", "socache"])
@pytest.mark.parametrize("says_so", ["public, max-age=60", "max-age=60", "s-maxage=60"])
def test_915_01_no_tie_from_a_cache(httpd, kind, says_so):
    """Contract: "so that no shared cache hands the tie on": of clients without a cookie, the first gets the member's answer and
    a tie, and the others what the cache has kept, without one."""
    made = instructed(httpd, lines=[COOKIE])
    says(made, says_so)
    caching(httpd, kind)
    httpd.start()
    first = ask(httpd)
    assert len(set_cookies(first)) == 1
    later = [ask(httpd) for _ in range(4)]
    assert sum(member.count for member in made) == 1, "nothing was cached"
    assert [response.get("Set-Cookie") for response in later] == [None] * 4
    # A client with a tie of its own is not told of another.
    assert ask(httpd, own(member="c")).get("Set-Cookie") is None


@pytest.mark.parametrize("kind", ["disk", "socache"])
def test_915_02_private(httpd, kind):
    """Contract: "(or `private`, by `cacheties=`)": such an answer is kept by no shared cache, and each client gets a cookie of
    its own, until they have one."""
    made = instructed(httpd, lines=[COOKIE, "FarmSet cacheties=private"])
    says(made, "public, max-age=60")
    caching(httpd, kind)
    httpd.start()
    given = [pair_of(set_cookies(ask(httpd))[0]) for _ in range(3)]
    assert len(set(given)) == 3 and {read(cookie)["member"] for cookie in given} == set("abc")
    assert sum(member.count for member in made) == 3


@pytest.mark.parametrize("repeats", [True, False])
def test_915_09_revalidated(httpd, repeats):
    """Contract: the same when a cache asks whether what it has kept is still right: the tie of the client for which it asked is
    no part of what it keeps, also where a 304 does not repeat Cache-Control."""
    made = instructed(httpd, lines=[COOKIE])

    said = ("Cache-Control", "public, max-age=2")
    whole = answer(headers=[("ETag", '"x"'), said], body=b"kept")
    same = answer("304 Not Modified", headers=[("ETag", '"x"')] + [said] * repeats, body=b"")
    for member in made:
        member.always(by(lambda request: same if "if-none-match" in {name.lower() for name, _ in request.headers} else whole))
    caching(httpd, "disk")
    httpd.start()
    # A client with a tie of its own: what the cache keeps has no cookie.
    assert ask(httpd, own(member="a")).get("Set-Cookie") is None
    told = wait.until(lambda: (found := ask(httpd)) and set_cookies(found) and found, "the cache to ask again")
    later = [ask(httpd) for _ in range(3)]
    assert (told.status, told.body) == (200, b"kept")
    assert any("if-none-match" in {name.lower() for name, _ in request.headers} for member in made for request in member.requests)
    assert not any(set(set_cookies(response)) & set(set_cookies(told)) for response in later), (told, later)


@pytest.mark.parametrize("value", [
    "public", "PUBLIC", "public, max-age=60", "max-age=60", "Max-Age=60,must-revalidate", "s-maxage=10", "S-MaxAge=10, private",
    "no-transform , public", 'max-age=60, private="x"', 'no-cache="x", max-age=60', "max-age=60, no-store", ",,public,",
    'x="a, private", max-age=1', "max-age=0"])
def test_915_03_added(httpd, value):
    """Contract: "On an answer that says `public`, `s-maxage` or, without `private`, `max-age`, Cache-Control gets
    `no-cache="set-cookie"` … added", to what it says already."""
    made = instructed(httpd, lines=[COOKIE])
    says(made, value)
    httpd.start()
    assert cache_control(ask(httpd)) == f"{value}, {NO_CACHE}"
    # Where it sets no cookie, nothing is added.
    for cookie in (own(member="a"), instruction(member="a")):
        assert cache_control(ask(httpd, cookie)) == value


@pytest.mark.parametrize("value", [
    "private", "private, max-age=60", "max-age=60, PRIVATE", "no-store", "no-cache", "must-revalidate", "",
    'no-cache="set-cookie", public', 'public, no-cache="x, Set-Cookie"', 'private="set-cookie", max-age=60', "publicity", "xmax-age=1",
    'x="public"', 'x="max-age=60, public"'])
def test_915_04_not_added(httpd, value):
    """Contract: only on such an answer; and not where it keeps Set-Cookie out already."""
    made = instructed(httpd, lines=[COOKIE])
    says(made, *[value] if value else [])
    httpd.start()
    response = ask(httpd)
    assert cache_control(response) == value and len(set_cookies(response)) == 1


def test_915_05_several_lines(httpd):
    """Contract: an answer may say it in several lines."""
    made = instructed(httpd, lines=[COOKIE])
    says(made, "max-age=60", "no-transform")
    httpd.start()
    assert {part.strip() for part in cache_control(ask(httpd)).split(",")} == {"max-age=60", "no-transform", NO_CACHE}
    says(made, "max-age=60", "private")
    assert {part.strip() for part in cache_control(ask(httpd)).split(",")} == {"max-age=60", "private"}


@pytest.mark.parametrize("lines", [
    ["Header set Cache-Control \"public, max-age=60\""], ["ExpiresActive On", "ExpiresDefault \"access plus 1 minute\""],
    ["Header always set Cache-Control \"s-maxage=60\""]])
def test_915_10_what_this_httpd_says(httpd, lines):
    """Contract: "On an answer that says …": also where it is mod_headers or mod_expires that says so."""
    made = instructed(httpd, lines=[COOKIE])
    httpd.conf.load("headers", "expires").add('<Location "/app/">', *lines, "</Location>")
    httpd.start()
    response = ask(httpd)
    assert len(set_cookies(response)) == 1 and cache_control(response).endswith(NO_CACHE), response
    assert NO_CACHE not in cache_control(ask(httpd, own(member="a")))


@pytest.mark.parametrize("ties", ["no-cache", "private"])
def test_915_11_expires_and_a_cache(httpd, ties):
    """Contract: "no shared cache hands the tie on": what mod_expires says is for the cache of this httpd too."""
    made = instructed(httpd, lines=[COOKIE, f"FarmSet cacheties={ties}"])
    httpd.conf.load("expires").add("ExpiresActive On", "ExpiresDefault \"access plus 1 minute\"")
    caching(httpd, "disk")
    httpd.start()
    first = set_cookies(ask(httpd))
    others = [set_cookies(ask(httpd)) for _ in range(3)]
    assert len(first) == 1 and first not in others
    assert sum(member.count for member in made) == (1 if ties == "no-cache" else 4)


def test_915_06_private_is_added(httpd):
    """Contract: "(or `private`, by `cacheties=`)"."""
    made = instructed(httpd, lines=[COOKIE, "FarmSet cacheties=private"])
    says(made, "public, max-age=60")
    httpd.start()
    assert cache_control(ask(httpd)) == "public, max-age=60, private"


def test_915_07_without_sticky(httpd):
    """A farm that sets no cookie changes nothing."""
    made = instructed(httpd)
    says(made, "public, max-age=60")
    httpd.start()
    assert cache_control(ask(httpd)) == "public, max-age=60"


@pytest.mark.parametrize("word, value, secure", [("lax", "Lax", False), ("Strict", "Strict", False), ("none", "None", True),
                                                 ("NONE", "None", True)])
def test_915_08_samesite(httpd, word, value, secure):
    """Contract: "`samesite=lax|strict|none` of it (lax; `none` implies Secure)"."""
    instructed(httpd, lines=[COOKIE, f"FarmSet samesite={word}"])
    httpd.start()
    text, = set_cookies(ask(httpd))
    wanted = {"path": "/", "httponly": None, "samesite": value, "max-age": "3600"}
    assert attributes_of(text) == {**wanted, "secure": None} if secure else wanted
    assert bool(re.search("; Secure", text)) == secure
