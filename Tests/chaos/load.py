"""A load of real clients while something is done to the server, and what became of it."""

import collections
import threading
import time

from clients import Client
from members import Member

MOST = 200_000                  # requests, so that no load is without bound
SERVICE = 0.005                 # seconds that a member takes, so that there is always something in flight
FARM = "load"


def takes_time(line):
    while True:
        request = line.request()
        time.sleep(SERVICE)
        line.answer(request)


def load_members(seen, count=3):
    return [Member(f"m{number}", takes_time, seen).start() for number in range(count)]


class Load:
    """GETs and POSTs in turn from each of some clients, until the with block is over. `kept`: how many of them keep their
    connection; the others come anew for each request, and have no excuse when it is closed."""

    def __init__(self, port, seen, clients=8, kept=0):
        self.port = port
        self.seen = seen
        self.outcomes = collections.Counter()
        self.details = collections.Counter()
        self.identities = []
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(number, number < kept), daemon=True)
                        for number in range(clients)]

    def __enter__(self):
        self.began = time.monotonic()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()
        self.seconds = time.monotonic() - self.began

    def _run(self, number, keeps):
        client, prefix = Client(self.port), f"{time.monotonic_ns()}-{number}"
        for count in range(MOST // len(self.threads)):
            if self.over.is_set():
                break
            method = ("GET", "POST")[count % 2]
            identity = f"{prefix}.{method}.{count}"
            result = client.ask(FARM, identity, method, 3000)
            with self.lock:
                self.outcomes[result.outcome] += 1
                if result.outcome != "right":
                    self.details[(result.outcome, result.detail)] += 1
                if method == "POST":
                    self.identities.append(identity)
            if not keeps:
                client.close()
        client.close()

    @property
    def requests(self):
        return sum(self.outcomes.values())

    @property
    def twice(self):
        return sum(self.seen.times(identity) > 1 for identity in self.identities)

    def problems(self, allowed=()):
        """Outcomes other than right ones and those that the disturbance excuses; POSTs that members saw twice."""
        found = [f"{count} times {outcome}: {detail}" for (outcome, detail), count in self.details.items()
                 if outcome not in allowed]
        if self.twice:
            found.append(f"{self.twice} POSTs were sent twice")
        if not self.outcomes["right"]:
            found.append("no request was served")
        return found

    def __str__(self):
        text = ", ".join(f"{self.outcomes[outcome]} {outcome}" for outcome in ("right", "error", "cut", "wrong", "hang")
                         if self.outcomes[outcome])
        return f"{text} in {self.seconds:.0f} s"
