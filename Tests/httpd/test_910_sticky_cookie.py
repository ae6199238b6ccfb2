"""FarmSticky cookie: the module's own instruction cookie, who gets one, and who stays where by it."""

import http.client
import re
import ssl
import time

import pytest

from farmhttpd import client, members, wait
from farmhttpd.instructions import (HOUR, KEY2, ask, attributes_of, check_not_tied, check_tied, counting, instructed, instruction,
                                    new_client, own, pair_of, read, set_cookies)
from farmhttpd.manager import NOBODY, change
from farmhttpd.members import answer
from farmhttpd.ports import bound_socket

COOKIE = "FarmSticky cookie"


def sticky(httpd, *lines, **options):
    return instructed(httpd, lines=[COOKIE, *lines], **options)


def gets_none(httpd, cookie=None, target="/app/x", status=200, **arguments):
    """The answer sets no cookie of ours."""
    response = ask(httpd, cookie, target, **arguments)
    assert (response.status, response.get("Set-Cookie")) == (status, None), (target, cookie)
    return response


def test_910_01_what_is_set(httpd):
    """Contract: `FarmSticky cookie` uses the same form, under FarmCookie's name, a dot and the farm's, signed with the first
    key: "Path=/, HttpOnly, SameSite as `samesite=`, Secure over TLS, Max-Age of stickyttl"; without a Domain; its farm and member
    are those that served."""
    sticky(httpd)
    httpd.start()
    for _ in range(6):
        before = int(time.time())
        response = ask(httpd)
        text, = set_cookies(response)
        assert response.all("Set-Cookie") == [text]
        assert re.match(r"farm\.app=v1\.k1\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43};", text)
        assert attributes_of(text) == {"path": "/", "httponly": None, "samesite": "Lax", "max-age": "3600"}
        fields = read(pair_of(text))
        assert set(fields) - {"mode"} == {"farm", "member", "exp"} and fields.get("mode", "safe") == "safe"
        assert (fields["farm"], fields["member"]) == ("app", response.member)
        assert before + HOUR <= int(fields["exp"]) <= int(time.time()) + HOUR
        check_tied(httpd, response.member, pair_of(text))


def test_910_02_secure(httpd, certificate):
    """Contract: "Secure over TLS", and only there; a name with __Host- is then one that browsers take."""
    sticky(httpd, "FarmSticky cookie __Host-app")
    holder = bound_socket()
    port = holder.getsockname()[1]
    httpd.conf.load("ssl").listen.append(port)
    # A certificate for clients of one machine, signed by itself.
    httpd.log.expect("AH01906|AH01909")
    httpd.conf.add(f"<VirtualHost 127.0.0.1:{port}>", "ServerName 127.0.0.1", "SSLEngine On",
                   f"SSLCertificateFile {certificate[0]}",
                   f"SSLCertificateKeyFile {certificate[1]}", "</VirtualHost>")
    httpd.start()
    found = {}
    for kind, connection in (("plain", http.client.HTTPConnection("127.0.0.1", httpd.port, timeout=30)),
                             ("tls",
                              http.client.HTTPSConnection("127.0.0.1", port, timeout=30,
                                                          context=ssl.create_default_context(cafile=certificate[0])))):
        connection.request("GET", "/app/x")
        response = connection.getresponse()
        response.read()
        found[kind], = response.headers.get_all("Set-Cookie")
        connection.close()
    holder.close()
    wanted = {"path": "/", "httponly": None, "samesite": "Lax", "max-age": "3600"}
    assert attributes_of(found["plain"]) == wanted and attributes_of(found["tls"]) == {**wanted, "secure": None}
    assert found["tls"].startswith("__Host-app=v1.k1.")


@pytest.mark.parametrize("line, common, name",
                         [("FarmSticky cookie", None, "farm.app"), ("FarmSticky cookie", "INSTR", "INSTR.app"),
                          ("FarmSticky cookie MINE", None, "MINE"),
                                                ("FarmSticky cookie MINE", "INSTR", "MINE"),
                                                ("FarmSticky cookie farm", None, "farm"),
                                                ("FarmSticky cookie __Host-x", "__Secure-farm", "__Host-x"),
                                                ("farmsticky COOKIE a.b!#$&'*+^_`|~-", None, "a.b!#$&'*+^_`|~-")])
def test_910_03_names(httpd, line, common, name):
    """Contract: "by default called FarmCookie's name, a dot and the farm's", or as the line says; instructions under
    FarmCookie's are followed beside it, and first."""
    instructed(httpd, lines=[line])
    httpd.conf.head += [f"FarmCookie {common}"] if common else []
    httpd.start()
    cookie, member = new_client(httpd, name=name)
    assert cookie.startswith(name + "=v1.")
    check_tied(httpd, member, cookie)
    for other in "bca":
        check_tied(httpd, other, f"{instruction(common or 'farm', member=other)}; {cookie}")
        check_tied(httpd, other, f"{cookie}; {instruction(common or 'farm', member=other)}")
    gets_none(httpd, cookie)


@pytest.mark.parametrize("ttl, seconds",
                         [("10s", 10), ("10", 10), ("1min", 60), ("12000ms", 12), ("2h", 7200), ("8760h", 31536000),
                          ("87600h", 315360000)])
def test_910_04_ttl(httpd, ttl, seconds):
    """Contract: "`stickyttl=` lifetime of the module's own cookie": as Max-Age and as exp."""
    sticky(httpd, f"FarmSet stickyttl={ttl}")
    httpd.start()
    before = int(time.time())
    text, = set_cookies(ask(httpd))
    assert attributes_of(text)["max-age"] == str(seconds)
    assert before + seconds <= int(read(pair_of(text))["exp"]) <= int(time.time()) + seconds


def test_910_05_renewed(httpd):
    """Contract: "set … again when less than half of its time is left": the same member, for the whole time again; until
    then
    not."""
    sticky(httpd, "FarmSet stickyttl=10s")
    httpd.start()
    for left, again in ((10, False), (8, False), (2, True), (3, True)):
        cookie = own(member="b", exp=int(time.time()) + left)
        response = ask(httpd, cookie)
        assert (response.member, len(set_cookies(response))) == ("b", int(again)), left
        if again:
            fields = read(pair_of(set_cookies(response)[0]))
            assert fields["member"] == "b" and int(fields["exp"]) >= int(time.time()) + 9
    # As it comes, in its own time.
    cookie, member = new_client(httpd)
    exp = int(read(cookie)["exp"])
    response = wait.until(lambda: (found := ask(httpd, cookie)) and set_cookies(found) and found, "a new cookie")
    assert exp - 5.5 <= time.time() <= exp + 1 and response.member == member
    renewed = pair_of(set_cookies(response)[0])
    assert renewed != cookie and int(read(renewed)["exp"]) > exp
    check_tied(httpd, member, renewed)
    gets_none(httpd, renewed)


def test_910_06_none_while_it_holds(httpd):
    """Contract: "set when the client has none that holds": not from request to request, whatever the method."""
    sticky(httpd)
    httpd.start()
    cookie, member = new_client(httpd)
    for method in ("GET", "POST", "PUT", "HEAD", "DELETE"):
        gets_none(httpd, f"a=1; {cookie}; b=2", method=method)
    assert {one.name: one.count for one in httpd.members if one.count > 1} == {member: 6}


def test_910_07_when_none_holds(httpd):
    """Contract: a client whose cookie does not hold (expired, forged, of another key, of a member or farm that is not
    here, of
    another client) gets one, whatever the method."""
    sticky(httpd)
    httpd.start()
    for cookie in ("farm=", "farm.app=", "farm=x", "farm.app=x", instruction(member="b", exp=1), own(exp=1), own(key=KEY2),
                   instruction(member="b", key=KEY2), instruction(member="b", kid="k7"), own(kid="k7"), own(member="nosuch"),
                   instruction(member="nosuch"), instruction(farm="other", member="b"), own(farm="other"),
                   instruction(member="b", ip="192.0.2.1"), "other=1"):
        for method in ("GET", "POST", "HEAD"):
            response = ask(httpd, cookie, method=method)
            text, = set_cookies(response)
            assert read(pair_of(text))["member"] == next(one.name for one in httpd.members if one.count)
            for one in httpd.members:
                one.forget()


@pytest.mark.parametrize("status",
                         ["200 OK", "204 No Content", "206 Partial Content", "302 Found", "304 Not Modified",
                          "404 Not Found", "401 Unauthorized", "499 Odd"])
def test_910_08_statuses_below_500(httpd, status):
    """Contract: set with the member's answer, whatever it says, below 500."""
    a, *_ = instructed(httpd, "a", lines=[COOKIE])
    body = b"" if status[:3] in ("204", "304") else None
    a.always(answer(status, body=body))
    httpd.start()
    text, = set_cookies(ask(httpd))
    assert read(pair_of(text))["member"] == "a"


def test_910_09_not_on_failures(httpd):
    """Contract: not with an answer of 500 or more, a redirect or 503 of the farm's own, or a failure."""
    a, *_ = instructed(httpd, "a", lines=[COOKIE, "FarmSet fall=1000"])
    httpd.log.expect_broken(), httpd.log.expect(NOBODY)
    httpd.start()
    for status in (500, 501, 502, 503, 504, 599):
        a.next(answer(f"{status} Wrong"))
        gets_none(httpd, status=status)
    a.always(members.close_after_request)
    assert set_cookies(ask(httpd)) == [] and a.count > 6
    change(httpd, "farm=app&admin=off")
    gets_none(httpd, status=503)
    httpd.conf.farm("app", (a, ""), COOKIE, "FarmRedirect any http://x.test/")
    httpd.graceful()
    gets_none(httpd, status=302)


def test_910_10_backends_word(httpd):
    """Contract: a backend's own instruction "is never written over": neither one that the client has, however little of its
    time is left, nor one that this very answer sets; other cookies of the answer stay beside ours."""
    a, b, c = sticky(httpd, "FarmSet stickyttl=1h")
    httpd.conf.farm("gold", (a, ""), COOKIE)
    httpd.start()
    soon = int(time.time()) + 20
    for fields in ({"member": "a"}, {"member": "a", "mode": "safe"}, {"member": "a", "mode": "strict"},
                   {"member": "a", "ip": "127.0.0.1"}, {"to": "gold", "member": "a"}, {"to": "app", "member": "a"},
                   {"farm": "*", "member": "b"}):
        gets_none(httpd, instruction(exp=soon, **fields)), gets_none(httpd, instruction(**fields))
    # These tie nobody.
    for fields in ({}, {"mode": "strict"}, {"to": "app"}, {"ip": "127.0.0.1"}):
        assert len(set_cookies(ask(httpd, instruction(**fields)))) == 1
    backends = f"{instruction(to='gold')}; Path=/; Max-Age=60"
    other = answer(headers=[("Set-Cookie", "session=1; Path=/"), ("Set-Cookie", "farmer=2")])
    for one in (a, b, c):
        one.next(other, answer(headers=[("Set-Cookie", "x=1"), ("Set-Cookie", backends)]),
                 answer(headers=[("Set-Cookie", "farm=; Max-Age=0")]), answer(headers=[("Set-Cookie", "farm.app=1")]))
    for _ in range(3):
        response = ask(httpd)
        assert len(set_cookies(response)) == 1 and response.all("Set-Cookie")[:2] == ["session=1; Path=/", "farmer=2"]
    assert [ask(httpd).all("Set-Cookie") for _ in range(3)] == [["x=1", backends]] * 3
    assert [ask(httpd).all("Set-Cookie") for _ in range(3)] == [["farm=; Max-Age=0"]] * 3
    assert [ask(httpd).all("Set-Cookie") for _ in range(3)] == [["farm.app=1"]] * 3


def test_910_11_reason(httpd):
    """Contract: `FARM_REASON`: `algorithm` where the algorithm chose, `instruction` for a cookie."""
    sticky(httpd)
    httpd.start()
    cookie, member = new_client(httpd, "/app/first")
    ask(httpd, cookie, "/app/second")
    for path, reason in (("/app/first", "algorithm"), ("/app/second", "instruction")):
        assert httpd.access(path)[0][3:6] == ["app", member, reason]


@pytest.mark.both_mpms
def test_910_12_client_stays(httpd):
    """Contract: a client stays with its member over 200 requests and over graceful restarts, in every process, also when
    the
    members stand in another order and others come."""
    a, b, c = sticky(httpd, one_process=False)
    httpd.start()
    clients = [new_client(httpd) for _ in range(6)]

    def go_on(count):
        for cookie, member in clients:
            got = client.at_once(4,
                                 lambda: [(ask(httpd, cookie).member, gets_none(httpd, cookie).member)
                                          for _ in range(count)])
            assert got == [[(member, member)] * count] * 4

    with counting(httpd, accepted=240):
        go_on(5)
    d = httpd.member("d")
    httpd.conf.farm("app", d, c, (a, "weight=9"), b, "FarmAlgorithm random", COOKIE)
    httpd.graceful()
    go_on(10)
    httpd.graceful()
    go_on(10)
    assert d.count == 0


def test_910_13_member_is_gone(httpd):
    """Contract: names "what does not exist is ignored"; a client whose member is gone gets another one and its cookie; the
    others stay."""
    a, b, c = sticky(httpd)
    httpd.start()
    clients = [new_client(httpd) for _ in range(6)]
    httpd.conf.farm("app", a, c, "FarmAlgorithm roundrobin", COOKIE)
    httpd.graceful()
    wait.until(lambda: len(httpd.children()) == 1, "the old child to end")
    for cookie, member in clients:
        if member != "b":
            check_tied(httpd, member, cookie), gets_none(httpd, cookie)
            continue
        with counting(httpd, unknown_target=1):
            response = ask(httpd, cookie)
        text, = set_cookies(response)
        assert response.member in "ac"
        check_tied(httpd, response.member, pair_of(text))


def test_910_14_member_fails_once(httpd):
    """Contract: "Failing over once … re-tie[s] nobody": the client sees no error when its member breaks one request, another
    serves it, and the cookie stays: so does the client."""
    a, b, c = sticky(httpd, "FarmSet fall=100 stickyttl=1h", options=["disablereuse=on"])
    httpd.log.expect_broken()
    httpd.start()
    cookie = next(cookie for cookie, member in (new_client(httpd) for _ in range(3)) if member == "a")
    for broken in (members.close_after_request, members.reset_after_request):
        for _ in range(5):
            a.next(broken)
            assert gets_none(httpd, cookie).member in "bc"
            check_tied(httpd, "a", cookie, count=2), gets_none(httpd, cookie)


def test_910_15_drain(httpd):
    """Contract: "A draining member still serves those who name it": its clients stay, and nobody new comes; "not while its
    member drains, so that a drain ends": none of them gets a new cookie, however little is left of the old one; `off` moves
    them."""
    a, *_ = sticky(httpd)
    httpd.start()
    clients = [new_client(httpd) for _ in range(9)]
    soon = own(member="a", exp=int(time.time()) + 20)
    change(httpd, "farm=app&member=a&admin=drain")
    assert {new_client(httpd)[1] for _ in range(20)} == {"b", "c"}
    for cookie, member in clients:
        check_tied(httpd, member, cookie, count=2)
    assert gets_none(httpd, soon).member == "a"
    change(httpd, "farm=app&member=a&admin=on")
    assert read(pair_of(set_cookies(ask(httpd, soon))[0]))["member"] == "a"
    # The same of the whole farm.
    change(httpd, "farm=app&admin=drain")
    assert gets_none(httpd, soon).member == "a"
    change(httpd, "farm=app&admin=on"), change(httpd, "farm=app&member=a&admin=off")
    before = a.count
    for cookie, member in clients:
        assert ask(httpd, cookie).member in ("bc" if member == "a" else member)
    assert a.count == before


def test_910_16_two_farms(httpd):
    """Contract: each farm has its own: with names of their own one client is tied in both."""
    a, b, c = instructed(httpd, lines=["FarmSticky cookie ONE"])
    d, e = httpd.member("d"), httpd.member("e")
    httpd.conf.farm("two", d, e, "FarmAlgorithm roundrobin", "FarmSticky cookie TWO").proxy("/two/", "http://two/")
    httpd.conf.farm("none", (a, "")).proxy("/none/", "http://none/")
    httpd.start()
    for _ in range(3):
        one, its = new_client(httpd, name="ONE")
        two, other = new_client(httpd, "/two/x", "TWO")
        check_tied(httpd, its, f"{two}; {one}", count=2), check_tied(httpd, other, f"{two}; {one}", "/two/x", 2)
        with counting(httpd):
            assert len(set_cookies(ask(httpd, two), "ONE")) == 1
    gets_none(httpd, None, "/none/x")


def test_910_17_off(httpd):
    """Contract: `FarmSticky` `off` is the default; `route` sets nothing either; then the cookie is not looked at. What earlier
    versions have set under FarmCookie's name is good as an instruction."""
    a, b, c = instructed(httpd, lines=["FarmSticky route SID"])
    httpd.start()
    gets_none(httpd), gets_none(httpd, "SID=x.b"), check_tied(httpd, "b", "SID=x.b")
    httpd.conf.farm("app", a, b, c, COOKIE)
    httpd.restart()
    cookie, member = new_client(httpd)
    httpd.conf.farm("app", a, b, c, "FarmAlgorithm roundrobin")
    httpd.restart()
    gets_none(httpd), check_not_tied(httpd, cookie), check_not_tied(httpd, None), check_tied(httpd, "b", own("farm"))


def test_910_18_each_its_own(httpd):
    """Contract: clients are counted by their instructions, so each is one of its own, also of the same member and
    second."""
    a, *_ = instructed(httpd, "a", lines=[COOKIE], one_process=False)
    httpd.start()
    given = sum(client.at_once(8, lambda: [new_client(httpd)[0] for _ in range(60)]), [])
    twice = len(given) - len(set(given))
    assert twice <= len(given) // 100, f"{twice} of {len(given)} cookies were given to another client before"
    assert {read(cookie)["member"] for cookie in given} == {"a"}
