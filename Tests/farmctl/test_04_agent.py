"""farmctl agent: what it measures, that it goes on, and what ends it."""

import json
import signal
import socket
import time
from pathlib import Path

import pytest

from control import DATA, UNREACHABLE, USAGE
from farmhttpd import wait

EVERY = ["--interval", "100ms"]


def updates(farms):
    return farms.rows()["a"]["updates"]


def test_once(farms, ctl):
    """What it measures by itself: cpu and memory are parts, load is a processor's."""
    assert ctl.ok("agent", "app", "a", "--once", "--interval", "200ms").startswith("app a admin=on ")
    metrics = farms.rows()["a"]["metrics"]
    assert set(metrics) == {"cpu", "load", "memory"}
    assert 0 <= metrics["cpu"] <= 1 and 0 < metrics["memory"] < 1 and metrics["load"] >= 0
    assert json.loads(ctl.ok("agent", "app", "b", "--once", "--memory", "--json"))["member"] == "b"
    assert set(farms.rows()["b"]["metrics"]) == {"memory"}


def test_connections(farms, ctl):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
            ctl.ok("agent", "app", "a", "--once", "--connections", port)
    assert farms.rows()["a"]["metrics"] == {"connections": 2}


def test_commands(farms, ctl):
    ctl.ok("agent", "app", "a", "--once", "--command", "queue=echo 12", "--command", "rate=echo 0.5; echo more")
    assert farms.rows()["a"]["metrics"] == {"queue": 12, "rate": 0.5}
    for command, says in (("echo many", "wrote 'many', which is no number"), ("exit 3", "ended with status 3"),
                          ("no-such-program 2>/dev/null", "ended with status 127"), ("kill -9 $$", "ended by signal 9")):
        assert says in ctl.fails(DATA, "agent", "app", "a", "--once", "--command", f"queue={command}")
    assert "took too long" in ctl.fails(DATA, "agent", "app", "a", "--once", "--command", "q=sleep 60", "--command-timeout", "100ms")
    assert farms.rows()["a"]["updates"] == 1


def test_health_command(farms, ctl):
    farms.log.expect("FARM00107|FARM00108")
    ctl.ok("agent", "app", "a", "--once", "--health-command", "false")
    assert farms.rows()["a"]["health"] == "down"
    ctl.ok("agent", "app", "a", "--once", "--health-command", "true")
    assert farms.rows()["a"]["health"] == "up"


def test_health_goes_by_rise_and_fall(farms, ctl):
    """A file says whether the member works; the agent tells a change after so many checks, and keeps telling."""
    farms.log.expect("FARM00107|FARM00108")
    works = farms.root / "works"
    works.touch()
    with ctl.beside("agent", "app", "a", *EVERY, "--health-command", f"test -e {works}", "--rise", "2", "--fall", "3") as agent:
        agent.wait_for("app/a: pushing to ")
        works.unlink()
        farms.wait_for_row(lambda row: row["health"] == "down", "the member to go down")
        works.touch()
        farms.wait_for_row(lambda row: row["health"] == "up", "the member to come up")
        assert agent.process.poll() is None


def test_it_outlives_restarts(farms, ctl):
    """Neither a restart nor a stop of httpd ends it; SIGTERM does."""
    with ctl.beside("agent", "app", "a", *EVERY, "--memory", "--timeout", "2s") as agent:
        agent.wait_for("app/a: pushing to ")
        wait.until(lambda: updates(farms) > 2, "updates")
        farms.graceful()
        before = updates(farms)
        wait.until(lambda: updates(farms) > before, "updates after the graceful restart")
        farms.stop()
        agent.wait_for("connection refused")
        farms.start()
        agent.wait_for("app/a: all is well again")
        wait.until(lambda: updates(farms) > 0, "updates after the stop")
        assert agent.process.poll() is None
        agent.process.send_signal(signal.SIGTERM)
        assert agent.end() == -signal.SIGTERM


def test_it_waits_for_a_server_that_is_not_there_yet(farms, ctl):
    farms.stop()
    with ctl.beside("agent", "app", "a", *EVERY, "--memory") as agent:
        agent.wait_for("connection refused")
        farms.start()
        wait.until(lambda: updates(farms) > 0, "an update")
        assert agent.process.poll() is None


def test_a_fault_is_told_once(farms, ctl):
    """What cannot be measured is left out, and told when it begins and when it is over."""
    number = farms.root / "number"
    with ctl.beside("agent", "app", "a", *EVERY, "--memory", "--command", f"n=cat {number} 2>/dev/null") as agent:
        agent.wait_for("n: the command ended with status 1")
        before = updates(farms)
        wait.until(lambda: updates(farms) > before + 2, "updates without it")
        assert set(farms.rows()["a"]["metrics"]) == {"memory"}
        number.write_text("5\n")
        farms.wait_for_row(lambda row: row["metrics"].get("n") == 5, "the metric")
        agent.wait_for("app/a: all is well again")
        assert sum("status 1" in line for line in agent.lines) == 1


def test_nothing_is_left_of_a_command(farms, ctl):
    """What took too long is ended with all that it has started."""
    mark = f"{time.time_ns() % 10**9}.25"
    ctl.fails(DATA, "agent", "app", "a", "--once", "--command", f"q=sleep {mark} & sleep {mark}", "--command-timeout", "200ms")

    def alive():
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                found += [path] if mark.encode() in path.read_bytes() else []
            except OSError:
                pass
        return found
    wait.until(lambda: not alive(), "the commands to end")


@pytest.mark.parametrize("status, arguments, says", [
    (DATA, ["app", "z", "--memory"], "farm app has no member 'z'"),
    (DATA, ["web", "a", "--memory"], "there are the farms app, gold"),
    (USAGE, ["a b", "a", "--memory"], "a farm's name has"),
    (USAGE, ["app", "a", "--interval", "0"], "--interval takes a time"),
    (USAGE, ["app", "a", "--command", "queue"], "--command takes NAME=COMMAND"),
    (USAGE, ["app", "a", "--cpu", "--command", "cpu=echo 1"], "has this name already"),
    (USAGE, ["app", "a", "--memory", "--fall", "0"], "--rise and --fall take numbers from 1 on"),
    (USAGE, ["app", "a", "--memory", "--command-timeout", "x"], "--command-timeout takes a time"),
])
@pytest.mark.parametrize("once", [[], ["--once"]], ids=["agent", "once"])
def test_bad_input(ctl, status, arguments, says, once):
    assert says in ctl.fails(status, "agent", *arguments, *once)


@pytest.mark.parametrize("arguments", [["app"], ["app", "a", "--connections", "70000"], ["app", "a", "--rise", "x"]])
def test_wrong_command_lines(ctl, arguments):
    done = ctl.run("agent", *arguments)
    assert (done.returncode, done.stdout) == (USAGE, "") and done.stderr.startswith("Error: ")


def test_once_needs_a_server(farms, ctl):
    farms.stop()
    assert "connection refused" in ctl.fails(UNREACHABLE, "agent", "app", "a", "--memory", "--once")
