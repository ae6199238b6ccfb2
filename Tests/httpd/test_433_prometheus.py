"""A real Prometheus asks the server: what it stores is what the status says, and it has nothing to complain of."""

import base64
import hashlib
import re

import pytest

from farmhttpd import formats, wait
from farmhttpd.env import REPOSITORY, Httpd
from farmhttpd.formats import FAMILIES, MORE_FAMILIES, scrape
from farmhttpd.manager import change
from farmhttpd.prometheus import ALERTS, DOCUMENT, MANUAL, Prometheus, promtool, scrape_config, yaml_blocks
from test_431_openmetrics import busy_farm

A = "farm=app&member=a"


@pytest.fixture(scope="module")
def watched():
    """A server about which there is much to tell, and a Prometheus that has seen it at rest."""
    server = Httpd()
    try:
        busy_farm(server)
        with Prometheus(server, scrape_config(server)) as prometheus:
            prometheus.wait_for_scrapes(1)
            for _ in range(10):
                assert server.get("/app/x").status == 200
            change(server, f"{A}&admin=drain")
            prometheus.wait_for_scrapes(3)
            yield server, prometheus
        server.check_clean_end()
    finally:
        server.close()


def test_433_01_stores_what_the_status_says(watched):
    """Contract: OpenMetrics, as Prometheus itself reads it: every sample arrives, with its labels and its value."""
    httpd, prometheus = watched
    told = formats.expected_samples(formats.status(httpd))
    stored = {(labels.pop("__name__"), frozenset((k, v) for k, v in labels.items() if k not in ("job", "instance"))): value
              for labels, value in everything(prometheus)}
    assert {series for series in told if series not in stored} == set()
    assert {series: (stored[series], value) for series, value in told.items()
            if stored[series] != pytest.approx(value, rel=1e-12)} == {}
    named = {name for name, _ in stored}
    assert named == {sample for family, kind in {**FAMILIES, **MORE_FAMILIES}.items() for sample in names_of(family, *kind)}
    # As many as it read, without one that it left out.
    read = prometheus.value("scrape_samples_scraped")
    assert read == prometheus.value("scrape_samples_post_metric_relabeling") == len(scrape(httpd).samples)


def everything(prometheus):
    """(labels, value) of each series of farms."""
    return [(dict(one["metric"]), float(one["value"][1]))
            for one in prometheus.ask("query", query='{__name__=~"farm_.*"}')["result"]]


def names_of(family, kind, _unit):
    return {"counter": [f"{family}_total"], "info": [f"{family}_info"],
            "histogram": [f"{family}_{part}" for part in ("bucket", "count", "sum")]}.get(kind, [family])


def test_433_02_types_units_and_help(watched):
    """Contract: each family has its type: what Prometheus keeps of it for those who ask."""
    _, prometheus = watched
    kept = prometheus.ask("targets/metadata", match_target='{job="farm"}')
    found = {one["metric"]: (one["type"], one["unit"]) for one in kept}
    # Some versions know counters by their samples' names, others by the family's.
    assert {re.sub("_total$|_info$", "", name): kind for name, kind in found.items() if name.startswith("farm_")} == \
        {**FAMILIES, **MORE_FAMILIES}
    assert all(len(one["help"]) > 8 for one in kept if one["metric"].startswith("farm_"))


def test_433_03_follows(httpd):
    """Contract: counters and states follow what happens, over a graceful restart that brings a member too, without a sample
    out of order or a counter that begins anew."""
    a, b, c = busy_farm(httpd)
    with Prometheus(httpd, scrape_config(httpd)) as prometheus:
        prometheus.wait_for_scrapes(1)
        requests = prometheus.value('farm_requests_total{farm="app",outcome="served"}')
        for _ in range(7):
            assert httpd.get("/app/x").status == 200
        change(httpd, f"{A}&admin=drain")
        wait.until(lambda: prometheus.value('farm_requests_total{farm="app",outcome="served"}') == requests + 7, "the requests to be seen")
        assert prometheus.query('farm_member_admin{member="a",farm="app"} == 1') == \
            [({"farm": "app", "member": "a", "farm_member_admin": "drain"}, 1)]
        httpd.conf.farms["app"].append(f"FarmMember {c.url}/d name=d")
        httpd.graceful()
        prometheus.wait_for_scrapes(2)
        assert prometheus.value('farm_member_available{farm="app",member="d"}') == 1
        counters = {name for family, kind in {**FAMILIES, **MORE_FAMILIES}.items() for name in names_of(family, *kind)
                    if kind[0] in ("counter", "histogram")}
        assert len(counters) == 16
        assert {name: prometheus.query(f"resets({name}[10m]) > 0") for name in counters} == dict.fromkeys(counters, [])
        assert prometheus.value('increase(farm_requests_total{farm="app",outcome="served"}[10m]) > bool 0') == 1
        assert prometheus.value('sum(farm_condition)') == 3


def test_433_04_latency(watched):
    """Contract: `farm_member_latency_seconds` is a histogram that Prometheus can take quantiles of."""
    _, prometheus = watched
    median, highest = (
        prometheus.value(f'histogram_quantile({part}, sum by (le) (farm_member_latency_seconds_bucket{{farm="app"}}))')
        for part in (0.5, 0.99))
    assert 0 < median <= highest < 134.3
    assert prometheus.value('sum(farm_member_latency_seconds_count) - sum(farm_member_latency_seconds_bucket{le="+Inf"})') == 0


def prometheus_text(text):
    """The same in the older format, which is all that `promtool check metrics` reads."""
    lines = []
    for line in text.splitlines():
        words = line.split(" ", 3)
        if words[0] == "#" and words[1] in ("TYPE", "HELP"):
            kind, = re.findall(rf"^# TYPE {words[2]} (\S+)$", text, re.M)
            name = words[2] + {"counter": "_total", "info": "_info"}.get(kind, "")
            rest = words[3] if words[1] == "HELP" else {"stateset": "gauge", "info": "gauge"}.get(kind, kind)
            lines.append(f"# {words[1]} {name} {rest}")
        elif words[0] != "#":
            lines.append(line)
    return "\n".join(lines) + "\n"


def test_433_05_names_as_prometheus_wants_them(watched):
    """What a Prometheus administrator expects of names, units and help: `promtool check metrics` finds nothing to say."""
    httpd, _ = watched
    text = prometheus_text(formats.ask(httpd, "openmetrics"))
    status, said = promtool("check", "metrics", given=text)
    assert (status, said) == (0, ""), said


def test_433_06_behind_a_password(httpd):
    """docs/prometheus.md: the configuration with a password, and what httpd needs for it."""
    busy_farm(httpd)
    secret = base64.b64encode(hashlib.sha1(b"pass").digest()).decode()
    (httpd.root / "farm-users").write_text(f"prometheus:{{SHA}}{secret}\n")
    location, = [block for block in re.findall(r"^```apache\n(.*?)^```$", DOCUMENT.read_text(), re.M | re.S) if "AuthType" in block]
    location = location.replace("/etc/apache2/farm-users", f"{httpd.root}/farm-users").replace("/farm-status", "/guarded")
    httpd.conf.load("auth_basic", "authn_file", "authz_user").add(location)
    httpd.graceful()
    assert httpd.get("/guarded?format=openmetrics").status == 401
    (httpd.root / "password").write_text("pass\n")
    config = yaml_blocks()[1]
    for before, after in (("https", "http"), ("/farm-status", "/guarded"), ("/etc/prometheus/farm-password", f"{httpd.root}/password"),
                          ("15s", "1s"), ("proxy1.example:443", f"127.0.0.1:{httpd.port}")):
        assert config.count(before) == 1, before
        config = config.replace(before, after)
    with Prometheus(httpd, config) as prometheus:
        prometheus.wait_for_scrapes(1)
        assert prometheus.value('farm_requests_total{farm="app",outcome="served"}') == httpd.farm_status()["requests"] > 0


@pytest.mark.parametrize("number", [0, 1])
def test_433_07_configurations_of_the_document(tmp_path, number):
    """docs/prometheus.md: Prometheus takes the configurations as they stand."""
    text = yaml_blocks()[number]
    (tmp_path / "password").write_text("secret\n")
    path = tmp_path / "prometheus.yml"
    path.write_text(text.replace("/etc/prometheus/farm-password", str(tmp_path / "password")))
    status, said = promtool("check", "config", path)
    assert status == 0 and "SUCCESS" in said, said


def test_433_11_httpds_part_of_the_document(httpd):
    """docs/prometheus.md: its configurations of httpd can be used as they stand."""
    blocks = re.findall(r"^```apache\n(.*?)^```$", DOCUMENT.read_text(), re.M | re.S)
    assert len(blocks) == 2
    httpd.conf.load("auth_basic", "authn_file", "authz_user").add(*blocks)
    status, said = httpd.configtest()
    assert status == 0 and said.strip() == "Syntax OK", said


def queries_of_the_document():
    blocks = "".join(re.findall(r"^```promql\n(.*?)^```$", DOCUMENT.read_text(), re.M | re.S))
    return [line for line in blocks.splitlines() if line and not line.startswith("#")]


def test_433_08_queries_of_the_document(watched):
    """docs/prometheus.md: each of its queries can be asked and has an answer; the manual names every family and no other."""
    _, prometheus = watched
    assert len(queries_of_the_document()) >= 4
    for query in queries_of_the_document():
        assert prometheus.query(query), query
    families = {**FAMILIES, **MORE_FAMILIES}
    named = set(re.findall(r"`(farm_[a-z_]+)`", " ".join(re.findall(r"^\| (`farm_.*?) \|", MANUAL.read_text(), re.M))))
    assert named == {name.removesuffix("_bucket") for family, kind in families.items() for name in names_of(family, *kind)[:1]}


def test_433_09_alerts():
    """docs/prometheus-alerts.yml: Prometheus takes the rules, and on series that are known they say what they should."""
    status, said = promtool("check", "rules", ALERTS)
    assert status == 0 and "4 rules found" in said, said
    status, said = promtool("test", "rules", REPOSITORY / "Tests" / "prometheus" / "alerts.test.yml")
    assert status == 0 and "SUCCESS" in said, said


def test_433_10_alerts_of_a_real_farm(httpd):
    """docs/prometheus-alerts.yml: the rules find what is wrong with this server, by the names that it exposes."""
    busy_farm(httpd)
    config = scrape_config(httpd) + f"rule_files: ['{httpd.root}/alerts.yml']\nglobal: {{evaluation_interval: 1s}}\n"
    rules = re.sub(r"for: \S+", "for: 1s", ALERTS.read_text()).replace("[5m]", "[10s]")
    (httpd.root / "alerts.yml").write_text(rules)
    with Prometheus(httpd, config) as prometheus:
        def firing():
            return {(one["labels"]["alertname"], one["labels"]["farm"], one["labels"].get("member"),
                     one["labels"].get("farm_condition"))
                    for one in prometheus.ask("alerts")["alerts"] if one["state"] == "firing"}
        expected = {("FarmNotOk", "nobody", None, "down"), ("FarmMemberOut", "app", "b", None), ("FarmMemberOut", "app", "c", None)}
        wait.until(lambda: firing() >= expected, "the alerts", 30)
        assert firing() == expected
