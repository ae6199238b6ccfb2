#!/usr/bin/python3
"""Ten real members of which one after the other is stopped, killed or closed while requests run: what clients see of it.
Exit status 1 when a GET failed, a POST arrived twice, or a body was wrong. See README.md."""

import argparse
import collections
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True

from benchhttpd import DEFAULT_MODULE, Httpd, clean_up_when_ended, member_rows, table, wait_until  # noqa: E402
from benchprobe import LOGGED, Drive, Probes, compiled, logged, sent_at  # noqa: E402

MEMBERS, CONNECTIONS, PAUSE_MS, SERVICE_MS = 10, 16, 1.0, 1.5
TIMEOUT_S = 1
SET = "FarmSet fall=1 retry=200ms"
KINDS = ("502", "503", "504", "closed", "cut", "wrong", "hang")     # further ones are counted as other

# How each fault begins and ends, and between how many and how many seconds it lasts. A stopped process is there for less
# than the timeout as well as for more.
FAULTS = {
    "stop": (lambda one: one.pause(), lambda one: one.go_on(), (0.2, TIMEOUT_S * 2.0)),
    "kill": (lambda one: one.kill(), lambda one: one.start(), (0.1, 0.8)),
    "close": (lambda one: one.say("close"), lambda one: one.say("open"), (0.1, 0.8)),
}
PAUSE_BETWEEN_S = (0.1, 0.6)
MPMS = {
    # Threads enough in each child for all clients: event closes kept connections when every thread is busy.
    "event": ["StartServers 2", "ServerLimit 4", "ThreadsPerChild 32", "MaxRequestWorkers 128", "MinSpareThreads 1",
              "MaxSpareThreads 128"],
    # Children enough from the start: a client would wait for its own to be made.
    "prefork": ["StartServers 32", "ServerLimit 64", "MaxRequestWorkers 64", "MinSpareServers 8", "MaxSpareServers 64"],
}


def in_turn(members, fault, drive, chance):
    """Puts this fault on one member after the other until the load ends; how often."""
    begin, end, span = FAULTS[fault]
    times = 0
    while drive.running:
        member = members[times % len(members)]
        begin(member)
        time.sleep(chance.uniform(*span))
        end(member)
        times += 1
        time.sleep(chance.uniform(*PAUSE_BETWEEN_S))
    return times


def all_up(httpd):
    def asked():
        Drive(httpd.folder, httpd.port, 4, 0.2).result()            # trials need requests
        return all(row["available"] for row in member_rows(httpd.port))
    wait_until(asked, "all members to be available")


def run(options, folder, httpd, members, fault, method, chance):
    all_up(httpd)
    began = time.monotonic() * 1e6
    drive = Drive(folder, httpd.port, CONNECTIONS, options.seconds / len(options.faults), method, PAUSE_MS)
    try:
        times = in_turn(members, fault, drive, chance)
        sent, right, longest, failures = drive.result()
    finally:
        drive.stop()
    ended = time.monotonic() * 1e6
    all_up(httpd)                       # also lets a member that was stopped take what waited for it
    arrived = collections.Counter(arrival.path for one in members for arrival in one.arrivals()
                                  if began < sent_at(arrival.path) < ended)
    log = logged(httpd)
    details = collections.Counter()
    for one in failures:
        words = log.get(one.path, {})
        details[(one.kind, words.get("FARM_ATTEMPTS", "?"), words.get("FARM_REASON", "?"), words.get("FARM_CONDITION", "?"),
                 min(arrived[one.path], 2))] += 1
    kinds = collections.Counter(one.kind if one.kind in KINDS else "other" for one in failures)
    attempts = collections.Counter(words["FARM_ATTEMPTS"] for path, words in log.items() if arrived[path])
    return {"method": method, "fault": fault, "times": times, "sent": sent, "right": right, "failed": len(failures),
            **{kind: kinds[kind] for kind in (*KINDS, "other")}, "arrived twice": sum(n > 1 for n in arrived.values()),
            "more than one attempt": sum(n for key, n in attempts.items() if key not in ("0", "1", "-")),
            "longest ms": longest, "details": details, "unaccounted": sent - right - len(failures)}


def passes(options, folder):
    chance = random.Random(options.seed)
    for method in options.methods:
        with Probes(folder, MEMBERS, SERVICE_MS) as members:
            httpd = Httpd(options.mpm, None, [], folder / "mod_proxy_farm.so", status=True, logged=LOGGED,
                          mpm_lines=MPMS[options.mpm], more=[
                *members.lines("app", "", SET, f"FarmAlgorithm {options.algorithm}"),
                f'ProxyPass "/app/" "http://app/" connectiontimeout=1 timeout={TIMEOUT_S}'])
            httpd.folder = folder
            try:
                httpd.start()
                for fault in options.faults:
                    yield run(options, folder, httpd, members, fault, method, chance)
            finally:
                httpd.stop()
                said = httpd.said()
                if options.log:
                    Path(options.log).write_text(said)
                httpd.remove()
        for member in members:
            member.log.unlink(missing_ok=True)


def is_broken(one):
    """A POST that a member may have begun fails with it, but is never repeated."""
    may_not = one["failed"] if one["method"] == "GET" else one["arrived twice"]
    return bool(may_not or one["wrong"] or one["unaccounted"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--module", type=Path, default=DEFAULT_MODULE)
    parser.add_argument("--seconds", type=float, default=60, help="of each method, for all faults together")
    parser.add_argument("--methods", nargs="+", default=["GET", "POST"])
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--mpm", choices=MPMS, default="event")
    parser.add_argument("--algorithm", default="adaptive")
    parser.add_argument("--seed", type=int, default=1, help="of how long each fault lasts")
    parser.add_argument("--log", help="where the last server's error log is to go")
    options = parser.parse_args()
    clean_up_when_ended()
    with tempfile.TemporaryDirectory(prefix="farm-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copy(options.module, folder / "mod_proxy_farm.so")
        compiled(folder)
        results = list(passes(options, folder))
    columns = [column for column in results[0] if column not in ("details", "unaccounted")]
    print(table([columns, *([one[column] for column in columns] for one in results)]))
    for one in results:
        for (kind, attempts, reason, condition, arrived), count in one["details"].most_common(8):
            print(f"{one['method']} {one['fault']}: {count} times {kind}, attempts {attempts}, reason {reason}, "
                  f"condition {condition}, seen by {('no member', 'a member', 'two members or twice')[arrived]}")
    sys.exit(any(map(is_broken, results)))


if __name__ == "__main__":
    main()
