"""A real Chromium without a window: what it shows, what it asks for, and what it complains of."""

import json
import os
import re
from pathlib import Path

from farmhttpd import wait
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

CHROMIUM = os.environ.get("FARM_CHROMIUM", "/usr/bin/chromium")
DRIVER = os.environ.get("FARM_CHROMEDRIVER", "/usr/bin/chromedriver")
PICTURES = os.environ.get("FARM_PICTURES")
STATUS = "/farm-status"

# Nothing of the browser's own may go out; a sandbox is not to be had where tests run as root.
OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
           "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
           "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]

# A browser that waits for a busy machine is given more than what waits for a server.
DEADLINE = 40


def is_stale(fault):
    """Whether it only says that something is no longer in the page."""
    return isinstance(fault, StaleElementReferenceException) or "does not belong to the document" in str(fault)


def is_gone(element):
    try:
        element.tag_name
    except WebDriverException as fault:
        if is_stale(fault):
            return True
        raise
    return False


class Browser:
    def __init__(self, scripts=True):
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for option in OPTIONS:
            options.add_argument(option)
        if not scripts:
            options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.driver.set_page_load_timeout(DEADLINE)
        self.driver.set_script_timeout(DEADLINE)
        self.httpd = None
        self.expected, self.others, self.asked, self.messages = [], [], [], []

    def quit(self):
        self.driver.quit()

    # -- a test's begin and end ----------------------------------------------------------------------------

    def begin(self, httpd):
        self.httpd = httpd
        self.expected, self.others = [], []
        self.window()
        self.media()
        self.leave()
        self.asked, self.messages = [], []
        return self

    def leave(self):
        """Away from the page, so that it asks its server no longer; and what is logged till then is another's."""
        self.driver.get("about:blank")
        self._read_logs()

    def expect(self, *patterns):
        """Declares what the console is to say because of what the test does."""
        self.expected += [re.compile(pattern) for pattern in patterns]

    def check_quiet(self):
        """Contract: "one self-contained page": no request but for the page, and nothing to complain of."""
        wrong = [message for message in self.console() if not any(pattern.search(message) for pattern in self.expected)]
        assert not wrong, f"the console says: {wrong}"
        away = [url for url in self.requests() if not url.startswith((f"{self.base}/", "about:blank", "data:", *self.others))]
        assert not away, f"asked of others: {away}"

    def picture(self, name):
        """Of a test that has failed, where FARM_PICTURES names a folder."""
        if PICTURES:
            Path(PICTURES).mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(Path(PICTURES) / f"{re.sub(r'[^A-Za-z0-9_-]', '-', name)}.png"))

    # -- what it is and where it looks ---------------------------------------------------------------------

    @property
    def base(self):
        return f"http://127.0.0.1:{self.httpd.port}"

    def window(self, width=1600, height=900):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})

    def media(self, scheme="light", **features):
        pairs = {"prefers-color-scheme": scheme, **features}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": name, "value": value} for name, value in pairs.items()]})

    def open(self, target=STATUS):
        # about:blank in between: another fragment alone would load nothing.
        self.driver.get("about:blank")
        self.driver.get(self.base + target)
        return self

    def before_page(self, script):
        """Runs a script in each page that is opened from now on, before its own; returns how to stop that."""
        made = self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
        return lambda: self.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", made)

    # -- what it logs --------------------------------------------------------------------------------------

    def _read_logs(self):
        self.messages += [entry["message"] for entry in self.driver.get_log("browser")]
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.asked.append(message["params"]["request"]["url"])

    def console(self):
        self._read_logs()
        return self.messages

    def requests(self):
        """Addresses of all that was asked for, in order."""
        self._read_logs()
        return self.asked

    # -- what is there -------------------------------------------------------------------------------------

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def all(self, selector, within=None):
        return (within or self.driver).find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector, within=None):
        return (within or self.driver).find_element(By.CSS_SELECTOR, selector)

    def text(self, selector):
        """What a reader sees of it, blanks joined; empty when it is not there or not to be seen."""
        for _ in range(20):
            try:
                found = self.all(selector)
                return " ".join(found[0].text.split()) if found else ""
            except WebDriverException as fault:
                if not is_stale(fault):
                    raise
        raise AssertionError(f"{selector} is replaced all the time")

    def member(self, name, farm="app"):
        """The selector of a member's part of the table."""
        return f'tbody[id="m-{farm}/{name}"]'

    def cell(self, name, kind, farm="app"):
        return self.text(f"{self.member(name, farm)} .{kind}")

    def shown(self):
        """Names of the members that are to be seen, in their order."""
        return self.js("return [...document.querySelectorAll('tbody')].filter((body) => body.getClientRects().length)"
                       ".map((body) => body.querySelector('.name b').textContent)")

    @property
    def focused(self):
        """Something that says which element has the focus."""
        return self.js("const e = document.activeElement, row = e.closest('tbody, section');"
                       "return [e.localName, e.name || e.className || '', row ? row.id : ''].join(' ')")

    # -- what somebody does --------------------------------------------------------------------------------

    def press(self, *keys):
        """Keys for whatever has the focus."""
        self.driver.switch_to.active_element.send_keys(*keys)
        return self

    def tab_to(self, condition, what, most=80):
        """Goes on by Tab alone until the focus is there; returns all that had it on the way."""
        way = []
        for _ in range(most):
            self.press(Keys.TAB)
            way.append(self.focused)
            if self.js(f"const e = document.activeElement; return Boolean({condition})"):
                return way
        raise AssertionError(f"{what} is not reached by Tab: {way}")

    def field(self, label):
        """The input or choice of the tools at the top with that label."""
        for one in self.all("#tools label"):
            if one.text.split("\n")[0].strip().startswith(label):
                return self.one("input, select", one)
        raise AssertionError(f"no field {label}")

    def choose(self, label, text):
        field = self.field(label)
        next(option for option in self.all("option", field) if option.text == text).click()

    # -- waiting -------------------------------------------------------------------------------------------

    def until(self, condition, what):
        """A part of the page that is replaced just now is looked at again."""
        def whole():
            try:
                return condition()
            except WebDriverException as fault:
                if not is_stale(fault):
                    raise
                return False
        return wait.until(whole, what, DEADLINE)

    def follow(self, element):
        """Clicks on what leads to another page, or to this one anew, and waits for that."""
        before = self.one("html")
        element.click()
        self.until(lambda: is_gone(before), "the next page")
        self.until(lambda: self.js("return document.readyState") == "complete", "the next page to be whole")

    def wait_for(self, selector, pattern, what=None):
        """Waits until that part's text matches."""
        return self.until(lambda: re.search(pattern, self.text(selector)), what or f"{pattern!r} in {selector}")

    def wait_for_cell(self, name, kind, pattern, farm="app"):
        return self.wait_for(f"{self.member(name, farm)} .{kind}", pattern)

    def moment(self):
        """Which status the page shows: its time."""
        return self.js("return Number(document.querySelector('main').dataset.now)")

    def updated(self, times=2):
        """Waits for the next updates of the page. The first may have been asked for before this was called."""
        for _ in range(times):
            before = self.moment()
            self.until(lambda: self.moment() > before, "the page to be updated")
        return self
