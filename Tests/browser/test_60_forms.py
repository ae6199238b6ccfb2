"""The buttons of the page, by mouse and by keys, and what becomes of a change that is refused."""

import base64

import pytest
from farmbrowser.browser import STATUS
from farmbrowser.forms import Change
from farmhttpd import wait
from farmhttpd.manager import change, farm_of, note, settings
from selenium.webdriver.common.keys import Keys
from test_801_by_and_log import guarded

STATES = [("admin", "drain"), ("admin", "off"), ("admin", "on"), ("health", "down"), ("health", "up")]


def opened(httpd, browser, target=STATUS, *names):
    farm_of(httpd, *names)
    httpd.log.expect("FARM")
    httpd.start()
    return browser.open(target)


def test_60_01_every_button(httpd, browser):
    """Contract: "buttons on/drain/off, up/down": each makes its change, and the page shows it without being loaded again."""
    opened(httpd, browser).js("window.same = true")
    for axis, state in STATES:
        form = Change(browser, "b").open()
        form.button(state).click()
        browser.wait_for_cell("b", axis, rf"\b{state}\b")
        assert httpd.rows()["b"][axis] == state and not form.is_open
    for state in ("drain", "off", "on"):
        Change(browser).open().button(state).click()
        browser.wait_for(".farm .cond", r"\bok\b" if state == "on" else r"\boffline\b")
        browser.until(lambda: httpd.farm_status()["admin"] == state, f"the farm to be {state}")
        browser.until(lambda: not Change(browser).is_open, "the form to close")
    assert {row["admin"] for row in httpd.rows().values()} == {"on"}
    assert browser.js("return window.same") is True and browser.driver.current_url == browser.base + STATUS


def test_60_02_reason_end_and_weight(httpd, browser):
    """Contract: "with reason and end, weight"; afterwards the fields are empty again."""
    opened(httpd, browser)
    form = Change(browser, "a").open().type(reason='neue Platte & "Größe" → 3 %', until="2h")
    form.button("drain").click()
    browser.wait_for(f"{browser.member('a')} .note", r'neue Platte & "Größe" → 3 %.*, until .* left\)')
    assert note(httpd.rows()["a"]) == ("drain", "127.0.0.1", 'neue Platte & "Größe" → 3 %')
    assert form.open().values() == {"reason": "", "until": ""}
    form.type(weight="7").button("set").click()
    browser.wait_for_cell("a", "weight", "^7$")
    assert note(httpd.rows()["a"])[0] == "drain"


def is_in_sight(browser, selector):
    """Whether it lies in the window, and nothing lies over it."""
    return browser.js("const e = document.querySelector(arguments[0]), r = e.getBoundingClientRect();"
                      "const top = document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2);"
                      "return r.width > 0 && r.top >= 0 && r.bottom <= innerHeight && r.left >= 0 && r.right <= innerWidth && e.contains(top)",
                      selector)


@pytest.mark.parametrize("size,typed,said", [
    ((1600, 900), {"until": "yesterday"}, "until= takes "), ((1000, 600), {"until": "0"}, "until= takes "),
    ((360, 640), {"reason": "ü" * 100}, "reason= takes at most 191 bytes")], ids=["wide", "middle", "narrow"])
def test_60_03_what_is_refused(httpd, browser, size, typed, said):
    """Contract: "the error of a refused change is shown where the administrator looks, and typed text is kept": in the form,
    in sight, until the next attempt."""
    browser.window(*size)
    opened(httpd, browser, STATUS, *[f"m{n:02}" for n in range(20)])
    browser.expect("400")
    before = settings(httpd)
    form = Change(browser, "m13")
    browser.js("arguments[0].scrollIntoView({ block: 'center' })", form.summary)
    form.open().type(**typed)
    form.button("off").click()
    assert form.wait_for_error().startswith(f"Not changed: {said}")
    assert browser.one(f"{form.selector} .refused").get_attribute("role") == "alert"
    assert is_in_sight(browser, f"{form.selector} .refused")
    browser.updated()
    assert form.error and form.is_open and form.values() == {"reason": "", "until": "", **typed}
    assert settings(httpd) == before
    for name in typed:
        form.field(name).clear()
    form.type(reason="disk").button("off").click()
    browser.wait_for_cell("m13", "admin", r"\boff\b")
    assert form.open().error == ""


def test_60_04_a_server_that_is_gone(httpd, browser):
    """Contract: the same when the server cannot be asked: what was typed can be sent again."""
    opened(httpd, browser)
    browser.expect("ERR_")
    form = Change(browser, "a").open().type(reason="disk")
    httpd.stop()
    form.button("off").click()
    assert form.wait_for_error() == "Not changed: the server does not answer"
    assert form.values()["reason"] == "disk"
    # Its nonce is another's then, which is said; a page that is loaded again has the new one.
    httpd.start()
    browser.expect("403")
    form.button("off").click()
    browser.until(lambda: "load the page again" in form.error, "the form to say what to do")
    assert form.values()["reason"] == "disk" and httpd.rows()["a"]["admin"] == "on"
    browser.open()
    Change(browser, "a").open().button("off").click()
    browser.wait_for_cell("a", "admin", r"\boff\b")


# -- keys ----------------------------------------------------------------------------------------------------


def posts(httpd):
    return len([line for line in httpd.access_log() if line[1] == "POST"])


def enter_in_every_field(httpd, browser):
    """Enter in Reason and Until of a member that is off, and of a farm that drains, changes nothing and asks for nothing."""
    change(httpd, "farm=app&member=a&admin=off&reason=disk&until=5h")
    change(httpd, "farm=app&admin=drain&reason=move")
    browser.open()
    before = settings(httpd)
    wait.until(lambda: posts(httpd) == 2, "the two changes to be in the access log")
    for form in (Change(browser, "a"), Change(browser)):
        form.open()
        for name, text in (("reason", "more"), ("until", "2h")):
            form.field(name).send_keys(text, Keys.ENTER)
            wait.at_most(0.5, lambda: posts(httpd) > 2)
            assert settings(httpd) == before
        assert form.is_open and form.values() == {"reason": "more", "until": "2h"}
        form.summary.click()
    assert posts(httpd) == 2


def test_60_05_enter_changes_nothing(httpd, browser):
    """What an administrator expects: whoever corrects a reason and presses Enter has not put a member back to `on`."""
    opened(httpd, browser)
    enter_in_every_field(httpd, browser)


def test_60_06_enter_changes_nothing_without_script(httpd, plain_browser):
    """The same in a browser without scripts, which would go to another page."""
    opened(httpd, plain_browser)
    enter_in_every_field(httpd, plain_browser)
    assert plain_browser.driver.current_url == plain_browser.base + STATUS


def test_60_07_enter_in_weight(httpd, browser):
    """What an administrator expects: of a form with one field, Enter is its button: the weight is set, health stays."""
    opened(httpd, browser)
    change(httpd, "farm=app&member=a&health=down")
    Change(browser, "a").open().field("weight").send_keys("9", Keys.ENTER)
    browser.wait_for_cell("a", "weight", "^9$")
    assert httpd.rows()["a"]["health"] == "down"


def test_60_08_by_keys_alone(httpd, browser):
    """Contract: "keyboard only operation of a form": reached by Tab, opened by Enter, filled, pressed by blank, and then the
    focus is where it was; Escape closes without a change."""
    opened(httpd, browser)
    browser.one("body").send_keys(Keys.TAB)
    own = "e.closest('tbody')?.id === 'm-app/b'"
    browser.tab_to(f"e.localName === 'summary' && {own}", "the button of b")
    browser.press(Keys.ENTER)
    form = Change(browser, "b")
    assert form.is_open
    browser.tab_to(f"e.name === 'reason' && {own}", "Reason", 1)
    browser.press("disk")
    browser.tab_to(f"e.name === 'until' && {own}", "Until", 1)
    browser.press("2h")
    browser.tab_to(f"e.value === 'drain' && {own}", "drain", 2)
    browser.press(Keys.SPACE)
    browser.wait_for_cell("b", "admin", r"\bdrain\b")
    assert note(httpd.rows()["b"]) == ("drain", "127.0.0.1", "disk")
    browser.until(lambda: not form.is_open, "the form to close")
    assert browser.js("return document.activeElement === arguments[0]", form.summary)
    browser.press(Keys.ENTER)
    assert form.is_open
    browser.press(Keys.TAB)
    browser.press("x", Keys.ESCAPE)
    assert not form.is_open and browser.js("return document.activeElement === arguments[0]", form.summary)
    assert note(httpd.rows()["b"])[2] == "disk"


# -- who may -------------------------------------------------------------------------------------------------


def test_60_09_who_may_not_sees_no_buttons(httpd, browser):
    """Contract: "a client that may not use farm-manager sees no buttons", and once it may, it has them."""
    httpd.farm(*httpd.three())
    guarded(httpd, users=["ann"])
    httpd.start()
    browser.open().updated()
    assert browser.shown() == ["a", "b", "c"]
    assert not browser.all("form") and not browser.all(".forms") and "Change" not in browser.text("main")
    assert browser.text("#manager") == "Manage"
    word = base64.b64encode(b"ann:pass").decode()
    browser.driver.execute_cdp_cmd("Network.enable", {})
    browser.driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {"Authorization": f"Basic {word}"}})
    try:
        browser.open()
        Change(browser, "a").open().type(reason="night").button("off").click()
        browser.wait_for(f"{browser.member('a')} .note", "^off by ann: .?night")
        assert note(httpd.rows()["a"]) == ("off", "ann", "night")
    finally:
        browser.driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {}})
