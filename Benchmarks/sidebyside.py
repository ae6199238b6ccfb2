#!/usr/bin/python3
"""This module with each of its algorithms, mod_proxy_balancer, HAProxy and nginx beside plain ProxyPass to one member: requests
a second, processor time, latency and instructions, as ratios to the plain ProxyPass of the same round. See README.md."""

import argparse
import contextlib
import csv
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True

import choices  # noqa: E402
import instructions  # noqa: E402
import locks  # noqa: E402
from benchhttpd import (APACHE, BALANCERS, DEFAULT_MODULE, UPDATE, Client, Httpd, clean_up_when_ended,  # noqa: E402
                        processor_seconds, table)
from benchload import CLOSED, QuickMembers, Run, compiled  # noqa: E402
from benchproxies import HAProxy, Nginx  # noqa: E402

MEMBERS = (4, 64, 512, 1000)
PLAIN, AGAIN = "plain", "plain again"       # the second shows what the noise of this machine alone does to a ratio
ALGORITHMS = ("adaptive", "roundrobin", "random", "busyness", "traffic", "load", "hash")
OTHERS = {"haproxy": HAProxy, "nginx": Nginx}
VARIANTS = (PLAIN, AGAIN, *ALGORITHMS, *BALANCERS, *OTHERS)
RATES = ("requests/s", "processor us")      # of the closed loop
LATENCIES = ("p50 us", "p99 us")            # of the open loop
# Of each loop: connections to members, kept connections of the client that were closed, bad answers.
COUNTS = ("made", "reopened", "wrong", "unanswered")
AT_THE_RATE = " at the rate"                # after the name of what the open loop says as well
INSTRUCTIONS = "instructions"
OPEN_MOST = 100                             # connections of the client in the open loop
# One child, as HAProxy has one thread and nginx one worker; threads for more connections than the client opens, since httpd
# closes kept ones when it has no thread left.
ONE_CHILD = ["StartServers 1", "ServerLimit 1", "ThreadLimit 128", "ThreadsPerChild 128", "MaxRequestWorkers 128",
             "MinSpareThreads 1", "MaxSpareThreads 128"]
PART_OF_A_PROCESSOR = 0.3                   # that the dearest needs at the rate that latencies are measured at
MOST_RATE = 5000                            # client and members have one processor together, perhaps
SHORTEST, LONGEST = 0.5, 5.0                # seconds of a run
OF_A_RUN = 0.25                             # seconds that a run takes besides
# Of the whole time, at most; what is left when they are over is the load's.
INSTRUCTIONS_PART = 0.4
PARTS = ("choices", "locks", "instructions", "load")


def pins():
    """Commands that pin the server, and client and members; nothing where there is one processor."""
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < 2:
        return (), ()
    return ("taskset", "-c", str(processors[0])), ("taskset", "-c", ",".join(map(str, processors[1:])))


# -- the servers -------------------------------------------------------------------------------------------


def server(variant, urls, module):
    if variant in OTHERS:
        return OTHERS[variant](urls)
    with_farm = variant in ALGORITHMS
    # httpd walks its Locations for each request: all have the one that `load` needs.
    location = UPDATE if with_farm else [line for line in UPDATE if "SetHandler" not in line]
    return Httpd("event", PLAIN if variant == AGAIN else variant, urls, module if with_farm else None, mpm_lines=ONE_CHILD,
                 logged=None, more=location)


class Measured:
    """A running server, and its numbers by what was measured, one a round."""

    def __init__(self, options, folder, variant, members):
        self.options, self.folder, self.variant, self.members = options, folder, variant, members
        # In the order of the measurements, one a round.
        self.values = {what: [] for what in (*RATES, "busy %", *COUNTS, *LATENCIES, "processor us" + AT_THE_RATE,
                                             *(what + AT_THE_RATE for what in COUNTS))}
        self.server = server(variant, members.urls, folder / instructions.MODULE_OBJECT)

    def start(self):
        self.server.start(under=self.options.server_pin)
        if self.variant == "load":
            client = Client(self.server.port)
            instructions.push_metrics(client, len(self.members.urls))
            client.close()
        # Until connections to the members are there: draws at random have met all in ten times as many requests, and what
        # two requests at once want of a member comes after that.
        end = time.monotonic() + 10
        while time.monotonic() < end:
            made, asked = self.members.counts()
            self._run(CLOSED, 0.5)
            made_now, asked_now = self.members.counts()
            if made_now - made <= max(1, (asked_now - asked) / 1000):
                break

    def _run(self, rate, seconds):
        run = Run(self.folder, self.server.port, rate, seconds, self.options.connections if rate == CLOSED else OPEN_MOST,
                  under=self.options.load_pin)
        if not run.answered:
            raise SystemExit(f"{self.variant} answered nothing:\n{self.server.said()}")
        return run

    def measure(self, rate, seconds):
        made = self.members.counts()[0]
        before = processor_seconds(self.server)
        run = self._run(rate, seconds)
        used = processor_seconds(self.server) - before
        made = self.members.counts()[0] - made
        if rate == CLOSED:
            found = {"requests/s": run.answered / seconds, "processor us": used / run.answered * 1e6,
                     "busy %": used / seconds * 100}
        else:
            found = {"p50 us": run.p50, "p99 us": run.p99, "processor us" + AT_THE_RATE: used / run.answered * 1e6}
        counts = (made, max(0, run.opened - self.options.connections) if rate == CLOSED else 0, run.wrong, run.unanswered)
        found |= {what if rate == CLOSED else what + AT_THE_RATE: count for what, count in zip(COUNTS, counts)}
        for what, value in found.items():
            self.values[what].append(value)

    def remove(self):
        self.server.stop()
        self.server.remove()


# -- the rounds ----------------------------------------------------------------------------------------------


def load(options, folder, until):
    """{members: {variant: Measured}} and the rate of each; ends before `until`."""
    results, rates = {}, {}
    for number, count in enumerate(options.members):
        # What is left is divided among the numbers of members that are left.
        share = (until - time.monotonic()) / (len(options.members) - number)
        end = time.monotonic() + share
        with contextlib.ExitStack() as cleaning:
            members = QuickMembers(folder, count, seconds=int(share) + 600, under=options.load_pin)
            cleaning.callback(members.stop)
            servers = {}
            for variant in options.variants:
                servers[variant] = Measured(options, folder, variant, members)
                cleaning.callback(servers[variant].remove)
                servers[variant].start()
            runs = 2 * len(servers)
            seconds = options.seconds or min(
                LONGEST, max(SHORTEST, (end - time.monotonic()) / (options.rounds * runs) - OF_A_RUN))
            at = 0
            while at < options.rounds:
                if at and time.monotonic() + runs * (seconds + OF_A_RUN) > end + 0.1 * share:
                    print(f"{count} members: no time was left after {at} rounds", file=sys.stderr)
                    break
                a_round(options, servers, at, seconds, rates, count)
                at += 1
            print(f"{count} members: {at} rounds of {seconds:.1f} s", file=sys.stderr, flush=True)
        results[count] = servers
    return results, rates


def a_round(options, servers, at, seconds, rates, count):
    order = list(servers.values()) if at % 2 == 0 else list(servers.values())[::-1]
    for one in order:
        one.measure(CLOSED, seconds)
    if count not in rates:
        # Not of requests a second: where the machine is busy with others, these say more of them.
        dearest = max(one.values["processor us"][0] for one in order)
        rates[count] = options.rate or min(MOST_RATE, max(100, int(PART_OF_A_PROCESSOR * 1e6 / dearest / 100) * 100))
    for one in order:
        one.measure(rates[count], seconds)


def count_instructions(options, folder, until):
    """{(members, variant): instructions a request}; for plain ProxyPass, which has one member, members is 1."""
    names = {variant: "load+metrics" if variant == "load" else variant for variant in options.variants
             if variant not in (PLAIN, AGAIN, *OTHERS)}
    if not names:
        return {}
    wanted = argparse.Namespace(
        mpm="prefork", module=folder / instructions.MODULE_OBJECT, members=options.members, variants=[*names.values()],
        logs=["nothing"], jobs=len(os.sched_getaffinity(0)), requests=500, until=until, keys=None)
    shown = {name: variant for variant, name in names.items()}
    return {(result.members, shown.get(result.variant, result.variant)): result.profile.total
            for result in instructions.measure(wanted)}


# -- the tables ----------------------------------------------------------------------------------------------


def ratios(one, plain, what):
    return [value / base for value, base in zip(one.values[what], plain.values[what])]


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def overview(count, servers, counted):
    plain = servers.get(PLAIN)
    rows = [(f"{count} members", *RATES, *LATENCIES, INSTRUCTIONS, "busy %", "made", "at the rate", *COUNTS[1:])]
    for variant, one in servers.items():
        alone = variant == PLAIN or not plain
        texts = [f"{statistics.median(one.values[what]):,.0f}" if alone else spread(ratios(one, plain, what))
                 for what in (*RATES, *LATENCIES)]
        number = counted.get((1 if variant == PLAIN else count, variant))
        base = counted.get((1, PLAIN))
        texts.append("" if number is None else f"{number:,.0f}" if alone or not base else f"{number / base:.3f}")
        rows.append((variant, *texts, statistics.median(one.values["busy %"]),
                     sum(one.values["made"]), sum(one.values["made" + AT_THE_RATE]),
                     *(sum(one.values[what] + one.values[what + AT_THE_RATE]) for what in COUNTS[1:])))
    return table(rows)


def instructions_table(counted, members):
    base = counted.get((1, PLAIN))
    rows = [("user instructions a request, over plain", *(f"{count} members" for count in members))]
    for variant in dict.fromkeys(variant for _, variant in counted if variant not in (PLAIN, "plain+farm")):
        rows.append((variant, *(f"{counted[count, variant] - base:+,.0f}" if (count, variant) in counted else ""
                                for count in members)))
    return f"plain ProxyPass: {base:,.0f} user instructions a request\n{table(rows)}"


def write_csv(path, results, rates, counted):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["members", "variant", "round", "what", "value", "over_plain"])
        for count, servers in results.items():
            writer.writerow([count, "all", "", "rate of the open loop", rates[count], ""])
            plain = servers.get(PLAIN)
            for variant, one in servers.items():
                for what, values in one.values.items():
                    for at, value in enumerate(values):
                        base = plain.values[what][at] if plain and what.removesuffix(AT_THE_RATE) not in COUNTS else 0
                        writer.writerow([count, variant, at + 1, what, round(value, 2), round(value / base, 4) if base else ""])
        for (count, variant), value in counted.items():
            writer.writerow([count, variant, "", INSTRUCTIONS, round(value), round(value / counted[1, PLAIN], 4)])


def setting(options):
    """Versions and processors, for whoever reads the numbers later."""
    httpd, haproxy, nginx = (subprocess.run(command, capture_output=True, text=True, check=True) for command in (
        [APACHE, "-v"], ["/usr/sbin/haproxy", "-v"], ["/usr/sbin/nginx", "-v"]))
    versions = [httpd.stdout.splitlines()[0].split()[2], " ".join(haproxy.stdout.split()[:3]), nginx.stderr.split()[-1]]
    where = f"server on processor {options.server_pin[-1]}, client and members on {options.load_pin[-1]}" \
        if options.server_pin else "nothing is pinned"
    return f"{', '.join(versions)}; Linux {platform.release()}; {os.cpu_count()} processors: {where}"


def report(options, counted, results, rates):
    for count, servers in results.items():
        rounds = len(next(iter(servers.values())).values["p50 us"])
        print(overview(count, servers, counted))
        print(f"p50 and p99 at {rates[count]:,} requests/s; {rounds} rounds: medians (lowest-highest)\n")
    if counted:
        print(instructions_table(counted, options.members))


def parsed():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--module", type=Path, default=DEFAULT_MODULE)
    parser.add_argument("--farmbench", type=Path, default=choices.FARMBENCH)
    parser.add_argument("--minutes", type=float, default=15, help="for all of it: what is not said otherwise is made to fit")
    parser.add_argument("--members", type=int, nargs="+", default=MEMBERS, metavar="N")
    parser.add_argument("--variants", nargs="+", default=VARIANTS, choices=VARIANTS, metavar="NAME", help=", ".join(VARIANTS))
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, help="of each run; without it, what the time allows")
    parser.add_argument("--rate", type=int, help="requests a second of the open loop; without it, what the dearest server "
                        "needs 0.3 of a processor for")
    parser.add_argument("--connections", type=int, default=16, help="of the closed loop")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--csv", type=Path, metavar="FOLDER", help="write all numbers there too")
    return parser.parse_args()


def main():
    options = parsed()
    clean_up_when_ended()
    began = time.monotonic()
    minute = 60 * options.minutes / 15      # of the time that this was planned for
    options.server_pin, options.load_pin = pins()
    print(f"{setting(options)}; load when it began: {os.getloadavg()[0]:.1f}\n", flush=True)
    if options.csv:
        options.csv.mkdir(parents=True, exist_ok=True)
    few = max(1, round(3 * options.minutes / 15))
    for name, part in (("choices", choices), ("locks", locks)):
        if name in options.parts:
            words = ["--rounds", str(few), "--farmbench", str(options.farmbench)]
            part.main(words + (["--csv", str(options.csv / f"{name}.csv")] if options.csv else []))
            print(flush=True)
    counted, results, rates = {}, {}, {}
    with tempfile.TemporaryDirectory(prefix="farm-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copy(options.module, folder / instructions.MODULE_OBJECT)
        compiled(folder)
        if "instructions" in options.parts:
            counted = count_instructions(options, folder, time.monotonic() + INSTRUCTIONS_PART * 15 * minute)
        if "load" in options.parts:
            results, rates = load(options, folder, began + 15 * minute)
    report(options, counted, results, rates)
    if options.csv:
        write_csv(options.csv / "sidebyside.csv", results, rates, counted)
        print(f"\nAll numbers: {options.csv}")
    print(f"\n{(time.monotonic() - began) / 60:.1f} minutes; load at the end: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
