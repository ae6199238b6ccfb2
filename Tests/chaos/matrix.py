#!/usr/bin/python3
"""Members that go wrong in every way, a healthy one beside each, and four proxies in front of them: what clients get.
Exit status 1 when the module gave a wrong answer, hung, sent a POST twice, or did not serve what may be repeated."""

import argparse
import collections
import csv
import fnmatch
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "httpd")]

import proxies  # noqa: E402
from cases import Case, all_cases  # noqa: E402
from clients import METHODS, OUTCOMES, Client  # noqa: E402
from farmhttpd.env import FARM_MODULE  # noqa: E402
from members import HANGS, REFUSES, Member, Seen, healthy  # noqa: E402
from verdict import report  # noqa: E402


@dataclass
class Tally:
    """What one proxy did in one cell."""
    outcomes: collections.Counter = field(default_factory=collections.Counter)
    details: collections.Counter = field(default_factory=collections.Counter)
    met: int = 0                            # requests that the bad member is known to have seen
    twice: int = 0                          # requests that members saw more than once
    requests: int = 0
    longest: float = 0.0                    # seconds; only told, never judged


@dataclass
class Cell:
    """One case with one method."""
    key: str
    case: Case
    method: str
    member: Member
    tallies: dict = field(default_factory=dict)


def made_cells(options, seen):
    cases = [case for case in all_cases()
             if not options.cases or any(fnmatch.fnmatch(case.name, pattern) for pattern in options.cases)]
    if not cases:
        raise SystemExit("no case has such a name; --list shows them")
    cells = []
    for number, case in enumerate(cases):
        member = Member("bad", case.behaviour, seen)
        cells += [Cell(f"c{number}{method.replace('-', '').lower()}", case, method, member) for method in options.methods]
    return cells


def one_client(cell, name, port, number, clients, seen, tally, lock):
    client = Client(port)
    try:
        for round_number in range(cell.case.requests):
            identity = f"{name}.{cell.key}.{round_number * clients + number}"
            began = time.monotonic()
            result = client.ask(f"{name}-{cell.key}", identity, cell.method, cell.case.size, cell.case.accepts)
            with lock:
                tally.requests += 1
                tally.outcomes[result.outcome] += 1
                if result.outcome != "right":
                    tally.details[(result.outcome, result.detail)] += 1
                tally.met += seen.met(identity, "bad")
                tally.longest = max(tally.longest, time.monotonic() - began)
            if result.outcome == "hang":
                break                       # it is proved, and takes long
    finally:
        client.close()


def run_cell(cell, ports, clients, seen, good):
    """All proxies at the same time: most of a case's time is waiting. Returns the seconds that it took."""
    lock, threads, began = threading.Lock(), [], time.monotonic()
    for name, port in ports.items():
        tally = cell.tallies[name] = Tally()
        threads += [threading.Thread(target=one_client, args=(cell, name, port, number, clients, seen, tally, lock), daemon=True)
                    for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for member in (cell.member, good):
        member.hang_up(cell.key)
    return time.monotonic() - began


def count_twice(cells, seen):
    """When all is over, also for what reached a member after its client had gone."""
    for cell in cells:
        for name, tally in cell.tallies.items():
            tally.twice = sum(seen.times(f"{name}.{cell.key}.{number}") > 1 for number in range(tally.requests))


def write_csv(path, cells):
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["case", "method", "contract", "proxy", "requests", *OUTCOMES, "met", "twice", "longest s", "details"])
        for cell in cells:
            for name, tally in cell.tallies.items():
                details = "; ".join(f"{count} {kind}: {text}" for (kind, text), count in tally.details.most_common())
                rows.writerow([cell.case.name, cell.method, cell.case.retry, name, tally.requests,
                               *(tally.outcomes[outcome] for outcome in OUTCOMES), tally.met, tally.twice, f"{tally.longest:.2f}",
                               details])


def run(options, cells, seen, running):
    good = Member("good", healthy, seen).start()
    running.append(good)
    for member in {id(cell.member): cell.member for cell in cells}.values():
        running.append(member.start())
    ports, problems = {}, []
    servers = []
    for kind in proxies.KINDS:
        if set(kind.names) & set(options.proxies):
            server = kind(options.module)
            running.append(server)
            servers.append(server)
            ports |= {name: port for name, port in server.start(cells, good).items() if name in options.proxies}
    # Cases that only wait go together; the others one by one, so that none of them is starved.
    for slow, at_once in ((True, 8), (False, 2)):
        some = [cell for cell in cells if cell.case.slow == slow]
        with ThreadPoolExecutor(at_once) as pool:
            runs = pool.map(lambda cell: run_cell(cell, ports, options.clients, seen, good), some)
            for cell, seconds in zip(some, runs):
                if options.verbose:
                    print(f"{seconds:6.2f} s  {cell.case.name}, {cell.method}", file=sys.stderr)
    for server in servers:
        problems += server.problems()
    count_twice(cells, seen)
    return problems


def unmet(cells):
    """Cases whose member nobody has met: they would prove nothing."""
    return sorted({cell.case.name for cell in cells
                   if cell.case.behaviour not in (REFUSES, HANGS) and not cell.member.connections})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help="names or patterns of cases, as 'closes*'; all where none is given")
    parser.add_argument("--list", action="store_true", help="only name the cases")
    parser.add_argument("--module", type=lambda path: Path(path).resolve(), default=FARM_MODULE)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--proxies", nargs="+", choices=proxies.NAMES, default=list(proxies.NAMES))
    parser.add_argument("--clients", type=int, default=4, help="of each proxy, at once")
    parser.add_argument("--csv", type=Path, help="where a line for each case, method and proxy is to go")
    parser.add_argument("--verbose", action="store_true", help="say how long each case takes")
    options = parser.parse_args()
    if options.list:
        for case in all_cases():
            print(f"{case.name:45} {case.retry}")
        return
    if not options.module.exists():
        raise SystemExit(f"{options.module} is missing: make module builds it")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    seen, running = Seen(), []
    cells = made_cells(options, seen)
    try:
        problems = run(options, cells, seen, running)
    finally:
        for one in reversed(running):
            one.stop()
    if options.csv:
        write_csv(options.csv, cells)
    problems += [f"no proxy reached the member of: {name}" for name in unmet(cells)]
    sys.exit(report(cells, options.proxies, problems))


if __name__ == "__main__":
    main()
