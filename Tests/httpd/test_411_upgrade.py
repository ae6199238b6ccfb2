"""A new version of the module takes over at a graceful restart, with the layout of the tables that the old one has or with
another. `make other-versions` builds both kinds beside the module; `make upgrade-test` runs this with 200 upgrades."""

import os
import shutil
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from farmhttpd import manager, members, update, wait
from farmhttpd.env import FARM_MODULE
from farmhttpd.members import answer

UPGRADES = int(os.environ.get("FARM_UPGRADES", "10"))
VERSION, OTHER = "0.1.0", "0.0.9"
BUILDS = {"same": FARM_MODULE, "version": FARM_MODULE.parent / "other-version" / "mod_proxy_farm.so",
          "layout": FARM_MODULE.parent / "other-layout" / "mod_proxy_farm.so"}
TAKEN_OVER, NOT_TAKEN, ALONE = "FARM00030", "FARM00031", "FARM00034"


class Upgrades:
    """A server whose module's file is replaced."""

    def __init__(self, httpd):
        missing = [str(path) for path in BUILDS.values() if not path.exists()]
        assert not missing, f"run `make other-versions`: {missing}"
        self.httpd = httpd
        self.path = httpd.root / "mod_proxy_farm.so"
        httpd.conf.farm_module = self.path
        self.put("same")

    def put(self, build):
        """As `make install` does: a rename over the old file, so that its content is never another under who has it mapped."""
        fresh = self.path.with_suffix(".new")
        shutil.copy(BUILDS[build], fresh)
        fresh.rename(self.path)

    def upgrade(self, build):
        self.put(build)
        self.httpd.graceful()
        self.check(build)

    def module(self):
        return self.httpd.status()["module"]

    def check(self, build):
        """That the code that answers is the new one."""
        assert wait.until(self._version_of_new, "a new child")["version"] == (VERSION if build == "same" else OTHER)

    def _version_of_new(self):
        # Whoever accepted a connection before the restart may still answer one as the old version.
        return self.module()

    def maps(self):
        return Path(f"/proc/{self.httpd.process.pid}/maps").read_text().splitlines()

    def copies(self):
        """Which files of the module the parent has mapped."""
        return {line.split()[4] for line in self.maps() if "mod_proxy_farm" in line}

    def wait_until_alone(self):
        return wait.until(lambda: self.module()["old_processes"] == 0, "the last old process to end", 60)


@pytest.fixture
def upgrades(httpd):
    return Upgrades(httpd)


class Load:
    """Clients that ask all the time, each request on a connection of its own."""

    def __init__(self, httpd, threads=3):
        self.seen = Counter()
        self.httpd, self.threads, self.stopped = httpd, threads, threading.Event()

    def _ask(self):
        while not self.stopped.is_set():
            try:
                self.seen[self.httpd.get("/app/x").status] += 1
            except OSError as failure:
                self.seen[repr(failure)] += 1

    def __enter__(self):
        self.running = [threading.Thread(target=self._ask, daemon=True) for _ in range(self.threads)]
        for thread in self.running:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.running:
            thread.join(wait.patiently(30))


def administered(httpd):
    """A farm whose settings somebody has changed at run time."""
    httpd.log.expect(manager.CHANGES)
    a, b, c = httpd.three()
    httpd.farm(a, b, c, "FarmAlgorithm roundrobin")
    httpd.conf.handler("farm-manager").handler("farm-update")
    httpd.start()
    manager.change(httpd, "farm=app&member=b&admin=drain&by=ann&reason=disk")
    manager.change(httpd, "farm=app&member=c&weight=7")
    assert update.ask(httpd, "farm=app&member=c&cpu=0.25").status == 200
    return manager.kept(httpd)


@pytest.mark.parametrize("mpm", ["event", "worker", "prefork"], indirect=True)
@pytest.mark.parametrize("other", ["version", "layout"])
def test_411_01_many_upgrades_under_load(httpd, upgrades, other):
    """Contract: "A new version of the module takes over at a graceful restart": no request is lost, what was set at run time
    is kept, and the parent holds one copy of the code, however many there were."""
    settings = administered(httpd)
    sizes = []
    with Load(httpd) as load:
        for round_ in range(UPGRADES):
            upgrades.upgrade(other if round_ % 2 == 0 else "same")
            assert manager.kept(httpd) == settings
            assert httpd.rows()["c"]["metrics"] == {"cpu": 0.25}
            assert len(upgrades.copies()) == 1
            if round_ % 2 == 1 and round_ in (1, UPGRADES - 1):
                upgrades.wait_until_alone()
                sizes.append(len(upgrades.maps()))
    assert set(load.seen) == {200} and load.seen[200] > UPGRADES, load.seen
    assert sizes[-1] <= sizes[0] + 2, sizes
    assert len(httpd.log.lines(TAKEN_OVER)) == (UPGRADES if other == "layout" else 0)
    assert not httpd.log.lines(NOT_TAKEN)
    assert {httpd.get("/app/x").member for _ in range(12)} == {"a", "c"}


@pytest.mark.both_mpms
@pytest.mark.parametrize("other", ["version", "layout"])
def test_411_02_old_processes(httpd, upgrades, other):
    """Contract: "old children go on with the old code until they end … Until the last process of the old version has ended the
    status says "old_processes":N in module"."""
    a = httpd.member("a").hold()
    httpd.farm(a)
    httpd.conf.handler("farm-manager")
    httpd.start()
    assert upgrades.module()["old_processes"] == 0
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(httpd.get, "/app/old")
        a.wait_for_active(1)
        upgrades.upgrade(other)
        wait.until(lambda: upgrades.module()["old_processes"] == 1, "one old process to be left")
        # Tables of another layout know nothing of what the old process has in flight.
        assert httpd.rows()["a"]["inflight"] == (1 if other == "version" else 0)
        # The other forms of the status.
        forms = {form: httpd.get(f"/farm-status?format={form}").body.decode() for form in ("text", "openmetrics", "html")}
        assert "\nfarm_old_processes 1\n" in forms["openmetrics"]
        assert "module.old_processes: 1\n" in forms["text"] or "old_processes 1\n" in forms["text"], forms["text"][:400]
        assert "1 process of an earlier version" in httpd.get("/farm-status").body.decode()
        # Another restart, of the version that is there now: the old process is still one of an earlier version.
        second = pool.submit(httpd.get, "/app/new")
        a.wait_for_active(2)
        httpd.graceful()
        assert upgrades.module()["old_processes"] == 1
        # And another upgrade, while processes of two earlier versions live.
        upgrades.upgrade("same")
        wait.until(lambda: upgrades.module()["old_processes"] == 2, "two old processes to be left")
        assert not httpd.log.lines(ALONE)
        a.always(answer()).release()
        assert (first.result(wait.patiently(30)).member, second.result(wait.patiently(30)).member) == ("a", "a")
    upgrades.wait_until_alone()
    wait.until(lambda: httpd.log.lines(ALONE), "the log to say so")
    httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight")
    assert httpd.get("/app/x").status == 200


def test_411_03_an_old_process_that_is_killed(httpd, upgrades):
    """It is no longer counted, and what it held is nobody's."""
    a = httpd.member("a").hold()
    httpd.farm(a)
    httpd.start()
    httpd.log.expect(r"AH00052: child pid \d+ exit signal Killed", "proxy_farm")
    with ThreadPoolExecutor(1) as pool:
        lost = pool.submit(httpd.get, "/app/old")
        a.wait_for_active(1)
        before = set(httpd.children())
        upgrades.upgrade("layout")
        wait.until(lambda: upgrades.module()["old_processes"] == 1, "one old process to be left")
        (old,) = before & set(httpd.children())
        os.kill(old, 9)
        upgrades.wait_until_alone()
        assert lost.exception(wait.patiently(30)) is not None
    a.always(answer()).release()
    assert httpd.get("/app/x").status == 200


@pytest.mark.parametrize("mpm", ["event", "prefork"], indirect=True)
def test_411_04_counters_begin_anew_with_a_notice(httpd, upgrades):
    """Contract: "Where the layout of the tables differs, the old version hands over what FarmStateFile would keep … counters
    begin anew, with a notice"; where it is the same they are kept."""
    settings = administered(httpd)
    for _ in range(6):
        httpd.get("/app/x")
    upgrades.upgrade("version")
    assert sum(row["requests"] for row in httpd.rows().values()) == 6
    assert upgrades.module()["generation"] == 2 and not httpd.log.lines(TAKEN_OVER)
    upgrades.upgrade("layout")
    assert sum(row["requests"] for row in httpd.rows().values()) == 0
    assert upgrades.module()["generation"] == 1 and manager.kept(httpd) == settings
    (line,) = httpd.log.lines(TAKEN_OVER)
    assert "notice" in line and VERSION not in line.split("takes over from")[0].split("FARM00030")[0]
    # Back: the tables of the first version are not found again as they were left.
    httpd.get("/app/x")
    manager.change(httpd, "farm=app&member=b&admin=on&by=bob")
    settings = manager.kept(httpd)
    upgrades.upgrade("same")
    assert manager.kept(httpd) == settings and httpd.rows()["b"]["admin"] == "on"
    assert sum(row["requests"] for row in httpd.rows().values()) == 0


def test_411_05_the_state_file_goes_on(httpd, upgrades):
    """With FarmStateFile what is handed over is in the file, too; and the configuration's own new value wins, as ever."""
    a, b = httpd.three("a", "b")
    httpd.log.expect(manager.CHANGES)
    state = httpd.root / "state"
    httpd.conf.head.append(f'FarmStateFile "{state}"')
    httpd.farm(a, b)
    httpd.conf.handler("farm-manager")
    httpd.start()
    manager.change(httpd, "farm=app&member=a&admin=off&by=ann&reason=disk&weight=9")
    manager.change(httpd, "farm=app&member=b&weight=9")
    httpd.conf.farm("app", a, (b, "weight=4"))
    upgrades.upgrade("layout")
    rows = httpd.rows()
    assert manager.note(rows["a"]) == ("off", "ann", "disk") and (rows["a"]["weight"], rows["b"]["weight"]) == (9, 4)
    wait.until(lambda: b"member=a" in state.read_bytes() and b"weight=9" in state.read_bytes(), "the state file")
    httpd.stop()
    httpd.start()
    assert manager.note(httpd.rows()["a"]) == ("off", "ann", "disk")


@pytest.mark.parametrize("mpm", ["event", "prefork"], indirect=True)
@pytest.mark.parametrize("other", ["same", "version", "layout"])
def test_411_06_another_path(httpd, upgrades, other):
    """LoadModule with another path and a graceful restart, there and back."""
    settings = administered(httpd)
    beside = httpd.root / "elsewhere.so"
    shutil.copy(BUILDS[other], beside)
    with Load(httpd) as load:
        for path, build in ((beside, other), (upgrades.path, "same"), (beside, other)):
            httpd.conf.farm_module = path
            httpd.graceful()
            upgrades.check(build)
            assert manager.kept(httpd) == settings
            mapped = {line.split()[-1] for line in upgrades.maps() if ".so" in line and str(httpd.root) in line}
            assert mapped == {str(path)}
    assert set(load.seen) == {200}, load.seen


@pytest.mark.both_mpms
def test_411_07_a_hard_restart(httpd, upgrades):
    """The same at a hard restart, where no old process is left."""
    settings = administered(httpd)
    for build in ("layout", "version", "same"):
        upgrades.put(build)
        httpd.restart()
        upgrades.check(build)
        assert manager.kept(httpd) == settings and upgrades.module()["old_processes"] == 0


def test_411_08_a_time_without_farms(httpd, upgrades):
    """A configuration without a farm leaves nothing of its own: what the one before it left is there for the next."""
    settings = administered(httpd)
    farms, body = httpd.conf.farms, httpd.conf.body
    for build in ("layout", "same"):
        httpd.conf.farms, httpd.conf.body = {}, []
        upgrades.put(build)
        httpd.graceful()
        httpd.conf.farms, httpd.conf.body = farms, body
        httpd.graceful()
        upgrades.check(build)
        assert manager.kept(httpd) == settings
    wait.until(lambda: httpd.status()["module"]["old_processes"] == 0, "the old processes to end")


@pytest.mark.parametrize("mechanism", ["flock", "fcntl", "sysvsem", "posixsem"])
def test_411_09_locks_of_both(httpd, upgrades, mechanism):
    """The tables of the new layout have locks of their own, and those of the old ones are there as long as an old process is: it
    can still write its rows. Nothing is left behind of either."""
    kind = f"{mechanism}:{httpd.root / 'run'}" if mechanism in ("flock", "fcntl") else mechanism
    httpd.conf.mutex.append(f"Mutex {kind} proxy-farm")
    httpd.log.expect(manager.CHANGES)
    httpd.log.expect_broken()
    a, b = httpd.three("a", "b")
    a.hold()
    a.always(members.held(members.close_after_request))
    httpd.farm((a, "weight=1000"), b, "FarmAlgorithm roundrobin", "FarmSet retry=1h")
    httpd.conf.head.append("FarmLocks farm")
    httpd.conf.handler("farm-manager")
    httpd.start()
    with ThreadPoolExecutor(1) as pool:
        old = pool.submit(httpd.get, "/app/old")
        a.wait_for_active(1)
        for build in ("layout", "same", "layout"):
            upgrades.upgrade(build)
            manager.change(httpd, "farm=app&member=b&weight=5")
        # The old process writes its own row, under its own lock: the member fails there, and another one answers.
        a.release()
        assert old.result(wait.patiently(30)).member == "b"
    upgrades.wait_until_alone()
    wait.until(lambda: httpd.log.lines(ALONE), "the log to say so")
    assert httpd.rows()["a"]["health"] == "up" and httpd.rows()["b"]["weight"] == 5
    a.always(answer())
    assert httpd.get("/app/x").status == 200
