"""The status handler, and what is left when the server has gone."""

import json
import re
import signal
from datetime import datetime

import pytest

from farmhttpd import members, wait
from farmhttpd.members import answer

MODULE_KEYS = ["version", "built", "mpm", "generation", "locks", "started"]
FARM_KEYS = ["name", "algorithm", "admin", "condition", "available", "requests", "failovers", "redirected", "forwarded",
             "members"]
MEMBER_KEYS = ["name", "url", "admin", "admin_by", "admin_reason", "admin_since", "admin_until", "health", "health_by",
               "fresh", "available", "tier", "weight", "load", "inflight", "requests", "errors", "bytes_in",
               "bytes_out", "latency_ms", "metrics", "update_age_s"]
COOKIE_KEYS = ["accepted", "bad_mac", "expired", "malformed", "unknown_key", "unknown_target", "other_client"]
RFC3339_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


@pytest.mark.both_mpms
def test_400_01_shape(httpd):
    """Contract: the JSON's keys; "Further keys may be added; these never change"."""
    a, b = httpd.three("a", "b")
    httpd.farm(a, (b, "weight=3 tier=2 admin=drain"), "FarmAlgorithm busyness")
    httpd.conf.farm("empty", httpd.member("z"))
    httpd.start()
    status = httpd.status()
    assert [k for k in ("module", "farms", "cookies") if k not in status] == []
    assert [k for k in MODULE_KEYS if k not in status["module"]] == []
    assert [k for k in COOKIE_KEYS if k not in status["cookies"]] == []
    assert [farm["name"] for farm in status["farms"]] == ["app", "empty"]
    for farm in status["farms"]:
        assert [k for k in FARM_KEYS if k not in farm] == []
        for member in farm["members"]:
            assert [k for k in MEMBER_KEYS if k not in member] == []
            assert [k for k in ("ewma", "p50", "p99") if k not in member["latency_ms"]] == []
    assert [m["name"] for m in status["farms"][0]["members"]] == ["a", "b"]


def test_400_02_types_and_unknowns(httpd):
    """Contract: "what is unknown or unset is null. Times are RFC 3339 in UTC; a farm's `available` is the number of its
    available members, a member's a boolean"."""
    a, b = httpd.three("a", "b")
    httpd.farm(a, (b, "weight=3 tier=2 admin=drain"), "FarmAlgorithm busyness")
    httpd.start()
    status = httpd.status()
    module, farm = status["module"], status["farms"][0]
    assert module["mpm"].lower().endswith(httpd.mpm) and "row" in str(module["locks"])
    assert is_count(module["generation"]) and RFC3339_UTC.fullmatch(module["started"]), module
    datetime.fromisoformat(module["started"].replace("Z", "+00:00"))
    assert isinstance(module["version"], str) and isinstance(module["built"], str)
    assert (farm["algorithm"], farm["admin"], farm["condition"], farm["available"]) == ("busyness", "on", "ok", 1)
    assert [farm[k] for k in ("requests", "failovers", "redirected", "forwarded")] == [0, 0, 0, 0]
    first, second = farm["members"]
    expected = {"name": "b", "url": b.url, "admin": "drain", "admin_by": None, "admin_reason": None,
                "admin_until": None, "health": "up", "health_by": None, "fresh": "in", "available": False,
                "tier": 2, "weight": 3,
                "load": None, "inflight": 0, "requests": 0, "errors": 0, "bytes_in": 0, "bytes_out": 0,
                "latency_ms": {"ewma": None, "p50": None, "p99": None, "count": 0, "sum": 0}, "metrics": {}, "update_age_s": None}
    differing = {k: second[k] for k, v in expected.items() if second[k] != v and k not in ("admin_by", "health_by")}
    assert differing == {}
    assert first["available"] is True and second["available"] is False
    assert all(is_count(value) for value in status["cookies"].values())
    for key in ("admin_since", "admin_until"):
        assert second[key] is None or RFC3339_UTC.fullmatch(second[key])


@pytest.mark.both_mpms
def test_400_03_counts(httpd):
    """Contract: "`bytes_in` came from the member, `bytes_out` went to it; a farm's `requests` are its clients' requests,
    a member's are attempts"."""
    a = httpd.member("a").always(answer(body=b"q" * 10_000))
    httpd.farm(a)
    httpd.start()
    for _ in range(5):
        assert httpd.get("/app/x", method="POST", body=b"p" * 3_000).status == 200
    row, farm = httpd.rows()["a"], httpd.farm_status()
    assert (farm["requests"], row["requests"], row["errors"], row["inflight"]) == (5, 5, 0, 0)
    assert 50_000 <= row["bytes_in"] <= 55_000
    assert 15_000 <= row["bytes_out"] <= 20_000
    assert all(isinstance(row["latency_ms"][k], (int, float)) for k in ("ewma", "p50", "p99"))
    assert 0 < row["latency_ms"]["p50"] <= row["latency_ms"]["p99"]


def test_400_04_forms_of_the_question(httpd):
    """Contract: "`?format=json` (application/json)"; "An unknown format: 400"."""
    httpd.farm(httpd.member("a"))
    httpd.start()
    for query in ("?format=json", "?other=1&format=json", "?format=json&other"):
        response = httpd.get(f"/farm-status{query}")
        assert response.status == 200 and response.get("Content-Type").startswith("application/json"), query
        assert response.json["farms"][0]["name"] == "app"
    for wrong in ("wibble", "", "JSON%00", "json/", "../json", "x" * 5000):
        assert httpd.get(f"/farm-status?format={wrong}").status == 400, wrong


def test_400_05_methods(httpd):
    """Contract: `farm-status` is "read only": other methods are refused with 405."""
    httpd.farm(httpd.member("a"))
    httpd.start()
    head = httpd.get("/farm-status?format=json", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    for method in ("POST", "PUT", "DELETE", "PATCH", "WIBBLE"):
        response = httpd.get("/farm-status", method=method)
        assert response.status == 405, method
        assert "GET" in (response.get("Allow") or "")


def test_400_06_guarded_by_require(httpd):
    """Contract: "each enabled with `SetHandler` in a Location guarded by the usual Require lines"."""
    httpd.farm(httpd.member("a"))
    httpd.conf.add('<Location "/closed">', "SetHandler farm-status", "Require all denied", "</Location>")
    httpd.log.expect("AH01630")
    httpd.start()
    assert httpd.get("/closed").status == 403
    assert httpd.get("/farm-status").status == 200
    # Without SetHandler nothing answers under these names.
    assert httpd.get("/farm-update").status == 404


def test_400_07_caches(httpd):
    """What a monitor expects: a status is never answered from a cache."""
    httpd.farm(httpd.member("a"))
    httpd.start()
    assert re.search("no-store|no-cache", httpd.get("/farm-status?format=json").get("Cache-Control") or "")


def test_400_08_odd_names_and_numbers(httpd):
    """Contract: names that are legal; the JSON must stay JSON with all of them and with many members."""
    a = httpd.member("a")
    httpd.conf.farm("-_0", *[f"FarmMember {a.url}/{n} name=m:{n}.x_y-z weight={n % 1000 + 1}" for n in range(300)])
    httpd.start()
    farm = httpd.farm_status("-_0")
    assert [m["name"] for m in farm["members"]] == [f"m:{n}.x_y-z" for n in range(300)]
    assert [m["weight"] for m in farm["members"]] == [n % 1000 + 1 for n in range(300)]
    assert farm["available"] == 300
    assert json.dumps(farm)


@pytest.mark.both_mpms
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGWINCH], ids=["stop", "graceful-stop"])
def test_400_09_nothing_is_left(httpd, how):
    """Contract: "One segment per httpd instance"; Contract: "a full stop removes the segment"."""
    httpd.farm(*httpd.three())
    httpd.start()
    assert httpd.segments, "no shared memory was found: this test would prove nothing"
    for n in range(5):
        assert httpd.get(f"/app/{n}").status == 200
    httpd.graceful()
    assert httpd.get("/app/x").status == 200
    assert httpd.stop(how) == 0
    assert httpd.leftovers() == []
    assert httpd.session() == []


def test_400_10_two_servers_side_by_side(httpd):
    """Contract: "One segment per httpd instance": another instance with the same names counts for itself."""
    from farmhttpd.env import Httpd
    a = httpd.member("a")
    httpd.farm(a)
    httpd.start()
    other = Httpd()
    try:
        other.farm(a)
        other.start()
        for n in range(3):
            assert other.get(f"/app/{n}").status == 200
        assert httpd.rows()["a"]["requests"] == 0
        assert other.rows()["a"]["requests"] == 3
        other.check_clean_end()
        assert httpd.get("/app/x").status == 200
    finally:
        other.close()


def test_400_11_full_stop_forgets(httpd):
    """Contract: "a full stop removes the segment": the next start counts from nought, on the same ServerRoot."""
    a = httpd.member("a")
    httpd.farm(a, "FarmSet retry=1h")
    httpd.log.expect_broken()
    httpd.start()
    a.refuse()
    assert httpd.get("/app/x").status == 503
    assert httpd.rows()["a"]["health"] == "down"
    a.start()
    httpd.stop()
    httpd.start()
    row = httpd.rows()["a"]
    assert (row["requests"], row["errors"], row["health"]) == (0, 0, "up")
    assert httpd.get("/app/x").status == 200


def test_400_12_start_after_a_murder(httpd):
    """What an httpd administrator expects: after kill -9 of the whole server, the next start comes up and counts
    anew."""
    import os
    a = httpd.member("a")
    httpd.farm(a)
    httpd.start()
    assert httpd.get("/app/x").status == 200
    for pid in [httpd.process.pid, *httpd.session()]:
        os.kill(pid, signal.SIGKILL)
    httpd.process.wait(10)
    wait.until(lambda: not httpd.session(), "the children to be gone")
    old = set(httpd.segments)
    httpd.log.expect(r"AH00098")
    httpd.start()
    assert httpd.rows()["a"]["requests"] == 0
    assert httpd.get("/app/x").status == 200
    # Whatever the murdered server left behind is not this one's to answer for.
    httpd.segments -= old


def test_400_13_latency_runs_to_the_final_status_line(httpd):
    """Contract: "Latency runs from the choice to the first byte of the final status line; upgraded connections and 1xx
    answers do not change it"."""
    import threading
    a, b = httpd.three("a", "b")
    httpd.farm(a, name="hints").farm(b, name="quick")

    @members.stage("body")
    def hints_first(member, wire, request):
        wire.send(members.head("103 Early Hints", []))
        threading.Event().wait(0.25)
        return answer()(member, wire, request)

    a.always(hints_first)
    httpd.start()
    assert httpd.get("/hints/x").status == httpd.get("/quick/x").status == 200
    slow, quick = (httpd.rows(name)[member]["latency_ms"]["ewma"] for name, member in (("hints", "a"), ("quick", "b")))
    assert slow >= 250 > quick, "the hints were taken for the answer"


def test_400_14_upgrades_have_no_latency(httpd):
    """Contract: "upgraded connections … do not change it"."""
    from farmhttpd.protocols import WebSocketMember
    from test_140_protocols import upgrade
    a = httpd.member("a", WebSocketMember)
    a.scheme = "http"
    httpd.conf.farm("app", a).proxy("/app/", "http://app/", "upgrade=websocket")
    httpd.start()
    sock, stream, _, hello = upgrade(httpd, "/app/x")
    with sock, stream:
        assert hello["member"] == "a"
    httpd.wait_for_row(lambda row: row["inflight"] == 0, "the tunnel to close")
    wait.until(lambda: not a.open, "the tunnel to close at the member too")
    row = httpd.rows()["a"]
    assert row["requests"] == 1 and row["latency_ms"] == {"ewma": None, "p50": None, "p99": None, "count": 0, "sum": 0}
