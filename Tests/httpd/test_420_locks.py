"""Locks of every granularity and mechanism, and children that die."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from farmhttpd import members, wait
from farmhttpd.client import at_once
from farmhttpd.conf import MPMS
from farmhttpd.env import is_connected_to
from farmhttpd.members import answer

KILLED = r"AH00052: child pid \d+ exit signal Killed"


def busy(httpd, count=160):
    """Requests from several threads, with members failing now and then so that states are written under locks."""
    bad = httpd.members[0]
    bad.script = [answer()] * 5 + [members.close_after_request] * 3 + [answer()] * 5 + [members.half_header] * 3
    statuses = sum(at_once(8, lambda: [httpd.get("/app/x").status for _ in range(count // 8)]), [])
    assert set(statuses) == {200}


@pytest.mark.both_mpms
@pytest.mark.parametrize("locks", ["engine", "farm", "row"])
def test_420_01_farmlocks(httpd, locks):
    """Contract: "`FarmLocks engine|farm|row` … granularity of the mutexes over the state tables"."""
    httpd.conf.add(f"FarmLocks {locks}")
    httpd.farm(*httpd.three(), "FarmSet retry=100ms")
    httpd.conf.farm("other", httpd.member("z"))
    httpd.log.expect_broken()
    httpd.start()
    assert locks in str(httpd.status()["module"]["locks"])
    busy(httpd)
    httpd.graceful()
    busy(httpd)
    rows = httpd.rows()
    assert sum(row["requests"] for row in rows.values()) >= 320
    # A pooled connection that turns out to be closed is an attempt, and no error.
    assert sum(row["requests"] - row["errors"] for row in rows.values()) >= 320
    assert {row["inflight"] for row in rows.values()} == {0}


@pytest.mark.parametrize("first, second", [("row", "engine"), ("engine", "row"), ("farm", "row"), (None, "farm")])
def test_420_02_change_of_farmlocks(httpd, first, second):
    """Contract: "A change takes effect at the next full start, with a warning"."""
    if first:
        httpd.conf.add(f"FarmLocks {first}")
    httpd.farm(*httpd.three("a", "b"))
    httpd.start()
    assert httpd.log.unexpected() == []
    httpd.conf.body = [line for line in httpd.conf.body if "FarmLocks" not in line] + [f"FarmLocks {second}"]
    httpd.log.expect(r"\[proxy_farm:warn\].*FarmLocks")
    httpd.log.expect_broken()
    httpd.graceful()
    assert httpd.log.lines(r"\[proxy_farm:warn\].*FarmLocks"), "no warning"
    assert (first or "row") in str(httpd.status()["module"]["locks"])
    busy(httpd, 40)
    httpd.stop()
    httpd.start()
    assert second in str(httpd.status()["module"]["locks"])


MECHANISMS = ["default", "pthread", "posixsem", "sysvsem", "fcntl:RUN", "flock:RUN", "file:RUN"]


@pytest.mark.parametrize("mpm", ["event", "prefork"])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_420_03_mechanisms(httpd, mechanism):
    """Contract: "The lock mechanism is chosen by `Mutex … proxy-farm`"."""
    httpd.conf.mutex.append(f"Mutex {mechanism.replace('RUN', str(httpd.root / 'run'))} proxy-farm")
    httpd.farm(*httpd.three(), "FarmSet retry=100ms")
    httpd.log.expect_broken()
    before = sysv_semaphores()
    httpd.start()
    busy(httpd)
    httpd.graceful()
    busy(httpd)
    assert {row["inflight"] for row in httpd.rows().values()} == {0}
    mine = sysv_semaphores() - before
    httpd.stop()
    # Others on this machine may make some too, so only those that vanish with this server count.
    wait.until(lambda: not (mine & sysv_semaphores()) or mechanism != "sysvsem", "the semaphores to be removed")


def sysv_semaphores():
    with open("/proc/sysvipc/sem", encoding="ascii") as table:
        return {line.split()[1] for line in table.readlines()[1:]}


def test_420_04_mutex_directive_knows_the_name(httpd):
    """Contract: the name `proxy-farm` is httpd's for our mutexes; another is an error of httpd's own."""
    httpd.farm(httpd.member("a"))
    httpd.conf.mutex.append("Mutex pthread proxy-farmer")
    assert httpd.configtest()[0] != 0
    httpd.conf.mutex[-1] = "Mutex pthread proxy-farm"
    assert httpd.configtest()[0] == 0


def murder(httpd, pids=None):
    """Kills, and waits for the deaths: until its sockets are closed, a child may still take a connection with it."""
    victims = set(pids or httpd.children())
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    wait.until(lambda: not victims & set(httpd.session()), "the killed children to be gone")


def survive(call):
    try:
        return call().status
    except OSError:
        return "lost"


@pytest.mark.both_mpms
def test_420_05_killed_children_leave_no_count(httpd):
    """Contract: "A child that dies … with requests in flight, leaves … within 2 s no count behind"."""
    a, b = httpd.three("a", "b")
    httpd.farm(a, (b, "maxinflight=4"))
    httpd.log.expect(KILLED)
    httpd.start()
    a.hold(), b.hold()
    with ThreadPoolExecutor(8) as pool:
        lost = [pool.submit(survive, lambda: httpd.get("/app/x")) for _ in range(8)]
        wait.until(lambda: a.active + b.active == 8, "8 requests in flight")
        assert sum(row["inflight"] for row in httpd.rows().values()) == 8
        murder(httpd)
        assert {f.result(wait.patiently(30)) for f in lost} == {"lost"}
        for name in "ab":
            httpd.wait_for_row(lambda row: row["inflight"] == 0, "no request in flight", member=name)
    a.always(answer()).release(), b.always(answer()).release()
    rows = httpd.rows()
    assert [(row["health"], row["errors"]) for row in rows.values()] == [("up", 0)] * 2
    assert {httpd.get("/app/x").status for _ in range(8)} == {200}


def test_420_06_other_children_keep_their_counts(httpd):
    """Design: "Requests in flight are counted in a ledger: per member and per process": only the dead one's go."""
    a = httpd.member("a").hold()
    httpd.farm(a)
    httpd.conf.mpm = httpd.mpm = "prefork"
    httpd.conf.mpm_lines = ["StartServers 6", *MPMS["prefork"][1:]]
    httpd.log.expect(KILLED)
    httpd.start()
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(survive, lambda: httpd.get("/app/x")) for _ in range(4)]
        a.wait_for_active(4)
        busy_children = [pid for pid in httpd.children() if is_connected_to(pid, a.port)]
        assert len(busy_children) == 4
        murder(httpd, busy_children[:1])
        httpd.wait_for_row(lambda row: row["inflight"] == 3, "three in flight")
        murder(httpd, busy_children[1:2])
        httpd.wait_for_row(lambda row: row["inflight"] == 2, "two in flight")
        a.always(answer()).release()
        assert sorted(str(f.result(wait.patiently(30))) for f in asked) == ["200", "200", "lost", "lost"]
    httpd.wait_for_row(lambda row: row["inflight"] == 0, "none in flight")


@pytest.mark.both_mpms
@pytest.mark.parametrize("locks", ["engine", "row"])
def test_420_07_killing_under_load(httpd, locks):
    """Contract: "kill -9 of a child every 2 s: requests in flight counted at the end, with no load (goal 0)"; "a mutex
    whose owner died is recovered and its row repaired"."""
    httpd.conf.add(f"FarmLocks {locks}")
    made = httpd.three()
    httpd.farm(*made, "FarmSet fall=2 retry=50ms")
    httpd.log.expect(KILLED)
    httpd.log.expect_broken()
    for member in made[:2]:
        member.script = [answer(), members.close_after_request, members.close_after_request] * 500
    httpd.start()
    over = threading.Event()

    def load():
        while not over.is_set():
            survive(lambda: httpd.get("/app/x"))

    with ThreadPoolExecutor(6) as pool:
        loads = [pool.submit(load) for _ in range(6)]
        try:
            for _ in range(8):
                seen = sum(m.count for m in made)
                wait.until(lambda: sum(m.count for m in made) > seen + 30, "the server to go on serving")
                murder(httpd, httpd.children()[:1])
        finally:
            over.set()
        for finished in loads:
            finished.result(wait.patiently(60))
    for member in made:
        member.script = []
    for name in "abc":
        httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight", member=name)
    for name in "abc":
        wait.until(lambda: httpd.get("/app/x").status == 200 and httpd.rows()[name]["health"] == "up", f"{name} up")


def test_420_08_trial_whose_process_dies(httpd):
    """Contract: "a trial whose process dies is over after `retry`"."""
    bad, good = httpd.three("bad", "good")
    httpd.farm((bad, "weight=1000"), good, "FarmAlgorithm roundrobin", "FarmSet fall=1 retry=300ms")
    httpd.log.expect(KILLED)
    httpd.log.expect_broken()
    bad.next(members.close_after_request).hold()
    httpd.start()
    over = threading.Event()

    def load():
        while not over.is_set():
            survive(lambda: httpd.get("/app/x"))

    with ThreadPoolExecutor(2) as pool:
        loads = [pool.submit(load) for _ in range(2)]
        try:
            wait.until(lambda: bad.active == 1, "the trial")
            bad.always(answer())
            murder(httpd, [pid for pid in httpd.children() if is_connected_to(pid, bad.port)])
            httpd.wait_for_row(lambda row: row["health"] == "up", "the next trial to succeed", member="bad")
        finally:
            bad.release()
            over.set()
        for finished in loads:
            finished.result(wait.patiently(60))


def test_420_09_killed_during_a_graceful_restart(httpd):
    """Contract: children of an older generation that die leave no count behind either."""
    a = httpd.member("a").hold()
    httpd.farm(a)
    httpd.log.expect(KILLED)
    httpd.start()
    with ThreadPoolExecutor(2) as pool:
        lost = pool.submit(survive, lambda: httpd.get("/app/x"))
        a.wait_for_active(1)
        old = [pid for pid in httpd.children() if is_connected_to(pid, a.port)]
        httpd.graceful()
        assert httpd.rows()["a"]["inflight"] == 1
        murder(httpd, old)
        assert lost.result(wait.patiently(30)) == "lost"
        httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight")


def test_420_10_more_locks_than_there_are(httpd):
    """Contract: "where it cannot give that many locks, the start stops with the numbers and the remedy"."""
    import resource
    a = httpd.member("a")
    httpd.conf.mutex.append(f"Mutex flock:{httpd.root}/run proxy-farm")
    httpd.farm(*[f"FarmMember {a.url}/{n} name=m{n}" for n in range(200)])
    # Each lock of this mechanism is an open file; too few of those stand for any mechanism's limit.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        status, said = httpd.try_start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert status != 0, said
    assert "FarmLocks" in said or "Mutex" in said, said
    assert any(str(n) in said for n in range(200, 300)), f"no number of locks in: {said}"
