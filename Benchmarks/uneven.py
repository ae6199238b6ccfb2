#!/usr/bin/python3
"""Four real members of which one has a quarter of the others' capacity, behind a real httpd, at 70 % of what all can do:
latency and shares by algorithm, beside mod_proxy_balancer in the same run. See README.md."""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

from benchhttpd import (BALANCERS, DEFAULT_MODULE, UPDATE, Client, Httpd, addresses,  # noqa: E402
                        clean_up_when_ended, end_process, free_port, table, wait_until)
from benchload import compiled  # noqa: E402

SLOTS = (8, 8, 8, 2)
SERVICE_US = 10_000
MPM = ["StartServers 4", "ServerLimit 4", "ThreadLimit 80", "ThreadsPerChild 80", "MaxRequestWorkers 320",
       "MinSpareThreads 1", "MaxSpareThreads 320"]
PUSHED = " pushed"                      # after an algorithm's name: the members push their utilisation
VARIANTS = ["byrequests", "bybusyness", "roundrobin", "busyness", "adaptive", "load" + PUSHED, "adaptive" + PUSHED]


def run(options, folder, variant):
    """One run's numbers: wrong, unanswered, p50 and p99 in microseconds, answers by member."""
    where = addresses(len(SLOTS))
    port = free_port(where)
    algorithm = variant.removesuffix(PUSHED)
    httpd = Httpd("event", algorithm, [f"http://{one}:{port}" for one in where],
                  None if algorithm in BALANCERS else folder / "mod_proxy_farm.so", mpm_lines=MPM,
                  more=() if algorithm in BALANCERS else UPDATE)
    members = subprocess.Popen(
        [folder / "benchmembers", str(port), str(SERVICE_US), str(options.seconds + 60),
         str(httpd.port if variant.endswith(PUSHED) else 0), *(f"{one}={slots}" for one, slots in zip(where, SLOTS))],
        stdout=subprocess.PIPE, text=True)
    try:
        if members.stdout.readline().strip() != "ready":
            raise SystemExit("the members did not start")
        httpd.start()
        client = Client(httpd.port)
        wait_until(lambda: client.get("/app/hello")[0] == 200, "an answer")
        if variant.endswith(PUSHED):
            wait_until(lambda: "utilisation" in httpd_log(httpd), "a member's update")
        client.close()
        rate = options.part * sum(SLOTS) * 1e6 / SERVICE_US
        said = subprocess.run(
            [folder / "benchclient", str(httpd.port), str(rate), str(options.seconds), str(options.warm)],
            capture_output=True, text=True, timeout=options.seconds + 60)
        if said.returncode:
            raise SystemExit(f"the client failed: {said.stderr}\n{httpd.said()}")
        numbers = [int(word) for word in said.stdout.split()]
        return numbers[1], numbers[2], numbers[3], numbers[4], numbers[5:5 + len(SLOTS)]
    finally:
        httpd.stop()
        end_process(members)
        members.stdout.close()
        httpd.remove()


def httpd_log(httpd):
    return (httpd.root / "logs" / "access.log").read_text(errors="replace")


def report(results):
    fair = [slots / sum(SLOTS) for slots in SLOTS]
    rows = [("median of the rounds", "p50 ms", "p99 ms", "highest p99", "wrong", "unanswered",
             *(f"share {n + 1}" for n in range(len(SLOTS))))]
    rows.append(("capacity", "", "", "", "", "", *(f"{part:.3f}" for part in fair)))
    for variant, runs in results.items():
        shares = [[count / max(1, sum(one[4])) for count in one[4]] for one in runs]
        rows.append((variant, *(f"{statistics.median(one[at] for one in runs) / 1000:.1f}" for at in (2, 3)),
                     f"{max(one[3] for one in runs) / 1000:.1f}", sum(one[0] for one in runs), sum(one[1] for one in runs),
                     *(f"{statistics.median(column):.3f}" for column in zip(*shares))))
    return table(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--module", type=Path, default=DEFAULT_MODULE)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=4, help="of each run")
    parser.add_argument("--warm", type=float, default=1, help="the first seconds of a run, which do not count")
    parser.add_argument("--part", type=float, default=0.7, help="of the members' capacity")
    parser.add_argument("--variants", nargs="+", default=VARIANTS)
    options = parser.parse_args()
    clean_up_when_ended()
    with tempfile.TemporaryDirectory(prefix="farm-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copy(options.module, folder / "mod_proxy_farm.so")
        compiled(folder)
        print(f"load of this machine: {os.getloadavg()[0]:.1f} of {os.cpu_count()} processors", file=sys.stderr)
        results = {variant: [] for variant in options.variants}
        for number in range(options.rounds):
            for variant in options.variants if number % 2 == 0 else reversed(options.variants):
                results[variant].append(run(options, folder, variant))
        print(report(results))


if __name__ == "__main__":
    main()
