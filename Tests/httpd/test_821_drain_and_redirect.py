"""A draining member serves those who name it and nobody else; one that is not available has another stand in for it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from farmhttpd import client, members, wait
from farmhttpd.manager import NOBODY, change, farm_of, who_serves
from farmhttpd.members import answer

A = "farm=app&member=a"


def tied(httpd, name, **arguments):
    return httpd.get("/app/tied", headers={"Cookie": f"ROUTE=x.{name}"}, **arguments)


def sticky_farm(httpd, *options, lines=(), names=()):
    return farm_of(httpd, *names, options=options, lines=["FarmSticky route ROUTE", *lines])


def serves(httpd, name, expected, count=6):
    """Who gets the requests that name that member: always the expected one."""
    assert [tied(httpd, name).member for _ in range(count)] == [expected] * count


@pytest.mark.both_mpms
@pytest.mark.parametrize("set_by", ["manager", "configuration"])
def test_821_01_draining(httpd, set_by):
    """Contract: "`drain` (only requests already tied to it)"; "A draining member still serves those who name it": in every
    process at once."""
    a, *_ = sticky_farm(httpd, "admin=drain" if set_by == "configuration" else "", lines=["FarmAlgorithm roundrobin"])
    httpd.start()
    if set_by == "manager":
        assert "a" in who_serves(httpd, 24)
        assert change(httpd, f"{A}&admin=drain").available == "no"
    before = a.count
    assert who_serves(httpd) == {"b", "c"}
    assert a.count == before
    assert {answer.member for answer in client.at_once(8, lambda: tied(httpd, "a"))} == {"a"}
    serves(httpd, "a", "a"), serves(httpd, "b", "b")
    assert {tuple(line[4:6]) for line in httpd.access("/app/tied", 20)} == {("a", "sticky"), ("b", "sticky")}
    # POSTs and other methods are tied too.
    assert tied(httpd, "a", method="POST", body=b"pay").member == "a"


def test_821_02_off_serves_nobody(httpd):
    """Contract: `off` is "administratively offline": it serves not even those who name it; back on, it does again."""
    a, *_ = sticky_farm(httpd)
    httpd.start()
    serves(httpd, "a", "a")
    change(httpd, f"{A}&admin=off")
    count = a.count
    assert {tied(httpd, "a").member for _ in range(20)} <= {"b", "c"}
    assert a.count == count
    change(httpd, f"{A}&admin=drain")
    serves(httpd, "a", "a")
    change(httpd, f"{A}&admin=on")
    serves(httpd, "a", "a")


def test_821_03_draining_but_down(httpd):
    """Contract: a draining member serves those who name it when it works: down by a monitor's word it serves nobody."""
    a, *_ = sticky_farm(httpd)
    httpd.start()
    change(httpd, f"{A}&admin=drain&health=down")
    assert {tied(httpd, "a").member for _ in range(20)} <= {"b", "c"}
    assert a.count == 0
    change(httpd, f"{A}&health=up")
    serves(httpd, "a", "a")


def test_821_04_all_draining(httpd):
    """Contract: condition `offline`: none is available, every one draining: those who name a member are served all the
    same, the others are not."""
    sticky_farm(httpd)
    httpd.log.expect(NOBODY)
    httpd.start()
    for name in "abc":
        change(httpd, f"farm=app&member={name}&admin=drain")
    assert (httpd.farm_status()["condition"], httpd.farm_status()["available"]) == ("offline", 0)
    assert httpd.get("/app/x").status == 503
    for name in "abc":
        serves(httpd, name, name)
    assert tied(httpd, "nosuch").status == 503


def test_821_05_higher_tier(httpd):
    """Contract: "instruction, then stickiness, then the algorithm choose a member": a member of a higher tier serves those
    who name it though the lower one has room."""
    sticky_farm(httpd, "tier=1")
    httpd.start()
    assert who_serves(httpd, 24) <= {"b", "c"}
    serves(httpd, "a", "a")


@pytest.mark.parametrize("how", ["admin=off", "health=down", "admin=off&health=down"])
def test_821_06_redirect(httpd, how):
    """Contract: `redirect=` "NAME of the member to use instead when this one is asked for by name and not available";
    FARM_REASON is sticky "also through redirect="."""
    a, b, c = sticky_farm(httpd, "redirect=c")
    httpd.start()
    serves(httpd, "a", "a")
    change(httpd, f"{A}&{how}")
    serves(httpd, "a", "c", 10)
    lines = httpd.access("/app/tied", 16)
    assert [tuple(line[4:6]) for line in lines] == [("a", "sticky")] * 6 + [("c", "sticky")] * 10
    # Only for those who ask by name.
    assert who_serves(httpd, 40) == {"b", "c"}
    change(httpd, f"{A}&admin=on&health=up")
    serves(httpd, "a", "a")


def test_821_07_drain_is_no_reason_to_redirect(httpd):
    """Contract: "A draining member serves requests that name its route": it, and not who stands in for it."""
    sticky_farm(httpd, "redirect=c")
    httpd.start()
    change(httpd, f"{A}&admin=drain")
    serves(httpd, "a", "a")


def test_821_08_full(httpd):
    """Contract: a member at its maxinflight is not to be had by name either: its redirect= serves."""
    a, b, c = sticky_farm(httpd, "redirect=c maxinflight=1")
    a.hold()
    httpd.start()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(tied, httpd, "a")
        a.wait_for_active(1)
        serves(httpd, "a", "c")
        a.release()
        assert waiting.result(wait.patiently(30)).member == "a"
    httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight")
    serves(httpd, "a", "a")


def test_821_09_chain_and_ring(httpd):
    """Contract: redirect= is "followed at most through every member once"; when nobody on the way is available, the
    algorithm chooses."""
    sticky_farm(httpd, "redirect=b", "redirect=c", "redirect=a", "tier=1", names="abcd")
    httpd.log.expect(NOBODY)
    httpd.start()
    change(httpd, f"{A}&admin=off")
    serves(httpd, "a", "b"), serves(httpd, "c", "c")
    change(httpd, "farm=app&member=b&admin=off")
    serves(httpd, "a", "c"), serves(httpd, "b", "c")
    change(httpd, "farm=app&member=c&health=down")
    for name in "abcd":
        serves(httpd, name, "d")
    lines = httpd.access("/app/tied", 48)[-24:]
    assert [line[5] for line in lines] == ["algorithm"] * 18 + ["sticky"] * 6
    change(httpd, "farm=app&member=d&admin=off")
    for name in "abcd":
        assert tied(httpd, name).status == 503


def test_821_10_to_itself_or_one_that_drains(httpd):
    """Contract: redirect= is used "if that one is available", which one that drains is not."""
    sticky_farm(httpd, "redirect=b")
    httpd.start()
    change(httpd, f"{A}&admin=off"), change(httpd, "farm=app&member=b&admin=drain")
    serves(httpd, "a", "c")
    serves(httpd, "b", "b")


def test_821_11_redirect_over_restarts(httpd):
    """Contract: redirect= names a member by its name: in whatever order they stand, before and after a restart."""
    a, b, c = sticky_farm(httpd, "redirect=c")
    httpd.start()
    change(httpd, f"{A}&admin=off")
    serves(httpd, "a", "c")
    httpd.conf.farm("app", c, b, (a, "redirect=b"), "FarmSticky route ROUTE")
    httpd.graceful()
    serves(httpd, "a", "b")
    httpd.conf.farm("app", c, (a, ""), b, "FarmSticky route ROUTE", "FarmAlgorithm roundrobin")
    httpd.restart()
    assert {tied(httpd, "a").member for _ in range(12)} == {"b", "c"}


def test_821_12_farm_that_drains(httpd):
    """Contract: `drain`: "only requests already tied to it": a draining farm serves those who name one of its members, and
    nobody else; one that is off serves nobody."""
    made = sticky_farm(httpd)
    httpd.log.expect(NOBODY)
    httpd.start()
    change(httpd, "farm=app&admin=drain")
    for name in "abc":
        serves(httpd, name, name)
    assert httpd.get("/app/x").status == tied(httpd, "nosuch").status == 503
    change(httpd, f"{A}&health=down")
    assert tied(httpd, "a").status == 503
    change(httpd, f"{A}&health=up"), change(httpd, "farm=app&admin=off")
    counts = [member.count for member in made]
    for name in "abc":
        assert tied(httpd, name).status == 503
    assert [member.count for member in made] == counts


def test_821_13_draining_member_recovers(httpd):
    """Contract: health "set by failures seen while proxying (recovers by trial)": a draining member that failed once is
    tried by a request that names it, since nobody else may, and serves those who name it again."""
    a, *_ = sticky_farm(httpd, lines=["FarmSet fall=1 retry=50ms"])
    httpd.log.expect_broken()
    httpd.start()
    change(httpd, f"{A}&admin=drain")
    serves(httpd, "a", "a")
    a.hang_up()
    a.always(members.close_on_accept)
    wait.until(lambda: tied(httpd, "a").member in "bc" and httpd.rows()["a"]["health"] == "down", "a to be down")
    a.always(answer())
    count = a.count
    for _ in range(10):
        assert httpd.get("/app/x").member in "bc"
        threading.Event().wait(0.01)
    assert a.count == count, "tried by a request that is not tied to it"
    wait.until(lambda: tied(httpd, "a").member == "a", "the trial", 5)
    row = httpd.rows()["a"]
    assert (row["admin"], row["health"]) == ("drain", "up")
    serves(httpd, "a", "a")
