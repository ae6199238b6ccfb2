"""A member that fails is put down, and tried again one request at a time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from farmhttpd import client, members, wait
from farmhttpd.members import answer
from test_300_failover import bad_and_good


@pytest.mark.parametrize("fall", [1, 2, 5])
def test_340_01_fall(httpd, fall):
    """Contract: "`fall=` failures in a row that mean down (1)"."""
    bad, good = bad_and_good(httpd, "FarmSet retry=1h", fall=fall)
    bad.always(members.close_after_request)
    httpd.start()
    for n in range(1, fall + 1):
        assert httpd.rows()["bad"]["health"] == "up"
        assert httpd.get("/app/x").member == "good"
        assert httpd.rows()["bad"]["errors"] == n
    row = httpd.rows()["bad"]
    assert (row["health"], row["available"]) == ("down", False) and row["health_by"]
    assert [httpd.get("/app/x").member for _ in range(5)] == ["good"] * 5
    assert bad.count == fall
    assert httpd.farm_status()["available"] == 1


def test_340_02_in_a_row(httpd):
    """Contract: "failures *in a row*": an answer in between starts the count again."""
    bad, good = httpd.three("bad", "good")
    # Without pooled connections: one that was used before may be tried again afresh before it counts.
    httpd.farm((bad, "weight=1000 disablereuse=on"), good, "FarmAlgorithm roundrobin", "FarmSet fall=3 retry=1h")
    httpd.conf.one_process()
    httpd.log.expect_broken()
    httpd.start()
    for _ in range(4):
        # A kept connection that closes would say nothing about the member, so the good answer keeps none.
        bad.next(members.close_after_request, members.close_after_request, answer(headers=[("Connection", "close")]))
        assert [httpd.get("/app/x").member for _ in range(3)] == ["good", "good", "bad"]
    row = httpd.rows()["bad"]
    assert (row["health"], row["errors"]) == ("up", 8)


@pytest.mark.both_mpms
def test_340_03_all_processes_know(httpd):
    """Contract: "State and counts of a member are shared by all"."""
    bad, good = httpd.three("bad", "good")
    httpd.farm(bad, good, "FarmSet fall=1 retry=1h")
    httpd.log.expect_broken()
    bad.always(members.close_after_request)
    httpd.start()
    wait.until(lambda: httpd.get("/app/x").status == 200 and httpd.rows()["bad"]["health"] == "down", "bad to be down")
    # A request that had been given its member before the fall may still come in; then never again.
    before = bad.count
    answers = sum(client.at_once(8, lambda: [httpd.get("/app/x").member for _ in range(10)]), [])
    assert set(answers) == {"good"}
    assert bad.count == before


def test_340_04_comes_back(httpd):
    """Contract: "`retry=` time until a member that failures put down is tried by one request that may be repeated"."""
    bad, good = bad_and_good(httpd, "FarmSet retry=200ms", fall=1)
    bad.refuse()
    httpd.start()
    assert httpd.get("/app/x").member == "good"
    assert httpd.rows()["bad"]["health"] == "down"
    bad.start()
    wait.until(lambda: httpd.get("/app/x").member == "bad", "the trial")
    row = httpd.rows()["bad"]
    assert (row["health"], row["available"]) == ("up", True)
    assert [httpd.get("/app/x").member for _ in range(5)].count("bad") >= 4


def test_340_05_backs_off(httpd):
    """Contract: "doubles with each failed trial up to 16 times"."""
    bad, good = bad_and_good(httpd, "FarmSet retry=150ms", fall=1)
    bad.always(members.close_after_request)
    httpd.start()

    def tried(count):
        assert httpd.get("/app/x").member == "good"
        return bad.count >= count

    wait.until(lambda: tried(5), "four trials")
    times = [r.at for r in bad.requests]
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    # Each gap is twice the one before; asking takes its time too, so any growth by half will do.
    assert all(after > 1.5 * before for before, after in zip(gaps, gaps[1:])), gaps


def test_340_06_backing_off_starts_anew(httpd):
    """Contract: `retry` doubles with each *failed trial*; a member that came back is tried after `retry` again."""
    bad, good = bad_and_good(httpd, "FarmSet retry=150ms", fall=1)
    httpd.start()
    bad.always(members.close_after_request)
    wait.until(lambda: httpd.get("/app/x").member == "good" and bad.count >= 4, "three trials")
    bad.always(answer())
    wait.until(lambda: httpd.get("/app/x").member == "bad", "the member to come back")
    bad.always(members.close_after_request)
    count = bad.count
    wait.until(lambda: httpd.get("/app/x").member == "good" and bad.count >= count + 2, "a failure and a trial")
    times = [r.at for r in bad.requests]
    # From the new failure to its first trial it took less than from the third to the fourth request before.
    assert times[count + 1] - times[count] < times[3] - times[2]


@pytest.mark.both_mpms
def test_340_07_one_trial_at_a_time(httpd):
    """Contract: "is tried by *one* request"."""
    bad, good = httpd.three("bad", "good")
    httpd.farm((bad, "weight=1000"), good, "FarmAlgorithm roundrobin", "FarmSet fall=1 retry=2s")
    httpd.conf.mpm_lines[0] = "StartServers 4"
    httpd.log.expect_broken()
    bad.next(members.close_after_request).hold()
    httpd.start()
    wait.until(lambda: httpd.rows()["bad"]["health"] == "down" or not httpd.get("/app/x"), "bad to be down")
    bad.forget()
    with ThreadPoolExecutor(6) as pool:
        over = threading.Event()

        def ask():
            seen = []
            while not over.is_set():
                seen.append(httpd.get("/app/x").member)
                if len(seen) > 30 and bad.count:
                    break
            return seen

        asking = [pool.submit(ask) for _ in range(6)]
        wait.until(lambda: bad.active == 1, "the trial")
        wait.until(lambda: sum(f.done() for f in asking) == 5, "the others to go on meanwhile")
        assert (bad.count, bad.most_active) == (1, 1)
        bad.always(answer()).release()
        over.set()
        results = [f.result(wait.patiently(30)) for f in asking]
    assert sum(seen.count("bad") for seen in results) >= 1
    httpd.wait_for_row(lambda row: row["health"] == "up", "bad to be up", member="bad")


def test_340_08_nobody_before_retry(httpd):
    """Contract: tried "by a request that may be repeated when `retry` has passed, by any other when `2 × retry` has": before that by
    neither, while another member serves."""
    bad, good = bad_and_good(httpd, "FarmSet retry=1h", fall=1)
    bad.refuse()
    httpd.start()
    assert httpd.get("/app/x").member == "good"
    bad.start()
    for method in ("POST", "GET"):
        for _ in range(20):
            assert httpd.get("/app/x", method=method, body=b"pay" if method == "POST" else None).member == "good"
    assert bad.count == 0


def test_340_09_large_put_is_no_trial(httpd):
    """Contract: "one request that may be repeated": a body of more than 64 KiB cannot be (the contract)."""
    bad, good = bad_and_good(httpd, "FarmSet retry=100ms", fall=1)
    bad.refuse()
    httpd.start()
    assert httpd.get("/app/x").member == "good"
    bad.start()
    for _ in range(20):
        assert httpd.get("/app/x", method="PUT", body=b"x" * 70_000).member == "good"
        threading.Event().wait(0.02)
    assert bad.count == 0


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_340_10_nobody_else(httpd, method):
    """Contract: "other requests use it only when no member is available"."""
    a = httpd.member("a")
    httpd.farm(a, "FarmSet fall=1 retry=100ms")
    httpd.log.expect_broken()
    a.refuse()
    httpd.start()
    assert httpd.get("/app/x", method=method).status == 503
    assert httpd.farm_status()["condition"] == "down"
    a.start()
    wait.until(lambda: httpd.get("/app/x", method=method).status == 200, "the member to come back")
    farm = httpd.farm_status()
    assert (farm["condition"], farm["available"]) == ("ok", 1)


def test_340_11_failed_trial_is_not_seen_by_the_client(httpd):
    """Contract: a trial is made by a request "that may be repeated", and repeated it is."""
    bad, good = bad_and_good(httpd, "FarmSet retry=50ms", fall=1)
    bad.always(members.half_header)
    httpd.start()

    def ask():
        response = httpd.get("/app/x")
        assert (response.status, response.member, response.get("X-Leak")) == (200, "good", None)
        return bad.count >= 4

    wait.until(ask, "three trials")


def test_340_12_health_is_not_admin(httpd):
    """Contract: health: "Never set by, and never setting, admin"."""
    bad, _ = bad_and_good(httpd, "FarmSet retry=1h", fall=1)
    bad.refuse()
    httpd.start()
    assert httpd.get("/app/x").member == "good"
    row = httpd.rows()["bad"]
    assert (row["admin"], row["health"], row["fresh"]) == ("on", "down", "in")


def test_340_13_one_line_in_the_log(httpd):
    """What an httpd administrator expects: a member's fall and return are in the log, each once, with its names."""
    bad, _ = bad_and_good(httpd, "FarmSet retry=100ms", fall=1)
    bad.refuse()
    httpd.start()
    assert httpd.get("/app/x").member == "good"
    bad.start()
    wait.until(lambda: httpd.get("/app/x").member == "bad", "the member to come back")
    ours = [line for line in httpd.log.lines(r"\[proxy_farm:(notice|warn|error)\]") if "bad" in line and "app" in line]
    assert len([line for line in ours if "down" in line]) == 1, ours
    assert len([line for line in ours if "up" in line.split("bad", 1)[1]]) == 1, ours
