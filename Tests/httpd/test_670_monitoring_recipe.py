"""docs/monitoring.md gives commands that are true: each is taken out of it and run, by a real shell with a real curl."""

import datetime
import json
import re

import pytest

from farmhttpd import members, recipes, wait
from farmhttpd.badconf import check_accepted
from farmhttpd.members import answer, by
from farmhttpd.update import VERDICT

SICK = answer("503 Service Unavailable")


def checked_farm(httpd, *lines):
    """Members a and b of a farm whose health the document's loop decides."""
    a, b = httpd.three("a", "b")
    httpd.farm(a, b, "FarmAlgorithm roundrobin", *lines)
    httpd.conf.handler("farm-update")
    httpd.log.expect(VERDICT)
    return a, b


def only_check_fails(member):
    """It serves as before; only who asks how it is gets a bad answer."""
    return member.always(by(lambda request: SICK if request.target == recipes.HEALTH else answer()))


def checks(member):
    return member.targets.count(recipes.HEALTH)


def served(member):
    """Requests of clients that it had."""
    return member.count - checks(member)


def wait_for(httpd, health, by_whom=None, member="a"):
    return httpd.wait_for_row(lambda row: (row["health"], row["health_by"]) == (health, by_whom), f"{member} to be {health}",
                              member)


def test_670_01_only_the_check_fails(httpd):
    """Contract: health is set "by a monitor (stays until the monitor says otherwise)". A member whose check fails goes down
    though its ordinary requests succeed, gets none, and comes back with its check."""
    a, b = checked_farm(httpd)
    httpd.start()
    assert {httpd.get("/app/x").member for _ in range(4)} == {"a", "b"}
    with recipes.running(httpd, a, b):
        wait.until(lambda: all(row["updates"] for row in httpd.rows().values()), "the first verdicts")
        only_check_fails(a)
        assert httpd.rows()["a"]["errors"] == 0
        row = wait_for(httpd, "down", "monitor")
        rows = httpd.rows()
        assert (rows["a"]["admin"], rows["a"]["available"], rows["a"]["errors"]) == ("on", False, 0), row
        assert (rows["b"]["health"], rows["b"]["available"]) == ("up", True)
        before = served(a)
        assert {httpd.get("/app/y").member for _ in range(10)} == {"b"}
        assert served(a) == before
        a.always(answer())
        wait_for(httpd, "up")
        assert {httpd.get("/app/z").member for _ in range(4)} == {"a", "b"}
    assert len(httpd.log.lines("FARM00107")) == 1 and len(httpd.log.lines("FARM00108")) == 1, httpd.log.lines("FARM")


def test_670_02_failures_in_a_row(httpd):
    """The document: "A member goes down after FALL failed checks in a row", not after fewer, nor by ones between good
    checks."""
    a, b = checked_farm(httpd)
    httpd.start()
    with recipes.running(httpd, a, b, FALL="3"):
        for _ in range(3):
            seen = checks(a)
            a.next(SICK, SICK, answer())
            wait.until(lambda: checks(a) >= seen + 5, "the checks that follow")
        assert httpd.rows()["a"]["updates"] and not httpd.log.lines(VERDICT)
        a.next(SICK, SICK, SICK)
        wait.until(lambda: httpd.log.lines(VERDICT), "a to go down")
    assert not httpd.log.lines("member b is down")


@pytest.mark.parametrize("how", ["refuses", "hangs"])
def test_670_03_member_that_stops(httpd, how):
    """The document: "a failed check is no answer within TIMEOUT seconds": a member that is stopped goes down without any
    request to it, and comes back."""
    a, b = checked_farm(httpd)
    httpd.start()
    with recipes.running(httpd, a, b, TIMEOUT="1"):
        wait.until(lambda: checks(a) >= 2, "checks")
        if how == "refuses":
            a.refuse()
        else:
            a.always(members.never)
        wait_for(httpd, "down", "monitor")
        assert {httpd.get("/app/x").status for _ in range(4)} == {200}
        assert httpd.rows()["a"]["errors"] == 0
        if how == "refuses":
            a.start()
        else:
            a.always(answer())
        wait_for(httpd, "up")
        wait.until(lambda: httpd.get("/app/x").member == "a", "a to serve again")


def test_670_04_balancer_starts_anew(httpd):
    """The document: "a balancer that was started anew hears of it"."""
    a, b = checked_farm(httpd)
    httpd.start()
    only_check_fails(a)
    with recipes.running(httpd, a, b, AGAIN="3"):
        wait_for(httpd, "down", "monitor")
        assert httpd.stop() == 0
        seen = checks(a), checks(b)
        wait.until(lambda: checks(a) > seen[0] + 2 and checks(b) > seen[1] + 2, "the loop to go on without a balancer")
        httpd.start()
        wait_for(httpd, "down", "monitor")
        httpd.wait_for_row(lambda row: row["updates"] and row["health"] == "up", "b to be told up", "b")
        a.always(answer())
        wait_for(httpd, "up")


def test_670_05_way_back_without_trials(httpd):
    """The document: "It brings a member back before `retry` has passed"."""
    a, b = checked_farm(httpd, "FarmSet retry=1h")
    httpd.log.expect_refused()
    httpd.start()
    a.refuse()
    wait.until(lambda: httpd.get("/app/x", method="POST").status == 200 and httpd.rows()["a"]["health_by"] == "failures",
               "a to go down")
    a.start()
    assert {httpd.get("/app/y", method="POST").member for _ in range(10)} == {"b"}
    with recipes.running(httpd, a, b):
        wait_for(httpd, "up")
    assert {httpd.get("/app/z", method="POST").member for _ in range(4)} == {"a", "b"}


def test_670_06_without_settings(httpd):
    """Without what it needs, the loop ends and says what is missing."""
    for missing in ("FARM_UPDATE", "FARM", "MEMBERS"):
        settings = {"FARM_UPDATE": "http://127.0.0.1:1/", "FARM": "app", "MEMBERS": "a=http://127.0.0.1:1/"}
        del settings[missing]
        status, _, complaint = recipes.shell(recipes.the_loop(), **settings)
        assert status != 0 and missing in complaint, complaint


def test_670_07_line_of_a_crontab(httpd):
    """The line for cron says what the check found."""
    a, _ = checked_farm(httpd)
    httpd.start()
    line, = recipes.blocks("crontab")
    command = line.removeprefix("* * * * * ").replace("http://10.0.0.11:8080", a.url).replace("member=app1", "member=a")
    command = command.replace("http://127.0.0.1/", recipes.url(httpd, "/"))
    assert command.count(a.url) == 1 and command.count(recipes.url(httpd, "/")) == 1 and "%" not in command
    only_check_fails(a)
    for _ in range(2):
        assert recipes.shell(command) == (0, "", "")
        assert httpd.rows()["a"]["health_by"] == "monitor"
    a.always(answer())
    assert recipes.shell(command) == (0, "", "")
    assert httpd.rows()["a"]["health"] == "up"


def managed_farm(httpd):
    a = httpd.member("app1")
    b = httpd.member("app2")
    httpd.farm(a, b)
    httpd.conf.handler("farm-manager")
    httpd.log.expect(VERDICT)
    return a, b


def test_670_08_every_change(httpd):
    """Contract: "`POST {farm-manager}` with `farm`, `member` (or none, for the farm itself), and `admin=on|drain|off` with
    `by=`, `reason=` and `until=` if wanted, `health=up|down` or `weight=N`. 200 with `ok …`", as the document writes it."""
    managed_farm(httpd)
    httpd.start()
    lines = recipes.one_liners("FARM_MANAGER")
    said = []
    for line in lines:
        status, answered, complaint = recipes.shell(line, FARM_MANAGER=recipes.url(httpd, "/farm-manager"))
        assert (status, complaint) == (0, ""), (line, complaint)
        farm = httpd.farm_status()
        row = httpd.rows()["app1"] if "member=app1" in line else farm
        changed = dict(re.findall(r"-d (admin|weight|health|by)=(\S+)", line))
        said += changed.items()
        for key, value in changed.items():
            assert str(row["admin_by" if key == "by" else key]) == value, (line, row)
            if key != "by":
                assert f" {key}={value}" in answered, (line, answered)
        assert answered.startswith("ok app app1 " if "member=app1" in line else "ok app admin="), answered
        assert answered.count("\n") == 1
        assert row["admin_reason"] == ("new disk" if "reason" in line else None) or "admin" not in changed
        assert (row["admin_until"] is not None) == ("until" in line) or "admin" not in changed
        if "tomorrow" in line:
            until = datetime.datetime.fromisoformat(row["admin_until"].replace("Z", "+00:00")).astimezone()
            assert (until.hour, until.minute) == (6, 0)
    assert set(said) >= {("admin", "drain"), ("admin", "off"), ("admin", "on"), ("weight", "5"), ("health", "down"),
                         ("health", "up"), ("by", "ann")}
    assert httpd.farm_status()["condition"] == "ok"


def test_670_09_without_the_header(httpd):
    """The document: "Without the header the answer is 403. With `-f` curl ends with status 22"; and nothing changes."""
    managed_farm(httpd)
    httpd.start()
    before = httpd.rows()
    for line in recipes.one_liners("FARM_MANAGER"):
        bare = line.replace("-H 'X-Farm-Manager: 1' ", "")
        assert bare != line
        status, answered, complaint = recipes.shell(bare, FARM_MANAGER=recipes.url(httpd, "/farm-manager"))
        assert status == 22 and answered == "" and "403" in complaint, (bare, status, answered, complaint)
    assert httpd.rows() == before


def test_670_10_every_question(httpd):
    """The lines that read the status say who is not available, and whether every farm is ok."""
    a, b = httpd.three("a", "b")
    httpd.farm((a, "admin=off"), b)
    httpd.conf.handler("farm-update")
    httpd.log.expect(VERDICT)
    httpd.start()
    asked = dict(FARM_STATUS=recipes.url(httpd, httpd.conf.status_location))
    lines = recipes.one_liners("FARM_STATUS")
    listing = [line for line in lines if "available" in line]
    judging = [line for line in lines if "condition" in line]
    assert len(listing) == len(judging) == 2 and len(lines) == 4
    assert [recipes.shell(line, **asked) for line in listing] == [(0, "a off up in\n", "")] * 2
    assert [recipes.shell(line, **asked)[0] for line in judging] == [0, 0]
    assert httpd.get("/farm-update?farm=app&member=b&health=down").status == 200
    assert [recipes.shell(line, **asked) for line in listing] == [(0, "a off up in\nb on down in\n", "")] * 2
    assert [recipes.shell(line, **asked)[0] for line in judging] == [1, 1]
    assert json.loads(recipes.shell('curl -fsS "$FARM_STATUS?format=json"', **asked)[1])["farms"][0]["condition"] == "down"


def test_670_11_configuration(httpd):
    """The document's configuration is accepted as it stands."""
    for block in recipes.blocks("apache"):
        check_accepted(httpd, block)
