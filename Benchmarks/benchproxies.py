"""The proxies that httpd is measured beside, of Debian's packages: HAProxy and nginx, each with one thread or worker, no
access log, and connections to members that are kept for as long as the run lasts. See README.md."""

import os

from benchhttpd import Server

AS_ROOT = os.geteuid() == 0


def hosts(urls):
    return [url.removeprefix("http://") for url in urls]


class HAProxy(Server):
    NAME = "haproxy"

    def __init__(self, urls):
        super().__init__()
        lines = ["global", "  nbthread 1", "  maxconn 4096",
                 # Kept connections are closed by a part of the files that may be open; the limits are the file limit itself.
                 "  tune.pool-low-fd-ratio 90", "  tune.pool-high-fd-ratio 95",
                 *(["  user www-data", "  group www-data"] if AS_ROOT else []),
                 "defaults", "  mode http", "  option http-keep-alive", "  option forwardfor", "  http-reuse always",
                 "  timeout connect 10s", "  timeout client 60s", "  timeout server 60s", "  timeout http-keep-alive 60s",
                 "  balance roundrobin", "  default-server pool-purge-delay 1h pool-max-conn -1",
                 "frontend bench", f"  bind 127.0.0.1:{self.port}", "  default_backend app", "backend app",
                 *(f"  server m{n:04} {host}" for n, host in enumerate(hosts(urls)))]
        (self.root / "haproxy.cfg").write_text("\n".join(lines) + "\n")

    def start(self, under=(), seconds=60):
        return self.launch([*under, "/usr/sbin/haproxy", "-db", "-f", str(self.root / "haproxy.cfg")], seconds)


class Nginx(Server):
    NAME = "nginx"

    def __init__(self, urls):
        super().__init__()
        temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        lines = [*(["user www-data;"] if AS_ROOT else []), "worker_processes 1;", "daemon off;",
                 f"pid {self.root}/run/nginx.pid;", f"error_log {self.root}/logs/error.log warn;",
                 "worker_rlimit_nofile 16384;", "events { worker_connections 16384; }", "http {", "access_log off;",
                 "keepalive_requests 1000000000;", "keepalive_timeout 60s;",
                 *(f"{name}_temp_path {self.root}/run/{name};" for name in temporary),
                 "upstream app {", *(f"server {host};" for host in hosts(urls)),
                 # Idle connections of all members together.
                 f"keepalive {max(256, 4 * len(urls))};", "keepalive_requests 1000000000;", "keepalive_time 1h;",
                 "keepalive_timeout 1h;", "}",
                 "server {", f"listen 127.0.0.1:{self.port} backlog=512;", "location /app/ {", "proxy_pass http://app;",
                 "proxy_http_version 1.1;", 'proxy_set_header Connection "";',
                 "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;", "}", "}", "}"]
        (self.root / "nginx.conf").write_text("\n".join(lines) + "\n")

    def start(self, under=(), seconds=60):
        return self.launch([*under, "/usr/sbin/nginx", "-p", str(self.root), "-c", str(self.root / "nginx.conf"),
                            "-e", str(self.root / "logs" / "error.log")], seconds)
