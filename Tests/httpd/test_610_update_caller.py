"""An update without member= is about the member whose host is the caller's address."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from farmhttpd.update import ask, error_of, push, tell

FORWARDED = ("remoteip", ["RemoteIPHeader X-Forwarded-For", "RemoteIPInternalProxy 127.0.0.1"])


def members_at(httpd, **hosts):
    return [httpd.member(name, host=host) for name, host in hosts.items()]


def farm_at(httpd, **hosts):
    httpd.farm(*members_at(httpd, **hosts))
    httpd.conf.handler("farm-update")


def forwarded(*addresses):
    return [("X-Forwarded-For", ", ".join(addresses))]


@pytest.mark.both_mpms
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_610_01_caller(httpd, method):
    """Contract: "Without `member=`, the member is the one whose host is the caller's address"."""
    farm_at(httpd, a="127.0.0.1", b="127.0.0.2", c="127.0.0.3")
    httpd.start()
    for value, (name, address) in enumerate({"b": "127.0.0.2", "c": "127.0.0.3", "a": "127.0.0.1"}.items()):
        told = tell(httpd, f"farm=app&cpu={value}", method=method, source=address)
        assert (told.member, told.load) == (name, value)
    assert {name: row["metrics"] for name, row in httpd.rows().items()} == {
        "a": {"cpu": 2}, "b": {"cpu": 0}, "c": {"cpu": 1}}
    assert httpd.get("/app/x").status == 200


def test_610_02_nobody(httpd):
    """Contract: "(404 if none is, …)"."""
    farm_at(httpd, a="127.0.0.2")
    httpd.start()
    for source in ("127.0.0.1", "127.0.0.20", "127.0.0.22"):
        what, group = error_of(ask(httpd, "farm=app&cpu=1", source=source), 404)
        assert group == 1 and source in what
    assert httpd.rows()["a"]["update_age_s"] is None


def test_610_03_several(httpd):
    """Contract: "(… 400 if several are)"; with `member=` they can be told apart."""
    farm_at(httpd, a="127.0.0.2", b="127.0.0.2", c="127.0.0.3")
    httpd.start()
    what, group = error_of(ask(httpd, "farm=app&cpu=1", source="127.0.0.2"), 400)
    assert group == 1 and "member" in what
    assert [row["update_age_s"] for row in httpd.rows().values()] == [None] * 3
    assert tell(httpd, "farm=app&member=b&cpu=1", source="127.0.0.2").member == "b"
    assert tell(httpd, "farm=app&cpu=1", source="127.0.0.3").member == "c"


def test_610_04_in_the_farm_that_is_named(httpd):
    """Contract: the member is one of the farm that `farm=` names; each `farm=` starts a group of its own."""
    httpd.farm(*members_at(httpd, a="127.0.0.2", b="127.0.0.3"), name="one")
    httpd.farm(*members_at(httpd, x="127.0.0.3", y="127.0.0.4"), name="two")
    httpd.conf.handler("farm-update")
    httpd.start()
    assert tell(httpd, "farm=one&cpu=1", source="127.0.0.3").member == "b"
    assert tell(httpd, "farm=two&cpu=2", source="127.0.0.3").member == "x"
    told = push(httpd, "farm=one&cpu=3&farm=two&cpu=4", "POST", source="127.0.0.3")
    assert [(one.farm, one.member, one.load) for one in told] == [("one", "b", 3), ("two", "x", 4)]
    _, group = error_of(ask(httpd, "farm=one&cpu=5&farm=two&cpu=6", source="127.0.0.2"), 404)
    assert group == 2
    assert httpd.rows("one")["a"]["metrics"] == {}, "a group before the wrong one was stored"


def test_610_05_after_a_named_member(httpd):
    """Contract: "Without `member=`" is said of a group: a member named in another group is not carried over."""
    farm_at(httpd, a="127.0.0.2", b="127.0.0.3")
    httpd.start()
    told = push(httpd, "farm=app&member=a&cpu=1&farm=app&cpu=2", source="127.0.0.3")
    assert [one.member for one in told] == ["a", "b"]


def test_610_06_never_a_socket(httpd):
    """Contract: "never a unix: member"."""
    a = httpd.member("a", unix=httpd.unix_path("a"))
    httpd.farm(f"FarmMember unix:{httpd.unix_path('a')}|http://127.0.0.1/ name=a",
               f"FarmMember unix:{httpd.unix_path('a')}|http://localhost/ name=b")
    httpd.conf.handler("farm-update")
    httpd.start()
    assert error_of(ask(httpd, "farm=app&cpu=1"), 404)[1] == 1
    # And it does not make one of several of a member that is reached by the network.
    c = httpd.member("c")
    httpd.conf.farm("app", a, c)
    httpd.graceful()
    assert tell(httpd, "farm=app&cpu=1").member == "c"


def test_610_07_host_by_name(httpd):
    """Contract: "A host given by name is resolved as mod_proxy does", so a caller may be a member given by name."""
    a = httpd.member("a")
    httpd.farm(f"FarmMember http://localhost:{a.port}/ name=a", *members_at(httpd, b="127.0.0.2"))
    httpd.conf.handler("farm-update")
    httpd.start()
    assert tell(httpd, "farm=app&cpu=1").member == "a"
    assert tell(httpd, "farm=app&cpu=1", source="127.0.0.2").member == "b"


def test_610_08_host_that_does_not_resolve(httpd):
    """Contract: a host that does not resolve does not make the start fail; nor does it keep others from being found."""
    httpd.farm("FarmMember http://nowhere.invalid/ name=lost", *members_at(httpd, b="127.0.0.2"))
    httpd.conf.handler("farm-update")
    httpd.log.expect("proxy_farm:", "nowhere.invalid")
    httpd.start()
    assert tell(httpd, "farm=app&cpu=1", source="127.0.0.2").member == "b"
    assert error_of(ask(httpd, "farm=app&cpu=1"), 404)[1] == 1


def test_610_09_whatever_its_state(httpd):
    """Contract: the caller's address decides, not the member's state: one that is off or down reports too."""
    httpd.farm(*zip(members_at(httpd, a="127.0.0.2", b="127.0.0.3"), ("admin=off", "")))
    httpd.conf.handler("farm-update")
    httpd.start()
    assert tell(httpd, "farm=app&cpu=1", source="127.0.0.2").admin == "off"
    assert tell(httpd, "farm=app&member=b&health=down").health == "down"
    assert tell(httpd, "farm=app&cpu=1", source="127.0.0.3").member == "b"


def test_610_10_remoteip(httpd):
    """Contract: the caller's address is "that of mod_remoteip where loaded"."""
    farm_at(httpd, a="127.0.0.2", b="127.0.0.3")
    module, lines = FORWARDED
    httpd.conf.load(module).add(*lines)
    httpd.start()
    assert tell(httpd, "farm=app&cpu=1", headers=forwarded("127.0.0.3")).member == "b"
    assert tell(httpd, "farm=app&cpu=1", headers=forwarded("127.0.0.2")).member == "a"
    # Not from a proxy that is trusted: the header says nothing.
    assert tell(httpd, "farm=app&cpu=1", headers=forwarded("127.0.0.3"), source="127.0.0.2").member == "a"
    # The last address that is no proxy's.
    assert tell(httpd, "farm=app&cpu=1", headers=forwarded("127.0.0.2", "127.0.0.3", "127.0.0.1")).member == "b"
    error_of(ask(httpd, "farm=app&cpu=1"), 404)


def test_610_11_header_without_remoteip(httpd):
    """Contract: "(that of mod_remoteip *where loaded*)": without it nobody believes the header."""
    farm_at(httpd, a="127.0.0.2", b="127.0.0.3")
    httpd.start()
    assert tell(httpd, "farm=app&cpu=1", headers=forwarded("127.0.0.3"), source="127.0.0.2").member == "a"
    error_of(ask(httpd, "farm=app&cpu=1", headers=forwarded("127.0.0.3")), 404)


def test_610_12_kept_connection(httpd):
    """Contract: mod_remoteip's address is the request's: on one connection of a proxy each request has its own."""
    farm_at(httpd, a="127.0.0.2", b="127.0.0.3")
    module, lines = FORWARDED
    httpd.conf.load(module).add(*lines)
    httpd.start()
    with httpd.client() as keep:
        for n in range(6):
            name, address = (("a", "127.0.0.2"), ("b", "127.0.0.3"))[n % 2]
            reply = keep.request(f"/farm-update?farm=app&n={n}", headers=forwarded(address))
            assert reply.status == 200 and f"app {name} ".encode() in reply.body


def test_610_13_after_a_restart(httpd):
    """Contract: the member "whose host is the caller's address" is that of the configuration as it is now."""
    a, b = members_at(httpd, a="127.0.0.2", b="127.0.0.3")
    httpd.farm(a)
    httpd.conf.handler("farm-update")
    httpd.start()
    assert tell(httpd, "farm=app&cpu=1", source="127.0.0.2").member == "a"
    httpd.conf.farm("app", f"FarmMember {b.url} name=a")
    httpd.graceful()
    assert tell(httpd, "farm=app&cpu=2", source="127.0.0.3").member == "a"
    error_of(ask(httpd, "farm=app&cpu=3", source="127.0.0.2"), 404)
    assert httpd.rows()["a"]["metrics"] == {"cpu": 2}


def test_610_14_ipv6(httpd):
    """Contract: "an IPv6 member" reports by its address too, and an IPv4 caller is never taken for one."""
    if not has_ipv6():
        pytest.skip("this machine has no ::1")
    httpd.farm(*members_at(httpd, six="::1", four="127.0.0.1"))
    httpd.conf.handler("farm-update")
    httpd.conf.add(f"Listen [::1]:{httpd.port}")
    httpd.start()
    assert tell(httpd, "farm=app&cpu=6", server="::1").member == "six"
    assert tell(httpd, "farm=app&cpu=4").member == "four"


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def test_610_15_many_callers_at_once(httpd):
    """Contract: each caller's update is its own, also when many come in at once."""
    hosts = {f"m{n}": f"127.0.1.{n}" for n in range(1, 21)}
    a = httpd.member("a")
    httpd.farm(*[f"FarmMember http://{host}:{a.port} name={name}" for name, host in hosts.items()])
    httpd.conf.handler("farm-update")
    httpd.start()

    def report(name, host):
        return [tell(httpd, f"farm=app&n={n}", source=host).member for n in range(5)] == [name] * 5

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(report, hosts.keys(), hosts.values()))
    assert {row["metrics"]["n"] for row in httpd.rows().values()} == {4}
