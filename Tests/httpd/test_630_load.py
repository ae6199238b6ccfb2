"""From metrics to a load, and from loads to shares of the traffic."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from farmhttpd import client, wait
from farmhttpd.members import answer
from farmhttpd.update import check_shares_told, push, shares, tell
from test_200_selection import check_shares

# The formula, what is pushed, the load.
FORMULAS = [
    ("cpu", "cpu=0.42&mem=9", 0.42),
    ("cpu + mem", "cpu=1&mem=2", 3),
    ("cpu - mem", "cpu=1&mem=2.5", -1.5),
    ("cpu * mem", "cpu=3&mem=-2", -6),
    ("cpu / mem", "cpu=3&mem=2", 1.5),
    ("1 + 2 * cpu", "cpu=3", 7),
    ("2 * cpu + 1", "cpu=3", 7),
    ("(1 + 2) * cpu", "cpu=3", 9),
    ("cpu - 3 - 2", "cpu=8", 3),
    ("cpu - (3 - 2)", "cpu=8", 7),
    ("cpu / 4 / 2", "cpu=8", 1),
    ("cpu / 4 * 2", "cpu=8", 4),
    ("8 - 6 / cpu * 3", "cpu=2", -1),
    ("-cpu", "cpu=2", -2),
    ("3 - -cpu", "cpu=2", 5),
    ("2 * -cpu", "cpu=2", -4),
    ("min(cpu, mem)", "cpu=2&mem=1", 1),
    ("max(cpu, mem)", "cpu=2&mem=1", 2),
    ("max(cpu, min(mem, 3)) * 2", "cpu=2&mem=7", 6),
    ("min(-cpu, 0)", "cpu=2", -2),
    (".5 * cpu + 1e1", "cpu=2", 11),
    ("db_conns / 200 + a.b", "db_conns=50&a.b=0.5", 0.75),
    ("cpu / mem", "cpu=1&mem=0", None),
    ("cpu / mem", "cpu=0&mem=0", None),
    ("1 + max(2, 3 / mem)", "mem=0", None),
    ("cpu / (mem - mem)", "cpu=1&mem=7", None),
    ("cpu + mem", "cpu=1", None),
    ("min(cpu, mem)", "cpu=1", None),
    ("max(mem, cpu)", "cpu=1", None),
    ("cpu + 0 * mem", "cpu=1", None),
    ("cpu", "Cpu=1", None),
    ("cpu", "", None),
    ("cpu * cpu", "cpu=1e200", None),
    ("cpu * 1e200 - cpu * 1e200", "cpu=1e200", None),
]


def test_630_01_formulas(httpd):
    """Contract: FarmLoad: "arithmetic over metric names: `+ - * /`, parentheses, numbers, `min(a,b)`, `max(a,b)`"; "In
    FarmLoad an unknown operand or a division by zero makes the result unknown"; what is not finite cannot be known
    either. `load` in the status, null and `-` for unknown."""
    a = httpd.member("a")
    for n, (formula, _, _) in enumerate(FORMULAS):
        httpd.conf.farm(f"f{n}", a, f'FarmLoad "{formula}"')
    httpd.conf.handler("farm-update")
    httpd.start()
    told = push(httpd, "&".join(f"farm=f{n}&member=a&{pushed}" for n, (_, pushed, _) in enumerate(FORMULAS)), "POST")
    shown = {farm["name"]: farm["members"][0]["load"] for farm in httpd.status()["farms"]}
    wrong = [(formula, pushed, told[n].load, shown[f"f{n}"], load) for n, (formula, pushed, load) in enumerate(FORMULAS)
             if not same(told[n].load, load) or not same(shown[f"f{n}"], load)]
    assert wrong == [], "formula, pushed, told, shown, expected"


def same(seen, load):
    return seen is None if load is None else seen is not None and seen == pytest.approx(load, rel=1e-6)


def test_630_02_mean_by_default(httpd):
    """Contract: FarmLoad's default: "the mean of all metrics pushed", also those of updates before."""
    httpd.farm(httpd.member("a"))
    httpd.conf.handler("farm-update")
    httpd.start()
    assert tell(httpd, "farm=app&member=a").load is None
    for text, load in (("x=1", 1), ("y=2", 1.5), ("z=-6", -1), ("x=4", 0), ("", 0)):
        assert tell(httpd, f"farm=app&member=a&{text}").load == pytest.approx(load)
        assert httpd.rows()["a"]["load"] == pytest.approx(load)


def test_630_03_mean_of_large_numbers(httpd):
    """Contract: "the mean of all metrics": of two finite numbers it is finite, whatever their sum is."""
    httpd.farm(httpd.member("a"))
    httpd.conf.handler("farm-update")
    httpd.start()
    assert tell(httpd, "farm=app&member=a&x=1.5e308&y=1.5e308").load == pytest.approx(1.5e308)


def test_630_04_known_again(httpd):
    """Contract: an unknown operand makes the result unknown, and a later update makes it known; what was the load before is
    not kept."""
    httpd.farm(httpd.member("a"), 'FarmLoad "cpu / mem"')
    httpd.conf.handler("farm-update")
    httpd.start()
    for text, load in (("cpu=1", None), ("mem=2", 0.5), ("mem=0", None), ("mem=4", 0.25)):
        assert tell(httpd, f"farm=app&member=a&{text}").load == load
        assert httpd.rows()["a"]["load"] == load


# Loads by member (None: nothing pushed), weights, and the shares in proportion to weight / (L + m).
SHARES = {
    "idle and busy": ({"a": 0, "b": 10}, {}, {"a": 0.75, "b": 0.25}),                    # m 5: 1/5 1/15
    "scale-free": ({"a": 0, "b": 1e-9}, {}, {"a": 0.75, "b": 0.25}),
    "scale-free, large": ({"a": 1e300, "b": 3e300}, {}, {"a": 5 / 8, "b": 3 / 8}),       # m 2: 1/3 1/5
    "beyond the sum": ({"a": 0, "b": 1.7e308}, {}, {"a": 0.75, "b": 0.25}),
    "beyond the sum, equal": ({"a": 1.7e308, "b": 1.7e308}, {}, {"a": 0.5, "b": 0.5}),
    "near": ({"a": 3, "b": 5}, {}, {"a": 9 / 16, "b": 7 / 16}),                          # m 4: 1/7 1/9
    "equal": ({"a": 7, "b": 7}, {}, {"a": 0.5, "b": 0.5}),
    "all nought": ({"a": 0, "b": 0}, {"a": 3}, {"a": 0.75, "b": 0.25}),
    "weights": ({"a": 10, "b": 0}, {"a": 3}, {"a": 0.5, "b": 0.5}),                      # m 5: 3/15 1/5
    "below nought": ({"a": -5, "b": 10}, {}, {"a": 0.75, "b": 0.25}),
    "all below nought": ({"a": -5, "b": -50}, {}, {"a": 0.5, "b": 0.5}),
    "one without": ({"a": 0, "b": 10, "c": None}, {}, {"a": 6 / 11, "b": 2 / 11, "c": 3 / 11}),
    "one with": ({"a": 10, "b": None}, {"b": 4}, {"a": 0.2, "b": 0.8}),
    "none with": ({"a": None, "b": None}, {"a": 3}, {"a": 0.75, "b": 0.25}),
    "three": ({"a": 1, "b": 2, "c": 6}, {}, {"a": 45 / 101, "b": 36 / 101, "c": 20 / 101}),  # m 3: 1/4 1/5 1/9
}


def farm_name(case):
    return case.replace(" ", "-").replace(",", "")


def test_630_05_shares(httpd):
    """Contract: "For `load`: share in proportion to weight / (L + m), with L the member's load (below 0 counts as 0) and m
    the mean load of the farm's available members (m = 0: by weight)"; "scale-free, so any unit will do. A member that has
    pushed no usable metrics counts as having the mean load of those that have"."""
    made = {m.name: m for m in httpd.three()}
    for case, (loads, weights, _) in SHARES.items():
        httpd.conf.farm(farm_name(case), *[(made[n], f"weight={weights.get(n, 1)}") for n in loads], "FarmAlgorithm load")
    httpd.conf.handler("farm-update")
    httpd.start()
    wrong = []
    for case, (loads, _, expected) in SHARES.items():
        # In a form, a plus sign is a blank.
        pushed = [f"member={n}" + ("" if load is None else f"&x={load}".replace("+", "")) for n, load in loads.items()]
        told = push(httpd, "&".join([f"farm={farm_name(case)}", *pushed]))
        try:
            check_shares_told({one.member: one.share for one in told}, expected)
        except AssertionError as error:
            wrong.append(f"{case}: {error}")
    assert not wrong, "\n".join(wrong)


def test_630_06_mean_of_the_available(httpd):
    """Contract: "m the mean load of the farm's *available* members": who is off or down weighs nothing in it."""
    made = httpd.three("a", "b", "c", "d")
    httpd.farm(*zip(made, ("", "", "admin=off", "")), "FarmAlgorithm load")
    httpd.conf.handler("farm-update")
    httpd.start()
    push(httpd, "farm=app&member=a&x=0&member=b&x=10&member=c&x=1000&member=d&x=2000&health=down")
    check_shares_told(shares(httpd, "app", *"abcd"), {"a": 0.75, "b": 0.25, "c": 0, "d": 0})
    # m (0 + 10 + 20) / 3: 1/10 1/20 1/30.
    push(httpd, "farm=app&member=d&x=20&health=up")
    check_shares_told(shares(httpd, "app", *"abcd"), {"a": 6 / 11, "b": 3 / 11, "c": 0, "d": 2 / 11})


def test_630_07_never_under_a_twentieth(httpd):
    """Contract: "then no share per weight under a twentieth of the largest": of 40 members one has all the load: by
    1 / (L + m) its share would be a 41st of each other's; by its weight of 1000 both are large enough to tell."""
    a = httpd.member("a")
    names = [f"m{n}" for n in range(40)]
    httpd.farm(*[f"FarmMember {a.url}/{name} name={name} weight={1000 if name == 'm0' else 1}" for name in names],
               "FarmAlgorithm load")
    httpd.conf.handler("farm-update")
    httpd.start()
    push(httpd, "farm=app" + "".join(f"&member={name}&x={1e9 if name == 'm0' else 0}" for name in names), "POST")
    share = 1000 / 20 / (1000 / 20 + 39)
    check_shares_told(shares(httpd, "app", "m0"), {"m0": share})
    with httpd.client() as keep:
        for _ in range(600):
            assert keep.request("/app/x").status == 200
    counts = {name: row["requests"] for name, row in httpd.rows().items()}
    # By 1 / (L + m) alone it would be 231 of 600; a twentieth is 337, and five standard deviations (12.2 each) are 61.
    check_shares({"m0": counts["m0"], "others": 600 - counts["m0"]}, {"m0": 1000 / 20, "others": 39})


@pytest.mark.both_mpms
def test_630_08_traffic_follows_at_once(httpd):
    """Contract: `load`: "members in proportion to weight and against their load: lower load, larger share; never all to the
    single lowest"; what one process stored holds in every process at once."""
    httpd.farm(*httpd.three("a", "b"), "FarmAlgorithm load")
    httpd.conf.handler("farm-update")
    httpd.start()

    def spread():
        some = lambda: [httpd.get("/app/x").member for _ in range(50)]
        return Counter(sum(client.at_once(8, some), []))

    check_shares(spread(), {"a": 1, "b": 1})
    # 300 and 100 of 400, five standard deviations (8.7 each) are 43: a third of the processes that goes on as before
    # would show.
    for loads, weights in (((0, 10), (3, 1)), ((10, 0), (1, 3)), ((5, 5), (1, 1)), ((-1, 1e6), (3, 1))):
        push(httpd, f"farm=app&member=a&x={loads[0]}&member=b&x={loads[1]}")
        check_shares(spread(), dict(zip("ab", weights)))
    tell(httpd, "farm=app&member=a&health=down")
    assert set(spread()) == {"b"}


def test_630_09_weights_in_traffic(httpd):
    """Contract: "share in proportion to *weight* / (L + m)"."""
    httpd.farm(*zip(httpd.three(), ("weight=4", "weight=2", "weight=1")), "FarmAlgorithm load")
    httpd.conf.handler("farm-update")
    httpd.conf.one_process()
    httpd.start()
    # m 10: 4/30 2/15 1/15.
    push(httpd, "farm=app&member=a&x=20&member=b&x=5&member=c&x=5")
    with httpd.client() as keep:
        counts = Counter(keep.request("/app/x").member for _ in range(500))
    check_shares(counts, {"a": 2, "b": 2, "c": 1})


def test_630_10_unknown_load_of_a_formula(httpd):
    """Contract: "A member that has pushed no *usable* metrics counts as having the mean load": a load that its formula
    cannot make is such a one, whatever it was before."""
    httpd.farm(*httpd.three(), 'FarmLoad "cpu / cores"', "FarmAlgorithm load")
    httpd.conf.handler("farm-update")
    httpd.start()
    push(httpd, "farm=app&member=a&cpu=0&cores=1&member=b&cpu=10&cores=1&member=c&cpu=1000&cores=1")
    push(httpd, "farm=app&member=c&cores=0")
    check_shares_told(shares(httpd, "app", *"abc"), {"a": 6 / 11, "b": 2 / 11, "c": 3 / 11})


@pytest.mark.parametrize("dear, cheap", ["ab", "ba"])
def test_630_11_adaptive_prefers_less_load(httpd, dear, cheap):
    """Contract: `adaptive`: "the cheaper, where cost joins requests in flight, recent latency and, where there is one, load":
    beside requests in flight load counts, and beside load they do; so of requests that are held the less loaded has more,
    and not all. Nobody has answered yet, so that latency has no say."""
    made = {m.name: m for m in httpd.three("a", "b")}
    httpd.farm(*made.values(), "FarmAlgorithm adaptive")
    httpd.conf.handler("farm-update")
    httpd.start()
    push(httpd, f"farm=app&member={dear}&x=1000&member={cheap}&x=1")
    for member in made.values():
        member.hold()
    with ThreadPoolExecutor(30) as pool:
        asked = []
        for count in range(1, 31):
            asked.append(pool.submit(httpd.get, "/app/x"))
            wait.until(lambda: sum(m.active for m in made.values()) == count, f"{count} requests in flight")
        # Without regard to load they are 15 and 15.
        assert made[cheap].active >= 18 and made[dear].active >= 1, {n: m.active for n, m in made.items()}
        for member in made.values():
            member.release()
        assert {one.result(wait.patiently(30)).status for one in asked} == {200}


def test_630_12_other_algorithms_do_not_look(httpd):
    """Contract: only `load` and `adaptive` are said to look at the load: `roundrobin` stays members in turn."""
    httpd.farm(*httpd.three("a", "b"), "FarmAlgorithm roundrobin")
    httpd.conf.handler("farm-update")
    httpd.conf.one_process()
    httpd.start()
    push(httpd, "farm=app&member=a&x=1000&member=b&x=0")
    with httpd.client() as keep:
        assert Counter(keep.request("/app/x").member for _ in range(40)) == {"a": 20, "b": 20}


@pytest.mark.parametrize("lines", [["FarmAlgorithm load"], ["FarmAlgorithm load", "FarmSet fall=1000000"]],
                         ids=["fall", "no-fall"])
def test_630_13_failover_by_load(httpd, lines):
    """Contract: a failed request goes to another available member, also where the load decides."""
    a, b = httpd.three("a", "b")
    httpd.farm(a, b, *lines)
    httpd.conf.handler("farm-update")
    httpd.log.expect_refused()
    a.refuse()
    httpd.start()
    push(httpd, "farm=app&member=a&x=0&member=b&x=100")
    assert {httpd.get("/app/x").member for _ in range(20)} == {"b"}


def test_630_14_maxinflight_by_load(httpd):
    """Contract: `load` chooses among those below their maxinflight."""
    a, b = httpd.three("a", "b")
    httpd.farm((a, "maxinflight=1"), b, "FarmAlgorithm load")
    httpd.conf.handler("farm-update")
    httpd.start()
    push(httpd, "farm=app&member=a&x=0&member=b&x=1000")
    a.hold(), b.hold()
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(httpd.get, "/app/x") for _ in range(20)]
        # Held: so of 20 requests at once one is at the first member, and nobody waits for another place there.
        b.wait_for_active(19)
        assert a.active == 1
        a.always(answer()).release(), b.always(answer()).release()
        assert {one.result(wait.patiently(30)).status for one in asked} == {200}
    assert a.most_active == 1
