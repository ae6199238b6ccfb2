#!/usr/bin/python3
"""A member is taken off under load again and again: what still reaches it after the answer that says so. Exit status 1 when
a request does that was sent after the answer. See README.md."""

import argparse
import datetime
import re
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True

from benchhttpd import DEFAULT_MODULE, Client, Httpd, clean_up_when_ended, table, wait_until  # noqa: E402
from benchprobe import LOGGED, Drive, Probes, compiled, logged, sent_at  # noqa: E402

MEMBERS, CONNECTIONS, SERVICE_MS = 4, 16, 1.0
ON_S, OFF_S = 0.04, 0.06                # of each trial
# Threads enough in each child for all connections: event closes kept connections when every thread is busy.
MPM = ["StartServers 4", "ServerLimit 4", "ThreadsPerChild 32", "MaxRequestWorkers 128", "MinSpareThreads 1",
       "MaxSpareThreads 128"]
HANDLERS = [line for name in ("farm-manager", "farm-update")
            for line in (f'<Location "/{name}">', f"SetHandler {name}", "Require local", "</Location>")]

# How a member is taken out and put back: handler, what is said, what is said to put it back.
WAYS = {
    "admin=off": ("farm-manager", "admin=off&reason=measured", "admin=on"),
    "admin=drain": ("farm-manager", "admin=drain&reason=measured", "admin=on"),
    "health=down": ("farm-update", "health=down", "health=up"),
}
# mod_proxy says this of each attempt, just after the member has been chosen.
CHOICES = ["LogLevel warn proxy:debug", 'ErrorLogFormat "%{cu}t %M"']
CHOICE = re.compile(r"(?P<time>\S+ \S+) AH00944: connecting \S+?(?P<path>/\d+-\d+) to (?P<address>[\d.]+):")


def now_us():
    return time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6


def said(client, way, what):
    """Says it of the first member; the time when the answer was there."""
    status, body = client.get(f"/{WAYS[way][0]}", form=f"farm=app&member=m0000&{what}", header="X-Farm-Manager: 1")
    at = now_us()
    if status != 200:
        raise SystemExit(f"{WAYS[way][0]} answered {status}: {body.decode(errors='replace')}")
    return at


def choices(httpd, address):
    """When that member had been chosen for each path, at the latest, in microseconds of CLOCK_MONOTONIC."""
    shift = (time.time() - time.clock_gettime(time.CLOCK_MONOTONIC)) * 1e6
    found = {}
    for line in (httpd.root / "logs" / "error.log").read_text(errors="replace").splitlines():
        if (match := CHOICE.match(line)) and match["address"] == address:
            found[match["path"]] = datetime.datetime.fromisoformat(match["time"]).timestamp() * 1e6 - shift
    return found


def trials(options, httpd, way):
    """(answer to `off`, next word `on`) of each trial."""
    client = Client(httpd.port)
    spans = []
    for _ in range(options.trials):
        time.sleep(ON_S)
        answered = said(client, way, WAYS[way][1])
        time.sleep(OFF_S)
        spans.append((answered, now_us()))
        said(client, way, WAYS[way][2])
    client.close()
    return spans


def run(options, folder, way):
    with Probes(folder, MEMBERS, SERVICE_MS) as members:
        httpd = Httpd(options.mpm, None, [], folder / "mod_proxy_farm.so", MPM if options.mpm == "event" else None, logged=LOGGED, more=[
            *members.lines("app", "", f"FarmAlgorithm {options.algorithm}"), 'ProxyPass "/app/" "http://app/"', *HANDLERS,
            *([] if options.unlogged else CHOICES)])
        drive = None
        try:
            httpd.start()
            wait_until(lambda: Drive(folder, httpd.port, CONNECTIONS, 0.3).result()[1], "an answer")
            drive = Drive(folder, httpd.port, CONNECTIONS, options.trials * (ON_S + OFF_S + 0.02) + 2)
            spans = trials(options, httpd, way)
            if not drive.running:
                raise SystemExit("the load ended before the trials")
            sent, right, _, failures = drive.result()
            arrivals = members[0].arrivals()
            words = logged(httpd) if failures else {}
            chosen = None if options.unlogged else choices(httpd, members[0].address)
        finally:
            if drive:
                drive.stop()
            httpd.stop()
            httpd.remove()
        for member in members:
            member.log.unlink()
    for one in failures:
        since = min((sent_at(one.path) - answered for answered, _ in spans), key=abs) / 1000
        print(f"{way}: {one.kind} after {one.took / 1000:.1f} ms, sent {since:+.1f} ms from the nearest answer: "
              f"{words.get(one.path, 'not in the access log')}")
    return {"way": way, "requests": sent, "failed": len(failures), **after_answers(spans, arrivals, chosen)}


def after_answers(spans, arrivals, chosen):
    """What reached the member in the spans in which it was out."""
    counts, latest, before, about, later, met = [], 0.0, 0, 0, 0, 0
    for answered, back in spans:
        met += any(answered - ON_S * 1e6 < one.at < answered for one in arrivals)
        late = [one for one in arrivals if answered < one.at < back]
        counts.append(len(late))
        latest = max([latest, *(one.at - answered for one in late)])
        for one in late:
            if sent_at(one.path) > answered:
                later += 1
            elif chosen is not None and chosen.get(one.path, answered) < answered:
                before += 1
            else:
                about += 1
    if chosen is None:                  # nobody knows
        before = about = "-"
    return {"trials": len(spans), "with requests before": met, "median after": statistics.median(counts),
            "most after": max(counts), "all after": sum(counts), "chosen before": before, "about then": about,
            "sent after": later, "latest ms": f"{latest / 1000:.2f}"}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--module", type=Path, default=DEFAULT_MODULE)
    parser.add_argument("--trials", type=int, default=150)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--mpm", choices=["event", "prefork"], default="event")
    parser.add_argument("--algorithm", default="adaptive")
    parser.add_argument("--unlogged", action="store_true", help="leaves out the log of choices, which costs time")
    options = parser.parse_args()
    clean_up_when_ended()
    with tempfile.TemporaryDirectory(prefix="farm-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copy(options.module, folder / "mod_proxy_farm.so")
        compiled(folder)
        results = [run(options, folder, way) for way in options.ways]
    print(table([list(results[0]), *(list(one.values()) for one in results)]))
    sys.exit(any(one["sent after"] or one["failed"] for one in results))


if __name__ == "__main__":
    main()
