"""The status as OpenMetrics, read by Prometheus' own strict Python parser and compared with the JSON."""

import threading
import time

import pytest

from farmhttpd import formats, members, wait
from farmhttpd.fallback import kept_busy
from farmhttpd.formats import BOUNDS, FAMILIES, MORE_FAMILIES, STATES, scrape
from farmhttpd.instructions import KEY2, RESULTS, instructed, instruction, value
from farmhttpd.instructions import ask as ask_with
from farmhttpd.manager import change
from farmhttpd.members import answer
from farmhttpd.update import push

A = "farm=app&member=a"
LABELS = {"farm_old_processes": [], "farm_requests": ["farm", "outcome"], "farm_answers": ["farm", "class"],
          "farm_instructions": ["result"], "farm_module": ["version", "mpm"],
          "farm_member_metric": ["farm", "member", "metric"], "farm_member_latency_seconds": ["farm", "member", "le"]}


def busy_farm(httpd):
    """Two farms about which there is much to tell: loads, metrics, states, errors, failovers, cookies."""
    a, b, c = instructed(httpd, options=["weight=3", "maxinflight=5", "tier=1"], lines=["FarmSet fall=1000000"],
                         one_process=False)
    httpd.conf.farm("other_farm-2", (a, "")).farm("nobody")
    httpd.conf.proxy("/app/", "http://app/").proxy("/other/", "http://other_farm-2/").handler("farm-update")
    httpd.log.expect_broken()
    httpd.log.expect("FARM")
    httpd.start()
    for n in range(9):
        if n % 4 == 0:
            b.next(members.close_after_request)
        assert httpd.get("/app/x").status == httpd.get("/other/x").status == 200
    ask_with(httpd, instruction(member="a"))
    ask_with(httpd, "farm=" + value(key=KEY2))
    ask_with(httpd, "farm=nothing")
    push(httpd, f"{A}&cpu=0.25&db.conns=57&x=-1e-9&big=1e300&member=b&cpu=1")
    change(httpd, "farm=app&member=c&admin=off&reason=disk")
    change(httpd, "farm=app&member=b&health=down")
    return a, b, c


@pytest.mark.both_mpms
def test_431_01_says_what_the_json_says(httpd):
    """Contract: the families with labels `farm` and `member`; every value is the JSON's of the same moment, and what is null
    there has no sample."""
    busy_farm(httpd)
    before, told, after = formats.between(httpd, lambda: scrape(httpd))
    expected = formats.expected_samples(before)
    moving = ("farm_member_latency_seconds", "farm_member_update_age_seconds")
    compared = {series: value for series, value in told.samples.items() if not series[0].startswith(moving)}
    assert sorted(map(str, compared)) == sorted(map(str, expected))
    assert {series: (value, expected[series]) for series, value in compared.items()
            if value != pytest.approx(expected[series], rel=1e-12)} == {}
    for old, farm in zip(before["farms"], after["farms"]):
        for old_row, row in zip(old["members"], farm["members"]):
            age = told.value("farm_member_update_age_seconds", farm=farm["name"], member=row["name"])
            if row["update_age_s"] is None:
                assert age is None
            else:
                assert old_row["update_age_s"] <= age <= row["update_age_s"]
    assert told.value("farm_member_metric", farm="app", member="a", metric="db.conns") == 57
    assert [labels for labels in told.labels_of("farm_member_update_age_seconds")] == \
        [{"farm": "app", "member": "a"}, {"farm": "app", "member": "b"}]


@pytest.mark.both_mpms
def test_431_02_families(httpd):
    """Contract: the families, in that order, their types and units; each says what it is; a family stands once."""
    busy_farm(httpd)
    told = scrape(httpd)
    seen = {name: (family.type, family.unit) for name, family in told.families.items()}
    assert seen == {**FAMILIES, **MORE_FAMILIES}
    assert [name for name in told.families if name in FAMILIES] == list(FAMILIES)
    for name, family in told.families.items():
        assert len(family.documentation) > 8 and family.documentation != name, name
        heads = [line.split(" ", 3)[1] for line in told.text.splitlines() if line.startswith("#") and line.split(" ")[2:3] == [name]]
        assert sorted(heads) == sorted({"TYPE", "HELP"} | ({"UNIT"} if family.unit else set())), heads


def test_431_03_labels(httpd):
    """Contract: "Every sample has labels farm, member in that order, then its own"."""
    busy_farm(httpd)
    told = scrape(httpd)
    for name, family in told.families.items():
        expected = LABELS.get(name, ["farm", "member"] if name.startswith("farm_member") else ["farm"])
        if name in STATES:
            expected = [*expected, name]
        for sample in family.samples:
            own = [label for label in expected if label != "le" or sample.name.endswith("_bucket")]
            assert list(sample.labels) == own, sample


def test_431_04_states(httpd):
    """Contract: "StateSets (one sample a state, one of them 1)", whatever the state."""
    busy_farm(httpd)
    for text, state in (("admin=drain", "drain"), ("admin=off", "off"), ("admin=on", "on")):
        change(httpd, f"{A}&{text}")
        told = scrape(httpd)
        for name, states in STATES.items():
            groups = {}
            for sample in told.families[name].samples:
                own = sample.labels.pop(name)
                groups.setdefault(frozenset(sample.labels.items()), {})[own] = sample.value
            assert len(groups) == (3 if name == "farm_condition" else 4)
            for group in groups.values():
                assert set(group) == set(states) and sorted(group.values()) == [0] * (len(states) - 1) + [1], (name, group)
        assert told.value("farm_member_admin", farm="app", member="a", farm_member_admin=state) == 1


@pytest.mark.parametrize("condition", STATES["farm_condition"])
def test_431_05_conditions(httpd, condition):
    """Contract: farm_condition is one of `ok`, `full`, `offline`, `down`."""
    a = httpd.member("a")
    httpd.farm((a, "maxinflight=1"))
    httpd.conf.handler("farm-manager")
    httpd.log.expect("FARM")
    httpd.start()

    def check():
        told = scrape(httpd)
        assert {one: told.value("farm_condition", farm="app", farm_condition=one) for one in STATES["farm_condition"]} == \
            {one: int(one == condition) for one in STATES["farm_condition"]}
    if condition == "full":
        with kept_busy(httpd, a, "/app/x"):
            check()
            assert scrape(httpd).value("farm_member_inflight", farm="app", member="a") == 1
        return
    if condition != "ok":
        change(httpd, f"{A}&" + ("admin=off" if condition == "offline" else "health=down"))
    check()


@pytest.mark.both_mpms
def test_431_06_histogram(httpd):
    """Contract: "le in seconds, one bucket an octave from 0.000128 to 134.217728, then +Inf; _count, _sum": cumulative, and
    each answer is in the buckets from its latency on."""
    @members.stage("body")
    def slow(member, wire, request):
        time.sleep(0.15)
        return answer()(member, wire, request)
    a, b = httpd.three("a", "b")
    httpd.farm(a, "FarmSet fall=1000000").farm(b, name="unused")
    httpd.log.expect_broken()
    httpd.start()
    # POSTs are not sent again, and a connection that is new is the member's to close.
    for behaviours in ([answer()] * 5 + [answer(keep=False)], [members.close_after_request], [slow] * 2):
        a.next(*behaviours)
        for _ in behaviours:
            httpd.get("/app/x", method="POST", body=b"x")
    before, told, _ = formats.between(httpd, lambda: scrape(httpd))
    labels, latency = {"farm": "app", "member": "a"}, before["farms"][0]["members"][0]["latency_ms"]
    buckets = told.buckets(**labels)
    assert [bound for bound, _ in buckets] == pytest.approx(BOUNDS, rel=1e-12)
    assert [count for _, count in buckets] == sorted(count for _, count in buckets)
    assert buckets[-1][1] == told.value("farm_member_latency_seconds_count", **labels) == latency["count"] == 8
    total = told.value("farm_member_latency_seconds_sum", **labels)
    assert total == pytest.approx(latency["sum"] / 1000, abs=1e-6) and total >= 2 * 0.15
    assert max(count for bound, count in buckets if bound < 0.15) <= 6
    # What the buckets say of the sum: each answer took more than the bound before its own.
    least = sum(bound * (after - own) for (bound, own), (_, after) in zip(buckets, buckets[1:]))
    assert least <= total
    unused = told.buckets(farm="unused", member="b")
    assert [count for _, count in unused] == [0] * len(BOUNDS)


@pytest.mark.both_mpms
def test_431_07_counters_never_go_down(httpd):
    """Contract: "A graceful restart keeps every counter": no series that Prometheus takes for a counter goes down, while
    requests come and configurations change."""
    a, b, c = httpd.three()
    httpd.farm(a, b, "FarmSet fall=1000000", "FarmAlgorithm roundrobin")
    httpd.log.expect_broken()
    httpd.start()
    over, seen = threading.Event(), []      # one client's answers, one after the other

    def load():
        while not over.is_set():
            httpd.get("/app/x")

    def ask():
        while not over.is_set():
            seen.append(scrape(httpd).counters())
    threads = [threading.Thread(target=one) for one in (load, load, ask)]
    for thread in threads:
        thread.start()
    try:
        for parts in ((a, b, c), (c, b, a), (b, a), (a, b, "FarmAlgorithm random"), (a, b)):
            httpd.conf.farm("app", *parts)
            b.next(members.close_after_request)
            httpd.graceful()
            count = len(seen)
            wait.until(lambda: len(seen) > count + 1, "an answer after the restart")
    finally:
        over.set()
        for thread in threads:
            thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    last = scrape(httpd).counters()
    kept = [series for series in last if dict(series[1]).get("member") != "c"]
    assert len(kept) > 20 and last["farm_requests_total", frozenset({("farm", "app"), ("outcome", "served")})] > 50
    for series in kept:
        values = [counters[series] for counters in [*seen, last]]
        assert values == sorted(values), series


def test_431_08_odd_names(httpd):
    """Contract: every legal name of farms, members and metrics is one as a label too."""
    a = httpd.member("a")
    names = [f"m:{n}.x_y-z" for n in range(40)]
    httpd.conf.farm("-_0", *[f"FarmMember {a.url}/{n} name={name}" for n, name in enumerate(names)])
    httpd.conf.handler("farm-update")
    httpd.start()
    push(httpd, f"farm=-_0&member={names[0]}&_=1&__name__=2&le=3&a.b.c=4")
    told = scrape(httpd)
    assert [labels["member"] for labels in told.labels_of("farm_member_inflight")] == names
    assert {labels["metric"]: told.value("farm_member_metric", **labels) for labels in told.labels_of("farm_member_metric")} == \
        {"_": 1, "__name__": 2, "le": 3, "a.b.c": 4}


def test_431_09_unknown_has_no_sample(httpd):
    """Contract: "farm_member_load and farm_member_metric leave out what is unknown"; a member that has never reported has no
    age of its last update."""
    httpd.farm(*httpd.three("a", "b"), 'FarmLoad "cpu / cores"')
    httpd.conf.handler("farm-update")
    httpd.start()
    told = scrape(httpd)
    for name in ("farm_member_load", "farm_member_metric", "farm_member_update_age_seconds"):
        assert name in told.families and told.labels_of(name) == []
    push(httpd, f"{A}&cpu=4&cores=0")
    told = scrape(httpd)
    assert told.labels_of("farm_member_load") == []
    assert told.labels_of("farm_member_update_age_seconds") == [{"farm": "app", "member": "a"}]
    push(httpd, f"{A}&cores=8")
    assert scrape(httpd).value("farm_member_load", farm="app", member="a") == 0.5


def test_431_10_instructions(httpd):
    """Contract: `farm_instructions_total{result}`: the JSON's `cookies`, each of them, also of those that are 0."""
    instructed(httpd)
    httpd.start()
    for cookie, count in ((instruction(member="a"), 3), ("farm=x", 2), (instruction(member="a", exp=1), 1)):
        for _ in range(count):
            ask_with(httpd, cookie)
    before, told, _ = formats.between(httpd, lambda: scrape(httpd))
    assert {labels["result"]: told.value("farm_instructions_total", **labels)
            for labels in told.labels_of("farm_instructions_total")} == before["cookies"]
    assert set(before["cookies"]) == set(RESULTS) and before["cookies"]["accepted"] == 3


def test_431_11_no_farm(httpd):
    """Contract: "a server without farms has one too, an empty one", which the parser takes."""
    httpd.start()
    assert formats.ask(httpd, "openmetrics") == "# EOF\n"
    assert not scrape(httpd).families
