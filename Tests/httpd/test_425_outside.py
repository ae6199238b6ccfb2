"""Children that may not use the farms: one that comes too late ends, one that has no locks refuses."""

import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from farmhttpd import manager, modules, update, wait

LATE, NO_LOCKS = "FARM00119", "FARM00009"
KILLED = r"AH00052: child pid \d+ exit signal Killed"


@pytest.fixture(scope="module")
def slow_child(tmp_path_factory):
    """A module by which a test says when new children go on."""
    return modules.build("slow_child", tmp_path_factory.mktemp("slow_child"))


def pids(httpd, pattern):
    return {int(re.search(r"\[pid (\d+)", line)[1]) for line in httpd.log.lines(pattern)}


def wait_for_slow(httpd, known):
    """The children that have been forked since and have not come further."""
    wait.until(lambda: pids(httpd, "a slow child waits") - known, "a slow child")
    return pids(httpd, "a slow child waits") - known


@pytest.mark.both_mpms
def test_425_01_two_configurations_late(httpd, slow_child):
    """A child that two restarts have overtaken knows rows that the next may give to others: it ends before it serves anybody,
    and no request is lost by that."""
    file = httpd.root / "run" / "slow"
    a = httpd.member("a")
    httpd.farm(a)
    httpd.conf.head += [f"LoadModule slow_child_module {slow_child}", f'SlowChild "{file}"']
    httpd.conf.mpm_lines = ["StartServers 1", *httpd.conf.mpm_lines[1:]]
    httpd.start()
    assert httpd.get("/app/x").status == 200
    file.touch()
    slow = []
    for _ in range(3):
        known = set().union(*slow)
        httpd.graceful()
        slow.append(wait_for_slow(httpd, known))
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(lambda: httpd.get("/app/x").status) for _ in range(8)]
        file.unlink()
        assert {one.result(60) for one in asked} == {200}
    # Perhaps not only that of the first restart: httpd may fork another child just before the next one.
    wait.until(lambda: slow[0] <= pids(httpd, LATE), "the late child to say so")
    wait.until(lambda: not pids(httpd, LATE) & set(httpd.children()), "the late child to end")
    assert {httpd.get("/app/x").status for _ in range(20)} == {200}
    assert httpd.status()["module"]["generation"] == 4
    httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight")


def test_425_02_without_locks(httpd):
    """A child that cannot open the locks has no slot, and so nobody knows which rows it knows: requests, updates and changes get
    503."""
    httpd.conf.mutex.append(f"Mutex flock:{httpd.root / 'run'} proxy-farm")
    httpd.farm(httpd.member("a")).conf.handler("farm-update").handler("farm-manager")
    httpd.conf.one_process()
    httpd.start()
    assert update.ask(httpd, "farm=app&member=a&cpu=1").status == 200
    files = list((httpd.root / "run").glob("proxy-farm*"))
    assert files
    for file in files:
        file.unlink()
    httpd.log.expect(KILLED, NO_LOCKS, manager.NOBODY)
    for pid in httpd.children():
        os.kill(pid, signal.SIGKILL)
    wait.until(lambda: httpd.log.lines(NO_LOCKS), "a child that has no locks")
    before = httpd.rows()["a"]
    told = update.ask(httpd, "farm=app&member=a&cpu=2&health=down")
    assert told.status == 503 and all(word in told.body.decode() for word in (NO_LOCKS, "nothing was stored"))
    told = httpd.get(manager.PATH, method="POST", headers=dict([update.FORM, manager.HEADER]),
                     body=b"farm=app&member=a&admin=off")
    assert told.status == 503 and all(word in told.body.decode() for word in (NO_LOCKS, "nothing was changed"))
    assert httpd.get("/app/x").status == 503
    after = httpd.rows()["a"]
    for key in ("admin", "health", "metrics", "updates", "requests"):
        assert after[key] == before[key], key
    httpd.stop()
    httpd.start()
    assert httpd.get("/app/x").status == 200
    assert update.ask(httpd, "farm=app&member=a&cpu=2").status == 200


@pytest.mark.both_mpms
def test_425_03_a_folder_that_user_cannot_enter(httpd):
    """Every child is without locks where they are files in a folder that User cannot enter. A farm with FarmForward to a server
    is served by that server, one that forwards to a farm or has nothing to fall back to by 503, and no child dies of it."""
    assert os.geteuid() == 0, "the children must be another user's"
    folder = httpd.root / "run" / "locks"
    folder.mkdir(mode=0o700)
    a, elsewhere = httpd.member("a"), httpd.member("elsewhere")
    httpd.conf.mutex.append(f"Mutex flock:{folder} proxy-farm")
    httpd.farm(a, f"FarmForward any {elsewhere.url}", name="served")
    httpd.farm((a, ""), name="plain")
    httpd.farm((a, ""), "FarmForward down http://plain", name="chained")
    httpd.conf.handler("farm-update").handler("farm-balance")
    httpd.log.expect(NO_LOCKS, manager.NOBODY, "FARM00013")
    httpd.start()
    wait.until(lambda: httpd.log.lines(NO_LOCKS), "children that have no locks")
    children = set(httpd.children())
    for _ in range(6):
        told = httpd.get("/served/x")
        assert (told.status, told.member) == (200, "elsewhere")
        assert httpd.get("/plain/x").status == 503 and httpd.get("/chained/x").status == 503
        # By the caller's address too, for which names are looked up.
        assert update.ask(httpd, "farm=plain&cpu=1").status == 503
        httpd.get("/farm-balance?farm=plain")
    assert httpd.status()["farms"] and a.count == 0
    assert children <= set(httpd.children()), "none has died"
    folder.rmdir() if not list(folder.iterdir()) else None
    httpd.stop()
    for left in folder.iterdir():
        left.unlink()
    folder.rmdir()
