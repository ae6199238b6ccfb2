"""A farm of 300 members, on a page that is still one to work with."""

from farmbrowser.forms import Change
from farmhttpd.manager import change
from farmhttpd.update import push

COUNT = 300


def opened(httpd, browser):
    a = httpd.member("a")
    httpd.conf.farm("app", *[f"FarmMember {a.url}/{n} name=m{n}" for n in range(COUNT)])
    httpd.conf.proxy("/app/", "http://app/").handler("farm-manager").handler("farm-update")
    httpd.log.expect("FARM")
    httpd.start()
    return browser.open()


def test_90_01_filter_and_order(httpd, browser):
    """Contract: with 300 members the filter narrows, and the order is that of the figures."""
    opened(httpd, browser)
    names = [f"m{n}" for n in range(COUNT)]
    assert browser.shown() == names
    browser.one("thead th.name button").click()
    browser.one("thead th.name button").click()
    assert browser.shown() == names[::-1]
    browser.field("Filter").send_keys("m29")
    wanted = [*[f"m{n}" for n in range(299, 289, -1)], "m29"]
    browser.until(lambda: browser.shown() == wanted, "eleven of them to be left")
    push(httpd, "farm=app&member=m295&cpu=0.5")
    browser.wait_for_cell("m295", "metrics", "cpu")
    browser.updated()
    assert browser.shown() == wanted and browser.js("return document.activeElement.value") == "m29"


def test_90_02_updates_complete(httpd, browser):
    """Contract: the page "remains responsive": updates complete, of each member, also while it is scrolled and typed into."""
    opened(httpd, browser)
    for n in range(0, COUNT, 25):
        change(httpd, f"farm=app&member=m{n}&admin=drain&reason=part {n}")
    browser.until(lambda: len(browser.all("tr.note")) == COUNT // 25, "every note")
    form = Change(browser, "m151")
    browser.js("arguments[0].scrollIntoView({ block: 'center' })", form.summary)
    form.open().type(reason="slow")
    at = browser.js("return scrollY")
    browser.updated()
    assert browser.js("return scrollY") == at and form.values()["reason"] == "slow"
    form.button("off").click()
    browser.wait_for_cell("m151", "admin", r"\boff\b")
    change(httpd, "farm=app&member=m299&health=down")
    browser.until(lambda: browser.one('.map a[href="#m-app/m299"]').get_attribute("title") == "m299: down", "the last of the overview")
    assert browser.text("#said") == ""
    browser.choose("Show", "in trouble")
    assert len(browser.shown()) == COUNT // 25 + 2
