"""FarmStateFile: what administrators, monitors and members said survives a full stop and start."""

import os
import signal
import stat
import threading

import pytest

from farmhttpd import client, members, wait
from farmhttpd.manager import (NOBODY, NOTE, PASSED, STATE_IGNORED, STATE_NOT_WRITTEN, change, farm_of, has_passed,
                               kept, moment, note, state_file, who_serves)
from farmhttpd.update import VERDICT, check_shares_told, push, shares
from test_420_locks import KILLED

A = "farm=app&member=a"
RESTARTS = ["stop", "graceful-stop"]


def managed(httpd, *names, lines=(), options=()):
    farm_of(httpd, *names, lines=lines, options=options)
    httpd.conf.handler("farm-update")
    httpd.log.expect(VERDICT)
    return state_file(httpd)


def again(httpd, how=signal.SIGTERM):
    """A full stop and start."""
    assert httpd.stop(how) == 0
    wait.until(lambda: not httpd.session(), "the last child to end")
    httpd.start()


def kill_all(httpd):
    """kill -9 of the parent first, then of what it leaves."""
    httpd.process.send_signal(signal.SIGKILL)
    httpd.process.wait(10)
    for pid in httpd.session():
        os.kill(pid, signal.SIGKILL)
    wait.until(lambda: not httpd.session(), "the children to be gone")
    # Its segments have nobody left to remove them, and its pid file tells the next start of it.
    httpd.segments.clear()
    httpd.log.expect("AH00098", KILLED)


def check_file(path):
    """The file is the owner's alone, and alone in its folder."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and path.is_file()
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    text = path.read_bytes()
    assert text.endswith(b"\n") and text.count(b"\n") > 1
    text.decode("utf-8")
    return text


@pytest.mark.both_mpms
@pytest.mark.parametrize("how", RESTARTS)
def test_830_01_everything_survives(httpd, how):
    """Contract: "admin states, manual health, weights and metrics survive a full stop and start": admin with by, reason,
    since and until, the farms' own too; "0600"; no temporary file is left."""
    path = managed(httpd, lines=["FarmAlgorithm load"])
    httpd.farm(*httpd.three("x", "y"), name="other")
    httpd.log.expect(NOBODY)
    httpd.start()
    change(httpd, f"{A}&admin=off&by=ann&reason=new+kernel,+%22then%22+back+%5C+%F0%9F%9A%9C&until=5h&weight=3")
    change(httpd, "farm=app&member=b&admin=drain&health=down")
    change(httpd, "farm=app&member=c&admin=on&by=cid&reason=%3D%26%3B%23")
    change(httpd, "farm=other&admin=drain&by=J%C3%B6rg&reason=move&until=2099-01-02T03:04:05Z")
    change(httpd, "farm=other&member=y&weight=1000")
    push(httpd, f"{A}&cpu=0.25&db.conns=-3&member=c&cpu=12345678901234567890&farm=other&member=x&mem=1e-300&health=down")
    before, told = kept(httpd), httpd.status()
    again(httpd, signal.SIGTERM if how == "stop" else signal.SIGWINCH)
    assert kept(httpd) == before
    check_file(path)
    for farm in told["farms"]:
        rows = httpd.rows(farm["name"])
        for row in farm["members"]:
            assert rows[row["name"]]["metrics"] == row["metrics"] and rows[row["name"]]["load"] == row["load"]
    assert moment(httpd.farm_status("other")["admin_until"]) == moment("2099-01-02T03:04:05Z")
    # And it is what requests go by, not only what is shown.
    assert who_serves(httpd, 24) == {"c"}
    assert httpd.get("/other/x").status == 503
    row = httpd.rows()["a"]
    assert (row["requests"], row["errors"], row["inflight"]) == (0, 0, 0)
    # Once more, with nothing changed in between.
    again(httpd)
    assert kept(httpd) == before
    assert httpd.log.lines(f"{STATE_IGNORED}|{STATE_NOT_WRITTEN}") == []


def test_830_02_shares_survive(httpd):
    """Contract: metrics survive: the loads are those that the traffic follows, and metrics left out later keep their
    values."""
    managed(httpd, "a", "b", lines=["FarmAlgorithm load"])
    httpd.start()
    push(httpd, f"{A}&cpu=0&mem=0&member=b&cpu=10&mem=10")
    again(httpd)
    check_shares_told(shares(httpd, "app", "a", "b"), {"a": 0.75, "b": 0.25})
    assert push(httpd, "farm=app&member=b&cpu=20")[0].load == 15


def test_830_03_failures_do_not_survive(httpd):
    """Contract: "*manual* health" survives; what failures said is for trials to find out anew, and is not remembered."""
    path = managed(httpd, "a", "b", lines=["FarmSet fall=1 retry=1h"])
    a = httpd.members[0]
    httpd.log.expect_broken()
    httpd.start()
    a.always(members.close_on_accept)
    wait.until(lambda: httpd.get("/app/x").status == 200 and httpd.rows()["a"]["health"] == "down", "a to be down")
    a.always(members.answer())
    again(httpd)
    row = httpd.rows()["a"]
    assert (row["health"], row["health_by"], row["available"]) == ("up", None, True)
    check_file(path)


def test_830_04_without_a_file(httpd):
    """Contract: FarmStateFile: default none: then nothing survives, and nothing is written."""
    farm_of(httpd)
    httpd.start()
    change(httpd, f"{A}&admin=off&by=ann&health=down&weight=7"), change(httpd, "farm=app&admin=drain")
    again(httpd)
    row = httpd.rows()["a"]
    assert (*note(row), row["health"], row["weight"]) == ("on", None, None, "up", 1)
    assert httpd.farm_status()["admin"] == "on"
    assert {entry.name for entry in httpd.root.iterdir()} == {"run", "logs", "htdocs", "httpd.conf"}


def test_830_05_configuration_wins_when_it_changed(httpd):
    """Contract: "A configured value that differs from what was configured when the file was written wins over the run-time
    one": each value for itself."""
    managed(httpd, "a", "b", options=["weight=2", "admin=off"])
    a, b = httpd.members
    httpd.start()
    change(httpd, f"{A}&admin=drain&by=ann&reason=why&until=5h&weight=9")
    change(httpd, "farm=app&member=b&admin=on&by=bob&weight=8")
    before = httpd.rows()

    def start_with(*options):
        httpd.stop()
        httpd.conf.farm("app", *zip((a, b), options))
        httpd.start()
        rows = httpd.rows()
        return [({key: row[key] for key in NOTE}, row["weight"]) for row in rows.values()]

    ann, bob = ({key: row[key] for key in NOTE} for row in before.values())
    assert start_with("weight=2 admin=on", "admin=off weight=1") == [(ann, 9), (bob, 8)]
    assert start_with("weight=3", "admin=off") == [(ann, 3), (bob, 8)]
    (first, weight), second = start_with("weight=3 admin=off", "admin=off weight=4")
    assert (*note(first), first["admin_until"], weight) == ("off", None, None, None, 3)
    assert second == (bob, 4)
    # What went back to what it had been is a change again.
    assert [(one["admin"], one["admin_by"], weight) for one, weight in start_with("weight=2", "")] == [
        ("on", None, 2), ("on", None, 1)]


def test_830_06_until_passed_meanwhile(httpd):
    """Contract: until "then returns to `on` by itself": also when its time comes while the server is stopped; one that has
    not come holds, and comes."""
    managed(httpd)
    httpd.start()
    change(httpd, "farm=app&member=b&admin=drain&until=4s"), change(httpd, "farm=app&member=c&admin=off&until=2h")
    change(httpd, f"{A}&admin=off&by=ann&until=1s"), change(httpd, "farm=app&admin=off&until=1s")
    rows, farm_until = httpd.rows(), httpd.farm_status()["admin_until"]
    assert httpd.stop() == 0
    latest = max(moment(text) for text in (rows["a"]["admin_until"], farm_until))
    wait.until(lambda: has_passed(latest), "until to pass")
    httpd.start()
    seen, farm = httpd.rows(), httpd.farm_status()
    assert (seen["a"]["admin"], seen["a"]["admin_until"], seen["a"]["available"]) == ("on", None, True)
    assert (farm["admin"], farm["admin_until"]) == ("on", None)
    assert {key: seen["c"][key] for key in NOTE} == {key: rows["c"][key] for key in NOTE}
    wait.until(lambda: [row["admin"] for row in httpd.rows().values()] == ["on", "on", "off"], "the other until to pass")
    assert who_serves(httpd, 24) == {"a", "b"}
    wait.until(lambda: any("member b" in line for line in httpd.log.lines(PASSED)), "the log to tell of it")


def test_830_07_written_soon_and_survives_a_murder(httpd):
    """Contract: "Written … within 15 s of a change": so a server whose parent is killed with -9 starts with what it knew;
    "0600, temporary file, fsync, rename": no other file is left."""
    path = managed(httpd)
    httpd.start()
    change(httpd, f"{A}&admin=off&by=ann&reason=first+of+all&weight=5"), change(httpd, "farm=app&member=b&health=down")
    push(httpd, "farm=app&member=c&cpu=0.5")
    wait.until(lambda: path.exists() and b"first" in path.read_bytes(), "the change to be written", 20)
    check_file(path)
    inode, before = path.stat().st_ino, kept(httpd)
    kill_all(httpd)
    httpd.start()
    assert kept(httpd) == before and httpd.rows()["c"]["metrics"] == {"cpu": 0.5}
    change(httpd, f"{A}&admin=drain&by=bob&reason=second")
    httpd.graceful()
    wait.until(lambda: b"second" in path.read_bytes(), "the next change to be written", 20)
    check_file(path)
    assert path.stat().st_ino != inode, "written in place"
    assert httpd.log.lines(STATE_IGNORED) == []


@pytest.mark.parametrize("how", ["graceful", "restart"])
def test_830_08_written_at_restarts(httpd, how):
    """Contract: "Written … at every stop and restart"; "read once, at a full start": what became of the file meanwhile is
    neither read nor believed. What is not the module's is kept beside it."""
    path = managed(httpd)
    aside = path.with_name(path.name + ".bad")
    httpd.start()
    for number in range(2):
        change(httpd, f"{A}&admin=off&by=ann&reason=number{number}")
        before = kept(httpd)
        getattr(httpd, how)()
        wait.until(lambda: path.exists() and f"number{number}".encode() in path.read_bytes(), "the change to be written", 5)
        if number:
            assert aside.read_text() == "somebody else's text\n"
            aside.unlink()
        check_file(path)
        assert kept(httpd) == before
        path.write_text("somebody else's text\n")
    getattr(httpd, how)()
    assert kept(httpd) == before
    change(httpd, f"{A}&admin=drain&by=bob&reason=last")
    again(httpd)
    assert note(httpd.rows()["a"]) == ("drain", "bob", "last")
    assert httpd.log.lines(STATE_IGNORED) == []


@pytest.mark.both_mpms
def test_830_09_children_never_write(httpd):
    """Contract: "Written by the parent alone": while it is stopped, nobody writes, whatever children do and though they
    come to their end; when it goes on, it writes."""
    path = managed(httpd)
    httpd.conf.mpm_lines.append("MaxConnectionsPerChild 40")
    httpd.start()
    httpd.wait_for_children(2)
    path.unlink(missing_ok=True)

    def use_up():
        try:
            client.raw(httpd.port, b"GET /app/x HTTP/1.0\r\n\r\n", timeout=0.5)
        except OSError:
            pass

    httpd.process.send_signal(signal.SIGSTOP)
    try:
        change(httpd, f"{A}&admin=off&by=ann&reason=why")
        push(httpd, "farm=app&member=b&cpu=1&health=down")
        wait.until(lambda: not httpd.session() or use_up(), "all children to have served enough")
        assert list(path.parent.iterdir()) == []
    finally:
        httpd.process.send_signal(signal.SIGCONT)
    wait.until(lambda: httpd.session(), "new children")
    assert httpd.stop() == 0
    assert b"why" in check_file(path)


def test_830_10_who_went_away(httpd):
    """Contract: states are kept "of the members that still exist, by farm and member name": a member, and a farm, that the
    configuration no longer has is dropped from the file and begins anew when it comes back."""
    path = managed(httpd, "a", "goner")
    httpd.farm(httpd.member("z"), name="lost")
    httpd.start()
    change(httpd, "farm=app&member=goner&admin=off&weight=7&by=ann"), change(httpd, f"{A}&admin=drain&by=bob")
    change(httpd, "farm=lost&admin=drain&by=cid"), change(httpd, "farm=lost&member=z&health=down")
    push(httpd, "farm=app&member=goner&cpu=1")
    httpd.stop()
    assert b"goner" in path.read_bytes() and b"lost" in path.read_bytes()
    farms = dict(httpd.conf.farms)
    httpd.conf.farms = {"app": farms["app"][:1]}
    httpd.start()
    assert note(httpd.rows()["a"]) == ("drain", "bob", None)
    httpd.stop()
    assert b"goner" not in path.read_bytes() and b"lost" not in check_file(path)
    httpd.conf.farms = farms
    httpd.start()
    row = httpd.rows()["goner"]
    assert (*note(row), row["weight"], row["metrics"]) == ("on", None, None, 1, {})
    assert (httpd.farm_status("lost")["admin"], httpd.rows("lost")["z"]["health"]) == ("on", "up")
    assert note(httpd.rows()["a"]) == ("drain", "bob", None)


def test_830_11_order_and_company(httpd):
    """Contract: "by farm and member name": in another order, among newcomers, far more of them, under a new URL."""
    managed(httpd, "a", "b")
    a, b = httpd.members
    httpd.start()
    change(httpd, f"{A}&admin=off&by=ann"), change(httpd, "farm=app&member=b&weight=6"), push(httpd, f"{A}&cpu=3")
    httpd.stop()
    httpd.conf.farms = {"early": [f"FarmMember {a.url} name=a"],
                        "app": [f"FarmMember {a.url}/{n} name=m{n}" for n in range(100)]
                        + [f"FarmMember {b.url} name=b", f"FarmMember {b.url}/x name=a"]}
    httpd.start()
    rows = httpd.rows()
    assert (note(rows["a"]), rows["a"]["metrics"]) == (("off", "ann", None), {"cpu": 3})
    assert (rows["b"]["weight"], rows["b"]["admin"]) == (6, "on")
    assert {(note(rows[f"m{n}"]), rows[f"m{n}"]["weight"], rows[f"m{n}"]["load"]) for n in range(100)} == {
        (("on", None, None), 1, None)}
    early = httpd.rows("early")["a"]
    assert (note(early), early["metrics"]) == (("on", None, None), {})


def test_830_12_half_written(httpd):
    """Contract: "temporary file, fsync, rename": killed in the middle of writing, the server finds the last whole state, not
    half of one."""
    path = managed(httpd, "a")
    a = httpd.members[0]
    httpd.conf.farm("app", *[f"FarmMember {a.url}/{n} name=m{n}" for n in range(150)])
    httpd.conf.one_process()
    httpd.start()
    last = 1
    for attempt in range(3):
        weight, text = last + 1, "r" * 180
        for n in range(0, 150):
            change(httpd, f"farm=app&member=m{n}&weight={weight}&admin=on&reason={text}")
        httpd.process.send_signal(signal.SIGUSR1)
        threading.Event().wait(0.002 * attempt)
        kill_all(httpd)
        httpd.start()
        weights = {row["weight"] for row in httpd.rows().values()}
        assert weights in ({last}, {weight}), weights
        last = weights.pop()
        assert httpd.log.lines(STATE_IGNORED) == []
    httpd.stop()
    check_file(path)


def test_830_13_configtest_leaves_it_alone(httpd):
    """Contract: the file is "written by the parent alone … read once, at a full start": `apachectl configtest`
    does neither."""
    path = managed(httpd)
    httpd.start()
    change(httpd, f"{A}&admin=off&by=ann")
    httpd.stop()
    before = path.read_bytes(), path.stat().st_ino
    assert httpd.configtest()[0] == 0
    assert (path.read_bytes(), path.stat().st_ino) == before
    path.write_text("somebody else's text\n")
    status, said = httpd.configtest()
    assert status == 0 and STATE_IGNORED not in said, said
    assert path.read_text() == "somebody else's text\n"
