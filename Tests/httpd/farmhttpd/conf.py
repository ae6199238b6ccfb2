"""Builds an httpd.conf line by line, so that a test can also tell which line is which."""

import os

MPMS = {
    "event": ["StartServers 2", "ServerLimit 16", "ThreadsPerChild 16", "MaxRequestWorkers 256",
              "MinSpareThreads 1", "MaxSpareThreads 256"],
    "prefork": ["StartServers 3", "ServerLimit 64", "MaxRequestWorkers 64", "MinSpareServers 1",
                "MaxSpareServers 64"],
}
MPMS["worker"] = MPMS["event"]
ONE_PROCESS = {
    "event": ["StartServers 1", "ServerLimit 1", "ThreadLimit 256", "ThreadsPerChild {threads}",
              "MaxRequestWorkers {threads}", "MinSpareThreads 1", "MaxSpareThreads {threads}"],
    "prefork": ["StartServers 1", "ServerLimit 1", "MaxRequestWorkers 1", "MinSpareServers 1",
                "MaxSpareServers 1"],
}
ONE_PROCESS["worker"] = ONE_PROCESS["event"]
BASE_MODULES = ["authn_core", "authz_core", "authz_host", "alias", "env", "setenvif", "headers", "rewrite",
                "proxy", "proxy_http"]
BALANCER_MODULES = ["slotmem_shm", "proxy_balancer", "lbmethod_byrequests"]
ACCESS_FORMAT = "%s\t%m\t%U\t%{FARM_NAME}e\t%{FARM_MEMBER}e\t%{FARM_REASON}e\t%{FARM_ATTEMPTS}e\t%{FARM_CONDITION}e"


def quoted(text):
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


class Conf:
    def __init__(self, root, port, mpm, farm_module, modules_dir):
        self.root = root
        self.port = port
        self.mpm = mpm
        self.farm_module = farm_module
        self.modules_dir = modules_dir
        self.modules = list(BASE_MODULES)
        self.mpm_lines = list(MPMS[mpm])
        self.mutex = ["Mutex pthread default"]
        self.log_level = "info"
        self.status_location = "/farm-status"
        self.listen = [port]
        self.head = []
        self.farms = {}
        self.body = []

    # -- what tests say ------------------------------------------------------------------------------------

    def load(self, *names):
        self.modules += [n for n in names if n not in self.modules]
        return self

    def one_process(self, threads=64):
        """A single child, so that what it decides is a sequence; prefork's serves one request at a time."""
        self.mpm_lines = [line.format(threads=threads) for line in ONE_PROCESS[self.mpm]]
        return self

    def add(self, *lines):
        for line in lines:
            self.body += line.splitlines()
        return self

    def farm(self, name, *parts):
        """Parts are members, (member, "key=value …") pairs and whole directive lines; the same name replaces."""
        self.farms[name] = [self._farm_line(part) for part in parts]
        return self

    def proxy(self, path, url, options=""):
        return self.add(f"ProxyPass {quoted(path)} {quoted(url)} {options}".rstrip())

    def handler(self, name, *lines):
        """Enables a handler of the module at the path of its name, for callers on this machine."""
        return self.add(f'<Location "/{name}">', f"SetHandler {name}", "Require local", *lines, "</Location>")

    # -- what httpd reads ----------------------------------------------------------------------------------

    @staticmethod
    def _farm_line(part):
        if isinstance(part, str):
            return part
        member, options = part if isinstance(part, tuple) else (part, "")
        return f"FarmMember {quoted(member.url)} name={member.name} {options}".rstrip()

    def lines(self):
        lines = [f"ServerRoot {quoted(self.root)}", f"DefaultRuntimeDir {quoted(self.root / 'run')}",
                 f"PidFile {quoted(self.root / 'run' / 'httpd.pid')}", "ServerName localhost"]
        lines += self.mutex
        lines += [f"LoadModule {name}_module {quoted(self.modules_dir / f'mod_{name}.so')}"
                  for name in [f"mpm_{self.mpm}", *self.modules]]
        if self.farm_module:
            lines.append(f"LoadModule proxy_farm_module {quoted(self.farm_module)}")
        lines += [f"Listen 127.0.0.1:{port}" for port in self.listen]
        lines += self.mpm_lines
        if os.geteuid() == 0:
            lines += ["User www-data", "Group www-data"]
        lines += [f"ErrorLog {quoted(self.root / 'logs' / 'error.log')}", f"LogLevel {self.log_level}",
                  f"LogFormat {quoted(ACCESS_FORMAT)} farm".replace("\t", "\\t"),
                  f"CustomLog {quoted(self.root / 'logs' / 'access.log')} farm",
                  "Timeout 30", "KeepAliveTimeout 10", "MaxKeepAliveRequests 0",
                  f"DocumentRoot {quoted(self.root / 'htdocs')}",
                  f"<Directory {quoted(self.root / 'htdocs')}>", "AllowOverride All", "Require all granted",
                  "</Directory>"]
        if self.farm_module:
            lines += [f"<Location {quoted(self.status_location)}>", "SetHandler farm-status", "Require local",
                      "</Location>"]
        lines += self.head
        for name, parts in self.farms.items():
            lines += [f"<Farm {name}>", *parts, "</Farm>"]
        return lines + self.body

    def write(self, path):
        path.write_text("\n".join(self.lines()) + "\n")

    def line_of(self, text):
        """The number of the first line that contains the text, as httpd counts."""
        return next(n for n, line in enumerate(self.lines(), 1) if text in line)
