"""Wrong and right lines of what a farm does when it cannot serve: FarmRedirect, FarmForward, redirect=, and FarmSet's
slowstart, panic and eject."""

import pytest

from farmhttpd.badconf import check_accepted, check_refused, without_location

MEMBER = "FarmMember http://127.0.0.1:8001"
CONDITIONS = "offline.*down.*full.*any"
STATUSES = "301.*302.*303.*307.*308"

BAD_REDIRECTS = {
    "nothing": ("", "FarmRedirect"),
    "condition alone": ("down", "URL"),
    "condition unknown": ("wibble http://x.test/", CONDITIONS),
    "condition that is served": ("ok http://x.test/", CONDITIONS),
    "condition empty": ('"" http://x.test/', CONDITIONS),
    "URL before the condition": ("http://x.test/ down", CONDITIONS),
    "URL empty": ('down ""', "URL"),
    "status of an answer": ("down http://x.test/ 200", STATUSES),
    "status 300": ("down http://x.test/ 300", STATUSES),
    "status 304": ("down http://x.test/ 304", STATUSES),
    "status 305": ("down http://x.test/ 305", STATUSES),
    "status 306": ("down http://x.test/ 306", STATUSES),
    "status 309": ("down http://x.test/ 309", STATUSES),
    "status 404": ("down http://x.test/ 404", STATUSES),
    "status 503 with a URL": ("down http://x.test/ 503", STATUSES),
    "status a word": ("down http://x.test/ permanent", STATUSES),
    "status with a tail": ("down http://x.test/ 302x", STATUSES),
    "status negative": ("down http://x.test/ -302", STATUSES),
    "status beyond any integer": ("down http://x.test/ 18446744073709551918", STATUSES),
    "seconds with a URL": ("down http://x.test/ 302 5", ""),
    "words too many": ("down - 503 5 6", ""),
    "no URL and no status": ("down -", "503"),
    "no URL and a redirect's status": ("down - 302", "503"),
    "no URL and another status": ("down - 500", "503"),
    "no seconds": ("down - 503 0", "1.*86400"),
    "seconds more than a day's": ("down - 503 86401", "1.*86400"),
    "seconds negative": ("down - 503 -1", "1.*86400"),
    "seconds a word": ("down - 503 soon", "1.*86400"),
    "seconds with a tail": ("down - 503 5x", "1.*86400"),
    "seconds a fraction": ("down - 503 1.5", "1.*86400"),
    "seconds beyond any integer": ("down - 503 18446744073709551617", "1.*86400"),
    "expression without its end": ('down "http://x.test/%{REQUEST_URI"', ""),
    "expression of an unknown function": ('down "http://x.test/%{wibble:x}"', ""),
}

RIGHT_REDIRECTS = [
    *[f"{condition} http://x.test/" for condition in ("offline", "down", "full", "any")],
    *[f"down https://x.test/ {status}" for status in (301, 302, 303, 307, 308)],
    "down - 503", "down - 503 1", "any - 503 86400", "full /sorry.html", "full //x.test/",
    '"offline" "https://x.test%{REQUEST_URI}?%{QUERY_STRING}" 307', 'any "%{HTTP_HOST}"',
]

BAD_FORWARDS = {
    "nothing": ("", "FarmForward"),
    "condition alone": ("down", "URL"),
    "condition unknown": ("wibble http://x.test/", CONDITIONS),
    "condition that is served": ("ok http://x.test/", CONDITIONS),
    "URL before the condition": ("http://x.test/ down", CONDITIONS),
    "words too many": ("down http://x.test/ 302", ""),
    "no URL": ("down -", "http://"),
    "URL empty": ('down ""', "URL"),
    "URL a word": ("down sorry", "http://"),
    "URL a path": ("down /sorry", "http://"),
    "URL without a scheme": ("down //x.test/", "http://"),
    "URL without a scheme, with a port": ("down 127.0.0.1:8001", "http://"),
    "URL without a host": ("down http://", "http://"),
    "URL with a path and no host": ("down http:///sorry", "http://"),
    "URL with a port and no host": ("down http://:8001/", "http://"),
    "URL with a port out of range": ("down http://127.0.0.1:70000/", "port|URL"),
    "URL with a port that is no number": ("down http://127.0.0.1:http/", "port|URL"),
    "unix socket without a URL": ("down unix:/x.sock", "http://"),
    "the farm itself": ("down http://app", "itself"),
    "the farm itself, with a path": ("down http://app/sorry", "itself"),
    "the farm itself in other letters": ("any http://APP/", "itself"),
    "the farm itself by another scheme": ("full https://app/", "itself"),
}

RIGHT_FORWARDS = [
    "offline http://127.0.0.1:8001", "down http://127.0.0.1:8001/", "full http://x.test/sorry?x=1", "any https://x.test",
    "down http://[::1]:8001/", "down unix:/x.sock|http://localhost/", "down http://app:8001/", "down http://other",
    "down HTTP://OTHER/sorry",
]

SETS = {
    "slowstart": (["0", "0s", "500ms", "30", "30s", "1h", "60min"], ["x", "", "-1", "5parsecs", "61min", "2h", "1x"]),
    "panic": (["0", "1", "50", "100"], ["x", "", "-1", "101", "50%", "1.5", "18446744073709551617"]),
    "eject": (["on", "off"], ["x", "", "maybe", "1"]),
}
REMEDIES = {"slowstart": "slowstart.*(ms|s|min|h)", "panic": "panic.*0.*100", "eject": "eject.*on.*off"}


def in_farm(line):
    """With another farm beside it, for lines that name one."""
    return f"<Farm other>\n{MEMBER}\n</Farm>\n<Farm app>\n{MEMBER}\n{line}\n</Farm>"


@pytest.mark.parametrize("words, remedy", BAD_REDIRECTS.values(), ids=BAD_REDIRECTS.keys())
def test_014_01_wrong_redirect(httpd, words, remedy):
    """Contract: "Every error stops `apachectl configtest` with the file, the line and what to write instead"."""
    check_refused(httpd, in_farm(f"! FarmRedirect {words}"), "FarmRedirect", remedy)


@pytest.mark.parametrize("words, remedy", BAD_FORWARDS.values(), ids=BAD_FORWARDS.keys())
def test_014_02_wrong_forward(httpd, words, remedy):
    """Contract: "Every error stops `apachectl configtest` with the file, the line and what to write instead"."""
    check_refused(httpd, in_farm(f"! FarmForward {words}"), "FarmForward", remedy)


def test_014_03_right_lines(httpd):
    """Contract: "in that condition the client is redirected (STATUS 301, 302, 303, 307 or 308 …); URL is an ap_expr string.
    With `-` for URL: no redirect but `503 [SECONDS]`"; "proxied there instead: another farm or a server"."""
    lines = [f"FarmRedirect {words}" for words in RIGHT_REDIRECTS] + [f"FarmForward {words}" for words in RIGHT_FORWARDS]
    farms = [f"<Farm f{n}>\n{MEMBER}\n{line}\n</Farm>" for n, line in enumerate(lines)]
    said = check_accepted(httpd, "\n".join([*farms, f"<Farm other>\n{MEMBER}\n</Farm>"]))
    assert "FARM0001" not in said, said


def test_014_04_one_line_a_condition(httpd):
    """Contract: "One FarmRedirect or FarmForward a condition": so one farm may have four."""
    check_accepted(httpd, in_farm("FarmForward any http://other\nFarmRedirect offline http://x.test/\n"
                                  "FarmRedirect down - 503 5\nFarmForward full http://127.0.0.1:8001/full"))


@pytest.mark.parametrize("condition", ["offline", "down", "full", "any"])
@pytest.mark.parametrize("first, second", [("FarmRedirect {} http://x.test/", "FarmRedirect {} http://y.test/"),
                                           ("FarmForward {} http://other", "FarmForward {} http://other"),
                                           ("FarmRedirect {} - 503", "FarmForward {} http://other"),
                                           ("FarmForward {} http://other", "FarmRedirect {} http://x.test/ 307")],
                         ids=["redirects", "forwards", "redirect-forward", "forward-redirect"])
def test_014_05_condition_twice(httpd, condition, first, second):
    """Contract: "One FarmRedirect or FarmForward a condition": the second is an error that names the line of the first."""
    first, second = first.format(condition), second.format(condition)
    said = check_refused(httpd, in_farm(f"{first}\n! {second}"), condition)
    assert str(httpd.conf.line_of(first)) in said, said


@pytest.mark.parametrize("line", ["FarmRedirect down http://x.test/", "FarmForward down http://x.test/"])
def test_014_06_not_in_a_location(httpd, line):
    """Contract: "those marked F only inside `<Farm>`"."""
    check_refused(httpd, f"<Location />\n! {line}\n</Location>", "not allowed|cannot occur")


def test_014_07_forward_to_a_farm_further_down(httpd):
    """Design: checks that need the whole configuration run at its end: the farm forwarded to may stand anywhere."""
    said = check_accepted(httpd, f"<Farm app>\n{MEMBER}\nFarmForward down http://later\n</Farm>\n"
                                 f"<Farm later>\n{MEMBER}\n</Farm>")
    assert "FARM00016" not in said, said


@pytest.mark.parametrize("url, warned", [("http://nofarm", True), ("http://nofarm/sorry", True),
                                         ("https://NoFarm/", True), ("http://nofarm:8001/", False),
                                         ("http://no.farm/", False), ("http://127.0.0.1/", False),
                                         ("http://OTHER/", False)])
def test_014_08_forward_to_what_looks_like_a_farm(httpd, url, warned):
    """Contract: "another farm or a server": a single word that is no farm is taken for a server, and configtest says so,
    since it may as well be a farm's name mistyped."""
    said = check_accepted(httpd, in_farm(f"FarmForward down {url}"))
    assert ("FARM00016" in said) is warned, said
    if warned:
        line = httpd.conf.line_of("FarmForward down")
        assert "httpd.conf" in said and str(line) in said and "nofarm" in said.lower(), said


@pytest.mark.parametrize("lines, remedy", [
    (f"! {MEMBER} name=a redirect=nosuch", "nosuch"),
    (f"! {MEMBER} name=a redirect=a", "itself|other|another"),
    (f"! {MEMBER} redirect=127.0.0.1:8001", "itself|other|another"),
    (f"! {MEMBER} name=a redirect=", "redirect"),
    (f"! {MEMBER} name=a redirect=x/y", "redirect|A-Za-z0-9"),
    (f"{MEMBER} name=b\n! {MEMBER} name=a redirect=B", "B"),
    (f"! {MEMBER} name=a redirect=elsewhere", "elsewhere"),
], ids=["unknown", "itself", "itself by default", "empty", "no name", "other letters", "of another farm"])
def test_014_09_wrong_stand_in(httpd, lines, remedy):
    """Contract: "`redirect=` NAME of the member to use instead": another member of the same farm."""
    check_refused(httpd, f"<Farm two>\n{MEMBER} name=elsewhere\n</Farm>\n<Farm app>\n{lines}\n</Farm>", remedy)


def test_014_10_right_stand_in(httpd):
    """Contract: "`route=` (default the name)", "`redirect=` NAME of the member": also of one further down, in a circle, by
    its default name."""
    check_accepted(httpd, f"<Farm app>\n{MEMBER} name=a redirect=b route=r1\nFarmMember http://127.0.0.1:8002 name=b "
                          f"redirect=a\nFarmMember http://127.0.0.1:8003 redirect=127.0.0.1:8004\n"
                          f"FarmMember http://127.0.0.1:8004\n</Farm>")


@pytest.mark.parametrize("key, value", [(key, value) for key, (_, bad) in SETS.items() for value in bad])
def test_014_11_wrong_set(httpd, key, value):
    """Contract: "Every error stops `apachectl configtest` with the file, the line and what to write instead"."""
    check_refused(httpd, in_farm(f'! FarmSet "{key}={value}"'), REMEDIES[key])


def test_014_12_right_set(httpd):
    """Contract: `slowstart=` a time (0), `panic=` percent (0), `eject=on|off` (off)."""
    words = [f"{key}={value}" for key, (good, _) in SETS.items() for value in good]
    words.append("slowstart=10s panic=50 eject=on fall=3")
    check_accepted(httpd, "\n".join(f"<Farm f{n}>\n{MEMBER}\nFarmSet {word}\n</Farm>" for n, word in enumerate(words)))


def test_014_13_the_warning_is_in_the_log_too(httpd):
    """What an httpd administrator expects: what configtest warns of is in the log at the start, once, and harms nobody."""
    a = httpd.member("a")
    httpd.farm(a, "FarmForward down http://nofarm/")
    httpd.log.expect("FARM00016")
    httpd.start()
    assert httpd.get("/app/x").member == "a"
    said = without_location(httpd.log.text() + httpd.stderr)
    assert said.count("FARM00016") >= 1, said
