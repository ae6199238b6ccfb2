"""Texts of others on the page: whatever they hold, they are texts."""

from urllib.parse import quote

from farmbrowser.forms import Change
from farmhttpd.manager import change, farm_of
from farmhttpd.conf import quoted

HOSTILE = {
    "script": "<script>window.hit = 1</script>",
    "handler": '"><img src=x onerror="window.hit = 1">',
    "title": "</title></q></td></table></main><h1>gone</h1>",
    "style": "</style><style>* { display: none }</style>",
    "comment": "<!-- <script> <![CDATA[ -->",
    "entities": "&lt;b&gt; &amp;amp; &#60;i&#62; &quot",
    "quotes": "' onfocus='window.hit = 1' autofocus='\" `${window.hit = 1}`",
    "frame": "<iframe src=//x.example></iframe><base href=//x.example><meta http-equiv=refresh content=0>",
    "marks": "\u202eesrever \u2066isolated \u200fmarks",
}


def test_80_01_a_reason(httpd, browser):
    """Contract: a reason full of markup is shown as text, and who it is by, when the page is brought up to date and when it is
    loaded."""
    httpd.log.expect("FARM")
    farm_of(httpd, *HOSTILE)
    httpd.start()
    browser.open()
    tags = "return [...document.querySelectorAll('*')].map((e) => e.localName).filter((n) => "\
           "['script', 'img', 'iframe', 'style', 'h1', 'base', 'meta', 'b', 'i'].includes(n)).sort().join()"
    notes = "return [...document.querySelectorAll('.note')].map((e) => [...e.querySelectorAll('bdi')].map((b) => b.textContent))"
    for kind, text in HOSTILE.items():
        change(httpd, f"farm=app&member={kind}&admin=drain&by=x&reason=x")
    change(httpd, "farm=app&admin=drain&by=x&reason=x")
    written = [["x", "x"]] * (len(HOSTILE) + 1)
    browser.until(lambda: browser.js(notes) == written, "plain reasons")
    before = browser.js(tags)
    for kind, text in HOSTILE.items():
        change(httpd, f"farm=app&member={kind}&admin=drain&by={quote(text[:40])}&reason={quote(text)}")
    last = HOSTILE["script"]
    change(httpd, f"farm=app&admin=drain&by={quote(last)}&reason={quote(last)}")
    written = [[last, last], *[[text[:40], text] for text in HOSTILE.values()]]
    for load in (False, True):
        if load:
            browser.open()
        browser.until(lambda: browser.js(notes) == written, "the reasons to be shown as they were written")
        assert browser.js(tags) == before and browser.js("return window.hit === undefined")
        assert browser.js("return document.title") == "Farms" and browser.shown() == list(HOSTILE)


def test_80_02_another_direction(httpd, browser):
    """What an administrator expects: a reason that turns the direction of writing turns nothing beside it."""
    farm_of(httpd)
    httpd.start()
    change(httpd, f"farm=app&member=a&admin=off&by={quote(chr(0x202e))}evil&reason=x{quote(chr(0x202e))}disk")
    browser.open()
    # What follows stands to the right of it, as elsewhere.
    assert browser.js("""
        const q = document.querySelector('tr.note q'), after = document.createRange();
        after.setStart(q.nextSibling, 2);
        after.setEnd(q.nextSibling, 7);
        return [after.toString(), after.getBoundingClientRect().left >= q.getBoundingClientRect().right - 1];""") == ["since", True]


def test_80_03_what_is_typed(httpd, browser):
    """The same through the page's own form, and in what it says of a refusal."""
    farm_of(httpd)
    httpd.start()
    browser.open()
    browser.expect("400")
    form = Change(browser, "a").open().type(reason=HOSTILE["handler"], until=HOSTILE["script"])
    form.button("off").click()
    assert "script" in form.wait_for_error() and browser.js("return window.hit === undefined")
    form.field("until").clear()
    form.button("off").click()
    browser.until(lambda: browser.js("return document.querySelector('tr.note q')?.textContent") == HOSTILE["handler"],
                  "the reason to be shown as it was typed")
    assert browser.js("return window.hit === undefined")


def test_80_04_a_filter_in_the_address(httpd, browser):
    """Whoever follows a link to the page has its filter, and nothing else of it."""
    farm_of(httpd)
    httpd.start()
    for part, expected in (("#?q=" + quote(HOSTILE["handler"]), []), ("#?s=nonsense&o=__proto__", ["a", "b", "c"]),
                           ("#?o=" + quote('"],*{}'), ["a", "b", "c"]), ("#?%E0%A4%A", ["a", "b", "c"]),
                           ("#javascript:window.hit=1", ["a", "b", "c"])):
        browser.open(f"/farm-status{part}").updated(1)
        assert browser.shown() == expected and browser.js("return window.hit === undefined"), part
        assert browser.text("#said") == ""


def test_80_05_an_odd_path_of_the_manager(httpd, browser):
    """Whatever the path of farm-manager, the buttons find it."""
    path = "/x'y&z=1;<b>\"&amp;"
    httpd.farm(*httpd.three())
    httpd.conf.add(f"<Location {quoted(path)}>", "SetHandler farm-manager", "Require local", "</Location>")
    httpd.start()
    browser.open()
    Change(browser, "a").open().button("off").click()
    browser.wait_for_cell("a", "admin", r"\boff\b")
