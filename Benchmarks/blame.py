#!/usr/bin/python3
"""Requests that break members, and outages of whole farms, on real application servers: what the other clients see, beside
mod_proxy_balancer in the same httpd. See README.md."""

import argparse
import collections
import contextlib
import http.client
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True

from benchhttpd import DEFAULT_MODULE, MODULES_DIR, Httpd, clean_up_when_ended, end_process, farm_rows, free_port, \
    member_rows, table, wait_until  # noqa: E402

APPLICATION = """
import os, signal
def application(environ, start_response):
    if "poison" in environ["PATH_INFO"]:
        os.kill(os.getpid(), signal.SIGKILL)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
"""
# By the path of each.
NAMES = {"app": "farm", "bal": "balancer"}
BALANCER = ["slotmem_shm", "proxy_balancer", "lbmethod_byrequests"]


class Script:
    """A member. For each request it calls `behave(path)`, which returns the bytes to send and whether to keep the connection."""

    def __init__(self, behave, port=None):
        self.behave = behave
        self.port = port or free_port(["127.0.0.1"])
        self.open()

    def open(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def close(self):
        # A listener that another thread waits on stays open until that wait ends.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(listener.accept()[0],), daemon=True).start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            data = b""
            while True:
                while b"\r\n\r\n" not in data:
                    if not (more := connection.recv(65536)):
                        return
                    data += more
                head, _, data = data.partition(b"\r\n\r\n")
                answer, keep = self.behave(head.split(b" ")[1].decode())
                connection.sendall(answer)
                if not keep:
                    return


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def poisoned(answer):
    return lambda path: (answer, False) if "poison" in path else (OK, True)


def ask(port, path, method="GET", body=None, headers=(), timeout=70):
    """The status of one request; 0 when there was none."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request(method, path, body=body, headers=dict(headers))
            answer = connection.getresponse()
            answer.read()
            return answer.status
    except (OSError, http.client.HTTPException):
        return 0


def every(seconds, period, call):
    """Calls again and again for so long, each time in a thread of its own; what the calls returned."""
    results, threads = [], []
    end = time.monotonic() + seconds
    following = time.monotonic()
    while following < end:
        thread = threading.Thread(target=lambda: results.append(call()))
        thread.start()
        threads.append(thread)
        following += period
        time.sleep(max(0, following - time.monotonic()))
    for thread in threads:
        thread.join()
    return results


@contextlib.contextmanager
def httpd(options, lines, load=()):
    server = Httpd("event", None, [], options.module, status=True, logged=None, mpm_lines=[
        "StartServers 2", "ServerLimit 4", "ThreadsPerChild 32", "MaxRequestWorkers 128"], more=[
        *(f'LoadModule {name}_module "{MODULES_DIR}/mod_{name}.so"' for name in load), *lines])
    try:
        yield server.start()
    finally:
        server.stop()
        server.remove()


def both(name, urls, scheme="http", *settings):
    """The same members behind a farm and behind a balancer."""
    farm, balancer = urls
    return ["<Farm app>", *(f"FarmMember {url} name=m{n}" for n, url in enumerate(farm)), *settings, "</Farm>",
            f'ProxyPass "/app/" "{scheme}://app/"', '<Proxy "balancer://app">',
            *(f"BalancerMember {url}" for url in balancer), "</Proxy>", 'ProxyPass "/bal/" "balancer://app/"']


def beside(server, seconds, poison, period=2.0):
    """Poison and normal pages at both, at the same time; for each the normal pages, and how many of them failed."""
    rows = []
    found = {}

    def run(way):
        poisoning = threading.Thread(target=lambda: every(seconds, period, lambda: poison(server.port, way)))
        poisoning.start()
        found[way] = every(seconds, 0.25, lambda: ask(server.port, f"/{way}/page"))
        poisoning.join()

    threads = [threading.Thread(target=run, args=(way,)) for way in ("app", "bal")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for way in ("app", "bal"):
        bad = collections.Counter(status for status in found[way] if status != 200)
        rows.append([NAMES[way], len(found[way]), sum(bad.values()), str(dict(bad))])
    return rows


def gunicorns(folder, count):
    (folder / "application.py").write_text(APPLICATION)
    made = []
    for _ in range(count):
        port = free_port(["127.0.0.1"])
        made.append((port, subprocess.Popen(
            ["gunicorn", "--chdir", str(folder), "-w", "2", "-b", f"127.0.0.1:{port}", "application:application"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)))
    for port, _ in made:
        wait_until(lambda: ask(port, "/page") == 200, "gunicorn")
    return made


def uwsgis(folder, count):
    (folder / "application.py").write_text(APPLICATION)
    made = []
    for _ in range(count):
        port = free_port(["127.0.0.1"])
        made.append((port, subprocess.Popen(
            ["uwsgi", "--plugin", "python3", "--chdir", str(folder), "--socket", f"127.0.0.1:{port}", "--processes", "2",
             "--master", "--die-on-term", "--module", "application", "--buffer-size", "4096"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)))
    for port, _ in made:
        wait_until(lambda: not socket.socket().connect_ex(("127.0.0.1", port)), "uwsgi")
    return made


def servers(options, folder, make, scheme, poison, load=()):
    made = make(folder, 6)
    try:
        urls = [f"{scheme}://127.0.0.1:{port}/" for port, _ in made]
        with httpd(options, both("app", (urls[:3], urls[3:]), scheme), [*BALANCER, *load]) as server:
            return beside(server, options.seconds, poison)
    finally:
        for _, process in made:
            end_process(process)


def scripts(options, answer, poison):
    made = [Script(poisoned(answer)) for _ in range(6)]
    urls = [f"http://127.0.0.1:{one.port}/" for one in made]
    with httpd(options, both("app", (urls[:3], urls[3:])), BALANCER) as server:
        return beside(server, options.seconds / 3, poison)


def large_posts(options):
    refusal = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    seen = collections.defaultdict(collections.Counter)

    def poison(port, way):
        seen[way][ask(port, f"/{way}/poison", "POST", b"x" * 20_000_000)] += 1

    rows = scripts(options, refusal, poison)
    return [[*row, f"the refused got {dict(seen[way])}"] for way, row in zip(NAMES, rows)]


def broken_for_good(options):
    """Seconds until FarmForward serves, with all members broken and a request every 50 ms."""
    rows = []
    for name, answer in (("close", b""), ("503 as failonstatus", b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")):
        made = [Script(lambda path: (answer, False)) for _ in range(4)]
        spare = Script(lambda path: (OK, True))
        lines = ["<Farm app>", *(f"FarmMember http://127.0.0.1:{one.port}/" for one in made), "FarmSet failonstatus=503",
                 "FarmForward down http://spare/", "</Farm>", "<Farm spare>", f"FarmMember http://127.0.0.1:{spare.port}/",
                 "</Farm>", 'ProxyPass "/app/" "http://app/"']
        with httpd(options, lines) as server:
            began = time.monotonic()
            while ask(server.port, "/app/x") != 200:
                time.sleep(0.05)
            rows.append([name, f"{time.monotonic() - began:.1f} s"])
    return rows


def outages(options):
    """All members of a farm are away for a while, with ten requests a second."""
    rows = []
    for seconds in options.outages:
        for count in (1, 4):
            made = [Script(lambda path: (OK, True)) for _ in range(count)]
            lines = ["<Farm app>", *(f"FarmMember http://127.0.0.1:{one.port}/" for one in made), "</Farm>",
                     'ProxyPass "/app/" "http://app/"']
            with httpd(options, lines) as server:
                wait_until(lambda: ask(server.port, "/app/x") == 200, "the farm")
                for one in made:
                    one.close()
                before = server.said().count("AH00957")
                every(seconds, 0.1, lambda: ask(server.port, "/app/x"))
                connects = server.said().count("AH00957") - before
                for one in made:
                    one.open()
                began = time.monotonic()
                while ask(server.port, "/app/x") != 200:
                    time.sleep(0.02)
                rows.append([f"{seconds} s, {count} member(s)", f"{time.monotonic() - began:.2f} s",
                             f"{connects / seconds / count:.1f}"])
    return rows


def dropping(options):
    """Four members whose network drops packets: requests that are held by them, looked at again and again."""
    listeners, fillers = [], []
    for _ in range(4):
        listener = socket.create_server(("127.0.0.1", free_port(["127.0.0.1"])), backlog=0)
        listeners.append(listener)
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
    lines = ["<Farm app>", *(f"FarmMember http://127.0.0.1:{one.getsockname()[1]}/" for one in listeners), "</Farm>",
             'ProxyPass "/app/" "http://app/" connectiontimeout=2']
    held = []
    with httpd(options, lines) as server:
        while farm_rows(server.port)[0]["condition"] != "down":
            ask(server.port, "/app/x")
        over = threading.Event()

        def watch():
            while not over.is_set():
                held.append(sum(row["inflight"] for row in member_rows(server.port)))
                time.sleep(0.02)

        watching = threading.Thread(target=watch)
        watching.start()
        statuses = every(10, 0.02, lambda: ask(server.port, "/app/x"))
        over.set()
        watching.join()
    for one in (*fillers, *listeners):
        one.close()
    return [["requests", len(statuses)], ["workers held at most", max(held)], ["on average", f"{sum(held) / len(held):.1f}"]]


PARTS = {
    "gunicorn": lambda options, folder: servers(
        options, folder, gunicorns, "http", lambda port, way: ask(port, f"/{way}/poison")),
    "uwsgi": lambda options, folder: servers(
        options, folder, uwsgis, "uwsgi", lambda port, way: ask(port, f"/{way}/page", headers=[("Cookie", "a=" + "x" * 5000)]),
        ["proxy_uwsgi"]),
    "line feed": lambda options, folder: scripts(
        options, b"HTTP/1.1 200 OK\r\nX-Reflected: a\nb\r\nContent-Length: 2\r\n\r\nok", lambda port, way: ask(port, f"/{way}/poison")),
    "20 MB refused": lambda options, folder: large_posts(options),
    "broken for good": lambda options, folder: broken_for_good(options),
    "outages": lambda options, folder: outages(options),
    "dropping": lambda options, folder: dropping(options),
}
HEADS = {"broken for good": ["all members", "FarmForward serves after"],
         "outages": ["away for", "first 200 after the return", "connects a second to each"], "dropping": ["", ""]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--module", type=Path, default=DEFAULT_MODULE)
    parser.add_argument("--seconds", type=float, default=75, help="of poison and normal pages")
    parser.add_argument("--outages", type=int, nargs="+", default=[2, 12, 62, 75])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    clean_up_when_ended()
    for part in options.parts:
        with tempfile.TemporaryDirectory(prefix="farm-bench-") as name:
            folder = Path(name)
            folder.chmod(0o755)
            rows = PARTS[part](options, folder)
        print(f"{part}:")
        print(table([HEADS.get(part, ["", "normal pages", "failed", "with", ""][:len(rows[0])]), *rows]), flush=True)


if __name__ == "__main__":
    main()
