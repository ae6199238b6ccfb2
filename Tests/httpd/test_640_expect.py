"""FarmExpectUpdate: who does not report in time."""

import pytest

from farmhttpd import client, wait
from farmhttpd.update import ask, check_shares_told, error_of, push, tell

SOON = "300ms"


def farm_of(httpd, *names, lines=(), name="app"):
    made = httpd.three(*names)
    httpd.farm(*made, *lines, name=name)
    if "SetHandler farm-update" not in httpd.conf.body:
        httpd.conf.handler("farm-update")
    return made


def wait_for_fresh(httpd, value, *names, farm="app"):
    wait.until(lambda: all(httpd.rows(farm)[name]["fresh"] == value for name in names), f"{names} to be {value}")


def back(httpd, name, farm="app"):
    """An update that must bring the member in."""
    told = tell(httpd, f"farm={farm}&member={name}")
    assert (told.fresh, told.available) == ("in", "yes") and told.share > 0


@pytest.mark.both_mpms
@pytest.mark.parametrize("line", [f"FarmExpectUpdate {SOON}", f"FarmExpectUpdate {SOON} out"])
def test_640_01_out_and_in(httpd, line):
    """Contract: "a member whose last update is older is `out`"; "A member that has never reported is `in` until
    FarmExpectUpdate's time has passed since it was first configured". Nobody asks the farm for anything meanwhile."""
    made = farm_of(httpd, "a", "b", lines=[line])
    httpd.start()
    wait_for_fresh(httpd, "out", "a", "b")
    assert [row["update_age_s"] for row in httpd.rows().values()] == [None, None]
    for _ in range(2):
        back(httpd, "a")
        wait_for_fresh(httpd, "out", "a")
        row = httpd.rows()["a"]
        assert (row["available"], row["admin"], row["health"], row["health_by"]) == (False, "on", "up", None)
        assert row["update_age_s"] >= 0.3
    assert httpd.rows()["b"]["update_age_s"] is None
    assert [m.count for m in made] == [0, 0]


def test_640_02_age_and_state_agree(httpd):
    """Contract: "by the age of its last update": in every status, who is younger than the time is `in` and who is older is
    `out`."""
    farm_of(httpd, "a", lines=[f"FarmExpectUpdate {SOON}"])
    httpd.start()
    seen = set()

    def both_seen():
        row = httpd.rows()["a"]
        if row["update_age_s"] is not None:
            # Between the two readings of one status some time may pass; nothing is said of a hair's breadth.
            if abs(row["update_age_s"] - 0.3) > 0.05:
                assert row["fresh"] == ("in" if row["update_age_s"] < 0.3 else "out"), row
                seen.add(row["fresh"])
        return len(seen) == 2

    for _ in range(3):
        seen.clear()
        tell(httpd, "farm=app&member=a")
        # A machine that pauses so long that none is seen `in` gets another update.
        wait.until(lambda: both_seen() or "out" in seen and not tell(httpd, "farm=app&member=a"), "both ages")


def test_640_03_not_yet(httpd):
    """Contract: "A member that has never reported is `in` until FarmExpectUpdate's time has passed"."""
    made = farm_of(httpd, "a", "b", lines=["FarmExpectUpdate 1h"])
    httpd.start()
    assert {row["fresh"] for row in httpd.rows().values()} == {"in"}
    assert {httpd.get("/app/x").member for _ in range(30)} == {"a", "b"}
    assert sum(m.count for m in made) == 30


@pytest.mark.both_mpms
def test_640_04_no_traffic_while_out(httpd):
    """Contract: "available: admin is `on`, health is `up` and fresh is `in`": a member that is out gets nothing, in any
    process, while one that reports gets it all."""
    a, b = farm_of(httpd, "a", "b", lines=["FarmExpectUpdate 1s"])
    httpd.log.expect("proxy_farm:")
    httpd.start()
    wait_for_fresh(httpd, "out", "a", "b")

    def report_and_ask():
        seen = []
        for _ in range(20):
            back(httpd, "a")
            seen.append(httpd.get("/app/x").status)
        return seen

    statuses = sum(client.at_once(4, report_and_ask), [])
    # A machine that pauses for a second between a report and its request may see a 503, but never the other member.
    assert set(statuses) <= {200, 503} and statuses.count(200) >= 40
    assert b.count == 0 and a.count == statuses.count(200)


def test_640_05_all_out(httpd):
    """Contract: condition `down` "(none is [available], for any other reason)"; no request goes to a member that is out,
    even when there is no other."""
    made = farm_of(httpd, "a", "b", lines=[f"FarmExpectUpdate {SOON}", "FarmSet retry=10ms"])
    httpd.log.expect("proxy_farm:")
    httpd.start()
    wait_for_fresh(httpd, "out", "a", "b")
    for method in ("GET", "POST"):
        for _ in range(5):
            assert httpd.get("/app/x", method=method).status == 503
    farm = httpd.farm_status()
    assert (farm["condition"], farm["available"]) == ("down", 0)
    assert [m.connections for m in made] == [0, 0]

    def served():
        back(httpd, "b")
        response = httpd.get("/app/x")
        return response.status == 200 and response.member == "b"

    wait.until(served, "a member that reports to be asked")
    assert made[0].connections == 0


def test_640_06_some_off(httpd):
    """Contract: `offline` only when "every member … is administratively off or draining": a member that is out is not."""
    a, b = httpd.three("a", "b")
    httpd.farm((a, "admin=off"), b, f"FarmExpectUpdate {SOON}")
    httpd.conf.handler("farm-update")
    httpd.start()
    wait.until(lambda: httpd.farm_status()["condition"] == "down", "the farm to be down")
    assert tell(httpd, "farm=app&member=a").available == "no"


def test_640_07_higher_tier_takes_over(httpd):
    """Contract: "a higher tier serves only while no lower one has an *available* member": the lower one being out, it
    does; and no request of the farm is needed to tell."""
    a, b = httpd.three("a", "b")
    httpd.farm(a, f"FarmExpectUpdate {SOON}", name="gone")
    httpd.farm(a, (b, "tier=1"), f"FarmExpectUpdate 1s")
    httpd.conf.handler("farm-update")
    httpd.log.expect("proxy_farm:")
    httpd.start()
    wait_for_fresh(httpd, "out", "a")

    def taken_over():
        push(httpd, "farm=app&member=b")
        response = httpd.get("/app/x")
        return response.status == 200 and response.member == "b"

    wait.until(taken_over, "the higher tier to serve")
    assert a.count == 0


def test_640_08_out_is_not_down(httpd):
    """Contract: health and fresh are two things: an update brings in, but not up; `health=up` alone is an update too."""
    farm_of(httpd, "a", lines=[f"FarmExpectUpdate {SOON}"])
    httpd.start()
    assert tell(httpd, "farm=app&member=a&health=down").health == "down"
    wait_for_fresh(httpd, "out", "a")
    told = tell(httpd, "farm=app&member=a&cpu=1")
    assert (told.health, told.fresh, told.available) == ("down", "in", "no")
    wait_for_fresh(httpd, "out", "a")
    told = tell(httpd, "farm=app&member=a&health=up")
    assert (told.health, told.fresh, told.available) == ("up", "in", "yes")


def test_640_09_bad_updates_do_not_count(httpd):
    """Contract: a wrong update stores nothing: nor does it make its member fresh."""
    farm_of(httpd, "a", "b", lines=[f"FarmExpectUpdate {SOON}"])
    httpd.start()
    wait_for_fresh(httpd, "out", "a", "b")
    error_of(ask(httpd, "farm=app&member=a&cpu=x"), 400)
    error_of(ask(httpd, "farm=app&member=a&cpu=1&member=nosuch"), 404)
    assert {row["fresh"] for row in httpd.rows().values()} == {"out"}


def test_640_10_ignore(httpd):
    """Contract: "with `ignore` it stays in and its metrics are disregarded"; "A member that has pushed no usable metrics
    counts as having the mean load of those that have"."""
    farm_of(httpd, "a", "b", lines=[f"FarmExpectUpdate {SOON} ignore", "FarmAlgorithm load"])
    httpd.start()
    push(httpd, "farm=app&member=a&x=1000&member=b&x=0")
    wait.until(lambda: httpd.rows()["a"]["load"] is None, "the load to be disregarded")
    row = httpd.rows()["a"]
    assert (row["fresh"], row["available"], row["health"]) == ("in", True, "up")
    assert httpd.farm_status()["condition"] == "ok"
    # Only b's load is known, so that both count as having it.
    told = tell(httpd, "farm=app&member=b&x=7")
    assert (told.fresh, told.available) == ("in", "yes")
    check_shares_told({"b": told.share}, {"b": 0.5})
    wait.until(lambda: httpd.rows()["b"]["load"] is None, "the load to be disregarded")
    assert {httpd.get("/app/x").member for _ in range(30)} == {"a", "b"}


def test_640_11_ignored_is_known_again(httpd):
    """Contract: "whose last *update* is older": the next update, even a heartbeat, makes the last values count again."""
    farm_of(httpd, "a", lines=[f"FarmExpectUpdate {SOON} ignore"])
    httpd.start()
    tell(httpd, "farm=app&member=a&x=5")
    wait.until(lambda: httpd.rows()["a"]["load"] is None, "the load to be disregarded")
    assert tell(httpd, "farm=app&member=a").load == 5


@pytest.mark.parametrize("lines", [[], ["FarmExpectUpdate off"]], ids=["default", "off"])
def test_640_12_off(httpd, lines):
    """Contract: FarmExpectUpdate's default is off: nobody is ever out, whoever has reported once."""
    farm_of(httpd, "a", "b", lines=lines)
    farm_of(httpd, "z", lines=[f"FarmExpectUpdate {SOON}"], name="other")
    httpd.start()
    push(httpd, "farm=app&member=a&x=5&farm=other&member=z")
    # As long as it takes another farm's member to be out.
    wait_for_fresh(httpd, "out", "z", farm="other")
    rows = httpd.rows()
    assert [(row["fresh"], row["available"]) for row in rows.values()] == [("in", True)] * 2
    assert rows["a"]["load"] == 5


def test_640_13_restart_does_not_begin_anew(httpd):
    """Contract: "until FarmExpectUpdate's time has passed since it was *first* configured": a graceful restart, or a hard
    one, gives no new time; whereas a newcomer has its own."""
    a, b = farm_of(httpd, "a", lines=["FarmExpectUpdate 2s"]), httpd.member("b")
    httpd.start()
    wait_for_fresh(httpd, "out", "a")
    httpd.graceful()
    assert httpd.rows()["a"]["fresh"] == "out"
    httpd.restart()
    assert httpd.rows()["a"]["fresh"] == "out"
    # Its own time is 2 s; on a machine that pauses so long a newcomer is not seen in time, and another is.
    for n in range(5):
        httpd.conf.farm("app", *a, f"FarmMember {b.url} name=new{n}", "FarmExpectUpdate 2s")
        httpd.restart()
        rows = httpd.rows()
        assert rows["a"]["fresh"] == "out"
        if rows[f"new{n}"]["fresh"] == "in":
            break
    else:
        pytest.fail("no newcomer was ever in")


def test_640_14_changed_at_a_restart(httpd):
    """Contract: the directive takes effect at a graceful restart, for updates from before it too."""
    a, = farm_of(httpd, "a")
    httpd.start()
    tell(httpd, "farm=app&member=a&x=1")
    wait.until(lambda: httpd.rows()["a"]["update_age_s"] >= 1, "the update to age")
    httpd.conf.farm("app", a, "FarmExpectUpdate 1s")
    httpd.graceful()
    assert httpd.rows()["a"]["fresh"] == "out"
    httpd.conf.farm("app", a, "FarmExpectUpdate 1s ignore")
    httpd.graceful()
    row = httpd.rows()["a"]
    assert (row["fresh"], row["load"]) == ("in", None)
    httpd.conf.farm("app", a, "FarmExpectUpdate 1h")
    httpd.graceful()
    row = httpd.rows()["a"]
    assert (row["fresh"], row["load"]) == ("in", 1)


def test_640_15_every_algorithm(httpd):
    """Contract: no algorithm chooses a member that is not available, also when it was when the algorithm last looked."""
    algorithms = ["roundrobin", "random", "busyness", "traffic", "load", "adaptive", "hash"]
    for name in algorithms:
        line = f"FarmAlgorithm {name}" + (' "%{HTTP:X-Key}"' if name == "hash" else "")
        farm_of(httpd, f"{name}1", f"{name}2", lines=["FarmExpectUpdate 700ms", line], name=name)
    made = {m.name: m for m in httpd.members}
    httpd.log.expect("proxy_farm:")
    httpd.start()

    def ask(name, n):
        return httpd.get(f"/{name}/x", headers={"X-Key": str(n)})

    # Choices of the time when both are in are made and may be remembered.
    for name in algorithms:
        for n in range(5):
            ask(name, n)
    for name in algorithms:
        wait_for_fresh(httpd, "out", f"{name}1", f"{name}2", farm=name)
    before = {name: made[f"{name}1"].count for name in algorithms}
    for name in algorithms:
        for n in range(15):
            back(httpd, f"{name}2", name)
            response = ask(name, n)
            assert response.status == 503 or response.member == f"{name}2"
    assert {name: made[f"{name}1"].count for name in algorithms} == before
    # A machine that pauses between a report and its request may see a 503.
    assert sum(m.count for m in made.values()) >= 15 * len(algorithms) / 2
