"""The status as lines `key: value`, for scripts that have no JSON: each line is one value of the JSON, and each value a line."""

import re
from urllib.parse import quote

import pytest

from farmhttpd import formats, wait
from farmhttpd.formats import pairs
from farmhttpd.manager import change
from test_431_openmetrics import busy_farm

A = "farm=app&member=a"
REASON = 'Größe: "5 → 6", <b>\\ & : -'


def lines(httpd):
    return pairs(formats.ask(httpd, "text"))


@pytest.mark.both_mpms
def test_432_01_mirrors_the_json(httpd):
    """Contract: "The keys are the JSON's paths, farms and members by name in brackets", one value a line, unknown is `-`: the
    JSON's values and no others."""
    busy_farm(httpd)
    before, told, after = formats.between(httpd, lambda: lines(httpd))
    formats.check_lines(told, before, after)
    # Some by hand, so that the keys are these.
    for key, text in (("module.mpm", before["module"]["mpm"]), ("farm[app].condition", "ok"), ("farm[app].member[a].weight", "3"),
                      ("farm[app].member[a].metric[cpu]", "0.25"), ("farm[app].member[a].available", "true"),
                      ("farm[app].member[b].available", "false"), ("farm[app].member[c].admin_reason", "disk"),
                      ("farm[app].member[c].update_age_s", "-"), ("farm[other_farm-2].member[a].sticky.until", "-"),
                      ("farm[nobody].condition", "down"), ("cookies.bad_mac", "1"), ("cookies.unknown_key", "0"),
                      ("farm[app].member[c].latency_ms.p99", "-"), ("farm[app].member[c].drain.inflight_at_start", "0")):
        assert told[key] == text, (key, told[key])
    assert "farm[app].name" not in told and "farm[app].member[a].name" not in told


def test_432_02_order(httpd):
    """Contract: "`key: value` lines": in the order of the JSON, so that a farm's and a member's lines stand together."""
    busy_farm(httpd)
    before, told, _ = formats.between(httpd, lambda: lines(httpd))
    assert list(told) == list(formats.keys_of(before))


def test_432_03_what_people_wrote(httpd):
    """Contract: "US-ASCII but for by/reason (UTF-8)", as they were written, whatever stands in them."""
    busy_farm(httpd)
    change(httpd, f"{A}&admin=drain&by=J%C3%B6rg&reason={quote(REASON)}")
    change(httpd, f"farm=app&admin=drain&by=%F0%9F%9A%9C&reason={quote(REASON)}")
    told = lines(httpd)
    assert told["farm[app].member[a].admin_reason"] == told["farm[app].admin_reason"] == REASON
    assert (told["farm[app].member[a].admin_by"], told["farm[app].admin_by"]) == ("Jörg", "🚜")
    strange = [key for key, text in told.items() if not re.fullmatch(r"[\x20-\x7e]+", text)]
    assert sorted(strange) == sorted(f"farm[app].{at}{key}" for at in ("", "member[a].") for key in ("admin_by", "admin_reason"))


def test_432_04_no_farm(httpd):
    """Contract: a server without farms answers in this format too, and what it says is what the JSON says."""
    httpd.start()
    before = formats.status(httpd)
    told = lines(httpd)
    assert list(told) == list(formats.keys_of(before)) and all(
        formats.MOVING.search(key) or told[key] == "-" or told[key] == str(value) for key, value in formats.keys_of(before).items())


def test_432_05_many_members_and_the_longest_names(httpd):
    """Contract: names of 63 bytes and a metric's of 32: no key is cut, and no two are the same."""
    a = httpd.member("a")
    farm, names = "f" * 63, ["m" * 60 + f"{n:03}" for n in range(120)]
    httpd.conf.farm(farm, *[f"FarmMember {a.url}/{n} name={name}" for n, name in enumerate(names)])
    httpd.conf.handler("farm-update")
    httpd.start()
    metric = "x" * 32
    assert httpd.get(f"/farm-update?farm={farm}&member={names[7]}&{metric}=1.5").status == 200
    before, told, after = formats.between(httpd, lambda: lines(httpd))
    formats.check_lines(told, before, after)
    assert told[f"farm[{farm}].member[{names[7]}].metric[{metric}]"] == "1.5"


def test_432_06_for_a_shell(httpd):
    """What it is for: grep and sed are enough to ask."""
    import subprocess
    busy_farm(httpd)
    text = formats.ask(httpd, "text")
    said = subprocess.run(["sed", "-n", r"s/^farm\[app\]\.member\[\(.*\)\]\.available: false$/\1/p"], input=text, text=True,
                          capture_output=True, check=True, timeout=30).stdout
    assert said.split() == ["b", "c"]
    assert wait.until(lambda: lines(httpd)["farm[app].member[a].inflight"] == "0", "nothing in flight")
