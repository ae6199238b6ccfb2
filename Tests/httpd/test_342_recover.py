"""A farm whose members were all away serves as soon as one is back."""

import socket
import threading

import pytest

from farmhttpd import client, members, wait
from farmhttpd.members import answer
from test_300_failover import bad_and_good
from test_341_blame import who
from test_140_protocols import WebSocketMember, upgrade


def all_away(httpd, names="ab", *lines):
    made = [httpd.member(name) for name in names]
    httpd.farm(*made, "FarmSet retry=1h", *lines)
    httpd.log.expect_broken()
    for m in made:
        m.refuse()
    httpd.start()
    wait.until(lambda: httpd.get("/app/x").status == 503 and httpd.farm_status()["condition"] == "down", "all to be down")
    return made


@pytest.mark.both_mpms
@pytest.mark.parametrize("names", ["a", "ab", "abcd"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_342_01_back_at_once(httpd, names, method):
    """Contract: "while nobody is available, by any request, each such member at most once in `recover`": with retry=1h nothing
    else brings it back."""
    made = all_away(httpd, names)
    made[-1].start()
    body = b"pay" if method == "POST" else None
    wait.until(lambda: who(httpd.get("/app/x", method=method, body=body)) == names[-1], "the first answer")
    assert httpd.rows()[names[-1]]["health"] == "up"


def test_342_02_all_come_back(httpd):
    """Failed trials while nobody is available postpone none: when one is back, the others follow after `retry`."""
    made = all_away(httpd, "abc", "FarmSet retry=200ms recover=20ms")
    for _ in range(100):
        assert httpd.get("/app/x").status == 503
    for m in made:
        m.start()
    wait.until(lambda: httpd.get("/app/x").status == 200, "the first answer")
    wait.until(lambda: httpd.get("/app/x").status == 200
               and {r["health"] for r in httpd.rows().values()} == {"up"}, "all to be up")


def test_342_03_off(httpd):
    """Contract: "`off`: only as `retry` says"."""
    a, = all_away(httpd, "a", "FarmSet recover=off")
    a.start()
    assert {httpd.get("/app/x").status for _ in range(40)} == {503}
    assert a.count == 0


def test_342_04_seldom(httpd):
    """Contract: "each such member at most once in `recover`"."""
    a, b = all_away(httpd, "ab", "FarmSet recover=1h")
    a.start()
    b.start()
    assert {httpd.get("/app/x").status for _ in range(40)} == {503}
    assert (a.count, b.count) == (0, 0)


def test_342_05_at_most_once_in_recover(httpd):
    """The same, counted: however often clients ask, and however long it takes."""
    import time

    a, = all_away(httpd, "a", "FarmSet recover=100ms failonstatus=503")
    a.always(answer("503 No"))
    began = time.monotonic()
    a.start()
    wait.until(lambda: httpd.get("/app/x").status == 503 and a.count >= 5, "five trials")
    assert a.count <= (time.monotonic() - began) / 0.1 + 1


def test_342_06_members_that_drop_packets_hold_one_worker_each(httpd):
    """Contract: "never while another trial of it has not yet connected"."""
    made = [httpd.member(name, start=False) for name in "ab"]
    fillers = []
    for m in made:
        # A full backlog answers no more connection attempts.
        m.listener.listen(0)
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", m.port))
            fillers.append(filler)
    httpd.farm(*[(m, "connectiontimeout=200ms") for m in made], "FarmSet retry=1h recover=50ms")
    httpd.log.expect_broken()
    httpd.start()
    wait.until(lambda: httpd.get("/app/x").status == 503 and httpd.farm_status()["condition"] == "down", "both to be down")
    assert httpd.rows()["a"]["last_error"]["what"] == "connect timed out"
    over = threading.Event()
    most = [0]

    def watch():
        while not over.is_set():
            most[0] = max(most[0], *(row["inflight"] for row in httpd.rows().values()))

    watching = threading.Thread(target=watch)
    watching.start()
    answers = client.at_once(12, lambda: [httpd.get("/app/x").status for _ in range(15)])
    over.set()
    watching.join()
    assert {status for statuses in answers for status in statuses} == {503}
    assert most[0] <= 1
    for filler in fillers:
        filler.close()


def test_342_07_posts_alone_bring_a_member_back(httpd):
    """Contract: "by a request that may be repeated when `retry` has passed, by any other when `2 × retry` has"."""
    bad, good = bad_and_good(httpd, "FarmSet retry=100ms", fall=1)
    bad.refuse()
    httpd.start()
    assert httpd.get("/app/x").member == "good"
    bad.start()
    for body in (b"", b"pay"):
        wait.until(lambda: who(httpd.get("/app/x", method="POST", body=body)) == "bad", "a POST to be the trial")
        bad.next(members.close_after_request, members.close_after_request, members.close_after_request)
        wait.until(lambda: who(httpd.get("/app/x", method="POST", body=b"x")) == "good"
                   and httpd.rows()["bad"]["health"] == "down", "bad to be down again")


def test_342_08_a_trial_holds_from_its_first_byte(httpd):
    """Contract: "A trial holds from its first byte of a final answer": not only at the end of a long download."""
    bad, good = bad_and_good(httpd, "FarmSet retry=100ms", fall=1)
    bad.refuse()
    httpd.start()
    assert httpd.get("/app/x").member == "good"
    gate = threading.Event()

    @members.stage("body")
    def slowly(member, wire, _request):
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 40010\r\n\r\n" + b"x" * 40000)
        gate.wait(wait.patiently(60))
        wire.send(b"x" * 10)
        return False

    bad.next(slowly)
    bad.start()
    threads = []

    def ask():
        thread = threading.Thread(target=lambda: httpd.get("/app/x"))
        thread.start()
        threads.append(thread)
        return httpd.rows()["bad"]["health"] == "up"

    wait.until(ask, "the trial to hold while its answer still comes")
    assert httpd.rows()["bad"]["inflight"] >= 1
    gate.set()
    for thread in threads:
        thread.join()


def test_342_09_a_trial_holds_with_101(httpd):
    """Contract: "or its 101": a member that serves nothing but tunnels comes back too."""
    httpd.conf.load("proxy_wstunnel").one_process()
    bad, good = httpd.member("bad", WebSocketMember, start=False), httpd.member("good", WebSocketMember)
    httpd.farm((bad, "weight=1000 upgrade=websocket"), (good, "upgrade=websocket"), "FarmAlgorithm roundrobin",
               "FarmSet fall=1 retry=100ms")
    httpd.log.expect_broken()
    httpd.start()
    tunnels = []

    def ask():
        tunnels.append(upgrade(httpd, "/app/chat"))
        return httpd.rows()["bad"]["health"]

    assert ask() == "down"
    bad.start()
    wait.until(lambda: ask() == "up", "the trial to hold while its tunnel is open")
    assert httpd.rows()["bad"]["inflight"] >= 1
    for sock, stream, *_ in tunnels:
        stream.close()
        sock.close()
    # A child of any httpd takes ten seconds to stop when it is told to while a tunnel is just closing.
    wait.until(lambda: not bad.open and not good.open, "the tunnels to close")


def test_342_10_a_failed_trial_is_not_seen(httpd):
    """A trial that fails while nobody is available gets what the farm's condition says."""
    a = httpd.member("a").always(members.close_after_request)
    spare = httpd.member("spare")
    httpd.farm(a, "FarmSet retry=200ms recover=10ms", "FarmForward down http://spare/")
    httpd.farm(spare, name="spare")
    httpd.log.expect_broken()
    httpd.start()
    wait.until(lambda: who(httpd.get("/app/x")) == "spare", "the farm to be down")
    before = a.count
    wait.until(lambda: who(httpd.get("/app/x")) == "spare" and a.count >= before + 3, "three trials")
