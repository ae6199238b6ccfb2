"""farm-balance: which member a request would be sent to, for those who send it themselves."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from farmhttpd import client, wait
from farmhttpd.members import answer
from farmhttpd.update import push
from test_220_hash import BY_KEY, keys

PATH = "/farm-balance"


def farms(httpd, *parts, **others):
    httpd.farm(*parts)
    for name, more in others.items():
        httpd.farm(*more, name=name)
    httpd.conf.handler("farm-balance").handler("farm-update")


def balance(httpd, query, **arguments):
    return httpd.get(f"{PATH}?{query}", **arguments)


def chosen(httpd, farm="app", **arguments):
    """The URL that the farm answers with."""
    response = balance(httpd, f"farm={farm}", **arguments)
    assert response.status == 200, (response.status, response.body)
    assert response.get("Content-Type").startswith("text/plain")
    text = response.body.decode("ascii")
    assert text.endswith("\n") and text.count("\n") == 1, text
    return text[:-1]


def refused(httpd, condition, farm="app"):
    response = balance(httpd, f"farm={farm}")
    assert (response.status, response.body) == (503, condition.encode() + b"\n")
    assert response.get("Content-Type").startswith("text/plain")


@pytest.mark.both_mpms
def test_700_01_one_farm(httpd):
    """Contract: "`GET {farm-balance}?farm=app` answers `http://10.0.0.11:8080` in text/plain and counts as a choice"."""
    made = httpd.three()
    farms(httpd, *made, "FarmAlgorithm roundrobin")
    httpd.start()
    counts = Counter(chosen(httpd) for _ in range(12))
    assert counts == {m.url: 4 for m in made}
    rows, farm = httpd.rows(), httpd.farm_status()
    assert [(row["requests"], row["errors"], row["inflight"]) for row in rows.values()] == [(4, 0, 0)] * 3
    assert farm["requests"] == 0, "a question is no request of a client's"
    assert [m.connections for m in made] == [0, 0, 0]
    # What is chosen here and what is proxied are of one sequence.
    assert Counter(httpd.get("/app/x").member for _ in range(3)) == {"a": 1, "b": 1, "c": 1}


def test_700_02_choice_says_nothing_of_the_member(httpd):
    """Contract: a choice is no answer: it brings neither latency nor bytes, and no request stays in flight."""
    a, = httpd.three("a")
    farms(httpd, (a, "maxinflight=1"), "FarmAlgorithm busyness")
    httpd.start()
    assert {chosen(httpd) for _ in range(20)} == {a.url}
    row = httpd.rows()["a"]
    assert (row["inflight"], row["bytes_in"], row["bytes_out"], row["requests"]) == (0, 0, 0, 20)
    assert row["latency_ms"] == {"ewma": None, "p50": None, "p99": None, "count": 0, "sum": 0}


def test_700_03_url_as_a_client_needs_it(httpd):
    """Contract: "answers `http://10.0.0.11:8080`": scheme, host and port; and the path that goes before the request's."""
    a = httpd.member("a", path="/ctx")
    b = httpd.member("b")
    farms(httpd, a, slash=[f"FarmMember {b.url}/ name=b"])
    httpd.start()
    assert chosen(httpd) == f"http://{a.address}/ctx"
    assert chosen(httpd, "slash") == f"http://{b.address}"


def test_700_04_several_farms(httpd):
    """Contract: "Several `farm=` give a line `NAME URL` each (200 while any has one)"; "Nothing available: 503 and the
    condition (`offline`, `down` or `full`) in place of the URL"."""
    a, b, c = httpd.three()
    farms(httpd, a, other=[b], off=[(c, "admin=off")])
    httpd.start()
    response = balance(httpd, "farm=app&farm=other")
    assert (response.status, response.body.decode()) == (200, f"app {a.url}\nother {b.url}\n")
    response = balance(httpd, "farm=off&farm=other&farm=app")
    assert (response.status, response.body.decode()) == (200, f"off offline\nother {b.url}\napp {a.url}\n")
    push(httpd, "farm=app&member=a&health=down&farm=other&member=b&health=down")
    response = balance(httpd, "farm=app&farm=off&farm=other")
    assert (response.status, response.body.decode()) == (503, "app down\noff offline\nother down\n")
    assert {name: sum(row["requests"] for row in httpd.rows(name).values()) for name in ("app", "other", "off")} == {
        "app": 2, "other": 2, "off": 0}


def test_700_05_same_farm_twice(httpd):
    """Contract: "Several `farm=` give a line … each": two choices, if that is what is asked for."""
    made = httpd.three("a", "b")
    farms(httpd, *made, "FarmAlgorithm roundrobin")
    httpd.conf.one_process()
    httpd.start()
    lines = balance(httpd, "farm=app&farm=app").body.decode().splitlines()
    assert sorted(lines) == sorted(f"app {m.url}" for m in made)


def test_700_06_names(httpd):
    """Contract: "Farm names compare case-insensitively"; a query may encode any character."""
    a, = httpd.three("a")
    farms(httpd, a)
    httpd.start()
    for name in ("APP", "App", "%61pp", "a%50p"):
        assert chosen(httpd, name) == a.url
    assert balance(httpd, "&&farm=app&").status == 200


def test_700_07_unknown_farm(httpd):
    """Contract: "Unknown farm: 404"; and then nothing has been chosen of the others."""
    a, = httpd.three("a")
    farms(httpd, a)
    httpd.start()
    for query in ("farm=nosuch", "farm=app&farm=nosuch", "farm=nosuch&farm=app", "farm=app%00", "farm=" + "x" * 5000,
                  "farm=127.0.0.1", "farm=app:80", "farm=%3Cscript%3E"):
        response = balance(httpd, query)
        # What can be no farm's name may be called a wrong question.
        assert response.status == 404 or (response.status == 400 and "nosuch" not in query), query
        assert response.get("Content-Type").startswith("text/plain") and b"<script" not in response.body
    row, farm = httpd.rows()["a"], httpd.farm_status()
    assert (row["requests"], row["inflight"], farm["requests"]) == (0, 0, 0)


@pytest.mark.parametrize("query", ["", "&", "farm", "farm=", "member=a", "farm=app&member=a", "farm=app&wibble=1", "x",
                                   "farm=app&farm", "farm=%zz", "farm=app&%=1", "farm=%"])
def test_700_08_wrong_question(httpd, query):
    """Contract: it takes `farm=`, once or several times, and nothing else: another question is a 400, and no choice."""
    farms(httpd, *httpd.three("a"))
    httpd.start()
    response = balance(httpd, query)
    assert response.status in ((400, 404) if query == "farm=" else (400,))
    assert response.get("Content-Type").startswith("text/plain") and response.body
    assert httpd.rows()["a"]["requests"] == 0
    assert chosen(httpd)


def test_700_09_no_query(httpd):
    """Contract: "`GET {farm-balance}?farm=app`": without a question there is no answer."""
    farms(httpd, *httpd.three("a"))
    httpd.start()
    assert httpd.get(PATH).status == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "WIBBLE"])
def test_700_10_methods(httpd, method):
    """Contract: "`GET {farm-balance}?farm=app`": other methods get 405 with Allow, and no choice is made."""
    farms(httpd, *httpd.three("a"))
    httpd.start()
    response = balance(httpd, "farm=app", method=method)
    assert response.status == 405 and "GET" in response.get("Allow")
    assert httpd.rows()["a"]["requests"] == 0


def test_700_11_head(httpd):
    """What HTTP says of HEAD: what GET would answer, without a body; never from a cache."""
    farms(httpd, *httpd.three("a"))
    httpd.start()
    response = balance(httpd, "farm=app", method="HEAD")
    assert (response.status, response.body) == (200, b"")
    assert balance(httpd, "farm=nosuch", method="HEAD").status == 404
    assert "no-store" in (balance(httpd, "farm=app").get("Cache-Control") or "")
    assert httpd.rows()["a"]["inflight"] == 0


def test_700_12_offline_and_down(httpd):
    """Contract: "Nothing available: 503 and the condition (`offline`, `down` or `full`) in place of the URL"."""
    a, b, c = httpd.three()
    farms(httpd, (a, "admin=off"), (b, "admin=drain"), ill=[c], out=[a, "FarmExpectUpdate 200ms"])
    httpd.conf.farm("empty", "# nobody")
    httpd.log.expect("FARM00001")
    httpd.start()
    refused(httpd, "offline")
    refused(httpd, "down", "empty")
    push(httpd, "farm=ill&member=c&health=down")
    refused(httpd, "down", "ill")
    wait.until(lambda: balance(httpd, "farm=out").status == 503, "the member to be out")
    refused(httpd, "down", "out")


def test_700_13_never_an_unavailable_one(httpd):
    """Contract: "available: admin is `on`, health is `up` and fresh is `in`": with every algorithm only such are answered."""
    made = httpd.three(*"abcd")
    algorithms = ["roundrobin", "random", "busyness", "traffic", "load", "adaptive", "hash"]
    for algorithm in algorithms:
        name = f"f-{algorithm}"
        httpd.conf.farm(name, (made[0], "admin=off"), (made[1], "tier=1"), *made[2:],
                        f'FarmAlgorithm {algorithm} {"%{HTTP:X-Key}" if algorithm == "hash" else ""}')
    httpd.conf.handler("farm-balance").handler("farm-update")
    httpd.start()
    for algorithm in algorithms:
        name = f"f-{algorithm}"
        assert {chosen(httpd, name, headers={"X-Key": str(n)}) for n in range(30)} == {made[2].url, made[3].url}
        push(httpd, f"farm={name}&member=c&health=down")
        assert {chosen(httpd, name, headers={"X-Key": str(n)}) for n in range(15)} == {made[3].url}
        push(httpd, f"farm={name}&member=d&health=down")
        assert {chosen(httpd, name, headers={"X-Key": str(n)}) for n in range(5)} == {made[1].url}


@pytest.mark.both_mpms
def test_700_14_full(httpd):
    """Contract: `full`: "some are [available], but each is at its maxinflight"; a choice honours what is in flight."""
    a, b = httpd.three("a", "b")
    farms(httpd, (a, "maxinflight=1"), (b, "maxinflight=1"))
    httpd.start()
    a.hold(), b.hold()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(httpd.get, "/app/x")
        wait.until(lambda: a.active + b.active == 1, "one request in flight")
        free = b if a.active else a
        assert {chosen(httpd) for _ in range(10)} == {free.url}
        second = pool.submit(httpd.get, "/app/x")
        free.wait_for_active(1)
        for _ in range(5):
            refused(httpd, "full")
        assert [row["inflight"] for row in httpd.rows().values()] == [1, 1]
        a.always(answer()).release(), b.always(answer()).release()
        assert (first.result(wait.patiently(30)).status, second.result(wait.patiently(30)).status) == (200, 200)
    httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight")
    assert chosen(httpd) in (a.url, b.url)


@pytest.mark.parametrize("alone", [False, True], ids=["beside-another", "alone"])
def test_700_15_no_trial(httpd, alone):
    """Contract: a member that is down "is tried by one request that may be repeated": a question is none. It neither takes
    the trial's place nor answers a member that is not available."""
    bad, good = httpd.three("bad", "good")
    parts = [bad] if alone else [(bad, "weight=1000"), good]
    farms(httpd, *parts, "FarmAlgorithm roundrobin", "FarmSet fall=1 retry=20ms")
    httpd.log.expect_broken()
    httpd.log.expect("proxy_farm:")
    bad.refuse()
    httpd.start()
    assert (httpd.get("/app/x").status == 200) is not alone
    assert httpd.rows()["bad"]["health"] == "down"
    bad.start()
    connections = bad.connections
    # Many times `retry` goes by.
    for _ in range(20):
        if alone:
            refused(httpd, "down")
        else:
            assert chosen(httpd) == good.url
        wait.at_most(0.01, lambda: False)
    row = httpd.rows()["bad"]
    assert (row["health"], row["inflight"], bad.connections) == ("down", 0, connections)
    # A request is a trial, and then the member is one to answer.
    wait.until(lambda: httpd.get("/app/x").status == 200 and httpd.rows()["bad"]["health"] == "up", "the trial")
    assert bad.url in {chosen(httpd) for _ in range(3)}


def test_700_16_by_this_request(httpd):
    """Contract: `hash EXPR` is "an ap_expr string (a client address, a header)": of the request that asks, so that the same
    key gets the same member here and there."""
    made = httpd.three(*"abcde")
    farms(httpd, *made, BY_KEY, client=[*made, 'FarmAlgorithm hash "%{REMOTE_ADDR}"'])
    httpd.start()
    urls = {m.name: m.url for m in made}
    for key in keys(40):
        headers = {"X-Key": key}
        assert chosen(httpd, headers=headers) == urls[httpd.get("/app/x", headers=headers).member]
    for n in range(1, 21):
        source = f"127.0.3.{n}"
        assert chosen(httpd, "client", source=source) == urls[httpd.get("/client/x", source=source).member]
    assert {chosen(httpd) for _ in range(60)} == set(urls.values()), "without a key, at random"


def test_700_17_by_load(httpd):
    """Contract: "counts as a choice": it is made by the farm's algorithm, by what was pushed a moment ago."""
    a, b = httpd.three("a", "b")
    farms(httpd, a, b, "FarmAlgorithm load")
    httpd.start()
    push(httpd, "farm=app&member=a&x=0&member=b&x=10")
    counts = Counter(chosen(httpd) for _ in range(200))
    # 150 and 50, and five standard deviations (6.1 each) are 31.
    assert 119 <= counts[a.url] <= 181, counts


@pytest.mark.both_mpms
def test_700_18_many_at_once(httpd):
    """Contract: a choice gives its place back: with questions and requests in every process nothing stays behind, and every
    one is counted."""
    a, b = httpd.three("a", "b")
    farms(httpd, (a, "maxinflight=50"), (b, "maxinflight=50"))
    httpd.start()

    def some():
        return [(chosen(httpd), httpd.get("/app/x").status) for _ in range(20)]

    seen = sum(client.at_once(8, some), [])
    assert {url for url, _ in seen} == {a.url, b.url} and {status for _, status in seen} == {200}
    for name in "ab":
        httpd.wait_for_row(lambda row: row["inflight"] == 0, "nothing in flight", member=name)
    assert sum(row["requests"] for row in httpd.rows().values()) == 2 * httpd.farm_status()["requests"] == 320


def test_700_19_guarded_by_require(httpd):
    """Contract: "each enabled with `SetHandler` in a Location guarded by the usual Require lines"."""
    farms(httpd, *httpd.three("a"))
    httpd.conf.add('<Location "/closed">', "SetHandler farm-balance", "Require all denied", "</Location>")
    httpd.log.expect("AH01630")
    httpd.start()
    assert httpd.get("/closed?farm=app").status == 403
    assert httpd.rows()["a"]["requests"] == 0
