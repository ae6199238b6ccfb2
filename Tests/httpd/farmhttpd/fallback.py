"""Farms that stay in a condition, and what the logs say of requests to them."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlencode

from farmhttpd import wait
from farmhttpd.manager import change
from farmhttpd.members import answer
from farmhttpd.update import push

CONDITIONS = ["offline", "down", "full"]
FORWARDED_TOO_OFTEN = "FARM00017"

# A farm that three requests in a row put down which its members break, and that stays down: no member of it completes an answer
# for `retry`.
BRITTLE = "FarmSet fall=1 retry=1ms recover=1h"


def manage(httpd, **fields):
    """A change that must succeed; `admin=` of a member, or of the farm where no member is named."""
    return change(httpd, urlencode(fields))


class Fallbacks:
    """Farms of one member each that stay in the condition they were made for, while `settled()` lasts."""

    def __init__(self, httpd):
        self.httpd = httpd
        self.member = httpd.member("m")
        self.held = httpd.member("held").hold()
        self.made = {}
        httpd.conf.handler("farm-update")

    def farm(self, condition, *directives, name=None, mount=None):
        """A farm, by default of its condition's name, behind /NAME/."""
        name = name or condition
        member, options = {"ok": (self.member, ""), "offline": (self.member, "admin=off"), "down": (self.member, ""),
                           "full": (self.held, "maxinflight=1")}[condition]
        self.httpd.conf.farm(name, (member, options), *directives)
        self.httpd.conf.proxy(f"/{name}/", mount or f"http://{name}/")
        self.made[name] = condition
        return self

    def named(self, condition):
        return [name for name, its in self.made.items() if its == condition]

    @contextmanager
    def settled(self):
        """Starts the server, and gives each farm its condition until the end of the block."""
        self.httpd.start()
        for name in self.named("down"):
            push(self.httpd, f"farm={name}&member=m&health=down")
        full = self.named("full")
        with ThreadPoolExecutor(len(full) or 1) as pool:
            try:
                holding = [pool.submit(self.httpd.get, f"/{name}/held") for name in full]
                self.held.wait_for_active(len(full))
                conditions = {farm["name"]: farm["condition"] for farm in self.httpd.status()["farms"]}
                assert {name: conditions[name] for name in self.made} == self.made
                yield
            finally:
                self.held.release()
        assert [f.result(30).status for f in holding] == [200] * len(full)


@contextmanager
def kept_busy(httpd, member, target, count=1):
    """So many requests in flight at a member until the end of the block."""
    member.hold()
    with ThreadPoolExecutor(count) as pool:
        try:
            holding = [pool.submit(httpd.get, target) for _ in range(count)]
            member.wait_for_active(count)
            yield
        finally:
            member.always(answer()).release()
    assert [f.result(30).status for f in holding] == [200] * count


def log_line(httpd, path):
    """The facts that the access log tells of the one request for that path."""
    line = httpd.access(path)[0]
    status, method, _, farm, member, reason, attempts, condition = line
    return {"status": int(status), "method": method, "farm": farm, "member": member, "reason": reason,
            "attempts": attempts, "condition": condition}


def wait_for_line(httpd, pattern, count=1):
    """Lines of the error log that match, once there are so many; they may come after the answer."""
    return wait.until(lambda: len(httpd.log.lines(pattern)) >= count and httpd.log.lines(pattern),
                      f"{pattern} in the error log")
