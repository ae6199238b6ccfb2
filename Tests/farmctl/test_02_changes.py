"""on, drain, off, up, down, weight, push and balance: what they change, and what they refuse."""

import json
import threading

import pytest

from control import DATA, DONE, ENDED, NO, TIME_UP, USAGE
from farmhttpd import client, wait

EXPECTED = r"FARM00107|FARM00108"


def test_on_drain_off(farms, ctl):
    """The admin state, with who and why and until when; several at once; the farm itself."""
    said = ctl.ok("drain", "app/a", "--reason", "new kernel, ü", "--by", "ann", "--until", "2h")
    assert said.startswith("app a admin=drain ")
    row = farms.rows()["a"]
    assert (row["admin"], row["admin_by"], row["admin_reason"]) == ("drain", "ann", "new kernel, ü") and row["admin_until"]
    assert ctl.ok("off", "app/a", "app/b", "gold").splitlines()[2] == "gold admin=off condition=offline"
    assert [farms.rows()[name]["admin"] for name in "abc"] == ["off", "off", "on"]
    assert farms.farm_status("gold")["admin"] == "off"
    said = json.loads(ctl.ok("on", "app/a", "--json"))
    assert (said["farm"], said["member"], said["admin"], said["weight"]) == ("app", "a", "on", 1)
    assert farms.rows()["a"]["admin_by"] is not None


def test_up_down_weight(farms, ctl):
    farms.log.expect(EXPECTED)
    assert " health=down " in ctl.ok("down", "app/a")
    assert farms.rows()["a"]["health"] == "down"
    assert " health=up " in ctl.ok("up", "app/a")
    assert ctl.ok("weight", "app/a", "7").endswith(" weight=7\n")
    assert farms.rows()["a"]["weight"] == 7


def test_push(farms, ctl):
    said = ctl.ok("push", "app", "a", "cpu=0.42", "db_conns=57")
    assert said.startswith("app a admin=on health=up fresh=in available=yes ")
    assert farms.rows()["a"]["metrics"] == {"cpu": 0.42, "db_conns": 57}
    assert json.loads(ctl.ok("push", "app", "a", "--json"))["member"] == "a"
    assert farms.rows()["a"]["updates"] == 2


def test_push_of_who_calls(farms, ctl):
    """Without a member it is the one at the caller's address."""
    assert ctl.ok("push", "gold", "cpu=1").startswith("gold g ")


def test_balance(farms, ctl):
    member = farms.members[3]
    assert ctl.ok("balance", "gold").strip().rstrip("/") == member.url
    lines = ctl.ok("balance", "app", "gold").splitlines()
    assert [line.split()[0] for line in lines] == ["app", "gold"]
    ctl.ok("off", "gold")
    assert ctl.ok("balance", "gold", status=NO) == "offline\n"
    assert ctl.ok("balance", "app", "gold", status=NO).splitlines()[1] == "gold offline"
    assert json.loads(ctl.ok("balance", "gold", "--json", status=NO)) == {"farm": "gold", "url": None, "condition": "offline"}


@pytest.mark.parametrize("status, arguments, says", [
    (DATA, ["off", "app/a", "--until", "yesterday"], "--until takes a time such as"),
    (DATA, ["off", "app/a", "--until", "2020-01-01T00:00:00Z"], "--until takes a time to come"),
    (DATA, ["drain", "app/a", "--by", "x" * 64], "--by takes at most 63 bytes"),
    (DATA, ["on", "app/a", "--reason", "a\nb"], "--reason takes UTF-8 text without control characters"),
    (DATA, ["weight", "app/a", "0"], "weight= takes a number from 1 to 1000, not '0'"),
    (DATA, ["weight", "app/a", "many"], "not 'many'"),
    (USAGE, ["weight", "app", "3"], "write app/MEMBER"),
    (USAGE, ["up", "app"], "write app/MEMBER"),
    (USAGE, ["down", "a b/c"], "a farm's name has"),
    (USAGE, ["off", "app/"], "a member's name has"),
    (DATA, ["push", "app", "a", "cpu=hot"], "cpu= takes a finite decimal number such as 0.42, not 'hot'"),
    (DATA, ["push", "app", "a", "cpu=1", "cpu=2"], "cpu= stands twice; write it once"),
    (DATA, ["push", "app", "a", "health=well"], "health= takes up or down"),
    (USAGE, ["push", "app", "a", "cpu"], "write NAME=NUMBER"),
    (USAGE, ["balance", "app/a"], "balance takes farms"),
    (DATA, ["off", "app/zzz"], "farm app has no member 'zzz'"),
    (DATA, ["off", "golf"], "did you mean 'gold'?"),
    (DATA, ["push", "app", "aa"], "its members are a, b, c"),
    (DATA, ["push", "nope", "a"], "there are the farms app, gold"),
    (DATA, ["balance", "nope"], "there are the farms app, gold"),
    (USAGE, ["drain", "app/a", "--wait", "--timeout-wait", "0"], "--timeout-wait takes a time"),
])
def test_bad_input(farms, ctl, status, arguments, says):
    """Each says what is wrong and what to write instead, and nothing changes."""
    assert says in ctl.fails(status, *arguments)
    assert {row["admin"] for row in farms.rows().values()} == {"on"}
    assert {row["updates"] for row in farms.rows().values()} == {0}


@pytest.mark.parametrize("arguments", [
    ["off"], ["off", "app/a", "--why", "x"], ["drain", "app/a", "--timeout-wait", "5s"], ["drain", "app/a", "--requests-only"],
    ["weight", "app/a"], ["up"], ["push"], ["balance"], ["dance"], ["on", "app/a", "--until", "2h"],
])
def test_wrong_command_lines(ctl, arguments):
    done = ctl.run(*arguments)
    assert (done.returncode, done.stdout) == (USAGE, "") and done.stderr.startswith("Error: "), done


def test_what_was_not_changed_is_said(farms, ctl):
    done = ctl.run("off", "app/a", "app/nope", "app/b")
    assert done.returncode == DATA and done.stderr.rstrip().endswith("not changed: app/nope, app/b")
    assert [farms.rows()[name]["admin"] for name in "ab"] == ["off", "on"]


# -- drain --wait --------------------------------------------------------------------------------------------


def hold(farms, member):
    """A request that the member of gold does not answer before it is released."""
    member.hold()
    thread = threading.Thread(target=lambda: client.request(farms.port, "/gold/x"), daemon=True)
    thread.start()
    farms.wait_for_row(lambda row: row["inflight"] == 1, "a request in flight", "g", "gold")
    return thread


def test_drain_waits_for_requests(farms, ctl):
    member = farms.members[3]
    thread = hold(farms, member)
    with ctl.beside("drain", "gold/g", "--wait") as drain:
        drain.wait_for("gold/g: 1 of 1 requests in flight, 0 of 0 clients tied")
        assert drain.process.poll() is None
        member.release()
        assert drain.end() == DONE
        assert drain.lines[-1].startswith("gold/g: empty after ")
    thread.join(20)


def test_drain_waits_for_clients(farms, ctl):
    """Clients that are tied by a cookie are waited for, but with --requests-only."""
    secret = farms.root / "keys"
    secret.write_text("k1:a-key-of-a-test-that-is-no-secret\n")
    secret.chmod(0o600)
    farms.conf.head.append(f"FarmSecretFile {secret}")
    farms.conf.farms["gold"].append("FarmSticky cookie")
    farms.conf.farms["gold"].append("FarmSet stickyttl=1h")
    farms.stop()
    farms.start()
    farms.get("/gold/x")
    assert ctl.ok("drain", "gold/g", "--wait", "--requests-only").splitlines()[-1].startswith("gold/g: no request in flight")
    done = ctl.run("drain", "gold/g", "--wait", "--timeout-wait", "300ms")
    assert done.returncode == TIME_UP and "0 of 0 requests in flight, 1 of 1 clients tied; it goes on draining" in done.stderr


def test_drain_time_is_up(farms, ctl):
    member = farms.members[3]
    thread = hold(farms, member)
    done = ctl.run("drain", "gold/g", "--wait", "--timeout-wait", "300ms")
    assert done.returncode == TIME_UP and "still 1 of 1 requests in flight" in done.stderr
    assert farms.rows("gold")["g"]["admin"] == "drain"
    member.release()
    thread.join(20)


def test_drain_is_ended_by_somebody(farms, ctl):
    member = farms.members[3]
    thread = hold(farms, member)
    with ctl.beside("drain", "gold/g", "--wait", "--json") as drain:
        drain.wait_for('{"waiting":"gold/g","inflight":1,"clients":0}')
        ctl.ok("on", "gold/g")
        assert drain.end() == ENDED
        assert "somebody has ended the drain" in drain.lines[-1]
    member.release()
    thread.join(20)


def test_drain_of_a_farm_on_a_terminal(farms, ctl):
    """The line with the bar is written over, and taken away at the end."""
    member = farms.members[3]
    thread = hold(farms, member)
    with ctl.on_terminal("drain", "gold", "--wait") as terminal:
        terminal.wait_for("[....................] gold: 1 of 1 requests in flight, 0 of 0 clients tied")
        terminal.wait_for("\r[")
        member.release()
        terminal.wait_for("\r\x1b[Kgold: empty after ")
        assert terminal.end() == DONE
    thread.join(20)


def test_drain_outlives_a_restart(farms, ctl):
    """httpd restarts meanwhile: it is asked again, and admin states and counts are there as before."""
    member = farms.members[3]
    thread = hold(farms, member)
    with ctl.beside("drain", "gold/g", "--wait") as drain:
        drain.wait_for("1 of 1 requests in flight")
        farms.graceful()
        wait.until(lambda: drain.process.poll() is None and farms.rows("gold")["g"]["inflight"] == 1, "the request to go on")
        member.release()
        assert drain.end() == DONE
    thread.join(20)
