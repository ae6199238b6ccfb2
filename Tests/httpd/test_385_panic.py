"""FarmSet panic: when too few members are available, all that may be used are."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from farmhttpd import client, wait
from farmhttpd.fallback import manage
from farmhttpd.members import answer
from farmhttpd.update import push
from test_200_selection import after, spread

ALGORITHMS = ["roundrobin", "random", "busyness", "traffic", "load", "adaptive", 'hash "%{HTTP:X-Key}"']


def farm_of(httpd, *members, directives=("FarmSet panic=50",), algorithm="roundrobin"):
    httpd.farm(*members, f"FarmAlgorithm {algorithm}", *directives)
    httpd.conf.one_process().handler("farm-update").handler("farm-manager").handler("farm-balance")


def put_down(httpd, *names):
    for name in names:
        push(httpd, f"farm=app&member={name}&health=down")


def check_used(httpd, *names):
    """All of these get requests, and nobody else does."""
    seen = set(spread(httpd, 40))
    for _ in range(20):
        if seen >= set(names):
            break
        seen |= set(spread(httpd, 40))
    assert seen == set(names)


def state(httpd):
    farm = httpd.farm_status()
    return farm["condition"], farm["available"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_385_01_boundary(httpd, algorithm):
    """Contract: "while *fewer* than that part of the members not administratively off or draining are available, all of that
    part below their maxinflight are used and the condition is `ok`": at just that part it is not so."""
    made = httpd.three(*"abcd")
    if algorithm == "adaptive":
        for member in made:
            member.always(after(0.008))
    farm_of(httpd, *made, algorithm=algorithm)
    httpd.start()
    put_down(httpd, "a", "b")
    check_used(httpd, "c", "d")
    assert state(httpd) == ("ok", 2)
    put_down(httpd, "c")
    check_used(httpd, *"abcd")
    assert state(httpd) == ("ok", 1)
    put_down(httpd, "d")
    check_used(httpd, *"abcd")
    assert state(httpd) == ("ok", 0)
    assert [row["health"] for row in httpd.rows().values()] == ["down"] * 4
    push(httpd, "farm=app&member=a&health=up&farm=app&member=b&health=up")
    check_used(httpd, "a", "b")


# percent, members, how many of them are down, whether that is a panic
PERCENTS = [(1, 3, 2, False), (1, 3, 3, True), (33, 3, 2, False), (34, 3, 2, True), (66, 3, 1, False), (67, 3, 1, True),
            (100, 3, 0, False), (100, 3, 1, True), (100, 1, 1, True), (25, 4, 3, False), (26, 4, 3, True), (0, 3, 2, False)]


def test_385_02_percent(httpd):
    """Contract: "`panic=` percent": the boundary is exact, with parts that are no whole percents too."""
    made = httpd.three(*"abcd")
    for n, (percent, members, _, _) in enumerate(PERCENTS):
        httpd.farm(*made[:members], "FarmAlgorithm roundrobin", f"FarmSet panic={percent}", name=f"f{n}")
    httpd.conf.one_process().handler("farm-update")
    httpd.start()
    for n, (_, members, down, panics) in enumerate(PERCENTS):
        names = "abcd"[:members]
        for name in names[:down]:
            push(httpd, f"farm=f{n}&member={name}&health=down")
        seen = {httpd.get(f"/f{n}/x").member for _ in range(12)}
        assert seen == set(names if panics else names[down:]), PERCENTS[n]


def test_385_03_off_by_default(httpd):
    """Contract: "`panic=` percent (0)": nothing is used that is not available, and the farm may be `down`."""
    farm_of(httpd, *httpd.three("a", "b"), directives=[])
    httpd.log.expect("proxy_farm:error")
    httpd.start()
    put_down(httpd, "a")
    assert spread(httpd, 10) == {"b": 10}
    put_down(httpd, "b")
    assert httpd.get("/app/x").status == 503 and state(httpd) == ("down", 0)


@pytest.mark.parametrize("admin", ["off", "drain"])
def test_385_04_never_what_is_off(httpd, admin):
    """Contract: "of the members *not administratively off or draining*": those are neither counted nor used."""
    made = httpd.three(*"abcdef")
    farm_of(httpd, *made[:4], *[(member, f"admin={admin}") for member in made[4:]])
    httpd.start()
    put_down(httpd, "a", "b")
    # Two of the four that count; of all six it would be a third.
    assert set(spread(httpd, 20)) == {"c", "d"}
    put_down(httpd, "c", "e", "f")
    assert set(spread(httpd, 40)) == set("abcd")
    manage(httpd, farm="app", member="a", admin=admin)
    # One of three.
    assert set(spread(httpd, 40)) == set("bcd")
    assert [made[n].connections for n in (4, 5)] == [0, 0]


@pytest.mark.parametrize("whose", ["members", "farm"])
def test_385_05_offline_is_offline(httpd, whose):
    """Contract: `offline` (none is available, and every member, or the farm itself, is administratively off or draining):
    an administrator's word is not put aside."""
    made = httpd.three("a", "b")
    farm_of(httpd, *made, directives=["FarmSet panic=100", "FarmRedirect offline http://sorry.test/"])
    httpd.start()
    if whose == "farm":
        manage(httpd, farm="app", admin="off")
    else:
        manage(httpd, farm="app", member="a", admin="off")
        manage(httpd, farm="app", member="b", admin="drain")
    assert httpd.get("/app/x").get("Location") == "http://sorry.test/"
    assert state(httpd) == ("offline", 0)
    assert [member.connections for member in made] == [0, 0]


def test_385_06_tiers_are_ignored(httpd):
    """Contract: "*all* of that part … are used", of every tier; and tiers hold again when enough are available."""
    a, b, c, d = httpd.three(*"abcd")
    farm_of(httpd, a, (b, "tier=1"), (c, "tier=2"), (d, "tier=9"))
    httpd.start()
    assert spread(httpd, 8) == {"a": 8}
    put_down(httpd, "b", "c")
    assert spread(httpd, 8) == {"a": 8}
    put_down(httpd, "d")
    counts = spread(httpd, 40)
    assert all(9 <= counts[name] <= 11 for name in "abcd"), counts
    push(httpd, "farm=app&member=d&health=up")
    assert spread(httpd, 8) == {"a": 8}


@pytest.mark.both_mpms
@pytest.mark.parametrize("available, condition", [(1, "full"), (0, "down")])
def test_385_07_no_place_left(httpd, available, condition):
    """Contract: "all of that part *below their maxinflight* are used": when none of them is, the condition is what it is
    without panic: `full` (some are available, but each is at its maxinflight), or `down`."""
    a, b, c = httpd.three()
    httpd.farm((a, "maxinflight=1"), (b, "maxinflight=2"), (c, "admin=off"), "FarmAlgorithm roundrobin",
               "FarmSet panic=100", "FarmRedirect full http://full.test/", "FarmRedirect down http://down.test/")
    httpd.conf.handler("farm-update").handler("farm-balance")
    httpd.start()
    put_down(httpd, *"ab"[available:])
    a.hold(), b.hold()
    with ThreadPoolExecutor(3) as pool:
        try:
            holding = [pool.submit(httpd.get, "/app/x") for _ in range(3)]
            wait.until(lambda: (a.active, b.active) == (1, 2), "three requests in flight")
            assert httpd.get("/app/x").get("Location") == f"http://{condition}.test/"
            assert state(httpd) == (condition, available)
            response = httpd.get("/farm-balance?farm=app")
            assert (response.status, response.body) == (503, f"{condition}\n".encode())
        finally:
            a.always(answer()).release(), b.always(answer()).release()
        assert [f.result(wait.patiently(30)).status for f in holding] == [200] * 3
    for name in "ab":
        httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight", name)
    assert httpd.get("/app/x").status == 200
    assert state(httpd) == ("ok", available)


def test_385_08_failed_members_are_tried_and_replaced(httpd):
    """Contract: "all of that part … are used", those that failures put down too: and what one of them refuses is answered
    by another; the client sees no error, and a POST is no exception."""
    made = httpd.three(*"abcd")
    farm_of(httpd, *made, directives=["FarmSet panic=50 retry=1h fall=1 maxattempts=4"])
    httpd.log.expect_refused()
    httpd.start()
    for member in made[:3]:
        member.refuse()
    for _ in range(8):
        assert httpd.get("/app/x").member == "d"
    assert state(httpd) == ("ok", 1)
    for _ in range(8):
        assert httpd.get("/app/x", method="POST", body=b"pay").member == "d"
    made[0].start()
    seen = {httpd.get("/app/x", method="POST", body=b"pay").member for _ in range(20)}
    assert seen == {"a", "d"}


def test_385_09_members_that_do_not_report(httpd):
    """Contract: available is fresh too: members that are all out are used in a panic as well."""
    a, b = httpd.three("a", "b")
    farm_of(httpd, a, b, directives=["FarmSet panic=50", "FarmExpectUpdate 300ms"])
    httpd.start()
    wait.until(lambda: {row["fresh"] for row in httpd.rows().values()} == {"out"}, "the members to be out")
    assert set(spread(httpd, 10)) == {"a", "b"}
    assert state(httpd) == ("ok", 0)


def test_385_10_asking_the_balancer(httpd):
    """Contract: "the condition is `ok`": so farm-balance answers, with any of them."""
    a, b = httpd.three("a", "b")
    farm_of(httpd, a, b)
    httpd.start()
    put_down(httpd, "a", "b")
    responses = [httpd.get("/farm-balance?farm=app") for _ in range(10)]
    assert {response.status for response in responses} == {200}
    assert {response.body.decode().strip() for response in responses} == {a.url, b.url}


def test_385_11_no_redirect(httpd):
    """Contract: "and the condition is `ok`": neither redirect nor forward of another condition is used."""
    farm_of(httpd, *httpd.three("a", "b"), directives=["FarmSet panic=50", "FarmRedirect any http://sorry.test/"])
    httpd.start()
    put_down(httpd, "a", "b")
    assert {response.status for response in client.at_once(4, httpd.get, "/app/x")} == {200}
    farm = httpd.farm_status()
    assert (farm["redirected"], farm["requests"]) == (0, 4)
