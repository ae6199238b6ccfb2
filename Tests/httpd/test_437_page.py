"""The page for people, as a browser without scripts has it: what it says, what it would load, and who gets its buttons."""

import re
from urllib.parse import unquote

import pytest

from farmhttpd import client, formats
from farmhttpd.conf import quoted
from farmhttpd.fallback import Fallbacks
from farmhttpd.manager import PATH, farm_of
from farmhttpd.page import Page, allows, policy
from farmhttpd.ports import bound_socket
from farmhttpd.update import push
from test_431_openmetrics import busy_farm
from test_801_by_and_log import as_user, guarded

A = "farm=app&member=a"


def page_of(httpd, target="/farm-status", **arguments):
    response = httpd.get(target, **arguments)
    assert response.status == 200 and response.get("Content-Type") == "text/html; charset=utf-8"
    page = Page(response.body.decode("utf-8"))
    page.check_well_formed()
    check_policy(response, page)
    page.check_loads_nothing()
    return page


def check_policy(response, page):
    """Contract: a strict policy, under which a browser runs what the page has and nothing that finds its way into it."""
    told = policy(response)
    assert told["default-src"] == ["'none'"]
    words = " ".join(" ".join(sources) for sources in told.values())
    assert not re.search(r"unsafe|\*|https?:|strict-dynamic|blob:", words), words
    assert told["form-action"] == ["'self'"] and told["frame-ancestors"] == ["'none'"] and told["base-uri"] == ["'none'"]
    assert set(told.get("connect-src", [])) <= {"'self'"} and set(told.get("img-src", [])) <= {"'self'", "data:"}
    for kind, texts, tag in (("script-src", page.scripts, "script"), ("style-src", page.styles, "style")):
        assert all(source.startswith(("'sha256-", "'nonce-")) for source in told.get(kind, [])), told
        attributes = [attributes for name, attributes in page.tags if name == tag]
        assert texts and all(allows(told[kind], text, own) for text, own in zip(texts, attributes)), (kind, told)
    assert response.get("X-Content-Type-Options") == "nosniff" and response.get("Cache-Control") == "no-store"


@pytest.mark.both_mpms
def test_437_01_without_a_script(httpd):
    """Contract: the page "works without script": each farm, each member in a row of a table, their states as words."""
    busy_farm(httpd)
    page = page_of(httpd)
    for words in (("a", "on", "up", "in"), ("b", "on", "down", "in"), ("c", "off", "up", "in")):
        rows = [row for row in page.rows if row and row[0].split()[:1] == [words[0]] and words[1] in " ".join(row).split()]
        assert rows and all(any(word in cell.split() for cell in rows[0]) for word in words[1:]), (words, page.rows)
        assert any("http://127.0.0.1:" in cell for cell in rows[0])
    for farm in formats.status(httpd)["farms"]:
        assert re.search(rf"\b{farm['name']}\b", page.text) and re.search(rf"\b{farm['condition']}\b", page.text)
    assert "disk" in page.text
    # Every number of a member stands in a cell that a head names.
    heads = [row for row in page.rows if "Health" in row]
    assert heads and all(len(head) == len(row) for head in heads for row in page.rows if row[0].split()[:1] == ["a"])
    assert [tag for tag, _ in page.tags if tag in ("h1", "main", "caption", "title")]


@pytest.mark.parametrize("condition", ["ok", "full", "offline", "down"])
def test_437_02_conditions_are_words(httpd, condition):
    """Contract: states as words: a farm's condition too."""
    fallbacks = Fallbacks(httpd)
    fallbacks.farm(condition, name="shown")
    httpd.log.expect("FARM")
    with fallbacks.settled():
        page = page_of(httpd)
        told = {word for word in re.findall(r"[a-z]+", page.source.split("</h2>")[1].split("<dl>")[0]) if word in
                ("ok", "full", "offline", "down")}
        assert told == {condition}


def test_437_03_no_farm(httpd):
    """Contract: a server without farms answers with a page too, and says so."""
    httpd.start()
    page = page_of(httpd)
    assert "farm" in page.text.lower() and page.forms == [] and page.rows == []


def test_437_04_every_number_of_a_member(httpd):
    """What the page is for: its figures are those of the JSON."""
    busy_farm(httpd)
    before, page, _ = formats.between(httpd, lambda: page_of(httpd))
    row = before["farms"][0]["members"][0]
    shown = next(one for one in page.rows if one and one[0].split()[:1] == ["a"])
    heads = next(one for one in page.rows if "Health" in one)
    cells = dict(zip(heads, shown))
    assert cells["In flight"].split()[0] == str(row["inflight"]) and cells["Weight"].split()[0] == str(row["weight"])
    assert cells["Errors"].split()[0] == str(row["errors"])
    assert abs(float(re.search(r"[\d.]+", cells["Share"])[0]) - 100 * row["share"]) <= 0.51
    for name in row["metrics"]:
        assert name in cells["Metrics"]


def test_437_05_many_members(httpd):
    """What the page is for: 300 members, of which each has its row."""
    a = httpd.member("a")
    httpd.conf.farm("app", *[f"FarmMember {a.url}/{n} name=m{n}" for n in range(300)])
    httpd.conf.handler("farm-manager")
    httpd.start()
    page = page_of(httpd)
    names = [row[0].split()[0] for row in page.rows if row and row[0].split()[:1] != ["Member"]]
    assert names == [f"m{n}" for n in range(300)]
    assert {form.values["member"] for form in page.forms if "member" in form.values} == set(names)


# -- who gets the buttons ------------------------------------------------------------------------------------


def check_no_buttons(page):
    assert page.forms == [] and "nonce" not in page.source, "buttons for somebody who may not"


def check_buttons(page, path=PATH):
    assert page.forms and {form.attributes["action"] for form in page.forms} == {path}
    nonces = {form.values["nonce"] for form in page.forms}
    assert len(nonces) == 1 and len(nonces.pop()) >= 16


def test_437_06_without_a_manager(httpd):
    """Contract: "the same buttons when a farm-manager Location exists": none here."""
    httpd.farm(*httpd.three())
    httpd.start()
    page = page_of(httpd)
    check_no_buttons(page)
    assert "/farm-manager" not in page.source


@pytest.mark.both_mpms
def test_437_07_for_addresses(httpd):
    """Contract: "… and that client may use it": by `Require ip`; who may not leaves no line in the error log."""
    httpd.farm(*httpd.three())
    httpd.conf.add('<Location "/admin/farms">', "SetHandler farm-manager", "Require ip 127.0.0.9", "</Location>")
    httpd.start()
    before = httpd.log.text()
    for _ in range(3):
        check_no_buttons(page_of(httpd))
        check_buttons(page_of(httpd, source="127.0.0.9"), "/admin/farms")
    assert httpd.log.text() == before
    # The manager itself says no, and then the log says so.
    assert httpd.get("/admin/farms").status == 403
    httpd.log.expect("AH01630")


@pytest.mark.both_mpms
def test_437_08_for_users(httpd):
    """Contract: the same by `Require valid-user`: nobody is asked for a password by the status, and a wrong one is no fault
    that is logged."""
    httpd.farm(*httpd.three())
    guarded(httpd, users=["ann"])
    httpd.start()
    before = httpd.log.text()
    basic = [pair for pair in as_user("ann") if pair[0] == "Authorization"]
    wrong = [pair for pair in as_user("ann", "wrong") if pair[0] == "Authorization"]
    nobody = [pair for pair in as_user("eve") if pair[0] == "Authorization"]
    for headers, may in (([], False), (basic, True), (wrong, False), (nobody, False), ([("Authorization", "Basic !")], False),
                         ([("Authorization", "Bearer x")], False)):
        response = httpd.get("/farm-status", headers=dict(headers))
        assert response.status == 200 and response.get("WWW-Authenticate") is None
        page = page_of(httpd, headers=dict(headers))
        check_buttons(page, "/admin") if may else check_no_buttons(page)
    assert httpd.log.text() == before
    assert httpd.get("/admin").status == 401


def test_437_09_of_this_virtual_host(httpd):
    """What an administrator expects: a manager that only another virtual host has is no use to this one's page."""
    httpd.farm(*httpd.three())
    holder = bound_socket()
    other = holder.getsockname()[1]
    httpd.conf.listen.append(other)
    httpd.conf.add(f"<VirtualHost 127.0.0.1:{other}>", '<Location "/admin">', "SetHandler farm-manager", "Require local",
                   "</Location>", "</VirtualHost>")
    httpd.start()
    check_no_buttons(page_of(httpd))
    page = Page(client.request(other, "/farm-status").body.decode())
    check_buttons(page, "/admin")
    httpd.stop()
    holder.close()


def test_437_10_a_manager_that_is_none(httpd):
    """What an administrator expects: a Location that a later one overrides is not offered."""
    httpd.farm(*httpd.three())
    httpd.conf.add('<Location "/admin">', "SetHandler farm-manager", "Require local", "</Location>",
                   '<Location "/admin">', "SetHandler none", "</Location>")
    httpd.start()
    check_no_buttons(page_of(httpd))


def test_437_11_only_some_methods(httpd):
    """What an administrator expects: who may read the manager but not post to it has no buttons."""
    httpd.farm(*httpd.three())
    httpd.conf.load("allowmethods")
    httpd.conf.add('<Location "/admin">', "SetHandler farm-manager", "<RequireAny>", "Require method GET HEAD",
                   "Require ip 127.0.0.9", "</RequireAny>", "</Location>")
    httpd.start()
    before = httpd.log.text()
    check_no_buttons(page_of(httpd))
    check_buttons(page_of(httpd, source="127.0.0.9"), "/admin")
    assert httpd.log.text() == before


def test_437_12_the_managers_own_page(httpd):
    """Contract: "GET: the status page with buttons (HTML, needs no JavaScript; nonce inside)"."""
    farm_of(httpd)
    httpd.start()
    page = page_of(httpd, PATH)
    check_buttons(page)
    for member in (None, "a", "b", "c"):
        assert page.forms_of("app", member), member
    assert {row[0].split()[0] for row in page.rows if row and row[0].split()[:1] != ["Member"]} >= {"a", "b", "c"}


def test_437_13_odd_paths(httpd):
    """What an administrator expects: whatever the path of the manager, in the page it is an address and nothing else."""
    path = "/x'y&z=1;<b>\"&amp;"
    httpd.farm(*httpd.three())
    httpd.conf.add(f"<Location {quoted(path)}>", "SetHandler farm-manager", "Require local", "</Location>")
    httpd.start()
    page = page_of(httpd)
    assert page.forms and {unquote(form.attributes["action"]) for form in page.forms} == {path}


def test_437_14_what_the_script_asks_for(httpd):
    """Design: the script asks for the same page with a header of its own and gets what changes in it: whole, of the same
    policy, and without a nonce."""
    farm_of(httpd)
    httpd.conf.handler("farm-update")
    httpd.start()
    push(httpd, f"{A}&cpu=0.5")
    response = httpd.get("/farm-status", headers={"X-Farm-Page": "1"})
    assert response.status == 200 and response.get("Cache-Control") == "no-store"
    assert policy(response)["default-src"] == ["'none'"]
    part = Page(response.body.decode("utf-8"))
    assert not part.problems and not part.open and part.scripts == []
    assert {row[0].split()[0] for row in part.rows if row} >= {"a", "b", "c"}
    check_no_buttons(part)
