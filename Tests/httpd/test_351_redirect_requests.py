"""FarmRedirect and the request that is redirected: methods, bodies, connections, and what was tried before."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from farmhttpd import client, members, wait
from farmhttpd.fallback import BRITTLE, Fallbacks, kept_busy, log_line
from farmhttpd.members import answer
from test_350_redirect import redirected, refused

SORRY = "http://sorry.test/"
KIB = 1024


def test_351_01_methods(httpd):
    """Contract: "the client is redirected", whatever it asked for; what HTTP says of HEAD: no body."""
    farms = Fallbacks(httpd).farm("down", f"FarmRedirect down {SORRY} 307").farm("offline", "FarmRedirect any - 503 5")
    httpd.log.expect("proxy_farm:error")
    with farms.settled():
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"):
            response = httpd.get("/down/x", method=method)
            redirected(response, 307, SORRY)
            assert method != "HEAD" or response.body == b""
            response = httpd.get("/offline/x", method=method)
            refused(response, 5)
            assert method != "HEAD" or response.body == b""


@pytest.mark.both_mpms
def test_351_02_connection_is_usable_afterwards(httpd):
    """What an httpd administrator expects: a redirected request's body is read away, so that the next request of the same
    connection is understood."""
    farms = Fallbacks(httpd)
    farms.farm("down", f"FarmRedirect down {SORRY} 308").farm("ok", name="fine")
    with farms.settled(), httpd.client() as kept:
        assert kept.request("/fine/x").status == 200
        port = kept.local_port
        for body in (None, b"", b"pay 100", b"x" * 100 * KIB, [b"in", b"pieces" * 100]):
            redirected(kept.request("/down/x", method="POST", body=body), 308, SORRY)
            redirected(kept.request("/down/y", method="PUT", body=body), 308, SORRY)
            assert kept.request("/fine/y", method="POST", body=b"after").json["body"] == "after"
            assert kept.local_port == port, "the client's connection did not survive"


@pytest.mark.parametrize("body", [None, b"pay 100", b"x" * 100 * KIB, [b"in", b"pieces" * 100]],
                         ids=["none", "small", "large", "chunked"])
def test_351_10_connection_after_a_refusal(httpd, body):
    """What an httpd administrator expects: a 503 with Retry-After leaves the connection as any other 503 of httpd does:
    one that ends it says so, and a client that goes on gets the answer to its own next request."""
    farms = Fallbacks(httpd).farm("offline", "FarmRedirect any - 503 5").farm("ok", name="fine")
    httpd.conf.add('Redirect 503 "/stock/"')
    with farms.settled(), httpd.client() as kept:
        for _ in range(2):
            stock = kept.request("/stock/", method="POST", body=body)
            farm = kept.request("/offline/x", method="POST", body=body)
            refused(farm, 5)
            assert (stock.status, stock.get("Connection")) == (farm.status, farm.get("Connection"))
            assert kept.request("/fine/y", method="POST", body=b"after").json["body"] == "after"


def exchange(port, target):
    """Expects 100 before it sends its body. Returns how often it was told to go on, the final head, and what became of a
    second request on the same connection (None when the server closed it)."""
    with socket.create_connection(("127.0.0.1", port), timeout=client.TIMEOUT) as sock:
        stream = sock.makefile("rb")
        sock.sendall(f"POST {target} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 8\r\n\r\n".encode())
        going_on, status, fields = 0, *read_answer(stream)
        while status == 100:
            going_on += 1
            sock.sendall(b"the body")
            status, fields = read_answer(stream)
        second = None
        if fields.get("connection") != "close":
            if not going_on:
                sock.sendall(b"the body")
            sock.sendall(b"GET /fine/x HTTP/1.1\r\nHost: x\r\n\r\n")
            second, _ = read_answer(stream)
        return going_on, status, fields.get("location"), fields.get("connection"), second


def read_answer(stream):
    status = int(stream.readline().split()[1])
    fields = {}
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, value = line.decode("latin-1").split(":", 1)
        fields[name.lower()] = value.strip()
    stream.read(int(fields.get("content-length", 0)))
    return status, fields


def test_351_03_expect_100_continue(httpd):
    """What an httpd administrator expects: a request that waits for 100 before it sends its body is redirected as httpd's
    own Redirect does it, which is the measure here."""
    farms = Fallbacks(httpd).farm("down", f"FarmRedirect down {SORRY}").farm("ok", name="fine")
    httpd.conf.add(f"Redirect 302 /stock/ {SORRY}")
    with farms.settled():
        farm, stock = exchange(httpd.port, "/down/x"), exchange(httpd.port, "/stock/")
        assert farm == stock
        assert farm[1:3] == (302, SORRY) and farm[0] <= 1


BAD_ANSWERS = {
    "half a header": members.half_header,
    "header without its end": members.header_without_end,
    "early hints and no answer": members.hints_and_no_answer,
    "failonstatus": answer("503 Leak", headers=[("Set-Cookie", "leak=1"), ("X-Leak", "1"), ("Retry-After", "99"),
                                                 ("Location", "http://leak.test/"), ("WWW-Authenticate", "Leak"),
                                                 ("ETag", '"leak"'), ("Content-Language", "xx"),
                                                 ("Content-Encoding", "leak")], body=b"leak" * 10_000),
}


@pytest.mark.parametrize("failure", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
@pytest.mark.parametrize("refusal", [False, True], ids=["redirect", "503"])
def test_351_04_attempts_used_up(httpd, refusal, failure):
    """Contract: "When the attempts are used up, the farm's condition at that moment decides (FarmRedirect, FarmForward)":
    and nothing of the failed attempts' answers is in what the client gets."""
    made = [httpd.member(name).always(failure) for name in "ab"]
    httpd.farm(*made, f"{BRITTLE} failonstatus=503",
               "FarmRedirect down - 503 5" if refusal else f"FarmRedirect down {SORRY} 303")
    httpd.log.expect_broken()
    httpd.start()
    for _ in range(2):
        assert httpd.get("/app/before").status in (502, 503)
    for method in ("GET", "HEAD"):
        response = httpd.get(f"/app/{method}", method=method)
        if refusal:
            refused(response, 5)
        else:
            redirected(response, 303, SORRY)
        text = str(response.headers).lower() + response.body.decode("latin-1")
        assert "leak" not in text, text
        assert [m.count for m in made] == [3, 3]
    for method, attempts in (("GET", "2"), ("HEAD", "0")):
        line = log_line(httpd, f"/app/{method}")
        assert (line["attempts"], line["condition"], line["farm"]) == (attempts, "down", "app")
    assert httpd.farm_status()["redirected"] == (0 if refusal else 2)
    assert [row["inflight"] for row in httpd.rows().values()] == [0, 0]


def test_351_05_condition_at_that_moment(httpd):
    """Contract: "the farm's condition *at that moment* decides": the last member that worked has failed and the other one
    is full, so the farm is `full`."""
    a, b = httpd.three("a", "b")
    httpd.farm((a, "maxinflight=1"), (b, "tier=1 maxinflight=1"), "FarmSet fall=1 retry=1h",
               f"FarmRedirect full {SORRY}full", f"FarmRedirect down {SORRY}down")
    httpd.log.expect_broken()
    httpd.start()
    a.hold()
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(httpd.get, "/app/x")
        a.wait_for_active(1)
        with kept_busy(httpd, b, "/app/y"):
            redirected(httpd.get("/app/x"), 302, f"{SORRY}full")
            a.release()
            assert held.result(wait.patiently(30)).status == 200
            a.refuse()
            redirected(httpd.get("/app/both"), 302, f"{SORRY}full")
            assert httpd.rows()["a"]["health"] == "down"
            assert log_line(httpd, "/app/both")["condition"] == "full"
    assert httpd.get("/app/x").member == "b"


def test_351_06_last_failure_when_the_condition_is_ok(httpd):
    """Contract: "if it is `ok`, the last failure's status": nobody is redirected."""
    made = [httpd.member(name).always(members.close_after_request) for name in "ab"]
    httpd.farm(*made, "FarmSet fall=1000000", f"FarmRedirect any {SORRY}")
    httpd.log.expect_broken()
    httpd.start()
    response = httpd.get("/app/x")
    assert (response.status, response.get("Location")) == (502, None)
    for member in made:
        member.refuse()
    response = httpd.get("/app/x")
    assert (response.status, response.get("Location")) == (503, None)
    farm = httpd.farm_status()
    assert (farm["redirected"], farm["condition"]) == (0, "ok")


@pytest.mark.parametrize("failure", [members.close_after_request, members.reset_after_request, members.half_status_line,
                                     members.half_header], ids=["close", "reset", "half a line", "half a header"])
def test_351_07_post_that_may_have_been_acted_on(httpd, failure):
    """Contract: "A POST that a member may have begun to act on is never sent twice": nor is its client sent elsewhere with
    it; it hears of the failure. The next request is redirected."""
    a = httpd.member("a").always(failure)
    httpd.farm(a, BRITTLE, f"FarmRedirect any {SORRY} 307")
    httpd.log.expect_broken()
    httpd.start()
    for _ in range(3):
        response = httpd.get("/app/x", method="POST", body=b"pay 100")
        assert (response.status, response.get("Location")) == (502, None)
    assert httpd.farm_status()["condition"] == "down"
    redirected(httpd.get("/app/x", method="POST", body=b"pay 100"), 307, SORRY)
    assert a.bodies == [b"pay 100"] * 3


def test_351_08_post_that_nobody_had(httpd):
    """Contract: "If a member cannot be reached": nobody has begun to act on it, so the condition decides."""
    httpd.farm(*[httpd.member(name, start=False) for name in "ab"], "FarmSet fall=1 retry=1h", f"FarmRedirect down {SORRY}")
    httpd.log.expect_broken()
    httpd.start()
    redirected(httpd.get("/app/x", method="POST", body=b"x" * 200 * KIB), 302, SORRY)
    assert log_line(httpd, "/app/x")["attempts"] == "2"


def test_351_09_members_own_redirects_and_refusals_are_answers(httpd):
    """Contract: the farm redirects where it cannot serve; what a member answers is an answer."""
    a = httpd.member("a")
    httpd.farm(a, f"FarmRedirect any {SORRY}")
    httpd.start()
    for status, location in (("503 No", None), ("302 Found", "http://there.test/"), ("500 Broken", None)):
        a.always(answer(status, headers=[("Location", location)] if location else [("Retry-After", "99")]))
        response = httpd.get("/app/x")
        assert (response.status, response.get("Location")) == (int(status[:3]), location)
    assert httpd.farm_status()["redirected"] == 0
