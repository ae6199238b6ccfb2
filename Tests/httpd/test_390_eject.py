"""FarmSet eject: a member that does far worse than its like is put down for a while."""

import re
from collections import Counter

import pytest

from farmhttpd import client, wait
from farmhttpd.fallback import manage, wait_for_line
from farmhttpd.members import answer
from test_200_selection import after

# As many requests as any of these tests makes before it gives up.
MOST = 3000
AT_ONCE = 6
BROKEN = answer("500 Broken", body=b'{"member": "broken"}')


def farm_of(httpd, names="abcde", eject="on", algorithm="random", directives=()):
    made = httpd.three(*names)
    for member in made:
        member.always(after(0.002))
    httpd.farm(*made, f"FarmAlgorithm {algorithm}", f"FarmSet eject={eject} {' '.join(directives)}")
    httpd.conf.handler("farm-manager")
    httpd.log.expect("proxy_farm:(warn|notice)")
    return made


def some(httpd, count=10):
    with httpd.client() as keep:
        return [keep.request("/app/x").status for _ in range(count)]


def load(httpd, count):
    """So many requests, several at once; how many had which status."""
    return Counter(sum(client.at_once(AT_ONCE, some, httpd, count // AT_ONCE), []))


def down(httpd):
    return {name for name, row in httpd.rows().items() if row["health"] == "down"}


def until_down(httpd, name, look=lambda gone: None):
    """Requests until that member is down; `look` sees on the way who is. Fails when MOST requests did not do it."""
    for _ in range(MOST // 120):
        load(httpd, 120)
        gone = down(httpd)
        look(gone)
        if name in gone:
            return gone
    raise AssertionError(f"{name} is still up after {MOST} requests: {Counter(m.count for m in httpd.members)}")


def never_more_than(most):
    def look(gone):
        assert len(gone) <= most, gone
    return look


def test_390_01_member_that_answers_errors(httpd):
    """Contract: "`eject=on` put outliers down for a while": one that answers 500 to everything, quickly, while four others
    are fine; the status and the log say why, and it gets next to nothing afterwards."""
    made = farm_of(httpd, directives=["retry=1h"])
    made[0].always(BROKEN)
    httpd.start()
    assert until_down(httpd, "a") == {"a"}
    row = httpd.rows()["a"]
    assert (row["health"], row["health_by"], row["admin"], row["available"]) == ("down", "outlier", "on", False)
    said = [line for line in wait_for_line(httpd, r"\[proxy_farm:warn\]") if re.search(r"\bapp\b.*\ba\b", line)]
    assert len(said) == 1, said
    before = made[0].count
    counts = load(httpd, 600)
    assert made[0].count - before <= 5 and counts[200] >= 595, counts
    assert httpd.farm_status()["condition"] == "ok"


@pytest.mark.parametrize("eject", ["off", "default"])
def test_390_02_off_by_default(httpd, eject):
    """Contract: "`eject=on|off` (off)": answers are answers, and the member stays."""
    made = farm_of(httpd, eject=eject)
    if eject == "default":
        httpd.conf.farm("app", *made, "FarmAlgorithm random")
    made[0].always(BROKEN)
    httpd.start()
    counts = load(httpd, 1800)
    assert not down(httpd)
    # A fifth is 360, and five standard deviations (17 each) are 85.
    assert counts[500] == made[0].count >= 275, counts


def test_390_03_all_alike(httpd):
    """Contract: "outliers": where all answer the same errors, nobody is one."""
    made = farm_of(httpd)
    httpd.start()
    for behaviour in (BROKEN, answer("404 No", body=b"{}")):
        for member in made:
            member.always(behaviour)
        assert set(load(httpd, 1200)) == {int(500 if behaviour is BROKEN else 404)}
        assert not down(httpd)


def test_390_04_healthy_members_stay(httpd):
    """Contract: "outliers": members that answer alike, each as the other, are none."""
    farm_of(httpd)
    httpd.start()
    assert load(httpd, 1800) == {200: 1800}
    assert not down(httpd)
    assert {row["errors"] for row in httpd.rows().values()} == {0}


@pytest.mark.parametrize("names, bad, most", [("abcd", "abc", 2), ("abcde", "ab", 2), ("ab", "a", 1), ("abc", "ab", 1)])
def test_390_05_never_more_than_half(httpd, names, bad, most):
    """Contract: an ejection never takes more than half of the farm: the rest goes on, errors or not."""
    made = farm_of(httpd, names, directives=["retry=1h"])
    for member in made:
        if member.name in bad:
            member.always(BROKEN)
    httpd.start()
    for _ in range(10):
        load(httpd, 120)
        gone = down(httpd)
        assert len(gone) <= most and gone <= set(bad), gone
        assert httpd.farm_status()["condition"] == "ok"


def test_390_06_both_of_two_bad_ones(httpd):
    """Contract: "put outliers down": where half of the farm may go, two bad ones of five both do."""
    made = farm_of(httpd, directives=["retry=1h"])
    for member in made[:2]:
        member.always(BROKEN)
    httpd.start()
    until_down(httpd, "a", never_more_than(2))
    assert until_down(httpd, "b", never_more_than(2)) == {"a", "b"}


def test_390_07_comes_back(httpd):
    """Contract: "for a while": it is tried again after `FarmSet retry=`, as after failures; and one that is well again
    stays."""
    made = farm_of(httpd, directives=["retry=1s"])
    made[0].always(BROKEN)
    httpd.start()
    until_down(httpd, "a")
    made[0].always(after(0.002))
    wait.until(lambda: load(httpd, 12) and not down(httpd), "the member to come back")
    row = httpd.rows()["a"]
    assert (row["health"], row["health_by"], row["available"]) == ("up", None, True)
    made[0].forget()
    assert load(httpd, 900) == {200: 900}
    assert not down(httpd) and made[0].count >= 90


def test_390_08_goes_again_when_it_is_not_well(httpd):
    """Contract: "for a while": a member that still answers errors when it is back is put down again."""
    made = farm_of(httpd, directives=["retry=300ms"])
    made[0].always(BROKEN)
    httpd.start()
    until_down(httpd, "a")
    ejections = lambda: len(httpd.log.lines(r"\[proxy_farm:warn\]"))
    before = ejections()
    wait.until(lambda: load(httpd, 30) and (not down(httpd) or ejections() > before), "the member to be tried")
    assert until_down(httpd, "a") == {"a"}


def test_390_09_member_that_is_slow(httpd):
    """Contract: "put outliers down": one that is twenty times slower than the rest, with an algorithm that does not look at
    latency."""
    made = farm_of(httpd, directives=["retry=1h"])
    made[0].always(after(0.2))
    for member in made[1:]:
        member.always(after(0.01))
    httpd.start()
    for _ in range(20):
        load(httpd, 60)
        if down(httpd):
            break
    assert down(httpd) == {"a"}
    assert httpd.rows()["a"]["health_by"] == "outlier"


def test_390_10_slow_all_alike(httpd):
    """Contract: "outliers": a farm whose members are all slow has none; nor has one where one is a little slower."""
    made = farm_of(httpd)
    for member in made:
        member.always(after(0.03))
    made[0].always(after(0.04))
    httpd.start()
    load(httpd, 600)
    assert not down(httpd)


def test_390_11_admin_is_not_touched(httpd):
    """Contract: health is "Never set by, and never setting, admin"; and a monitor's or manager's word for a member that was
    ejected brings it back."""
    made = farm_of(httpd, directives=["retry=1h"])
    made[0].always(BROKEN)
    httpd.start()
    until_down(httpd, "a")
    made[0].always(after(0.002))
    manage(httpd, farm="app", member="a", health="up")
    row = httpd.rows()["a"]
    assert (row["health"], row["health_by"], row["admin"]) == ("up", None, "on")
    made[0].forget()
    assert load(httpd, 300) == {200: 300} and made[0].count > 0
