"""What an answer says of a member was so at one moment, also while somebody changes it as fast as he can."""

import re
import threading

import pytest

from farmhttpd import formats, wait
from farmhttpd.formats import pairs, scrape
from farmhttpd.manager import farm_of
from farmhttpd.page import Page
from farmhttpd.update import FORM

WRITES, READS = 240, 25
STATES = ("on", "drain", "off")


def hammered(httpd, write, read):
    """Calls `write(client, n)` and, in threads of their own, each of `read` until both have been called often enough."""
    over, failures, counts = threading.Event(), [], [0] * (1 + len(read))

    def run(at, call):
        try:
            with httpd.client() as client:
                while not over.is_set():
                    call(client, counts[at])
                    counts[at] += 1
        except BaseException as error:                  # the test raises it again
            failures.append(error)
            over.set()
    threads = [threading.Thread(target=run, args=(at, call)) for at, call in enumerate([write, *read])]
    for thread in threads:
        thread.start()
    try:
        wait.until(lambda: over.is_set() or counts[0] >= WRITES and min(counts[1:]) >= READS, "enough answers", 60)
    finally:
        over.set()
        for thread in threads:
            thread.join(30)
    if failures:
        raise failures[0]


def change(client, text):
    answer = client.request("/farm-manager", method="POST", headers=dict([FORM, ("X-Farm-Manager", "1")]), body=text.encode())
    assert answer.status == 200, answer


def said(client, form):
    answer = client.request(f"/farm-status?format={form}")
    assert answer.status == 200
    return answer.body.decode("utf-8")


def check_note(admin, by, reason):
    """Words that were written with one another: the number is the same, and the state is the number's."""
    if by is None and admin == "on":
        return                          # nobody has written anything yet
    number = int(re.fullmatch(r"by-(\d+)x*", by)[1])
    assert reason and re.fullmatch(rf"reason-{number}y*", reason), (admin, by, reason)
    assert admin == STATES[number % 3], (admin, by, reason)


def words(n):
    """Of different lengths, so that a mixture of two is seen."""
    return f"admin={STATES[n % 3]}&by=by-{n}{'x' * (n % 50)}&reason=reason-{n}{'y' * (n * 7 % 170)}"


@pytest.mark.both_mpms
def test_436_01_state_and_reason(httpd):
    """Contract: "what the administrator wants … with who set it, why": the four are of one change, of a member and of a farm,
    in JSON and in lines."""
    farm_of(httpd)
    httpd.log.expect("FARM")
    httpd.start()

    def write(client, n):
        change(client, f"farm=app&member=a&{words(n)}")
        change(client, f"farm=app&{words(n)}")

    def as_json(client, _):
        farm = formats.strict(said(client, "json"))["farms"][0]
        for row in (farm, farm["members"][0]):
            check_note(row["admin"], row["admin_by"], row["admin_reason"])
            assert (row["drain"] is None) == (row["admin"] == "on")

    def as_lines(client, _):
        told = pairs(said(client, "text"))
        for key in ("farm[app].", "farm[app].member[a]."):
            check_note(*(None if told[key + name] == "-" else told[key + name] for name in ("admin", "admin_by", "admin_reason")))

    def as_metrics(client, _):
        told = formats.Scrape(said(client, "openmetrics"))
        for name, states in formats.STATES.items():
            labels = {"farm": "app"} if name == "farm_condition" else {"farm": "app", "member": "a"}
            assert sorted(told.value(name, **labels, **{name: one}) for one in states)[-2:] == [0, 1]
    hammered(httpd, write, [as_json, as_lines, as_metrics])


@pytest.mark.both_mpms
def test_436_02_the_page(httpd):
    """Contract: the same on the page: the state's word in the row, and the reason below it."""
    farm_of(httpd, "a")
    httpd.log.expect("FARM")
    httpd.start()

    def write(client, n):
        change(client, f"farm=app&member=a&{words(n)}")

    def read(client, _):
        page = Page(said(client, "html"))
        at = next(n for n, row in enumerate(page.rows) if row and "a" in row[0].split())
        state, = [cell.split()[-1] for cell in page.rows[at] if cell.split() and cell.split()[-1] in STATES]
        notes = [cell for cell in page.rows[at + 1] if "by-" in cell] if at + 1 < len(page.rows) else []
        if notes:
            by, reason = re.search(r"(by-\d+x*): .*?(reason-\d+y*)", notes[0]).groups()
            check_note(state, by, reason)
    hammered(httpd, write, [read, read])


@pytest.mark.both_mpms
def test_436_03_condition_and_available(httpd):
    """Contract: "condition" and "available" follow from the members' states, and they are those of the same answer."""
    farm_of(httpd, "a", "b")
    httpd.log.expect("FARM")
    httpd.start()

    def write(client, n):
        for member in "ab":
            change(client, f"farm=app&member={member}&admin={'on' if n % 2 else 'off'}")

    def read(client, _):
        farm = formats.strict(said(client, "json"))["farms"][0]
        available = [row["available"] for row in farm["members"]]
        assert available == [row["admin"] == "on" for row in farm["members"]]
        assert farm["available"] == sum(available), farm
        assert farm["condition"] == ("ok" if any(available) else "offline"), (farm["condition"], available)
        assert {name: row["share"] > 0 for name, row in zip("ab", farm["members"])} == dict(zip("ab", available)), farm
    hammered(httpd, write, [read, read])


@pytest.mark.both_mpms
def test_436_04_counts(httpd):
    """Contract: a member's `requests` are attempts, of which `errors` failed and `latency_ms.count` got an answer: never more
    of these than of those, and the histogram's parts fit, while requests come."""
    httpd.farm(*httpd.three("a", "b"))
    httpd.start()

    def write(client, _):
        assert client.request("/app/x").status == 200

    def as_json(client, _):
        farm = formats.strict(said(client, "json"))["farms"][0]
        for row in farm["members"]:
            assert row["errors"] + row["latency_ms"]["count"] <= row["requests"], row
            assert row["requests"] - row["latency_ms"]["count"] <= 2, row

    def as_metrics(client, _):
        told = formats.Scrape(said(client, "openmetrics"))
        for member in "ab":
            labels = {"farm": "app", "member": member}
            counts = [count for _, count in told.buckets(**labels)]
            assert counts == sorted(counts) and counts[-1] == told.value("farm_member_latency_seconds_count", **labels)
    hammered(httpd, write, [as_json, as_metrics])
    assert scrape(httpd).value("farm_member_inflight", farm="app", member="a") == 0
