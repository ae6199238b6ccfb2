#!/usr/bin/python3
"""What happens to the server itself, under load: children killed and stopped, restarts, a clock that jumps, a full disk, no
shared memory. Exit status 1 when a request failed that need not, something is left in flight, or the log says what it
should not."""

import argparse
import signal
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "httpd")]

import disturbances  # noqa: E402
from farmhttpd import wait  # noqa: E402
from farmhttpd.env import FARM_MODULE, Httpd  # noqa: E402
from load import FARM, load_members  # noqa: E402
from members import Seen  # noqa: E402

MPMS = {
    "event": ["StartServers 4", "ServerLimit 16", "ThreadsPerChild 8", "MaxRequestWorkers 64", "MinSpareThreads 16",
              "MaxSpareThreads 64"],
    "prefork": ["StartServers 16", "ServerLimit 64", "MaxRequestWorkers 64", "MinSpareServers 8", "MaxSpareServers 64"],
}


class Scene:
    """A server with a farm of three members that are well, and what a disturbance needs to look at it."""

    def __init__(self, options, mpm, environment=None):
        self.options = options
        self.seconds = options.seconds
        self.seen = Seen()
        self.members = load_members(self.seen)
        self.httpd = Watched(mpm, options.module, environment or {})
        self.httpd.conf.mpm_lines = MPMS[mpm]
        self.httpd.conf.log_level = "notice"
        self.httpd.conf.farm(FARM, *(f"FarmMember http://{member.address} name={member.name}" for member in self.members))
        self.httpd.conf.proxy(f"/{FARM}/", f"http://{FARM}/", "timeout=10")
        self.httpd.conf.handler("farm-manager")
        self.problems = []

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None and self.httpd.process:
                self._check_end()
        finally:
            self.httpd.close()
            for member in self.members:
                member.stop()

    def blame(self, condition, what):
        if condition:
            self.problems.append(what)

    def _in_flight(self):
        return [(row["name"], row["inflight"]) for row in self.httpd.farm_status(FARM)["members"] if row["inflight"]]

    def _check_end(self):
        """Soon after the load nothing is in flight; all members are there; the server ends well and has said nothing else."""
        if self.httpd.running:
            wait.at_most(15, lambda: not self._in_flight())
            self.blame(self._in_flight(), f"left in flight: {self._in_flight()}")
            down = [row["name"] for row in self.httpd.farm_status(FARM)["members"] if not row["available"]]
            self.blame(down, f"not available: {down}")
        try:
            self.httpd.check_clean_end()
        except AssertionError as error:
            self.problems.append(str(error))


class Watched(Httpd):
    """With an environment of its own, and lines of the log that the disturbances cause."""

    def __init__(self, mpm, module, environment):
        super().__init__(mpm, module)
        self.more = environment
        # Too few children for a moment, where many have just been killed.
        self.log.expect(r"AH00484|AH03490|AH00288|AH00286|AH10159")

    @property
    def environment(self):
        return super().environment | self.more


def run(options, name, mpm):
    began = time.monotonic()
    try:
        told, problems = disturbances.ALL[name](lambda environment=None: Scene(options, mpm, environment))
    except disturbances.CannotBe as reason:
        print(f"{name}, {mpm}: cannot be done here: {reason}", flush=True)
        return []
    except AssertionError as error:
        told, problems = "not done", [str(error)]
    print(f"{name}, {mpm}: {told}; took {time.monotonic() - began:.0f} s", flush=True)
    for problem in problems:
        print(f"  BROKEN: {problem}", flush=True)
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("disturbances", nargs="*", metavar="NAME", help=", ".join(disturbances.ALL))
    parser.add_argument("--module", type=lambda path: Path(path).resolve(), default=FARM_MODULE)
    parser.add_argument("--seconds", type=float, default=8, help="of load in each disturbance")
    parser.add_argument("--mpm", nargs="+", choices=MPMS, default=list(MPMS))
    options = parser.parse_args()
    if unknown := set(options.disturbances) - set(disturbances.ALL):
        raise SystemExit(f"no such disturbance: {', '.join(unknown)}; there are {', '.join(disturbances.ALL)}")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    broken = [problem for name in options.disturbances or disturbances.ALL for mpm in options.mpm
              for problem in run(options, name, mpm)]
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
