"""Tiers, the administrator's word, and limits on requests in flight."""

import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from farmhttpd import client, wait
from farmhttpd.members import answer

ALGORITHMS = ["roundrobin", "random", "busyness", "traffic", "adaptive"]


def asked(httpd, count=20):
    return Counter(httpd.get("/app/x").member for _ in range(count))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_210_01_higher_tier_rests(httpd, algorithm):
    """Contract: "a higher tier serves only while no lower one has an available member below its maxinflight"."""
    a, b, c = httpd.three()
    httpd.farm((a, "tier=3"), (b, "tier=1"), (c, "tier=9"), f"FarmAlgorithm {algorithm}", "FarmSet retry=1h")
    httpd.log.expect_refused()
    httpd.start()
    assert asked(httpd) == {"b": 20}
    b.refuse()
    assert asked(httpd) == {"a": 20}
    a.refuse()
    assert asked(httpd) == {"c": 20}
    c.refuse()
    assert httpd.get("/app/x").status == 503


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_210_02_higher_tier_serves_the_overflow(httpd, algorithm):
    """Contract: "… no lower one has an available member below its maxinflight": a full tier overflows."""
    a, b = httpd.three("a", "b")
    a.hold()
    httpd.farm((a, "maxinflight=2"), (b, "tier=1"), f"FarmAlgorithm {algorithm}")
    httpd.start()
    with ThreadPoolExecutor(2) as pool:
        first = [pool.submit(httpd.get, "/app/x") for _ in range(2)]
        a.wait_for_active(2)
        assert asked(httpd, 10) == {"b": 10}
        a.always(answer()).release()
        assert [f.result(wait.patiently(30)).status for f in first] == [200, 200]
    assert asked(httpd, 10) == {"a": 10}


@pytest.mark.parametrize("admin", ["drain", "off"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_210_03_configured_admin(httpd, algorithm, admin):
    """Contract: "`drain` (only requests already tied to it), `off` (administratively offline)"; Contract: "the
    configured admin … take effect"."""
    a, b, c = httpd.three()
    httpd.farm((a, f"admin={admin}"), b, (c, "admin=on"), f"FarmAlgorithm {algorithm}")
    httpd.start()
    assert set(asked(httpd, 30)) == {"b", "c"}
    assert a.connections == 0
    row = httpd.rows()["a"]
    assert (row["admin"], row["available"], row["health"], row["requests"]) == (admin, False, "up", 0)


@pytest.mark.parametrize("admin", ["drain", "off"])
def test_210_04_nobody_wanted(httpd, admin):
    """Contract: condition `offline` (none is available, and every member is administratively off or draining)."""
    members = httpd.three("a", "b")
    httpd.farm(*[(m, f"admin={admin}") for m in members])
    httpd.log.expect(r"proxy_farm")
    httpd.start()
    assert httpd.get("/app/x").status == 503
    farm = httpd.farm_status()
    assert (farm["condition"], farm["available"], farm["requests"]) == ("offline", 0, 1)
    assert [m.connections for m in members] == [0, 0]


def test_210_05_off_and_down_together(httpd):
    """Contract: `down` (none is available, for any other reason): one off, one failed."""
    a, b = httpd.three("a", "b")
    httpd.farm((a, "admin=off"), b, "FarmSet retry=1h")
    httpd.log.expect_refused()
    b.refuse()
    httpd.start()
    assert httpd.get("/app/x").status == 503
    assert httpd.farm_status()["condition"] == "down"
    assert a.connections == 0


@pytest.mark.both_mpms
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_210_06_maxinflight_over_all_processes(httpd, algorithm):
    """Contract: "`maxinflight=` … requests at once over all processes"."""
    a, b = httpd.three("a", "b")
    httpd.farm((a, "maxinflight=3"), (b, "maxinflight=2"), f"FarmAlgorithm {algorithm}")
    httpd.log.expect(r"proxy_farm")
    httpd.conf.mpm_lines[0] = "StartServers 10"
    httpd.start()
    for member in (a, b):
        member.hold()
    with ThreadPoolExecutor(24) as pool:
        asking = [pool.submit(httpd.get, "/app/x") for _ in range(24)]
        wait.until(lambda: sum(f.done() for f in asking) == 19, "19 refusals")
        assert {f.result().status for f in asking if f.done()} == {503}
        assert (a.active, b.active) == (3, 2)
        rows = httpd.rows()
        assert (rows["a"]["inflight"], rows["b"]["inflight"]) == (3, 2)
        assert httpd.farm_status()["condition"] == "full"
        for member in (a, b):
            member.release()
        assert sorted(f.result(wait.patiently(30)).status for f in asking) == [200] * 5 + [503] * 19
    assert (a.most_active, b.most_active) == (3, 2)
    httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight")
    assert httpd.get("/app/x").status == 200


def test_210_07_maxinflight_under_pressure(httpd):
    """the contract, the same with choices that race: the members never see more, and places are given back."""
    a, b = httpd.three("a", "b")
    httpd.farm((a, "maxinflight=2"), (b, "maxinflight=1"))
    httpd.log.expect(r"proxy_farm")
    httpd.start()
    def some():
        return [httpd.get("/app/x").status for _ in range(40)]
    statuses = Counter(sum(client.at_once(12, some), []))
    assert set(statuses) <= {200, 503} and statuses[200] >= 12
    assert a.most_active <= 2 and b.most_active <= 1
    for name in "ab":
        httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight", member=name)
    assert asked(httpd, 10).total() == 10


def test_210_08_full_is_no_failure(httpd):
    """Contract: `full` is a condition of the farm; a full member stays up and is charged nothing."""
    a = httpd.member("a").hold()
    httpd.farm((a, "maxinflight=1"))
    httpd.log.expect(r"proxy_farm")
    httpd.start()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(httpd.get, "/app/x")
        a.wait_for_active(1)
        assert {httpd.get("/app/x").status for _ in range(5)} == {503}
        row = httpd.rows()["a"]
        assert (row["health"], row["available"], row["errors"], row["inflight"]) == ("up", True, 0, 1)
        a.release()
        assert first.result(wait.patiently(30)).status == 200
    assert httpd.get("/app/x").status == 200


def test_210_09_failover_takes_a_place_too(httpd):
    """Contract: maxinflight counts every request at a member, however it got there; and gives back the failed one's."""
    dead, a = httpd.member("dead", start=False), httpd.member("a")
    httpd.farm((dead, "weight=1000 maxinflight=1"), (a, "maxinflight=1"), "FarmAlgorithm roundrobin",
               "FarmSet fall=1000000")
    httpd.conf.one_process()
    httpd.log.expect_refused()
    httpd.start()
    for n in range(10):
        assert httpd.get(f"/app/{n}").member == "a"
    assert {name: row["inflight"] for name, row in httpd.rows().items()} == {"dead": 0, "a": 0}


def test_210_10_place_is_given_back_when_the_client_goes(httpd):
    """Contract: "Never charged to it: a client that goes away"; "in flight from the choice to its end"."""
    a = httpd.member("a").hold()
    httpd.farm((a, "maxinflight=1"))
    httpd.log.expect(r"AH01110|AH01102|proxy_http:|proxy_farm")
    httpd.start()
    with socket.create_connection(("127.0.0.1", httpd.port)) as sock:
        sock.sendall(b"GET /app/x HTTP/1.1\r\nHost: x\r\n\r\n")
        a.wait_for_active(1)
    a.always(answer(body=b"y" * 3_000_000)).release()
    httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight")
    row = httpd.rows()["a"]
    assert (row["health"], row["errors"]) == ("up", 0)
    assert httpd.get("/app/x").status == 200


def test_210_11_weight_and_tier_in_the_status(httpd):
    """Contract: "name, weight, tier, the configured admin and maxinflight take effect"; the contract shows them."""
    a, b = httpd.three("a", "b")
    httpd.farm((a, "weight=7 tier=2"), (b, "weight=1000 tier=9 admin=drain"))
    httpd.start()
    rows = httpd.rows()
    assert [(rows[n]["weight"], rows[n]["tier"], rows[n]["admin"]) for n in "ab"] == [(7, 2, "on"), (1000, 9, "drain")]
