"""docs/grafana-dashboard.json: what Grafana would make of it, and what a real Prometheus answers to each of its queries."""

import itertools
import json
import re

import pytest

from farmhttpd.env import REPOSITORY, Httpd
from farmhttpd.formats import FAMILIES, MORE_FAMILIES
from farmhttpd.manager import change
from farmhttpd.prometheus import Prometheus, scrape_config
from test_431_openmetrics import busy_farm
from test_433_prometheus import names_of

PATH = REPOSITORY / "docs" / "grafana-dashboard.json"
WIDTH = 24
DATA_SOURCE = {"type": "prometheus", "uid": "${datasource}"}

# Families that are in no panel, and why. A new one must be shown, or be listed here.
NOT_SHOWN = {
    "farm_old_processes": "not 0 for a while after an upgrade only: the log says when that is over",
    "farm_answers": "the outcomes tell more; for SLOs of one's own",
    "farm_waiting": "nothing waits yet", "farm_handed_on": "nothing is handed on yet",
    "farm_suspects": "seldom, and in the log", "farm_retries_held_back": "seldom",
}


def dashboard():
    def once(pairs):
        names = [name for name, _ in pairs]
        assert len(names) == len(set(names)), names
        return dict(pairs)
    return json.loads(PATH.read_text(encoding="utf-8"), object_pairs_hook=once)


def panels():
    return dashboard()["panels"]


def shown():
    """Panels that show something."""
    return [panel for panel in panels() if panel["type"] != "row"]


def queries():
    """(where, expression) of every panel and variable, with variables as Grafana would fill them in for `All`."""
    found = [(f"{panel['title']} {target['refId']}", target["expr"]) for panel in shown() for target in panel["targets"]]
    for name, value in (("$__rate_interval", "10s"), ("$__range", "60s"), ("$instance", ".*"), ("$farm", ".*"), ("$member", ".*")):
        found = [(where, expression.replace(name, value)) for where, expression in found]
    assert not [expression for _, expression in found if "$" in expression]
    return found


def test_439_01_as_grafana_wants_it():
    """What Grafana expects of a file that it imports: its schema, ids of their own, a data source that is chosen."""
    told = dashboard()
    assert told["schemaVersion"] >= 39 and told["title"] and re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", told["uid"])
    assert told.get("id") is None and "__inputs" not in told
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids)) and all(isinstance(one, int) and one > 0 for one in ids)
    variables = {one["name"]: one for one in told["templating"]["list"]}
    assert list(variables) == ["datasource", "instance", "farm", "member"]
    assert variables["datasource"]["type"] == "datasource" and variables["datasource"]["query"] == "prometheus"
    for thing in [*shown(), *list(variables.values())[1:], *[target for panel in shown() for target in panel["targets"]]]:
        assert thing["datasource"] == DATA_SOURCE
    for name in ("instance", "farm", "member"):
        assert variables[name]["includeAll"] and variables[name]["allValue"] == ".*" and variables[name]["multi"]


def test_439_02_each_panel_says_what_it_shows():
    """A panel has a title of its own, a description, a unit, and legends with names in them."""
    titles = [panel["title"] for panel in panels()]
    assert len(titles) == len(set(titles))
    for panel in shown():
        assert len(panel["description"]) > 20 and panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        letters = [target["refId"] for target in panel["targets"]]
        assert letters and len(letters) == len(set(letters))
        for target in panel["targets"]:
            by = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert by, target
            # Every label of the legend is left by the query.
            kept = set(re.split(r",\s*", re.search(r"by \(([a-z, ]+)\)", target["expr"])[1]))
            assert by <= kept, target


def test_439_03_no_panel_lies_on_another():
    """Panels are within the width and none overlaps; each row stands above its own."""
    places = {panel["id"]: panel["gridPos"] for panel in panels()}
    for one in places.values():
        assert one["x"] >= 0 and one["y"] >= 0 and one["w"] > 0 and one["h"] > 0 and one["x"] + one["w"] <= WIDTH
    for one, other in itertools.combinations(places.values(), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)
    order = [(place["y"], place["x"]) for place in places.values()]
    assert order == sorted(order)
    assert panels()[0]["type"] == "row"


def test_439_04_values_of_states_have_words():
    """A number that stands for a state is shown as the contract's word."""
    words = {"Condition": {"ok", "full", "offline", "down"}, "Condition over time": {"ok", "full", "offline", "down"},
             "Admin, health and fresh": {"on", "drain", "off", "up", "down", "in", "out"}}
    for title, expected in words.items():
        panel, = [one for one in shown() if one["title"] == title]
        options = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
        assert {one["text"] for one in options.values()} == expected


def test_439_05_every_family_is_shown():
    """Each family that the module exposes is in a panel, or listed here on purpose; no other is asked for."""
    families = {**FAMILIES, **MORE_FAMILIES}
    asked = set(re.findall(r"\bfarm_[a-z_]+(?=\{)", " ".join(expression for _, expression in queries())))
    by_name = {name: family for family, kind in families.items() for name in names_of(family, *kind)}
    assert asked <= set(by_name), asked - set(by_name)
    assert {by_name[name] for name in asked} | set(NOT_SHOWN) == set(families)
    assert not {by_name[name] for name in asked} & set(NOT_SHOWN)


@pytest.fixture(scope="module")
def prometheus():
    server = Httpd()
    try:
        busy_farm(server)
        with Prometheus(server, scrape_config(server)) as asked:
            asked.wait_for_scrapes(1)
            for _ in range(10):
                assert server.get("/app/x").status == 200
            change(server, "farm=app&member=a&admin=drain")
            asked.wait_for_scrapes(2)
            yield asked
        server.check_clean_end()
    finally:
        server.close()


@pytest.mark.parametrize("where, expression", queries(), ids=[where for where, _ in queries()])
def test_439_06_every_query_has_an_answer(prometheus, where, expression):
    """Prometheus takes each expression, and the families that there are give data."""
    assert prometheus.query(expression), f"{where}: {expression}"


def test_439_07_variables_have_values(prometheus):
    """What Grafana asks for the choices of each variable."""
    for variable in dashboard()["templating"]["list"][1:]:
        series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()
        assert variable["query"]["query"] == variable["definition"]
        for name in ("$instance", "$farm"):
            series = series.replace(name, ".*")
        values = {one["metric"][label] for one in prometheus.ask("query", query=series)["result"]}
        expected = {"farm": {"app", "other_farm-2", "nobody"}, "member": {"a", "b", "c"}}
        assert values == expected.get(variable["name"], values) and values


def test_439_08_states_are_numbers_that_have_words(prometheus):
    """The numbers that the state panels get of real states are those that have the right word."""
    def told(title, letter):
        expression = dict(queries())[f"{title} {letter}"]
        panel, = [one for one in shown() if one["title"] == title]
        options = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
        return {(labels["farm"], labels.get("member")): options[f"{value:g}"]["text"]
                for labels, value in prometheus.query(expression)}
    assert told("Condition", "A") == told("Condition over time", "A") == \
        {("app", None): "down", ("other_farm-2", None): "ok", ("nobody", None): "down"}
    admin, health, fresh = (told("Admin, health and fresh", letter) for letter in "ABC")
    assert (admin["app", "a"], admin["app", "b"], admin["app", "c"]) == ("drain", "on", "off")
    assert (health["app", "a"], health["app", "b"]) == ("up", "down") and set(fresh.values()) == {"in"}
