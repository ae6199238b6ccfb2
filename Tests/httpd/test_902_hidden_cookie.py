"""What members see of the Cookie header: never an instruction, good or bad, and everything else byte for byte."""

import pytest

from farmhttpd import members
from farmhttpd.instructions import KEY2, ask, counting, instructed, instruction, value
from farmhttpd.manager import change
from farmhttpd.protocols import AjpMember, FcgiMember

GOOD = instruction(member="b")
# @ stands for an instruction; what the member sees, empty: no such header.
HEADERS = [
    ("@", ""), ("@; @", ""), ("@;@;", ""), ("a=1; @; b=2", "a=1; b=2"), ("@; a=1", "a=1"), ("a=1; @", "a=1"),
    ("a=1;@;b=2", "a=1;b=2"), ("@;a=1", "a=1"), ("a=1;@", "a=1"), ("a=1; @; @; b=2; @", "a=1; b=2"),
    ("a=1;  @;   b=2", "a=1;   b=2"), ("a=1 ;@; b=2 ; c=3", "a=1 ; b=2 ; c=3"),
    ("farmer=1; @; xfarm=2; farm2=3; FARM=4; Farm=5; far=6; f=7", "farmer=1; xfarm=2; farm2=3; FARM=4; Farm=5; far=6; f=7"),
    ("a=farm=1; @; b=@", "a=farm=1; b=@"), ("flag; @; other", "flag; other"), ("a=; @; =b; c", "a=; =b; c"),
    ('a="x y"; @; b="z"', 'a="x y"; b="z"'), ("a='; @; b='", "a='; b='"),
    ("a=\xe4\xf6; @; \xfc=\x80", "a=\xe4\xf6; \xfc=\x80"),
    ("$Version=1; @; $Path=/; a=1", "$Version=1; $Path=/; a=1"), ("a=1%3B; @; b=%66arm=2", "a=1%3B; b=%66arm=2"),
    ("a=1\tb; @; c=\t2", "a=1\tb; c=\t2"), ("a=1,2; @; b=3,farmer=4", "a=1,2; b=3,farmer=4"),
    ("a=" + "x" * 3000 + "; @", "a=" + "x" * 3000),
]
BAD = ["farm=", "farm=x", "farm=" + value(key=KEY2), instruction(exp=1), instruction(farm="other"),
       'farm="' + value() + '"', "farm=a=b=c"]
UNTOUCHED = ["a=1", "a=1 ;b=2;  c=3;;d", "=; ;; =", "farmer=1", "xfarm=v1.k1.x.y; y", 'a="b;c"; d', "a=1;", "FARM=x;Farm=y",
             "a=\xff;\tb=2", "a b c"]


def seen(member):
    """The Cookie headers of the last request that the member has got."""
    return [text for name, text in member.requests[-1].headers if name.lower() == "cookie"]


def sees(httpd, cookie, target="/app/x", **arguments):
    answer = ask(httpd, cookie, target, **arguments)
    assert answer.status == 200, cookie
    return seen(next(member for member in httpd.members if member.name == answer.member))


def test_902_01_others_byte_for_byte(httpd):
    """Contract: "The cookie, good or bad, is never passed to a farm's member"; other cookies of the header byte for byte;
    no
    header where nothing is left."""
    instructed(httpd)
    httpd.start()
    for header, left in HEADERS:
        for cookie in (GOOD, *BAD):
            assert sees(httpd, header.replace("@", cookie)) == [left.replace("@", cookie)] * bool(left), (header, cookie)


def test_902_02_nothing_of_ours(httpd):
    """Contract: other cookies byte for byte: a header without an instruction is not touched at all, which a plain
    ProxyPass to
    the same member shows."""
    a, *_ = instructed(httpd)
    httpd.conf.proxy("/plain/", f"{a.url}/")
    httpd.start()
    for cookie in UNTOUCHED:
        assert sees(httpd, cookie) == sees(httpd, cookie, "/plain/x") == [cookie]
    assert sees(httpd, None) == []


@pytest.mark.parametrize("headers", [
    ["a=1", GOOD], [GOOD, "a=1"], [GOOD, GOOD], [GOOD, f"a=1; {GOOD}; b=2", "c=3"], ["a=1", "farm=x"],
    ["a=1; b=2", f"{GOOD}; c=3"]],
    ids=lambda headers: " + ".join(header.replace(GOOD, "@") for header in headers))
def test_902_03_several_headers(httpd, headers):
    """Contract: "never passed to a farm's member", however many Cookie headers a request has; and the instruction in any of
    them is followed, as a member named by a route in any of them is."""
    instructed(httpd)
    httpd.start()
    for _ in range(3):
        with httpd.client() as one:
            answer = one.request("/app/x", headers=[("Cookie", text) for text in headers])
        text = answer.json["headers"].get("cookie", "")
        for other in ("a=1", "b=2", "c=3"):
            assert (other in text) == any(other in header for header in headers), text
        assert "farm=" not in text and "v1." not in text, text
        if any(GOOD in header for header in headers):
            assert answer.member == "b"


def test_902_04_passcookie(httpd):
    """Contract: "never passed to a farm's member unless `FarmSet passcookie=on`": of the farm that serves; it is followed
    all
    the same."""
    a, b, c = instructed(httpd, lines=["FarmSet passcookie=on"])
    g = httpd.member("g")
    httpd.conf.farm("gold", g, "FarmSet passcookie=off").proxy("/gold/", "http://gold/")
    httpd.start()
    for header, _ in HEADERS:
        if not header.endswith(";"):
            assert sees(httpd, header.replace("@", GOOD)) == [header.replace("@", GOOD)]
    assert seen(b) and ask(httpd, "farm=x").json["headers"]["cookie"] == "farm=x"
    both = f"x=1; {instruction(to='gold')}"
    assert sees(httpd, both) == ["x=1"] and g.count == 1
    both = f"x=1; {instruction(farm='gold', to='app')}"
    assert sees(httpd, both, "/gold/x") == [both] and g.count == 1


def test_902_05_after_a_failover(httpd):
    """Contract: the same at the second attempt: the next member sees as little, and all the rest."""
    a, *_ = instructed(httpd, lines=["FarmSet fall=100"])
    httpd.log.expect_broken()
    httpd.start()
    a.always(members.close_after_request)
    for cookie in (instruction(member="a"), f"x=1; {instruction(member='a')}; y=2;z"):
        left = [cookie.replace(instruction(member="a") + "; ", "")] if "x" in cookie[:2] else []
        assert sees(httpd, cookie) == left and seen(a) == left
    a.refuse()
    assert sees(httpd, f"x=1; {instruction(member='a')}") == ["x=1"]


@pytest.mark.parametrize("passes", ["off", "on"])
def test_902_06_forwards(httpd, passes):
    """Contract: nor does the server of a FarmForward see it, or a member of the farm that it names, unless the farm that
    serves says passcookie=on."""
    server, spare = httpd.member("server"), httpd.member("spare")
    httpd.members.clear()
    instructed(httpd, options=["admin=off"] * 3, lines=[f"FarmForward any {server.url}", f"FarmSet passcookie={passes}"])
    httpd.members += [server, spare]
    httpd.conf.farm("other", spare, f"FarmSet passcookie={passes}", "FarmSticky cookie OTHERS")
    httpd.conf.farm("gone", ("FarmMember http://127.0.0.1:1 name=n admin=off"),
                    "FarmForward any http://other").proxy("/gone/", "http://gone/")
    httpd.start()
    for target, cookie, name in (("/app/x", f"x=1; {instruction(member='a', mode='strict')}; y=2", "server"),
                                 ("/app/x", "x=1; farm=x; y=2", "server"),
                                 ("/gone/x", "x=1; farm=x; y=2", "spare"),
                                 ("/gone/x", "x=1; OTHERS=x; y=2", "spare"),
                                 ("/gone/x", f"x=1; {instruction(farm='gone')}; y=2", "spare")):
        answer = ask(httpd, cookie, target)
        assert (answer.member, answer.json["headers"]["cookie"]) == (name, cookie if passes == "on" else "x=1; y=2")


def test_902_07_without_keys(httpd):
    """Contract: "good or bad": also where there is no FarmSecretFile."""
    instructed(httpd)
    httpd.conf.head.clear()
    httpd.start()
    assert sees(httpd, f"x=1; {GOOD}; y=2") == ["x=1; y=2"] and sees(httpd, GOOD) == []


def test_902_08_other_names(httpd):
    """Contract: FarmCookie's name and those of FarmSticky cookie are hidden, of all farms, whichever serves: a member has no
    use for what ties clients elsewhere; what has another name is the application's."""
    instructed(httpd, lines=["FarmSticky cookie MINE"])
    httpd.conf.head.append("FarmCookie INSTR")
    g = httpd.member("g")
    httpd.conf.farm("gold", g, "FarmSticky cookie GOLD").proxy("/gold/", "http://gold/").farm("plain",
        (g, "")).proxy("/plain/", "http://plain/")
    httpd.start()
    cookie = f"farm=1; INSTR=2; MINE=3; GOLD=4; {GOOD}; z=5"
    rest = f"farm=1; {GOOD}; z=5"
    for target in ("/app/x", "/gold/x", "/plain/x"):
        assert sees(httpd, cookie, target) == [rest]
        assert sees(httpd, "MINE=3; x=1", target) == sees(httpd, "x=1; GOLD=4", target) == ["x=1"]
        assert sees(httpd, "GOLDEN=1; xMINE=2; INSTR.app=3; INSTR.none=4", target) == ["GOLDEN=1; xMINE=2; INSTR.app=3; INSTR.none=4"]
    to = instruction("INSTR", to="gold")
    assert sees(httpd, f"{to}; {cookie}") == [rest]


def test_902_09_fastcgi_and_ajp(httpd):
    """Contract: "never passed to a farm's member": in whatever protocol it is reached."""
    instructed(httpd)
    httpd.conf.load("proxy_fcgi", "proxy_ajp")
    fcgi, ajp = httpd.member("fcgi", FcgiMember), httpd.member("ajp", AjpMember)
    for name, member in (("two", fcgi), ("three", ajp)):
        httpd.conf.farm(name, member).proxy(f"/{name}/", f"http://{name}/")
    httpd.start()
    for cookie, left in ((f"x=1; {GOOD}; y=2", ["x=1; y=2"]), ("farm=x", [])):
        assert ask(httpd, cookie, "/two/x.php").status == ask(httpd, cookie, "/three/x").status == 200
        assert [text for name, text in fcgi.requests[-1].headers if name == "HTTP_COOKIE"] == left
        # 9 is AJP's number for the header Cookie.
        assert [text for name, text in ajp.requests[-1].headers if name in (9, "cookie", "Cookie")] == left


def test_902_10_one_request_after_another(httpd):
    """Contract: byte for byte, from request to request on a kept connection: nothing is left over from the one before."""
    instructed(httpd)
    httpd.start()
    with httpd.client() as one:
        for cookie, left in ((f"x=1; {GOOD}; y=2", "x=1; y=2"), (GOOD, None), (None, None), ("farm=x", None),
                             ("z=1", "z=1"), (GOOD, None)):
            answer = one.request("/app/x", headers={"Cookie": cookie} if cookie else {})
            assert answer.json["headers"].get("cookie") == left


def test_902_11_its_own_drained_member(httpd):
    """Contract: also when who it names drains, stands in for another, or cannot serve."""
    instructed(httpd, options=["redirect=c"])
    httpd.start()
    for text, name in (("admin=drain", "a"), ("admin=off", "c")):
        change(httpd, f"farm=app&member=a&{text}")
        answer = ask(httpd, f"x=1; {instruction(member='a')}")
        assert (answer.member, answer.json["headers"]["cookie"]) == (name, "x=1")
    change(httpd, "farm=app&member=c&admin=off")
    with counting(httpd, accepted=1):
        assert sees(httpd, f"x=1; {instruction(member='a')}") == ["x=1"]
