"""farm-manager: each change is answered, takes effect at once in every process, and shows in the status."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from farmhttpd import client, wait
from farmhttpd.manager import NOBODY, change, farm_of, moment, note, now, settings, told, who_serves
from farmhttpd.members import answer
from farmhttpd.page import Page
from farmhttpd.update import push

A = "farm=app&member=a"


@pytest.mark.both_mpms
@pytest.mark.parametrize("state", ["off", "drain"])
def test_800_01_member_away_and_back(httpd, state):
    """Contract: "Changes reach every process at once": after the 200 no process gives the member a request."""
    a, *_ = farm_of(httpd, lines=["FarmAlgorithm roundrobin"])
    httpd.start()
    assert who_serves(httpd, 24) == {"a", "b", "c"}
    for _ in range(2):
        said = change(httpd, f"{A}&admin={state}&by=ann&reason=update")
        assert (said.farm, said.member, said.admin, said.health, said.fresh, said.available, said.weight) == \
            ("app", "a", state, "up", "in", "no", 1)
        before = a.count
        assert who_serves(httpd) == {"b", "c"}
        assert a.count == before
        said = change(httpd, f"{A}&admin=on")
        assert (said.admin, said.available) == ("on", "yes")
        assert who_serves(httpd, 24) == {"a", "b", "c"}


@pytest.mark.parametrize("state", ["off", "drain"])
def test_800_02_shown_by_the_status(httpd, state):
    """Contract: admin is "`on`, `drain` … `off` …; with who set it, why, since when"; the status's `admin_by`,
    `admin_reason`, `admin_since`, `admin_until`, null where unset; nobody else's row changes."""
    farm_of(httpd)
    httpd.start()
    before, start = settings(httpd), now().replace(microsecond=0)
    change(httpd, f"{A}&admin={state}&by=ann&reason=new%20kernel,%20then+back")
    after, end = settings(httpd), now()
    row = after.pop(("app", "a"))
    assert note(row) == (state, "ann", "new kernel, then back")
    assert start <= moment(row["admin_since"]) <= end
    assert row["admin_until"] is None
    assert {key: row[key] for key in ("health", "health_by", "weight")} == {"health": "up", "health_by": None, "weight": 1}
    del before["app", "a"]
    assert after == before
    status = httpd.rows()["a"]
    assert status["available"] is False and httpd.farm_status()["available"] == 2


def test_800_03_a_change_replaces_the_one_before(httpd):
    """Contract: "with who set it, why, since when and, if given, until when": of the last change, nothing of the one
    before it."""
    farm_of(httpd)
    httpd.start()
    change(httpd, f"{A}&admin=off&by=ann&reason=kernel&until=2h")
    first = httpd.rows()["a"]
    assert note(first) == ("off", "ann", "kernel") and first["admin_until"]
    change(httpd, f"{A}&admin=drain&by=bob")
    second = httpd.rows()["a"]
    assert (*note(second), second["admin_until"]) == ("drain", "bob", None, None)
    assert moment(second["admin_since"]) >= moment(first["admin_since"])
    change(httpd, f"{A}&admin=on&by=cid&reason=done")
    third = httpd.rows()["a"]
    assert (*note(third), third["admin_until"]) == ("on", "cid", "done", None)


@pytest.mark.parametrize("by, reason", [
    ("Zoë Müller", "Umbau – 日本語, 🚜 und mehr"), ("ops@example.org", 'quotes " and \\ and \' and / too'),
    ("<b>x</b>", "</script><script>alert(1)</script>"), ("a&b=c;d", "100% + 1 = x&y"), ("é" * 31, "é" * 95),
    ("b" * 63, "r" * 191), ("x", "🚜" * 47 + "abc")], ids=["scripts", "quotes", "markup", "form", "2-byte", "ascii", "4-byte"])
def test_800_04_any_text(httpd, by, reason):
    """Contract: by and reason are UTF-8 of at most 63 and 191 bytes without control characters; what was sent is what the
    status tells, and on the page it is text."""
    from urllib.parse import quote, quote_plus
    farm_of(httpd)
    httpd.start()
    assert len(by.encode()) <= 63 and len(reason.encode()) <= 191
    for encode in (quote, quote_plus):
        change(httpd, f"{A}&admin=off&by={encode(by)}&reason={encode(reason)}")
        assert note(httpd.rows()["a"]) == ("off", by, reason)
        change(httpd, f"farm=app&admin=drain&by={encode(by)}&reason={encode(reason)}")
        assert note(httpd.farm_status()) == ("drain", by, reason)
        page = Page(httpd.get("/farm-manager").body.decode())
        assert page.text.count(by) >= 2 and page.text.count(reason) >= 2 and len(page.scripts) == 1 and not page.handlers
        change(httpd, f"{A}&admin=on"), change(httpd, "farm=app&admin=on")


@pytest.mark.both_mpms
@pytest.mark.parametrize("state", ["off", "drain"])
def test_800_05_the_farm_itself(httpd, state):
    """Contract: "`member` (or none, for the farm itself)"; condition `offline` where "the farm itself, is
    administratively off or draining"; its members' own admin is untouched."""
    made = farm_of(httpd, options=["", "admin=drain"])
    httpd.farm(httpd.member("z"), name="other")
    httpd.conf.handler("farm-balance")
    httpd.log.expect(NOBODY)
    httpd.start()
    before = settings(httpd)
    said = change(httpd, f"farm=app&admin={state}&by=ann&reason=move")
    assert (said.farm, said.admin, said.condition) == ("app", state, "offline")
    counts = [member.count for member in made]
    statuses = client.at_once(8, lambda: [httpd.get("/app/x").status for _ in range(25)])
    assert sum(statuses, []) == [503] * 200
    assert [member.count for member in made] == counts
    assert httpd.get("/other/x").status == 200
    asked = httpd.get("/farm-balance?farm=app")
    assert (asked.status, asked.body.strip()) == (503, b"offline")
    farm = httpd.farm_status()
    assert (*note(farm), farm["condition"], farm["available"]) == (state, "ann", "move", "offline", 0)
    assert moment(farm["admin_since"]) <= now() and farm["admin_until"] is None
    assert [row["available"] for row in farm["members"]] == [False] * 3
    after = settings(httpd)
    assert {key: value for key, value in after.items() if key != ("app", None)} == \
        {key: value for key, value in before.items() if key != ("app", None)}
    said = change(httpd, "farm=app&admin=on")
    assert (said.admin, said.condition) == ("on", "ok")
    farm = httpd.farm_status()
    assert (farm["condition"], farm["available"]) == ("ok", 2)
    assert who_serves(httpd, 40) == {"a", "c"}


@pytest.mark.both_mpms
def test_800_06_health(httpd):
    """Contract: "`health=up|down`", as a monitor's verdict: "stays until the monitor says otherwise"; no trial is made, and
    every process knows at once."""
    a, *_ = farm_of(httpd, lines=["FarmSet retry=20ms", "FarmAlgorithm roundrobin"])
    httpd.start()
    assert who_serves(httpd, 24) == {"a", "b", "c"}
    said = change(httpd, f"{A}&health=down")
    assert (said.admin, said.health, said.available) == ("on", "down", "no")
    before = a.count
    assert who_serves(httpd) == {"b", "c"}
    row = httpd.rows()["a"]
    assert (row["admin"], row["health"], row["health_by"], row["available"]) == ("on", "down", "manager", False)
    assert a.count == before
    said = change(httpd, f"{A}&health=up")
    assert (said.health, said.available) == ("up", "yes")
    row = httpd.rows()["a"]
    assert (row["health"], row["health_by"]) == ("up", None)
    assert who_serves(httpd, 24) == {"a", "b", "c"}


def test_800_07_health_is_the_monitors(httpd):
    """Contract: health is set "by a monitor (stays until the monitor says otherwise)": what the one says the other may
    take back."""
    farm_of(httpd)
    httpd.conf.handler("farm-update")
    httpd.start()
    change(httpd, f"{A}&health=down")
    assert push(httpd, f"{A}&health=up")[0].available == "yes"
    push(httpd, f"{A}&health=down")
    assert change(httpd, f"{A}&health=up").available == "yes"
    assert httpd.rows()["a"]["health_by"] is None


@pytest.mark.both_mpms
def test_800_08_weight(httpd):
    """Contract: "`weight=N`" 1 to 1000; the next requests of every process go by it."""
    farm_of(httpd, "a", "b", lines=["FarmAlgorithm roundrobin"])
    httpd.start()
    for weight, expected in ((3, 30), (1, 20), (9, 36)):
        said = change(httpd, f"{A}&weight={weight}")
        assert (said.weight, said.admin, said.health, said.available) == (weight, "on", "up", "yes")
        assert {name: row["weight"] for name, row in httpd.rows().items()} == {"a": weight, "b": 1}
        served = [httpd.get("/app/x").member for _ in range(40)].count("a")
        assert abs(served - expected) <= 1, (weight, served)
    for weight in (1, 1000):
        assert change(httpd, f"farm=app&member=b&weight={weight}").weight == weight
    row = httpd.rows()["a"]
    assert (note(row), row["admin_until"]) == (("on", None, None), None)


def test_800_09_share_follows_weight(httpd):
    """Contract: "`share=` is the part of new requests the member gets as things stand": with weights set at run time and
    members taken away at run time."""
    farm_of(httpd, lines=["FarmAlgorithm random"])
    httpd.conf.handler("farm-update")
    httpd.start()
    heartbeat = "farm=app&member=a&member=b&member=c"
    change(httpd, f"{A}&weight=6"), change(httpd, "farm=app&member=b&weight=2")
    assert [one.share for one in push(httpd, heartbeat)] == pytest.approx([6 / 9, 2 / 9, 1 / 9], abs=0.01)
    change(httpd, "farm=app&member=a&admin=drain")
    assert [one.share for one in push(httpd, heartbeat)] == pytest.approx([0, 2 / 3, 1 / 3], abs=0.01)
    change(httpd, "farm=app&admin=off")
    assert [(one.share, one.available) for one in push(httpd, heartbeat)] == [(0, "no")] * 3
    change(httpd, "farm=app&admin=on")
    assert [one.share for one in push(httpd, heartbeat)] == pytest.approx([0, 2 / 3, 1 / 3], abs=0.01)


def test_800_10_several_at_once(httpd):
    """Contract: `admin`, `health` and `weight` may come together in one POST, in any order."""
    farm_of(httpd)
    httpd.start()
    said = change(httpd, "weight=7&reason=all+three&health=down&until=1h&admin=drain&member=a&by=ann&farm=app")
    assert (said.admin, said.health, said.available, said.weight) == ("drain", "down", "no", 7)
    row = httpd.rows()["a"]
    assert (*note(row), row["health"], row["health_by"], row["weight"]) == \
        ("drain", "ann", "all three", "down", "manager", 7)
    said = change(httpd, f"{A}&admin=on&health=up&weight=1")
    assert (said.admin, said.health, said.available, said.weight) == ("on", "up", "yes", 1)
    said = change(httpd, f"{A}&health=down&weight=2")
    assert (said.admin, said.health, said.weight) == ("on", "down", 2)
    said = change(httpd, f"{A}&admin=off&weight=3")
    assert (said.admin, said.health, said.weight) == ("off", "down", 3)


def test_800_11_names(httpd):
    """Contract: "Farm names compare case-insensitively"; a member's name is by default host:port, and a form may encode
    any character."""
    a = httpd.member("a")
    httpd.farm(f"FarmMember {a.url}", f"FarmMember {a.url}/2 name=m:_-.x")
    httpd.conf.handler("farm-manager")
    httpd.start()
    assert change(httpd, f"farm=APP&member={a.address}&admin=off").member == a.address
    assert change(httpd, f"%66arm=a%70p&member=127.0.0.1%3A{a.port}&admin=%6f%6E").farm == "app"
    assert change(httpd, "farm=App&member=m%3A_-.x&weight=5").member == "m:_-.x"
    assert change(httpd, "farm=aPP&admin=drain").farm == "app"
    assert httpd.rows()["m:_-.x"]["weight"] == 5


def test_800_12_requests_under_way_end_well(httpd):
    """Contract: `off` and `drain` are about who gets requests: those under way at the member are answered by it."""
    a, *_ = farm_of(httpd, "a", "b", options=["", "tier=1"])
    a.hold()
    httpd.start()
    for state in ("off", "drain"):
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(httpd.get, "/app/x")
            a.wait_for_active(1)
            change(httpd, f"{A}&admin={state}")
            assert httpd.rows()["a"]["inflight"] == 1
            assert httpd.get("/app/y").member == "b"
            a.release()
            assert waiting.result(wait.patiently(30)).member == "a"
        httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight")
        change(httpd, f"{A}&admin=on")
        a.hold()
    a.always(answer())


def test_800_13_kept_connections(httpd):
    """Contract: "Changes reach every process at once": also to clients that keep their connection."""
    farm_of(httpd, lines=["FarmAlgorithm roundrobin"])
    httpd.start()
    with httpd.client() as one, httpd.client() as two:
        for state, allowed in (("off", {"b", "c"}), ("on", {"a", "b", "c"}), ("drain", {"b", "c"}), ("on", {"a", "b", "c"})):
            response = one.request("/farm-manager", method="POST", body=f"{A}&admin={state}".encode(), headers={
                "Content-Type": "application/x-www-form-urlencoded", "X-Farm-Manager": "1"})
            assert told(response).admin == state
            assert {keep.request("/app/x").member for _ in range(15) for keep in (one, two)} == allowed


@pytest.mark.both_mpms
def test_800_14_changes_at_once(httpd):
    """Contract: all or nothing: changes that race are made one after the other; by and reason are those of one of
    them."""
    farm_of(httpd)
    httpd.start()
    number, states = iter(range(10_000)), ("off", "drain", "on")

    def check():
        row = httpd.rows()["a"]
        n = int(row["admin_by"].removeprefix("by"))
        assert note(row) == (states[n % 3], f"by{n}", f"reason{n}-{states[n % 3]}")
        return n

    def work():
        for _ in range(12):
            n = next(number)
            change(httpd, f"{A}&admin={states[n % 3]}&by=by{n}&reason=reason{n}-{states[n % 3]}&weight={n + 1}")
            check()

    client.at_once(6, work)
    assert httpd.rows()["a"]["weight"] == check() + 1
