"""FarmSet slowstart: a member that becomes available again gets its share little by little.

With a slowstart of an hour a member stays at the tenth of its share that it begins with for as long as a test takes, so that shares can be
compared without any regard to time; only the tests of growth have a ramp of seconds, and compare counts within one run."""

from collections import Counter

import pytest

from farmhttpd import client, members, wait
from farmhttpd.fallback import manage
from farmhttpd.update import push, shares
from test_200_selection import after, check_shares, spread

# What of this machine's time a request takes is small beside what its member takes.
SLOW_ANSWER = 0.008
ALGORITHMS = ["roundrobin", "random", "busyness", "adaptive"]


def farm_of(httpd, algorithm, slowstart, *names, directives=()):
    made = httpd.three(*names)
    if algorithm in ("busyness", "adaptive"):
        for member in made:
            member.always(after(SLOW_ANSWER))
    httpd.farm(*made, f"FarmAlgorithm {algorithm}", f"FarmSet slowstart={slowstart} fall=1 retry=100ms", *directives)
    httpd.conf.one_process().handler("farm-update").handler("farm-manager")
    return made


def window(httpd, algorithm, count):
    """How many of so many requests each member got. busyness tells members apart by what is in flight only, and adaptive's
    answers take their time, so that there eight ask at once."""
    if algorithm not in ("busyness", "adaptive"):
        return spread(httpd, count)
    return sum(client.at_once(8, spread, httpd, count // 8), Counter())


def goes_and_comes(httpd, name="a"):
    """By a monitor's word."""
    push(httpd, f"farm=app&member={name}&health=down")
    assert name not in spread(httpd, 4)
    push(httpd, f"farm=app&member={name}&health=up")


def by_trial(httpd, a):
    a.refuse()
    httpd.log.expect_broken()
    wait.until(lambda: spread(httpd, 1) and httpd.rows()["a"]["health"] == "down", "a to be down")
    a.start()
    wait.until(lambda: spread(httpd, 1) and httpd.rows()["a"]["health"] == "up", "the trial")


def by_monitor(httpd, _):
    goes_and_comes(httpd)


def by_administrator(httpd, _):
    manage(httpd, farm="app", member="a", admin="off")
    assert set(spread(httpd, 4)) == {"b"}
    manage(httpd, farm="app", member="a", admin="on")


def by_end_of_drain(httpd, _):
    manage(httpd, farm="app", member="a", admin="drain", until="1")
    assert set(spread(httpd, 4)) == {"b"}
    httpd.wait_for_row(lambda row: row["admin"] == "on", "the drain to be over")


def by_update(httpd, _):
    """b reports, and a is out until it reports too."""
    def a_is_out():
        push(httpd, "farm=app&member=b")
        return httpd.rows()["a"]["fresh"] == "out"
    wait.until(a_is_out, "a to be out")
    push(httpd, "farm=app&member=a&member=b")


WAYS_BACK = {"trial": by_trial, "monitor": by_monitor, "administrator": by_administrator, "drain": by_end_of_drain,
             "update": by_update}


@pytest.mark.parametrize("way", WAYS_BACK)
def test_380_01_a_tenth_at_first(httpd, way):
    """Contract: "`slowstart=` time to ramp to full share after becoming available again": from a tenth, whatever had made
    the member unavailable."""
    a, b = farm_of(httpd, "random", "1h", "a", "b", directives=["FarmExpectUpdate 2s"] if way == "update" else [])
    httpd.start()
    WAYS_BACK[way](httpd, a)
    if way == "update":
        told = shares(httpd, "app", "a", "b")
        assert 0.04 <= told["a"] <= 0.06, told
        counts = spread(httpd, 300)
    else:
        counts = spread(httpd, 500)
    # A tenth of a half.
    check_shares(counts, {"a": 1, "b": 19})
    assert counts["a"] > 0, "a member that has come back must get something"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_380_02_every_algorithm(httpd, algorithm):
    """Contract: "time to ramp to full share", with each of the algorithms: the member that came back gets far less than
    the other, and not nothing."""
    farm_of(httpd, algorithm, "1h", "a", "b")
    httpd.start()
    goes_and_comes(httpd)
    counts = window(httpd, algorithm, 400)
    # A full share would be 200, and a tenth of it is 20.
    assert 1 <= counts["a"] <= 80, counts


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_380_03_grows_to_the_full_share(httpd, algorithm):
    """Contract: "to ramp to full share": an early part of the ramp brings less than a late one, and at last it is all."""
    farm_of(httpd, algorithm, "2500ms", "a", "b")
    httpd.start()
    goes_and_comes(httpd)
    early = window(httpd, algorithm, 160)["a"]
    late = wait.until(lambda: (count := window(httpd, algorithm, 160)["a"]) >= 64 and count, "nearly a half")
    assert early <= 56 and early < late, (early, late)
    # Once at its full share it stays there.
    wait.until(lambda: 0.48 <= shares(httpd, "app", "a", "b")["a"] <= 0.52, "the full share")
    assert 100 <= window(httpd, algorithm, 400)["a"] <= 300


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_380_04_not_at_the_start(httpd, algorithm):
    """Contract: "not at httpd's own start": there every member has its full share at once, also one that is one of
    several, and after a full stop and start."""
    farm_of(httpd, algorithm, "1h", "a", "b")
    httpd.start()
    assert 100 <= window(httpd, algorithm, 400)["a"] <= 300
    goes_and_comes(httpd)
    assert window(httpd, algorithm, 160)["a"] <= 40
    httpd.stop()
    httpd.start()
    assert 100 <= window(httpd, algorithm, 400)["a"] <= 300


def test_380_05_off_by_default(httpd):
    """Contract: "`slowstart=` … (0)"."""
    httpd.farm(*httpd.three("a", "b"), "FarmAlgorithm roundrobin")
    httpd.conf.one_process().handler("farm-update")
    httpd.start()
    goes_and_comes(httpd)
    assert spread(httpd, 100) == {"a": 50, "b": 50}


def test_380_06_told_in_the_answer_to_an_update(httpd):
    """Contract: "`share=` is the part of new requests the member gets as things stand"."""
    farm_of(httpd, "random", "1h", "a", "b")
    httpd.start()
    assert shares(httpd, "app", "a", "b") == {"a": 0.5, "b": 0.5}
    goes_and_comes(httpd)
    told = shares(httpd, "app", "a", "b")
    assert 0.04 <= told["a"] <= 0.06 and 0.94 <= told["b"] <= 0.96, told


def test_380_07_by_weight(httpd):
    """Contract: "full share" is by weight: with 8 beside 1 a tenth of eight ninths."""
    a, b = httpd.three("a", "b")
    httpd.farm((a, "weight=8"), b, "FarmAlgorithm random", "FarmSet slowstart=1h")
    httpd.conf.one_process().handler("farm-update")
    httpd.start()
    check_shares(spread(httpd, 300), {"a": 8, "b": 1})
    goes_and_comes(httpd)
    check_shares(spread(httpd, 500), {"a": 8, "b": 82})


def test_380_08_the_only_one(httpd):
    """Contract: a share is one among available members: who is alone gets all, also at the ramp's beginning."""
    farm_of(httpd, "random", "1h", "a", "b")
    httpd.start()
    goes_and_comes(httpd)
    push(httpd, "farm=app&member=b&health=down")
    assert spread(httpd, 30) == {"a": 30}
    assert httpd.farm_status()["condition"] == "ok"
    push(httpd, "farm=app&member=b&health=up")
    check_shares(spread(httpd, 300), {"a": 1, "b": 1})


def test_380_09_added_by_a_graceful_restart(httpd):
    """Contract: a member that a graceful restart adds ramps too; those that were there go on as they were: at their full
    share, or on their way to it."""
    a, b, c = farm_of(httpd, "random", "1h", "a", "b", "c")
    lines = httpd.conf.farms["app"]
    httpd.conf.farms["app"] = [line for line in lines if "name=c" not in line]
    httpd.start()
    goes_and_comes(httpd)
    check_shares(spread(httpd, 300), {"a": 1, "b": 19})
    httpd.conf.farms["app"] = lines
    httpd.graceful()
    wait.until(lambda: len(httpd.children()) == 1, "the old child to end")
    check_shares(spread(httpd, 600), {"a": 1, "b": 28, "c": 1})
    httpd.graceful()
    wait.until(lambda: len(httpd.children()) == 1, "the old child to end")
    check_shares(spread(httpd, 600), {"a": 1, "b": 28, "c": 1})


def test_380_10_removed_and_added_again(httpd):
    """Contract: a graceful restart that adds a member: also one that has been a member before."""
    a, b, c = farm_of(httpd, "random", "1h", "a", "b", "c")
    lines = httpd.conf.farms["app"]
    httpd.start()
    check_shares(spread(httpd, 300), {"a": 1, "b": 1, "c": 1})
    for farm in ([line for line in lines if "name=c" not in line], lines):
        httpd.conf.farms["app"] = farm
        httpd.graceful()
        wait.until(lambda: len(httpd.children()) == 1, "the old child to end")
    check_shares(spread(httpd, 600), {"a": 29, "b": 29, "c": 2})


def test_380_11_a_failed_answer_does_not_start_it(httpd):
    """Contract: "after becoming available *again*": a failure that does not put a member down, or a weight or an admin
    that is set to what it is, does not make it start anew."""
    a, b = httpd.three("a", "b")
    httpd.farm(a, b, "FarmAlgorithm random", "FarmSet slowstart=1h fall=3")
    httpd.conf.one_process().handler("farm-update").handler("farm-manager")
    httpd.log.expect_broken()
    httpd.start()
    a.next(members.close_after_request)
    spread(httpd, 30)
    row = httpd.rows()["a"]
    assert (row["health"], row["errors"]) == ("up", 1)
    manage(httpd, farm="app", member="a", admin="on")
    push(httpd, "farm=app&member=a&health=up")
    manage(httpd, farm="app", member="a", weight="1")
    check_shares(spread(httpd, 400), {"a": 1, "b": 1})
