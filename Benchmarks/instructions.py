#!/usr/bin/python3
"""User instructions per proxied request over plain ProxyPass, by callgrind on one httpd process: 1,000 requests on a kept
connection, after enough others to have a connection to every member. See README.md."""

import argparse
import base64
import csv
import hashlib
import hmac
import shutil
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.dont_write_bytecode = True

import benchprofile  # noqa: E402
from benchhttpd import (BALANCERS, DEFAULT_MODULE, ONE_CHILD, UPDATE, Backend, Client, Httpd,  # noqa: E402
                        clean_up_when_ended, end_process, table)

REQUESTS = 1000
# httpd calls it for an OPTIONS request and for no other. There callgrind writes down what it has counted and begins anew:
# start and warm-up differ from run to run by more than the hundred thousand instructions that make a hundred for each
# request.
MARK = "ap_send_http_options"
# What the log says of the farm, for the servers with a farm and those without: more to log costs more.
LOGS = {"member": ("FARM_MEMBER",), "member+reason": ("FARM_MEMBER", "FARM_REASON"), "nothing": ()}
IN_TURN = (*BALANCERS, "roundrobin", "traffic")


def warm_up(variant, members):
    """Requests before the counted ones. In turn every member is met in the first round; draws at random miss a member
    with probability e^-10 in ten times as many requests as there are members."""
    return max(100, (2 if variant in IN_TURN else 10) * members)


# A variant whose members have told their metrics before requests are counted.
METRICS = "+metrics"


# Variants whose requests have a Cookie header: one that is nobody's business here, an instruction, a forged one.
COOKIES = ("+cookie", "+instruction", "+forged")
KEY = "only-a-benchmark-and-not-a-secret"


def cookie_line(variant):
    """The Cookie header of a variant's requests; empty: none."""
    if not variant.endswith(COOKIES):
        return ""
    if variant.endswith("+cookie"):
        return "Cookie: session=3f6f7a0e5b; theme=dark"
    def digits(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    signed = "v1.k1." + digits(f"farm=app&member=m0000&exp={int(time.time()) + 86400}".encode())
    mac = hmac.new(KEY.encode(), signed.encode(), hashlib.sha256).digest()
    if variant.endswith("+forged"):
        mac = bytes([mac[0] ^ 1]) + mac[1:]
    return f"Cookie: session=3f6f7a0e5b; farm={signed}.{digits(mac)}"


def push_metrics(client, members):
    """Different loads, so that none is a special case; a few members at a time, for answers that have a Content-Length."""
    for first in range(0, members, 50):
        groups = "".join(f"&member=m{n:04}&cpu={0.1 + 0.9 * n / members:.3f}&queue={n % 7}"
                         for n in range(first, min(first + 50, members)))
        status, said = client.get("/farm-update", form=f"farm=app{groups}")
        if status != 200:
            raise SystemExit(f"the metrics were refused: {status} {said}")


def run(options, log, variant, members):
    """The profile of one request and the connections made meanwhile, of `options.requests` that one httpd serves after the
    warm-up."""
    backend = Backend(members)
    module = None if variant in ("plain", *BALANCERS) else options.module
    # All or none: httpd walks its Locations for each request.
    locations = list(UPDATE) if any(METRICS in one for one in options.variants) else []
    header = cookie_line(variant)
    bare = variant.removesuffix("+farm").removesuffix(METRICS)
    for suffix in COOKIES:
        bare = bare.removesuffix(suffix)
    if module and any(one.endswith(COOKIES) for one in options.variants):
        locations += [f"FarmSecretFile {options.keys}"]
    httpd = Httpd(options.mpm, bare, backend.urls(), module,
                  mpm_lines=ONE_CHILD[options.mpm], logged=LOGS[log], more=locations)
    out = httpd.root / "out"
    out.chmod(0o777)                    # the profiles are written by the user that httpd has become
    try:
        httpd.start(one_process=True, seconds=240, under=[
            "valgrind", "-q", "--tool=callgrind", "--vgdb=no", f"--dump-before={MARK}",
            f"--callgrind-out-file={out}/profile"])
        client = Client(httpd.port)
        if variant.endswith(METRICS):
            push_metrics(client, members)

        def get(numbers):
            for number in numbers:      # paths of the same length, and others: a hash of them meets all members
                if (answer := client.get(f"/app/{number:05}", header=header)) != (200, b"ok\n"):
                    raise SystemExit(f"request {number} of {variant} {members} got {answer}:\n{httpd.said()}")

        warm = warm_up(variant, members)
        get(range(warm))
        for _ in range(2):              # profile.1 and .2: what was before
            client.get("/", "OPTIONS")
        before = backend.counts()[0]
        get(range(warm, warm + options.requests))
        made = backend.counts()[0] - before
        for _ in range(2):              # profile.3: the requests and an OPTIONS; profile.4: an OPTIONS
            client.get("/", "OPTIONS")
        client.close()
        end_process(httpd.process, signal.SIGINT)
        profiles = [out / f"profile.{number}" for number in (3, 4)]
        if not all(profile.exists() for profile in profiles):
            raise SystemExit(f"callgrind wrote nothing:\n{httpd.said()}")
        counted, mark = (benchprofile.read(profile) for profile in profiles)
        return counted.minus(mark, options.requests), made
    finally:
        httpd.stop()
        backend.stop()
        httpd.remove()


class Result:
    """One more request of a kind, and what it costs over plain ProxyPass."""

    def __init__(self, log, variant, members, profile, cold):
        self.log, self.variant, self.members = log, variant, members
        self.profile = profile
        self.cold = cold                # connections to members made while requests were counted
        self.plain = None

    @property
    def is_farm(self):
        return self.variant not in ("plain", "plain+farm", *BALANCERS)

    @property
    def over(self):
        return self.profile.total - self.plain.total

    @property
    def parts(self):
        return benchprofile.parts(self.profile, MODULE_OBJECT)


def unless_late(options, *case):
    """As run(); nothing when it is too late to begin."""
    return None if options.until and time.monotonic() > options.until else run(options, *case)


def measure(options):
    """A Result of each kind of request. `options.until`: no run begins after that time of time.monotonic()."""
    kinds = [("plain", 1), ("plain+farm", 1)]
    for members in options.members:
        kinds += [(variant, members) for variant in options.variants]
    cases = [(log, *kind) for log in options.logs for kind in kinds]
    pool = ThreadPoolExecutor(options.jobs)
    try:
        jobs = [(case, pool.submit(unless_late, options, *case)) for case in cases]
        results = []
        for case, job in jobs:
            if found := job.result():
                results.append(Result(*case, *found))
            print("measured" if found else "no time was left for", *case, file=sys.stderr, flush=True)
    finally:
        pool.shutdown(cancel_futures=True)
    plain = {result.log: result.profile for result in results if result.variant == "plain"}
    for result in results:
        result.plain = plain[result.log]
    return results


def overview(results):
    rows = [("user instructions a request", "members", "logged", "all", "over plain", "in and for the module", "elsewhere",
             "connections made")]
    for result in results:
        own = sum(result.parts.values())
        rows.append((result.variant, result.members, result.log, result.profile.total, result.over, own, result.over - own,
                     result.cold))
    return rows


def parts_table(results):
    """What is logged makes no difference to the module."""
    farms = [result for result in results if result.is_farm and result.log == results[0].log]
    costs = [result.parts for result in farms]
    rows = [("part", *(f"{result.variant} {result.members}" for result in farms))]
    return rows + [(name, *(cost[name] for cost in costs)) for name in [*benchprofile.PARTS, "other"]
                   if any(cost[name] >= 0.5 for cost in costs)]


def write_csv(results, path):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["variant", "members", "logged", "what", "instructions_per_request"])
        for result in results:
            costs = {"all": result.profile.total, "over plain": result.over, **(result.parts if result.is_farm else {})}
            for name, cost in costs.items():
                writer.writerow([result.variant, result.members, result.log, name, round(cost)])


def hot_spots(results, top=25):
    """Markdown: where the instructions over plain ProxyPass are spent, function by function."""
    for result in results:
        if not result.is_farm:
            continue
        profile, plain = result.profile, result.plain
        print(f"\n## {result.variant}, {result.members} members, {result.log} logged: {result.over:+,.0f} over plain\n")
        print("Most instructions over the plain profile, exclusive:\n\n| object | function | plain | here | more |")
        print("| --- | --- | ---: | ---: | ---: |")
        keys = sorted(profile.alone.keys() | plain.alone.keys(), reverse=True,
                      key=lambda key: profile.alone.get(key, 0) - plain.alone.get(key, 0))
        for key in [*keys[:top], *(key for key in keys[:-11:-1])]:
            here, there = profile.alone.get(key, 0), plain.alone.get(key, 0)
            if abs(here - there) >= 1:
                print(f"| {key[0]} | {key[1]} | {there:,.0f} | {here:,.0f} | {here - there:+,.0f} |")
        print("\nCalls of others among themselves that cost more than in the plain profile (they overlap):\n")
        print("| caller | callee | more instructions | calls more |\n| --- | --- | ---: | ---: |")
        more = {call: cost - plain.calls.get(call, 0) for call, cost in profile.calls.items()
                if MODULE_OBJECT not in (call[0][0], call[1][0]) and abs(cost - plain.calls.get(call, 0)) >= 10
                and call[1][1] not in benchprofile.HANDED_ON}
        for call in sorted(more, key=more.get, reverse=True)[:top * 2]:
            times = profile.times.get(call, 0) - plain.times.get(call, 0)
            print(f"| {call[0][0]} {call[0][1]} | {call[1][1]} | {more[call]:+,.0f} | {times:+.3g} |")
        print("\nFunctions of the module: their own instructions, and those of others they call:\n")
        print("| function | part | alone | others | calls to others (instructions, times) |")
        print("| --- | --- | ---: | ---: | --- |")
        costs = benchprofile.causes(profile, MODULE_OBJECT)
        for name, (alone, others) in sorted(costs.items(), key=lambda item: -sum(item[1]))[:top]:
            called = sorted(((cost, callee[1], profile.times.get((caller, callee), 0))
                             for (caller, callee), cost in profile.calls.items()
                             if caller == (MODULE_OBJECT, name) and callee[0] != MODULE_OBJECT
                             and callee[1] not in benchprofile.HANDED_ON), reverse=True)[:6]
            told = ", ".join(f"{callee} {cost:,.0f} ({times:.3g})" for cost, callee, times in called if cost >= 1)
            print(f"| {name} | {benchprofile.PART_OF.get(name, '')} | {alone:,.0f} | {others:,.0f} | {told} |")


MODULE_OBJECT = "mod_proxy_farm.so"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--module", type=Path, default=DEFAULT_MODULE)
    parser.add_argument("--csv", type=Path, help="write all numbers there too")
    parser.add_argument("--hotspots", type=Path, help="write what each function costs there, as Markdown")
    parser.add_argument("--mpm", choices=["prefork", "event"], default="prefork")
    parser.add_argument("--members", type=int, nargs="+", default=[4, 64, 1000], metavar="N")
    parser.add_argument("--variants", nargs="+", default=["byrequests", "roundrobin", "adaptive"],
                        help="NAME+metrics: its members have pushed metrics; NAME+cookie, +instruction, +forged: what its "
                        "requests' Cookie header has")
    parser.add_argument("--logs", nargs="+", choices=LOGS, default=["member", "member+reason"], help="what the log says of the farm")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="counted ones of each run")
    parser.set_defaults(until=None)
    options = parser.parse_args()
    clean_up_when_ended()
    if not shutil.which("valgrind"):
        parser.error("valgrind is not installed")
    with tempfile.TemporaryDirectory(prefix="farm-bench-") as folder:
        # The copy keeps its bytes when the module is built again meanwhile, and its name, by which profiles know it.
        Path(folder).chmod(0o755)
        options.module = Path(shutil.copy(options.module, Path(folder) / MODULE_OBJECT))
        options.keys = Path(folder) / "keys"
        options.keys.touch(0o600)
        options.keys.write_text(f"k1:{KEY}\n")
        results = measure(options)
    print(table(overview(results)))
    print()
    print(table(parts_table(results)))
    if options.csv:
        write_csv(results, options.csv)
    if options.hotspots:
        with open(options.hotspots, "w") as sys.stdout:
            hot_spots(results)
        sys.stdout = sys.__stdout__


if __name__ == "__main__":
    main()
