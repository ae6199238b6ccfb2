#!/usr/bin/python3
"""Whether httpd's child grows with the requests it serves, and its parent with restarts. Exit status 1 when one does. See
README.md."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.dont_write_bytecode = True

from benchfarms import MPM, cookies_to_all, farms_of, requests_of, restarted_farms, secret_of  # noqa: E402
from benchgrowth import Held, own_ipc, semaphores, slope, step  # noqa: E402
from benchhttpd import (DEFAULT_MODULE, HERE, Client, Httpd, addresses, clean_up_when_ended, end_process,  # noqa: E402
                        free_port, table, wait_until)

CLIENTS = 16
SLICES = 20
WARM_RESTARTS = 20
KIB_A_SLICE, COUNT_A_SLICE = 32.0, 0.5
KIB_A_RESTART, COUNT_A_RESTART = 1.0, 0.05
UP = "resuming normal operations"


class Fed:
    """An httpd whose farms stand in a file that may change, and the members and clients of benchfeed.c."""

    def __init__(self, folder, module, members, lines=()):
        self.where = addresses(members)
        self.port = free_port(self.where)
        self.urls = [f"http://{address}:{self.port}" for address in self.where]
        self.httpd = Httpd("event", None, [], module, mpm_lines=MPM, status=bool(module), logged=None,
                           more=[*lines, "Include farms.conf"])
        self.folder = folder
        self.feed = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.httpd.stop()
        if self.feed:
            self.feed.stdin.close()
            end_process(self.feed)
            self.feed.stdout.close()
        self.httpd.remove()

    def configure(self, text):
        secret_of(self.httpd.root)
        (self.httpd.root / "farms.conf").write_text(text)

    def start(self, requests):
        (self.httpd.root / "requests").write_bytes(b"".join(request + b"\0" for request in requests))
        self.feed = subprocess.Popen(
            [self.folder / "benchfeed", str(self.httpd.port), str(CLIENTS), "1800", self.httpd.root / "requests", str(self.port),
             *self.where], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.feed.stdout.readline().strip() != "ready":
            raise SystemExit("the members did not start")
        self.httpd.start()
        return self

    def serve(self, count, closed=0):
        """So many requests; {status: how many}. `closed`: as many may meet a kept connection that is just being closed."""
        print(count, file=self.feed.stdin, flush=True)
        said = self.feed.stdout.readline()
        counts = {int(status): int(number) for status, number in (word.split("=") for word in said.split())}
        if sum(counts.values()) != count or counts.get(200, 0) < 0.97 * count - closed:
            raise SystemExit(f"of {count} requests came: {counts}\n{self.httpd.said()[-4000:]}")
        return counts

    def clear_log(self):
        """What a million requests give to say is of no use and takes room."""
        os.truncate(self.httpd.root / "logs" / "error.log", 0)


def child_over_requests(options, folder, members):
    """What the only child and the parent hold after each slice of the requests."""
    with Fed(folder, folder / "mod_proxy_farm.so", members) as server:
        server.configure(farms_of(server.urls))
        server.start(requests_of(members, options.seed))
        child = wait_until(server.httpd.children, "a child")[0]
        # Of connections to members a child makes one when it is first needed, which for some is late.
        client = Client(server.httpd.port)
        for cookie in cookies_to_all(members):
            client.get("/app/first", header=cookie)
        client.close()
        samples = []
        for _ in range(SLICES):
            server.serve(options.requests // SLICES)
            server.clear_log()
            samples.append((Held.by(child), Held.by(server.httpd.process.pid)))
        if server.httpd.children() != [child]:
            raise SystemExit(f"the child has been replaced:\n{server.httpd.said()[-4000:]}")
        return samples


def parent_over_restarts(options, folder, mutex, module):
    """What the parent holds after each restart, and semaphores of the machine."""
    with Fed(folder, module, options.restart_members, [f"Mutex {mutex} default"]) as server:
        parts = restarted_farms(server.urls, bool(module))
        server.configure(parts[0])
        server.start([b"GET /app/hello HTTP/1.1\r\nHost: localhost\r\n\r\n"])
        samples = []
        for number in range(options.restarts + 1):
            if options.ended.is_set():
                break
            if number:
                restart(server, parts[number % len(parts)])
            server.serve(100, closed=CLIENTS)
            samples.append((Held.by(server.httpd.process.pid), semaphores()))
        return samples


def restart(server, text):
    """A graceful one, at whose end no child of before is left."""
    old = set(server.httpd.children())
    server.configure(text)
    server.clear_log()
    server.httpd.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: UP in server.httpd.said(), "httpd to restart")
    wait_until(lambda: not old & set(server.httpd.children()), "the children of before to end")


def compiled(folder):
    subprocess.run(["gcc", "-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-o", folder / "benchfeed", HERE / "benchfeed.c"],
                   check=True)


class Report:
    """A table of what was held, and whether something has grown by more than it may."""

    def __init__(self):
        self.rows = [("", "", "at first", "warm", "at the end", "rise each", "may rise", "")]
        self.grows = False

    def add(self, who, what, numbers, warm, allowed, rise_of=slope):
        """`numbers` from first to last, of which the first `warm` may differ."""
        rise = rise_of(numbers[warm:])
        is_bad = rise > allowed
        self.grows |= is_bad
        self.rows.append((who, what, numbers[0], numbers[warm], numbers[-1], f"{rise:.2f}", f"{allowed:.2f}",
                          "grows" if is_bad else ""))
        return rise

    def __str__(self):
        return table(self.rows)


def over_requests(options, folder):
    grows = False
    for members in options.members:
        report = Report()
        samples = child_over_requests(options, folder, members)
        for who, at in (("child", 0), ("parent", 1)):
            for what in ("private", "maps", "files"):
                report.add(f"{who}, {members} members", what, [getattr(sample[at], what) for sample in samples],
                           SLICES // 2, KIB_A_SLICE if what == "private" else COUNT_A_SLICE, step)
        print(f"over {options.requests:,} requests, after each {options.requests // SLICES:,}; memory in KiB\n{report}\n",
              flush=True)
        grows |= report.grows
    return grows


def series_of_restarts(options, folder):
    """{mutex: (samples without the module, with it)}: all at the same time, since most of a restart is httpd's waiting."""
    with ThreadPoolExecutor(2 * len(options.mutexes) or 1) as pool:
        try:
            begun = {mutex: [pool.submit(parent_over_restarts, options, folder, mutex, module)
                             for module in (None, folder / "mod_proxy_farm.so")] for mutex in options.mutexes}
            return {mutex: [one.result() for one in both] for mutex, both in begun.items()}
        finally:
            options.ended.set()         # where one has failed, or somebody ends this, the others stop too


def over_restarts(options, folder):
    report = Report()
    warm = min(WARM_RESTARTS, options.restarts // 2)
    for mutex, (plain, farms) in series_of_restarts(options, folder).items():
        usual = 0.0
        for who, samples in (("no farm", plain), ("farms", farms)):
            held = [sample[0] for sample in samples]
            # What httpd itself leaves behind at a restart, the module need not answer for.
            rise = report.add(f"{mutex}, {who}", "private", [one.private for one in held], warm,
                              usual + KIB_A_RESTART if samples is farms else float("inf"))
            usual = max(0.0, rise)
            for what in ("maps", "files", "segments"):
                report.add(f"{mutex}, {who}", what, [getattr(one, what) for one in held], warm, COUNT_A_RESTART)
        if mutex == "sysvsem":
            report.add("all four" if options.alone else "this machine", "semaphores", [sample[1] for sample in farms], warm,
                       COUNT_A_RESTART)
    print(f"the parent, over {options.restarts} graceful restarts; memory in KiB\n{report}", flush=True)
    return report.grows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--module", type=Path, default=DEFAULT_MODULE)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--members", type=int, nargs="*", default=[4, 512])
    parser.add_argument("--restarts", type=int, default=200)
    parser.add_argument("--restart-members", type=int, default=24)
    parser.add_argument("--mutexes", nargs="*", default=["pthread", "sysvsem"])
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.ended = threading.Event()
    options.alone = own_ipc()           # before the first thread, since it is for this one and those that it makes
    clean_up_when_ended()
    grows = False
    with tempfile.TemporaryDirectory(prefix="farm-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copy(options.module, folder / "mod_proxy_farm.so")
        compiled(folder)
        grows |= over_requests(options, folder)
        grows |= over_restarts(options, folder)
    sys.exit(grows)


if __name__ == "__main__":
    main()
