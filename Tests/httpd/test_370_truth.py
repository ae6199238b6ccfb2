"""A table of farms in every mixture of states, each compared with a model that is written from the contract's words alone."""

import itertools
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from farmhttpd import wait
from farmhttpd.fallback import log_line, manage
from farmhttpd.update import push

ADMINS = ["on", "drain", "off"]
# Long enough for a farm to be looked at while its members' last updates are that young.
EXPECTED_WITHIN = 4


# -- the model -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class M:
    """A member's state; `full` is at its maxinflight."""
    admin: str
    health: str
    fresh: str
    tier: int
    full: bool


def available(farm_admin, member):
    """Contract, section 1: "available: admin is `on`, health is `up` and fresh is `in`"; while the farm itself is off or
    draining, no member of it is."""
    return farm_admin == "on" and member.admin == "on" and member.health == "up" and member.fresh == "in"


def condition(farm_admin, members):
    """Contract, section 1: `ok` (some member is available), `full` (some are, but each is at its maxinflight), `offline`
    (none is, and every member, or the farm itself, is administratively off or draining), `down` (none is, for any other
    reason); section 3: without members a farm is `down`."""
    if some := [member for member in members if available(farm_admin, member)]:
        return "full" if all(member.full for member in some) else "ok"
    if farm_admin != "on":
        return "offline"
    return "offline" if members and all(member.admin != "on" for member in members) else "down"


def may_serve(farm_admin, members):
    """Contract, section 3: "a higher tier serves only while no lower one has an available member below its
    maxinflight": the places of those that may get a new request."""
    able = [n for n, member in enumerate(members) if available(farm_admin, member) and not member.full]
    lowest = min((members[n].tier for n in able), default=None)
    return {n for n in able if members[n].tier == lowest}


# -- the table -------------------------------------------------------------------------------------------------


def every_member(tiers=(0,)):
    return [M(*state) for state in itertools.product(ADMINS, ["up", "down"], ["in", "out"], tiers, [False, True])]


def table():
    """Every farm of one member, and of two a fixed sample that has every outcome in it often."""
    rows = [("on", ()), ("off", ()), ("drain", ())]
    rows += [(farm_admin, (member,)) for farm_admin in ADMINS for member in every_member()]
    rng = random.Random(4)
    pairs = list(itertools.product(every_member((0, 1)), repeat=2))
    wanted = dict(OUTCOMES)
    for pair in rng.sample(pairs, len(pairs)):
        outcome = condition("on", pair), frozenset(may_serve("on", pair))
        if wanted[outcome]:
            wanted[outcome] -= 1
            rows.append(("on", pair))
    return rows + [(farm_admin, pair) for farm_admin in ("off", "drain") for pair in rng.sample(pairs, 4)]


OUTCOMES = {("ok", frozenset({0})): 8, ("ok", frozenset({1})): 8, ("ok", frozenset({0, 1})): 2,
            ("full", frozenset()): 10, ("down", frozenset()): 10, ("offline", frozenset()): 8}
ROWS = table()


def test_370_01_the_table_is_a_good_one():
    """A check of this file: each outcome is there often, and the model gives what is easily worked by hand."""
    two = Counter((condition(*row), frozenset(may_serve(*row))) for row in ROWS if len(row[1]) == 2 and row[0] == "on")
    assert two == OUTCOMES
    single = [row for row in ROWS if len(row[1]) == 1]
    assert len(single) == 72 and sum(condition(*row) == "ok" for row in single) == 1
    assert len(ROWS) == 3 + 72 + 46 + 8
    on = M("on", "up", "in", 0, False)
    assert condition("on", (on, M("off", "up", "in", 0, False))) == "ok"
    assert condition("on", (M("on", "down", "in", 0, False), M("drain", "up", "in", 0, False))) == "down"
    assert condition("drain", (on,)) == "offline" and may_serve("drain", (on,)) == set()
    assert may_serve("on", (M("on", "up", "in", 0, True), M("on", "up", "in", 1, False))) == {1}


def name_of(number):
    return f"f{number}"


def configure(httpd, servers, held):
    """A member at its maxinflight has a server that holds; the others tell their place. They start switched off, so that
    each request that is to be held gets to its member."""
    for number, (_, members) in enumerate(ROWS):
        lines = [f"FarmMember {(held if member.full else servers[n]).url}/{n} name=m{n} tier={member.tier} maxinflight=1 "
                 f"admin=off" for n, member in enumerate(members)]
        if any(member.fresh == "out" for member in members):
            lines.append(f"FarmExpectUpdate {EXPECTED_WITHIN}s")
        httpd.farm(*lines, "FarmAlgorithm roundrobin", name=name_of(number))
    httpd.conf.handler("farm-manager").handler("farm-update").handler("farm-balance")
    httpd.log.expect("FARM00001", "proxy_farm:")


def fill(httpd, pool, held):
    """A request held at each member that is to be full; returns the requests."""
    holding = []
    for number, (_, members) in enumerate(ROWS):
        for n, member in enumerate(members):
            if member.full:
                manage(httpd, farm=name_of(number), member=f"m{n}", admin="on")
                push(httpd, f"farm={name_of(number)}&member=m{n}")
                holding.append(pool.submit(httpd.get, f"/{name_of(number)}/held"))
                held.wait_for_active(len(holding))
                manage(httpd, farm=name_of(number), member=f"m{n}", admin="off")
    return holding


def heartbeats(httpd, number):
    """From those members of a farm that are to be fresh."""
    _, members = ROWS[number]
    groups = [f"farm={name_of(number)}&member=m{n}" for n, member in enumerate(members) if member.fresh == "in"]
    if groups:
        push(httpd, "&".join(groups), "POST")


def set_states(httpd):
    for number, (farm_admin, members) in enumerate(ROWS):
        for n, member in enumerate(members):
            if member.admin != "off":
                manage(httpd, farm=name_of(number), member=f"m{n}", admin=member.admin, by="test")
            if member.health == "down":
                manage(httpd, farm=name_of(number), member=f"m{n}", health="down")
        if farm_admin != "on":
            manage(httpd, farm=name_of(number), admin=farm_admin)


def seen_of(httpd, number):
    """What the status, requests and questions say of a farm; as the model would have to."""
    name = name_of(number)
    heartbeats(httpd, number)
    farm = httpd.farm_status(name)
    states = [(row["admin"], row["health"], row["fresh"]) for row in farm["members"]]
    free = [row["available"] for row in farm["members"]]
    served, refusals, balanced = set(), set(), set()
    for n in range(2):
        response = httpd.get(f"/{name}/{n}")
        if response.status == 200:
            served.add(int(response.json["target"].split("/")[1]))
        else:
            assert response.status == 503
            refusals.add(log_line(httpd, f"/{name}/0")["condition"])
    for n in range(2):
        answer = httpd.get(f"/farm-balance?farm={name}")
        said = answer.body.decode().strip()
        balanced.add(int(said.rsplit("/", 1)[1]) if answer.status == 200 else said)
    return {"farm": (farm["admin"], farm["condition"], farm["available"]), "states": states, "free": free,
            "served": served, "refused": refusals, "balanced": balanced}


def model_of(number):
    farm_admin, members = ROWS[number]
    its, able = condition(farm_admin, members), may_serve(farm_admin, members)
    free = [available(farm_admin, member) for member in members]
    return {"farm": (farm_admin, its, sum(free)), "states": [(m.admin, m.health, m.fresh) for m in members], "free": free,
            "served": able, "refused": set() if able else {its}, "balanced": able or {its}}


def test_370_02_every_row(httpd):
    """Contract, section 1: available and condition; section 3: tier and maxinflight; section 7: what farm-balance answers.
    All of the table's farms stand in one server, and each is compared with the model."""
    servers, held = httpd.three("x", "y"), httpd.member("held").hold()
    configure(httpd, servers, held)
    full = sum(member.full for _, members in ROWS for member in members)
    httpd.conf.mpm_lines = ["StartServers 2", "ServerLimit 8", "ThreadsPerChild 64", "MaxRequestWorkers 512"]
    httpd.start()
    with ThreadPoolExecutor(full) as pool:
        try:
            holding = fill(httpd, pool, held)
            set_states(httpd)
            out = {(name_of(number), f"m{n}") for number, (_, members) in enumerate(ROWS)
                   for n, member in enumerate(members) if member.fresh == "out"}
            is_out = lambda: {(farm["name"], row["name"]) for farm in httpd.status()["farms"] for row in farm["members"]
                              if row["fresh"] == "out"}
            wait.until(lambda: out <= is_out(), "members to be out")
            wrong = []
            for number, row in enumerate(ROWS):
                seen, model = seen_of(httpd, number), model_of(number)
                wrong += [f"{row}: {key} is {seen[key]}, not {model[key]}" for key in model if seen[key] != model[key]]
            assert not wrong, "\n".join(wrong)
        finally:
            held.release()
        assert {f.result(wait.patiently(60)).status for f in holding} == {200}


def test_370_03_no_state_sets_another(httpd):
    """Contract, section 1: health is "Never set by, and never setting, admin"; a farm's own admin leaves its members' alone."""
    httpd.farm(*httpd.three("a", "b"), "FarmExpectUpdate 1h")
    httpd.conf.handler("farm-manager").handler("farm-update")
    httpd.start()

    def states():
        return [(row["admin"], row["health"], row["fresh"]) for row in httpd.rows().values()]

    for admin, health, farm_admin in itertools.product(ADMINS, ["down", "up"], ADMINS):
        manage(httpd, farm="app", member="a", admin=admin)
        manage(httpd, farm="app", member="a", health=health)
        manage(httpd, farm="app", admin=farm_admin)
        assert states() == [(admin, health, "in"), ("on", "up", "in")]
        farm = httpd.farm_status()
        assert farm["admin"] == farm_admin
        assert farm["condition"] == ("ok" if farm_admin == "on" else "offline")
