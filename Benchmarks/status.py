#!/usr/bin/python3
"""What each format of the status costs, beside mod_proxy_balancer's page of the same members in the same httpd; and what a
scraper that asks ten times a second costs the requests of others. See README.md."""

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True

from benchhttpd import (DEFAULT_MODULE, MODULES_DIR, Client, Httpd, addresses, clean_up_when_ended,  # noqa: E402
                        end_process, free_port, processor_seconds, table)
from benchload import compiled  # noqa: E402

MEMBERS = (3, 100, 1000)
STATUS, MANAGER = "/farm-status", "/balancer-manager"
ASKED = {"JSON": f"{STATUS}?format=json", "OpenMetrics": f"{STATUS}?format=openmetrics", "text": f"{STATUS}?format=text",
         "HTML": STATUS, "balancer-manager": MANAGER, "balancer-manager, XML": f"{MANAGER}?xml=1"}
TYPES = {"JSON": "application/json", "OpenMetrics": "application/openmetrics-text", "text": "text/plain", "HTML": "text/html",
         "balancer-manager": "text/html", "balancer-manager, XML": "text/xml"}
NOBODY = "nobody"
SCRAPED = (NOBODY, "OpenMetrics", "JSON", "HTML", "balancer-manager, XML")
EVERY_S = 0.1
SERVERS, SLOTS, SERVICE_US = 10, 64, 1000
# One child, so that what it used of the processor is read of one process that stays.
ONE_CHILD = ["StartServers 1", "ServerLimit 1", "ThreadLimit 128", "ThreadsPerChild 128", "MaxRequestWorkers 128",
             "MinSpareThreads 1", "MaxSpareThreads 128"]
LAST = b"0\r\n\r\n"                    # of an answer in chunks


class Members:
    """Any number of members at the addresses of one process, told apart by the path."""

    def __init__(self, folder, count, seconds=1800):
        where = addresses(min(count, SERVERS))
        port = free_port(where)
        self.urls = [f"http://{where[n % len(where)]}:{port}/{n:04}" for n in range(count)]
        self.process = subprocess.Popen(
            [folder / "benchmembers", str(port), str(SERVICE_US), str(seconds), "0", *(f"{one}={SLOTS}" for one in where)],
            stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline().strip() != "ready":
            raise SystemExit("the members did not start")

    def stop(self):
        end_process(self.process)
        self.process.stdout.close()


class Asker:
    """One kept connection that takes answers as they come; how long each took, to its last byte."""

    def __init__(self, port):
        self.port, self.host = port, f"127.0.0.1:{port}"
        self.connect()

    def connect(self):
        self.socket = socket.create_connection(("127.0.0.1", self.port), 60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, path):
        """(seconds, body as it stands on the wire, its head)."""
        began = time.perf_counter()
        # Without a Referer of its own host, balancer-manager takes no parameters.
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\nReferer: http://{self.host}{MANAGER}\r\n\r\n".encode())
        data = self.socket.recv(1 << 20)
        if not data:                    # httpd ends idle connections when all of its threads are busy
            self.close()
            self.connect()
            return self.ask(path)
        while b"\r\n\r\n" not in data:
            data += self._more(path)
        head, _, body = data.partition(b"\r\n\r\n")
        length, size, pieces, tail = length_of(head), len(body), [body], body[-len(LAST):]
        while tail != LAST if length is None else size < length:
            pieces.append(self._more(path))
            size += len(pieces[-1])
            tail = (tail + pieces[-1])[-len(LAST):]
        took = time.perf_counter() - began
        if not head.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(f"{path} got {head[:200]!r}")
        return took, b"".join(pieces), head

    def _more(self, path):
        if not (more := self.socket.recv(1 << 20)):
            raise SystemExit(f"{path}: the connection was closed")
        return more

    def close(self):
        self.socket.close()


def length_of(head):
    """The Content-Length, or None where the answer is chunked."""
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return None


def without_chunks(body, head):
    """The body itself."""
    if length_of(head) is not None:
        return body
    found, at = b"", 0
    while size := int(body[at:(end := body.index(b"\r\n", at))].split(b";")[0], 16):
        found += body[end + 2:end + 2 + size]
        at = end + 2 + size + 2
    return found


def server(folder, urls):
    """Farm `app` and balancer `app` of the same members, with the pages of both."""
    load = [f'LoadModule {name}_module "{MODULES_DIR}/mod_{name}.so"'
            for name in ("slotmem_shm", "proxy_balancer", "lbmethod_byrequests")]
    locations = [line for path, handler in ((STATUS, "farm-status"), (MANAGER, "balancer-manager"))
                 for line in (f'<Location "{path}">', f"SetHandler {handler}", "Require local", "</Location>")]
    balancer = ['<Proxy "balancer://app">', *(f'BalancerMember "{url}"' for url in urls), "</Proxy>",
                'ProxyPass "/balancer/" "balancer://app/"']
    return Httpd("event", "adaptive", urls, folder / "mod_proxy_farm.so", mpm_lines=ONE_CHILD, logged=(),
                 more=[*load, *balancer, *locations])


def warmed(httpd, count):
    """Members that have been asked, so that there is something to say of most of them."""
    client = Client(httpd.port)
    for _ in range(max(200, 2 * count)):
        if client.get("/app/hello")[0] != 200:
            raise SystemExit(f"no answer from a member:\n{httpd.said()}")
    for _ in range(3):
        client.get("/balancer/hello")
    client.close()


# -- one answer ----------------------------------------------------------------------------------------------


def answers(httpd, requests):
    """{name: ([seconds], bytes)}, asked in turn, so that a change of this machine meets all of them."""
    asker = Asker(httpd.port)
    found = {name: ([], 0) for name in ASKED}
    for _ in range(requests):
        for name, path in ASKED.items():
            took, body, head = asker.ask(path)
            if f"\r\ncontent-type: {TYPES[name]}".encode() not in head.lower():
                raise SystemExit(f"{path} is no {TYPES[name]}: {head!r}")
            found[name][0].append(took)
            found[name] = found[name][0], len(without_chunks(body, head))
    asker.close()
    return found


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


# -- others' requests ----------------------------------------------------------------------------------------


class Scraper(threading.Thread):
    """Asks ten times a second, for as long as it is wanted."""

    def __init__(self, httpd, path):
        super().__init__(daemon=True)
        self.httpd, self.asker, self.path = httpd, Asker(httpd.port), path
        self.over, self.count, self.failure = threading.Event(), 0, None

    def run(self):
        due = time.monotonic()
        try:
            while not self.over.wait(max(0, due - time.monotonic())):
                self.asker.ask(self.path)
                self.count += 1
                due = max(due + EVERY_S, time.monotonic() - EVERY_S)
        except (OSError, SystemExit) as failure:
            self.failure = failure

    def end(self):
        self.over.set()
        self.join(60)
        self.asker.close()
        if self.failure:
            raise SystemExit(f"the scraper failed: {self.failure}\n{self.httpd.said()}")
        return self.count


def load(options, folder, httpd, scraped):
    """(microseconds of httpd's processor a request of the load, p99 in ms, answers to the scraper a second) of one run."""
    scraper = None
    if scraped != NOBODY:
        scraper = Scraper(httpd, ASKED[scraped])
        scraper.start()
    before, began = processor_seconds(httpd), time.monotonic()
    said = subprocess.run([folder / "benchclient", str(httpd.port), str(options.rate), str(options.seconds), "0.5"],
                          capture_output=True, text=True, timeout=options.seconds + 60)
    used, lasted = processor_seconds(httpd) - before, time.monotonic() - began
    count = scraper.end() if scraper else 0
    if said.returncode:
        raise SystemExit(f"the client failed: {said.stderr}\n{httpd.said()}")
    answered, wrong, unanswered, _, high = (int(word) for word in said.stdout.split()[:5])
    if wrong or unanswered:
        print(f"{scraped}: {wrong} wrong answers, {unanswered} unanswered", file=sys.stderr)
    return used / (options.rate * options.seconds) * 1e6, high / 1000, count / lasted


def loads(options, folder, httpd):
    """{who asks: [run, one a round]}; rounds are interleaved."""
    results = {name: [] for name in SCRAPED}
    for number in range(options.rounds):
        for name in SCRAPED if number % 2 == 0 else reversed(SCRAPED):
            results[name].append(load(options, folder, httpd, name))
    return results


# -- the tables ----------------------------------------------------------------------------------------------


def report_answers(results):
    rows = [("one answer", "members", "median ms", "p99 ms", "bytes", "bytes a member", "median us a member")]
    for count, found in results.items():
        for name, (took, size) in found.items():
            median = statistics.median(took)
            rows.append((name, count, f"{median * 1e3:.3f}", f"{percentile(took, 0.99) * 1e3:.3f}", size, size / count,
                         f"{median * 1e6 / count:.2f}"))
    return table(rows)


def report_loads(results, options):
    rows = [(f"{options.rate:.0f} requests/s, asked 10 times/s by", "members", "asked/s", "processor us a request", "p99 ms",
             "processor, ratio", "lowest and highest", "p99, ratio", "lowest and highest")]
    for count, found in results.items():
        for name, runs in found.items():
            ratios = [[run[at] / plain[at] for run, plain in zip(runs, found[NOBODY])] for at in (0, 1)]
            rows.append((name, count, f"{statistics.median(run[2] for run in runs):.1f}",
                         f"{statistics.median(run[0] for run in runs):.0f}", f"{statistics.median(run[1] for run in runs):.2f}",
                         *(text for one in ratios for text in (f"{statistics.median(one):.2f}", f"{min(one):.2f} {max(one):.2f}"))))
    return table(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--module", type=Path, default=DEFAULT_MODULE)
    parser.add_argument("--members", type=int, nargs="+", default=MEMBERS)
    parser.add_argument("--requests", type=int, default=300, help="for each format")
    parser.add_argument("--rate", type=float, default=1000, help="requests a second of the load")
    parser.add_argument("--seconds", type=int, default=4, help="of each run of the load")
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    clean_up_when_ended()
    with tempfile.TemporaryDirectory(prefix="farm-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copy(options.module, folder / "mod_proxy_farm.so")
        compiled(folder)
        print(f"load of this machine: {os.getloadavg()[0]:.1f} of {os.cpu_count()} processors", file=sys.stderr)
        single, others = {}, {}
        for count in options.members:
            members = Members(folder, count)
            httpd = server(folder, members.urls)
            try:
                httpd.start()
                warmed(httpd, count)
                single[count] = answers(httpd, options.requests)
                others[count] = loads(options, folder, httpd)
            finally:
                httpd.stop()
                httpd.remove()
                members.stop()
        print(report_answers(single))
        print()
        print(report_loads(others, options))


if __name__ == "__main__":
    main()
