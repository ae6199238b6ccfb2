"""Members that are processes of their own and say what they saw (benchprobe.c), and the load on them (benchdrive.c)."""

import collections
import os
import re
import signal
import subprocess
from pathlib import Path

from benchhttpd import HERE, addresses, end_process, free_port

LOGGED = ("FARM_ATTEMPTS", "FARM_REASON", "FARM_CONDITION", "FARM_MEMBER")     # what logged() reads, in this order
HANG = 10.0                             # seconds after which a client gives a request up
Failure = collections.namedtuple("Failure", "kind path took")
Arrival = collections.namedtuple("Arrival", "method path at")


def sent_at(path):
    """When the client sent this request, in microseconds: benchdrive.c has written it into the path."""
    return int(path.rsplit("-", 1)[1])


def logged(httpd):
    """What httpd logged of each request, by its path below /app."""
    lines = (httpd.root / "logs" / "access.log").read_text(errors="replace").splitlines()
    found = {}
    for line in lines:
        if match := re.search(r'"\S+ /app(?P<path>\S+) [^"]*" \d+ \S+ (?P<words>.*)$', line):
            found[match["path"]] = dict(zip(LOGGED, match["words"].split()))
    return found


def compiled(folder):
    """The members and the client, of this folder's C."""
    for name in ("benchprobe", "benchdrive"):
        subprocess.run(["gcc", "-O2", "-std=gnu11", "-Wall", "-Wextra", "-o", folder / name, HERE / f"{name}.c"], check=True)


class Probe:
    """A member that can be stopped, killed, closed, and asked."""

    def __init__(self, folder, number, port, service_ms, seconds):
        self.name = f"m{number:04}"
        self.address = addresses(number + 1)[number]
        self.url = f"http://{self.address}:{port}"
        self.log = Path(folder) / f"{self.name}.arrivals"
        self.command = [folder / "benchprobe", self.address, str(port), self.name, str(int(service_ms * 1000)), str(seconds),
                        self.log]
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline().strip() != "ready":
            raise SystemExit(f"member {self.name} did not start")

    def say(self, word):
        """Tells it one of its words; (requests, most in service at once, in service now)."""
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        return tuple(int(number) for number in self.process.stdout.readline().split())

    def pause(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self):
        end_process(self.process, signal.SIGKILL)
        self._shut()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.go_on()
            end_process(self.process)
            self._shut()

    def _shut(self):
        self.process.stdin.close()
        self.process.stdout.close()

    def arrivals(self):
        """What came in, in the order of its coming; also what came to a process that has been killed."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [Arrival(method, path, int(at)) for method, path, at in (line.split() for line in lines)]


class Probes(list):
    """Some members, all started; used in a with statement."""

    def __init__(self, folder, count, service_ms, seconds=900):
        port = free_port(addresses(count))
        super().__init__(Probe(folder, number, port, service_ms, seconds) for number in range(count))

    def __enter__(self):
        try:
            for member in self:
                member.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for member in self:
            member.stop()

    def lines(self, farm, parameters="", *more):
        """The farm of these members; every FarmMember line has the parameters."""
        return [f"<Farm {farm}>", *(f'FarmMember "{one.url}" name={one.name} {parameters}'.rstrip() for one in self), *more,
                "</Farm>"]


class Drive:
    """The load: begins when it is made; result() waits for its end."""

    def __init__(self, folder, port, connections, seconds, method="GET", pause_ms=0.0):
        self.seconds = seconds
        self.said = Path(folder) / "benchdrive.out"     # no pipe: it must not wait for anybody to read of failures
        with self.said.open("w") as out:
            self.process = subprocess.Popen(
                [folder / "benchdrive", str(port), str(connections), str(seconds), method, str(int(pause_ms * 1000)),
                 str(int(HANG * 1e6))], stdout=out)

    @property
    def running(self):
        return self.process.poll() is None

    def result(self):
        """(requests, right answers, longest of these in ms, failures)."""
        self.process.wait(self.seconds + 3 * HANG)
        *lines, last = self.said.read_text().splitlines() or [""]
        if self.process.returncode or not last.startswith("done "):
            raise SystemExit(f"the client ended with {self.process.returncode}")
        failures = [Failure(kind, path, int(took)) for _, kind, path, took in (line.split() for line in lines)]
        sent, right, longest = (int(number) for number in last.split()[1:])
        return sent, right, longest / 1000, failures

    def stop(self):
        end_process(self.process)
