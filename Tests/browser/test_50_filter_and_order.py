"""Members filtered and sorted, by mouse and by keys."""

from farmhttpd.manager import change, farm_of
from farmhttpd.update import push
from selenium.webdriver.common.keys import Keys

WEIGHTS = {"m1": 5, "m2": 900, "m10": 30}


def opened(httpd, browser, **options):
    farm_of(httpd, *WEIGHTS, options=[f"weight={weight}" for weight in WEIGHTS.values()])
    httpd.conf.farm("other", (httpd.members[0], ""))
    httpd.conf.handler("farm-update")
    httpd.log.expect("FARM")
    httpd.start()
    push(httpd, "farm=app&member=m10&cpu=0.5&db_conns=3")
    change(httpd, "farm=app&member=m2&admin=drain&reason=new disk")
    return browser.open()


def of_app(browser):
    return browser.js("return [...document.querySelectorAll('#f-app tbody')].filter((e) => e.getClientRects().length)"
                      ".map((e) => e.querySelector('b').textContent)")


def test_50_01_words(httpd, browser):
    """Contract: "filter": by words of a member's name, address, metrics and reason, all of which must be there; whoever has
    nothing left is not shown, and the way back is an empty field."""
    opened(httpd, browser)
    port = str(httpd.members[2].port)
    field = browser.field("Filter")
    for words, expected in (("m1", ["m1", "m10", "m1"]), ("m10", ["m10"]), ("CPU", ["m10"]), ("DISK new", ["m2"]),
                            ("disk m1", []), (port, ["m10"]), ("zebra", [])):
        field.clear()
        field.send_keys(words)
        browser.until(lambda: browser.shown() == expected, f"{words} to leave {expected}")
    browser.updated()
    assert browser.shown() == []
    field.send_keys(*[Keys.BACKSPACE] * 5)
    browser.until(lambda: browser.shown() == ["m1", "m2", "m10", "m1"], "all")


STATES = {"available": ["m1"], "draining": ["m2"], "off": [], "down": ["m10"], "not reporting": [], "in trouble": ["m2", "m10"],
          "all members": ["m1", "m2", "m10"]}


def test_50_02_states(httpd, browser):
    """Contract: "filter": by what a member is."""
    opened(httpd, browser)
    change(httpd, "farm=app&member=m10&health=down")
    browser.wait_for_cell("m10", "health", "down")
    for state, expected in STATES.items():
        browser.choose("Show", state)
        browser.until(lambda: of_app(browser) == expected, f"{state} to be {expected}")


def test_50_03_by_mouse(httpd, browser):
    """Contract: "sort": by each head, names from a to z with numbers as numbers, figures from the largest, and the other way by
    a second click; what is not known is last either way. The head says so to those who hear it."""
    opened(httpd, browser)
    configured = ["m1", "m2", "m10"]
    assert of_app(browser) == configured
    for kind, first, second in (("name", configured, configured[::-1]), ("weight", ["m2", "m10", "m1"], ["m1", "m10", "m2"]),
                                ("admin", ["m2", "m1", "m10"], ["m1", "m10", "m2"]), ("age", ["m10"], ["m10"])):
        for expected, told in ((first, "ascending" if kind == "name" else "descending"),
                               (second, "descending" if kind == "name" else "ascending")):
            browser.one(f"#f-app th.{kind} button").click()
            assert of_app(browser)[:len(expected)] == expected, (kind, of_app(browser))
            assert browser.one(f"#f-app th.{kind}").get_attribute("aria-sort") == told
        assert len(browser.all("th[aria-sort]")) == 2
    for head in browser.all("#f-app thead th"):
        assert bool(browser.all("button", head)) == (head.get_attribute("class") not in ("metrics", "change"))


def test_50_04_by_keys(httpd, browser):
    """Contract: both "by keyboard": `/` leads to the filter, Tab to the heads, Enter and blank sort."""
    opened(httpd, browser)
    browser.one("body").send_keys("/")
    browser.press("m1")
    browser.until(lambda: of_app(browser) == ["m1", "m10"], "the filter to be typed into")
    # A stroke that is typed into the field is a letter of it.
    browser.press("/")
    assert browser.js("return document.activeElement.value") == "m1/"
    browser.press(*[Keys.BACKSPACE] * 3)
    browser.until(lambda: of_app(browser) == list(WEIGHTS), "all")
    browser.tab_to("e.localName === 'button' && e.closest('th.weight')", "the head Weight")
    browser.press(Keys.ENTER)
    assert of_app(browser) == ["m2", "m10", "m1"]
    browser.press(Keys.SPACE)
    assert of_app(browser) == ["m1", "m10", "m2"]
    browser.updated()
    assert browser.js("return Boolean(document.activeElement.closest('th.weight'))")


def test_50_05_in_a_narrow_window(httpd, browser):
    """Contract: "filter and sort" where members are cards without heads: a field of the tools has the orders."""
    opened(httpd, browser)
    browser.window(360, 800)
    assert not browser.one("thead").is_displayed()
    browser.choose("Sort", "Weight")
    assert of_app(browser) == ["m2", "m10", "m1"]
    browser.choose("Sort", "as configured")
    assert of_app(browser) == ["m1", "m2", "m10"]
