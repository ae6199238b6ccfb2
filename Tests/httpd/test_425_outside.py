"""Children that may not use the farms: one that comes too late ends, one that has no locks refuses."""

import os
import re
import shlex
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from farmhttpd import manager, update, wait

LATE, NO_LOCKS = "FARM00119", "FARM00009"
KILLED = r"AH00052: child pid \d+ exit signal Killed"
SOURCE = Path(__file__).parent / "slow_child" / "mod_slow_child.c"


@pytest.fixture(scope="module")
def slow_child(tmp_path_factory):
    """A module by which a test says when new children go on."""
    def flags(*names):
        return [word for name in names for word in
                shlex.split(subprocess.run(["apxs", "-q", name], check=True, capture_output=True, text=True).stdout)]

    built = tmp_path_factory.mktemp("slow_child") / "mod_slow_child.so"
    folders = [f"-I{folder}" for folder in flags("INCLUDEDIR", "APR_INCLUDEDIR", "APU_INCLUDEDIR")]
    subprocess.run(["gcc", "-shared", "-fPIC", "-std=gnu11", "-Wall", "-Wextra", "-Werror", *flags("CFLAGS", "EXTRA_CPPFLAGS"),
                    *folders, "-o", str(built), str(SOURCE)], check=True)
    return built


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
