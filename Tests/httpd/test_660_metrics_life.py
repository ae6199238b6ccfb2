"""Metrics through restarts, kills and every granularity of locks."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from farmhttpd import wait
from farmhttpd.client import at_once
from farmhttpd.members import answer
from farmhttpd.update import ask, check_shares_told, error_of, push, shares, tell
from test_420_locks import KILLED, murder

RESTARTS = {"graceful": lambda httpd: httpd.graceful(), "hard": lambda httpd: httpd.restart()}


def metrics(httpd, farm="app"):
    return {name: row["metrics"] for name, row in httpd.rows(farm).items()}


def loads(httpd, farm="app"):
    return {name: row["load"] for name, row in httpd.rows(farm).items()}


@pytest.mark.both_mpms
@pytest.mark.parametrize("how", RESTARTS)
def test_660_01_metrics_stay(httpd, how):
    """Contract: "A graceful restart keeps every counter, metric and state of the members that still exist, by farm and
    member name"; what outlives it outlives a hard one too."""
    a, b, c = httpd.three()
    httpd.farm(a, b, c, "FarmAlgorithm load")
    httpd.farm(a, b, name="other")
    httpd.conf.handler("farm-update")
    httpd.start()
    push(httpd, "farm=app&member=a&cpu=0&member=b&cpu=10&mem=10&member=c&health=down&farm=other&member=a&cpu=7&disk=8")
    before = metrics(httpd), loads(httpd), metrics(httpd, "other"), loads(httpd, "other")
    for order in ((a, b, c), (c, a, b)):
        httpd.conf.farms = {"other": httpd.conf.farms["other"], "app": httpd.conf.farms["app"]}
        httpd.conf.farm("app", *order, "FarmAlgorithm load")
        RESTARTS[how](httpd)
        assert (metrics(httpd), loads(httpd), metrics(httpd, "other"), loads(httpd, "other")) == before
        row = httpd.rows()["c"]
        assert (row["health"], row["health_by"]) == ("down", "monitor")
        assert all(r["update_age_s"] is not None for r in httpd.rows().values())
        assert httpd.rows("other")["b"]["update_age_s"] is None
        # The loads are those that the traffic follows.
        check_shares_told(shares(httpd, "app", *"abc"), {"a": 0.75, "b": 0.25, "c": 0})
        assert httpd.get("/app/x").status == 200
    # Left-out metrics keep their values over a restart too.
    assert tell(httpd, "farm=app&member=b&mem=20").load == 15


def test_660_02_who_goes_and_who_comes(httpd):
    """Contract: "… of the members that still exist": a newcomer begins with none, also in the row of one that has gone."""
    a, b, z = httpd.three("a", "b", "z")
    httpd.farm(a, b)
    httpd.conf.handler("farm-update").one_process()
    httpd.start()
    push(httpd, "farm=app&member=a&cpu=1&mem=2&member=b&cpu=3")
    # Several restarts: so that rows of the gone are used again.
    for n in range(3):
        httpd.conf.farm("app", b, f"FarmMember {z.url} name=new{n}")
        httpd.graceful()
        wait.until(lambda: len(httpd.children()) == 1, "the old child to end")
        rows = httpd.rows()
        assert list(rows) == ["b", f"new{n}"]
        row = rows[f"new{n}"]
        assert (row["metrics"], row["load"], row["update_age_s"], row["bad_reports"]) == ({}, None, None, 0)
        assert rows["b"]["metrics"] == {"cpu": 3}
        tell(httpd, f"farm=app&member=new{n}&cpu=9&disk={n}&health=down")
        error_of(ask(httpd, "farm=app&member=a&cpu=1"), 404)


def test_660_03_formula_changes(httpd):
    """Contract: the load is "computed from the metrics it pushed by the farm's FarmLoad formula": a new formula counts from
    the restart on, with the values that are there."""
    a, b = httpd.three("a", "b")
    httpd.farm(a, b, "FarmAlgorithm load")
    httpd.conf.handler("farm-update")
    httpd.start()
    push(httpd, "farm=app&member=a&x=0&y=10&member=b&x=10&y=0")
    assert loads(httpd) == {"a": 5, "b": 5}
    for formula, expected, share in (('"x"', {"a": 0, "b": 10}, 0.75), ('"y"', {"a": 10, "b": 0}, 0.25),
                                     ('"x / y"', {"a": 0, "b": None}, 0.5), ('"z"', {"a": None, "b": None}, 0.5),
                                     (None, {"a": 5, "b": 5}, 0.5)):
        httpd.conf.farm("app", a, b, "FarmAlgorithm load", *([f"FarmLoad {formula}"] if formula else []))
        httpd.graceful()
        assert loads(httpd) == expected, formula
        check_shares_told(shares(httpd, "app", *"ab"), {"a": share, "b": 1 - share})
        assert loads(httpd) == expected, formula


def test_660_04_names_stay(httpd):
    """Contract: FarmTable `metrics=N`: what room there is stays what it is; names that are in use go on being usable."""
    httpd.farm(*httpd.three("a", "b"))
    httpd.conf.handler("farm-update").add("FarmTable metrics=2")
    httpd.start()
    tell(httpd, "farm=app&member=a&p=1&q=2")
    for how in RESTARTS.values():
        how(httpd)
        error_of(ask(httpd, "farm=app&member=a&p=3&r=4"), 413)
        assert metrics(httpd) == {"a": {"p": 1, "q": 2}, "b": metrics(httpd)["b"]}
        tell(httpd, "farm=app&member=b&q=5&p=6")


def test_660_05_full_stop_forgets(httpd):
    """Contract: without FarmStateFile nothing survives "a full stop and start"."""
    httpd.farm(*httpd.three("a"))
    httpd.conf.handler("farm-update").add("FarmTable metrics=2")
    httpd.start()
    tell(httpd, "farm=app&member=a&p=1&q=2&health=down")
    httpd.stop()
    httpd.start()
    row = httpd.rows()["a"]
    assert (row["metrics"], row["load"], row["update_age_s"], row["health"]) == ({}, None, None, "up")
    tell(httpd, "farm=app&member=a&r=1&s=2")


def test_660_06_more_members_than_there_were(httpd):
    """Contract: metrics are kept "by farm and member name", also when far more members need more memory, and back."""
    a = httpd.member("a")
    few = [f"FarmMember {a.url}/{n} name=m{n}" for n in range(2)]
    many = [f"FarmMember {a.url}/{n} name=m{n}" for n in range(200)]
    httpd.farm(*few)
    httpd.conf.handler("farm-update")
    httpd.start()
    push(httpd, "farm=app&member=m0&cpu=1&member=m1&cpu=2")
    httpd.conf.farm("app", *many)
    httpd.graceful()
    told = push(httpd, "farm=app" + "".join(f"&member=m{n}&mem={n}" for n in range(200)), "POST")
    assert [one.load for one in told[2:]] == list(range(2, 200))
    rows = httpd.rows()
    assert [rows[f"m{n}"]["metrics"] for n in (0, 1, 199)] == [
        {"cpu": 1, "mem": 0}, {"cpu": 2, "mem": 1}, {"mem": 199}]
    httpd.conf.farm("app", *few)
    httpd.graceful()
    assert metrics(httpd) == {"m0": {"cpu": 1, "mem": 0}, "m1": {"cpu": 2, "mem": 1}}


@pytest.mark.both_mpms
def test_660_07_restarts_under_updates(httpd):
    """Contract: "A graceful restart … loses no request": nor an update, while requests go on."""
    httpd.farm(*httpd.three(), "FarmAlgorithm load")
    httpd.conf.handler("farm-update")
    httpd.start()
    over = threading.Event()

    def report(name):
        count = 0
        while not over.is_set():
            count += 1
            tell(httpd, f"farm=app&member={name}&n={count}&{name}={count}", method="GET" if count % 2 else "POST")
            assert httpd.rows()[name]["metrics"] == {"n": count, name: count}
        return count

    def load():
        statuses = []
        while not over.is_set():
            statuses.append(httpd.get("/app/x").status)
        return statuses

    with ThreadPoolExecutor(5) as pool:
        reports = {name: pool.submit(report, name) for name in "abc"}
        asking = [pool.submit(load) for _ in range(2)]
        try:
            for _ in range(2):
                seen = {name: row["metrics"].get("n", 0) for name, row in httpd.rows().items()}
                httpd.graceful()
                wait.until(lambda: any(f.done() for f in reports.values())
                           or all(row["metrics"]["n"] > seen[name] + 2 for name, row in httpd.rows().items()),
                           "updates after the restart")
        finally:
            over.set()
        counts = {name: f.result(wait.patiently(60)) for name, f in reports.items()}
        assert set(sum((f.result(wait.patiently(60)) for f in asking), [])) == {200}
    assert metrics(httpd) == {name: {"n": count, name: count} for name, count in counts.items()}


@pytest.mark.both_mpms
@pytest.mark.parametrize("locks", ["engine", "farm", "row"])
def test_660_08_every_granularity(httpd, locks):
    """Contract: "`FarmLocks engine|farm|row` … granularity of the mutexes over the state tables": updates of several
    farms, reports and requests go on side by side, and none is lost."""
    httpd.conf.add(f"FarmLocks {locks}")
    made = httpd.three()
    httpd.farm(*made, "FarmReport on", "FarmAlgorithm load")
    httpd.farm(*made, "FarmReport on", name="other")
    httpd.conf.handler("farm-update")
    for member in made:
        member.always(answer(headers=[("Endpoint-Load-Metrics", f"TEXT named_metrics.by_{member.name}=1")]))
    httpd.start()
    number = iter(range(10_000))

    def work():
        n = next(number)
        for k in range(15):
            push(httpd, f"farm=app&member=a&t{n}={k}&member=b&t{n}={k}&farm=other&member=c&t{n}={k}&health=up&farm=app"
                 f"&member=c&t{n}={k}", "POST")
            assert httpd.get(f"/{('app', 'other')[k % 2]}/x").status == 200

    for _ in range(2):
        at_once(4, work)
        httpd.graceful()
    threads = {f"t{n}": 14 for n in range(8)}
    for name, values in metrics(httpd).items():
        assert {k: v for k, v in values.items() if not k.startswith("by_")} == threads
        assert set(values) - set(threads) <= {f"by_{name}"}
    assert {k: v for k, v in metrics(httpd, "other")["c"].items() if not k.startswith("by_")} == threads
    assert all(row["bad_reports"] == 0 for farm in ("app", "other") for row in httpd.rows(farm).values())
    assert any("by_a" in values["a"] for values in (metrics(httpd), metrics(httpd, "other")))


@pytest.mark.parametrize("mpm, locks", [("event", "engine"), ("prefork", "farm"), ("event", "row"), ("prefork", "row")])
def test_660_09_killed_while_updating(httpd, mpm, locks):
    """Contract: "A child that dies, holding a lock …, leaves no lock held": updates and choices go on in the others, and
    what is there is readable."""
    httpd.conf.add(f"FarmLocks {locks}")
    httpd.farm(*httpd.three("a", "b"), "FarmAlgorithm load")
    httpd.conf.handler("farm-update")
    httpd.log.expect(KILLED, "FARM00104")
    httpd.start()
    over, done = threading.Event(), [0]
    text = "farm=app" + "".join(f"&member={'ab'[n % 2]}" + "".join(f"&m{k}={n}" for k in range(16)) for n in range(200))

    def update():
        while not over.is_set():
            try:
                assert ask(httpd, text, "POST").status == 200
                done[0] += 1
            except (OSError, EOFError, ValueError) as error:
                assert not isinstance(error, TimeoutError), "an update hangs"
            except Exception as error:
                # A killed child's answer may be cut in its middle.
                assert type(error).__name__ in ("IncompleteRead", "BadStatusLine", "RemoteDisconnected"), error

    with ThreadPoolExecutor(4) as pool:
        updating = [pool.submit(update) for _ in range(4)]
        try:
            for _ in range(4):
                seen = done[0]
                wait.until(lambda: done[0] > seen + 5 or any(f.done() for f in updating), "updates to go on")
                murder(httpd, httpd.wait_for_children(1)[:1])
        finally:
            over.set()
        for finished in updating:
            finished.result(wait.patiently(60))
    push(httpd, "farm=app&member=a&m0=1&health=up&member=b&m0=2")
    rows = httpd.rows()
    assert [rows[n]["metrics"]["m0"] for n in "ab"] == [1, 2]
    assert {len(row["metrics"]) for row in rows.values()} == {16}
    assert {httpd.get("/app/x").status for _ in range(10)} == {200}
    assert all(one.inflight == 0 for one in push(httpd, "farm=app&member=a&member=b"))


def test_660_10_old_children_store_too(httpd):
    """Contract: "Changes reach every process at once": a child of the configuration before, which still serves, stores an
    update where the new ones see it."""
    a, = httpd.three("a")
    httpd.farm(a)
    httpd.conf.handler("farm-update")
    httpd.start()
    # A kept connection may be served on by its old child; whoever serves it, the update counts.
    with httpd.client() as keep:
        assert keep.request("/farm-update?farm=app&member=a&n=0").status == 200
        for n in range(1, 4):
            httpd.graceful()
            try:
                response = keep.request(f"/farm-update?farm=app&member=a&n={n}")
            except OSError:
                keep.connection.close()
                response = keep.request(f"/farm-update?farm=app&member=a&n={n}")
            assert response.status == 200
            assert metrics(httpd)["a"] == {"n": n}
