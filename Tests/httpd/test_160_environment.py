"""The environment of the contract, as an access log sees it."""

import pytest

from farmhttpd.fallback import BRITTLE
from farmhttpd import members, wait

NAMES = ["FARM_NAME", "FARM_MEMBER", "FARM_URL", "FARM_REASON", "FARM_ATTEMPTS", "FARM_CONDITION", "BALANCER_NAME",
         "BALANCER_WORKER_NAME", "BALANCER_WORKER_ROUTE"]


def log_environment(httpd):
    fields = " ".join(f"{name}=%{{{name}}}e" for name in NAMES)
    httpd.conf.add(f'LogFormat "%U {fields}" env', f'CustomLog "{httpd.root}/logs/env.log" env')


def environment(httpd, path):
    """The environment of the request for that path, once it is in the log."""
    from farmhttpd import wait
    log = httpd.root / "logs" / "env.log"
    find = lambda: [line for line in log.read_text().splitlines() if line.startswith(path + " ")]
    line = wait.until(find, f"{path} in the log")[0]
    return dict(field.split("=", 1) for field in line.split()[1:])


@pytest.mark.both_mpms
def test_160_01_normal(httpd):
    """Contract: "Set on each request a farm handled … FARM_URL is the member's URL as configured"."""
    a = httpd.member("a", path="/base")
    httpd.conf.farm("app", a).proxy("/app/", "http://app/")
    log_environment(httpd)
    httpd.start()
    assert httpd.get("/app/x").status == 200
    assert environment(httpd, "/app/x") == {
        "FARM_NAME": "app", "FARM_MEMBER": "a", "FARM_URL": f"http://{a.address}/base", "FARM_REASON": "algorithm",
        "FARM_ATTEMPTS": "1", "FARM_CONDITION": "ok", "BALANCER_NAME": "balancer://app",
        "BALANCER_WORKER_NAME": f"http://{a.address}/base", "BALANCER_WORKER_ROUTE": "a"}


def test_160_02_failover(httpd):
    """Contract: FARM_REASON `failover`, FARM_ATTEMPTS, and the member that answered."""
    dead, a = httpd.member("dead", start=False), httpd.member("a")
    httpd.farm((dead, "weight=1000"), a, "FarmAlgorithm roundrobin", "FarmSet fall=1000")
    log_environment(httpd)
    httpd.conf.one_process()
    httpd.log.expect_refused()
    httpd.start()
    assert httpd.get("/app/x").member == "a"
    seen = environment(httpd, "/app/x")
    assert (seen["FARM_MEMBER"], seen["FARM_REASON"], seen["FARM_ATTEMPTS"], seen["FARM_CONDITION"]) == \
        ("a", "failover", "2", "ok")
    assert (seen["FARM_URL"], seen["BALANCER_WORKER_NAME"], seen["BALANCER_WORKER_ROUTE"]) == (a.url, a.url, "a")


@pytest.mark.parametrize("admin, condition", [("off", "offline"), ("drain", "offline"), ("on", "down")])
def test_160_03_no_member(httpd, admin, condition):
    """Contract: condition `offline` (every member is administratively off or draining), `down` (for any other
    reason)."""
    httpd.farm((httpd.member("dead", start=False), f"admin={admin}"))
    log_environment(httpd)
    httpd.log.expect_refused()
    httpd.start()
    assert httpd.get("/app/first").status == 503
    assert httpd.get("/app/second").status == 503
    seen = environment(httpd, "/app/second")
    assert seen["FARM_NAME"] == "app" and seen["FARM_CONDITION"] == condition


def test_160_04_full(httpd):
    """Contract: condition `full` (some are available, but each is at its maxinflight)."""
    a = httpd.member("a").hold()
    httpd.farm((a, "maxinflight=1"))
    log_environment(httpd)
    httpd.log.expect(r"proxy_farm")
    httpd.start()
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(httpd.get, "/app/held")
        a.wait_for_active(1)
        assert httpd.get("/app/x").status == 503
        assert environment(httpd, "/app/x")["FARM_CONDITION"] == "full"
        assert httpd.farm_status()["condition"] == "full"
        a.release()
        assert first.result(wait.patiently(30)).status == 200


def test_160_05_other_requests(httpd):
    """Contract: "Set on each request a farm handled", and on no other."""
    a = httpd.member("a")
    httpd.farm(a)
    httpd.conf.proxy("/plain/", f"{a.url}/")
    log_environment(httpd)
    httpd.start()
    assert httpd.get("/plain/x").status == 200
    assert httpd.get("/nothing").status == 404
    for path in ("/plain/x", "/nothing"):
        assert set(environment(httpd, path).values()) == {"-"}


def test_160_06_for_expressions(httpd):
    """Contract: "for logs (`%{FARM_MEMBER}e`) and expressions"."""
    httpd.farm(httpd.member("a"))
    httpd.conf.add('Header set X-Farm "expr=%{reqenv:FARM_NAME}/%{reqenv:FARM_MEMBER}"',
                   'Header set X-Env "%{FARM_URL}e"')
    httpd.start()
    response = httpd.get("/app/x")
    assert response.get("X-Farm") == "app/a"
    assert response.get("X-Env") == httpd.members[0].url


def test_160_07_attempts_used_up(httpd):
    """Contract: FARM_ATTEMPTS counts every attempt, FARM_MEMBER is the last one's."""
    from farmhttpd import members
    made = [httpd.member(name).always(members.close_after_request) for name in "ab"]
    httpd.farm(*made, "FarmSet fall=1000000")
    log_environment(httpd)
    httpd.log.expect_broken()
    httpd.start()
    assert httpd.get("/app/x").status == 502
    seen = environment(httpd, "/app/x")
    assert (seen["FARM_ATTEMPTS"], seen["FARM_REASON"], seen["FARM_CONDITION"]) == ("2", "failover", "ok")
    assert seen["FARM_MEMBER"] == max(made, key=lambda member: member.requests[-1].at).name


@pytest.mark.parametrize("fall, status, condition", [(1, 503, "down"), (1000, 502, "ok")])
@pytest.mark.parametrize("most", [1, 3])
def test_160_20_attempts_used_up(httpd, most, fall, status, condition):
    """Contract: "When the attempts are used up, the farm's condition at that moment decides …; if it is `ok`, the last
    failure's status"."""
    made = [httpd.member(f"m{n}").always(members.close_after_request) for n in range(most)]
    for member in made:
        member.refuse()
    httpd.farm(*made, f"FarmSet maxattempts={most} fall={fall} retry=1h")
    log_environment(httpd)
    httpd.log.expect_broken()
    httpd.start()
    before = 0
    if condition == "ok":
        # They have failed before, so that none makes the request a suspect.
        assert httpd.get("/app/before").status == 503
        before = 1
        for member in made:
            member.start()
    assert httpd.get("/app/x").status == status
    seen = environment(httpd, "/app/x")
    assert (seen["FARM_ATTEMPTS"], seen["FARM_CONDITION"]) == (str(most), condition)
    assert httpd.farm_status()["condition"] == condition
    assert [row["requests"] for row in httpd.rows().values()] == [before + 1] * most


def test_160_21_a_failure_that_may_not_be_repeated(httpd):
    """Contract: no attempts are used up where none would have followed: a POST that broke off gets its own 502."""
    a = httpd.member("a")
    a.always(members.close_after_request)
    httpd.farm(a, BRITTLE)
    httpd.log.expect_broken()
    httpd.start()
    for _ in range(3):
        assert httpd.farm_status()["condition"] == "ok"
        assert httpd.get("/app/x", method="POST", body=b"pay").status == 502
    assert httpd.farm_status()["condition"] == "down"
