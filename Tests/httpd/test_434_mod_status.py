"""mod_status's page and its form for machines have a part about farms, and nothing else of them changes."""

import re
from contextlib import contextmanager
from urllib.parse import quote

import pytest

from farmhttpd import formats
from farmhttpd.conf import BALANCER_MODULES, quoted
from farmhttpd.env import Httpd
from farmhttpd.formats import pairs
from farmhttpd.manager import change, farm_of
from farmhttpd.page import Page
from test_431_openmetrics import busy_farm

A = "farm=app&member=a"
OURS = re.compile(r"module|cookies|farm\[")
SCOREBOARD = re.compile(r"[_SRKWDCLGI.]+")
# What is there only when there was something to count.
SOMETIMES = re.compile(r"CPU|ReqPerSec|BytesPer|DurationPer|Total|Load")


def with_status(httpd, extended="On", late=False):
    """mod_status, loaded before the farms' module or after it."""
    if late:
        httpd.conf.head.append(f"LoadModule status_module {quoted(httpd.conf.modules_dir / 'mod_status.so')}")
    else:
        httpd.conf.load("status")
    httpd.conf.add(f"ExtendedStatus {extended}",
                   '<Location "/server-status">', "SetHandler server-status", "Require local", "</Location>")
    return httpd


def auto(httpd):
    """(lines of farms, other lines) of the form for machines."""
    response = httpd.get("/server-status?auto")
    assert response.status == 200 and response.get("Content-Type").startswith("text/plain")
    lines = response.body.decode("utf-8").splitlines(keepends=True)
    ours = "".join(line for line in lines if OURS.match(line))
    return ours, [line for line in lines if not OURS.match(line)]


def html(httpd, query=""):
    response = httpd.get(f"/server-status{query}")
    assert response.status == 200 and response.get("Content-Type").startswith("text/html")
    return Page(response.body.decode("utf-8"))


@contextmanager
def without_farms(httpd, **options):
    """A server like this one that does not have the module."""
    other = Httpd(httpd.mpm, farm_module=None)
    try:
        with_status(other, **options)
        yield other
        other.check_clean_end()
    finally:
        other.close()


@pytest.mark.both_mpms
@pytest.mark.parametrize("extended", ["On", "Off"])
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_434_01_the_lines_of_the_text_format(httpd, extended, late):
    """Contract: "with ?auto the lines of the text format", whichever module is loaded first."""
    with_status(httpd, extended, late)
    busy_farm(httpd)
    before, told, after = formats.between(httpd, lambda: auto(httpd)[0])
    formats.check_lines(pairs(told), before, after)
    text = pairs(formats.ask(httpd, "text"))
    assert list(pairs(told)) == list(text)


@pytest.mark.both_mpms
@pytest.mark.parametrize("extended", ["On", "Off"])
def test_434_02_the_section(httpd, extended):
    """Contract: "on the HTML page a section headed "mod_proxy_farm" with a table a farm", with each member and its states."""
    with_status(httpd, extended)
    busy_farm(httpd)
    change(httpd, f"{A}&admin=drain&reason=disk")
    for query in ("", "?refresh=5", "?notable", "?notable&refresh=1"):
        page = html(httpd, query)
        assert page.text.count("mod_proxy_farm") >= 1 and "<h2>mod_proxy_farm</h2>" in page.source
        for words in (("drain", "up", "in"), ("on", "down", "in"), ("off", "up", "in")):
            member = {"drain": "a", "on": "b", "off": "c"}[words[0]]
            row, = [row for row in page.rows if row[:1] == [member] and words[0] in row]
            assert set(words) <= set(row) and any("http://127.0.0.1:" in cell for cell in row), row
        for farm in ("app", "other_farm-2", "nobody"):
            assert re.search(rf"\b{farm}\b", page.text), farm
        assert "down" in page.text


@pytest.mark.both_mpms
@pytest.mark.parametrize("extended", ["On", "Off"])
def test_434_03_all_else_is_as_it_was(httpd, extended):
    """What an httpd administrator expects: the lines and the page of mod_status itself are those of a server without the
    module; its scoreboard is whole."""
    with_status(httpd, extended)
    farm_of(httpd)
    httpd.start()
    with without_farms(httpd, extended=extended) as other:
        other.start()
        (_, mine), (nothing, plain) = auto(httpd), auto(other)
        assert nothing == ""
        keys = [[line.split(": ")[0] for line in lines if not SOMETIMES.match(line)] for lines in (mine, plain)]
        assert keys[0] == keys[1] and len(keys[0]) > 5
        for lines in (mine, plain):
            board, = [line for line in lines if line.startswith("Scoreboard: ")]
            assert SCOREBOARD.fullmatch(board.split(": ")[1].rstrip("\n"))
        pages = [html(one) for one in (httpd, other)]
        # What it leaves open, or closes twice, is its own.
        assert (pages[0].problems, pages[0].open) == (pages[1].problems, pages[1].open)
        assert pages[0].source.rstrip().endswith("</body></html>") == pages[1].source.rstrip().endswith("</body></html>")
        headings = [[text for text in re.findall(r"<h[12]>(.*?)</h[12]>", page.source)] for page in pages]
        assert [text for text in headings[0] if text != "mod_proxy_farm"] == headings[1]


def test_434_04_beside_balancers(httpd):
    """What an httpd administrator expects: mod_proxy_balancer's lines and table stand beside those of farms."""
    a, _, _ = farm_of(httpd)
    httpd.conf.load(*BALANCER_MODULES)
    with_status(httpd).conf.add("ProxyStatus On", '<Proxy "balancer://bal">', f"BalancerMember {a.url}", "</Proxy>")
    httpd.conf.proxy("/bal/", "balancer://bal/")
    httpd.start()
    assert httpd.get("/bal/x").status == httpd.get("/app/x").status == 200
    ours, others = auto(httpd)
    assert "farm[app].member[a].requests: 1\n" in ours or "farm[app].requests: 1\n" in ours
    balancer = {line.split(": ")[0]: line.split(": ")[1].rstrip("\n") for line in others if line.startswith("ProxyBalancer")}
    assert balancer["ProxyBalancer[0]Name"] == "balancer://bal"
    assert balancer["ProxyBalancer[0]Worker[0]Name"] == a.url and balancer["ProxyBalancer[0]Worker[0]Elected"] == "1"
    page = html(httpd)
    assert "balancer://bal" in page.text and "<h2>mod_proxy_farm</h2>" in page.source
    httpd.log.expect("AH10187")


def test_434_05_no_farm(httpd):
    """Contract: a server without farms shows nothing of them, or an empty section."""
    with_status(httpd).start()
    ours, others = auto(httpd)
    assert "farm[" not in ours and any(line.startswith("Scoreboard: ") for line in others)
    page = html(httpd)
    assert not page.open and page.source.count("<table") == len([tag for tag, _ in page.tags if tag == "table"])


def test_434_06_without_mod_status(httpd):
    """Contract: without mod_status loaded the module loads and works."""
    assert "status" not in httpd.conf.modules
    farm_of(httpd)
    httpd.start()
    assert httpd.get("/app/x").status == 200 and len(formats.status(httpd)["farms"]) == 1


@pytest.mark.both_mpms
def test_434_07_head_and_restarts(httpd):
    """What an httpd administrator expects: HEAD has no body; restarts do not put the section there twice."""
    with_status(httpd)
    farm_of(httpd)
    httpd.start()
    for _ in range(3):
        httpd.graceful()
        for query in ("", "?auto"):
            head = httpd.get(f"/server-status{query}", method="HEAD")
            assert (head.status, head.body) == (200, b"")
        assert html(httpd).source.count("<h2>mod_proxy_farm</h2>") == 1
        assert auto(httpd)[0].count("farm[app].condition: ") == 1


def test_434_08_what_people_wrote(httpd):
    """Contract: by and reason may be UTF-8 and have markup: the lines have them as they are, the page not as markup."""
    with_status(httpd)
    farm_of(httpd)
    httpd.start()
    reason = "</table><script>x</script>&\"' Größe: 🚜"
    change(httpd, f"{A}&admin=off&by={quote('<i>Jörg</i>')}&reason={quote(reason)}")
    assert pairs(auto(httpd)[0])["farm[app].member[a].admin_reason"] == reason
    assert html(httpd).scripts == [] and "<script>x" not in html(httpd).source
