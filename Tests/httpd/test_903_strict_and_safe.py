"""Instructions whose member cannot serve: `strict` never goes to another one, `safe` does."""

from contextlib import contextmanager, nullcontext

import pytest

from farmhttpd import members, wait
from farmhttpd.fallback import kept_busy, log_line
from farmhttpd.instructions import ask, check_not_tied, check_tied, counting, instructed, instruction, served
from farmhttpd.manager import NOBODY, change
from farmhttpd.members import answer

A = "farm=app&member=a"
STRICT = {"member": "a", "mode": "strict"}
CAUSES = {
    "admin of the member": ("offline", "", f"{A}&admin=off"), "admin of the farm": ("offline", "", "farm=app&admin=off"),
    "off and down": ("offline", "", f"{A}&admin=off&health=down"), "down": ("down", "", f"{A}&health=down"),
    "draining and down": ("down", "", f"{A}&admin=drain&health=down"), "out": ("down", "FarmExpectUpdate 100ms", None),
    "full": ("full", "", None),
}


@contextmanager
def cause(httpd, name):
    """Starts the server; in the block a cannot serve, for that cause."""
    condition, _, text = CAUSES[name]
    httpd.log.expect(NOBODY)
    httpd.start()
    if text:
        change(httpd, text)
    elif name == "out":
        httpd.wait_for_row(lambda row: row["fresh"] == "out", "a to be out")
    with kept_busy(httpd, httpd.members[0], "/app/held") if name == "full" else nullcontext():
        yield condition


def farm_for(httpd, name, *lines):
    """a is at its limit with one request: the others of the farm are of a higher tier, so that the first goes to a."""
    full = name == "full"
    return instructed(httpd, lines=[CAUSES[name][1], *lines],
                      options=["maxinflight=1", "tier=1", "tier=1"] if full else [])


@pytest.mark.parametrize("name", CAUSES)
def test_903_01_strict_503(httpd, name):
    """Contract: "`strict`: never another: the farm's FarmRedirect/FarmForward for the member's own condition, else 503"."""
    a, b, c = farm_for(httpd, name)
    with cause(httpd, name), counting(httpd, accepted=3):
        before = a.count, b.count, c.count
        assert [ask(httpd, instruction(**STRICT), "/app/strict").status for _ in range(3)] == [503] * 3
        assert (a.count, b.count, c.count) == before
    assert {line[0] for line in httpd.access("/app/strict", 3)} == {"503"}


@pytest.mark.parametrize("name", CAUSES)
def test_903_02_strict_redirect(httpd, name):
    """Contract: the FarmRedirect "for the member's own condition", whatever the farm's own is: others are served by others,
    and so are those who say `safe`."""
    farm_for(httpd, name,
             *(f"FarmRedirect {condition} http://{condition}.test/ 307" for condition in ("offline", "down", "full")))
    with cause(httpd, name) as condition:
        response = ask(httpd, instruction(**STRICT))
        assert (response.status, response.get("Location")) == (307, f"http://{condition}.test/")
        if name not in ("admin of the farm", "out"):
            assert httpd.farm_status()["condition"] == "ok"
            check_not_tied(httpd, None, names="bc"), check_not_tied(httpd, instruction(member="a"), names="bc")


@pytest.mark.parametrize("name", CAUSES)
def test_903_03_strict_forward(httpd, name):
    """Contract: the FarmForward for the member's own condition: to a server; FARM_REASON is forward."""
    servers = {condition: httpd.member(condition) for condition in ("offline", "down", "full")}
    first = list(httpd.members)
    httpd.members.clear()
    farm_for(httpd, name, *(f"FarmForward {condition} {server.url}" for condition, server in servers.items()))
    httpd.members += first
    with cause(httpd, name) as condition:
        assert ask(httpd, instruction(**STRICT), "/app/strict").member == condition
    assert log_line(httpd, "/app/strict")["reason"] == "forward"


def test_903_04_any_and_retry_after(httpd):
    """Contract: "the one for the condition itself goes before `any`"; "With `-` for URL: no redirect but `503 [SECONDS]`
    with
    Retry-After"."""
    instructed(httpd, lines=["FarmRedirect any - 503 77", "FarmRedirect down http://down.test/"])
    httpd.start()
    change(httpd, f"{A}&admin=off")
    response = ask(httpd, instruction(**STRICT))
    assert (response.status, response.get("Retry-After")) == (503, "77")
    change(httpd, f"{A}&admin=on&health=down")
    response = ask(httpd, instruction(**STRICT))
    assert (response.status, response.get("Location")) == (302, "http://down.test/")


def test_903_05_the_resulting_farm(httpd):
    """Contract: "a farm named by `to` applies its own directives": its FarmRedirect, not the addressed farm's, for strict
    and
    when the whole farm cannot serve; and FARM_CONDITION is its own."""
    a, *_ = instructed(httpd, lines=["FarmRedirect any http://app.test/"])
    httpd.conf.farm("gold", (a, "admin=off"), "FarmRedirect any http://gold.test/")
    httpd.log.expect(NOBODY)
    httpd.start()
    for fields in ({}, {"member": "a"}, STRICT):
        assert ask(httpd, instruction(to="gold", **fields), "/app/gold").get("Location") == "http://gold.test/"
    assert {(line[3], line[7]) for line in httpd.access("/app/gold", 3)} == {("gold", "offline")}
    check_tied(httpd, "a", instruction(**STRICT))


@pytest.mark.parametrize("failure", ["refuses", "closes", "answers 503"])
def test_903_06_strict_attempts(httpd, failure):
    """Contract: `strict`: "never another" also when the attempt fails: the client gets that failure, no other member sees
    the
    request."""
    a, b, c = instructed(httpd, lines=["FarmSet fall=100 failonstatus=503"])
    httpd.log.expect_broken()
    httpd.start()
    if failure == "refuses":
        a.refuse()
    else:
        a.always(members.close_after_request if failure == "closes" else answer("503 Busy"))
    statuses = {ask(httpd, instruction(**STRICT)).status for _ in range(4)}
    assert statuses <= {502, 503} and (b.count, c.count) == (0, 0)
    assert httpd.rows()["a"]["errors"] >= 4
    # A plain instruction is repaired at the same time.
    assert set(served(httpd, instruction(member="a"), count=4)) <= {"b", "c"}


def test_903_07_strict_attempt_fails_over_to_redirect(httpd):
    """Contract: "A member's `redirect=` holds in both modes": it serves also the request whose attempt at the first
    failed."""
    a, b, c = instructed(httpd, options=["redirect=c"], lines=["FarmSet fall=1 retry=1h"])
    httpd.log.expect_broken()
    httpd.start()
    a.refuse()
    assert served(httpd, instruction(**STRICT), count=4) == ["c"] * 4
    assert b.count == 0 and httpd.rows()["a"]["health"] == "down"


def test_903_08_strict_recovers(httpd):
    """Contract: health "recovers by trial": a member that only strict clients ask for is tried by them again."""
    a, b, c = instructed(httpd, lines=["FarmSet fall=1 retry=50ms"])
    httpd.log.expect_broken(), httpd.log.expect(NOBODY)
    httpd.start()
    change(httpd, f"{A}&admin=drain")
    a.refuse()
    assert ask(httpd, instruction(**STRICT)).status == 503
    assert httpd.rows()["a"]["health"] == "down"
    a.start()
    wait.until(lambda: ask(httpd, instruction(**STRICT)).status == 200, "the trial")
    check_tied(httpd, "a", instruction(**STRICT))
    assert (b.count, c.count) == (0, 0)


def test_903_09_safe_fails_over(httpd):
    """Contract: "the request goes to another available member … The client sees no error"; FARM_REASON failover, then
    algorithm while it is down; back, it serves those who name it."""
    a, *_ = instructed(httpd, lines=["FarmSet fall=1 retry=100ms"])
    httpd.log.expect_broken()
    httpd.start()
    check_tied(httpd, "a", instruction(member="a"))
    a.refuse()
    assert ask(httpd, instruction(member="a"), "/app/first").member in "bc"
    assert ask(httpd, instruction(member="a"), "/app/second").member in "bc"
    assert log_line(httpd, "/app/first")["reason"] == "failover" and log_line(httpd, "/app/first")["attempts"] == "2"
    # The second may have been the trial, if the first took long.
    assert log_line(httpd, "/app/second")["reason"] in ("algorithm", "failover")
    a.start()
    wait.until(lambda: ask(httpd, instruction(member="a")).member == "a", "the member to come back")
    check_tied(httpd, "a", instruction(member="a"), "/app/again")
    assert {line[5] for line in httpd.access("/app/again", 4)} == {"instruction"}


@pytest.mark.parametrize("mode", ["safe", "strict"])
def test_903_10_posts(httpd, mode):
    """Contract: "A POST that a member may have begun to act on is never sent twice"; one that was never sent may go to
    another member, with safe."""
    a, b, c = instructed(httpd, lines=["FarmSet fall=100"])
    httpd.log.expect_broken()
    httpd.start()
    cookie = instruction(member="a", mode=mode)
    a.next(answer(), members.close_after_request)
    assert ask(httpd, cookie, method="POST", body=b"1").member == "a"
    a.hang_up()
    assert ask(httpd, cookie, method="POST", body=b"2").status in (502, 503)
    assert [member.bodies for member in (a, b, c)] == [[b"1", b"2"], [], []]
    a.refuse()
    answered = ask(httpd, cookie, method="POST", body=b"3")
    assert (answered.status == 200) == (mode == "safe"), answered
    assert b.bodies + c.bodies == ([b"3"] if mode == "safe" else [])


def test_903_11_safe_with_nobody(httpd):
    """Contract: `safe` is balanced when its member cannot serve: with nobody at all the farm's own condition decides."""
    instructed(httpd, lines=["FarmRedirect down http://down.test/", "FarmRedirect offline http://offline.test/"])
    httpd.log.expect(NOBODY)
    httpd.start()
    for name in "bc":
        change(httpd, f"farm=app&member={name}&health=down")
    change(httpd, f"{A}&admin=off")
    assert ask(httpd, instruction(member="a")).get("Location") == "http://down.test/"
    assert ask(httpd, instruction(**STRICT)).get("Location") == "http://offline.test/"
    assert ask(httpd, instruction(member="b", mode="strict")).get("Location") == "http://down.test/"


@pytest.mark.both_mpms
def test_903_12_strict_counts_nothing_in_flight(httpd):
    """Contract: "A request is in flight from the choice to its end": requests that nobody serves leave no count behind, in
    either kind of process."""
    instructed(httpd)
    httpd.log.expect(NOBODY)
    httpd.start()
    change(httpd, f"{A}&health=down")
    for _ in range(20):
        assert ask(httpd, instruction(**STRICT)).status == 503
    rows = httpd.rows()
    assert {row["inflight"] for row in rows.values()} == {0} and {row["requests"] for row in rows.values()} == {0}
