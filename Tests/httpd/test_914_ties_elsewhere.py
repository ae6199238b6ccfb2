"""FarmSticky cookie of several farms: names, and clients that an instruction or a forward moves to another farm."""

import re

import pytest

from farmhttpd import client
from farmhttpd.badconf import check_accepted
from farmhttpd.instructions import (ask, check_not_tied, check_tied, counting, instructed, instruction, new_client, own, pair_of,
                                    read, set_cookies)
from farmhttpd.manager import change
from test_902_hidden_cookie import seen

COOKIE = "FarmSticky cookie"
GOLD = "farm.gold"


def two_farms(httpd, *lines, app=(), gold=(COOKIE,)):
    """app of a, b, c, and gold of d, e, f; both with FarmSticky cookie where nothing else is said."""
    made = instructed(httpd, lines=[COOKIE, *lines, *app])
    others = [httpd.member(name) for name in "def"]
    httpd.conf.farm("gold", *others, "FarmAlgorithm roundrobin", *gold).proxy("/gold/", "http://gold/")
    return made, others


def none(httpd, cookie, target="/app/x", **arguments):
    response = ask(httpd, cookie, target, **arguments)
    assert response.status == 200 and response.get("Set-Cookie") is None, (target, response)
    return response.member


class Browser:
    """Keeps cookies by their name, as browsers do for one site."""

    def __init__(self, httpd):
        self.httpd, self.jar = httpd, {}

    def go(self, target):
        answer = ask(self.httpd, "; ".join(f"{name}={value}" for name, value in self.jar.items()) or None, target)
        assert answer.status == 200
        for text in answer.all("Set-Cookie"):
            name, _, value = pair_of(text).partition("=")
            self.jar[name] = value
        return answer.member


def test_914_01_two_farms_in_one_site(httpd):
    """Contract: "by default called FarmCookie's name, a dot and the farm's": a browser that uses two sticky farms of one site
    stays at its member in both."""
    two_farms(httpd)
    httpd.start()
    for _ in range(4):
        browser = Browser(httpd)
        first = browser.go("/app/x"), browser.go("/gold/x")
        assert [(browser.go("/app/x"), browser.go("/gold/x")) for _ in range(5)] == [first] * 5
        assert set(browser.jar) == {"farm.app", "farm.gold"}


@pytest.mark.parametrize("one, two, name", [
    ("FarmSticky cookie SAME", "FarmSticky cookie SAME", "SAME"), ("FarmSticky cookie farm.gold", COOKIE, "farm.gold"),
    (COOKIE, "FarmSticky cookie farm.app", "farm.app")])
def test_914_02_one_name(httpd, one, two, name):
    """Contract: "configtest warns, with file, line and what to write: … two farms whose sticky cookies have one name"."""
    two_farms(httpd, app=[one], gold=[two])
    status, said = httpd.configtest()
    line = next(line for line in said.splitlines() if "FARM00055" in line)
    assert status == 0 and ":warn]" in line and said.count("FARM00055") == 1
    found = re.search(rf"httpd\.conf:(\d+): the cookie of <Farm gold>, {re.escape(name)}, .*<Farm app> \(\S+httpd\.conf:(\d+)\)", line)
    assert [httpd.conf.lines()[int(number) - 1].strip() for number in found.groups()] == [two, one]
    assert "write FarmSticky cookie" in line


@pytest.mark.parametrize("one, two", [(COOKIE, COOKIE), ("FarmSticky cookie A", "FarmSticky cookie a"),
                                      ("FarmSticky cookie SAME", "FarmSticky off"), ("FarmSticky route SAME", "FarmSticky cookie SAME"),
                                      ("FarmSticky cookie farm", COOKIE)])
def test_914_03_names_that_differ(httpd, one, two):
    """No warning without a reason."""
    two_farms(httpd, app=[one], gold=[two])
    assert "FARM00055" not in check_accepted(httpd, "# nothing else")


@pytest.mark.parametrize("how", ["instruction", "forward"])
def test_914_04_moved(httpd, how):
    """Contract: "A client that `to=`, FarmForward … moved gets the cookie of the farm that serves it too, its `farm` field `*`":
    it stays there, also when it is addressed to that farm, and however it was moved."""
    two_farms(httpd, "FarmForward any http://gold")
    httpd.start()
    to = instruction(to="gold")
    if how == "forward":
        change(httpd, "farm=app&admin=off")
        to = "x=1"
    for _ in range(4):
        cookie, member = new_client(httpd, name=GOLD) if how == "forward" else moved(httpd, to)
        assert member in "def" and read(cookie)["farm"] == "*" and read(cookie)["member"] == member
        both = f"{to}; {cookie}"
        check_tied(httpd, member, both)
        assert none(httpd, both) == member
        check_tied(httpd, member, cookie, "/gold/x")
        assert none(httpd, cookie, "/gold/x") == member
    # One that the client was given by the farm itself holds too.
    cookie, member = new_client(httpd, "/gold/x", GOLD)
    assert read(cookie)["farm"] == "gold"
    check_tied(httpd, member, f"{to}; {cookie}")
    assert none(httpd, f"{to}; {cookie}") == member


def moved(httpd, cookie, target="/app/x", name=GOLD):
    response = ask(httpd, cookie, target)
    text, = set_cookies(response, name)
    return pair_of(text), response.member


@pytest.mark.parametrize("how", ["instruction", "forward"])
def test_914_05_moved_and_away(httpd, how):
    """Contract: all that is said of a tie holds in the farm that serves: the client of a member that is away is tied to another
    one of that farm, by the same cookie."""
    two_farms(httpd, "FarmForward any http://gold")
    httpd.start()
    to = instruction(to="gold")
    if how == "forward":
        change(httpd, "farm=app&admin=off")
        to = "x=1"
    old = own(GOLD, farm="*", member="d")
    change(httpd, "farm=gold&member=d&admin=off")
    found = {moved(httpd, f"{to}; {old}")[1] for _ in range(4)}
    assert len(found) == 1 and found <= {"e", "f"}
    new, member = moved(httpd, f"{to}; {old}")
    assert read(new)["farm"] == "*"
    change(httpd, "farm=gold&member=d&admin=on")
    check_tied(httpd, member, f"{to}; {new}")


def test_914_06_a_backends_tie_there(httpd):
    """Contract: "while one holds the module sets no cookie of its own": an instruction that moves and names a member is a tie;
    and one of a farm that cannot serve is none of the farm that does."""
    (a, *_), (d, *_) = two_farms(httpd, "FarmForward any http://gold")
    httpd.start()
    for fields in ({"member": "e"}, {"member": "e", "mode": "strict"}):
        to = instruction(to="gold", **fields)
        check_tied(httpd, "e", to)
        assert none(httpd, f"{to}; {own(GOLD, farm='*', member='d')}") == "e"
    change(httpd, "farm=app&admin=off")
    cookie, member = moved(httpd, instruction(member="a"))
    assert member in "def"
    check_tied(httpd, member, f"{instruction(member='a')}; {cookie}")


def test_914_07_not_of_the_wrong_farm(httpd):
    """Contract: a cookie is read as the stickiness of its own farm alone: a tie of app's says nothing in gold, under any name,
    and gold's says nothing in app."""
    two_farms(httpd)
    httpd.conf.farm("same", *[httpd.member(name) for name in "abc"], "FarmAlgorithm roundrobin", COOKIE)
    httpd.start()
    with counting(httpd, accepted=1):
        assert len(set_cookies(ask(httpd, f"{instruction(to='same')}; {own('farm.app', member='a')}"), "farm.same")) == 1
    with counting(httpd, accepted=1):
        ask(httpd, f"{instruction(to='same')}; {own('farm.same', farm='app', member='a')}")
    with counting(httpd, accepted=1, expired=1):
        ask(httpd, f"{instruction(to='same')}; {own('farm.same', farm='*', member='a', exp=1)}; farm.app=x")
    check_not_tied(httpd, own("farm.gold", farm="*", member="a"))
    check_not_tied(httpd, own("farm.gold", farm="app", member="a"))
    # Under FarmCookie's name, one for any farm is not what an earlier version has set.
    check_not_tied(httpd, own("farm", farm="*", member="a"))
    check_tied(httpd, "a", own("farm.app", farm="*", member="a"))


def test_914_08_bad_ones_of_the_other_farm(httpd):
    """Contract: "Anything that does not verify, has expired, or names what does not exist is ignored, counted by reason": also in
    the cookie of the farm that a request was moved to, once each; the client gets a new one."""
    two_farms(httpd)
    httpd.start()
    to = instruction(to="gold")
    for cookie, reason in ((own(GOLD, farm="*", member="nosuch"), "unknown_target"), ("farm.gold=x", "malformed"),
                           (own(GOLD, farm="gold", member="d", kid="k7"), "unknown_key")):
        with counting(httpd, accepted=1, **{reason: 1}):
            response = ask(httpd, f"{to}; {cookie}")
        assert read(pair_of(set_cookies(response, GOLD)[0]))["member"] == response.member


def test_914_09_no_tie_in_a_farm_without(httpd):
    """Contract: `FarmSticky off` is the default: a farm that serves without it sets nothing and looks at no cookie, and the
    first farm sets none for it."""
    two_farms(httpd, "FarmForward any http://gold", gold=())
    httpd.start()
    for _ in range(3):
        none(httpd, instruction(to="gold"))
    assert sorted(none(httpd, f"{instruction(to='gold')}; {own(GOLD, farm='*', member='d')}") for _ in range(3)) == list("def")
    change(httpd, "farm=app&admin=off")
    assert sorted(none(httpd, own(member="a")) for _ in range(3)) == list("def")


def test_914_10_hidden_when_moved(httpd):
    """Contract: "never passed to a farm's member": neither farm's cookie, at either."""
    made, others = two_farms(httpd, "FarmForward any http://gold")
    httpd.start()
    cookies = f"x=1; {own('farm.app')}; {own(GOLD, farm='*', member='d')}; y=2"
    ask(httpd, f"{instruction(to='gold')}; {cookies}")
    assert seen(others[0]) == ["x=1; y=2"]
    change(httpd, "farm=app&admin=off")
    ask(httpd, cookies)
    assert [seen(others[0]), others[0].count] == [["x=1; y=2"], 2]


def test_914_11_over_a_circle(httpd):
    """Contract: a forward goes by what the farm that serves wants, also the second: the cookie of the last one is set, one
    alone, and holds."""
    _, others = two_farms(httpd, "FarmForward any http://middle")
    httpd.conf.farm("middle", "FarmMember http://127.0.0.1:1 name=n admin=off", COOKIE, "FarmForward any http://gold")
    httpd.start()
    change(httpd, "farm=app&admin=off")
    response = ask(httpd)
    assert [text.partition("=")[0] for text in response.all("Set-Cookie")] == [GOLD]
    cookie = pair_of(response.all("Set-Cookie")[0])
    check_tied(httpd, response.member, cookie)
    none(httpd, cookie)


def test_914_12_together(httpd):
    """Contract: requests sent together find the same member: of a client that was moved, too."""
    two_farms(httpd)
    httpd.start()
    change(httpd, "farm=gold&member=d&admin=off")
    for n in range(4):
        cookie = f"{instruction(to='gold')}; {own(GOLD, farm='*', member='d', exp=4_000_000_000 + n)}"
        assert len(set(client.at_once(8, lambda: moved(httpd, cookie)[1]))) == 1
