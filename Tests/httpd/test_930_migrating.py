"""docs/migrating.md: both of its configurations as they stand there, with real backends: the same sessions reach the same
ones."""

import re

import pytest

from farmhttpd.env import REPOSITORY
from farmhttpd.members import answer

DOCUMENT = REPOSITORY / "docs" / "migrating.md"
ADDRESSES = {"node1": "10.0.0.31:8080", "node2": "10.0.0.32:8080", "node3": "10.0.0.33:8080"}
WORDS = {"Before": ("BalancerMember", "stickysession=JSESSIONID|jsessionid", "route=node2"),
         "After": ("<Farm tomcat>", "FarmSticky    route JSESSIONID|jsessionid", "name=node2")}
SESSION = "0A1B2C3D4E5F"
# Targets and cookies that name a session's node. The balancer takes the first dot, so there is one.
REQUESTS = [("/cart", "JSESSIONID=@"), ("/cart", "a=1; JSESSIONID=@; b=2"), ("/cart", "XJSESSIONID=x.node1; JSESSIONID=@"),
            ("/cart;jsessionid=@", None),
            ("/a/cart;jsessionid=@", "other=1"), ("/cart;v=1;jsessionid=@", None), ("/cart?jsessionid=@", None),
            ("/cart?v=1&jsessionid=@&w=2", None),
            ("/cart;jsessionid=@", "JSESSIONID=x.node1"), ("/cart;jsessionid=@?q=1", "JSESSIONID=x.node2")]
STRANGERS = [("/cart", None), ("/cart", "JSESSIONID=x.node9"), ("/cart", "JSESSIONID=x"), ("/cart;jsessionid=x", None)]


def configuration(name):
    """The block of the document that begins with this comment."""
    found = [block for block in re.findall(r"^```apache\n(.*?)^```$", DOCUMENT.read_text(), re.M | re.S)
             if block.startswith(f"# {name}\n")]
    assert len(found) == 1, f"{len(found)} blocks begin with # {name}"
    return found[0]


def put_in_place(httpd, text, nodes):
    """The configuration with the nodes' real addresses in place of the document's."""
    for name, address in ADDRESSES.items():
        assert text.count(address) == 1, f"{address} is not once in the document"
        text = text.replace(address, nodes[name].address)
    httpd.conf.body = [f'ProxyPass "{httpd.conf.status_location}" !', *text.splitlines()]


def asked(httpd, target, cookie):
    response = httpd.get(target, headers={} if cookie is None else {"Cookie": cookie})
    assert response.status == 200, (target, cookie, response)
    return response


def who_serves(httpd, nodes):
    """Who serves each request for each node, three times, and what it saw of it."""
    told = {}
    for target, cookie in REQUESTS:
        for node in ("node2", "node3", "node1"):
            session = f"{SESSION}.{node}"
            answers = [asked(httpd, target.replace("@", session), cookie and cookie.replace("@", session))
                       for _ in range(3)]
            told[target, cookie,
                 node] = [(one.member, one.json["target"], one.json["headers"].get("cookie")) for one in answers]
    return told


@pytest.fixture
def nodes(httpd):
    made = {name: httpd.member(name) for name in ADDRESSES}
    httpd.conf.load("slotmem_shm", "proxy_balancer", "lbmethod_byrequests").one_process()
    return made


def test_930_01_the_same_members(httpd, nodes):
    """Contract: `FarmSticky route`: "as mod_proxy_balancer's stickysession": the same cookie and the same path parameter
    reach the
    same backend before and after the move, which sees the same of them; one graceful restart moves them all."""
    put_in_place(httpd, configuration("Before"), nodes)
    httpd.start()
    before = who_serves(httpd, nodes)
    for (target, cookie, node), served in before.items():
        assert {member for member, *_ in served} == {node}, f"the balancer itself does not stick by {target} {cookie}"
    put_in_place(httpd, configuration("After"), nodes)
    httpd.graceful()
    assert who_serves(httpd, nodes) == before
    reasons = {line[5] for line in httpd.access("cart") if line[3] == "tomcat"}
    assert reasons == {"sticky"} and httpd.farm_status("tomcat")["requests"] == 3 * len(before)


@pytest.mark.parametrize("name", WORDS)
def test_930_02_strangers(httpd, nodes, name):
    """Contract: without a session, or with one that nobody has, a request is balanced: all members get some, before and
    after."""
    assert all(word in configuration(name) for word in WORDS[name])
    put_in_place(httpd, configuration(name), nodes)
    httpd.start()
    for target, cookie in STRANGERS:
        assert {asked(httpd, target, cookie).member for _ in range(6)} == set(nodes)


@pytest.mark.parametrize("name", WORDS)
def test_930_03_headers_of_answers(httpd, nodes, name):
    """Contract: "ProxyPassReverse with the farm's URL maps back Location … headers that name any member": as the balancer
    did."""
    put_in_place(httpd, configuration(name), nodes)
    httpd.start()
    for node, member in nodes.items():
        member.next(answer("302 Found", [("Location", f"{member.url}/login;jsessionid=x.{node}")]))
        response = httpd.get("/cart", headers={"Cookie": f"JSESSIONID={SESSION}.{node}"})
        assert (response.status, response.get("Location")) == (302,
            f"http://127.0.0.1:{httpd.port}/login;jsessionid=x.{node}")


@pytest.mark.parametrize("name", WORDS)
def test_930_04_a_node_that_is_gone(httpd, nodes, name):
    """Contract: "If a member cannot be reached, the request goes to another available member": as the balancer does."""
    put_in_place(httpd, configuration(name), nodes)
    httpd.log.expect_broken(), httpd.log.expect("AH00959|AH01170|proxy_balancer:")
    httpd.start()
    nodes["node2"].refuse()
    for _ in range(4):
        assert asked(httpd, "/cart", f"JSESSIONID={SESSION}.node2").member in ("node1", "node3")
    assert asked(httpd, "/cart", f"JSESSIONID={SESSION}.node3").member == "node3"


def test_930_05_without_the_balancer(httpd):
    """Contract: "with this module in place of those": the new configuration needs none of the balancer's modules."""
    made = {name: httpd.member(name) for name in ADDRESSES}
    assert not {"proxy_balancer", "slotmem_shm"} & set(httpd.conf.modules)
    put_in_place(httpd, configuration("After"), made)
    httpd.start()
    for node in ADDRESSES:
        assert asked(httpd, "/cart", f"JSESSIONID={SESSION}.{node}").member == node
