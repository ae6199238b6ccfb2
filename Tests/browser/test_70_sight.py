"""What eyes need: contrast in both schemes, a page as wide as the window, a focus that can be seen."""

import pytest
from farmbrowser.forms import Change
from farmbrowser.sight import contrasts, open_all, wider
from farmhttpd import members
from farmhttpd.fallback import kept_busy
from farmhttpd.manager import change
from farmhttpd.update import push
from selenium.webdriver.common.keys import Keys

# The longest of everything: a farm's and a member's name, a reason without a blank, a metric's name and value.
LONG = "x" * 63
WORD = "w" * 191


def everything(httpd):
    """A page that has every state, every sign and every text there can be, the longest of each."""
    a, b, c, d = httpd.three("a", "b", "c", "d")
    more = [f"FarmMember {a.url}/{n} name=m{n}" for n in range(10)]
    httpd.conf.farm("app", (a, "maxinflight=1"), (b, "tier=1"), c, f"FarmMember {d.url} name={LONG}", "FarmSet fall=1000000", *more)
    httpd.conf.farm("late", (c, ""), "FarmExpectUpdate 100ms").farm(LONG, (d, "admin=off"))
    httpd.conf.farm("full", (d, "maxinflight=1")).farm("nobody")
    httpd.conf.proxy("/app/", "http://app/").proxy("/full/", "http://full/").handler("farm-update").handler("farm-manager")
    httpd.log.expect_broken()
    httpd.log.expect("FARM")
    httpd.start()
    c.next(members.close_after_request)
    for _ in range(20):
        httpd.get("/app/x")
    push(httpd, "&".join([f"farm=app&member=a&cpu=0.25&{'m' * 31}=1234567890123", *[f"metric{n}={n}" for n in range(8)]]))
    change(httpd, f"farm=app&member=b&admin=off&reason={WORD}&until=2031-01-01T00:00:00Z")
    change(httpd, f"farm=app&member={LONG}&admin=drain&by={'b' * 63}&reason={WORD}")
    change(httpd, "farm=app&member=c&health=down")
    change(httpd, f"farm=late&admin=drain&reason={WORD}")
    return d


@pytest.mark.parametrize("width", [1600, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_70_01_contrast(httpd, browser, scheme, width):
    """Contract: dark and light, and in both a contrast of each text to what is behind it of 4.5 at least (WCAG 2.2, AA)."""
    d = everything(httpd)
    browser.expect("400")
    browser.media(scheme)
    browser.window(width)
    with kept_busy(httpd, d, "/full/x"):
        browser.open()
        browser.wait_for_cell("c", "fresh", "out", "late")
        form = Change(browser, "b").open().type(until="yesterday")
        form.button("on").click()
        form.wait_for_error()
        open_all(browser)
        browser.one("#tools button").click()
        browser.js("document.querySelector('#said').textContent = 'Not up to date'")
        found = contrasts(browser)
    texts = {text for text, *_ in found}
    missing = {"on", "drain", "off", "up", "down", "in", "out", "ok", "full", "offline", "✖", "▲", "●", "○", "◐", "Reason",
               "Not up to date", "yesterday"} - texts
    assert not missing, missing
    assert not {one for one in found if one[1] < 4.5}, sorted({one for one in found if one[1] < 4.5}, key=lambda one: one[1])
    # The scheme is really another.
    shade = browser.js("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).reduce((a, b) => a + Number(b), 0)")
    assert (shade > 600) == (scheme == "light") and (shade < 150) == (scheme == "dark")


@pytest.mark.parametrize("width", [360, 700])
def test_70_02_no_wider_than_the_window(httpd, browser, width):
    """Contract: "page width at 360 px": nothing reaches beyond it, however long names and texts are, forms open or not."""
    everything(httpd)
    browser.expect("400")
    browser.window(width, 800)
    browser.open()
    assert wider(browser) == []
    form = Change(browser, "b").open().type(reason="W" * 191, until="x" * 60)
    form.button("drain").click()
    form.wait_for_error()
    open_all(browser)
    browser.js("document.querySelector('#said').textContent = 'Not up to date: the server does not answer.'")
    assert wider(browser) == []


def test_70_03_the_table_scrolls_in_itself(httpd, browser):
    """What its reader expects: where the table is too wide for the window, it is scrolled and not the page; and the buttons
    are in sight."""
    everything(httpd)
    for width in (900, 1440, 1680, 2400):
        browser.window(width)
        browser.open()
        assert browser.js("return document.documentElement.scrollWidth <= innerWidth"), width
        assert browser.js("return [...document.querySelectorAll('.forms > summary')].every((e) =>"
                          "e.getBoundingClientRect().left >= 0 && e.getBoundingClientRect().right <= innerWidth)"), width


@pytest.mark.parametrize("scheme,width", [("light", 1600), ("dark", 360)])
def test_70_04_the_focus_is_seen(httpd, browser, scheme, width):
    """Contract: "focus visible": at each stop of Tab, of which there is one for all that can be used, in their order."""
    everything(httpd)
    browser.media(scheme)
    browser.window(width)
    browser.open()
    next(button for button in browser.all("#tools button") if button.text == "Pause").click()
    Change(browser, "c").open()
    count = browser.js("return [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, summary')]"
                       ".filter((e) => !e.disabled && e.checkVisibility()).length")
    browser.js("document.activeElement.blur(); getSelection().removeAllRanges(); scrollTo(0, 0);"
               "document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex'); window.stops = new Set()")
    bad = []
    for _ in range(count + 30):
        browser.press(Keys.TAB)
        told = browser.js("""
            const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
            if (e === document.body || stops.has(e)) return null;
            stops.add(e);
            return [e.localName + " " + (e.textContent || e.name), s.outlineStyle, parseFloat(s.outlineWidth),
                    r.width > 0 && r.bottom > 0 && r.top < innerHeight && r.right > 0 && r.left < innerWidth];""")
        if told is None:
            break
        if told[1] == "none" or told[2] < 2 or not told[3]:
            bad.append(told)
    assert not bad, bad
    assert browser.js("return stops.size") == count
