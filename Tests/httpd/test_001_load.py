"""The module loads, in any order and company, and leaves a server that does not use it alone."""

import os
import re
import signal
import subprocess

import pytest

from farmhttpd import wait
from farmhttpd.conf import BALANCER_MODULES


@pytest.mark.both_mpms
def test_001_01_loads_without_mod_proxy_balancer(httpd):
    """Contract: "with or without mod_proxy_balancer loaded"."""
    httpd.farm(*httpd.three())
    status, said = httpd.configtest()
    assert status == 0 and "Syntax OK" in said, said
    httpd.start()
    assert httpd.get("/app/x").status == 200


@pytest.mark.both_mpms
def test_001_02_loads_with_mod_proxy_balancer(httpd):
    """Contract: "with or without mod_proxy_balancer loaded"."""
    httpd.conf.load(*BALANCER_MODULES)
    httpd.farm(*httpd.three())
    assert httpd.configtest()[0] == 0
    httpd.start()
    assert httpd.get("/app/x").status == 200


def test_001_03_no_farm_at_all(httpd):
    """Contract: "Any other URL is left alone": a server that loads the module and has no farm works as before."""
    a = httpd.member("a")
    httpd.conf.proxy("/plain/", f"{a.url}/")
    httpd.start()
    assert httpd.get("/plain/x").member == "a"
    assert httpd.status()["farms"] == []


def test_001_04_module_loaded_before_mod_proxy(httpd):
    """Design: "loads, forks and reloads like any C module"; LoadModule lines come in no particular order."""
    a = httpd.member("a")
    httpd.farm(a)
    lines = httpd.conf.lines()
    ours = next(line for line in lines if "proxy_farm_module" in line)
    lines.remove(ours)
    lines.insert(next(n for n, line in enumerate(lines) if "proxy_module" in line), ours)
    httpd.conf.lines = lambda: lines
    status, said = httpd.configtest()
    if status == 0:
        httpd.start()
        assert httpd.get("/app/x").member == "a"
    else:
        # A refusal is right only when it says what to load first, or names the symbol that mod_proxy brings.
        assert "mod_proxy" in said or re.search(r"undefined symbol: \w*proxy_", said), said


def test_001_05_farm_without_members_warns(httpd):
    """Contract: "without members it is `down` and configtest warns"."""
    httpd.conf.farm("empty")
    httpd.conf.proxy("/empty/", "http://empty/")
    status, said = httpd.configtest()
    assert status == 0, said
    assert f"{httpd.conf_path}" in said and "empty" in said and "no members" in said and "FarmMember" in said, said
    httpd.log.expect(r"\[proxy_farm:(warn|error)\].*empty")
    httpd.start()
    assert httpd.get("/empty/x").status == 503
    assert httpd.farm_status("empty")["condition"] == "down"


def test_001_06_member_host_that_does_not_resolve(httpd):
    """Contract: "one that does not resolve makes the member `down`, not the start fail"."""
    a = httpd.member("a")
    httpd.log.expect(r"proxy_farm|AH00898|DNS lookup|AH00547|AH01059")
    httpd.farm("FarmMember http://nosuchhost.invalid:8080 name=lost", a, "FarmAlgorithm roundrobin")
    assert httpd.configtest()[0] == 0
    httpd.start()
    assert [httpd.get(f"/app/{n}").member for n in range(4)] == ["a"] * 4
    assert httpd.rows()["lost"]["health"] == "down"


def test_001_07_daemon_mode(httpd):
    """Design: httpd forks to become a daemon after the first pass; state must be made in the process that stays."""
    a = httpd.member("a")
    httpd.farm(a)
    httpd.conf.write(httpd.conf_path)
    pid_file = httpd.root / "run" / "httpd.pid"

    def run(*arguments):
        # What it says goes into a file: a pipe would not end before the daemon does, which valgrind, where the server runs
        # under it, lets keep it.
        with open(httpd.root / "logs" / "stderr.log", "ab") as said:
            return subprocess.run(httpd._command(*arguments), env=httpd.environment, timeout=wait.patiently(60), stdout=said,
                                  stderr=said).returncode

    assert run("-k", "start") == 0, httpd.stderr
    wait.until(lambda: httpd.log.starts() == 1 and pid_file.exists(), "httpd to come up")
    pid = int(pid_file.read_text())
    try:
        assert httpd.get("/app/x").member == "a"
        assert httpd.rows()["a"]["requests"] == 1
        assert run("-k", "graceful") == 0, httpd.stderr
        wait.until(lambda: httpd.log.starts() == 2, "httpd to restart")
        assert httpd.get("/app/x").member == "a"
        assert httpd.rows()["a"]["requests"] == 2
    finally:
        os.kill(pid, signal.SIGTERM)
        wait.until(lambda: not pid_file.exists(), "httpd to stop")
    assert httpd.log.unexpected() == []
    wait.until(lambda: list((httpd.root / "run").iterdir()) == [], "an empty folder of run-time files")


@pytest.mark.both_mpms
def test_001_08_one_process_debug_mode(httpd):
    """Design: the instruction count is taken "on `apache2 -X`", so that mode must work too."""
    a = httpd.member("a")
    httpd.farm(a)
    httpd.start("-X")
    with httpd.client() as client:
        assert [client.request(f"/app/{n}").member for n in range(3)] == ["a"] * 3
    assert httpd.rows()["a"]["inflight"] == 0
    if httpd.mpm == "event":
        # Without the module too, one time in sixty: mpm_event frees its queue's pools while a worker gives one back.
        httpd.may_end_with.add(-signal.SIGSEGV)
    # In this mode httpd itself leaves its pid file.
    httpd.stop()
    (httpd.root / "run" / "httpd.pid").unlink()
