"""What the administrator wants, whether a member works, and whether it reports: three axes, none of which moves another."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from farmhttpd import members, wait
from farmhttpd.manager import NOBODY, NOTE, change, farm_of, note, who_serves
from farmhttpd.members import answer
from farmhttpd.update import VERDICT, push, tell
from test_600_update import fail

A = "farm=app&member=a"


def note_of(row):
    return {key: row[key] for key in NOTE}


def axes(row):
    return row["admin"], row["health"], row["fresh"]


@pytest.mark.parametrize("state", ["on", "drain", "off"])
def test_820_01_updates_never_change_admin(httpd, state):
    """Contract: health is "Never set by, and never setting, admin": neither verdicts nor metrics change it, nor who set
    it, why, since when and until when."""
    farm_of(httpd, lines=["FarmReport on"])[0].always(answer(headers=[("Endpoint-Load-Metrics", "TEXT cpu_utilization=0.3")]))
    httpd.conf.handler("farm-update")
    httpd.log.expect(VERDICT)
    httpd.start()
    change(httpd, f"{A}&admin={state}&by=ann&reason=why" + ("" if state == "on" else "&until=5h"))
    before = note_of(httpd.rows()["a"])
    assert before["admin"] == state
    for text in ("health=up", "health=down", "cpu=0.5", "health=down&cpu=1", "", "health=up&cpu=0", "health=up"):
        assert tell(httpd, f"{A}&{text}").admin == state
        assert note_of(httpd.rows()["a"]) == before
    for health in ("down", "down", "up", "up"):
        said = change(httpd, f"{A}&health={health}")
        assert (said.admin, said.health) == (state, health)
        assert note_of(httpd.rows()["a"]) == before
    for weight in (7, 1):
        change(httpd, f"{A}&weight={weight}")
        assert note_of(httpd.rows()["a"]) == before
    assert httpd.get("/app/x").status == 200


def test_820_02_admin_never_changes_health(httpd):
    """Contract: a monitor's `down` "stays until the monitor says otherwise": through every state of admin, the member's
    and the farm's, and through good answers; and what is up stays up."""
    a, b, _ = farm_of(httpd, options=["", "tier=1", "tier=1"], lines=["FarmSet retry=20ms"])
    httpd.log.expect(NOBODY)
    a.hold()
    httpd.start()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(httpd.get, "/app/x")
        a.wait_for_active(1)
        assert change(httpd, f"{A}&health=down").health == "down"
        for state in ("off", "on", "drain", "on", "off", "drain"):
            said = change(httpd, f"{A}&admin={state}")
            assert (said.admin, said.health, said.available) == (state, "down", "no")
        for state in ("off", "drain", "on"):
            change(httpd, f"farm=app&admin={state}")
            assert (httpd.rows()["a"]["health"], httpd.rows()["a"]["health_by"]) == ("down", "manager")
        change(httpd, f"{A}&admin=on")
        a.always(answer()).release()
        assert waiting.result(wait.patiently(30)).member == "a"
    count = a.count
    for _ in range(15):
        assert httpd.get("/app/x").member in "bc"
        threading.Event().wait(0.01)
    row = httpd.rows()["a"]
    assert (row["health"], row["health_by"], row["available"], a.count) == ("down", "manager", False, count)
    assert (httpd.rows()["b"]["health"], httpd.rows()["b"]["health_by"]) == ("up", None)
    change(httpd, f"{A}&health=up")
    assert httpd.get("/app/x").member == "a"


def test_820_03_admin_never_changes_fresh(httpd):
    """Contract: fresh is "by the age of its last update": no state of admin makes it young or old."""
    farm_of(httpd, "a", "b", lines=["FarmExpectUpdate 700ms"])
    httpd.conf.handler("farm-update")
    httpd.start()
    wait.until(lambda: axes(httpd.rows()["a"]) == ("on", "up", "out"), "the member to be out")
    for state in ("off", "on", "drain", "on"):
        said = change(httpd, f"{A}&admin={state}&health=up&weight=2")
        assert (said.admin, said.fresh, said.available) == (state, "out", "no")
        assert httpd.rows()["a"]["update_age_s"] is None
    change(httpd, f"{A}&admin=off")
    told = tell(httpd, f"{A}&cpu=1")
    assert (told.admin, told.health, told.fresh, told.available) == ("off", "up", "in", "no")
    push(httpd, A)
    said = change(httpd, f"{A}&admin=on")
    if said.fresh == "in":
        assert said.available == "yes"
    wait.until(lambda: axes(httpd.rows()["a"]) == ("on", "up", "out"), "the member to be out again")


@pytest.mark.parametrize("state", ["off", "drain"])
def test_820_04_failures_and_admin(httpd, state):
    """Contract: health "set by failures seen while proxying (recovers by trial)": the trial comes though admin went off and
    on in between; and while it is off or draining the member is not tried."""
    a, b = farm_of(httpd, "a", "b", options=["", "tier=1"], lines=["FarmSet fall=1 retry=50ms"])
    httpd.conf.one_process()
    httpd.log.expect_broken()
    httpd.start()
    fail(httpd, a, b)
    said = change(httpd, f"{A}&admin={state}")
    assert (said.admin, said.health) == (state, "down")
    count = a.connections
    for _ in range(15):
        assert httpd.get("/app/x").member == "b"
        threading.Event().wait(0.01)
    row = httpd.rows()["a"]
    assert (row["health"], row["health_by"], a.connections) == ("down", "failures", count)
    said = change(httpd, f"{A}&admin=on")
    assert (said.admin, said.health, said.available) == ("on", "down", "no")
    wait.until(lambda: httpd.get("/app/x").member == "a", "the trial")
    row = httpd.rows()["a"]
    assert (axes(row), row["health_by"], row["available"]) == (("on", "up", "in"), None, True)


@pytest.mark.parametrize("states", [("off", "off"), ("drain", "drain"), ("off", "drain")], ids="-".join)
def test_820_05_nobody_else(httpd, states):
    """Contract: `off` and `drain` hold though there is no other member: the farm is `offline`, no member gets anything, and
    a member that failures put down is not tried."""
    a, b = farm_of(httpd, "a", "b", lines=["FarmSet fall=1 retry=20ms"])
    httpd.log.expect_broken()
    httpd.start()
    a.always(members.close_on_accept)
    wait.until(lambda: httpd.get("/app/x").status == 200 and httpd.rows()["a"]["health"] == "down", "a to be down")
    a.always(answer())
    for name, state in zip("ab", states):
        change(httpd, f"farm=app&member={name}&admin={state}")
    counts = a.connections, b.connections
    for method in ("GET", "POST"):
        for _ in range(8):
            assert httpd.get("/app/x", method=method).status == 503
            threading.Event().wait(0.01)
    assert httpd.farm_status()["condition"] == "offline"
    assert (a.connections, b.connections) == counts


def test_820_06_configured(httpd):
    """Contract: `admin=on|drain|off` of a FarmMember; "a state from the configuration has by null, reason null"."""
    a, b, c = httpd.three()
    d = httpd.member("d")
    httpd.farm(a, (b, "admin=on"), (c, "admin=drain"), (d, "admin=off"))
    httpd.start()
    rows = httpd.rows()
    assert [(*note(row), row["admin_until"], row["available"]) for row in rows.values()] == [
        ("on", None, None, None, True), ("on", None, None, None, True), ("drain", None, None, None, False),
        ("off", None, None, None, False)]
    assert {row["health"] for row in rows.values()} == {"up"}
    farm = httpd.farm_status()
    assert (*note(farm), farm["admin_until"], farm["available"], farm["condition"]) == ("on", None, None, None, 2, "ok")
    assert who_serves(httpd, 40) == {"a", "b"}


def test_820_07_run_time_admin_and_restarts(httpd):
    """Contract: "a value set at run time (weight, admin) holds until the configuration's own value for it changes": each
    for itself."""
    a, b = farm_of(httpd, "a", "b")
    httpd.start()
    change(httpd, f"{A}&admin=off&by=ann&reason=why&until=5h&weight=7")
    set_by_ann = note_of(httpd.rows()["a"])

    def now(restart, *options):
        httpd.conf.farm("app", *zip((a, b), options))
        restart()
        row = httpd.rows()["a"]
        assert note(httpd.rows()["b"]) == ("on", None, None)
        return note_of(row), row["weight"]

    unset = dict.fromkeys(NOTE[1:])

    def configured(state):
        return lambda seen: seen["admin"] == state and {**seen, "admin_since": None} == {"admin": state, **unset}

    # The same, and the same written out: both hold.
    assert now(httpd.graceful, "", "") == (set_by_ann, 7)
    assert now(httpd.restart, "admin=on weight=1", "weight=2") == (set_by_ann, 7)
    # Its own weight, then its own admin changes; the other holds.
    assert now(httpd.restart, "weight=3", "") == (set_by_ann, 3)
    change(httpd, f"{A}&weight=8")
    seen, weight = now(httpd.restart, "weight=3 admin=drain", "")
    assert configured("drain")(seen) and weight == 8
    # A state of run time over a configured one, which then goes.
    change(httpd, f"{A}&admin=on&by=bob")
    assert now(httpd.restart, "weight=3 admin=drain", "")[0]["admin_by"] == "bob"
    seen, weight = now(httpd.graceful, "weight=3", "")
    assert configured("on")(seen) and weight == 8
    # What was once set holds no more when the configuration has come back to what it was.
    assert now(httpd.restart, "", "")[1] == 1
    assert who_serves(httpd, 40) == {"a", "b"}


@pytest.mark.parametrize("how", ["graceful", "restart"])
def test_820_08_farm_admin_and_restarts(httpd, how):
    """Contract: "A graceful restart keeps every … state": the farm's own admin, with who, why, since and until; its
    members' and its health too."""
    a, b, c = farm_of(httpd)
    httpd.log.expect(NOBODY)
    httpd.start()
    change(httpd, f"{A}&admin=drain&by=bob"), change(httpd, "farm=app&member=b&health=down")
    change(httpd, "farm=app&admin=off&by=ann&reason=move&until=5h")
    before, rows = note_of(httpd.farm_status()), httpd.rows()
    httpd.conf.farm("app", c, b, a)
    getattr(httpd, how)()
    farm = httpd.farm_status()
    assert (note_of(farm), farm["condition"], farm["available"]) == (before, "offline", 0)
    assert {name: (note_of(row), row["health"], row["health_by"]) for name, row in httpd.rows().items()} == \
        {name: (note_of(row), row["health"], row["health_by"]) for name, row in rows.items()}
    assert httpd.get("/app/x").status == 503
    change(httpd, "farm=app&admin=on")
    assert who_serves(httpd, 24) == {"c"}


def test_820_09_every_combination(httpd):
    """Contract: "available: admin is `on`, health is `up` and fresh is `in`": for each state of each axis, the farm's own
    included; the conditions `ok`, `offline` and `down`."""
    farm_of(httpd, "a")
    httpd.conf.handler("farm-update")
    httpd.log.expect(NOBODY)
    httpd.start()
    for farm, admin, health in itertools.product(("on", "drain", "off"), ("on", "drain", "off"), ("up", "down")):
        change(httpd, f"farm=app&admin={farm}")
        said = change(httpd, f"{A}&admin={admin}&health={health}")
        available = (farm, admin, health) == ("on", "on", "up")
        assert (said.admin, said.health, said.available) == (admin, health, "yes" if available else "no")
        state = httpd.farm_status()
        row, = state["members"]
        assert (state["admin"], row["admin"], row["health"], row["fresh"]) == (farm, admin, health, "in")
        assert (row["available"], state["available"]) == (available, int(available))
        condition = "ok" if available else "down" if (farm, admin) == ("on", "on") else "offline"
        assert state["condition"] == condition, (farm, admin, health)
        assert tell(httpd, A).available == said.available
        assert httpd.get("/app/x").status == (200 if available else 503)


@pytest.mark.parametrize("states, condition", [
    ([("off", "up"), ("off", "down"), ("drain", "down")], "offline"),
    ([("drain", "up"), ("drain", "up"), ("off", "up")], "offline"),
    ([("off", "up"), ("on", "down"), ("drain", "up")], "down"), ([("on", "down")] * 3, "down"),
    ([("off", "up"), ("on", "down"), ("on", "up")], "ok")])
def test_820_10_condition(httpd, states, condition):
    """Contract: condition `offline`: "none is [available], and every member … is administratively off or draining", `down`:
    "none is, for any other reason"."""
    farm_of(httpd)
    httpd.log.expect(NOBODY)
    httpd.start()
    for name, (admin, health) in zip("abc", states):
        change(httpd, f"farm=app&member={name}&admin={admin}&health={health}")
    assert httpd.farm_status()["condition"] == condition
    assert httpd.get("/app/x").status == (200 if condition == "ok" else 503)
