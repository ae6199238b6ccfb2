"""FarmSticky cookie: a client whose member is away is tied to another one; and when a tie stays as it is."""

import threading
import time

import pytest

from farmhttpd import client, members, wait
from farmhttpd.instructions import (ask, attributes_of, check_tied, counting, instructed, instruction, new_client, own, pair_of,
                                    read, set_cookies)
from farmhttpd.manager import change

LINES = ["FarmSticky cookie", "FarmSet fall=1 retry=1h"]


def away(httpd, how, member):
    """Takes a member away, by what an administrator, a monitor, a failure or silence does."""
    if how == "off":
        change(httpd, f"farm=app&member={member.name}&admin=off")
    elif how == "monitor":
        change(httpd, f"farm=app&member={member.name}&health=down")
    elif how == "failed":
        member.refuse()
        # A request of somebody else meets it.
        httpd.log.expect_broken()
        wait.until(lambda: ask(httpd) and httpd.rows()[member.name]["health"] == "down", "the member to be down")


def sticky(httpd, *names, lines=(), **options):
    return instructed(httpd, *names, lines=[*LINES, *lines], **options)


def moved(httpd, cookie, target="/app/x", name="farm.app", **arguments):
    """Asks by a cookie that moves: (the new cookie, the member)."""
    response = ask(httpd, cookie, target, **arguments)
    text, = set_cookies(response, name)
    assert response.status == 200 and read(pair_of(text))["member"] == response.member
    return pair_of(text), response.member


def none(httpd, cookie, target="/app/x", **arguments):
    response = ask(httpd, cookie, target, **arguments)
    assert response.status == 200 and response.get("Set-Cookie") is None, (target, response)
    return response.member


@pytest.mark.parametrize("how", ["off", "monitor", "failed"])
def test_913_01_moves_and_stays(httpd, how):
    """Contract: "A client whose member is not available (off, down or out; not: full) is tied to the one that serves it from
    then on": the first answer brings the cookie, and the client stays there, also when its old member is back."""
    made = sticky(httpd)
    httpd.start()
    clients = [new_client(httpd) for _ in range(12)]
    away(httpd, how, made[0])
    after = []
    for cookie, member in clients:
        if member != "a":
            check_tied(httpd, member, cookie, count=2)
            assert none(httpd, cookie) == member
            continue
        new, other = moved(httpd, cookie)
        assert other in "bc" and new != cookie
        check_tied(httpd, other, new, count=6)
        assert none(httpd, new) == other
        after.append((new, other))
    assert len(after) == 4
    if how == "failed":
        made[0].start()
        change(httpd, "farm=app&member=a&health=up")
    elif how == "monitor":
        change(httpd, "farm=app&member=a&health=up")
    else:
        change(httpd, "farm=app&member=a&admin=on")
    for cookie, member in after:
        check_tied(httpd, member, cookie, count=2)


def test_913_02_out(httpd):
    """Contract: the same of a member that no longer reports."""
    sticky(httpd, lines=["FarmExpectUpdate 2s"])
    httpd.conf.handler("farm-update")
    httpd.start()
    report = lambda names: httpd.get("/farm-update?" + "&".join(f"farm=app&member={name}" for name in names))
    report("abc")
    wait.until(lambda: report("bc") and httpd.rows()["a"]["fresh"] == "out", "the member to be out")
    new, other = moved(httpd, own(member="a"))
    assert other in "bc"
    report("abc")
    check_tied(httpd, other, new)


@pytest.mark.both_mpms
@pytest.mark.parametrize("algorithm", ["roundrobin", "random", "adaptive", "busyness", 'hash "%{HTTP:X-Key}"'])
def test_913_03_together(httpd, algorithm):
    """Contract: "drawn by a hash of the old cookie's text over the available members, so that requests sent together find the
    same one": in every process, whatever the algorithm, before any of them has the new cookie."""
    sticky(httpd, *"abcdefgh", lines=[f"FarmAlgorithm {algorithm}"], one_process=False)
    httpd.start()
    cookies = [own(member="a", exp=int(time.time()) + 4000 + n) for n in range(12)]
    change(httpd, "farm=app&member=a&admin=off")
    where = []
    for cookie in cookies:
        found = client.at_once(8, lambda: moved(httpd, cookie, headers={"X-Key": str(time.time())})[1])
        assert len(set(found)) == 1, found
        where.append(found[0])
    # Each cookie draws for itself.
    assert len(set(where)) > 2
    # When one more goes, nobody moves but its clients.
    change(httpd, f"farm=app&member={where[0]}&admin=off")
    again = [moved(httpd, cookie)[1] for cookie in cookies]
    assert all(now == before for now, before in zip(again, where) if before != where[0])
    assert where[0] not in again
    change(httpd, f"farm=app&member={where[0]}&admin=on")
    assert [moved(httpd, cookie)[1] for cookie in cookies] == where


def test_913_04_evenly(httpd):
    """Contract: a hash of each cookie: the clients of a member that is away are spread over all the others."""
    sticky(httpd, *"abcde")
    httpd.start()
    change(httpd, "farm=app&member=a&admin=off")
    found = [moved(httpd, own(member="a", exp=int(time.time()) + 4000 + n))[1] for n in range(200)]
    # 50 each; six deviations of a fair draw are 37.
    assert {name for name in found} == set("bcde") and all(13 <= found.count(name) <= 87 for name in "bcde"), found


def test_913_05_lowest_tier(httpd):
    """Contract: over the available members, and "a higher tier serves only while no lower one has an available member"."""
    sticky(httpd, *"abcd", options=["", "tier=1", "tier=1", "tier=2"])
    httpd.start()
    cookies = [own(member="a", exp=int(time.time()) + 4000 + n) for n in range(20)]
    change(httpd, "farm=app&member=a&admin=off")
    assert {moved(httpd, cookie)[1] for cookie in cookies} == {"b", "c"}
    for name in "bc":
        change(httpd, f"farm=app&member={name}&admin=off")
    assert {moved(httpd, cookie)[1] for cookie in cookies} == {"d"}
    # Of a member that is not the lowest: while it is there it serves.
    change(httpd, "farm=app&member=a&admin=on")
    check_tied(httpd, "d", own(member="d"))


def while_full(httpd, member, body):
    """What `body` returns while somebody has the one place at a member."""
    member.hold()
    thread = threading.Thread(target=lambda: ask(httpd, own(member=member.name)))
    thread.start()
    member.wait_for_active(1)
    try:
        return body()
    finally:
        member.release()
        thread.join()


def test_913_06_full(httpd):
    """Contract: "while its member is full it … is served elsewhere and keeps its tie"; and while the one that its cookie
    draws is full, nobody is tied to whoever serves instead."""
    a, b, c = sticky(httpd, options=["maxinflight=1"] * 3)
    httpd.start()
    cookie = own(member="a")

    assert set(while_full(httpd, a, lambda: [none(httpd, cookie) for _ in range(4)])) <= {"b", "c"}
    assert none(httpd, cookie) == "a"
    change(httpd, "farm=app&member=a&admin=off")
    new, first = moved(httpd, cookie)
    second = ({"b", "c"} - {first}).pop()
    found = while_full(httpd, {"b": b, "c": c}[first], lambda: [none(httpd, cookie) for _ in range(4)])
    assert set(found) == {second}
    assert moved(httpd, cookie)[1] == first


def test_913_07_stand_in(httpd):
    """Contract: "A member's `redirect=` holds": the client is tied to the one that stands in for its own."""
    sticky(httpd, *"abcd", options=["redirect=d"])
    httpd.start()
    change(httpd, "farm=app&member=a&admin=off")
    for n in range(8):
        new, member = moved(httpd, own(member="a", exp=int(time.time()) + 4000 + n))
        assert member == "d"
        assert none(httpd, new) == "d"
    # For a member that only drains nobody stands in.
    change(httpd, "farm=app&member=a&admin=drain")
    assert none(httpd, own(member="a")) == "a"


def test_913_08_backends_tie_is_never_changed(httpd):
    """Contract: "A tie that a backend's instruction has made is never changed by the module, and while one holds the module
    sets no cookie of its own": whoever serves, and however little is left of it."""
    sticky(httpd)
    httpd.start()
    change(httpd, "farm=app&member=a&admin=off")
    for exp in (int(time.time()) + 20, None):
        for fields in ({}, {"mode": "safe"}, {"ip": "127.0.0.1"}, {"farm": "*"}, {"to": "app"}):
            for name in ("farm", "farm.app"):
                backends = instruction(name, member="a", exp=exp, **fields)
                # In turn, as the algorithm has it.
                assert {none(httpd, backends) for _ in range(4)} == {"b", "c"}
            backends = instruction(member="a", exp=exp, **fields)
            assert {none(httpd, f"{backends}; {own(member='b')}") for _ in range(4)} == {"b", "c"}
            assert {none(httpd, f"{own(member='b')}; {backends}") for _ in range(4)} == {"b", "c"}
    change(httpd, "farm=app&member=a&admin=on")
    check_tied(httpd, "a", backends)


def test_913_09_trial_elsewhere(httpd):
    """Contract: "a trial elsewhere re-tie[s] nobody": the one request that tries a member for the farm brings no cookie of
    it."""
    a, b, c = instructed(httpd, lines=["FarmSticky cookie", "FarmSet fall=1 retry=100ms"], options=["", "disablereuse=on"])
    httpd.log.expect_broken()
    httpd.start()
    change(httpd, "farm=app&member=a&admin=off")
    cookies = [own(member="a", exp=int(time.time()) + 4000 + n) for n in range(20)]
    cookie = next(cookie for cookie in cookies if moved(httpd, cookie)[1] == "c")
    b.next(members.close_after_request)
    wait.until(lambda: ask(httpd) and httpd.rows()["b"]["health"] == "down", "b to be down")
    b.forget()

    def tried():
        response = ask(httpd, cookie)
        assert len(set_cookies(response)) == (response.member == "c")
        return response.member == "b"

    wait.until(tried, "a trial by that client")
    assert moved(httpd, cookie)[1] == "c"


def test_913_10_failover_of_one_that_moves(httpd):
    """Contract: "Failing over once … re-tie[s] nobody": also when it is the member that the cookie draws that fails; the next
    request is tied."""
    a, b, c = sticky(httpd, options=["", "disablereuse=on", "disablereuse=on"])
    httpd.log.expect_broken()
    httpd.start()
    change(httpd, "farm=app&member=a&admin=off")
    cookie = own(member="a")
    first = moved(httpd, cookie)[1]
    other = ({"b", "c"} - {first}).pop()
    {"b": b, "c": c}[first].next(members.close_after_request)
    assert none(httpd, cookie) == other
    assert moved(httpd, cookie)[1] == other


def test_913_11_failover_goes_where_the_tie_will(httpd):
    """What a client expects of sticky sessions: the member that takes a request over from a failing one is the one that it is
    tied to when that stays away."""
    a, *_ = sticky(httpd, *"abcdef", options=["disablereuse=on"])
    httpd.log.expect_broken()
    httpd.start()
    for n in range(6):
        cookie = own(member="a", exp=int(time.time()) + 4000 + n)
        a.next(members.close_after_request)
        first = none(httpd, cookie)
        assert first != "a" and httpd.rows()["a"]["health"] == "down"
        assert moved(httpd, cookie)[1] == first
        change(httpd, "farm=app&member=a&health=up")


@pytest.mark.parametrize("status, sets", [("200 OK", 1), ("404 Not Found", 1), ("500 Wrong", 0), ("503 Wrong", 0)])
def test_913_12_with_the_answer_that_sets_cookies(httpd, status, sets):
    """Contract: the new cookie is set on an answer below 500, as any; until then each request finds the same member."""
    made = sticky(httpd, *"abcde", lines=["FarmSet retryon=connect"])
    httpd.start()
    change(httpd, "farm=app&member=a&admin=off")
    for member in made:
        member.always(members.answer(status))
    before = {one.name: one.count for one in made}
    found = [len(set_cookies(ask(httpd, own(member="a", exp=4_000_000_000)))) for _ in range(6)]
    assert found == [sets] * 6
    assert sorted(one.count - before[one.name] for one in made) == [0, 0, 0, 0, 6]


def test_913_13_ttl_and_form(httpd):
    """Contract: the new cookie is one like any other: signed, of its farm, for the whole stickyttl; and it is counted as what
    holds."""
    sticky(httpd, lines=["FarmSet stickyttl=2h"])
    httpd.start()
    change(httpd, "farm=app&member=a&admin=off")
    with counting(httpd, accepted=1):
        before = int(time.time())
        text, = set_cookies(ask(httpd, own(member="a")))
    assert attributes_of(text) == {"path": "/", "httponly": None, "samesite": "Lax", "max-age": "7200"}
    fields = read(pair_of(text))
    assert fields["farm"] == "app" and int(fields["exp"]) >= before + 7200
    path = "/app/moving"
    moved(httpd, own(member="a"), path)
    assert httpd.access(path)[0][5] == "algorithm"


def test_913_14_nobody_is_there(httpd):
    """Contract: a client whose member and all others are away is served by nobody, and keeps its tie; when its own member is
    back first, it is tied to that as before."""
    sticky(httpd)
    httpd.log.expect("FARM00012")
    httpd.start()
    for name in "abc":
        change(httpd, f"farm=app&member={name}&admin=off")
    response = ask(httpd, own(member="a"))
    assert response.status == 503 and response.get("Set-Cookie") is None
    change(httpd, "farm=app&member=a&admin=on")
    assert none(httpd, own(member="a")) == "a"


def test_913_15_what_earlier_versions_set(httpd):
    """Contract: "cookies called `farm` that earlier versions set hold until they expire": a client of such a cookie stays, gets
    one of the new name when less than half is left, moves when its member is away, and the newer cookie goes before."""
    sticky(httpd)
    httpd.start()
    old = own("farm", member="b")
    with counting(httpd, accepted=4):
        check_tied(httpd, "b", old)
    assert none(httpd, old) == "b"
    for letter in ("%66", "f"):
        # One that no backend has made, by its exp or by any of its words.
        soon = own("farm", member="b", exp=int(time.time()) + 30, letter=letter)
        response = ask(httpd, soon)
        assert (response.member, len(set_cookies(response))) == ("b", int(letter == "%66"))
    change(httpd, "farm=app&member=b&admin=off")
    new, member = moved(httpd, old)
    assert member in "ac"
    for cookies in (f"{old}; {new}", f"{new}; {old}"):
        check_tied(httpd, member, cookies)
        assert none(httpd, cookies) == member
    # Of two under the old name that hold, a backend's goes before.
    other = ({"a", "c"} - {member}).pop()
    check_tied(httpd, other, f"{old}; {instruction(member=other)}; {new}")
