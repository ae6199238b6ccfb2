"""The status as JSON: what stands in it beside what test_400 asks for, and whether that agrees with what has happened."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from farmhttpd import formats, members, wait
from farmhttpd.fallback import kept_busy
from farmhttpd.instructions import HOUR, ask, instructed, instruction
from farmhttpd.manager import change, farm_of, moment, now
from farmhttpd.members import answer
from farmhttpd.update import check_shares_told, push, shares
from test_400_status import COOKIE_KEYS, FARM_KEYS, MEMBER_KEYS, MODULE_KEYS, RFC3339_UTC, is_count

A = "farm=app&member=a"
MORE_FARM_KEYS = ["requests_per_s", "failovers_per_s", "admin_by", "admin_reason", "admin_since", "admin_until"]
MORE_MEMBER_KEYS = ["share", "requests_per_s", "errors_per_s", "max_inflight", "drain", "sticky", "updates", "bad_reports"]
LATENCY_KEYS = {"ewma", "p50", "p99", "count", "sum"}
JUST_STARTED = timedelta(seconds=4)


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_text_or_null(value):
    return value is None or isinstance(value, str) and value != ""


def shares_of(httpd, name="app"):
    return {member: row["share"] for member, row in httpd.rows(name).items()}


@pytest.mark.both_mpms
def test_430_01_every_key_and_type(httpd):
    """Contract: the JSON's keys, with their types, before and after requests: unknown is null, never 0 or an empty text."""
    a, b = httpd.three("a", "b")
    httpd.farm(a, (b, "weight=3 maxinflight=7 admin=drain"))
    httpd.conf.handler("farm-update").farm("other", a)
    httpd.start()
    for requests in (0, 3):
        for _ in range(requests):
            assert httpd.get("/app/x").status == 200
            push(httpd, f"{A}&cpu=0.5")
        told = formats.status(httpd)
        assert set(MODULE_KEYS) | {"now"} <= set(told["module"]) and set(COOKIE_KEYS) <= set(told["cookies"])
        assert RFC3339_UTC.fullmatch(told["module"]["now"])
        assert abs(now() - moment(told["module"]["now"])) < timedelta(minutes=1), "another time than this machine's"
        for farm in told["farms"]:
            check_farm(farm)
            for row in farm["members"]:
                check_member(row)
    first, second = told["farms"][0]["members"]
    assert (first["max_inflight"], second["max_inflight"]) == (0, 7)
    assert first["metrics"] == {"cpu": 0.5} and first["updates"] == 3


def check_farm(farm):
    assert set(FARM_KEYS) | set(MORE_FARM_KEYS) <= set(farm)
    assert farm["admin"] in ("on", "drain", "off") and farm["condition"] in ("ok", "full", "offline", "down")
    for key in ("requests", "failovers", "redirected", "forwarded", "available"):
        assert is_count(farm[key]), key
    for key in ("requests_per_s", "failovers_per_s"):
        assert farm[key] is None or is_number(farm[key]), key
    assert all(is_text_or_null(farm[key]) for key in ("admin_by", "admin_reason", "admin_until"))


def check_member(row):
    assert set(MEMBER_KEYS) | set(MORE_MEMBER_KEYS) <= set(row)
    assert (row["admin"] in ("on", "drain", "off") and row["health"] in ("up", "down") and row["fresh"] in ("in", "out")
            and isinstance(row["available"], bool))
    for key in ("tier", "weight", "inflight", "requests", "errors", "bytes_in", "bytes_out", "max_inflight", "updates",
                "bad_reports"):
        assert is_count(row[key]), (key, row[key])
    for key in ("load", "requests_per_s", "errors_per_s", "update_age_s"):
        assert row[key] is None or is_number(row[key]), (key, row[key])
    assert all(is_text_or_null(row[key]) for key in ("admin_by", "admin_reason", "admin_until", "health_by"))
    assert is_number(row["share"]) and 0 <= row["share"] <= 1
    assert all(is_number(value) for value in row["metrics"].values())
    assert row["drain"] is None or row["admin"] != "on" and set(row["drain"]) == {"inflight_at_start", "clients_at_start"}
    latency = row["latency_ms"]
    assert set(latency) == LATENCY_KEYS and is_count(latency["count"]) and is_number(latency["sum"])
    for key in ("ewma", "p50", "p99"):
        assert is_number(latency[key]) if latency["count"] else latency[key] is None, (key, latency)


@pytest.mark.both_mpms
def test_430_02_counts_of_real_traffic(httpd):
    """Contract: `latency_ms`'s `count` is the attempts that got an answer, `errors` those that failed; "a farm's `requests`
    are its clients' requests, a member's are attempts"; `failovers` are attempts after the first."""
    bad, good = httpd.three("bad", "good")
    httpd.farm((bad, "weight=1000"), good, "FarmAlgorithm roundrobin", "FarmSet fall=1000000")
    httpd.conf.one_process()
    httpd.log.expect_broken()
    # A kept connection that is closed would be tried again before the member is blamed.
    bad.always(answer(keep=False))
    httpd.start()
    seen = []
    for n in range(10):
        if n % 3 == 0:
            bad.next(members.close_after_request)
        seen.append(httpd.get(f"/app/{n}").member)
    farm, rows = httpd.farm_status(), httpd.rows()
    assert (farm["requests"], farm["failovers"], farm["redirected"], farm["forwarded"]) == (10, 4, 0, 0)
    assert (rows["bad"]["requests"], rows["bad"]["errors"]) == (bad.count, 4)
    assert (rows["good"]["requests"], rows["good"]["errors"]) == (good.count, 0)
    for name, row in rows.items():
        latency = row["latency_ms"]
        assert latency["count"] == seen.count(name) == row["requests"] - row["errors"]
        assert 0 < latency["sum"] and latency["sum"] / latency["count"] <= latency["p99"] * latency["count"]


@pytest.mark.both_mpms
def test_430_03_sum_of_latency(httpd):
    """Contract: "`latency_ms`: … plus "count" and "sum" (ms)": a request that a member keeps for 200 ms adds as much."""
    @members.stage("body")
    def slow(member, wire, request):
        time.sleep(0.2)
        return answer()(member, wire, request)
    a = httpd.member("a").always(slow)
    httpd.farm(a)
    httpd.start()
    sums = [0]
    for n in range(1, 4):
        assert httpd.get("/app/x").status == 200
        latency = httpd.rows()["a"]["latency_ms"]
        assert latency["count"] == n and latency["sum"] - sums[-1] >= 200
        sums.append(latency["sum"])


@pytest.mark.parametrize("algorithm", ["roundrobin", "random", "load", "adaptive", "busyness", "traffic",
                                       "hash %{REQUEST_URI}"])
def test_430_04_shares(httpd, algorithm):
    """Contract: "share": the part of new requests a member gets as things stand: they make 1 over the available members of
    the tier that serves, the others have 0, and farm-update tells the same."""
    made = httpd.three("a", "b", "c", "d")
    httpd.farm(*zip(made, ("weight=3", "weight=1", "weight=2", "tier=1")), f"FarmAlgorithm {algorithm}")
    httpd.conf.handler("farm-update").handler("farm-manager")
    httpd.start()
    for text, out in (("", "d"), (f"{A}&admin=drain", "ad"), (f"{A}&admin=on", "d"), ("farm=app&member=b&health=down", "bd"),
                      ("farm=app&member=c&admin=off", "bcd"), (f"{A}&health=down", "abc")):
        if text:
            change(httpd, text)
        told = shares_of(httpd)
        assert {name for name, share in told.items() if share == 0} == set(out), (text, told)
        assert sum(told.values()) == pytest.approx(1, abs=0.01), (text, told)
        check_shares_told(shares(httpd, "app", *"abcd"), told)
    change(httpd, "farm=app&member=d&admin=off")
    assert set(shares_of(httpd).values()) == {0}
    httpd.log.expect(".")


def test_430_05_shares_by_load(httpd):
    """Contract: "`share` is the part of new requests the member gets as things stand": for `load` by weight and load."""
    httpd.farm(*httpd.three("a", "b"), "FarmAlgorithm load")
    httpd.conf.handler("farm-update")
    httpd.start()
    assert shares_of(httpd) == {"a": pytest.approx(0.5), "b": pytest.approx(0.5)}
    push(httpd, f"{A}&cpu=3&member=b&cpu=1")
    wanted = {"a": 1 / 5, "b": 1 / 3}
    whole = sum(wanted.values())
    wait.until(lambda: shares_of(httpd)["a"] < 0.45, "the load to count")
    assert shares_of(httpd) == {name: pytest.approx(part / whole, abs=0.006) for name, part in wanted.items()}


@pytest.mark.parametrize("state", ["drain", "off"])
def test_430_06_drain_knows_its_start(httpd, state):
    """Contract: "drain": null, or while admin is `drain` or `off` what there was when that was set; over a graceful restart
    too, and while requests end."""
    a, b, _ = instructed(httpd, lines=["FarmSticky cookie"], one_process=False)
    httpd.start()
    for n in range(5):
        ask(httpd, instruction(member="a", exp=int(time.time()) + HOUR + n))
    tied = httpd.rows()["a"]["sticky"]["clients"]
    assert tied == pytest.approx(5, abs=1)
    a.hold()
    with ThreadPoolExecutor(2) as pool:
        try:
            holding = [pool.submit(ask, httpd, instruction(member="a", exp=int(time.time()) + HOUR)) for _ in range(2)]
            a.wait_for_active(2)
            assert {name: row["drain"] for name, row in httpd.rows().items()} == dict.fromkeys("abc")
            tied = httpd.rows()["a"]["sticky"]["clients"]
            change(httpd, f"{A}&admin={state}")
            expected = {"inflight_at_start": 2, "clients_at_start": tied}
            assert httpd.rows()["a"]["drain"] == expected
            assert httpd.rows()["b"]["drain"] is None
            httpd.graceful()
            assert httpd.rows()["a"]["drain"] == expected
        finally:
            a.always(answer()).release()
        assert {one.result(wait.patiently(30)).status for one in holding} == {200}
    httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight")
    assert httpd.rows()["a"]["drain"] == expected
    # The same again, with another reason, begins anew; and on ends it.
    change(httpd, f"{A}&admin=on")
    assert httpd.rows()["a"]["drain"] is None
    change(httpd, f"{A}&admin={state}")
    assert httpd.rows()["a"]["drain"]["inflight_at_start"] == 0


def test_430_07_drain_that_is_configured(httpd):
    """Contract: "null members when unknown": what the configuration sets has begun with nothing, or nobody knows."""
    httpd.farm((httpd.member("a"), "admin=drain"), (httpd.member("b"), "admin=off"), httpd.member("c"))
    httpd.start()
    rows = httpd.rows()
    assert rows["c"]["drain"] is None
    for name in "ab":
        assert set(rows[name]["drain"]) == {"inflight_at_start", "clients_at_start"}
        assert set(rows[name]["drain"].values()) <= {0, None}


@pytest.mark.both_mpms
def test_430_08_rates(httpd):
    """Contract: "requests_per_s", "failovers_per_s", "errors_per_s": null right after the start, then numbers over the last
    10 to 20 seconds: of requests that there were, and 0 of none."""
    a, b = httpd.three("a", "b")
    httpd.farm(a, b, "FarmSet fall=1000000", "FarmAlgorithm roundrobin")
    httpd.conf.farm("idle", a)
    httpd.log.expect_broken()
    httpd.start()
    told = formats.status(httpd)
    farm, row = told["farms"][0], told["farms"][0]["members"][0]
    if moment(told["module"]["now"]) - moment(told["module"]["started"]) < JUST_STARTED:
        assert (farm["requests_per_s"], farm["failovers_per_s"], row["requests_per_s"], row["errors_per_s"]) == (None,) * 4
    sent = [0]

    def load_until(condition, what):
        def step():
            a.next(members.close_after_request)
            for _ in range(4):
                assert httpd.get("/app/x").status == 200
            sent[0] += 4
            return condition()
        wait.until(step, what, 40)

    def counted():
        farm, row = httpd.farm_status(), httpd.rows()["a"]
        known = [farm["requests_per_s"], farm["failovers_per_s"], row["requests_per_s"], row["errors_per_s"]]
        return None not in known and min(known) > 0 and known
    load_until(counted, "rates that are numbers")
    farm, rows = httpd.farm_status(), httpd.rows()
    assert all(0 < rate <= sent[0] for rate in counted())
    assert rows["b"]["requests_per_s"] > 0 and rows["b"]["errors_per_s"] == 0
    idle = httpd.farm_status("idle")
    assert idle["requests_per_s"] == idle["members"][0]["requests_per_s"] == idle["failovers_per_s"] == 0
    # Nothing more comes: the rates go back to nought.
    wait.until(lambda: httpd.farm_status()["requests_per_s"] == 0, "the rate to go down", 40)
    assert {row[key] for row in httpd.rows().values() for key in ("requests_per_s", "errors_per_s")} == {0}


def test_430_09_rates_over_a_graceful_restart(httpd):
    """Contract: "A graceful restart keeps every counter, metric and state": the rate of what was before it too."""
    httpd.farm(httpd.member("a"))
    httpd.start()
    # Somebody must ask for as long as the window takes, or there is nothing to keep.
    rate = wait.until(lambda: httpd.get("/app/x").status == 200 and httpd.rows()["a"]["requests_per_s"], "a rate", 40)
    httpd.graceful()
    after = httpd.rows()["a"]["requests_per_s"]
    assert rate > 0 and after is not None and after > 0


def test_430_10_in_flight_and_full(httpd):
    """Contract: `inflight` and `max_inflight`; a farm is `full` when each available member is at its maxinflight."""
    a = httpd.member("a")
    httpd.farm((a, "maxinflight=2"))
    httpd.start()
    with kept_busy(httpd, a, "/app/x", 2):
        row, farm = httpd.rows()["a"], httpd.farm_status()
        assert (row["inflight"], row["max_inflight"], row["available"], farm["condition"]) == (2, 2, True, "full")
    assert httpd.farm_status()["condition"] == "ok"


def test_430_11_who_and_why_of_a_farm(httpd):
    """Contract: a farm's "admin_by", "admin_reason", "admin_since", "admin_until"."""
    farm_of(httpd)
    httpd.start()
    change(httpd, "farm=app&admin=drain&by=ann&reason=move+%22all%22+\u2192&until=2h")
    farm = formats.status(httpd)["farms"][0]
    assert (farm["admin"], farm["admin_by"], farm["admin_reason"]) == ("drain", "ann", 'move "all" \u2192')
    assert moment(farm["admin_until"]) - moment(farm["admin_since"]) == timedelta(hours=2)
    assert (farm["condition"], farm["available"]) == ("offline", 0)
