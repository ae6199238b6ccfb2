"""Instructions of backends: what each field says, which of several cookies is followed, and who serves then."""

import itertools
import time

import pytest

from farmhttpd import client, wait
from farmhttpd.fallback import log_line
from farmhttpd.instructions import (HOUR, KEY2, KID2, ask, check_not_tied, check_tied, counting, instructed, instruction,
                                    secret_file, served, sign)
from farmhttpd.manager import NOBODY, change
from farmhttpd.protocols import FcgiMember
from test_610_update_caller import FORWARDED


def two_farms(httpd, *lines, gold=()):
    """Farms app of a, b, c and gold of g, h; app's a is a member of gold by the same name too."""
    a, b, c = instructed(httpd, lines=lines)
    g, h = httpd.member("g"), httpd.member("h")
    httpd.conf.farm("gold", g, h, (a, ""), "FarmAlgorithm roundrobin", *gold).proxy("/gold/", "http://gold/")
    return a, b, c, g, h


def test_900_01_member(httpd):
    """Contract: `member`: the member to use; `mode` is safe where it is left out; `FARM_REASON` instruction; each is
    counted
    as accepted."""
    instructed(httpd)
    httpd.start()
    for name, mode in itertools.product("bca", (None, "safe", "strict")):
        with counting(httpd, accepted=4):
            check_tied(httpd, name, instruction(member=name, mode=mode), f"/app/{name}-{mode}")
        assert {tuple(line[3:7]) for line in httpd.access(f"/app/{name}-{mode}", 4)} == {("app", name, "instruction", "1")}
    with counting(httpd):
        check_not_tied(httpd, None), check_not_tied(httpd, "other=1; farmer=2")
    assert log_line(httpd, "/app/x")["reason"] == "algorithm"


@pytest.mark.both_mpms
def test_900_02_every_process(httpd):
    """Contract: the same in every process, under load of others, and counted once for each request."""
    instructed(httpd, one_process=False)
    httpd.start()
    with counting(httpd, accepted=72):
        for name in "bca":
            cookie = instruction(member=name)
            tied = client.at_once(8, lambda: [(ask(httpd, cookie).member, ask(httpd).status) for _ in range(3)])
            assert tied == [[(name, 200)] * 3] * 8
    assert {row["inflight"] for row in httpd.rows().values()} == {0}


def test_900_03_to(httpd):
    """Contract: `to`: the farm to use instead; its algorithm chooses, FARM_NAME is the farm that results; nothing but the
    request's own farm changes, the path stays."""
    *_, g, h = two_farms(httpd)
    httpd.start()
    with counting(httpd, accepted=6):
        check_not_tied(httpd, instruction(to="gold"), "/app/to?q", names="gha")
    assert {(line[3], line[5]) for line in httpd.access("/app/to", 6)} == {("gold", "instruction")}
    assert set(g.targets + h.targets) == {"/to?q"}
    check_not_tied(httpd, instruction(farm="gold", to="app"), "/gold/to")
    check_not_tied(httpd, instruction(to="app"))


FIELDS = list(itertools.product(("app", "*"), (None, "gold"), (None, "a", "b", "g"), (None, "safe", "strict"),
                                (None, "127.0.0.1", "::ffff:127.0.0.1")))


def test_900_04_all_of_them_together(httpd):
    """Contract: the fields combine: `member` is of the farm that results; `farm` `*` is any farm; `mode` without `member`
    says nothing."""
    two_farms(httpd)
    httpd.start()
    members = {"app": "abc", "gold": "gha"}
    for farm, to, member, mode, ip in FIELDS:
        cookie, resulting = instruction(farm=farm, to=to, member=member, mode=mode, ip=ip), members[to or "app"]
        if member and member not in resulting:
            with counting(httpd, unknown_target=1):
                assert ask(httpd, cookie).member in members["app"]
        else:
            with counting(httpd, accepted=2):
                assert set(served(httpd, cookie, count=2)) <= set(member or resulting)


def test_900_05_names(httpd):
    """Contract: "Farm names compare case-insensitively"; a member's name has its case, and is host:port where the
    configuration gives none; the order of fields does not matter."""
    a, b, c, *_ = two_farms(httpd)
    httpd.conf.farm("app", a, (b, ""), f"FarmMember {c.url}")
    httpd.start()
    check_tied(httpd, "b", instruction(farm="APP", to="App", member="b"))
    check_tied(httpd, "g", instruction(farm="aPP", to="GOLD", member="g"))
    check_tied(httpd, "c", instruction(member=c.address))
    with counting(httpd, unknown_target=1):
        ask(httpd, instruction(member="B"))
    exp = int(time.time()) + HOUR
    for order in itertools.permutations((f"exp={exp}", "member=b", "farm=app", "mode=strict")):
        check_tied(httpd, "b", "farm=" + sign("&".join(order)), count=1)


def test_900_06_exp(httpd):
    """Contract: `exp`: "Unix time in seconds after which it is void": good until then, however far away, and void after."""
    instructed(httpd)
    httpd.start()
    for exp in (int(time.time()) + 30, 2**31 + 5, 2**32 + 5, "9" * 12, "0" + str(int(time.time()) + HOUR)):
        check_tied(httpd, "b", instruction(member="b", exp=exp))
    soon = int(time.time()) + 2
    cookie, before = instruction(member="c", exp=soon), 0
    while time.time() < soon and before < 200:
        assert ask(httpd, cookie).member == "c" or time.time() >= soon + 1
        before += 1
    assert before > 0
    wait.until(lambda: time.time() >= soon + 1.05, "the cookie to end")
    with counting(httpd, expired=6):
        check_not_tied(httpd, cookie)


def test_900_07_ip(httpd):
    """Contract: `ip`: "the client address it is good for", that of mod_remoteip where it is loaded; addresses are compared,
    not texts."""
    instructed(httpd)
    httpd.conf.load(FORWARDED[0]).add(*FORWARDED[1])
    httpd.start()
    check_tied(httpd, "b", instruction(member="b", ip="127.0.0.1"))
    check_tied(httpd, "b", instruction(member="b", ip="127.0.0.9"), source="127.0.0.9")
    for ip, forwarded in (("192.0.2.7", "192.0.2.7"), ("2001:DB8:0::7", "2001:db8::7"), ("::ffff:192.0.2.7", "192.0.2.7")):
        headers = {"X-Forwarded-For": forwarded}
        check_tied(httpd, "b", instruction(member="b", ip=ip), headers=headers)
        with counting(httpd, other_client=2):
            ask(httpd, instruction(member="b", ip="127.0.0.1"), headers=headers), ask(httpd, instruction(member="b", ip=ip))


def test_900_08_several_cookies(httpd):
    """Contract: "Several cookies of that name: the first (of at most 8) that verifies and whose `farm` matches"; those
    after
    it are not looked at; "A cookie for another farm is not a fault"."""
    two_farms(httpd)
    httpd.start()
    b, c, other = instruction(member="b"), instruction(member="c"), instruction(farm="gold", member="g")
    expired, forged, garbage = instruction(member="a", exp=1), instruction(member="a", key=KEY2), "farm=x"
    nobody, gone = instruction(member="nosuch"), instruction(farm="nosuch", member="a", exp=1)
    for cookies, name, counts in (
            ((b, c), "b", {}), ((c, b), "c", {}), ((other, c, b), "c", {}), ((gone, other, b), "b", {}),
            ((expired, b, garbage), "b", {"expired": 1}), ((garbage, forged, expired, nobody, c, forged), "c",
             {"malformed": 1, "bad_mac": 1, "expired": 1, "unknown_target": 1}),
            ((other,) * 7 + (b, c), "b", {}), ((forged,) * 7 + (c, b), "c", {"bad_mac": 7})):
        with counting(httpd, accepted=1, **counts):
            assert ask(httpd, "a=1; " + "; x=y; ".join(cookies)).member == name
    for cookies, counts in (((garbage,) * 8 + (b, b), {"malformed": 8}), ((other,) * 8 + (b,), {}),
                            ((forged, other) * 4 + (b,), {"bad_mac": 4}), ((other, gone), {})):
        with counting(httpd, **{reason: 6 * count for reason, count in counts.items()}):
            check_not_tied(httpd, "; ".join(cookies))


def test_900_09_draining(httpd):
    """Contract: "A draining member still serves those who name it", in both modes, and nobody else; so does a draining
    farm;
    `off` serves nobody."""
    a, *_ = instructed(httpd)
    httpd.log.expect(NOBODY)
    httpd.start()
    change(httpd, "farm=app&member=a&admin=drain")
    check_not_tied(httpd, None, names="bc")
    for mode in ("safe", "strict"):
        check_tied(httpd, "a", instruction(member="a", mode=mode))
    change(httpd, "farm=app&admin=drain")
    check_tied(httpd, "a", instruction(member="a")), check_tied(httpd, "b", instruction(member="b", mode="strict"))
    change(httpd, "farm=app&admin=on"), change(httpd, "farm=app&member=a&admin=off")
    before = a.count
    check_not_tied(httpd, instruction(member="a"), names="bc")
    assert ask(httpd, instruction(member="a", mode="strict")).status == 503
    assert a.count == before


@pytest.mark.parametrize("how", ["admin=off", "health=down"])
def test_900_10_redirect(httpd, how):
    """Contract: "A member's `redirect=` holds in both modes": who it names serves in its place, as an instruction."""
    instructed(httpd, options=["redirect=c"])
    httpd.log.expect(NOBODY)
    httpd.start()
    change(httpd, f"farm=app&member=a&{how}")
    for mode in (None, "safe", "strict"):
        check_tied(httpd, "c", instruction(member="a", mode=mode), f"/app/{mode}")
        assert {tuple(line[4:6]) for line in httpd.access(f"/app/{mode}", 4)} == {("c", "instruction")}
    change(httpd, f"farm=app&member=c&{how}")
    assert ask(httpd, instruction(member="a", mode="strict")).status == 503
    check_tied(httpd, "b", instruction(member="a"))
    change(httpd, "farm=app&member=a&admin=on&health=up")
    check_tied(httpd, "a", instruction(member="a", mode="strict"))


def test_900_11_before_a_route(httpd):
    """Contract: "instruction, then stickiness, then the algorithm choose a member": a route counts where the instruction
    names no member, or none holds."""
    two_farms(httpd, "FarmSticky route SID", gold=["FarmSticky route SID"])
    httpd.start()
    check_tied(httpd, "b", f"SID=x.c; {instruction(member='b')}"), check_tied(httpd, "b", instruction(member="b"),
        "/app/x;SID=s.c")
    check_tied(httpd, "g", f"SID=x.c; {instruction(to='gold', member='g')}")
    with counting(httpd, accepted=8):
        check_tied(httpd, "c", f"SID=x.c; {instruction()}"), check_tied(httpd, "h", f"SID=x.h; {instruction(to='gold')}")
    check_tied(httpd, "c", f"SID=x.c; {instruction(member='b', exp=1)}", "/app/route")
    assert log_line(httpd, "/app/route")["reason"] == "sticky"


@pytest.mark.parametrize("algorithm", ["random", "busyness", "traffic", "load", "adaptive", 'hash "%{REMOTE_ADDR}"'])
def test_900_12_every_algorithm(httpd, algorithm):
    """Contract: an instruction goes before the algorithm, whichever it is, and before tiers."""
    a, b, c = httpd.three()
    secret_file(httpd)
    httpd.farm((a, "weight=1000"), b, (c, "tier=3"), f"FarmAlgorithm {algorithm}")
    httpd.start()
    for name in "bca":
        check_tied(httpd, name, instruction(member=name))


def test_900_13_every_key(httpd):
    """Contract: "the first signs, all verify": each key by its own KID."""
    instructed(httpd)
    keys = {"k1": "a" * 32, "x": "!" * 256, "0123456789abcdef": "with:colons:and#hashes;=and\"quotes'x"}
    secret_file(httpd, "# of a test", "", *(f"{kid}:{key}" for kid, key in keys.items()))
    httpd.start()
    for kid, key in keys.items():
        check_tied(httpd, "b", instruction(member="b", kid=kid, key=key))
        with counting(httpd, bad_mac=1):
            ask(httpd, instruction(member="b", kid=kid, key=key[:-1] + "~"))
    with counting(httpd, unknown_key=2):
        ask(httpd, instruction(member="b", kid=KID2, key=KEY2)), ask(httpd, instruction(member="b", kid="X", key="!" * 256))


@pytest.mark.parametrize("name", ["INSTR", "__Host-farm", "f"])
def test_900_14_farm_cookie(httpd, name):
    """Contract: `FarmCookie`: the name of the instruction cookie, which has its case; others mean nothing."""
    instructed(httpd)
    httpd.conf.head.append(f"FarmCookie {name}")
    httpd.start()
    check_tied(httpd, "b", f"farm=1; {instruction(name, member='b')}; x{instruction(name, member='c')}")
    with counting(httpd):
        check_not_tied(httpd, f"{instruction(member='b')}; {instruction(name.swapcase(), member='b')}")


def test_900_15_only_farms(httpd):
    """Contract: instructions are of farms: "Any other URL is left alone": a plain ProxyPass beside them sees the cookie,
    and
    nothing is counted."""
    a, *_ = instructed(httpd)
    httpd.conf.proxy("/plain/", f"{a.url}/")
    httpd.start()
    cookie = f"x=1; {instruction(farm='*', member='b')}; y=2"
    with counting(httpd):
        answer = ask(httpd, cookie, "/plain/x")
    assert answer.json["headers"]["cookie"] == cookie and answer.member == "a"


def test_900_16_other_protocols(httpd):
    """Contract: "for any scheme mod_proxy can carry": members of other protocols are named as well."""
    secret_file(httpd)
    httpd.conf.load("proxy_fcgi")
    members = [httpd.member(name, FcgiMember) for name in "ab"]
    httpd.farm(*members, "FarmAlgorithm roundrobin")
    httpd.start()
    for name in "abba":
        assert ask(httpd, instruction(member=name), "/app/x.php").member == name


def test_900_17_methods_and_kept_connections(httpd):
    """Contract: an instruction is of a request, not of a connection, whatever the method; a body goes along."""
    instructed(httpd)
    httpd.start()
    with httpd.client() as one:
        for name, method in zip("bcabca", ("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")):
            answer = one.request("/app/x", method=method, headers={"Cookie": instruction(member=name)}, body=b"pay" * 99)
            assert (answer.member, answer.json["method"], answer.json["length"]) == (name, method, 297)
        assert one.request("/app/x", method="HEAD", headers={"Cookie": instruction(member="c")}).status == 200
    assert httpd.members[2].requests[-1].method == "HEAD"


def test_900_18_over_restarts(httpd):
    """Contract: a graceful restart keeps every counter; what cookies name is found by name, in whatever order the members
    stand, and not once they are gone."""
    a, b, c = instructed(httpd)
    httpd.start()
    check_tied(httpd, "b", instruction(member="b"))
    ask(httpd, "farm=x")
    with counting(httpd):
        httpd.conf.farm("app", c, a, (b, ""))
        httpd.graceful()
    check_tied(httpd, "b", instruction(member="b")), check_tied(httpd, "c", instruction(member="c"))
    httpd.conf.farm("app", c, a)
    httpd.graceful()
    wait.until(lambda: len(httpd.children()) == 1, "the old child to end")
    with counting(httpd, unknown_target=1):
        assert ask(httpd, instruction(member="b")).member in "ac"
