"""The status's `sticky`: how many clients are tied to a member by instructions that are alive, and until when."""

import time
from collections import Counter

import pytest

from farmhttpd import client, wait
from farmhttpd.instructions import HOUR, ask, instructed, instruction, pair_of, read, set_cookies
from farmhttpd.manager import change, moment

COOKIE = "FarmSticky cookie"
CLIENTS, THREADS = 2000, 8


def tied(httpd, name="app"):
    return {member: row["sticky"]["clients"] for member, row in httpd.rows(name).items()}


def until(httpd, member, name="app"):
    return httpd.rows(name)[member]["sticky"]["until"]


def many_clients(httpd, count=CLIENTS):
    """So many clients, each with its first request and then with its cookie; all their cookies."""
    def some():
        with httpd.client() as one:
            first = [pair_of(set_cookies(one.request("/app/x"))[0]) for _ in range(count // THREADS)]
            for cookie in first[::5]:
                assert set_cookies(one.request("/app/x", headers={"Cookie": cookie})) == []
        return first
    return sum(client.at_once(THREADS, some), [])


@pytest.mark.parametrize("names", [("a", "b", "c"), ("app-server-1", "app-server-2", "app-server-3")],
                         ids=["short", "long"])
def test_912_01_how_many(httpd, names):
    """Contract: "about how many are tied to it by instructions that are alive": within 5 % of 2,000 clients, though many
    came
    again, and whatever the length of the names; over a graceful restart."""
    instructed(httpd, *names, lines=[COOKIE], one_process=False)
    httpd.start()
    assert tied(httpd) == dict.fromkeys(names, 0)
    cookies = many_clients(httpd)
    right = Counter(read(cookie)["member"] for cookie in cookies)
    told = tied(httpd)
    assert {name: told[name] for name in names} == pytest.approx(right, rel=0.05)
    for name in names:
        last = max(int(fields["exp"]) for fields in map(read, cookies) if fields["member"] == name)
        assert moment(until(httpd, name)).timestamp() == last
    httpd.graceful()
    assert tied(httpd) == told


def test_912_02_few(httpd):
    """Contract: the same clients again count once; each new one is one more; those that are not followed are none."""
    instructed(httpd, lines=[COOKIE])
    httpd.start()
    cookies = [instruction(member="a", exp=int(time.time()) + HOUR + n) for n in range(20)]
    for n, cookie in enumerate(cookies, 1):
        for _ in range(3):
            ask(httpd, cookie)
        assert tied(httpd)["a"] == pytest.approx(n, abs=1)
    for cookie in (instruction(member="a", exp=1), instruction(member="a", ip="192.0.2.1"), "farm=x"):
        ask(httpd, cookie, "/app/ignored")
    assert tied(httpd)["a"] <= 22


def test_912_03_backends_instructions(httpd):
    """Contract: "tied to it by instructions": those of backends as well, of the farm that results, in either mode, and
    without
    FarmSticky."""
    a, *_ = instructed(httpd)
    httpd.conf.farm("gold", (a, ""))
    httpd.start()
    for n in range(10):
        exp = int(time.time()) + HOUR + n
        ask(httpd, instruction(member="b", mode="strict", exp=exp)), ask(httpd, instruction(to="gold", member="a", exp=exp))
        ask(httpd, instruction(exp=exp))
    assert tied(httpd) == {"a": 0, "b": pytest.approx(10, abs=1), "c": 0}
    assert tied(httpd, "gold")["a"] == pytest.approx(10, abs=1)
    assert moment(until(httpd, "b")).timestamp() == exp and until(httpd, "c") is None


def test_912_04_they_end(httpd):
    """Contract: "by instructions that are alive": when the last has died there is nobody left and no `until`: the drain is
    done."""
    instructed(httpd)
    httpd.start()
    change(httpd, "farm=app&member=a&admin=drain")
    last = int(time.time()) + 2
    for n in range(5):
        ask(httpd, instruction(member="a", exp=last - n % 2))
    assert moment(until(httpd, "a")).timestamp() == last
    wait.until(lambda: until(httpd, "a") is None, "the last to end", 10)
    assert time.time() >= last
    assert httpd.rows()["a"]["sticky"] == {"clients": 0, "until": None}


def test_912_05_new_row(httpd):
    """Contract: a member that is configured anew after it was away has nobody tied to it from before, and one that comes
    for
    the first time has nobody either."""
    a, b, c = instructed(httpd, lines=[COOKIE])
    httpd.start()
    for n in range(10):
        ask(httpd, instruction(member="c", exp=int(time.time()) + HOUR + n))
    d = httpd.member("d")
    httpd.conf.farm("app", a, b, COOKIE)
    httpd.graceful()
    wait.until(lambda: len(httpd.children()) == 1, "the old child to end")
    httpd.conf.farm("app", a, b, d, COOKIE)
    httpd.graceful()
    assert tied(httpd) == {"a": 0, "b": 0, "d": 0} and until(httpd, "d") is None
