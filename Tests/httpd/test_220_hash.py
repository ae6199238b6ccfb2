"""hash: consistent hashing of an expression, bounded by what is in flight."""

import math
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from farmhttpd import client, wait
from farmhttpd.members import answer
from farmhttpd.update import push, shares
from test_200_selection import check_shares
from test_420_locks import KILLED, murder, survive

BY_KEY = 'FarmAlgorithm hash "%{HTTP:X-Key}"'
FIVE = "abcde"


def hash_farm(httpd, names=FIVE, lines=(BY_KEY,), **weights):
    made = httpd.three(*names)
    httpd.farm(*[(m, f"weight={weights.get(m.name, 1)}") for m in made], *lines)
    httpd.conf.handler("farm-update")
    return made


def keys(count):
    return [f"user-{n}" for n in range(count)]


def owners(httpd, wanted):
    """The member of each key, asked for one after the other on one connection."""
    with httpd.client() as keep:
        return {key: keep.request("/app/x", headers={"X-Key": key}).member for key in wanted}


def check_spread(found, weights):
    """Shares of keys by weight. A member's part of the ring itself strays: by a design that keeps this within 5 % of an even
    part (one standard deviation), and a draw of so many keys by theirs. Five deviations of both together."""
    counts, total, whole = Counter(found.values()), len(found), sum(weights.values())
    for name, weight in weights.items():
        share = weight / whole
        bound = 5 * (total * share * (1 - share) + (0.05 * total * share) ** 2) ** 0.5
        assert abs(counts[name] - total * share) <= bound, f"{name}: {counts[name]} of {total}, not {total * share:g}"


@pytest.mark.both_mpms
def test_220_01_same_key_same_member(httpd):
    """Contract: `hash EXPR`: "consistent hashing of an ap_expr string (a client address, a header)": in every process the
    same."""
    hash_farm(httpd)
    httpd.start()
    wanted = keys(30)

    def one_after_the_other():
        # A connection each, so that any process may serve any of them.
        return {key: httpd.get("/app/x", headers={"X-Key": key}).member for key in wanted}

    # Alone: the bound on requests in flight has no say.
    first = one_after_the_other()
    assert all(one_after_the_other() == first for _ in range(6))
    assert set(first.values()) == set(FIVE)
    assert httpd.farm_status()["algorithm"].startswith("hash")


def test_220_02_keys_spread_equally(httpd):
    """Contract: "`hash` honours weights": equal ones share the keys equally."""
    hash_farm(httpd)
    httpd.start()
    check_spread(owners(httpd, keys(1000)), dict.fromkeys(FIVE, 1))


def test_220_03_weights(httpd):
    """Contract: "`hash` honours weights"."""
    hash_farm(httpd, "abc", a=4, b=2, c=1)
    httpd.start()
    check_spread(owners(httpd, keys(1000)), {"a": 4, "b": 2, "c": 1})
    told = shares(httpd, "app", *"abc")
    assert sum(told.values()) == pytest.approx(1, abs=0.016) and told["a"] > told["b"] > told["c"] > 0


@pytest.mark.both_mpms
def test_220_04_only_its_keys_move(httpd):
    """Contract: *consistent* hashing: when a member is not available only its keys go elsewhere, to all the others, and
    when it is again they come back."""
    hash_farm(httpd)
    httpd.start()
    wanted = keys(200)
    before = owners(httpd, wanted)
    push(httpd, "farm=app&member=c&health=down")
    meanwhile = owners(httpd, wanted)
    assert {key: name for key, name in meanwhile.items() if before[key] != "c"} == \
        {key: name for key, name in before.items() if name != "c"}
    # About 40 keys, of which each of four others gets its part.
    assert {name for key, name in meanwhile.items() if before[key] == "c"} == set("abde")
    push(httpd, "farm=app&member=c&health=up")
    assert owners(httpd, wanted) == before


def test_220_05_failover_is_the_same_as_down(httpd):
    """Contract: *consistent* hashing: when a request's own member fails, it goes where the key's requests go while that
    member is down; the keys of others stay where they are."""
    made = {m.name: m for m in hash_farm(httpd, lines=(BY_KEY, "FarmSet fall=1000000"))}
    httpd.log.expect_refused()
    httpd.start()
    wanted = keys(60)
    before = owners(httpd, wanted)
    push(httpd, "farm=app&member=c&health=down")
    meanwhile = owners(httpd, wanted)
    push(httpd, "farm=app&member=c&health=up")
    made["c"].refuse()
    assert owners(httpd, wanted) == meanwhile
    made["c"].start()
    assert owners(httpd, wanted) == before


def test_220_06_restarts(httpd):
    """Contract: *consistent* hashing: the same configuration finds the same member for a key after a graceful restart, a
    hard one and a full stop; in whatever order the members stand."""
    made = hash_farm(httpd)
    httpd.start()
    wanted = keys(100)
    before = owners(httpd, wanted)
    httpd.graceful()
    assert owners(httpd, wanted) == before
    httpd.restart()
    assert owners(httpd, wanted) == before
    httpd.stop()
    httpd.start()
    assert owners(httpd, wanted) == before
    httpd.conf.farm("app", *reversed(made), BY_KEY)
    httpd.graceful()
    assert owners(httpd, wanted) == before


def test_220_07_a_newcomer(httpd):
    """Contract: *consistent* hashing: one more member takes keys, and no key moves but to it; when it goes, they go back."""
    made = hash_farm(httpd)
    newcomer = httpd.member("f")
    httpd.start()
    wanted = keys(300)
    before = owners(httpd, wanted)
    httpd.conf.farm("app", *made[:2], newcomer, *made[2:], BY_KEY)
    httpd.graceful()
    after = owners(httpd, wanted)
    moved = {key for key in wanted if after[key] != before[key]}
    assert {after[key] for key in moved} == {"f"}
    # A sixth of 300 is 50; of less than 15 nobody could say that it takes its part.
    assert 15 <= len(moved) <= 100
    httpd.conf.farm("app", *made, BY_KEY)
    httpd.graceful()
    assert owners(httpd, wanted) == before


def test_220_08_two_farms(httpd):
    """Contract: each farm has its own expression; the same members under the same names hash alike or not, as they please,
    but each farm consistently."""
    made = hash_farm(httpd)
    httpd.conf.farm("other", *made, 'FarmAlgorithm hash "%{REQUEST_URI}"').proxy("/other/", "http://other/")
    httpd.start()
    with httpd.client() as keep:
        by_uri = [{n: keep.request(f"/other/{n}", headers={"X-Key": "same"}).member for n in range(40)} for _ in range(2)]
    assert by_uri[0] == by_uri[1] and len(set(by_uri[0].values())) == 5
    assert len(set(owners(httpd, ["same"] * 5).values())) == 1


@pytest.mark.parametrize("headers", [{}, {"X-Key": ""}], ids=["absent", "empty"])
def test_220_09_empty_key(httpd, headers):
    """Contract: "an empty key falls back to `random`"."""
    hash_farm(httpd, "abc", a=2)
    httpd.conf.one_process()
    httpd.start()
    with httpd.client() as keep:
        counts = Counter(keep.request("/app/x", headers=headers).member for _ in range(400))
    check_shares(counts, {"a": 2, "b": 1, "c": 1})


def test_220_10_client_address(httpd):
    """Contract: "an ap_expr string (a client address, …)"."""
    hash_farm(httpd, lines=('FarmAlgorithm hash "%{REMOTE_ADDR}"',))
    httpd.start()
    addresses = [f"127.0.2.{n}" for n in range(1, 31)]
    def ask():
        return {address: httpd.get("/app/x", source=address).member for address in addresses}
    first = ask()
    assert all(ask() == first for _ in range(3))
    assert len(set(first.values())) >= 4


def test_220_11_parts_of_an_expression(httpd):
    """Contract: "an ap_expr string": functions and several variables work as everywhere in httpd."""
    hash_farm(httpd, lines=('FarmAlgorithm hash "%{tolower:%{HTTP:X-Key}}-%{HTTP:X-More}"',))
    httpd.start()
    def ask(**headers):
        return httpd.get("/app/x", headers={k.replace("_", "-"): v for k, v in headers.items()}).member
    assert len({ask(X_Key=key, X_More="1") for key in ("Some", "SOME", "some")}) == 1
    assert len({ask(X_Key="some", X_More=str(n)) for n in range(40)}) == 5


def test_220_12_keys_of_all_sorts(httpd):
    """Contract: any text is a key: long ones, similar ones, odd bytes; each has its member, and nothing crashes."""
    hash_farm(httpd)
    httpd.start()
    odd = ["x" * 7000, "x" * 6999, "\xff\xfe", "a\tb", "%00", "0", "1", "'\"<>", " spaced ", "é" * 100]
    with httpd.client() as keep:
        def ask(key):
            return keep.request("/app/x", headers={"X-Key": key.encode("latin-1")}).member
        assert [ask(key) for key in odd] == [ask(key) for key in odd]
    check_spread(owners(httpd, [f"{n}" for n in range(400)]), dict.fromkeys(FIVE, 1))
    check_spread(owners(httpd, ["k" * n for n in range(1, 401)]), dict.fromkeys(FIVE, 1))


@contextmanager
def holding(made):
    """The members hold what comes in, until the end of the block, also of one that a test breaks off."""
    for member in made:
        member.hold()
    try:
        yield
    finally:
        for member in made:
            member.always(answer()).release()


@pytest.mark.both_mpms
@pytest.mark.parametrize("weights", [{}, {"a": 2}], ids=["equal", "weighted"])
def test_220_13_bounded(httpd, weights):
    """Contract: "bounded so that no member exceeds 1.25 × the mean in flight": a member may have at most
    ceil(1.25 × requests in flight, this one included, × its part of the weights); here after each of 40 requests for the
    same key, which come in one by one and are held, in any process."""
    made = hash_farm(httpd, "abcde"[:4 if weights else 5], **weights)
    httpd.conf.mpm_lines = [line.replace("StartServers 3", "StartServers 45") for line in httpd.conf.mpm_lines]
    httpd.start()
    owner = owners(httpd, ["hot"])["hot"]
    whole = sum(weights.get(m.name, 1) for m in made)
    asking = []
    with ThreadPoolExecutor(40) as pool, holding(made):
        for count in range(1, 41):
            asking.append(pool.submit(httpd.get, "/app/x", headers={"X-Key": "hot"}))
            wait.until(lambda: sum(m.active for m in made) == count, f"{count} requests in flight")
            for m in made:
                bound = math.ceil(1.25 * count * weights.get(m.name, 1) / whole)
                assert m.active <= bound, f"{m.name} has {m.active} of {count}, at most {bound}"
        counts = {m.name: m.active for m in made}
        # The key's own member is filled before others are asked: it is always at its bound.
        bound = math.ceil(1.25 * 40 * weights.get(owner, 1) / whole)
        assert counts[owner] >= bound - 1, (owner, counts)
        assert {row["inflight"] for row in httpd.rows().values()} == set(counts.values())
    assert {f.result(wait.patiently(60)).status for f in asking} == {200}
    wait.until(lambda: all(row["inflight"] == 0 for row in httpd.rows().values()), "nothing in flight")
    assert owners(httpd, ["hot"])["hot"] == owner


def test_220_14_bounded_when_all_come_at_once(httpd):
    """Contract: "no member exceeds 1.25 × the mean in flight", also when choices race: 40 at once, of which each member may
    have at most ceil(1.25 × 40 / 5) = 10 and one for each process that counted at the same moment."""
    made = hash_farm(httpd)
    httpd.start()
    with ThreadPoolExecutor(40) as pool, holding(made):
        asking = [pool.submit(httpd.get, "/app/x", headers={"X-Key": "hot"}) for _ in range(40)]
        wait.until(lambda: sum(m.active for m in made) == 40, "40 requests in flight")
        counts = {m.name: m.active for m in made}
    assert {f.result(wait.patiently(60)).status for f in asking} == {200}
    assert max(counts.values()) <= 12, counts


def test_220_15_maxinflight(httpd):
    """Contract: a member at its maxinflight gets no more, whatever the key."""
    made = hash_farm(httpd, "ab")
    httpd.conf.farm("app", *[(m, "maxinflight=2") for m in made], BY_KEY)
    httpd.log.expect("proxy_farm:")
    httpd.start()
    with ThreadPoolExecutor(4) as pool, holding(made):
        asking = [pool.submit(httpd.get, "/app/x", headers={"X-Key": "hot"}) for _ in range(4)]
        wait.until(lambda: sum(m.active for m in made) == 4, "4 requests in flight")
        assert httpd.get("/app/x", headers={"X-Key": "hot"}).status == 503
        assert [m.active for m in made] == [2, 2]
    assert {f.result(wait.patiently(30)).status for f in asking} == {200}


def test_220_16_tiers(httpd):
    """Contract: "a higher tier serves only while no lower one has an available member": keys live in the lowest tier."""
    a, b, c, d = httpd.three(*"abcd")
    httpd.farm(a, b, (c, "tier=1"), (d, "tier=1"), BY_KEY)
    httpd.conf.handler("farm-update")
    httpd.start()
    wanted = keys(40)
    before = owners(httpd, wanted)
    assert set(before.values()) == {"a", "b"}
    push(httpd, "farm=app&member=a&health=down&member=b&health=down")
    assert set(owners(httpd, wanted).values()) == {"c", "d"}
    push(httpd, "farm=app&member=a&health=up&member=b&health=up")
    assert owners(httpd, wanted) == before


def test_220_17_alone(httpd):
    """Contract: a farm of one: every key is its own, however much is in flight."""
    a, = hash_farm(httpd, "a")
    httpd.start()
    with ThreadPoolExecutor(20) as pool, holding([a]):
        asking = [pool.submit(httpd.get, "/app/x", headers={"X-Key": f"{n}"}) for n in range(20)]
        a.wait_for_active(20)
    assert {f.result(wait.patiently(30)).status for f in asking} == {200}


def test_220_18_the_same_after_a_change_of_weight(httpd):
    """Contract: "`hash` honours weights" and is *consistent*: a member that gains weight takes keys, and no other key moves."""
    made = hash_farm(httpd, "abc")
    httpd.start()
    wanted = keys(200)
    before = owners(httpd, wanted)
    httpd.conf.farm("app", (made[0], "weight=2"), *made[1:], BY_KEY)
    httpd.graceful()
    after = owners(httpd, wanted)
    moved = [key for key in wanted if after[key] != before[key]]
    assert moved and {after[key] for key in moved} == {"a"}


@pytest.mark.both_mpms
def test_220_19_many_at_once_are_all_served(httpd):
    """Contract: the bound moves requests, it refuses none: with room at every member nobody gets an error."""
    hash_farm(httpd)
    httpd.start()
    def some():
        return [httpd.get("/app/x", headers={"X-Key": "hot"}).status for _ in range(30)]
    assert set(sum(client.at_once(8, some), [])) == {200}


def held_one_by_one(pool, httpd, made, count):
    """Starts that many held requests for one key, one after the other; the most that any member had at each step."""
    asking, most = [], []
    for n in range(1, count + 1):
        asking.append(pool.submit(survive, lambda: httpd.get("/app/x", headers={"X-Key": "hot"})))
        wait.until(lambda: sum(m.active for m in made) == n, f"{n} requests in flight")
        most.append(max(m.active for m in made))
    return asking, most


def test_220_20_bound_after_a_kill(httpd):
    """Contract: "A child that dies … with requests in flight, leaves … within 2 s no count behind": nor in what the bound is
    taken of: with ceil(1.25 × n / 5) for n requests, a count left behind would let the first member have more."""
    made = hash_farm(httpd)
    httpd.log.expect(KILLED)
    httpd.start()
    with ThreadPoolExecutor(16) as pool:
        with holding(made):
            lost, _ = held_one_by_one(pool, httpd, made, 12)
            murder(httpd)
            assert {f.result(wait.patiently(60)) for f in lost} == {"lost"}
            wait.until(lambda: all(row["inflight"] == 0 for row in httpd.rows().values()), "nothing in flight")
        wait.until(lambda: all(m.active == 0 for m in made), "the members to be idle")
        with holding(made):
            asking, most = held_one_by_one(pool, httpd, made, 8)
        assert {f.result(wait.patiently(60)) for f in asking} == {200}
    # ceil(1.25 × n / 5) for n = 1 to 8.
    assert most == [1, 1, 1, 1, 2, 2, 2, 2]


def test_220_21_bound_after_other_algorithms(httpd):
    """Contract: the bound is 1.25 × the mean in flight, whatever the farm's algorithm was before and with requests of that
    time still in flight."""
    made = hash_farm(httpd, "abcd")
    httpd.start()
    with ThreadPoolExecutor(16) as pool:
        with holding(made):
            old, _ = held_one_by_one(pool, httpd, made, 6)
            for algorithm in ("FarmAlgorithm random", BY_KEY):
                httpd.conf.farm("app", *made, algorithm)
                httpd.graceful()
            assert sum(row["inflight"] for row in httpd.rows().values()) == 6
        assert {f.result(wait.patiently(60)) for f in old} == {200}
        wait.until(lambda: all(row["inflight"] == 0 for row in httpd.rows().values()), "nothing in flight")
        with holding(made):
            asking, most = held_one_by_one(pool, httpd, made, 8)
        assert {f.result(wait.patiently(60)) for f in asking} == {200}
    # ceil(1.25 × n / 4) for n = 1 to 8.
    assert most == [1, 1, 1, 2, 2, 2, 3, 3]


def test_220_22_bound_beside_a_member_that_hangs(httpd):
    """Contract: "no member exceeds 1.25 × the mean in flight": what hangs at a member that is down gives the others no more
    room than the mean over all of them: with 12 there and 12 more of one key, 1.25 × 24 / 3."""
    made = {m.name: m for m in hash_farm(httpd, "abc")}
    httpd.start()
    push(httpd, "farm=app&member=a&health=down&member=b&health=down")
    with ThreadPoolExecutor(24) as pool, holding(made.values()):
        hanging = [pool.submit(survive, lambda: httpd.get("/app/x")) for _ in range(12)]
        made["c"].wait_for_active(12)
        push(httpd, "farm=app&member=a&health=up&member=b&health=up&member=c&health=down")
        asking = []
        for n in range(1, 13):
            asking.append(pool.submit(survive, lambda: httpd.get("/app/x", headers={"X-Key": "hot"})))
            wait.until(lambda: made["a"].active + made["b"].active == n, f"{n} requests in flight")
        counts = {name: m.active for name, m in made.items()}
    assert {f.result(wait.patiently(60)) for f in hanging + asking} == {200}
    assert max(counts["a"], counts["b"]) <= 10, counts
