"""A page as a browser without scripts has it: its tables, its forms, and what a browser would load or run."""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
LOADING = {"src", "href", "action", "formaction", "srcset", "poster", "data", "background", "xlink:href", "cite", "ping"}
OPTIONAL_END = {"p", "li", "td", "th", "tr", "thead", "tbody", "option", "dt", "dd"}


@dataclass
class Form:
    """What a browser sends: fields with their values, and buttons of which one is sent."""
    attributes: dict
    fields: list = field(default_factory=list)
    choices: dict = field(default_factory=dict)     # of a select: its values
    buttons: list = field(default_factory=list)

    @property
    def values(self):
        return dict(self.fields)

    def sent(self, button=None, **typed):
        """The body; every name that is typed must be a field that can be typed into or chosen."""
        pairs = [(name, typed.pop(name, value)) for name, value in self.fields]
        assert not typed, f"no such fields: {typed}"
        return urlencode([*pairs, *([button] if button else [])])


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.source = text
        self.tags = []              # (name, attributes)
        self.texts = []
        self.rows = []              # of all tables: texts of their cells
        self.forms = []
        self.scripts, self.styles = [], []
        self.open, self.problems = [], []
        self.select = self.option = None
        self.feed(text)
        self.close()

    # -- what there is -------------------------------------------------------------------------------------

    @property
    def text(self):
        """What a reader sees, line ends as blanks."""
        return "".join(self.texts)

    @property
    def handlers(self):
        """Attributes that are scripts."""
        return [(tag, name) for tag, attributes in self.tags for name in attributes if name.startswith("on")]

    @property
    def urls(self):
        return [attributes[name] or "" for _, attributes in self.tags for name in LOADING & set(attributes)]

    def row_of(self, *words):
        """The one row of a table whose cells have these words among their own."""
        found = [row for row in self.rows if all(any(word in cell.split() for cell in row) for word in words)]
        assert len(found) == 1, (words, found)
        return found[0]

    def forms_of(self, farm, member=None):
        return [form for form in self.forms if (form.values.get("farm"), form.values.get("member") or None) == (farm, member)]

    def check_well_formed(self):
        assert self.source.lstrip().lower().startswith("<!doctype html>") and self.source.rstrip().endswith("</html>"), \
            self.source[-100:]
        assert not self.problems and not self.open, (self.problems, self.open)
        ids = [attributes["id"] for _, attributes in self.tags if "id" in attributes]
        assert len(ids) == len(set(ids)), "an id twice"

    def check_loads_nothing(self):
        """No address of another host, in no attribute, style or script."""
        for url in self.urls:
            parts = urlsplit(url)
            assert parts.scheme in ("", "data") and parts.netloc == "" and not url.startswith(("//", "\\")), url
        for style in self.styles:
            assert not re.search(r"@import|url\(\s*['\"]?(?!data:)|expression", style), style
        for script in self.scripts:
            assert not re.search(r"\bhttps?:|\beval\b|new Function|import\(", script), script
        assert not [attributes for _, attributes in self.tags if "style" in attributes], "a style that the policy forbids"
        assert not self.handlers, self.handlers
        assert not [tag for tag, _ in self.tags if tag in ("iframe", "object", "embed", "base", "frame", "applet")]

    # -- reading -------------------------------------------------------------------------------------------

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.problems.append(f"an attribute twice in <{tag} {attrs}>")
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
        elif tag in ("script", "style"):
            (self.scripts if tag == "script" else self.styles).append("")
        self._field(tag, attributes)

    def _field(self, tag, attributes):
        if tag == "form":
            self.forms.append(Form(attributes))
        if not self.forms or "disabled" in attributes:
            return
        form, name = self.forms[-1], attributes.get("name")
        kind = (attributes.get("type") or ("submit" if tag == "button" else "text")).lower()
        if tag == "option" and self.select:
            self.option = attributes.get("value"), "selected" in attributes, []
        elif not name:
            return
        elif tag == "select":
            self.select = name
            form.choices[name] = []
            form.fields.append((name, ""))
        elif tag == "button" or tag == "input" and kind in ("submit", "image"):
            form.buttons.append((name, attributes.get("value") or ""))
        elif tag == "textarea":
            form.fields.append((name, ""))
        elif tag == "input" and (kind not in ("radio", "checkbox") or "checked" in attributes):
            form.fields.append((name, attributes.get("value") or ""))

    def handle_endtag(self, tag):
        while self.open and self.open[-1] != tag and self.open[-1] in OPTIONAL_END and tag in self.open:
            self.open.pop()
        if self.open and self.open[-1] == tag:
            self.open.pop()
        elif tag not in VOID:
            self.problems.append(f"</{tag}> closes nothing")
        if tag == "option" and self.option:
            self._option_ends()
        elif tag == "select":
            self._option_ends()
            self.select = None

    def _option_ends(self):
        if self.option and self.select:
            value, selected, texts = self.option
            value = "".join(texts).strip() if value is None else value
            form = self.forms[-1]
            form.choices[self.select].append(value)
            if selected or len(form.choices[self.select]) == 1:
                form.fields = [(name, value if name == self.select else old) for name, old in form.fields]
        self.option = None

    def handle_data(self, data):
        within = self.open[-1] if self.open else ""
        if within == "script":
            self.scripts[-1] += data
        elif within == "style":
            self.styles[-1] += data
        else:
            self.texts.append(data)
            if self.rows and {"td", "th"} & set(self.open) and self.rows[-1]:
                self.rows[-1][-1] += data
            if self.option:
                self.option[2].append(data)


def submit(httpd, page_path, form, button=None, headers=(), **typed):
    """Posts a form as a browser does that has the page open."""
    assert form.attributes.get("method", "").lower() == "post"
    assert form.attributes.get("enctype", "application/x-www-form-urlencoded") == "application/x-www-form-urlencoded"
    base = f"http://127.0.0.1:{httpd.port}"
    target = urlsplit(urljoin(base + page_path, form.attributes.get("action") or page_path))
    assert target.netloc == f"127.0.0.1:{httpd.port}", target
    sent = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html", "Origin": base,
            "Referer": base + page_path, **dict(headers)}
    return httpd.get(target.path + (f"?{target.query}" if target.query else ""), method="POST", headers=sent,
                     body=form.sent(button, **typed).encode())


def policy(response):
    """{directive: [sources]} of the one Content-Security-Policy."""
    text, = response.all("Content-Security-Policy")
    parts = [part.split() for part in text.split(";") if part.strip()]
    names = [part[0] for part in parts]
    assert len(names) == len(set(names)), text
    return {name: sources for name, *sources in parts}


def allows(sources, text, attributes):
    """Whether the sources let a browser use this inline text."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'" in sources or bool(attributes.get("nonce")) and f"'nonce-{attributes['nonce']}'" in sources
