"""One page that has all it needs, and a policy that lets nothing else run in it or leave it."""

from urllib.parse import quote

import pytest
from farmbrowser.browser import STATUS
from farmhttpd.manager import PATH, farm_of

BARE = "/bare"

# What may find its way into a page: how it is put there, and how it shows that it has worked. By the policy's directive.
MARK = "window.hit = true"
INTRUDERS = {
    "script": ("script-src", f"const e = document.createElement('script'); e.textContent = '{MARK}'; document.body.append(e)"),
    "handler": ("script-src", f"document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=\"data:,\" onerror=\"{MARK}\">')"),
    "link": ("script-src", f"const e = document.createElement('a'); e.href = 'javascript:{MARK};void 0'; document.body.append(e); e.click()"),
    "script from elsewhere": ("script-src", "const e = document.createElement('script'); e.src = OTHER; document.body.append(e)"),
    "style": ("style-src", "const e = document.createElement('style'); e.textContent = 'main { --hit: 1 }'; document.body.append(e)"),
    "style of one": ("style-src", "document.querySelector('main').setAttribute('style', '--hit: 1')"),
    "style from elsewhere": ("style-src", "const e = document.createElement('link'); e.rel = 'stylesheet'; e.href = OTHER;"
                             "document.head.append(e)"),
    "picture from elsewhere": ("img-src", "new Image().src = OTHER"),
    "data to elsewhere": ("connect-src", "fetch(OTHER, { mode: 'no-cors' }).catch(() => {})"),
    "form to elsewhere": ("form-action", "const e = document.createElement('form'); e.action = OTHER; document.body.append(e); e.submit()"),
    "frame": ("frame-src", "const e = document.createElement('iframe'); e.src = OTHER; document.body.append(e)"),
    "base": ("base-uri", "const e = document.createElement('base'); e.href = OTHER; document.head.append(e);"
             "if (document.baseURI === OTHER) window.hit = true"),
}
SEE = "return Boolean(window.hit || getComputedStyle(document.querySelector('main')).getPropertyValue('--hit'))"


@pytest.mark.parametrize("target", [f"{STATUS}?format=html", PATH])
def test_10_01_asks_for_itself_alone(httpd, browser, target):
    """Contract: "one self-contained page": all that is asked for is the page, and the console has nothing to say."""
    farm_of(httpd)
    httpd.start()
    browser.open(target).updated(2)
    assert {url for url in browser.requests() if not url.startswith(("data:", "about:"))} == {browser.base + target}
    assert browser.console() == []
    assert {line[2] for line in httpd.access_log()} == {target.split("?")[0]}


def test_10_02_the_policy_holds(httpd, browser):
    """Contract: "a strict Content-Security-Policy": what is put into the page does nothing. On the same page without the
    policy it does."""
    a, *_ = farm_of(httpd)
    httpd.conf.add(f'<Location "{BARE}">', "SetHandler farm-status", "Require local",
                   "Header unset Content-Security-Policy", "</Location>")
    httpd.start()
    browser.expect("")
    browser.others.append(a.url)
    watch = "window.told = []; document.addEventListener('securitypolicyviolation', (e) => told.push(e.effectiveDirective));"
    for kind, (directive, script) in INTRUDERS.items():
        put = f"const OTHER = '{a.url}/{quote(kind)}'; {script}"

        def has_worked():
            return any(target.startswith(f"/{quote(kind)}") for target in a.targets) or browser.js(SEE)

        browser.open(STATUS).js(watch + put)
        browser.until(lambda: browser.js("return told.length"), f"the browser to refuse a {kind}")
        assert browser.js("return told[0]").startswith(directive), kind
        assert not has_worked(), kind

        browser.open(BARE).js(put)
        browser.until(has_worked, f"a {kind} to work where there is no policy")


@pytest.mark.parametrize("target", [STATUS, PATH])
def test_10_03_in_no_frame(httpd, browser, target):
    """What an administrator expects: no other page can show this one inside itself, and lead clicks to its buttons."""
    farm_of(httpd)
    httpd.conf.add(f'<Location "{BARE}">', "SetHandler farm-status", "Require local",
                   "Header unset Content-Security-Policy", "</Location>")
    for name, path in (("frame", target), ("control", BARE)):
        (httpd.root / "htdocs" / f"{name}.html").write_text(f'<!DOCTYPE html><link rel=icon href="data:,"><iframe src="{path}"></iframe>')
    httpd.start()
    browser.expect("frame-ancestors", "favicon")
    for name, shown in (("frame", False), ("control", True)):
        browser.open(f"/{name}.html")
        browser.driver.switch_to.frame(browser.one("iframe"))
        try:
            browser.until(lambda: browser.js("return document.readyState") == "complete", "the frame to be loaded")
            assert bool(browser.all("main")) == shown
        finally:
            browser.driver.switch_to.default_content()
