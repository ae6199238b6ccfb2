#!/usr/bin/python3
"""Two promises, under load from new connections: a graceful restart every two seconds loses no
request, and children killed with kill -9 every two seconds leave no request counted as in flight. Exit status 1 when one
is broken. See README.md."""

import argparse
import collections
import contextlib
import http.client
import os
import random
import re
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from multiprocessing import get_context
from pathlib import Path

sys.dont_write_bytecode = True

from benchhttpd import DEFAULT_MODULE, Backend, Httpd, clean_up_when_ended, member_rows, table  # noqa: E402

PROCESSES, THREADS = 2, 6
REQUEST = b"GET /app/hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
HEALED_WITHIN = 2.5
BAD_WORDS = (":error]", ":crit]", ":alert]", ":emerg]", "egmentation")
SLOW_MS = 50                            # so that a child that is killed has requests in flight


def one_request(port):
    """What went wrong with a request over a connection of its own, or None."""
    answer = b""
    step = "connect"
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            step = "send"
            connection.sendall(REQUEST)
            step = "read"
            while data := connection.recv(65536):
                answer += data
    except OSError as error:
        return f"{step}: {error.strerror or error} after {len(answer)} bytes"
    if not answer:
        return "closed without an answer"
    if not answer.startswith(b"HTTP/1.1 200 ") or not answer.endswith(b"\r\n\r\nok\n"):
        return f"answer: {answer[:40]!r}"
    return None


def load(port, seconds, results):
    """Requests from several threads, one after the other in each, for that long."""
    end = time.monotonic() + seconds
    done, failures = [], collections.Counter()

    def repeat():
        count = 0
        while time.monotonic() < end and count < 1_000_000:
            if wrong := one_request(port):
                failures[wrong] += 1
                time.sleep(0.01)
            count += 1
        done.append(count)

    threads = [threading.Thread(target=repeat) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put((sum(done), failures))


def under_load(port, seconds, disturb):
    """(requests, failures by kind, disturbances): `disturb` is called every two seconds."""
    context = get_context("fork")
    results = context.Queue()
    clients = [context.Process(target=load, args=(port, seconds, results)) for _ in range(PROCESSES)]
    for client in clients:
        client.start()
    start, disturbances = time.monotonic(), 0
    while (disturbances + 1) * 2 < seconds:
        time.sleep(max(0, start + (disturbances + 1) * 2 - time.monotonic()))
        disturb()
        disturbances += 1
    requests, failures = 0, collections.Counter()
    for _ in clients:
        count, failed = results.get(timeout=seconds + 60)
        requests += count
        failures += failed
    for client in clients:
        client.join(10)
    return requests, failures, disturbances


def in_flight(port):
    return sum(row["inflight"] for row in member_rows(port))


def settled(port):
    """(in flight at the end of HEALED_WITHIN or as soon as there is none, seconds it took)."""
    start = time.monotonic()
    while True:
        try:
            counted = in_flight(port)
        except (OSError, http.client.HTTPException):
            counted = -1                # a child that is just dying has taken the question
        passed = time.monotonic() - start
        if counted == 0 or passed > HEALED_WITHIN:
            return counted, passed
        time.sleep(0.05)


def kill_all(httpd):
    """Kills every child while requests are in flight; how many were counted just before."""
    with contextlib.ExitStack() as connections:
        for _ in range(THREADS):
            connection = connections.enter_context(socket.create_connection(("127.0.0.1", httpd.port), 10))
            connection.sendall(REQUEST)
        time.sleep(SLOW_MS / 4000)
        counted = in_flight(httpd.port)
        for child in httpd.children():
            os.kill(child, signal.SIGKILL)
    return counted


def run(options, mpm, what):
    backend = Backend(options.members, delay_ms=SLOW_MS if what == "kill" else 1)
    httpd = Httpd(mpm, options.algorithm, backend.urls(), options.module, status=True)
    try:
        httpd.start()

        def graceful():
            httpd.process.send_signal(signal.SIGUSR1)

        def kill():
            if children := httpd.children():
                os.kill(random.choice(children), signal.SIGKILL)

        requests, failures, times = under_load(httpd.port, options.seconds, graceful if what == "graceful" else kill)
        killed = kill_all(httpd) if what == "kill" else 0
        left, after = settled(httpd.port)
        counted = sum(row["requests"] for row in member_rows(httpd.port))
        seen = backend.counts()[1]
        said = [line for line in httpd.said().splitlines() if any(word in line for word in BAD_WORDS)]
        return {"what": what, "mpm": mpm, "times": times, "requests": requests, "failed": sum(failures.values()),
                "in flight when all were killed": killed, "in flight at the end": left, "after ms": after * 1000,
                "attempts counted": counted, "seen by members": seen, "exit status": httpd.stop(),
                "kinds": failures, "said": said}
    finally:
        httpd.stop()
        backend.stop()
        httpd.remove()


def is_broken(result):
    failed = result["what"] == "graceful" and (result["failed"] or result["said"])
    return bool(failed or result["in flight at the end"] or result["exit status"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--module", type=Path, default=DEFAULT_MODULE)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--mpms", nargs="+", default=["event", "prefork"])
    parser.add_argument("--what", nargs="+", choices=["graceful", "kill"], default=["graceful", "kill"])
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--algorithm", default="adaptive")
    options = parser.parse_args()
    clean_up_when_ended()
    with tempfile.TemporaryDirectory(prefix="farm-bench-") as folder:
        Path(folder).chmod(0o755)
        options.module = shutil.copy(options.module, Path(folder) / "mod_proxy_farm.so")
        results = [run(options, mpm, what) for mpm in options.mpms for what in options.what]
    columns = [column for column in results[0] if column not in ("kinds", "said")]
    print(table([columns, *([one[column] for column in columns] for one in results)]))
    for one in results:
        for kind, count in one["kinds"].most_common(10):
            print(f"{one['what']} {one['mpm']}: {count} times {kind}")
        lines = collections.Counter(re.sub(r"^(\[[^]]*\] )*", "", line) for line in one["said"])
        for line, count in lines.most_common(5):
            print(f"{one['what']} {one['mpm']}: {count} times in the log: {line}")
    sys.exit(any(map(is_broken, results)))


if __name__ == "__main__":
    main()
