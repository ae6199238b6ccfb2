"""The page in a browser that runs no script."""

import re

import pytest
from farmbrowser.browser import STATUS
from farmbrowser.forms import Change
from farmhttpd.manager import PATH, change, farm_of, note, settings

A = "farm=app&member=a"
STATES = [("admin", "drain"), ("admin", "off"), ("admin", "on"), ("health", "down"), ("health", "up")]


def opened(httpd, browser, target=STATUS):
    farm_of(httpd)
    httpd.start()
    browser.open(target)
    # The browser really runs none, or the page would have put its tools there.
    assert browser.text("#tools") == "" and not browser.all("#tools *")
    return browser


def test_20_01_a_table(httpd, plain_browser):
    """Contract: the page "works without script": a table with heads, a row a member, each state a word."""
    browser = opened(httpd, plain_browser)
    change(httpd, f"{A}&admin=off&reason=disk")
    browser.open()
    heads = [head.text for head in browser.all("thead th")]
    for name in ("Member", "Admin", "Health", "Fresh", "Share", "In flight", "Load", "p50", "p99", "Errors", "Update", "Metrics"):
        assert name in heads
    assert [one.text for one in browser.all("tbody th b")] == ["a", "b", "c"]
    assert [re.sub(r"\W", "", browser.cell("a", kind)) for kind in ("admin", "health", "fresh")] == ["off", "up", "in"]
    assert "disk" in browser.text(browser.member("a"))
    for row in browser.all("tbody tr:not(.note)"):
        assert len(browser.all("th, td", row)) == len(heads)


@pytest.mark.parametrize("target", [STATUS, PATH])
def test_20_02_every_button(httpd, plain_browser, target):
    """Contract: buttons are forms: each is posted, makes its change and leads back to the page it was on."""
    browser = opened(httpd, plain_browser, target)
    for axis, state in STATES:
        browser.follow(Change(browser, "b").open().button(state))
        assert re.search(rf"\b{state}\b", browser.cell("b", axis))
        assert browser.driver.current_url == browser.base + target
        assert httpd.rows()["b"][axis] == state
    for state in ("drain", "off", "on"):
        browser.follow(Change(browser).open().button(state))
        assert browser.text(".farm .cond").split()[-1] == ("ok" if state == "on" else "offline")
        assert httpd.farm_status()["admin"] == state
    assert httpd.rows()["a"]["admin"] == httpd.rows()["c"]["admin"] == "on"
    httpd.log.expect("FARM")


def test_20_03_reason_end_and_weight(httpd, plain_browser):
    """Contract: "with reason and end, weight": fields that are typed into."""
    browser = opened(httpd, plain_browser)
    form = Change(browser, "a").open().type(reason="new kernel", until="2h")
    browser.follow(form.button("drain"))
    assert re.search(r"drain by 127\.0\.0\.1: .?new kernel.?, since .*, until .* left\)", browser.text(f"{browser.member('a')} .note"))
    assert note(httpd.rows()["a"]) == ("drain", "127.0.0.1", "new kernel") and httpd.rows()["a"]["admin_until"]
    browser.follow(Change(browser, "c").open().type(weight="7").button("set"))
    assert browser.cell("c", "weight") == "7"
    assert httpd.rows()["c"]["weight"] == 7


def test_20_04_what_is_refused_is_said(httpd, plain_browser):
    """What an administrator expects: a wrong end is told, nothing changes, and the way back leads to the page."""
    browser = opened(httpd, plain_browser)
    browser.expect("400", "favicon")
    before = settings(httpd)
    browser.follow(Change(browser, "a").open().type(until="yesterday").button("off"))
    assert re.fullmatch(r"error: until= takes .*'yesterday'", browser.text("body"))
    assert settings(httpd) == before
    browser.driver.back()
    browser.until(lambda: browser.all("main tbody"), "the page again")
