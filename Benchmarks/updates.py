#!/usr/bin/python3
"""What members' updates cost httpd: single ones of two metrics beside a static file of ten bytes over the same connections,
and 64 in one POST. See README.md."""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

from benchhttpd import DEFAULT_MODULE, UPDATE, Client, Httpd, addresses, clean_up_when_ended, table  # noqa: E402

MEMBERS = 64
FEW = 4
STATIC, MANY = "/ten", "/farm-update"
ONE_OF_FEW, ONE_OF_MANY = (f"/farm-update?farm={farm}&member=m0001&cpu=0.42&db=57" for farm in ("few", "app"))
NAMES = {STATIC: "static file of 10 bytes", ONE_OF_FEW: f"one member of a farm of {FEW}, GET",
         ONE_OF_MANY: f"one member of a farm of {MEMBERS}, GET", MANY: f"all {MEMBERS} members, POST"}
# One child, so that processor time is read of one process that stays.
ONE_PROCESS = ["StartServers 1", "ServerLimit 1", "ThreadLimit 32", "ThreadsPerChild 32", "MaxRequestWorkers 32"]
TICK = os.sysconf("SC_CLK_TCK")


def post_script(folder):
    """wrk's script for a POST of all members."""
    form = "farm=app" + "".join(f"&member=m{n:04}&cpu=0.{n:02}&db={n}" for n in range(MEMBERS))
    script = folder / "post.lua"
    script.write_text(f'wrk.method = "POST"\nwrk.body = "{form}"\n'
                      'wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"\n')
    return script, form


def processor_seconds(httpd):
    """Of the parent and its child, so far."""
    ticks = 0
    for pid in (httpd.process.pid, *httpd.children()):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICK


def drive(httpd, path, connections, seconds, script=None):
    """(requests a second, microseconds of httpd's processor time a request) of one run of wrk."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *(["-s", str(script)] if script else []),
               f"http://127.0.0.1:{httpd.port}{path}"]
    before = processor_seconds(httpd)
    said = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=True).stdout
    used = processor_seconds(httpd) - before
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"{path} was not always answered well:\n{said}\n{httpd.said()}")
    requests = int(re.search(r"(\d+) requests in", said).group(1))
    return float(re.search(r"Requests/sec:\s*([\d.]+)", said).group(1)), used / requests * 1e6


def measure(httpd, script, rounds, seconds):
    """{(what, connections): [(requests a second, processor time), one a round]}; rounds are interleaved."""
    cases = [(what, connections) for connections in (1, 16) for what in NAMES]
    results = {case: [] for case in cases}
    for number in range(rounds):
        for what, connections in cases if number % 2 == 0 else reversed(cases):
            results[what, connections].append(
                drive(httpd, what, connections, seconds, script if what == MANY else None))
    return results


def report(results):
    rows = [("median of the rounds", "connections", "requests/s", "beside static", "lowest and highest", "processor us",
             "beside static", "member updates/s", "the same by processor time")]
    for (what, connections), runs in results.items():
        static = results[STATIC, connections]
        rate, time = (statistics.median(column) for column in zip(*runs))
        ratios = [run[0] / other[0] for run, other in zip(runs, static)]
        times = [run[1] / other[1] for run, other in zip(runs, static)]
        members = {STATIC: 0, MANY: MEMBERS}.get(what, 1)
        rows.append((NAMES[what], connections, rate, f"{statistics.median(ratios):.2f}",
                     f"{min(ratios):.2f} {max(ratios):.2f}", f"{time:.1f}", f"{statistics.median(times):.2f}",
                     rate * members if members else "", members * 1e6 / time if members else ""))
    return table(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--module", type=Path, default=DEFAULT_MODULE)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=1, help="of each run of wrk")
    options = parser.parse_args()
    clean_up_when_ended()
    if not shutil.which("wrk"):
        parser.error("wrk is not installed")
    with tempfile.TemporaryDirectory(prefix="farm-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        module = shutil.copy(options.module, folder / "mod_proxy_farm.so")
        (folder / "ten").write_text("123456789\n")
        script, form = post_script(folder)
        urls = [f"http://{one}:9" for one in addresses(MEMBERS)]
        few = [f'FarmMember "{url}" name=m{n:04}' for n, url in enumerate(urls[:FEW])]
        httpd = Httpd("event", "adaptive", urls, module,
                      mpm_lines=ONE_PROCESS, logged=(),
                      more=[f'DocumentRoot "{folder}"', '<Directory "/">', "AllowOverride None", "Require all granted",
                            "</Directory>", "<Farm few>", *few, "</Farm>", *UPDATE])
        try:
            httpd.start()
            client = Client(httpd.port)
            for path in NAMES:
                if (answer := client.get(path, form=form if path == MANY else None))[0] != 200:
                    raise SystemExit(f"{path} got {answer}:\n{httpd.said()}")
            client.close()
            print(f"load of this machine: {os.getloadavg()[0]:.1f} of {os.cpu_count()} processors", file=sys.stderr)
            print(report(measure(httpd, script, options.rounds, options.seconds)))
        finally:
            httpd.stop()
            httpd.remove()


if __name__ == "__main__":
    main()
