"""Wrong questions to farm-status, in every form, and right ones at the worst time: a clear refusal, or a whole answer."""

import threading
from urllib.parse import quote, urlencode

import pytest

from farmhttpd import client, formats, wait
from farmhttpd.formats import TYPES, Scrape, pairs, scrape, strict
from farmhttpd.manager import ask, change, farm_of, refused
from farmhttpd.page import Page
from test_801_by_and_log import as_user, guarded

A = "farm=app&member=a"
MARKUP = "</td></table><script>alert('1')</script>\"&amp;&<img src=x onerror=alert(2)> %22 \\\" Ünï→🚜 ]]> {x=\"y\"} # EOF"

WRONG = ["wibble", "", "JSON", "Json", "HTML", "Text", "OpenMetrics", "json+", "+json", "json%20", "json%00", "json%0a", "%00json",
         "json;", "json/", "../json", "json,text", "jso", "jsonn", "%zz", "%", "%6", "\xff", "%FF", "%C0%AF", "x" * 6000,
         "text/plain", "prometheus", "xml", "1", "*", "'\"<script>", "auto"]
DOUBLED = ["format=json&format=json", "format=json&format=text", "format=wibble&format=json", "format=json&format=wibble",
           "format=json&format=", "format=json&format", "format&format=json", "format=html&a=b&format=html"]


def check_whole(form, response):
    """An answer of that form that has its beginning and its end and can be read."""
    assert response.status == 200 and response.all("Content-Type") == [TYPES[form]], (form, response.status, response.headers)
    text = response.body.decode("utf-8")
    if form == "html":
        Page(text).check_well_formed()
    elif form == "json":
        strict(text)
    elif form == "text":
        pairs(text)
    else:
        Scrape(text)
    return text


@pytest.mark.parametrize("value", WRONG, ids=range(len(WRONG)))
def test_435_01_unknown_formats(httpd, value):
    """Contract: "Unknown or empty format …: 400, text/plain, one line `error: …` that lists the formats"."""
    farm_of(httpd)
    httpd.start()
    for method in ("GET", "HEAD"):
        for query in (f"format={value}", f"x=y&format={value}&z"):
            data = f"{method} /farm-status?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode("latin-1")
            head, _, body = client.raw(httpd.port, data).partition(b"\r\n\r\n")
            status = int(head.split()[1])
            # httpd itself may refuse what is no request line.
            assert status == 400, (method, query[:80], head)
            if method == "HEAD":
                assert body == b""
            elif b"text/plain" in head:
                line = body.decode("ascii")
                assert line.startswith("error: ") and line.count("\n") == 1 and line.endswith("\n") and len(line) < 300
                assert all(name in line for name in TYPES) and "<" not in line
            else:
                assert not value.isascii() or " " in value, (query, head)


@pytest.mark.parametrize("query", DOUBLED)
def test_435_02_doubled(httpd, query):
    """Contract: "format given twice: 400", whatever the two are."""
    farm_of(httpd)
    httpd.start()
    said = refused(httpd.get(f"/farm-status?{query}"), 400)
    assert all(name in said for name in TYPES)


def test_435_03_other_parameters(httpd):
    """Contract: "Other parameters are ignored": also garbage, and names that only resemble."""
    farm_of(httpd)
    httpd.start()
    for form in TYPES:
        for query in (f"format={form}", f"a=b&format={form}", f"format={form}&a=b&c", f"&&format={form}&&", f"=&format={form}&=x",
                      f"%zz=%&format={form}", f"formatt=x&format={form}", f"FORMAT=x&format={form}", f"format={form}&xformat=json",
                      f"{'x=y&' * 1500}format={form}", f"f=format=json&format={form}"):
            check_whole(form, httpd.get(f"/farm-status?{query}"))
    for query in ("", "?", "?x", "?&", "?&&=&", "?FORMAT=json", "?formats=json", "?x=format=json", "?%66ormat", "?json"):
        check_whole("html", httpd.get(f"/farm-status{query}"))


def test_435_04_escaped_letters(httpd):
    """What an httpd administrator expects of a query: `%6a` is `j` or it is refused, never something else."""
    farm_of(httpd)
    httpd.start()
    for query in ("format=%6ason", "format=js%6Fn", "%66ormat=json"):
        response = httpd.get(f"/farm-status?{query}")
        if response.status == 200:
            check_whole("html" if query[0] == "%" and response.get("Content-Type") == TYPES["html"] else "json", response)
        else:
            refused(response, 400)


@pytest.mark.parametrize("form", TYPES)
def test_435_05_methods(httpd, form):
    """Contract: "HEAD works. Other methods: 405 with Allow: GET, HEAD"; a HEAD has the headers of the GET and no body."""
    farm_of(httpd)
    httpd.start()
    target = f"/farm-status?format={form}"
    whole, head = httpd.get(target), httpd.get(target, method="HEAD")
    assert (head.status, head.body) == (200, b"") and whole.body
    moving = ("date", "content-length", "transfer-encoding")
    headers = [[(name.lower(), value) for name, value in one.headers if name.lower() not in moving] for one in (whole, head)]
    assert headers[0] == headers[1]
    assert head.get("Content-Length") in (None, whole.get("Content-Length"))
    assert whole.get("Cache-Control") == "no-store"
    assert whole.get("X-Content-Type-Options") == "nosniff"
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "WIBBLE"):
        response = httpd.get(target, method=method, body=b"farm=app&member=a&admin=off")
        assert response.status == 405, method
        assert {"GET", "HEAD"} <= set(response.get("Allow").replace(" ", "").split(",")), response.get("Allow")
    assert httpd.rows()["a"]["admin"] == "on"


def test_435_06_kept_connection(httpd):
    """What a scraper expects: answers of all forms, refusals among them, over one connection that stays."""
    farm_of(httpd)
    httpd.start()
    with httpd.client() as one:
        ports = set()
        for _ in range(5):
            for form in TYPES:
                check_whole(form, one.request(f"/farm-status?format={form}"))
                assert one.request(f"/farm-status?format={form}", method="HEAD").body == b""
                refused(one.request(f"/farm-status?format={form}x"), 400)
                ports.add(one.local_port)
    assert len(ports) == 1, "the connection was closed"


@pytest.mark.both_mpms
def test_435_07_while_everything_changes(httpd):
    """Contract: "A graceful restart … loses no request"; "Changes reach every process at once": each answer is whole and can
    be read, while restarts bring and take farms and members and farm-manager changes them."""
    a, b, c = farm_of(httpd)
    httpd.conf.load("status").add('<Location "/server-status">', "SetHandler server-status", "Require local", "</Location>")
    httpd.start()
    over, counts = threading.Event(), dict.fromkeys([*TYPES, "auto"], 0)

    def read(form):
        while not over.is_set():
            if form == "auto":
                response = httpd.get("/server-status?auto")
                assert response.status == 200 and "Scoreboard: " in response.body.decode("utf-8")
            else:
                check_whole(form, httpd.get(f"/farm-status?format={form}"))
            counts[form] += 1

    def write():
        for n in range(100_000):
            if over.is_set():
                return
            state = ("on", "drain", "off")[n % 3]
            response = ask(httpd, urlencode({"farm": "app", "member": "ab"[n % 2], "admin": state, "reason": f"{MARKUP} {n}"[:100]}))
            assert response.status == 200, response
            httpd.get("/app/x")

    failures = []

    def guarded_run(call, *arguments):
        try:
            call(*arguments)
        except BaseException as error:                  # reported by the test, which then fails
            failures.append(error)
    httpd.log.expect("FARM00012")
    threads = [threading.Thread(target=guarded_run, args=(read, form)) for form in counts]
    threads.append(threading.Thread(target=guarded_run, args=(write,)))
    for thread in threads:
        thread.start()
    try:
        for farms in ({"app": (a, b)}, {"app": (b, c, a), "more": (a,)}, {"more": (a, b), "app": (a, b, c)}, {"app": (a, b)},
                      {"zzz": (c,), "app": (b, a)}):
            httpd.conf.farms.clear()
            for name, parts in farms.items():
                httpd.conf.farm(name, *parts)
            before = dict(counts)
            httpd.graceful()
            wait.until(lambda: failures or all(counts[form] > before[form] + 2 for form in counts), "answers in every form")
            if failures:
                break
    finally:
        over.set()
        for thread in threads:
            thread.join(60)
    if failures:
        raise failures[0]


@pytest.mark.both_mpms
def test_435_08_markup(httpd):
    """What a page for people owes them: what somebody wrote as a reason or a name is text in every form, and only that."""
    farm_of(httpd)
    httpd.conf.load("status").add('<Location "/server-status">', "SetHandler server-status", "Require local", "</Location>")
    httpd.start()
    by = MARKUP[:50]
    for where in (A, "farm=app"):
        change(httpd, f"{where}&admin=drain&by={quote(by)}&reason={quote(MARKUP)}")
    farm = strict(check_whole("json", httpd.get("/farm-status?format=json")))["farms"][0]
    assert (farm["admin_by"], farm["admin_reason"]) == (by, MARKUP)
    assert (farm["members"][0]["admin_by"], farm["members"][0]["admin_reason"]) == (by, MARKUP)
    told = pairs(check_whole("text", httpd.get("/farm-status?format=text")))
    assert told["farm[app].admin_reason"] == told["farm[app].member[a].admin_reason"] == MARKUP
    assert told["farm[app].admin_by"] == told["farm[app].member[a].admin_by"] == by
    check_whole("openmetrics", httpd.get("/farm-status?format=openmetrics"))
    for target in ("/farm-status", "/farm-manager", "/server-status"):
        page = Page(httpd.get(target).body.decode("utf-8"))
        # mod_status's page does not say why.
        assert page.text.count(MARKUP) == (0 if target == "/server-status" else 2), target
        assert not any("alert(" in script for script in page.scripts)
        assert [tag for tag, _ in page.tags if tag == "img"] == [] and page.handlers == [], target
    auto = httpd.get("/server-status?auto").body.decode("utf-8")
    assert auto.count(f"admin_reason: {MARKUP}\n") == 2


def test_435_09_user_names_that_are_no_utf_8(httpd):
    """Contract: by is by default the authenticated user: whatever bytes a client gave as its name, every form stays UTF-8 and
    can be read, and the JSON and the lines say the same."""
    farm_of(httpd)
    users = ["J\xf6rg", "\xff\xfe", "a\xc3", "<b>\xe9\"&"]
    guarded(httpd, users=users, code="latin-1")
    httpd.start()
    for user in users:
        response = ask(httpd, f"{A}&admin=off", path="/admin", headers=as_user(user, code="latin-1"))
        assert response.status in (200, 400), response
        told = pairs(check_whole("text", httpd.get("/farm-status?format=text")))
        row = strict(check_whole("json", httpd.get("/farm-status?format=json")))["farms"][0]["members"][0]
        page = Page(check_whole("html", httpd.get("/farm-status")))
        scrape(httpd)
        if response.status == 200:
            assert row["admin"] == "off" and row["admin_by"]
            assert told["farm[app].member[a].admin_by"] == row["admin_by"]
            assert row["admin_by"] in page.text
        change(httpd, f"{A}&admin=on")


def test_435_10_guarded_by_require(httpd):
    """Contract: each handler "in a Location guarded by the usual Require lines": every form of it."""
    farm_of(httpd)
    httpd.conf.add('<Location "/closed">', "SetHandler farm-status", "Require all denied", "</Location>")
    httpd.log.expect("AH01630")
    httpd.start()
    for form in TYPES:
        response = httpd.get(f"/closed?format={form}")
        assert response.status == 403 and b"app" not in response.body
    assert formats.status(httpd)["farms"]
