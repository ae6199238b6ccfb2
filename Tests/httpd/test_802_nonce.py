"""Browsers' forms: the page, its nonce, and where a change leads back to."""

from urllib.parse import urlsplit

import pytest

from farmhttpd import client
from farmhttpd.manager import PATH, ask, change, farm_of, nonce, note, refused, settings
from farmhttpd.page import Page, submit

A = "farm=app&member=a"
BROWSER = [("Accept", "text/html,application/xhtml+xml")]


def form(httpd, text, headers=(), **arguments):
    return ask(httpd, text, headers=[*BROWSER, *headers], **arguments)


def check_led_to(httpd, response, path):
    """A 303 to a path of this host."""
    check_led_here(httpd, response)
    assert urlsplit(response.get("Location"))._replace(scheme="", netloc="").geturl() == path


def check_led_here(httpd, response):
    assert response.status == 303, (response.status, response.body)
    location = urlsplit(response.get("Location"))
    # Browsers take a backslash for a slash.
    assert not location.path.replace("\\", "/").startswith("//"), response.get("Location")
    assert location.netloc in ("", f"127.0.0.1:{httpd.port}") and location.scheme in ("", "http"), response.get("Location")


@pytest.mark.both_mpms
def test_802_01_page(httpd):
    """Contract: GET or HEAD without a query: 200, a text/html page with a form and one nonce, the same from every
    process, never from a cache; "GET changes nothing"."""
    farm_of(httpd)
    httpd.start()
    before = settings(httpd)
    page = httpd.get(PATH)
    assert page.status == 200 and page.get("Content-Type").startswith("text/html")
    text = page.body.decode()
    assert "<form" in text.lower() and 'method="post"' in text.lower()
    assert "no-store" in (page.get("Cache-Control") or "")
    head = httpd.get(PATH, method="HEAD")
    assert (head.status, head.body) == (200, b"") and head.get("Content-Type").startswith("text/html")
    found = set(sum(client.at_once(8, lambda: [nonce(httpd) for _ in range(6)]), []))
    assert len(found) == 1 and len(found.pop()) >= 16
    assert settings(httpd) == before


@pytest.mark.both_mpms
def test_802_02_form_with_nonce(httpd):
    """Contract: "200 with `ok …` (a browser's form: 303 back to the page)"; with a right nonce and no X-Farm-Manager
    header the change is made, whichever process wrote the page."""
    farm_of(httpd)
    httpd.start()
    for text, expected in ((f"{A}&admin=off&by=ann", "off"), (f"{A}&admin=drain", "drain"), (f"{A}&admin=on", "on")):
        for _ in range(4):
            check_led_to(httpd, form(httpd, f"{text}&nonce={nonce(httpd)}"), PATH)
            assert httpd.rows()["a"]["admin"] == expected
    check_led_to(httpd, form(httpd, f"nonce={nonce(httpd)}&farm=app&admin=drain&reason=x"), PATH)
    assert note(httpd.farm_status()) == ("drain", "127.0.0.1", "x")


def test_802_03_the_forms_as_they_stand(httpd):
    """Contract: "Each form there posts to the farm-manager's URL": what a browser makes of it, fields left empty and all, is a
    change."""
    farm_of(httpd)
    httpd.start()

    def post(member, button, **typed):
        page = Page(httpd.get(PATH).body.decode())
        forms = [one for one in page.forms_of("app", member)
                 if (button in one.buttons if button else True) and set(typed) <= set(one.values)]
        check_led_to(httpd, submit(httpd, PATH, forms[0], button, **typed), PATH)

    post("a", ("admin", "off"), reason="by hand")
    assert note(httpd.rows()["a"]) == ("off", "127.0.0.1", "by hand")
    post("a", None, weight="5")
    assert (httpd.rows()["a"]["weight"], note(httpd.rows()["a"])) == (5, ("off", "127.0.0.1", "by hand"))
    post("a", ("admin", "drain"), until="30min")
    assert note(httpd.rows()["a"]) == ("drain", "127.0.0.1", None) and httpd.rows()["a"]["admin_until"]
    post("a", ("health", "down"))
    assert httpd.rows()["a"]["health"] == "down"
    post("a", ("health", "up"))
    post("a", ("admin", "on"))
    row = httpd.rows()["a"]
    assert (note(row), row["weight"], row["health"], row["admin_until"]) == (("on", "127.0.0.1", None), 5, "up", None)
    post(None, ("admin", "drain"))
    assert httpd.farm_status()["admin"] == "drain"
    # Sent with nothing chosen, it is refused.
    for empty in Page(httpd.get(PATH).body.decode()).forms_of("app", "a"):
        refused(form(httpd, empty.sent()), 400)


def test_802_04_header_and_nonce(httpd):
    """Contract: 303 is for "a right nonce and no X-Farm-Manager header": with the header the answer is the line."""
    farm_of(httpd)
    httpd.start()
    assert change(httpd, f"{A}&admin=off&nonce={nonce(httpd)}").admin == "off"


def test_802_05_errors_of_a_form(httpd):
    """Contract: "No change whatever on any refusal": a right nonce does not make a wrong form right."""
    farm_of(httpd)
    httpd.start()
    before, right = settings(httpd), nonce(httpd)
    for text, status in ((f"{A}&admin=wibble", 400), ("farm=nosuch&admin=off", 404), (A, 400),
                         (f"{A}&admin=off&weight=0", 400)):
        refused(form(httpd, f"{text}&nonce={right}"), status)
        assert settings(httpd) == before


def test_802_06_back_to_the_referer(httpd):
    """Contract: Location is the Referer when it is of the same host."""
    farm_of(httpd)
    httpd.start()
    for path in (PATH, "/farm-status", "/farm-status?format=html&x=1", "/"):
        response = form(httpd, f"{A}&admin=off&nonce={nonce(httpd)}", [("Referer", f"http://127.0.0.1:{httpd.port}{path}")])
        check_led_to(httpd, response, path)


def test_802_07_never_to_another_host(httpd):
    """Contract: Location is the Referer "when it is of the same host, else the manager's own path"."""
    farm_of(httpd)
    httpd.conf.add('<Location "/some/where">', "SetHandler farm-manager", "Require local", "</Location>")
    httpd.start()
    own = f"127.0.0.1:{httpd.port}"
    for referer in ("http://evil.example/", "https://evil.example/farm-manager", f"http://{own}.evil.example/",
                    f"http://{own}@evil.example/", f"http://evil.example/?http://{own}/", f"http://evil.example\\@{own}/",
                    f"http://evil.example/http://{own}/", "//evil.example/", "javascript:alert(1)", "data:text/html,x",
                    "http://", "http:evil.example", f"{own}/x", "", "\\\\evil.example\\", f"http://{own}evil.example/",
                    "http:///evil.example/", f"http://{own}//evil.example/", f"http://{own}/\\evil.example/"):
        for path in (PATH, "/some/where"):
            response = form(httpd, f"{A}&admin=off&nonce={nonce(httpd, path=path)}", [("Referer", referer)], path=path)
            if referer.startswith(f"http://{own}/"):
                check_led_here(httpd, response)
            else:
                check_led_to(httpd, response, path)


def test_802_08_nonce_lasts(httpd):
    """Contract: the nonce stays the same over graceful restarts, so that a page that is open goes on working."""
    farm_of(httpd)
    httpd.start()
    right = nonce(httpd)
    for _ in range(2):
        httpd.graceful()
        assert nonce(httpd) == right
    check_led_to(httpd, form(httpd, f"{A}&admin=off&nonce={right}"), PATH)
    assert httpd.rows()["a"]["admin"] == "off"


def test_802_09_nonce_is_new_after_a_stop(httpd):
    """Contract: the nonce differs after a full stop and start: what an old page sends is refused then."""
    farm_of(httpd)
    httpd.start()
    seen = {nonce(httpd)}
    for _ in range(2):
        httpd.stop()
        httpd.start()
        for old in seen:
            refused(form(httpd, f"{A}&admin=off&nonce={old}"), 403)
        seen.add(nonce(httpd))
    assert len(seen) == 3
    assert httpd.rows()["a"]["admin"] == "on"


def test_802_10_two_servers(httpd):
    """Contract: a nonce is of one server: another's is refused."""
    from farmhttpd.env import Httpd
    farm_of(httpd)
    httpd.start()
    other = Httpd()
    try:
        farm_of(other)
        other.start()
        refused(form(httpd, f"{A}&admin=off&nonce={nonce(other)}"), 403)
        refused(form(other, f"{A}&admin=off&nonce={nonce(httpd)}"), 403)
        other.check_clean_end()
    finally:
        other.close()
    assert httpd.rows()["a"]["admin"] == "on"
