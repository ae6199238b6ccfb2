"""What the page shows of farms and members, to those who see it and to those who hear it."""

import re
import pytest
from farmbrowser.sight import NAMED, heard, open_all
from farmhttpd import members, wait
from farmhttpd.fallback import Fallbacks, kept_busy
from farmhttpd.manager import change, farm_of
from farmhttpd.update import push

A = "farm=app&member=a"
AXES = ("admin", "health", "fresh")
CONDITIONS = ("ok", "full", "offline", "down")


def test_40_01_three_states_are_three_things(httpd, browser):
    """Contract: admin, health and fresh are three things, each with a word and a sign, whatever the others are: colour is
    never the only sign."""
    farm_of(httpd, lines=["FarmExpectUpdate 1h"])
    httpd.conf.farm("late", (httpd.members[0], ""), "FarmExpectUpdate 100ms")
    httpd.conf.handler("farm-update")
    httpd.log.expect("FARM")
    httpd.start()
    browser.open()
    signs = {}
    for admin, health in (("on", "down"), ("drain", "up"), ("off", "down"), ("on", "up")):
        for name in ("app", "late"):
            change(httpd, f"farm={name}&member=a&admin={admin}&health={health}")
        for name, fresh in (("app", "in"), ("late", "out")):
            wanted = [admin, health, fresh]

            def shown():
                cells = [browser.cell("a", axis, name) for axis in AXES]
                return [re.findall(r"[a-z]+", cell)[0] for cell in cells] == wanted and cells
            for axis, word, cell in zip(AXES, wanted, browser.until(shown, f"{wanted} to be shown")):
                signs.setdefault((axis, word), set()).add(re.findall(r"[^\w\s]", cell)[0])
    assert all(len(found) == 1 for found in signs.values()), signs
    of = {key: found.pop() for key, found in signs.items()}
    assert len({of["admin", word] for word in ("on", "drain", "off")}) == 3, of
    assert of["health", "up"] != of["health", "down"] and of["fresh", "in"] != of["fresh", "out"], of


def test_40_02_conditions_are_words(httpd, browser):
    """Contract: colour is never the only sign: a farm's condition is a word, with a sign of its own."""
    fallbacks = Fallbacks(httpd)
    for condition in CONDITIONS:
        fallbacks.farm(condition)
    httpd.log.expect("FARM")
    with fallbacks.settled():
        browser.open()
        told = [browser.text(f'section[id="f-{condition}"] .cond').split() for condition in CONDITIONS]
        assert [word for _, word in told] == list(CONDITIONS) and len({sign for sign, _ in told}) == 4, told
        assert browser.text("#sum").split(" of ")[0].endswith("1")


def test_40_03_every_figure(httpd, browser):
    """Contract: each member's "share, in flight, load, metrics, p50/p99, errors, age", and charts, with what they show as
    their names."""
    a, b, c = farm_of(httpd, lines=["FarmSet fall=1000000"])
    httpd.conf.farm("busy", (c, "")).proxy("/busy/", "http://busy/").handler("farm-update")
    httpd.log.expect_broken()
    httpd.start()
    browser.open()
    push(httpd, f"{A}&cpu=0.25&db.conns=57")
    with kept_busy(httpd, c, "/busy/x", 4):
        browser.wait_for_cell("c", "inflight", "^4$", "busy")
    for _ in range(12):
        b.next(members.close_after_request)
        assert httpd.get("/app/x").status == 200

    def agrees():
        """The page is of the same moment as a status in JSON."""
        row = httpd.rows()["b"]
        return browser.cell("b", "errors").split()[0] == str(row["errors"]) and row["errors"] and row
    row = browser.until(agrees, "the errors to be shown")
    share = float(re.search(r"[\d.]+", browser.cell("b", "share"))[0])
    assert abs(share - 100 * row["share"]) < 0.6
    assert re.fullmatch(r"\d+ [\d.]+ ?%", browser.cell("b", "errors")), browser.cell("b", "errors")
    assert browser.cell("a", "metrics").split() == ["cpu", "0.25", "db.conns", "57"]
    assert re.fullmatch(r"[\d.]+ s", browser.cell("a", "age")), browser.cell("a", "age")
    assert browser.cell("b", "weight") == "1" and browser.cell("b", "age") == "–"
    for kind in ("p50", "p99"):
        browser.wait_for_cell("a", kind, r"^[\d.]+ (µs|ms|s)$")
    assert browser.cell("a", "load") == "–" or re.fullmatch(r"[\d.]+", browser.cell("a", "load"))

    def charts():
        return [name for role, name, _ in heard(browser) if role in ("image", "img")]
    names = browser.until(lambda: len(charts()) >= 2 and charts(), "charts to be drawn")
    assert all(re.fullmatch(r"Requests in the last .+, at most [\d.,]+ per second; the line is (errors|failovers)", name)
               for name in names), names


def test_40_04_who_why_until_when(httpd, browser):
    """Contract: who took a member or a farm out, why, since and until when."""
    farm_of(httpd)
    httpd.start()
    browser.open()
    change(httpd, f"{A}&admin=drain&by=anna&reason=new kernel&until=2031-05-06T07:08:09Z")
    change(httpd, "farm=app&admin=off&by=bert&reason=database moves")
    note = rf"^drain by anna: .?new kernel.?, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(.* ago\), until 2031-05-06 07:08:09 UTC \(.* left\)"
    browser.wait_for(f"{browser.member('a')} .note", note)
    browser.wait_for(".farm > p.note", r"^The farm as a whole: off by bert: .?database moves.?, since ")
    assert not browser.all(f"{browser.member('b')} .note")
    assert [one.get_attribute("datetime") for one in browser.all(f"{browser.member('a')} .note time")][1] \
        .startswith("2031-05-06T07:08:09")


def test_40_05_how_far_it_has_come(httpd, browser):
    """Contract: while draining, how much of what there was is done."""
    a, *_ = farm_of(httpd)
    httpd.conf.farm("app", a, (httpd.members[1], "tier=1"))
    httpd.start()
    browser.open()
    drained = f"{browser.member('a')} .note .drained"
    with kept_busy(httpd, a, "/app/x", 4):
        wait.until(lambda: httpd.rows()["a"]["inflight"] == 4, "four in flight")
        change(httpd, f"{A}&admin=drain&reason=disk")
        browser.wait_for(drained, r"\bin flight 4 of 4\b")
        bar = browser.one(f"{drained} progress")
        assert (bar.get_attribute("max"), bar.get_attribute("value")) == ("4", "0")
        assert ("in flight" in [name for role, name, _ in heard(browser) if "rogress" in role])
    browser.wait_for(drained, "nothing in flight, nobody tied")


@pytest.mark.parametrize("width", [1600, 360])
def test_40_06_who_hears_the_page(httpd, browser, width):
    """Contract: all that can be used or looked at has a name for whoever hears the page, each field a label, each figure a
    head; the language is told."""
    made = farm_of(httpd, *[f"m{n:02}" for n in range(12)])
    httpd.conf.farm("other", (made[0], ""))
    httpd.conf.handler("farm-update")
    httpd.start()
    push(httpd, "farm=app&member=m00&cpu=0.5")
    change(httpd, "farm=app&member=m01&admin=drain")
    browser.window(width)
    browser.open()
    open_all(browser)
    assert browser.js("return document.documentElement.lang") == "en" and browser.driver.title
    told = heard(browser)
    nameless = [one for one in told if one[0] in NAMED and not re.search(r"\w", one[1])]
    assert not nameless, nameless
    names = [name for role, name, _ in told]
    # Which of many: each button that opens a form says whose it is; and the overview says what each sign means.
    assert {"Change app", "Change other", *[f"Change m{n:02}" for n in range(12)]} <= set(names)
    assert {"All members", "m00: available", "m01: drain", "Members of app", "Members of other"} <= set(names)
    roles = [role for role, *_ in told]
    assert "main" in roles and roles.count("heading") == 3
    # Enter in one of these would change something: none may be without its label.
    assert browser.js("return [...document.querySelectorAll('input:not([type=hidden]), select')].filter((e) => !e.labels.length).length") == 0
    if width > 860:
        heads = browser.js("return [...document.querySelector('table').tHead.rows[0].cells].map((c) => [c.scope, c.textContent])")
        assert all(scope == "col" and text for scope, text in heads)
        assert roles.count("columnheader") == 2 * len(heads) and roles.count("rowheader") == 13
    else:
        # Cards: each figure has its name above it.
        assert browser.js("return [...document.querySelectorAll('tbody tr:not(.note) td')].every((e) =>"
                          "e.className === 'change' || e.dataset.l && getComputedStyle(e, '::before').content.includes(e.dataset.l))")


def test_40_07_the_overview(httpd, browser):
    """What its reader expects: of many members, the one sign that is another is that of the member in trouble, and leads to
    it; the focus stays on it when it changes."""
    farm_of(httpd, *[f"m{n:02}" for n in range(12)])
    httpd.log.expect("FARM")
    httpd.start()
    browser.open()
    link = browser.one('.map a[href="#m-app/m05"]')
    browser.js("arguments[0].focus()", link)
    change(httpd, "farm=app&member=m05&health=down")
    browser.until(lambda: link.get_attribute("title") == "m05: down", "the sign to change")
    signs = [one.text for one in browser.all(".map a")]
    assert signs.count(signs[5]) == 1 and len(set(signs)) == 2
    assert browser.js("return document.activeElement === arguments[0]", link)
    link.click()
    assert browser.driver.current_url.endswith("#m-app/m05")


def test_40_08_no_farm(httpd, browser):
    """What its reader expects: a server without farms says so, and goes on to."""
    httpd.start()
    browser.open()
    assert "This server has no farm" in browser.text("main")
    asked = len(browser.requests())
    browser.until(lambda: len(browser.requests()) >= asked + 2, "the page to ask again")
    assert "This server has no farm" in browser.text("main") and browser.text("#said") == ""
