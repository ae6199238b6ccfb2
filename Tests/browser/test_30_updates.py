"""The page keeps itself up to date, and leaves alone what its reader does meanwhile."""

from farmbrowser.forms import Change
from farmhttpd import wait
from farmhttpd.fallback import kept_busy
from farmhttpd.manager import change, farm_of
from farmhttpd.update import push
from selenium.webdriver.common.keys import Keys

A = "farm=app&member=a"
GONE = "ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_SOCKET_NOT_CONNECTED"


def opened(httpd, browser, target="/farm-status", **options):
    farm_of(httpd, **options)
    httpd.conf.handler("farm-update")
    httpd.start()
    browser.open(target)
    browser.js("window.same = true")
    return browser


def is_same(browser):
    """Whether the page has not been loaded again."""
    return browser.js("return window.same === true")


def test_30_01_figures_change(httpd, browser):
    """Contract: it "updates itself": states, notes and figures follow, without the page being loaded again."""
    opened(httpd, browser)
    for _ in range(6):
        assert httpd.get("/app/x").status == 200
    push(httpd, f"{A}&cpu=0.25")
    change(httpd, "farm=app&member=b&admin=drain&reason=disk")
    browser.wait_for_cell("a", "metrics", r"cpu 0\.25")
    browser.wait_for_cell("b", "admin", r"\bdrain\b")
    browser.wait_for(f"{browser.member('b')} .note", "disk")
    browser.wait_for(".farm dl", r"\bRequests 6\b")
    browser.wait_for("#sum", "2 of 3 members are available")
    change(httpd, "farm=app&member=b&admin=on")
    browser.until(lambda: not browser.all(f"{browser.member('b')} .note"), "the note to go")
    change(httpd, "farm=app&admin=off&reason=move")
    browser.wait_for(".farm .cond", r"\boffline\b")
    browser.wait_for(".farm > p.note", "move")
    assert is_same(browser)


def test_30_02_each_second(httpd, browser):
    """Contract: "every second": what the page asks the browser's clock for; a slow answer makes it ask less often."""
    farm_of(httpd)
    httpd.start()
    stop = browser.before_page("window.waits = []; const real = setTimeout;"
                               "window.setTimeout = (call, wait) => { waits.push(wait); return real(call, wait); }")
    try:
        browser.open().updated(3)
        waits = browser.js("return waits")
    finally:
        stop()
    assert waits[0] == 1000 and len(waits) >= 4
    assert all(one >= 100 for one in waits) and min(waits[1:]) < 1000


def test_30_03_what_is_typed_stays(httpd, browser):
    """Contract: it "keeps focus, open form, typed text" while everything around it changes."""
    opened(httpd, browser, "/farm-manager")
    form = Change(browser, "b").open()
    form.type(reason="half a sen", until="2h")
    reason = form.field("reason")
    reason.click()
    browser.js("arguments[0].setSelectionRange(2, 5)", reason)
    change(httpd, "farm=app&member=b&admin=off&reason=disk")
    change(httpd, "farm=app&member=a&health=down")
    httpd.log.expect("FARM")
    browser.wait_for_cell("b", "admin", r"\boff\b")
    browser.updated()
    assert form.is_open and form.values() == {"reason": "half a sen", "until": "2h"}
    assert browser.js("const e = document.activeElement; return [e === arguments[0], e.selectionStart, e.selectionEnd]", reason) \
        == [True, 2, 5]
    reason.send_keys("X")
    assert form.values()["reason"] == "haXa sen"
    assert is_same(browser)


def test_30_04_where_it_is_scrolled_to(httpd, browser):
    """Contract: it keeps the "scroll position" and what the reader has marked."""
    opened(httpd, browser)
    browser.window(700, 300)
    browser.js("document.querySelector('#m-app\\\\/c').scrollIntoView()")
    at = browser.js("return scrollY")
    assert at > 100
    browser.js("getSelection().selectAllChildren(document.querySelector('#m-app\\\\/c .name b'))")
    push(httpd, "farm=app&member=c&cpu=0.5")
    browser.wait_for_cell("c", "metrics", "cpu")
    browser.updated()
    assert browser.js("return scrollY") == at
    assert browser.js("return getSelection().toString()") == "c"


def test_30_05_filter_and_order_stay(httpd, browser):
    """Contract: it keeps "filter, sort": what they show follows the figures."""
    opened(httpd, browser)
    httpd.log.expect("FARM")
    browser.choose("Show", "available")
    browser.one("thead th.name button").click()
    browser.one("thead th.name button").click()
    assert browser.shown() == ["c", "b", "a"]
    change(httpd, "farm=app&member=b&health=down")
    browser.until(lambda: browser.shown() == ["c", "a"], "the member that is down to be left out")
    change(httpd, "farm=app&member=b&health=up")
    browser.until(lambda: browser.shown() == ["c", "b", "a"], "it to come back in its place")
    browser.updated(2)
    # They are in the address: whoever loads it, or is sent it, sees the same.
    browser.driver.refresh()
    assert browser.shown() == ["c", "b", "a"]
    assert browser.one("thead th.name").get_attribute("aria-sort") == "descending"


def test_30_06_focus_when_rows_move(httpd, browser):
    """Contract: "keeps focus": also in a row whose place among the others changes."""
    opened(httpd, browser)
    browser.one("thead th.inflight button").click()
    assert browser.shown() == ["a", "b", "c"]
    summary = Change(browser, "b").summary
    browser.js("arguments[0].focus()", summary)
    change(httpd, "farm=app&member=a&admin=off")
    change(httpd, "farm=app&member=c&admin=off")
    with kept_busy(httpd, httpd.members[1], "/app/x", 2):
        browser.until(lambda: browser.shown()[0] == "b", "the busiest to come first")
        assert browser.js("return document.activeElement === arguments[0]", summary)
    browser.wait_for_cell("b", "inflight", "^0$")
    browser.updated()
    assert browser.js("return document.activeElement === arguments[0]", summary)


def test_30_07_a_form_that_is_open_stays_in_its_place(httpd, browser):
    """Contract: "keeps open form": neither the order nor the filter takes it away from whoever writes into it."""
    opened(httpd, browser)
    httpd.log.expect("FARM")
    browser.choose("Show", "available")
    browser.one("thead th.inflight button").click()
    form = Change(browser, "c").open().type(reason="slow")
    change(httpd, "farm=app&member=a&admin=off")
    change(httpd, "farm=app&member=b&admin=off")
    with kept_busy(httpd, httpd.members[2], "/app/x", 2):
        change(httpd, "farm=app&member=c&health=down")
        browser.wait_for_cell("c", "health", "down")
        browser.wait_for_cell("c", "inflight", "^2$")
        browser.updated()
        assert form.values()["reason"] == "slow" and browser.focused.startswith("input reason")
        # Still the last row of the three.
        assert browser.js("return document.querySelector('table').tBodies[2].id") == "m-app/c"
        browser.press(Keys.ESCAPE)
        browser.until(lambda: browser.shown() == [], "all to be left out, once it is closed")


def test_30_08_a_server_that_is_gone(httpd, browser):
    """Contract: it "says so when the server is unreachable, and recovers when it comes back"."""
    opened(httpd, browser)
    browser.expect(GONE)
    browser.window(900, 400)
    browser.js("scrollTo(0, 10000)")
    httpd.stop()
    browser.wait_for("#said", r"^Not up to date: the server does not answer\.$")
    said = browser.one("#said")
    assert said.get_attribute("role") == "status"
    # In sight, wherever the page is scrolled to; and what was known last is still there.
    assert browser.js("const r = arguments[0].getBoundingClientRect();"
                      "return r.top >= 0 && r.bottom <= innerHeight && r.left >= 0 && r.right <= innerWidth", said)
    assert browser.shown() == ["a", "b", "c"]
    httpd.start()
    browser.until(lambda: browser.text("#said") == "", "it to say no more that it is not up to date")
    browser.updated()
    push(httpd, f"{A}&cpu=0.75")
    browser.wait_for_cell("a", "metrics", r"cpu 0\.75")
    assert is_same(browser)


def test_30_09_graceful_restarts(httpd, browser):
    """Contract: it "goes on after a graceful restart", and its buttons do."""
    opened(httpd, browser)
    browser.expect(GONE)
    form = Change(browser, "a").open().type(reason="after it")
    for generation in (2, 3):
        httpd.graceful()
        browser.wait_for("footer", rf"configuration {generation}\b")
    assert is_same(browser) and form.values()["reason"] == "after it"
    form.button("drain").click()
    browser.wait_for_cell("a", "admin", r"\bdrain\b")
    assert httpd.rows()["a"]["admin_reason"] == "after it"


def test_30_10_members_that_come_and_go(httpd, browser):
    """What its reader expects: another configuration is shown, with filter and order as chosen; but not while somebody writes
    into a form."""
    a, b, c = farm_of(httpd)
    httpd.start()
    browser.expect(GONE)
    browser.open()
    browser.one("thead th.name button").click()
    browser.one("thead th.name button").click()
    form = Change(browser, "a").open().type(reason="half")
    httpd.conf.farm("app", a, b, c, httpd.member("d"))
    httpd.graceful()
    browser.wait_for("#said", "^The configuration has changed: reload the page")
    asked = len(browser.requests())
    browser.until(lambda: len(browser.requests()) >= asked + 2, "the page to ask again")
    assert form.values()["reason"] == "half" and browser.text("#said").startswith("The configuration has changed")
    form.field("reason").send_keys(Keys.ESCAPE)
    browser.until(lambda: browser.shown() == ["d", "c", "b", "a"], "the new member")
    httpd.conf.farm("app", a, b)
    httpd.graceful()
    browser.until(lambda: browser.shown() == ["b", "a"], "those that are left")


def test_30_11_a_server_that_says_no(httpd, browser):
    """What its reader expects: an answer that is not the page is told as what it is."""
    opened(httpd, browser)
    browser.expect("403", GONE)
    httpd.log.expect("AH01630")
    httpd.conf.add('<Location "/farm-status">', "Require all denied", "</Location>")
    httpd.graceful()
    browser.wait_for("#said", r"^Not up to date: the server answers 403\.$")
    assert browser.shown() == ["a", "b", "c"]


def test_30_12_pause(httpd, browser):
    """What its reader expects: on Pause nothing moves; a change that is made is shown all the same."""
    opened(httpd, browser)
    next(button for button in browser.all("#tools button") if button.text == "Pause").click()
    at = browser.moment()
    push(httpd, f"{A}&cpu=0.5")
    asked = len(browser.requests())
    wait.at_most(1.5, lambda: browser.moment() != at)
    assert browser.moment() == at and len(browser.requests()) == asked and "cpu" not in browser.cell("a", "metrics")
    Change(browser, "b").open().button("off").click()
    browser.wait_for_cell("b", "admin", r"\boff\b")
    next(button for button in browser.all("#tools button") if button.text == "Go on").click()
    push(httpd, f"{A}&cpu=0.75")
    browser.wait_for_cell("a", "metrics", r"cpu 0\.75")
    browser.updated()
