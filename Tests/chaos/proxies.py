"""The proxies under test. Each gets, for every cell of the matrix, a farm, balancer, backend or upstream of its own: the bad
member of the case and the healthy one, in turn. All wait as long for a connection and for an answer, and none keeps a member
away for its failures, so that every second request meets the bad one. "farm-default" is this module as it comes, which puts
a member down for its first failure."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from farmhttpd import wait
from farmhttpd.conf import BALANCER_MODULES
from farmhttpd.env import Httpd
from farmhttpd.ports import bound_socket

TIMEOUT = 1                     # seconds, for connecting and between two bytes of an answer
NEVER_DOWN = "FarmSet fall=1000000"
# Threads enough for all clients at once: event closes kept connections when every thread of a child is busy.
THREADS = ["StartServers 2", "ServerLimit 2", "ThreadLimit 128", "ThreadsPerChild 128", "MaxRequestWorkers 256"]
PROXYPASS = f"connectiontimeout={TIMEOUT} timeout={TIMEOUT}"


class Apache:
    """httpd with this module: two proxies of the matrix in one server."""

    names = ("farm", "farm-default")

    def __init__(self, module):
        self.httpd = Httpd(farm_module=module)
        self.httpd.log.expect_broken()
        self.httpd.conf.log_level = "warn"
        self.httpd.conf.mpm_lines = THREADS

    def start(self, cells, healthy):
        conf = self.httpd.conf
        for cell in cells:
            case = cell.case
            options = [f"failonstatus={','.join(map(str, case.statuses))}"] if case.statuses else []
            options += [case.farm] if case.farm else []
            lines = [f"FarmMember http://{cell.member.address} name=bad", f"FarmMember http://{healthy.address} name=good",
                     *([f"FarmSet {' '.join(options)}"] if options else [])]
            conf.farm(f"farm-{cell.key}", *lines, "FarmAlgorithm roundrobin", NEVER_DOWN)
            conf.farm(f"farm-default-{cell.key}", *lines)
            for name in self.names:
                conf.proxy(f"/{name}-{cell.key}/", f"http://{name}-{cell.key}/", PROXYPASS)
        self.httpd.start()
        return {name: self.httpd.port for name in self.names}

    def problems(self):
        """What is wrong with the server after the run, apart from its answers."""
        found = []
        try:
            wait.until(lambda: not self._in_flight(), "nothing to be in flight")
        except AssertionError:
            found.append(f"left in flight: {self._in_flight()}")
        try:
            self.httpd.check_clean_end()
        except AssertionError as error:
            found.append(str(error))
        return found

    def _in_flight(self):
        return [(farm["name"], row["name"], row["inflight"]) for farm in self.httpd.status()["farms"]
                for row in farm["members"] if row["inflight"]]

    def stop(self):
        self.httpd.close()


class Balancer:
    """mod_proxy_balancer: retry=0, so that a member in error is tried again at once; it fails over when a member cannot be
    reached, and to as many members as there are."""

    names = ("balancer",)

    def __init__(self, _module):
        self.httpd = Httpd(farm_module=None)
        self.httpd.conf.load(*BALANCER_MODULES)
        self.httpd.conf.log_level = "warn"
        self.httpd.conf.mpm_lines = THREADS

    def start(self, cells, healthy):
        for cell in cells:
            name = f"balancer-{cell.key}"
            failures = f" failonstatus={','.join(map(str, cell.case.statuses))}" if cell.case.statuses else ""
            self.httpd.conf.add(f"<Proxy balancer://{name}>",
                                f"BalancerMember http://{cell.member.address} retry=0 {PROXYPASS}",
                                f"BalancerMember http://{healthy.address} retry=0 {PROXYPASS}",
                                f"ProxySet lbmethod=byrequests maxattempts=2{failures}", "</Proxy>",
                                f'ProxyPass "/{name}/" "balancer://{name}/"')
        self.httpd.start()
        return {"balancer": self.httpd.port}

    def problems(self):
        return []                               # not ours to judge

    def stop(self):
        self.httpd.stop()
        self.httpd.close()


class Daemon:
    """A server that is no httpd: its folder, its port, its process."""

    program = None

    def __init__(self, _module):
        self.path = shutil.which(self.program, path="/usr/sbin:/usr/bin:/sbin:/bin")
        if not self.path:
            raise SystemExit(f"{self.program} is missing: make chaos-matrix installs it")
        self.folder = Path(tempfile.mkdtemp(prefix="farm-chaos-"))
        self.folder.chmod(0o755)
        holder = bound_socket()
        self.port = holder.getsockname()[1]
        holder.close()
        self.process = None

    def run(self, text, *arguments):
        (self.folder / "conf").write_text(text)
        with open(self.folder / "said", "ab") as said:
            self.process = subprocess.Popen([self.path, *arguments], stdout=said, stderr=said, start_new_session=True)
        wait.until(self._listens, f"{self.program} to listen: {self.folder}")
        return {name: self.port for name in self.names}

    def _listens(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.program} ended:\n{(self.folder / 'said').read_text()[-2000:]}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def problems(self):
        return []

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


class Haproxy(Daemon):
    """HAProxy: three retries, from the first on at another server; what breaks after the request was sent is repeated too,
    for the methods for which its manual calls that safe."""

    names = ("haproxy",)
    program = "haproxy"

    def start(self, cells, healthy):
        lines = ["global", "  maxconn 2000", "defaults", "  mode http", f"  timeout connect {TIMEOUT}s",
                 f"  timeout server {TIMEOUT}s", "  timeout client 30s", "  retries 3", "  option redispatch 1",
                 "  balance roundrobin", "frontend all", f"  bind 127.0.0.1:{self.port}"]
        lines += [f"  use_backend {cell.key} if {{ path_beg /haproxy-{cell.key}/ }}" for cell in cells]
        for cell in cells:
            lines += [f"backend {cell.key}", "  http-request disable-l7-retry if METH_POST",
                      "  retry-on conn-failure empty-response junk-response response-timeout 0rtt-rejected "
                      + " ".join(map(str, cell.case.statuses)),
                      f"  server bad {cell.member.address}", f"  server good {healthy.address}"]
        return self.run("\n".join(lines) + "\n", "-db", "-f", str(self.folder / "conf"))


class Nginx(Daemon):
    """nginx: proxy_next_upstream with what breaks or is no HTTP beside its default, but not non_idempotent; connections to
    members are kept."""

    names = ("nginx",)
    program = "nginx"

    def start(self, cells, healthy):
        user = ["user www-data;"] if os.geteuid() == 0 else []
        temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        lines = [*user, "daemon off;", "worker_processes 2;", f"pid {self.folder}/pid;", f"error_log {self.folder}/error.log;",
                 "events { worker_connections 1024; }", "http {", "access_log off;", "proxy_http_version 1.1;",
                 'proxy_set_header Connection "";', *(f"{name}_temp_path {self.folder}/{name};" for name in temporary),
                 *(f"proxy_{what}_timeout {TIMEOUT}s;" for what in ("connect", "read", "send"))]
        for cell in cells:
            lines += [f"upstream {cell.key} {{", f"server {cell.member.address} max_fails=0;",
                      f"server {healthy.address} max_fails=0;", "keepalive 16;", "}"]
        lines += ["server {", f"listen 127.0.0.1:{self.port};"]
        for cell in cells:
            statuses = "".join(f" http_{status}" for status in cell.case.statuses)
            lines += [f"location /nginx-{cell.key}/ {{ proxy_pass http://{cell.key};",
                      f"proxy_next_upstream error timeout invalid_header{statuses}; }}"]
        return self.run("\n".join([*lines, "}", "}"]) + "\n", "-c", str(self.folder / "conf"), "-p", str(self.folder))


KINDS = (Apache, Balancer, Haproxy, Nginx)
NAMES = tuple(name for kind in KINDS for name in kind.names)
OURS = Apache.names
