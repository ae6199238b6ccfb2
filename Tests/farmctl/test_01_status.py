"""farmctl status: the table, JSON, the live picture, the monitoring plugin."""

import json
import re
import signal

from control import CRITICAL, DATA, DONE, NO, UNKNOWN, USAGE, Control


def test_table(farms, ctl):
    """Each farm with its members, in the order of the configuration, and what the server says of them."""
    for _ in range(3):
        farms.get("/app/x")
    lines = ctl.ok("status").splitlines()
    assert lines[0].split("  ")[:3] == ["app", "ok", "adaptive"]
    assert lines[1].split()[:5] == ["MEMBER", "ADMIN", "HEALTH", "FRESH", "SHARE"]
    assert [line.split()[0] for line in lines[2:5]] == ["a", "b", "c"]
    assert lines[6].startswith("gold  ok") and lines[8].split()[:5] == ["g", "on", "up", "in", "100%"]


def test_parts(ctl):
    assert "gold" not in ctl.ok("status", "app")
    assert [line.split()[0] for line in ctl.ok("status", "APP/b").splitlines()[2:]] == ["b"]


def test_json_is_the_servers(farms, ctl):
    said = json.loads(ctl.ok("status", "--json"))
    assert [farm["name"] for farm in said["farms"]] == [farm["name"] for farm in farms.status()["farms"]]
    one, = json.loads(ctl.ok("status", "app/b", "--json"))["farms"]
    assert [member["name"] for member in one["members"]] == ["b"]


def test_sort(ctl):
    ctl.ok("push", "app", "b", "load=9")
    ctl.ok("push", "app", "c", "load=3")
    members = [line.split()[0] for line in ctl.ok("status", "app", "--sort", "load").splitlines()[2:]]
    assert members == ["b", "c", "a"]


def test_check(farms, ctl):
    """0 all is well, 1 a member is missing, 2 a farm is not ok, 3 nobody says: one line on standard output."""
    assert ctl.ok("status", "--check") == "OK: 2 farms, 4 members, all available\n"
    ctl.ok("off", "app/b")
    assert ctl.ok("status", "--check", status=NO) == "WARNING: not available: app/b (admin off)\n"
    assert ctl.ok("status", "gold", "--check").startswith("OK: 1 farm, 1 member")
    ctl.ok("off", "gold")
    assert ctl.ok("status", "--check", status=CRITICAL).startswith("CRITICAL: gold is offline; not available: app/b")
    assert json.loads(ctl.ok("status", "--check", "--json", status=CRITICAL))["status"] == CRITICAL
    farms.stop()
    assert ctl.ok("status", "--check", status=UNKNOWN).startswith("UNKNOWN: http://127.0.0.1:")


def test_unknown_names(ctl):
    assert "there are the farms app, gold" in ctl.fails(DATA, "status", "production")
    assert "did you mean 'gold'?" in ctl.fails(DATA, "status", "glod")
    assert "farm app has no member 'z'; its members are a, b, c" in ctl.fails(DATA, "status", "app/z")


def test_bad_input(ctl):
    assert "a farm's name has 1 to 63" in ctl.fails(USAGE, "status", "a b")
    assert "--interval takes a time" in ctl.fails(USAGE, "status", "--watch", "--interval", "soon")
    for arguments in (["--sort", "size"], ["--rounds", "2"], ["--check", "--watch"], ["--watch", "--rounds", "0"], ["--wtch"]):
        done = ctl.run("status", *arguments)
        assert (done.returncode, done.stdout) == (USAGE, "") and done.stderr.startswith("Error: "), done


def test_watch_on_a_terminal(farms, ctl):
    """Each picture takes the place of the one before; a change is seen, a restart is waited for, and Ctrl-C ends it."""
    with ctl.on_terminal("status", "--watch", "--interval", "100ms") as terminal:
        terminal.wait_for("\x1b[H")
        picture = terminal.wait_for("\x1b[J")
        assert "MEMBER" in picture and "gold" in picture and "\x1b[K" in picture
        ctl.ok("drain", "app/c", "--reason", "new disk", "--by", "ann")
        terminal.wait_for("drain by ann")
        farms.stop()
        terminal.wait_for("connection refused")
        farms.start()
        terminal.wait_for("gold")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() == -signal.SIGINT


def test_watch_fits_the_window(ctl):
    with ctl.on_terminal("status", "--watch", "--rounds", "1") as terminal:
        assert terminal.end() == DONE
        bare = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", terminal.said)
        assert all(len(line) <= 100 for line in bare.splitlines())


def test_watch_in_a_pipe(ctl):
    said = ctl.ok("status", "--watch", "--rounds", "2", "--interval", "50ms")
    assert "\x1b" not in said and said.count("MEMBER") == 4
    said = ctl.ok("status", "--watch", "--rounds", "2", "--interval", "50ms", "--json")
    assert [json.loads(line)["module"]["generation"] for line in said.splitlines()] == [1, 1]


def test_colour_only_on_terminals(ctl):
    assert "\x1b" not in ctl.ok("status")
    with ctl.on_terminal("status") as terminal:
        assert terminal.end() == DONE and "\x1b[32mup\x1b[0m" in terminal.said
    with ctl.on_terminal("status", NO_COLOR="1") as terminal:
        assert terminal.end() == DONE and "\x1b" not in terminal.said


def test_a_server_without_farms(httpd):
    httpd.start()
    ctl = Control(httpd.port)
    assert ctl.ok("status") == "no farm is configured\n"
    assert "no farm is configured" in ctl.fails(DATA, "status", "app")
