"""A graceful restart keeps counters and states, loses no request, and lets old and new children share rows."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from farmhttpd import members, wait
from farmhttpd.members import answer

ROUNDS = 10


def ask(httpd, count, target="/app/x"):
    return [httpd.get(target).member for _ in range(count)]


@pytest.mark.both_mpms
def test_410_01_counters_stay(httpd):
    """Contract: "A graceful restart keeps every counter, metric and state of the members that still exist"."""
    httpd.farm(*httpd.three(), "FarmAlgorithm roundrobin")
    httpd.start()
    ask(httpd, 12)
    before, farm_before = httpd.rows(), httpd.farm_status()
    httpd.graceful()
    after, farm_after = httpd.rows(), httpd.farm_status()
    for name, row in before.items():
        assert {k: v for k, v in after[name].items() if k != "update_age_s"} == \
            {k: v for k, v in row.items() if k != "update_age_s"}
    assert farm_after["requests"] == farm_before["requests"] == 12
    assert httpd.status()["module"]["generation"] is not None
    ask(httpd, 3)
    assert sum(row["requests"] for row in httpd.rows().values()) == 15


def test_410_02_added_removed_reordered(httpd):
    """Contract: "… of the members that still exist, by farm and member name"; Contract: "also when members are added,
    removed or reordered"."""
    a, b, c, d = httpd.three("a", "b", "c", "d")
    httpd.farm(a, b, c, "FarmAlgorithm roundrobin")
    httpd.conf.one_process()
    httpd.start()
    ask(httpd, 9)
    for order, expected in (((c, a, b), {"c": 3, "a": 3, "b": 3}), ((d, c, b), {"d": 0, "c": 3, "b": 3}),
                            ((b, d), {"b": 3, "d": 0}), ((d, a, b), {"d": 0, "b": 3})):
        httpd.conf.farm("app", *order, "FarmAlgorithm roundrobin")
        httpd.graceful()
        wait.until(lambda: len(httpd.children()) == 1, "the old child to end")
        rows = httpd.rows()
        assert list(rows) == [m.name for m in order]
        # Nothing is promised of the counts of a member that was away meanwhile.
        assert {name: rows[name]["requests"] for name in expected} == expected
    assert sorted(ask(httpd, 3)) == ["a", "b", "d"]


def test_410_03_two_farms_keep_apart(httpd):
    """Contract: "by farm *and* member name"."""
    a, b = httpd.three("a", "b")
    httpd.farm(a, name="one").farm((a, ""), b, name="two")
    httpd.conf.one_process()
    httpd.start()
    ask(httpd, 5, "/one/x")
    two = httpd.rows("two")
    assert (two["a"]["requests"], two["b"]["requests"]) == (0, 0)
    one, two = httpd.conf.farms["one"], httpd.conf.farms["two"]
    httpd.conf.farms = {"two": two, "three": one, "one": one}
    httpd.graceful()
    assert {name: httpd.rows(name)["a"]["requests"] for name in ("one", "two", "three")} == \
        {"one": 5, "two": 0, "three": 0}


def test_410_04_configured_values_change(httpd):
    """Contract: "a value set at run time … holds until the configuration's own value for it changes": so a changed
    weight, tier or admin of the configuration takes effect, and the counters stay."""
    a, b = httpd.three("a", "b")
    httpd.farm((a, "weight=1"), b, "FarmAlgorithm roundrobin")
    httpd.conf.one_process()
    httpd.start()
    ask(httpd, 4)
    httpd.conf.farm("app", (a, "weight=5 tier=1"), (b, "admin=off tier=1 maxinflight=3"), "FarmAlgorithm random")
    httpd.graceful()
    rows = httpd.rows()
    assert (rows["a"]["weight"], rows["a"]["tier"], rows["a"]["requests"]) == (5, 1, 2)
    assert (rows["b"]["admin"], rows["b"]["tier"], rows["b"]["requests"]) == ("off", 1, 2)
    assert httpd.farm_status()["algorithm"] == "random"
    assert set(ask(httpd, 6)) == {"a"}


def test_410_05_url_changes(httpd):
    """Contract: a member is known "by farm and member name": a new URL under the old name takes over the counters."""
    a, b = httpd.three("a", "b")
    httpd.farm(a)
    httpd.start()
    ask(httpd, 3)
    httpd.conf.farm("app", f"FarmMember {b.url} name=a")
    httpd.graceful()
    wait.until(lambda: httpd.get("/app/x").member == "b", "the new URL to be used")
    row = httpd.rows()["a"]
    assert row["url"] == b.url and row["requests"] >= 4


def test_410_06_health_stays(httpd):
    """Contract: "… every counter, metric and state": a member that is down stays down, and its retry goes on."""
    bad, good = httpd.three("bad", "good")
    httpd.farm((bad, "weight=1000"), good, "FarmAlgorithm roundrobin", "FarmSet retry=1h")
    httpd.log.expect_broken()
    bad.always(members.close_after_request)
    httpd.start()
    assert httpd.get("/app/x").member == "good"
    httpd.graceful()
    assert httpd.rows()["bad"]["health"] == "down"
    assert set(ask(httpd, 6)) == {"good"}
    assert bad.count == 1


@pytest.mark.both_mpms
def test_410_07_old_children_use_the_same_rows(httpd):
    """Contract: "Old and new children share rows and locks while a graceful restart is under way"."""
    a = httpd.member("a").hold()
    httpd.farm((a, "maxinflight=2"))
    httpd.log.expect(r"proxy_farm")
    httpd.start()
    with ThreadPoolExecutor(3) as pool:
        old = pool.submit(httpd.get, "/app/old")
        a.wait_for_active(1)
        before = set(httpd.children())
        httpd.graceful()
        assert httpd.rows()["a"]["inflight"] == 1
        new = pool.submit(httpd.get, "/app/new")
        a.wait_for_active(2)
        wait.until(lambda: set(httpd.children()) - before, "new children")
        # Both generations count into the same limit.
        assert httpd.rows()["a"]["inflight"] == 2
        assert httpd.get("/app/x").status == 503
        httpd.graceful()
        assert httpd.rows()["a"]["inflight"] == 2
        a.always(answer()).release()
        assert (old.result(wait.patiently(30)).member, new.result(wait.patiently(30)).member) == ("a", "a")
    httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight")
    assert httpd.rows()["a"]["requests"] == 2
    assert httpd.get("/app/x").status == 200


def test_410_08_member_removed_under_its_request(httpd):
    """Design: "a removed member's row is used again only when no process of its generation is left"."""
    a, b, c = httpd.three()
    a.hold()
    httpd.farm(a)
    httpd.start()
    with ThreadPoolExecutor(1) as pool:
        old = pool.submit(httpd.get, "/app/old")
        a.wait_for_active(1)
        for replacement in (b, c, b):
            httpd.conf.farm("app", replacement)
            httpd.graceful()
            row = httpd.rows()[replacement.name]
            assert (row["inflight"], row["errors"]) == (0, 0)
            wait.until(lambda: httpd.get("/app/x").member == replacement.name, "the new member")
        a.release()
        assert old.result(wait.patiently(30)).member == "a"
    rows = httpd.rows()
    assert list(rows) == ["b"] and rows["b"]["inflight"] == 0


@pytest.mark.both_mpms
def test_410_09_no_failed_request_under_load(httpd):
    """Contract: "loses no request"; Contract: "failed requests (goal 0)" with new connections."""
    made = httpd.three()
    httpd.farm(*made)
    httpd.start()
    over = threading.Event()

    def load():
        statuses, count = [], 0
        while not over.is_set():
            count += 1
            body = b"p" * (count % 3 * 1000) or None
            statuses.append(httpd.get("/app/x", method="POST" if body else "GET", body=body).status)
        return statuses

    with ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(load) for _ in range(4)]
        try:
            for _ in range(ROUNDS):
                seen = sum(m.count for m in made)
                httpd.graceful()
                wait.until(lambda: sum(m.count for m in made) > seen + 20, "requests after the restart")
        finally:
            over.set()
        statuses = sum((f.result(wait.patiently(30)) for f in loads), [])
    assert set(statuses) == {200}
    for name in "abc":
        httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight", member=name)
    rows = httpd.rows()
    assert sum(row["requests"] for row in rows.values()) == len(statuses) == sum(m.count for m in made)
    assert sum(row["errors"] for row in rows.values()) == 0


@pytest.mark.both_mpms
def test_410_10_growing(httpd):
    """Design: "A configuration that needs more rows adds a block": far more members than at the start, and back."""
    a = httpd.member("a")
    few = [f"FarmMember {a.url}/{n} name=m{n}" for n in range(2)]
    many = [f"FarmMember {a.url}/{n} name=m{n}" for n in range(200)]
    httpd.farm(*few, "FarmAlgorithm roundrobin")
    httpd.conf.one_process()
    httpd.start()
    ask(httpd, 4)
    httpd.conf.farm("app", *many, "FarmAlgorithm roundrobin")
    httpd.graceful()
    rows = httpd.rows()
    assert len(rows) == 200
    assert [rows[n]["requests"] for n in ("m0", "m1", "m2", "m199")] == [2, 2, 0, 0]
    wait.until(lambda: len(httpd.children()) == 1, "the old child to end")
    ask(httpd, 200)
    assert sum(row["requests"] for row in httpd.rows().values()) == 204
    httpd.conf.farm("app", *few, "FarmAlgorithm roundrobin")
    httpd.graceful()
    assert len(httpd.rows()) == 2
    assert httpd.get("/app/x").status == 200


def test_410_11_farm_comes_and_goes(httpd):
    """the contract, for whole farms: a new one starts at nought, one that left is no farm any more."""
    a, b = httpd.three("a", "b")
    httpd.farm(a)
    httpd.log.expect(r"AH00898|DNS lookup|AH01059|AH00547")
    httpd.start()
    ask(httpd, 3)
    httpd.farm(b, name="more")
    httpd.graceful()
    wait.until(lambda: httpd.get("/more/x").status == 200, "the new farm")
    assert httpd.rows()["a"]["requests"] == 3
    del httpd.conf.farms["app"]
    httpd.graceful()
    wait.until(lambda: httpd.get("/app/x").status >= 500, "the old farm to be gone")
    assert [farm["name"] for farm in httpd.status()["farms"]] == ["more"]


def test_410_12_many_restarts(httpd):
    """Design: "80 graceful restarts … without loss": no row, lock or segment is used up by a restart."""
    httpd.farm(*httpd.three("a", "b"))
    httpd.start()
    for n in range(25):
        httpd.graceful()
        if n % 5 == 0:
            assert httpd.get("/app/x").status == 200
    assert httpd.farm_status()["requests"] == 5
    assert len(httpd.mapped_segments()) <= 6, httpd.mapped_segments()


def test_410_13_hard_restart(httpd):
    """Contract: what outlives `pconf` outlives a hard restart (SIGHUP) too; nothing stays in flight."""
    a = httpd.member("a")
    httpd.farm(a)
    httpd.start()
    ask(httpd, 3)
    httpd.restart()
    row = httpd.rows()["a"]
    assert (row["requests"], row["inflight"], row["health"]) == (3, 0, "up")
    assert httpd.get("/app/x").status == 200


def test_410_14_hard_restart_with_requests_in_flight(httpd):
    """Contract: "A child that dies … with requests in flight, leaves … within 2 s no count behind"."""
    a = httpd.member("a").always(members.never)
    httpd.farm(a)
    httpd.log.expect_broken()
    httpd.log.expect(r"AH00045|AH00046|exit signal")
    httpd.start()

    def lost():
        try:
            return httpd.get("/app/x").status
        except OSError:
            return "lost"

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lost)
        a.wait_for_active(1)
        httpd.restart()
        assert waiting.result(wait.patiently(30)) != 200
    a.always(answer())
    httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight")
    assert httpd.get("/app/x").status == 200


def test_410_15_new_names_while_an_old_request_goes_on(httpd):
    """Contract: "Any number of graceful restarts, with any names and while old children live on, starts": a held request keeps a
    process of the first configuration alive, and a second one of a configuration in the middle."""
    a = httpd.member("a").hold()
    httpd.conf.one_process()
    httpd.conf.mpm_lines = [line.replace("ServerLimit 1", "ServerLimit 8") for line in httpd.conf.mpm_lines]

    def names(round_):
        httpd.conf.farm("app", *[f"FarmMember {a.url} name=r{round_}-{n}" for n in range(20)])

    names(0)
    httpd.conf.proxy("/app/", "http://app/")
    httpd.start()
    with ThreadPoolExecutor(2) as pool:
        held = [pool.submit(httpd.get, "/app/old")]
        a.wait_for_active(1)
        for round_ in range(1, 71):
            names(round_)
            httpd.graceful()
            if round_ == 35:
                held.append(pool.submit(httpd.get, "/app/middle"))
                a.wait_for_active(2)
        rows = httpd.rows()
        assert set(rows) == {f"r70-{n}" for n in range(20)}
        assert all(row["requests"] == 0 for row in rows.values())
        assert httpd.status()["module"]["generation"] == 71
        a.always(answer()).release()
        assert [one.result(wait.patiently(30)).member for one in held] == ["a", "a"]
    assert all(row["requests"] == 0 and row["inflight"] == 0 for row in httpd.rows().values())
    assert httpd.get("/app/x").status == 200
