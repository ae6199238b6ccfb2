"""Stickiness with garbage in cookies and paths, and wrong lines of what concerns it."""

import random
import re

import pytest

from farmhttpd import client
from farmhttpd.badconf import check_accepted, check_refused
from farmhttpd.manager import farm_of
from test_840_sticky_route import ROUNDROBIN, not_tied, sticky, tied_to

URL = "http://127.0.0.1:8001"

GARBAGE = ["ROUTE=" + "x" * 7000, "ROUTE=" + "." * 7000, "ROUTE=x." + "a" * 7000, ";" * 7000, "=" * 7000, "ROUTE=;" * 1000,
           "ROUTE=x.nosuch; " * 400, "ROUTE==", "ROUTE='x.b'", "ROUTE=x.%62", "ROUTE=x.\x80\xff",
           "ROUTE=x.b\xa0", "\xff\xfe=1; \x80", "rOUTE=", ",,,;;;,ROUTE", "ROUTE=x.a.b.c.d.", "ROUTE=x.\xc3\xa4",
           "$Version=1; $Path=/; ROUTE=", "ROUTE[]=x.b", "ROUTE%3Dx.b", "ROUTE=x.1", "ROUTE=x.0",
           "ROUTE=x.-1", "ROUTE=x.4294967296"]


def test_841_01_garbage(httpd):
    """Contract: "a value without a dot, or an unknown route: balanced as if it were not there"."""
    sticky(httpd)
    httpd.start()
    for cookie in GARBAGE:
        not_tied(httpd, cookie=cookie)
        tied_to(httpd, "c", cookie="ROUTE=x.c")


def test_841_02_by_chance(httpd):
    """What an administrator expects: whatever a client sends, it is served, and no child ends of it; each run sends the
    same."""
    farm_of(httpd, lines=["FarmSticky route ROUTE|R", ROUNDROBIN])
    httpd.start()
    chance, children = random.Random(841), httpd.wait_for_children(2)
    alphabet = b"ROUTE=x.abc;,& \t\"%?/\x80\xff"
    for _ in range(400):
        cookie, target = (bytes(chance.choices(alphabet, k=chance.randint(0, 30))) for _ in range(2))
        target = re.sub(rb"[\s\"%\x80-\xff]", b"", target)
        said = client.raw(httpd.port, b"GET /app/x;" + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: "
                          + cookie.strip() + b"\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 200 "), (said[:100], cookie, target)
    assert set(children) <= set(httpd.children()), "a child is gone"
    assert {row["inflight"] for row in httpd.rows().values()} == {0}


def test_841_03_several_headers(httpd):
    """What HTTP/2 makes usual, and HTTP/1.1 allows nobody: several Cookie headers count as one."""
    sticky(httpd)
    httpd.start()
    for first, second in (("a=1", "ROUTE=x.b"), ("ROUTE=x.b", "a=1"), ("XROUTE=x.c", "ROUTE=x.b")):
        for _ in range(4):
            with httpd.client() as one:
                assert one.request("/app/x", headers=[("Cookie", first), ("Cookie", second)]).member == "b"


def test_841_04_names_that_no_route_can_be(httpd):
    """Contract: "(default the name)", and "the route is what follows the last dot": so a name with a dot is never named by
    a value; the farm serves all the same."""
    a, b = httpd.three("a", "b")
    httpd.farm(f"FarmMember {a.url} name=m.one", f"FarmMember {b.url} name=two", "FarmSticky route ROUTE", ROUNDROBIN)
    httpd.conf.one_process()
    httpd.start()
    seen = [httpd.get("/app/x", headers={"Cookie": f"ROUTE={value}"}).member
            for value in ("x.m.one", "m.one") for _ in range(4)]
    assert sorted(seen) == ["a"] * 4 + ["b"] * 4
    tied_to(httpd, "b", cookie="ROUTE=x.two")


def in_farm(line, *before):
    return "\n".join(["<Farm app>", f"FarmMember {URL} name=first", *before, f"! {line}", "</Farm>"])


BAD_LINES = {
    "no word": (in_farm("FarmSticky"), "off.*cookie.*route|FarmSticky"),
    "unknown word": (in_farm("FarmSticky wibble"), "off.*cookie.*route"),
    "on": (in_farm("FarmSticky on"), "off.*cookie.*route"),
    "route without a name": (in_farm("FarmSticky route"), "NAME|name"),
    "route of an empty name": (in_farm('FarmSticky route ""'), "NAME|name"),
    "no name before the bar": (in_farm("FarmSticky route |PARAM"), "NAME|name"),
    "no name after the bar": (in_farm("FarmSticky route NAME|"), "PARAM|name"),
    "a bar": (in_farm("FarmSticky route |"), "NAME|name"),
    "two names": (in_farm("FarmSticky route ONE TWO"), ""),
    "off and more": (in_farm("FarmSticky off ROUTE"), ""),
    "cookie of two names": (in_farm("FarmSticky cookie ONE TWO"), ""),
    "cookie of no name": (in_farm('FarmSticky cookie "a b"'), "name"),
    "outside of a farm": ("! FarmSticky route ROUTE", "<Farm"),
    "in a virtual host": ("<VirtualHost *:80>\n! FarmSticky route ROUTE\n</VirtualHost>", ""),
    "empty route": (in_farm(f"FarmMember {URL} name=b route="), "route"),
    "redirect to nobody": (in_farm(f"FarmMember {URL} name=b redirect=nosuch"), "nosuch"),
    "empty redirect": (in_farm(f"FarmMember {URL} name=b redirect="), "redirect"),
}


@pytest.mark.parametrize("text, remedy", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_841_05_wrong_lines(httpd, text, remedy):
    """Contract: "Every error stops `apachectl configtest` with the file, the line and what to write instead"."""
    said = check_refused(httpd, text, remedy)
    assert "Invalid command" not in said


@pytest.mark.parametrize("first, second", [
    ("name=a route=r1", "name=b route=r1"), ("name=r1", "name=b route=r1"), ("name=a route=r1", "name=r1")],
    ids=["both by route=", "the first by its name", "the second by its name"])
def test_841_06_route_twice(httpd, first, second):
    """Contract: a route twice in a farm is an error that names both lines."""
    number = len(httpd.conf.lines()) + 2
    said = check_refused(httpd, f"<Farm app>\nFarmMember {URL} {first}\nFarmMember {URL}/x name=z\n"
                         f"! FarmMember {URL}/y {second}\n</Farm>", "r1")
    assert re.search(rf"\b{number}\b", said), f"line {number} is not named in: {said}"


@pytest.mark.parametrize("lines", [
    ["FarmSticky off"], ["FarmSticky route JSESSIONID|jsessionid"], ["FarmSticky route ROUTE"], ["farmsticky Route ROUTE"],
    ["FarmSticky route ROUTE", f"FarmMember {URL}/b name=b route=r-1_x"],
    [f"FarmMember {URL}/b name=b redirect=later", f"FarmMember {URL}/c name=later redirect=b"],
    [f"FarmMember {URL}/b name=b route=other", f"FarmMember {URL}/c name=other route=b"]], ids=" / ".join)
def test_841_07_right_lines(httpd, lines):
    """Contract: the forms that are right, members named before they are defined, and a route that was another's name."""
    check_accepted(httpd, "\n".join(["<Farm app>", f"FarmMember {URL} name=first", *lines, "</Farm>"]))


def test_841_08_the_same_route_in_two_farms(httpd):
    """Contract: a route twice *in a farm* is an error; in two farms it is not."""
    check_accepted(httpd, "\n".join(f"<Farm {farm}>\nFarmMember {URL} name=a route=r1\nFarmSticky route ROUTE\n</Farm>"
                                    for farm in ("one", "two")))
