"""What the log tells of farms without anybody's asking: conditions, refusals, members that no longer report."""

import re

import pytest

from farmhttpd import client, outcomes, wait
from farmhttpd.fallback import kept_busy, wait_for_line
from farmhttpd.manager import change
from farmhttpd.update import push


def watched(httpd, pattern, count=1):
    """The same as wait_for_line while somebody looks at the status, which is one way of looking at a farm."""
    def look():
        httpd.status()
        found = httpd.log.lines(pattern)
        return len(found) >= count and found
    return wait.until(look, f"{pattern} in the error log")


@pytest.mark.both_mpms
def test_441_01_down_and_ok_again(httpd):
    """Contract: "A condition that has held for a second is told by one log line when it changes (`farm app is down: 2 of 2
    members down` / `ok again after 43 s`)"; "exactly one process writes each line"."""
    httpd.farm(*httpd.three("a", "b"))
    httpd.conf.handler("farm-update")
    httpd.log.expect("FARM00012", "FARM00144")
    httpd.start()
    push(httpd, "farm=app&member=a&health=down&member=b&health=down")
    refused = 0

    def asked():
        nonlocal refused
        refused += httpd.get("/app/x").status == 503
        return httpd.log.lines("FARM00140")
    line, = wait.until(asked, "the farm to be down for a second, with requests")
    assert "farm app is down: 2 of 2 members down" in line, line
    push(httpd, "farm=app&member=a&health=up&member=b&health=up")
    line, = wait.until(lambda: httpd.get("/app/x").status == 200 and httpd.log.lines("FARM00143"), "ok again")
    assert re.search(r"farm app is ok again after \d+(\.\d)? s; \d+ requests refused$", line), line
    assert outcomes.settled(httpd)["app"]["refused"] == refused
    for _ in range(20):
        httpd.get("/app/x")
    assert [len(httpd.log.lines(f"FARM0014{n}")) for n in (0, 3)] == [1, 1]


def test_441_02_offline_says_who(httpd):
    """Contract: "Lines say … who set it"."""
    httpd.farm(*httpd.three("a", "b"))
    httpd.conf.handler("farm-manager").handler("farm-update")
    httpd.start()
    for name in "ab":
        change(httpd, f"farm=app&member={name}&admin=off&by=ann&reason=kernel+{name}")
    line, = watched(httpd, "FARM00142")
    assert "farm app is offline: 2 of 2 members administratively off, set by ann: kernel" in line, line
    for name in "ab":
        change(httpd, f"farm=app&member={name}&admin=on&by=ann")
    watched(httpd, "FARM00143")
    change(httpd, "farm=app&admin=drain&by=bob")
    line = watched(httpd, "FARM00142", 2)[-1]
    assert "farm app is offline: the farm itself is administratively drain, set by bob" in line, line


def test_441_03_full(httpd):
    """Contract: "`full` at most once in 10 s and farm, with its length and the number refused"."""
    a = httpd.member("a")
    httpd.farm((a, "maxinflight=1"))
    httpd.log.expect("FARM00012", "FARM00144")
    httpd.start()
    with kept_busy(httpd, a, "/app/x"):
        line, = wait.until(lambda: httpd.get("/app/x").status == 503 and httpd.log.lines("FARM00141"), "full to be told")
        assert re.search(r"farm app is full, for 1(\.\d)? s: its available member is at its maxinflight; \d+ requests refused$",
                         line), line
    watched(httpd, "FARM00143.*farm app is ok again after")


def test_441_04_refusals_once_a_second(httpd):
    """Contract: "refusals are told at most once a second and farm, with a count": all of them together, and none twice."""
    httpd.farm((httpd.member("a"), "admin=off"))
    httpd.log.expect("FARM00012", "FARM00144")
    httpd.start()

    def some():
        return [httpd.get("/app/x").status for _ in range(25)]
    assert {status for statuses in client.at_once(8, some) for status in statuses} == {503}

    def told():
        httpd.status()
        lines = httpd.log.lines("FARM00012|FARM00144")
        counts = [re.search(r"\((\d+) requests refused since|: (\d+) more request", line) for line in lines]
        return sum(int(found[1] or found[2]) if found else 1 for found in counts)
    wait.until(lambda: told() == 200, "every refusal to be told of")
    assert len(httpd.log.lines("FARM00012")) < 100
    assert "farm app cannot serve /app/x: it is administratively offline" in httpd.log.lines("FARM00012")[0]


@pytest.mark.both_mpms
def test_441_05_reports(httpd):
    """Contract: "so is a member's going out (within 15 s) and reporting again": without any request, by the parent alone; and
    the refusal says why."""
    a, b = httpd.three("a", "b")
    httpd.farm(a, b, "FarmExpectUpdate 1s")
    httpd.conf.handler("farm-update")
    httpd.log.expect("FARM00012")
    httpd.start()
    push(httpd, "farm=app&member=a&cpu=1")
    line, = wait_for_line(httpd, "FARM00145.*member a")
    assert re.search(r"farm app: member a is out: it has not reported for \d+(\.\d)? s \(FarmExpectUpdate 1 s\)$", line), line
    line, = wait_for_line(httpd, "FARM00145.*member b")
    assert line.endswith("member b is out: it has never reported (FarmExpectUpdate 1 s)"), line
    assert httpd.get("/app/x").status == 503
    line, = wait_for_line(httpd, "FARM00012")
    assert "it is down: no member reports (FarmExpectUpdate)" in line, line
    push(httpd, "farm=app&member=a&cpu=1")
    line, = wait_for_line(httpd, "FARM00146")
    assert line.endswith("farm app: member a reports again"), line
