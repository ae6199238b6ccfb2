"""The buttons of the page: each of its forms, posted as a browser does that runs no script."""

import pytest

from farmhttpd.manager import NONCE, PATH, farm_of, note, refused, settings
from farmhttpd.page import Page, submit
from test_801_by_and_log import as_user, guarded
from test_802_nonce import check_led_to

STATUS = "/farm-status"
BUTTONS = [("admin", "on"), ("admin", "drain"), ("admin", "off"), ("health", "up"), ("health", "down")]


def page(httpd, target=STATUS, **arguments):
    return Page(httpd.get(target, **arguments).body.decode("utf-8"))


def form_with(httpd, member, button, target=STATUS, **arguments):
    found = [form for form in page(httpd, target, **arguments).forms_of("app", member) if button in form.buttons]
    assert len(found) == 1, (member, button)
    return found[0]


def press(httpd, member, button, target=STATUS, headers=(), **typed):
    form = form_with(httpd, member, button, target, headers=dict(headers))
    return submit(httpd, target, form, button, headers, **typed)


@pytest.mark.both_mpms
@pytest.mark.parametrize("target", [STATUS, f"{STATUS}?format=html", PATH])
def test_438_01_every_button(httpd, target):
    """Contract: each form "carries the nonce", posting it as a browser would makes the change and leads back to the page."""
    farm_of(httpd)
    httpd.log.expect("FARM")
    httpd.start()
    for member in ("a", "b", "c"):
        for name, value in [*BUTTONS, ("health", "up"), ("admin", "on")]:
            check_led_to(httpd, press(httpd, member, (name, value), target), target)
            assert httpd.rows()[member][name] == value
    for state in ("drain", "off", "on"):
        check_led_to(httpd, press(httpd, None, ("admin", state), target), target)
        assert httpd.farm_status()["admin"] == state
    assert {row["admin"] for row in httpd.rows().values()} == {"on"}


def test_438_02_fields(httpd):
    """Contract: "fields nonce, farm, member, admin|health|weight, reason, until", and no others."""
    farm_of(httpd)
    httpd.start()
    seen = set()
    for form in page(httpd).forms:
        names = [name for name, _ in form.fields] + [name for name, _ in form.buttons]
        assert {"nonce", "farm"} <= set(names) <= {"nonce", "farm", "member", "admin", "health", "weight", "reason", "until"}
        seen |= set(names)
        assert form.attributes["method"].lower() == "post"
    assert seen == {"nonce", "farm", "member", "admin", "health", "weight", "reason", "until"}


def test_438_03_reason_and_until(httpd):
    """Contract: `reason=` and `until=` of a form, in any letters; by whom is the client."""
    farm_of(httpd)
    httpd.start()
    reason = 'neue Platte & "Größe" → 3 % <b>'
    check_led_to(httpd, press(httpd, "a", ("admin", "drain"), reason=reason, until="2h"), STATUS)
    row = httpd.rows()["a"]
    assert note(row) == ("drain", "127.0.0.1", reason) and row["admin_until"]
    assert reason in page(httpd).text
    check_led_to(httpd, press(httpd, None, ("admin", "off"), reason=reason, until="2031-01-01T00:00:00Z"), STATUS)
    farm = httpd.farm_status()
    assert note(farm) == ("off", "127.0.0.1", reason) and farm["admin_until"].startswith("2031-01-01T00:00:00")


def test_438_04_weight(httpd):
    """Contract: `weight=N` of a form, by its field alone; what does not fit is refused and changes nothing."""
    farm_of(httpd)
    httpd.start()
    form, = [one for one in page(httpd).forms_of("app", "b") if "weight" in one.values]
    check_led_to(httpd, submit(httpd, STATUS, form, weight="7"), STATUS)
    assert httpd.rows()["b"]["weight"] == 7
    before = settings(httpd)
    for wrong in ("0", "1001", "x", "-1", "1.5", " "):
        refused(submit(httpd, STATUS, form, weight=wrong), 400)
    assert settings(httpd) == before


def test_438_05_errors_are_told(httpd):
    """What somebody at a browser expects: a wrong `until` is refused with what was wrong, and nothing changes."""
    farm_of(httpd)
    httpd.start()
    before = settings(httpd)
    said = refused(press(httpd, "a", ("admin", "off"), until="yesterday"), 400)
    assert "until" in said and settings(httpd) == before


def test_438_06_as_a_user(httpd):
    """Contract: the status is open, the manager has a password: a browser that knows it has the buttons, and by is its user."""
    httpd.farm(*httpd.three())
    guarded(httpd, users=["ann"])
    httpd.start()
    basic = [pair for pair in as_user("ann") if pair[0] == "Authorization"]
    check_led_to(httpd, press(httpd, "a", ("admin", "off"), headers=basic, reason="night"), STATUS)
    assert note(httpd.rows()["a"]) == ("off", "ann", "night")
    # The form alone, without the password, is not enough.
    form = form_with(httpd, "a", ("admin", "on"), headers=dict(basic))
    assert submit(httpd, STATUS, form, ("admin", "on")).status == 401
    assert httpd.rows()["a"]["admin"] == "off"


def test_438_07_a_page_that_was_left_open(httpd):
    """Contract: the nonce lasts over graceful restarts, so a page that is open goes on working; not over a full stop."""
    farm_of(httpd)
    httpd.start()
    form = form_with(httpd, "a", ("admin", "off"))
    httpd.graceful()
    check_led_to(httpd, submit(httpd, STATUS, form, ("admin", "off")), STATUS)
    httpd.stop()
    httpd.start()
    refused(submit(httpd, STATUS, form, ("admin", "off")), 403)
    assert httpd.rows()["a"]["admin"] == "on"


def test_438_08_the_nonce_is_for_nobody_else(httpd):
    """What an administrator expects: no other form of the status has the nonce, and no other page can frame this one."""
    farm_of(httpd)
    httpd.start()
    nonce, = set(NONCE.findall(httpd.get(STATUS).body.decode()))
    for target in (f"{STATUS}?format=json", f"{STATUS}?format=text", f"{STATUS}?format=openmetrics"):
        assert nonce.encode() not in httpd.get(target).body
    assert nonce not in httpd.log.text()
    assert "'none'" in httpd.get(STATUS).get("Content-Security-Policy").split("frame-ancestors", 1)[1].split(";")[0]
