"""What the benchmarks share: a private httpd, its members and a client."""

import contextlib
import http.client
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

APACHE = os.environ.get("FARM_APACHE", "/usr/sbin/apache2")
MODULES_DIR = Path(os.environ.get("FARM_MODULES_DIR", "/usr/lib/apache2/modules"))
HERE = Path(__file__).resolve().parent
DEFAULT_MODULE = HERE.parent / ".build-module" / "mod_proxy_farm.so"

MODULES = ["authn_core", "authz_core", "authz_host", "alias", "proxy", "proxy_http"]
BALANCERS = ("byrequests", "bybusyness", "bytraffic")
UPDATE = ['<Location "/farm-update">', "SetHandler farm-update", "Require local", "</Location>"]
KEYED = {"hash": 'hash "%{REQUEST_URI}"'}       # algorithms that want an expression
LOG_FORMAT = r'%h %t \"%r\" %>s %b'
LOGGED = ("FARM_MEMBER",)               # variables at the end of each line of the log; "-" without a farm

MPMS = {
    "event": ["StartServers 2", "ServerLimit 16", "ThreadsPerChild 16", "MaxRequestWorkers 256",
              "MinSpareThreads 16", "MaxSpareThreads 256"],
    "prefork": ["StartServers 8", "ServerLimit 64", "MaxRequestWorkers 64", "MinSpareServers 4",
                "MaxSpareServers 64"],
}
ONE_CHILD = {
    "event": ["StartServers 1", "ServerLimit 1", "ThreadsPerChild 4", "MaxRequestWorkers 4", "MinSpareThreads 1",
              "MaxSpareThreads 4"],
    "prefork": ["StartServers 1", "ServerLimit 1", "MaxRequestWorkers 1", "MinSpareServers 1", "MaxSpareServers 1"],
}


def clean_up_when_ended():
    """Ends this program by an exception when it is told to, so that what it started is stopped."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def addresses(count):
    """Loopback addresses for that many members, all of the same length, so that none is dearer to print."""
    return [f"127.1.{10 + n // 90}.{10 + n % 90}" for n in range(count)]


def free_port(where):
    """A port that is free on all of these addresses, below the ephemeral range."""
    for _ in range(200):
        port = random.randint(12000, 32000)
        try:
            with contextlib.ExitStack() as probes:
                for address in where:
                    probe = probes.enter_context(socket.socket())
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((address, port))
            return port
        except OSError:
            continue
    raise SystemExit("no free port found")


def wait_until(condition, what, seconds=30.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise SystemExit(f"waited {seconds:.0f} s in vain for {what}")


def end_process(process, sig=signal.SIGTERM, seconds=60):
    """Ends a process that this program started; its exit status."""
    if process.poll() is None:
        process.send_signal(sig)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
    return process.returncode


class Client:
    """One kept connection."""

    def __init__(self, port, address="127.0.0.1", timeout=60):
        self.socket = socket.create_connection((address, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def get(self, path, method="GET", form=None, header=""):
        """(status, body). `form` is sent as the body of a POST, `header` is one more header line."""
        if form is not None:
            method = "POST"
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n"
        if form is not None:
            head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n"
        if header:
            head += f"{header}\r\n"
        self.socket.sendall((head + "\r\n" + (form or "")).encode())
        data = self.rest
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        lengths = [line[15:] for line in data[:end].split(b"\r\n") if line.lower().startswith(b"content-length:")]
        length = int(lengths[0]) if lengths else 0
        while len(data) < end + 4 + length:
            data += self._more()
        self.rest = data[end + 4 + length:]
        return int(data[9:12]), data[end + 4:end + 4 + length]

    def _more(self):
        if not (more := self.socket.recv(65536)):
            raise ConnectionError("the connection was closed")
        return more

    def close(self):
        self.socket.close()


class Backend:
    """The members: one process outside of what is measured."""

    def __init__(self, count, delay_ms=0, seconds=1800):
        self.addresses = addresses(count)
        self.port = free_port(self.addresses)
        self.process = subprocess.Popen(
            [sys.executable, HERE / "benchbackend.py", "--port", str(self.port), "--delay-ms", str(delay_ms), "--seconds",
             str(seconds), ",".join(self.addresses)], stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline().strip() != "ready":
            raise SystemExit("the members did not start")
        self.control = Client(self.port, self.addresses[0])

    def urls(self):
        return [f"http://{address}:{self.port}" for address in self.addresses]

    def counts(self):
        """(connections, requests) that came from httpd so far."""
        connections, requests = self.control.get("/counts")[1].split()
        return int(connections), int(requests)

    def stop(self):
        self.control.close()
        end_process(self.process)
        self.process.stdout.close()


def routing(variant, urls):
    """The lines that send /app/ to the members. Variants: plain, a method of mod_proxy_balancer, or an algorithm of a farm;
    None for no lines."""
    if variant is None:
        return []
    if variant == "plain":
        return [f'ProxyPass "/app/" "{urls[0]}/"', f'ProxyPassReverse "/app/" "{urls[0]}/"']
    if variant in BALANCERS:
        return ['<Proxy "balancer://app">', *(f'BalancerMember "{url}"' for url in urls), f"ProxySet lbmethod={variant}",
                "</Proxy>", 'ProxyPass "/app/" "balancer://app/"', 'ProxyPassReverse "/app/" "balancer://app/"']
    members = [f'FarmMember "{url}" name=m{n:04}' for n, url in enumerate(urls)]
    return ["<Farm app>", f"FarmAlgorithm {KEYED.get(variant, variant)}", *members, "</Farm>", 'ProxyPass "/app/" "http://app/"',
            'ProxyPassReverse "/app/" "http://app/"']


class Server:
    """A server with a root of its own, of which it has a port of 127.0.0.1."""

    NAME = "a server"

    def __init__(self):
        self.root = Path(tempfile.mkdtemp(prefix="farm-bench-"))
        self.root.chmod(0o755)
        for name in ("run", "logs", "out"):
            (self.root / name).mkdir()
        self.port = free_port(["127.0.0.1"])
        self.process = None

    def launch(self, command, seconds):
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C", "SWIFT_BACKTRACE": "enable=no",
                       "TMPDIR": str(self.root / "run")}
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with open(self.root / "logs" / "stderr.log", "wb") as stderr:
            self.process = subprocess.Popen(
                command, env=environment, stdout=stderr, stderr=stderr, start_new_session=True,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard)))
        wait_until(self._listens, f"{self.NAME} to listen", seconds)
        return self

    def _listens(self):
        if self.process.poll() is not None:
            raise SystemExit(f"{self.NAME} ended with {self.process.returncode}:\n{self.said()}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def said(self):
        """The error log and what the server wrote otherwise."""
        return "".join((self.root / "logs" / name).read_text(errors="replace") for name in ("stderr.log", "error.log")
                       if (self.root / "logs" / name).exists())

    def children(self):
        """Living processes of this server: those in the session that the parent leads."""
        found = []
        for path in Path("/proc").iterdir():
            if path.name.isdigit() and int(path.name) != self.process.pid:
                try:
                    fields = (path / "stat").read_text().rsplit(")", 1)[1].split()
                except OSError:
                    continue
                if int(fields[3]) == self.process.pid and fields[0] != "Z":
                    found.append(int(path.name))
        return sorted(found)

    def stop(self):
        status = end_process(self.process) if self.process else None
        for child in self.children() if self.process else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        return status

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)


class Httpd(Server):
    """An httpd; `variant` as in routing(), `more` are further lines of its configuration. `logged`: None for no access
    log."""

    NAME = "httpd"

    def __init__(self, mpm, variant, urls, module=None, mpm_lines=None, status=False,
                 logged=LOGGED, more=()):
        super().__init__()
        log_format = " ".join([LOG_FORMAT, *(f"%{{{name}}}e" for name in logged or ())])
        load = [f"mpm_{mpm}", *MODULES]
        if variant in BALANCERS:
            load += ["slotmem_shm", "proxy_balancer", f"lbmethod_{variant}"]
        lines = [f'ServerRoot "{self.root}"', f'DefaultRuntimeDir "{self.root}/run"', f'PidFile "{self.root}/run/pid"',
                 "ServerName localhost", "Mutex pthread default"]
        lines += [f'LoadModule {name}_module "{MODULES_DIR}/mod_{name}.so"' for name in load]
        if module:
            lines.append(f'LoadModule proxy_farm_module "{module}"')
        if status:                  # not while instructions are counted: httpd walks its Locations for each request
            lines += ['<Location "/farm-status">', "SetHandler farm-status", "Require local", "</Location>"]
        if os.geteuid() == 0:
            lines += ["User www-data", "Group www-data"]
        lines += [f"Listen 127.0.0.1:{self.port}", *(mpm_lines or MPMS[mpm]), f'ErrorLog "{self.root}/logs/error.log"',
                  "LogLevel warn", f'LogFormat "{log_format}" bench',
                  *([] if logged is None else [f'CustomLog "{self.root}/logs/access.log" bench']), "KeepAlive On",
                  "MaxKeepAliveRequests 0", "KeepAliveTimeout 60", "Timeout 60"]
        (self.root / "httpd.conf").write_text("\n".join([*lines, *routing(variant, urls), *more]) + "\n")

    def start(self, one_process=False, under=(), seconds=120):
        command = [*under, APACHE, "-d", str(self.root), "-f", str(self.root / "httpd.conf"),
                   "-X" if one_process else "-DFOREGROUND"]
        return self.launch(command, seconds)


def processor_seconds(server):
    """Of the parent and its children so far, all threads, by the scheduler's own nanoseconds: the clock of /proc/PID/stat is
    too coarse for what a few answers cost."""
    return sum(int(path.read_text().split()[0]) for pid in (server.process.pid, *server.children())
               for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def farm_rows(port):
    """Farms as farm-status shows them."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", "/farm-status?format=json")
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise SystemExit(f"farm-status answered {answer.status}")
    return json.loads(body)["farms"]


def member_rows(port):
    """Members of all farms as farm-status shows them."""
    return [member for farm in farm_rows(port) for member in farm["members"]]


def table(rows):
    """Text columns; numbers to the right."""
    texts = [[cell if isinstance(cell, str) else f"{cell:,.0f}" for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in texts) for at in range(len(texts[0]))]
    return "\n".join("  ".join(text.ljust(width) if isinstance(cell, str) and at == 0 else text.rjust(width)
                               for at, (text, width, cell) in enumerate(zip(line, widths, row))).rstrip()
                     for line, row in zip(texts, rows))
