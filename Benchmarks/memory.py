#!/usr/bin/python3
"""Resident memory of a child with farms of 3 and of 1,000 members, beside the same httpd without the module. See
README.md."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

from benchhttpd import DEFAULT_MODULE, Backend, Client, Httpd, clean_up_when_ended, table, wait_until  # noqa: E402

MPMS = {
    "event": ["StartServers 1", "ServerLimit 1", "ThreadsPerChild 16", "MaxRequestWorkers 16", "MinSpareThreads 1",
              "MaxSpareThreads 16"],
    "prefork": ["StartServers 1", "ServerLimit 1", "MaxRequestWorkers 1", "MinSpareServers 1", "MaxSpareServers 1"],
}


def memory(pid):
    """(RSS, PSS) in KiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {line.split()[0]: int(line.split()[1]) for line in lines}
    return sizes["Rss:"], sizes["Pss:"]


def run(options, variant, members):
    """Memory of the only child when it has started, and when it has served enough requests to know every member."""
    backend = Backend(members)
    module = None if variant in ("plain", "byrequests") else options.module
    httpd = Httpd(options.mpm, variant, backend.urls(), module, mpm_lines=MPMS[options.mpm])
    try:
        httpd.start()
        child = wait_until(httpd.children, "a child")[0]
        client = Client(httpd.port)
        client.get("/none")                 # the child has come up when it answers
        idle = memory(child)
        for _ in range(options.requests):
            if (answer := client.get("/app/hello")) != (200, b"ok\n"):
                raise SystemExit(f"{variant} {members}: {answer}:\n{httpd.said()}")
        client.close()
        return idle, memory(child), memory(httpd.process.pid), backend.counts()[0]
    finally:
        httpd.stop()
        backend.stop()
        httpd.remove()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--module", type=Path, default=DEFAULT_MODULE)
    parser.add_argument("--mpm", choices=sorted(MPMS), default="event")
    parser.add_argument("--members", type=int, nargs="+", default=[3, 1000], metavar="N")
    parser.add_argument("--requests", type=int, default=10000)
    options = parser.parse_args()
    clean_up_when_ended()
    cases = [("plain", 1)]
    cases += [(variant, members) for variant in ("byrequests", "roundrobin", "adaptive") for members in options.members]
    rows = [("KiB", "members", "child at first: RSS", "PSS", "after the requests: RSS", "PSS", "parent: RSS", "PSS",
             "connections to members")]
    with tempfile.TemporaryDirectory(prefix="farm-bench-") as folder:
        Path(folder).chmod(0o755)
        options.module = shutil.copy(options.module, Path(folder) / "mod_proxy_farm.so")
        for variant, members in cases:
            idle, used, parent, connections = run(options, variant, members)
            rows.append((variant, members, *idle, *used, *parent, connections))
    print(f"mpm_{options.mpm}, {options.requests:,} requests")
    print(table(rows))


if __name__ == "__main__":
    main()
