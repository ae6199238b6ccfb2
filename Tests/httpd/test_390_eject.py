"""FarmSet eject: a member that does far worse than its like is put down for a while.

Members are compared now and then while requests come, so these tests ask in small batches with pauses between, up to a
bound; and what must not happen is looked for until, in the same server and under the same requests, it has happened to
those to whom it must."""

import re
from collections import Counter

from farmhttpd import client, wait
from farmhttpd.fallback import manage, wait_for_line
from farmhttpd.members import answer
from test_200_selection import after

AT_ONCE = 6
BATCH = 48
# So many batches at the most: 2,400 requests of one farm.
BATCHES = 50
PAUSE = 0.2
QUICK = after(0.002)
BROKEN = answer("500 Broken", body=b'{"member": "broken"}')
WARNED = r"\[proxy_farm:warn\]"


def farm_of(httpd, name="app", bad="", directives="eject=on retry=1h", names="abcde", **behaviours):
    """Members that are quick, but for those that are broken and those that do what is said here."""
    made = {letter: httpd.member(letter) for letter in names}
    for letter, member in made.items():
        member.always(behaviours.get(letter, BROKEN if letter in bad else QUICK))
    httpd.farm(*made.values(), "FarmAlgorithm random", *([f"FarmSet {directives}"] if directives else []), name=name)
    return made


def start(httpd):
    httpd.conf.handler("farm-manager")
    httpd.log.expect("proxy_farm:warn")
    httpd.start()


def load(httpd, count=BATCH, name="app"):
    """So many requests, several at once; how many had which status."""
    def some():
        with httpd.client() as keep:
            return [keep.request(f"/{name}/x").status for _ in range(count // AT_ONCE)]
    return Counter(sum(client.at_once(AT_ONCE, some), []))


def down(httpd, name="app"):
    return {member for member, row in httpd.rows(name).items() if row["health"] == "down"}


def until(httpd, condition, names=("app",), look=lambda: None):
    """Requests to these farms in batches until the condition holds; `look` looks on meanwhile."""
    for _ in range(BATCHES):
        for name in names:
            load(httpd, name=name)
        look()
        if condition():
            return
        wait.at_most(PAUSE, lambda: False)
    raise AssertionError(f"in vain: {[(name, down(httpd, name)) for name in names]}")


def test_390_01_member_that_answers_errors(httpd):
    """Contract: "`eject=on` put outliers down for a while": one that answers 500 to everything, quickly, while four others
    are fine; the status and the log say why, and it gets next to nothing afterwards."""
    made = farm_of(httpd, bad="a")
    start(httpd)
    until(httpd, lambda: down(httpd))
    row = httpd.rows()["a"]
    assert down(httpd) == {"a"}
    assert (row["health"], row["health_by"], row["admin"], row["available"]) == ("down", "outlier", "on", False)
    said = wait_for_line(httpd, WARNED)
    assert len(said) == 1 and re.search(r"\bapp\b.*\ba\b", said[0]), said
    before = made["a"].count
    counts = load(httpd, 600)
    assert made["a"].count - before <= 5 and counts[200] >= 595, counts
    assert httpd.farm_status()["condition"] == "ok" and httpd.farm_status()["available"] == 4


def test_390_02_who_is_no_outlier(httpd):
    """Contract: "`eject=on|off` (off) put *outliers* down": nobody is put down where it is off, which is the default; where
    all answer alike, well, badly or slowly; or where one is a little slower than the others."""
    farm_of(httpd, bad="a")
    quiet = {
        "off": dict(bad="a", directives="eject=off retry=1h"),
        "default": dict(bad="a", directives=""),
        "well": {},
        "broken": dict(bad="abcde"),
        "missing": {letter: answer("404 No", body=b"{}") for letter in "abcde"},
        "late": {letter: after(0.03) for letter in "abcde"},
        "later": dict({letter: after(0.03) for letter in "bcde"}, a=after(0.04)),
    }
    made = {name: farm_of(httpd, name, **arguments) for name, arguments in quiet.items()}
    start(httpd)
    gone = lambda: {name: down(httpd, name) for name in quiet if down(httpd, name)}
    # The second time, everybody has been compared once more.
    until(httpd, lambda: down(httpd) == {"a"}, ("app", *quiet))
    manage(httpd, farm="app", member="a", health="up")
    until(httpd, lambda: down(httpd) == {"a"}, ("app", *quiet))
    assert gone() == {}
    for name, members in made.items():
        counts = [member.count for member in members.values()]
        assert min(counts) > sum(counts) / 20, (name, counts)


def test_390_03_never_more_than_half(httpd):
    """Contract: an ejection never takes more than half of the farm: the rest goes on, errors or not; and where half may go,
    two bad ones of five both do."""
    farms = {"f4": ("abcd", "abc", 2), "f5": ("abcde", "ab", 2), "f2": ("ab", "a", 1), "f3": ("abc", "ab", 1)}
    for name, (names, bad, _) in farms.items():
        farm_of(httpd, name, bad, names=names)
    start(httpd)

    def look():
        for name, (_, bad, most) in farms.items():
            gone = down(httpd, name)
            assert len(gone) <= most and gone <= set(bad), (name, gone)
            assert httpd.farm_status(name)["condition"] == "ok"

    until(httpd, lambda: down(httpd, "f5") == {"a", "b"}, farms, look)
    manage(httpd, farm="f5", member="a", health="up")
    until(httpd, lambda: down(httpd, "f5") == {"a", "b"}, farms, look)


def test_390_04_comes_back(httpd):
    """Contract: "for a while": it is tried again after `FarmSet retry=`, as after failures; one that is well again stays."""
    made = farm_of(httpd, bad="a", directives="eject=on retry=1s")
    start(httpd)
    until(httpd, lambda: down(httpd) == {"a"})
    made["a"].always(QUICK)
    until(httpd, lambda: not down(httpd))
    row = httpd.rows()["a"]
    assert (row["health"], row["health_by"], row["available"]) == ("up", None, True)
    made["a"].forget()
    assert load(httpd, 600) == {200: 600}
    # A fifth of 600 is 120, and five standard deviations are 49.
    assert made["a"].count >= 71 and not down(httpd)


def test_390_05_goes_again_when_it_is_not_well(httpd):
    """Contract: "for a while": a member that still answers errors when it is back is put down again."""
    farm_of(httpd, bad="a", directives="eject=on retry=300ms")
    start(httpd)
    until(httpd, lambda: len(httpd.log.lines(WARNED)) >= 2)
    assert {row["health_by"] for row in httpd.rows().values()} <= {None, "outlier"}
    assert all(re.search(r"\bapp\b.*\ba\b", line) for line in httpd.log.lines(WARNED))


def test_390_06_member_that_is_slow(httpd):
    """Contract: "put outliers down": one that is twenty times slower than the rest, with an algorithm that does not look at
    latency."""
    farm_of(httpd, a=after(0.2), **{letter: after(0.01) for letter in "bcde"})
    start(httpd)
    until(httpd, lambda: down(httpd))
    assert down(httpd) == {"a"}
    row = httpd.rows()["a"]
    assert (row["health_by"], row["errors"]) == ("outlier", 0)


def test_390_07_a_managers_word(httpd):
    """Contract: health is "Never set by, and never setting, admin"; and a manager's word for a member that was ejected
    brings it back at once."""
    made = farm_of(httpd, bad="a")
    start(httpd)
    until(httpd, lambda: down(httpd) == {"a"})
    made["a"].always(QUICK)
    manage(httpd, farm="app", member="a", health="up")
    row = httpd.rows()["a"]
    assert (row["health"], row["health_by"], row["admin"]) == ("up", None, "on")
    made["a"].forget()
    assert load(httpd, 300) == {200: 300} and made["a"].count > 0
