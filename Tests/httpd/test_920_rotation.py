"""A key is replaced in three graceful restarts while clients are at work: none of them changes its member."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from farmhttpd import wait
from farmhttpd.instructions import (KEY, KEY2, KID, KID2, ask, check_tied, counters, counting, instructed, new_client,
                                    pair_of,
                                    read, secret_file, set_cookies)
from farmhttpd.members import answer, by, held

OLD, NEW = f"{KID}:{KEY}", f"{KID2}:{KEY2}"
CLIENTS, WORKERS, SLOW, MOST = 300, 4, 3, 5000


class Load:
    """Clients that come again and again until the end of the block, and must find their member each time."""

    def __init__(self, httpd, clients):
        self.httpd, self.clients = httpd, clients
        self.done, self.wrong, self.over = [0] * WORKERS, [], threading.Event()

    def work(self, number):
        mine = self.clients[number::WORKERS]
        for n in range(MOST):
            if self.over.is_set():
                return
            cookie, member = mine[n % len(mine)]
            try:
                got = ask(self.httpd, cookie)
                if (got.status, got.status == 200 and got.member, set_cookies(got)) != (200, member, []):
                    self.wrong.append((member, got))
            except Exception as error:
                self.wrong.append((member, repr(error)))
            self.done[number] += 1

    def goes_on(self, count):
        """Every worker makes so many requests more."""
        wanted = [done + count for done in self.done]
        wait.until(lambda: all(done >= least for done, least in zip(self.done, wanted)), "the clients to go on")

    @contextmanager
    def running(self):
        with ThreadPoolExecutor(WORKERS) as pool:
            futures = [pool.submit(self.work, n) for n in range(WORKERS)]
            try:
                yield self
            finally:
                self.over.set()
            for future in futures:
                future.result(wait.patiently(60))
        assert self.wrong == [], f"{len(self.wrong)} of {sum(self.done)} requests: {self.wrong[:3]}"
        assert max(self.done) < MOST


def restart_under_load(httpd, clients, *lines):
    """A graceful restart with these keys under load, with slow requests that keep old processes until the load has gone on
    for
    a while beside them; what those slow requests were answered."""
    for member in httpd.members:
        member.gate.clear()
    old = set(httpd.children())
    with ThreadPoolExecutor(2 * SLOW) as pool, Load(httpd, clients).running() as load:
        load.goes_on(20)
        try:
            tied = [(pool.submit(ask, httpd, cookie, "/app/slow"), member) for cookie, member in clients[:SLOW]]
            untied = [pool.submit(ask, httpd, None, "/app/slow") for _ in range(SLOW)]
            wait.until(lambda: sum(member.targets.count("/slow") for member in httpd.members) >= 2 * SLOW,
                       "the slow requests")
            secret_file(httpd, *lines)
            httpd.graceful()
            load.goes_on(60)
            assert old & set(httpd.children()), "no process from before the restart was there any more"
        finally:
            for member in httpd.members:
                member.release()
        for future, member in tied:
            response = future.result(wait.patiently(30))
            assert (response.status, response.member, set_cookies(response)) == (200, member, [])
        load.goes_on(20)
        answers = [future.result(wait.patiently(30)) for future in untied]
    wait.until(lambda: not old & set(httpd.children()), "the old processes to end")
    for member in httpd.members:
        member.forget()
    assert {response.status for response in answers} == {200}
    return [(pair_of(set_cookies(response)[0]), response.member) for response in answers]


def signed_by(cookie):
    return cookie.split("=", 1)[1].split(".")[1]


@pytest.mark.both_mpms
def test_920_01_three_steps(httpd):
    """Contract: "Rotation takes three graceful restarts: add the new key second; when old processes have gone, put it
    first;
    when old cookies have expired, remove the old one": no client changes its member, and no request fails."""
    instructed(httpd, lines=["FarmSticky cookie"], one_process=False)
    for member in httpd.members:
        member.always(by(lambda request: held() if request.target == "/slow" else answer()))
    httpd.start()
    clients = [new_client(httpd) for _ in range(CLIENTS)]
    before = counters(httpd)

    # The new key second: what is set is still signed by the old one, in old processes and in new ones.
    slow = restart_under_load(httpd, clients, OLD, NEW)
    both = [new_client(httpd) for _ in range(6)]
    assert {signed_by(cookie) for cookie, _ in slow + both} == {KID}

    # The new key first: an old process may still sign by the old one; that holds as well.
    slow = restart_under_load(httpd, clients + both, NEW, OLD)
    later = [new_client(httpd) for _ in range(30)]
    assert {signed_by(cookie) for cookie, _ in later} == {KID2} and {signed_by(cookie) for cookie, _ in slow} == {KID}
    assert {read(cookie, KID2, KEY2)["member"] for cookie, _ in later} == set("abc")
    for cookie, member in slow:
        check_tied(httpd, member, cookie, count=2)
    moved = {name: now - before[name] for name, now in counters(httpd).items() if name != "accepted"}
    assert set(moved.values()) == {0}, moved

    # The old key goes: those that it tied are as good as new, the others stay.
    slow = restart_under_load(httpd, later, NEW)
    assert {signed_by(cookie) for cookie, _ in slow} == {KID2}
    for cookie, member in clients[:3]:
        with counting(httpd, unknown_key=1):
            response = ask(httpd, cookie)
        renewed = pair_of(set_cookies(response)[0])
        assert read(renewed, KID2, KEY2)["member"] == response.member
        check_tied(httpd, response.member, renewed, count=2)
    with counting(httpd, accepted=len(later)):
        assert [ask(httpd, cookie).member for cookie, _ in later] == [member for _, member in later]


def test_920_02_key_lost(httpd):
    """Contract: a key that is replaced at once: its cookies are unknown_key, and nobody sees an error; back again, they
    hold."""
    instructed(httpd, lines=["FarmSticky cookie"])
    httpd.start()
    clients = [new_client(httpd) for _ in range(6)]
    secret_file(httpd, NEW)
    httpd.graceful()
    wait.until(lambda: len(httpd.children()) == 1, "the old child to end")
    with counting(httpd, unknown_key=6):
        assert {ask(httpd, cookie).status for cookie, _ in clients} == {200}
    secret_file(httpd, NEW, OLD)
    httpd.graceful()
    wait.until(lambda: len(httpd.children()) == 1, "the old child to end")
    with counting(httpd, accepted=6):
        assert [ask(httpd, cookie).member for cookie, _ in clients] == [member for _, member in clients]
