"""The forms of a member, or of a farm, as somebody uses them."""


class Change:
    """What is behind the button Change."""

    def __init__(self, browser, name=None, farm="app"):
        self.browser = browser
        self.selector = f"{browser.member(name, farm)} .forms" if name else f'section[id="f-{farm}"] > .head .forms'

    def open(self):
        self.summary.click()
        self.browser.until(lambda: self.is_open, "the form to open")
        return self

    @property
    def is_open(self):
        return self.browser.one(self.selector).get_attribute("open") is not None

    @property
    def summary(self):
        return self.browser.one(f"{self.selector} > summary")

    def field(self, name):
        return self.browser.one(f"{self.selector} input[name={name}]")

    def type(self, **texts):
        for name, text in texts.items():
            self.field(name).send_keys(text)
        return self

    def button(self, text):
        """A button to be seen, by what stands on it."""
        found = [one for one in self.browser.all(f"{self.selector} button") if one.text == text]
        assert len(found) == 1, (text, [one.text for one in found])
        return found[0]

    def values(self):
        return {name: self.field(name).get_attribute("value") for name in ("reason", "until")}

    @property
    def error(self):
        return self.browser.text(f"{self.selector} .refused")

    def wait_for_error(self):
        return self.browser.until(lambda: self.error, "the form to say why it is refused")
