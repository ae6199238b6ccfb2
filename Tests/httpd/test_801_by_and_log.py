"""Who a change is said to be by, and what the log says of it."""

import base64
import hashlib

import pytest

from farmhttpd.manager import (CHANGES, DOWN, FARM_ADMIN, MEMBER_ADMIN, UP, WEIGHT, ask, change, farm_of, log_of, moment, note,
                               refused)

A = "farm=app&member=a"


def guarded(httpd, path="/admin", users=("ann",), code="utf-8"):
    """The manager behind mod_auth_basic; every password is `pass`."""
    secret = base64.b64encode(hashlib.sha1(b"pass").digest()).decode()
    (httpd.root / "users").write_text("".join(f"{user}:{{SHA}}{secret}\n" for user in users), encoding=code)
    httpd.conf.load("auth_basic", "authn_file", "authz_user")
    httpd.conf.add(f'<Location "{path}">', "SetHandler farm-manager", "AuthType Basic", 'AuthName "farm"',
                   f'AuthUserFile "{httpd.root}/users"', "Require valid-user", "</Location>")


def as_user(name, password="pass", code="utf-8"):
    text = base64.b64encode(f"{name}:{password}".encode(code)).decode()
    return [("X-Farm-Manager", "1"), ("Authorization", f"Basic {text}")]


def test_801_01_authenticated_user(httpd):
    """Contract: `by` is by default the authenticated user; what is sent goes before it; "a Location guarded by the usual
    Require lines" lets nobody else change anything."""
    farm_of(httpd)
    guarded(httpd, users=["ann", "Jörg"])
    httpd.log.expect("AH01617|AH01618")
    httpd.start()
    change(httpd, f"{A}&admin=off", path="/admin", headers=as_user("ann"))
    assert note(httpd.rows()["a"]) == ("off", "ann", None)
    change(httpd, f"{A}&admin=drain&by=bob", path="/admin", headers=as_user("ann"))
    assert note(httpd.rows()["a"]) == ("drain", "bob", None)
    change(httpd, "farm=app&admin=drain&reason=move", path="/admin", headers=as_user("Jörg"))
    assert note(httpd.farm_status()) == ("drain", "Jörg", "move")
    for headers in (as_user("ann", "wrong"), as_user("eve"), [("X-Farm-Manager", "1")]):
        assert ask(httpd, f"{A}&admin=on", path="/admin", headers=headers).status == 401
    assert note(httpd.rows()["a"]) == ("drain", "bob", None)


def test_801_02_address(httpd):
    """Contract: without a user, `by` is the client's address."""
    farm_of(httpd)
    httpd.start()
    for source in ("127.0.0.1", "127.0.0.5"):
        change(httpd, f"{A}&admin=off", source=source)
        assert note(httpd.rows()["a"]) == ("off", source, None)
        change(httpd, "farm=app&admin=on&reason=x", source=source)
        assert note(httpd.farm_status()) == ("on", source, "x")


def test_801_03_address_behind_a_proxy(httpd):
    """Contract: the client's address is, as for updates, that of mod_remoteip where it is loaded."""
    farm_of(httpd)
    httpd.conf.load("remoteip").add("RemoteIPHeader X-Forwarded-For", "RemoteIPInternalProxy 127.0.0.1")
    httpd.conf.add('<Location "/open">', "SetHandler farm-manager", "Require all granted", "</Location>")
    httpd.start()
    for address in ("198.51.100.7", "2001:db8::17"):
        change(httpd, f"{A}&admin=off", path="/open", headers=[("X-Farm-Manager", "1"), ("X-Forwarded-For", address)])
        assert note(httpd.rows()["a"]) == ("off", address, None)


def test_801_04_long_user(httpd):
    """Contract: by is at most 63 bytes: a user whose name is longer is an administrator all the same, by as much of the
    name as fits, which is UTF-8 still."""
    long = "é" * 40
    farm_of(httpd)
    guarded(httpd, users=["u" * 100, long])
    httpd.start()
    for user in ("u" * 100, long):
        response = ask(httpd, f"{A}&admin=off", path="/admin", headers=as_user(user))
        if response.status == 200:
            by = httpd.rows()["a"]["admin_by"]
            assert by and user.startswith(by) and 60 <= len(by.encode()) <= 63
        else:
            assert "by" in refused(response, 400)
            assert httpd.rows()["a"]["admin"] == "on"


@pytest.mark.both_mpms
def test_801_05_each_change_is_one_line(httpd):
    """Contract: "Every change logs one line at notice": `FARM00110: farm app: member app1 is administratively drain: by WHO
    until …Z: REASON`, FARM00111 for a farm, FARM00112 a weight, FARM00107 and FARM00108 health."""
    farm_of(httpd)
    httpd.start()
    for text, number, words in (
            (f"{A}&admin=drain&by=ann&reason=new+kernel", MEMBER_ADMIN, ["app", "member a", "drain", "ann", "new kernel"]),
            (f"{A}&admin=off&by=bob", MEMBER_ADMIN, ["app", "member a", "off", "bob"]),
            (f"{A}&admin=on&by=cid&reason=done", MEMBER_ADMIN, ["app", "member a", " on", "cid", "done"]),
            ("farm=app&admin=off&by=ann&reason=move", FARM_ADMIN, ["app", "off", "ann", "move"]),
            ("farm=app&admin=on&by=bob", FARM_ADMIN, ["app", " on", "bob"]),
            (f"{A}&weight=17", WEIGHT, ["app", "member a", "17"]),
            (f"{A}&health=down", DOWN, ["app", "member a", "down"]),
            (f"{A}&health=up", UP, ["app", "member a", "up"])):
        before = len(log_of(httpd))
        change(httpd, text)
        new = log_of(httpd)[before:]
        assert len(new) == 1 and number in new[0], (text, new)
        said = new[0].split(number, 1)[1]
        assert [word for word in words if word not in said] == [], (text, said)
    before = len(log_of(httpd))
    change(httpd, "farm=app&member=b&admin=off&by=ann&health=down&weight=3")
    assert sorted(line.split("FARM00")[1][:3] for line in log_of(httpd)[before:]) == ["107", "110", "112"]


def test_801_06_the_line_as_it_stands(httpd):
    """Contract: "FARM00110: farm app: member app1 is administratively drain: by WHO until 2026-...Z: REASON"."""
    farm_of(httpd)
    httpd.start()
    change(httpd, f"{A}&admin=drain&by=ann&until=2h&reason=new+kernel")
    until = httpd.rows()["a"]["admin_until"]
    line, = log_of(httpd, MEMBER_ADMIN)
    said = line.split(MEMBER_ADMIN, 1)[1]
    assert said.startswith(": farm app: member a is administratively drain: by ann until "), said
    when, reason = said.split(" until ", 1)[1].split("Z: ")
    assert abs((moment(when + "Z") - moment(until)).total_seconds()) <= 1
    assert reason == "new kernel"


def test_801_07_nothing_hides_in_the_log(httpd):
    """What an administrator expects of a log that repeats what a client sent: no change makes more than its one line, and
    no line that pretends to be another's."""
    farm_of(httpd)
    httpd.start()
    before = len(httpd.log.lines())
    change(httpd, f"{A}&admin=off&by=ann%5B31m&reason=%5Bproxy_farm%3Aerror%5D+FARM00105%3A+%25s%25n%25d")
    lines = httpd.log.lines()[before:]
    assert len(lines) == 1 and MEMBER_ADMIN in lines[0] and "%s%n%d" in lines[0], lines
    assert httpd.log.unexpected() == []


def test_801_08_no_change_no_line(httpd):
    """Contract: "Every change logs one line": a refusal changes nothing and logs none of them."""
    farm_of(httpd)
    httpd.start()
    for text in (f"{A}&admin=wibble", f"{A}&admin=off&weight=0", "farm=app&member=nosuch&admin=off"):
        refused(ask(httpd, text), 400, 404)
    refused(ask(httpd, f"{A}&admin=off", headers=[]), 403)
    assert log_of(httpd, CHANGES) == []
