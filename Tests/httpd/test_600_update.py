"""Members and monitors push updates; what was pushed is seen in the answer, in the status and in who gets requests."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from farmhttpd import client, members, wait
from farmhttpd.members import answer
from farmhttpd.update import ask, check_shares_told, error_of, push, shares, tell

ALGORITHMS = ["roundrobin", "random", "busyness", "traffic", "load", "adaptive", 'hash "%{REMOTE_ADDR}"']


def farm_of_three(httpd, *lines, options=("", "", "")):
    made = httpd.three()
    httpd.farm(*zip(made, options), *lines)
    httpd.conf.handler("farm-update")
    return made


def all_at_once(httpd, count=10):
    """Answers to requests of 8 clients at once, so that every process is asked."""
    return sum(client.at_once(8, lambda: [httpd.get("/app/x") for _ in range(count)]), [])


@pytest.mark.both_mpms
def test_600_01_one_update(httpd):
    """Contract: "`GET {farm-update}?farm=app&member=app1&cpu=0.42&db_conns=57`"; "200 when every group was stored, with
    `ok GROUPS` and then a line a group that tells the member how it is seen"."""
    farm_of_three(httpd)
    httpd.start()
    row = httpd.rows()["a"]
    assert (row["metrics"], row["load"], row["update_age_s"], row["fresh"]) == ({}, None, None, "in")
    response = ask(httpd, "farm=app&member=a&cpu=0.42&db_conns=57")
    assert response.status == 200
    assert response.get("Content-Type").startswith("text/plain")
    first, line, rest = response.body.decode().split("\n")
    assert (first, rest) == ("ok 1", "")
    assert line.startswith("app a admin=on health=up fresh=in available=yes share=0.3333 load="), line
    assert line.endswith(" inflight=0"), line
    rows = httpd.rows()
    assert rows["a"]["metrics"] == {"cpu": 0.42, "db_conns": 57}
    assert isinstance(rows["a"]["update_age_s"], (int, float)) and rows["a"]["update_age_s"] >= 0
    assert rows["a"]["fresh"] == "in"
    assert rows["a"]["load"] == pytest.approx((0.42 + 57) / 2)
    for name in "bc":
        assert (rows[name]["metrics"], rows[name]["load"], rows[name]["update_age_s"]) == ({}, None, None)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_600_02_several_groups(httpd, method):
    """Contract: "Several members at once: each further `member=` (or `farm=`) starts a new group. The same text is accepted
    as an `application/x-www-form-urlencoded` POST body"."""
    farm_of_three(httpd)
    httpd.farm(httpd.member("z"), name="other")
    httpd.start()
    told = push(httpd, "farm=app&member=a&cpu=1&member=b&cpu=2&mem=3&farm=other&member=z&cpu=4&farm=app&member=c", method)
    assert [(one.farm, one.member, one.load) for one in told] == [
        ("app", "a", 1), ("app", "b", 2.5), ("other", "z", 4), ("app", "c", None)]
    assert {name: row["metrics"] for name, row in httpd.rows().items()} == {
        "a": {"cpu": 1}, "b": {"cpu": 2, "mem": 3}, "c": {}}
    assert httpd.rows("other")["z"]["metrics"] == {"cpu": 4}


def test_600_03_member_before_its_farm(httpd):
    """Contract: "each *further* `member=` (or `farm=`) starts a new group": the order within the first group is free."""
    farm_of_three(httpd)
    httpd.start()
    told, = push(httpd, "member=b&farm=app&cpu=0.5")
    assert (told.member, told.load) == ("b", 0.5)
    told, = push(httpd, "cpu=0.25&farm=app&member=c")
    assert (told.member, told.load) == ("c", 0.25)


def test_600_04_same_member_again(httpd):
    """Contract: each further `member=` starts a new group, also when it names the same member: the later group wins."""
    farm_of_three(httpd)
    httpd.start()
    told = push(httpd, "farm=app&member=a&cpu=1&member=a&cpu=2&member=a&mem=4", "POST")
    assert len(told) == 3
    assert httpd.rows()["a"]["metrics"] == {"cpu": 2, "mem": 4}


def test_600_05_heartbeat(httpd):
    """Contract: "No metric at all is a heartbeat"; "unknown loads read `load=-`"."""
    farm_of_three(httpd)
    httpd.start()
    assert b" load=- " in ask(httpd, "farm=app&member=a").body
    row = httpd.rows()["a"]
    assert row["metrics"] == {} and row["load"] is None and row["update_age_s"] is not None
    assert httpd.rows()["b"]["update_age_s"] is None


def test_600_06_last_values_stay(httpd):
    """Contract: "A metric left out keeps its last value"."""
    farm_of_three(httpd)
    httpd.start()
    tell(httpd, "farm=app&member=a&cpu=1&mem=3")
    tell(httpd, "farm=app&member=a&cpu=5")
    assert httpd.rows()["a"]["metrics"] == {"cpu": 5, "mem": 3}
    assert tell(httpd, "farm=app&member=a").load == 4
    assert httpd.rows()["a"]["metrics"] == {"cpu": 5, "mem": 3}


def test_600_07_age_begins_anew(httpd):
    """Contract: `update_age_s`: the age of the last update."""
    farm_of_three(httpd)
    httpd.start()
    tell(httpd, "farm=app&member=a")
    age = lambda: httpd.rows()["a"]["update_age_s"]
    wait.until(lambda: age() >= 0.3, "the update to age")
    wait.until(lambda: tell(httpd, "farm=app&member=a") and age() < 0.3, "an update to be young")


NUMBERS = {"0": 0, "-0": 0, "1": 1, "-12": -12, "0.5": 0.5, ".5": 0.5, "-.5": -0.5, "1e3": 1000, "1E3": 1000, "1e-3": 0.001,
           "1.5e2": 150, "007": 7, "0.1": 0.1, "1e308": 1e308, "5e-324": 5e-324, "1e-999": 0,
           "123456789012345678901234567890": 123456789012345678901234567890.0, "0.30000000000000004": 0.30000000000000004,
           "-1.7976931348623157e308": -1.7976931348623157e308}


def test_600_08_numbers(httpd):
    """Contract: "a decimal number (`-12`, `0.5`, `.5`, `1e3`) that is finite"."""
    farm_of_three(httpd)
    httpd.conf.add("FarmTable metrics=64")
    httpd.start()
    tell(httpd, "farm=app&member=a&" + "&".join(f"n{n}={text}" for n, text in enumerate(NUMBERS)), method="POST")
    stored = httpd.rows()["a"]["metrics"]
    assert [stored[f"n{n}"] for n in range(len(NUMBERS))] == list(NUMBERS.values())


def test_600_09_names_and_encoding(httpd):
    """Contract: "a metric's [name matches] `[A-Za-z_][A-Za-z0-9_.]{0,31}`"; a form may encode any character; "empty parts
    (`&&`) are skipped"; "Farm names compare case-insensitively"."""
    farm_of_three(httpd)
    httpd.start()
    long = "x" * 32
    tell(httpd, f"&&%66arm=A%70p&&member=%61&_=1&a.b=2&%63pu=%30.5&{long}=3&nan=4&Cpu=6&")
    assert httpd.rows()["a"]["metrics"] == {"_": 1, "a.b": 2, "cpu": 0.5, long: 3, "nan": 4, "Cpu": 6}


def test_600_10_odd_member_names(httpd):
    """Contract: a member's `name=` is by default host:port, and a form encodes the colon."""
    a = httpd.member("a")
    httpd.farm(f"FarmMember {a.url}", f"FarmMember {a.url}/2 name=m:_-.x")
    httpd.conf.handler("farm-update")
    httpd.start()
    assert tell(httpd, f"farm=app&member=127.0.0.1%3A{a.port}&cpu=1").member == a.address
    assert tell(httpd, f"farm=app&member=127.0.0.1%3a{a.port}&cpu=2").member == a.address
    assert tell(httpd, f"farm=app&member={a.address}&cpu=3").load == 3
    assert tell(httpd, "farm=app&member=m%3A_-.x&cpu=4").member == "m:_-.x"
    assert httpd.rows()[a.address]["metrics"] == {"cpu": 3}


def test_600_11_unix_member_by_name(httpd):
    """Contract: "`unix:/path.sock|http://host/` is a member too": it is updated by its name."""
    a = httpd.member("a", unix=httpd.unix_path("a"))
    httpd.farm(a)
    httpd.conf.handler("farm-update")
    httpd.start()
    assert tell(httpd, "farm=app&member=a&cpu=0.5").load == 0.5
    assert httpd.rows()["a"]["metrics"] == {"cpu": 0.5}
    assert httpd.get("/app/x").member == "a"


@pytest.mark.parametrize("algorithm", ["roundrobin", "random", "load"])
def test_600_12_share_by_weight(httpd, algorithm):
    """Contract: "`share=` is the part of new requests the member gets as things stand": by weight, where no load is
    known."""
    farm_of_three(httpd, f"FarmAlgorithm {algorithm}", options=("weight=5", "weight=3", "weight=2"))
    httpd.start()
    check_shares_told(shares(httpd, "app", *"abc"), {"a": 0.5, "b": 0.3, "c": 0.2})


def test_600_13_share_of_the_unavailable(httpd):
    """Contract: `share=` "as things stand": members that are off, draining, down or of a higher tier get none; the others
    share the whole."""
    names = "abcdef"
    made = httpd.three(*names)
    options = ("admin=off", "admin=drain", "tier=1", "", "", "")
    for algorithm in ALGORITHMS:
        httpd.conf.farm(f"farm-{algorithm.split()[0]}", *zip(made, options), f"FarmAlgorithm {algorithm}")
    httpd.conf.handler("farm-update")
    httpd.start()
    for algorithm in ALGORITHMS:
        name = f"farm-{algorithm.split()[0]}"
        push(httpd, f"farm={name}&member=d&health=down")
        told = {one.member: one for one in push(httpd, f"farm={name}&" + "&".join(f"member={n}" for n in names))}
        assert [(n, told[n].admin, told[n].available) for n in "abc"] == [
            ("a", "off", "no"), ("b", "drain", "no"), ("c", "on", "yes")]
        assert (told["d"].health, told["d"].available) == ("down", "no")
        assert [told[n].share for n in "abcd"] == [0] * 4, (algorithm, told)
        assert told["e"].share + told["f"].share == pytest.approx(1, abs=0.011), (algorithm, told)
        assert 0 <= told["e"].share <= 1, (algorithm, told)
        # The higher tier serves when the lower one has nobody left.
        push(httpd, f"farm={name}&member=e&health=down&member=f&health=down")
        assert shares(httpd, name, *names) == {**dict.fromkeys("abdef", 0), "c": 1}, algorithm


def test_600_14_share_of_the_full(httpd):
    """Contract: `share=` is "the part of *new requests* the member gets": a member at its maxinflight gets none; the line
    tells the requests in flight."""
    a, b, _ = farm_of_three(httpd, "FarmAlgorithm roundrobin", options=("maxinflight=1", "maxinflight=2", "admin=off"))
    a.hold(), b.hold()
    httpd.start()
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(httpd.get, "/app/x") for _ in range(2)]
        wait.until(lambda: a.active == b.active == 1, "one request at each")
        told = {one.member: one for one in push(httpd, "farm=app&member=a&member=b")}
        assert [(told[n].inflight, told[n].share, told[n].available) for n in "ab"] == [(1, 0, "yes"), (1, 1, "yes")]
        waiting.append(pool.submit(httpd.get, "/app/x"))
        b.wait_for_active(2)
        told = {one.member: one for one in push(httpd, "farm=app&member=a&member=b")}
        assert [(told[n].inflight, told[n].share) for n in "ab"] == [(1, 0), (2, 0)]
        a.release(), b.release()
        assert [f.result(wait.patiently(30)).status for f in waiting] == [200] * 3


def test_600_15_groups_see_the_whole(httpd):
    """Contract: "All or nothing": each line tells the member as it is when *every* group was stored."""
    farm_of_three(httpd, "FarmAlgorithm load", options=("", "", "admin=off"))
    httpd.start()
    first, second = push(httpd, "farm=app&member=a&cpu=0&member=b&cpu=10")
    # L + m: 0 + 5 and 10 + 5.
    check_shares_told({"a": first.share, "b": second.share}, {"a": 0.75, "b": 0.25})
    first, second = push(httpd, "farm=app&member=a&health=down&member=b")
    assert (first.available, first.share, second.share) == ("no", 0, 1)


@pytest.mark.both_mpms
def test_600_16_monitor_says_down(httpd):
    """Contract: "`health=up|down` is a monitor's verdict"; health set "by a monitor (stays until the monitor says
    otherwise)"; "State … of a member [is] shared by all": every process knows at once."""
    a, b, c = farm_of_three(httpd, "FarmSet retry=20ms", "FarmAlgorithm roundrobin")
    httpd.start()
    assert {r.status for r in all_at_once(httpd)} == {200}
    before = a.count
    told = tell(httpd, "farm=app&member=a&health=down&cpu=0.1")
    assert (told.admin, told.health, told.fresh, told.available, told.share) == ("on", "down", "in", "no", 0)
    assert {r.member for r in all_at_once(httpd)} <= {"b", "c"}
    row = httpd.rows()["a"]
    assert (row["admin"], row["health"], row["health_by"], row["available"]) == ("on", "down", "monitor", False)
    assert (row["errors"], row["metrics"]) == (0, {"cpu": 0.1})
    # Many times `retry` later, no trial has been made; and heartbeats are no verdict.
    for _ in range(20):
        assert httpd.get("/app/x").member in "bc"
        assert tell(httpd, "farm=app&member=a").health == "down"
        threading.Event().wait(0.01)
    assert a.count == before
    told = tell(httpd, "farm=app&member=a&health=up")
    assert (told.health, told.available) == ("up", "yes") and told.share > 0
    row = httpd.rows()["a"]
    assert (row["health"], row["health_by"], row["available"]) == ("up", None, True)
    assert "a" in {r.member for r in all_at_once(httpd)}


def test_600_17_nobody_left(httpd):
    """Contract: condition `down` "(none is, for any other reason)"; a monitor's `down` "stays until the monitor says
    otherwise": such a member gets no request, even when there is no other."""
    made = farm_of_three(httpd, "FarmSet retry=20ms")
    httpd.log.expect("proxy_farm:")
    httpd.start()
    push(httpd, "farm=app&member=a&health=down&member=b&health=down&member=c&health=down")
    assert (httpd.farm_status()["condition"], httpd.farm_status()["available"]) == ("down", 0)
    for method in ("GET", "POST"):
        for _ in range(10):
            assert httpd.get("/app/x", method=method).status == 503
            threading.Event().wait(0.01)
    assert [m.count for m in made] == [0, 0, 0]
    tell(httpd, "farm=app&member=b&health=up")
    assert httpd.farm_status()["condition"] == "ok"
    assert {r.member for r in all_at_once(httpd, 2)} == {"b"}


@pytest.mark.parametrize("ending", ["good", "bad"])
def test_600_18_answers_do_not_end_a_verdict(httpd, ending):
    """Contract: a monitor's verdict "stays until the monitor says otherwise": a good answer to a request from before it
    does not end it, and a failure does not make it a matter of failures, which a trial would end."""
    a, b, _ = farm_of_three(httpd, "FarmAlgorithm roundrobin", "FarmSet retry=20ms fall=1", options=("", "tier=1", "admin=off"))
    httpd.log.expect_broken()
    a.hold()
    if ending == "bad":
        a.always(members.held(members.close_after_request))
    httpd.start()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(httpd.get, "/app/x")
        a.wait_for_active(1)
        told = tell(httpd, "farm=app&member=a&health=down")
        assert (told.health, told.inflight) == ("down", 1)
        a.always(answer()).release()
        assert waiting.result(wait.patiently(30)).member == ("a" if ending == "good" else "b")
    count = a.count
    for _ in range(15):
        assert httpd.get("/app/x").member == "b"
        threading.Event().wait(0.01)
    row = httpd.rows()["a"]
    assert (row["health"], row["health_by"], a.count) == ("down", "monitor", count)
    tell(httpd, "farm=app&member=a&health=up")
    assert httpd.get("/app/x").member == "a"


def fail(httpd, member, other):
    """One failure of the member, on a new connection: a kept one that closes says nothing about it."""
    member.hang_up()
    member.next(members.close_on_accept)
    wait.until(lambda: httpd.get("/app/x").member == other.name, "a failure")


def test_600_19_verdict_after_failures(httpd):
    """Contract: health is "set by failures seen while proxying (recovers by trial) or by a monitor (stays until the monitor
    says otherwise)": on top of failures a monitor's `down` stands as long as the monitor wants, and no trial ends it; a
    heartbeat is no verdict."""
    a, b, _ = farm_of_three(httpd, "FarmSet retry=20ms fall=1", options=("", "tier=1", "admin=off"))
    httpd.log.expect_broken()
    httpd.start()
    fail(httpd, a, b)
    assert httpd.rows()["a"]["health_by"] == "failures"
    assert tell(httpd, "farm=app&member=a").health == "down"
    assert tell(httpd, "farm=app&member=a&health=down").health == "down"
    count = a.connections
    for _ in range(15):
        assert httpd.get("/app/x").member == "b"
        threading.Event().wait(0.01)
    row = httpd.rows()["a"]
    assert (row["health"], row["health_by"], a.connections) == ("down", "monitor", count)
    assert tell(httpd, "farm=app&member=a&health=up").available == "yes"
    assert httpd.get("/app/x").member == "a"


def test_600_26_monitor_says_up_after_failures(httpd):
    """Contract: "`health=up|down` is a monitor's verdict": after its `up` the member is up, though failures had put it down
    for an hour; and failures count again afterwards."""
    a, b, _ = farm_of_three(httpd, "FarmSet retry=1h fall=1", options=("", "tier=1", "admin=off"))
    httpd.log.expect_broken()
    httpd.start()
    for _ in range(2):
        fail(httpd, a, b)
        row = httpd.rows()["a"]
        assert (row["health"], row["health_by"]) == ("down", "failures")
        told = tell(httpd, "farm=app&member=a&health=up")
        assert (told.health, told.available) == ("up", "yes")
        assert httpd.get("/app/x").member == "a"
        row = httpd.rows()["a"]
        assert (row["health"], row["health_by"]) == ("up", None)


def test_600_27_verdicts_in_the_log(httpd):
    """What an administrator expects: a member's fall and return by a monitor's word are in the log, each once."""
    farm_of_three(httpd)
    httpd.start()
    for _ in range(3):
        tell(httpd, "farm=app&member=a&health=down")
    for _ in range(3):
        tell(httpd, "farm=app&member=a&health=up")
    ours = [line for line in httpd.log.lines(r"\[proxy_farm:(notice|warn)\]") if "member a" in line]
    assert len(ours) == 2 and "monitor" in ours[0] and "down" in ours[0] and " up" in ours[1], ours


@pytest.mark.parametrize("admin", ["off", "drain"])
def test_600_20_monitor_is_no_administrator(httpd, admin):
    """Contract: health is "Never set by, and never setting, admin"."""
    a, b, _ = farm_of_three(httpd, options=(f"admin={admin}", "", "admin=off"))
    httpd.start()
    for verdict in ("up", "down", "up"):
        told = tell(httpd, f"farm=app&member=a&health={verdict}")
        assert (told.admin, told.health, told.available, told.share) == (admin, verdict, "no", 0)
        row = httpd.rows()["a"]
        assert (row["admin"], row["health"], row["available"]) == (admin, verdict, False)
        assert {r.member for r in all_at_once(httpd, 2)} == {"b"}
    assert a.count == 0


def test_600_21_last_verdict_of_several_groups(httpd):
    """Contract: each further `member=` starts a new group: the verdicts of one text are taken in its order."""
    farm_of_three(httpd)
    httpd.start()
    told = push(httpd, "farm=app&member=a&health=down&member=a&health=up&member=b&health=up&member=b&health=down")
    assert [one.health for one in told][1] == "up" and [one.health for one in told][3] == "down"
    assert {name: row["health"] for name, row in httpd.rows().items()} == {"a": "up", "b": "down", "c": "up"}


@pytest.mark.both_mpms
def test_600_22_seen_by_every_process(httpd):
    """Contract: "One segment per httpd instance, … shared by all virtual hosts and processes": what one process stored
    all show."""
    farm_of_three(httpd)
    httpd.start()
    for value in range(10):
        tell(httpd, f"farm=app&member=a&cpu={value}")
        seen = client.at_once(8, lambda: httpd.rows()["a"]["metrics"])
        assert seen == [{"cpu": value}] * 8


@pytest.mark.both_mpms
def test_600_23_updates_at_once(httpd):
    """Contract: "All or nothing": updates that race are stored one after the other, none of them in part."""
    farm_of_three(httpd)
    httpd.start()
    pushed = iter(range(1, 10_000))

    def write():
        for _ in range(40):
            value = next(pushed)
            tell(httpd, "farm=app&member=a&" + "&".join(f"m{n}={value}" for n in range(8)))

    client.at_once(6, write)
    stored = httpd.rows()["a"]["metrics"]
    assert len(stored) == 8 and len(set(stored.values())) == 1, stored


def test_600_24_guarded_and_never_cached(httpd):
    """Contract: "each enabled with `SetHandler` in a Location guarded by the usual Require lines"."""
    farm_of_three(httpd)
    httpd.conf.add('<Location "/closed">', "SetHandler farm-update", "Require all denied", "</Location>")
    httpd.log.expect("AH01630")
    httpd.start()
    assert ask(httpd, "farm=app&member=a&cpu=1", path="/closed").status == 403
    assert httpd.rows()["a"]["metrics"] == {}
    assert "no-store" in (ask(httpd, "farm=app&member=a&cpu=1").get("Cache-Control") or "")


def test_600_25_without_any_farm(httpd):
    """Contract: an unknown farm is a 404, also where no farm is configured at all."""
    httpd.conf.handler("farm-update")
    httpd.start()
    error_of(ask(httpd, "farm=app&member=a&cpu=1"), 404)
