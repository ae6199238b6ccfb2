"""The forms of the status as their readers understand them: strict JSON, OpenMetrics by Prometheus' own Python parser, lines.
What each says is compared with the others by code, never by a list of its own."""

import json
import re

from farmhttpd import wait
from farmhttpd.outcomes import CLASSES, OUTCOMES
from prometheus_client.openmetrics.parser import text_string_to_metric_families

TYPES = {"html": "text/html; charset=utf-8", "json": "application/json", "text": "text/plain; charset=utf-8",
         "openmetrics": "application/openmetrics-text; version=1.0.0; charset=utf-8"}
STATES = {"farm_member_admin": ("on", "drain", "off"), "farm_member_health": ("up", "down"),
          "farm_member_fresh": ("in", "out"), "farm_condition": ("ok", "full", "offline", "down")}

# Families by the names of the format, which leave out the `_total` of a counter: type and unit.
FAMILIES = {
    "farm_member_requests": ("counter", ""), "farm_member_errors": ("counter", ""), "farm_member_inflight": ("gauge", ""),
    "farm_member_load": ("gauge", ""), "farm_member_available": ("gauge", ""), "farm_member_admin": ("stateset", ""),
    "farm_member_health": ("stateset", ""), "farm_member_fresh": ("stateset", ""),
    "farm_member_received_bytes": ("counter", "bytes"), "farm_member_sent_bytes": ("counter", "bytes"),
    "farm_member_latency_seconds": ("histogram", "seconds"), "farm_member_metric": ("gauge", ""),
    "farm_failovers": ("counter", ""), "farm_instructions": ("counter", ""),
}
MORE_FAMILIES = {
    "farm_requests": ("counter", ""), "farm_condition": ("stateset", ""), "farm_redirected": ("counter", ""),
    "farm_forwarded": ("counter", ""), "farm_member_update_age_seconds": ("gauge", "seconds"),
    "farm_member_weight": ("gauge", ""), "farm_member_share": ("gauge", ""), "farm_member_tied_clients": ("gauge", ""), "farm_module": ("info", ""),
    "farm_old_processes": ("gauge", ""),
    "farm_answers": ("counter", ""), "farm_suspects": ("counter", ""), "farm_handed_on": ("counter", ""),
    "farm_retries_held_back": ("counter", ""), "farm_waiting": ("gauge", ""),
}

# Bounds of the histogram's buckets in seconds, one an octave.
BOUNDS = [128 * 2 ** n / 1e6 for n in range(21)] + [float("inf")]

# What moves with time alone.
MOVING = re.compile(r"^module\.now$|\.update_age_s$|_per_s$")


def ask(httpd, form, path="/farm-status", **arguments):
    """An answer in that form, which must be whole and of the right type."""
    response = httpd.get(f"{path}?format={form}", **arguments)
    assert response.status == 200, (form, response.status, response.body[:300])
    assert response.all("Content-Type") == [TYPES[form]], response.headers
    return response.body.decode("utf-8")


# -- JSON ----------------------------------------------------------------------------------------------------


def strict(text):
    """RFC 8259, without keys that stand twice and without the words that Python alone takes for numbers."""
    def once(pairs):
        names = [name for name, _ in pairs]
        assert len(names) == len(set(names)), f"a key twice in {names}"
        return dict(pairs)

    def no_number(word):
        raise AssertionError(f"{word} is no JSON")
    return json.loads(text, object_pairs_hook=once, parse_constant=no_number)


def status(httpd):
    return strict(ask(httpd, "json"))


def keys_of(answer):
    """{key: value} of a status, by the keys that the lines have."""
    found = {}

    def walk(path, thing):
        for name, value in thing.items():
            if name in ("farms", "members"):
                for item in value:
                    inner = {key: one for key, one in item.items() if key != "name"}
                    walk(f"{path}{name[:-1]}[{item['name']}].", inner)
            elif name == "metrics":
                for metric, number in value.items():
                    found[f"{path}metric[{metric}]"] = number
            elif isinstance(value, dict):
                walk(f"{path}{name}.", value)
            else:
                found[f"{path}{name}"] = value
    walk("", answer)
    return found


# -- lines ---------------------------------------------------------------------------------------------------


def pairs(text):
    """{key: text} of the lines."""
    assert text.endswith("\n") and "\r" not in text, text[-200:]
    found = {}
    for line in text[:-1].split("\n"):
        key, colon, value = line.partition(": ")
        assert colon and value, f"not `key: value`: {line!r}"
        assert re.fullmatch(r"[A-Za-z0-9_.:\[\]-]+", key), f"a strange key: {line!r}"
        assert key not in found, f"a key twice: {line!r}"
        found[key] = value
    return found


def check_same_value(key, text, value):
    """A line's text is what the JSON has under that key."""
    if value is None:
        assert text == "-", (key, text)
    elif isinstance(value, bool):
        assert text == ("true" if value else "false"), (key, text)
    elif isinstance(value, (int, float)):
        assert float(text) == value, (key, text, value)
    else:
        assert text == value, (key, text, value)


def check_lines(lines, before, after):
    """Lines say what the JSON said before and after them; what moves with time is known to be there only."""
    expected = keys_of(before)
    assert sorted(lines) == sorted(expected), sorted(set(lines) ^ set(expected))
    for key, value in expected.items():
        if not MOVING.search(key):
            check_same_value(key, lines[key], value)
        elif value is None or lines[key] == "-":
            assert lines[key] == "-" or key.endswith("_per_s"), (key, value, lines[key])
        elif key.endswith("_age_s"):
            assert value <= float(lines[key]) <= keys_of(after)[key], (key, value, lines[key])


# -- OpenMetrics ---------------------------------------------------------------------------------------------


class Scrape:
    """What Prometheus would store of an answer in OpenMetrics."""

    def __init__(self, text):
        assert text.endswith("# EOF\n") and text.count("# EOF") == 1, text[-200:]
        self.text = text
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples = {}
        for family in self.families.values():
            for sample in family.samples:
                assert sample.timestamp is None and sample.exemplar is None, sample
                series = (sample.name, frozenset(sample.labels.items()))
                assert series not in self.samples, f"twice: {sample}"
                self.samples[series] = sample.value
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        assert len(lines) == len(self.samples), "a line was lost by the parser"

    def value(self, name, **labels):
        """The sample's value, or None where there is none."""
        return self.samples.get((name, frozenset(labels.items())))

    def labels_of(self, name):
        """The labels of all samples of that name."""
        return [dict(labels) for one, labels in self.samples if one == name]

    def buckets(self, **labels):
        """[(bound, count)] of a member's histogram, in the order of the text."""
        return [(float(sample.labels["le"]), sample.value)
                for sample in self.families["farm_member_latency_seconds"].samples
                if sample.name.endswith("_bucket") and {k: v for k, v in sample.labels.items() if k != "le"} == labels]

    def counters(self):
        """All that may never go down."""
        names = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
        return {(sample.name, frozenset(sample.labels.items())): sample.value
                for family in self.families.values() for sample in family.samples
                if sample.name.endswith(names.get(family.type, ("\0",)))}


def scrape(httpd, **arguments):
    return Scrape(ask(httpd, "openmetrics", **arguments))


def expected_samples(answer):
    """{(name, labels): value} that OpenMetrics must have beside a JSON status, without histogram and what moves."""
    found = {}

    def put(name, value, **labels):
        if value is not None:
            found[name, frozenset(labels.items())] = value

    def put_state(name, state, **labels):
        for one in STATES[name]:
            put(name, int(one == state), **labels, **{name: one})

    for farm in answer["farms"]:
        of_farm = {"farm": farm["name"]}
        put_state("farm_condition", farm["condition"], **of_farm)
        for key in ("failovers", "redirected", "forwarded", "suspects", "handed_on", "retries_held_back"):
            put(f"farm_{key}_total", farm[key], **of_farm)
        for outcome in OUTCOMES:
            put("farm_requests_total", farm[outcome], **of_farm, outcome=outcome)
        for kind in CLASSES:
            put("farm_answers_total", farm["answers"][kind], **of_farm, **{"class": kind})
        put("farm_waiting", farm["waiting"], **of_farm)
        for row in farm["members"]:
            labels = {**of_farm, "member": row["name"]}
            for key, name in (("requests", "requests_total"), ("errors", "errors_total"), ("inflight", "inflight"),
                              ("load", "load"), ("bytes_in", "received_bytes_total"), ("bytes_out", "sent_bytes_total"),
                              ("weight", "weight"), ("share", "share")):
                put(f"farm_member_{name}", row[key], **labels)
            put("farm_member_available", int(row["available"]), **labels)
            put("farm_member_tied_clients", row["sticky"]["clients"], **labels)
            for axis in ("admin", "health", "fresh"):
                put_state(f"farm_member_{axis}", row[axis], **labels)
            for metric, value in row["metrics"].items():
                put("farm_member_metric", value, **labels, metric=metric)
    for result, count in (answer["cookies"] or {}).items():
        put("farm_instructions_total", count, result=result)
    if answer["module"]:
        put("farm_old_processes", answer["module"]["old_processes"])
        put("farm_module_info", 1, **{key: answer["module"][key] for key in ("version", "mpm")})
    return found


# -- the same moment -----------------------------------------------------------------------------------------


def without_moving(answer):
    return {key: value for key, value in keys_of(answer).items() if not MOVING.search(key)}


def between(httpd, call):
    """(JSON, what call() said, JSON), of a moment in which nothing changed but time."""
    def same():
        before, said, after = status(httpd), call(), status(httpd)
        return without_moving(before) == without_moving(after) and (before, said, after)
    return wait.until(same, "a moment without a change")
