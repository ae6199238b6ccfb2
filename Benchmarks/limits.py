#!/usr/bin/python3
"""A member with maxinflight=3 under 64 clients: how many requests at once the member itself saw, also while children of
httpd are killed. Exit status 1 when it saw more, or when something is left in flight. See README.md."""

import argparse
import collections
import contextlib
import http.client
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True

from benchhttpd import DEFAULT_MODULE, Httpd, clean_up_when_ended, member_rows, table, wait_until  # noqa: E402
from benchprobe import Drive, Probes, compiled  # noqa: E402

LIMIT, CLIENTS, PAUSE_MS, SERVICE_MS = 3, 64, 10.0, 5.0
KILL_EVERY_S, KILLED_PART = 2.0, 1 / 3
HEALED_WITHIN_S = 2.5
MPMS = {
    "event": ["StartServers 4", "ServerLimit 16", "ThreadsPerChild 24", "MaxRequestWorkers 384", "MinSpareThreads 24",
              "MaxSpareThreads 384"],
    "prefork": ["StartServers 80", "ServerLimit 128", "MaxRequestWorkers 128", "MinSpareServers 8", "MaxSpareServers 128"],
}


def kill_some(httpd, chance):
    """SIGKILL for a third of this server's own children; how many."""
    children = httpd.children()
    chosen = chance.sample(children, max(1, round(len(children) * KILLED_PART))) if children else []
    for child in chosen:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    return len(chosen)


def settled(httpd):
    """What is still counted as in flight after the time that healing may take."""
    end = time.monotonic() + HEALED_WITHIN_S
    while True:
        try:
            counted = member_rows(httpd.port)[0]["inflight"]
        except (OSError, http.client.HTTPException):
            counted = -1                # a child that was just dying had taken the question
        if counted == 0 or time.monotonic() > end:
            return counted
        time.sleep(0.05)


def run(options, folder, mpm, kill):
    chance = random.Random(options.seed)
    with Probes(folder, 1, SERVICE_MS) as members:
        member = members[0]
        httpd = Httpd(mpm, None, [], folder / "mod_proxy_farm.so", mpm_lines=MPMS[mpm], status=True, more=[
            *members.lines("app", f"maxinflight={LIMIT}", f"FarmAlgorithm {options.algorithm}"),
            'ProxyPass "/app/" "http://app/"'])
        drive = None
        try:
            httpd.start()
            wait_until(lambda: Drive(folder, httpd.port, 1, 0.1).result()[1], "an answer")
            member.say("forget")
            drive = Drive(folder, httpd.port, CLIENTS, options.seconds, "GET", PAUSE_MS)
            killed, began = 0, time.monotonic()
            while kill and drive.running and time.monotonic() < began + options.seconds - KILL_EVERY_S:
                time.sleep(KILL_EVERY_S)
                killed += kill_some(httpd, chance)
            sent, right, _, failures = drive.result()
            left = settled(httpd)
            highest = member.say("counts")[1]
            member.say("forget")        # what was killed has left no place taken: all of them can be had again
            Drive(folder, httpd.port, CLIENTS, 1, "GET", PAUSE_MS).result()
            again = member.say("counts")[1]
        finally:
            if drive:
                drive.stop()
            status = httpd.stop()
            httpd.remove()
        member.log.unlink()
    kinds = collections.Counter("503" if one.kind == "503" else "closed or cut" if one.kind in ("closed", "cut") else one.kind
                                for one in failures)
    return {"mpm": mpm, "children killed": killed, "requests": sent, "right": right, "503": kinds.pop("503", 0),
            "closed or cut": kinds.pop("closed or cut", 0), "other": sum(kinds.values()), "highest at once": highest,
            "highest afterwards": again, "in flight at the end": left, "exit status": status}


def is_broken(one):
    lost = not one["children killed"] and one["closed or cut"]
    return bool(one["highest at once"] > LIMIT or one["highest afterwards"] != LIMIT or one["in flight at the end"] or lost
                or one["other"] or one["exit status"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--module", type=Path, default=DEFAULT_MODULE)
    parser.add_argument("--seconds", type=float, default=10, help="of each run")
    parser.add_argument("--mpms", nargs="+", choices=MPMS, default=list(MPMS))
    parser.add_argument("--algorithm", default="adaptive")
    parser.add_argument("--seed", type=int, default=1, help="of which children are killed")
    options = parser.parse_args()
    clean_up_when_ended()
    with tempfile.TemporaryDirectory(prefix="farm-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copy(options.module, folder / "mod_proxy_farm.so")
        compiled(folder)
        results = [run(options, folder, mpm, kill) for mpm in options.mpms for kill in (False, True)]
    print(table([list(results[0]), *(list(one.values()) for one in results)]))
    sys.exit(any(map(is_broken, results)))


if __name__ == "__main__":
    main()
