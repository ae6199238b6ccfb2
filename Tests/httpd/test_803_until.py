"""`until`: when an administrator's state ends by itself, and all the ways to write it."""

from datetime import timedelta, timezone

import pytest

from farmhttpd import wait
from farmhttpd.manager import (FARM_ADMIN, MEMBER_ADMIN, NOBODY, PASSED, change, farm_of, has_passed, log_of, moment, note,
                               now, who_serves)

A = "farm=app&member=a"

INTERVALS = {"90000ms": 90, "90": 90, "90s": 90, "30min": 1800, "2h": 7200, "1d": 86400, "365d": 365 * 86400}


@pytest.mark.parametrize("text", INTERVALS)
def test_803_01_interval(httpd, text):
    """Contract: "`until=` (RFC 3339 time or an interval)": `500ms`, `90`, `90s`, `30min`, `2h`, `1d` from now."""
    farm_of(httpd)
    httpd.start()
    change(httpd, f"{A}&admin=off&until={text}")
    change(httpd, f"farm=app&admin=drain&until={text}")
    for row in (httpd.rows()["a"], httpd.farm_status()):
        lasts = moment(row["admin_until"]) - moment(row["admin_since"])
        # Both times may be written in whole seconds.
        assert abs(lasts.total_seconds() - INTERVALS[text]) <= 1.5, row


def test_803_02_time(httpd):
    """Contract: `until` is an RFC 3339 time with Z or an offset, "a '+' that form decoding made a blank is understood";
    the status's times are "RFC 3339 in UTC"."""
    farm_of(httpd)
    httpd.start()
    when = (now() + timedelta(hours=30)).replace(microsecond=0)

    def at(hours, minutes=0):
        return when.astimezone(timezone(timedelta(hours=hours, minutes=minutes))).isoformat()

    utc = when.strftime("%Y-%m-%dT%H:%M:%S")
    assert "+02:00" in at(2) and "-05:30" in at(-5, -30)
    for text in (f"{utc}Z", f"{utc}.000Z", at(2).replace("+", "%2B"), at(2), at(2).replace("+", "%20"), at(-5, -30), at(14),
                 at(-12), f"{utc}%2B00:00", f"{utc}-00:00", f"{utc}+00:00".replace(":", "%3A"), f"{utc}z", f"{utc}.0+00:00"):
        change(httpd, f"{A}&admin=drain&until={text}")
        assert moment(httpd.rows()["a"]["admin_until"]) == when, text
        change(httpd, f"{A}&admin=on")
        assert httpd.rows()["a"]["admin_until"] is None


def test_803_03_calendar(httpd):
    """Contract: an RFC 3339 time: leap days, ends of months and years, far futures."""
    farm_of(httpd)
    httpd.start()
    for text in ("2028-02-29T23:59:59Z", "2030-12-31T23:59:59Z", "2031-01-01T00:00:00Z", "2038-01-19T03:14:08Z",
                 "2096-02-29T12:00:00Z", "2100-03-01T00:00:00Z"):
        change(httpd, f"{A}&admin=off&until={text}")
        assert httpd.rows()["a"]["admin_until"] is not None
        assert moment(httpd.rows()["a"]["admin_until"]) == moment(text), text
    for text, utc in (("2031-01-01T00:30:00%2B01:00", "2030-12-31T23:30:00Z"),
                      ("2028-02-29T23:30:00-00:45", "2028-03-01T00:15:00Z")):
        change(httpd, f"{A}&admin=off&until={text}")
        assert moment(httpd.rows()["a"]["admin_until"]) == moment(utc), text


@pytest.mark.both_mpms
def test_803_04_ends_under_traffic(httpd):
    """Contract: "until when (it then returns to `on` by itself)": the member serves again, in every process."""
    a, *_ = farm_of(httpd, lines=["FarmAlgorithm roundrobin"])
    httpd.start()
    said = change(httpd, f"{A}&admin=off&by=ann&reason=short&until=1500ms")
    assert said.available == "no"
    until = moment(httpd.rows()["a"]["admin_until"])
    served = who_serves(httpd, 40)
    assert served == {"b", "c"} or now() >= until
    wait.until(lambda: httpd.get("/app/x").member == "a", "the member to serve again")
    # The status writes whole seconds, perhaps rounded up.
    assert now() >= until - timedelta(seconds=1)
    row = httpd.rows()["a"]
    assert (row["admin"], row["admin_until"], row["available"]) == ("on", None, True)
    # Each child chooses it, not only the one that saw the end.
    assert who_serves(httpd, 60) == {"a", "b", "c"}


def test_803_05_ends_without_any_request(httpd):
    """Contract: "within a second of its time (wall clock), also with no request at all the status shows it as on", and
    one line FARM00113 tells it for each that ended, not one for each process."""
    farm_of(httpd)
    httpd.start()
    httpd.wait_for_children(2)
    change(httpd, f"{A}&admin=off&by=ann&until=1500ms"), change(httpd, "farm=app&member=b&admin=drain&until=1s")
    change(httpd, "farm=app&member=c&admin=drain&until=1h"), change(httpd, "farm=app&admin=drain&until=1s")
    assert [row["admin"] for row in httpd.rows().values()] == ["off", "drain", "drain"]
    latest = max(moment(httpd.rows()[name]["admin_until"]) for name in "ab")
    wait.until(lambda: has_passed(latest), "until to pass")
    farm = httpd.farm_status()
    assert (farm["admin"], farm["admin_until"], farm["condition"], farm["available"]) == ("on", None, "ok", 2)
    assert [(row["admin"], row["available"]) for row in farm["members"]] == [("on", True), ("on", True), ("drain", False)]
    # Whose turn it is to write the line may take a little longer.
    wait.until(lambda: len(httpd.log.lines(PASSED)) >= 3, "the log to tell of three")
    assert who_serves(httpd, 40) == {"a", "b"}
    lines = log_of(httpd, PASSED)
    assert len(lines) == 3, lines
    assert sum("member a" in line for line in lines) == sum("member b" in line for line in lines) == 1, lines


def test_803_06_farm_ends(httpd):
    """Contract: the farm's own state ends by itself too: it serves again."""
    farm_of(httpd)
    httpd.log.expect(NOBODY)
    httpd.start()
    assert change(httpd, "farm=app&admin=off&until=1s&reason=short").condition == "offline"
    until = moment(httpd.farm_status()["admin_until"])
    assert httpd.get("/app/x").status == 503 or now() >= until
    wait.until(lambda: httpd.get("/app/x").status == 200, "the farm to serve again")
    assert (httpd.farm_status()["admin"], httpd.farm_status()["condition"]) == ("on", "ok")


def test_803_07_over_a_graceful_restart(httpd):
    """Contract: "A graceful restart keeps every counter, metric and state": an `until` too, and it ends all the same."""
    farm_of(httpd, lines=["FarmAlgorithm roundrobin"])
    httpd.start()
    change(httpd, f"{A}&admin=off&by=ann&reason=r&until=3s"), change(httpd, "farm=app&member=b&admin=drain&until=2h&by=bob")
    before = httpd.rows()
    until = moment(before["a"]["admin_until"])
    httpd.graceful()
    rows = httpd.rows()
    for key in ("admin", "admin_by", "admin_reason", "admin_since", "admin_until"):
        assert rows["b"][key] == before["b"][key]
        assert rows["a"][key] == before["a"][key] or now() >= until
    wait.until(lambda: [row["admin"] for row in httpd.rows().values()] == ["on", "drain", "on"], "a's until to pass")
    assert who_serves(httpd, 40) == {"a", "c"}


def test_803_08_cut_short_or_prolonged(httpd):
    """Contract: a later change replaces an `until`: with none, or a later one, the first one's time passes unheard."""
    farm_of(httpd)
    httpd.start()
    change(httpd, f"{A}&admin=off&until=500ms"), change(httpd, f"{A}&admin=off&by=ann&reason=longer")
    change(httpd, "farm=app&member=b&admin=drain&until=500ms"), change(httpd, "farm=app&member=b&admin=drain&until=1h")
    change(httpd, "farm=app&member=c&admin=off&until=500ms"), change(httpd, "farm=app&member=c&admin=on&by=cid")
    over = now() + timedelta(seconds=1.6)
    wait.until(lambda: now() > over, "the first until to pass")
    rows = httpd.rows()
    assert (note(rows["a"]), rows["a"]["admin_until"]) == (("off", "ann", "longer"), None)
    assert rows["b"]["admin"] == "drain" and moment(rows["b"]["admin_until"]) > now()
    assert note(rows["c"]) == ("on", "cid", None)
    assert log_of(httpd, PASSED) == []


def test_803_09_end_leaves_the_rest_alone(httpd):
    """Contract: admin, health and fresh are apart: when an `until` passes, health and weight stay what they are."""
    farm_of(httpd)
    httpd.start()
    change(httpd, f"{A}&admin=off&until=500ms&health=down&weight=5")
    httpd.wait_for_row(lambda row: row["admin"] == "on", "until to pass")
    row = httpd.rows()["a"]
    assert (row["admin"], row["health"], row["health_by"], row["weight"]) == ("on", "down", "manager", 5)
    assert row["available"] is False
    assert who_serves(httpd, 40) == {"b", "c"}


def test_803_10_configured_off_ends_nothing(httpd):
    """Contract: until "then returns to `on` by itself": also where the configuration says off, since what is set at run
    time goes before it."""
    farm_of(httpd, options=["admin=off"])
    httpd.start()
    row = httpd.rows()["a"]
    assert (*note(row), row["admin_until"]) == ("off", None, None, None)
    assert change(httpd, f"{A}&admin=drain&until=1s").admin == "drain"
    httpd.wait_for_row(lambda row: row["admin"] == "on", "until to pass")
    assert {line.split("FARM00")[1][:3] for line in log_of(httpd, f"{MEMBER_ADMIN}|{FARM_ADMIN}")} == {"110"}
