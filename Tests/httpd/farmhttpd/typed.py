"""Does what the manual shows: its configurations in a real httpd, its commands in a real shell. Addresses of the manual's
members become real members' of the test, paths of the machine's become paths in the test's folder, and what is said is
read with the manual's own words put back."""

import contextlib
import os
import re
import subprocess
import threading
from pathlib import Path

from farmhttpd import recipes, wait
from farmhttpd.conf import BASE_MODULES
from farmhttpd.env import REPOSITORY
from farmhttpd.manual import CONFIGTEST, FINE, plain
from farmhttpd.members import Member, answer, stage
from farmhttpd.protocols import FCGI_END, FCGI_STDOUT, AJP_BODY, AJP_END, AJP_HEADERS
from farmhttpd.protocols import AjpMember, FcgiMember, ajp_packet, ajp_string, fcgi_record, websocket_accept
from farmhttpd.wire import head

FARMCTL = Path(os.environ.get("FARMCTL", REPOSITORY / ".build-module" / "farmctl"))
OUR_STATUS = "/status-for-the-test"
FARMS = "/etc/apache2/conf-enabled/farms.conf"
# Where a machine has things, and where the test has them.
FOLDERS = {"/etc/apache2/": "etc", "/var/lib/apache2/": "state", "/var/log/apache2/": "logs", "/run/php/": "run"}
KEY_LINE = "k1:only-an-example-and-not-a-secret\n"
SERVER = re.compile(r"http://(localhost|127\.0\.0\.1)(?=/)")
PLACE = re.compile(r"\b(?P<scheme>[a-z0-9]+)://(?P<place>(?:10\.0\.\d+\.\d+|\[fd00::\w+\]|\w+\.internal)(?::\d+)?)")
UNIX = re.compile(r"unix:(?P<path>/[^|]+)\|(?P<scheme>[a-z0-9]+)://")
# What Debian enables by itself, and what proxy_farm.load says that it depends on.
DEBIAN = ["authn_core", "authn_file", "authz_core", "authz_host", "authz_user", "auth_basic", "alias", "dir", "env",
          "setenvif", "status", "proxy"]
NEEDED = {r"ajp://": ["proxy_ajp"], r"fcgi://": ["proxy_fcgi"], r"\bwss?://": ["proxy_wstunnel"],
          r"balancer://": ["slotmem_shm", "proxy_balancer", "lbmethod_byrequests"],
          r"lbmethod=bybusyness": ["lbmethod_bybusyness"], r"SetHandler server-status": ["status"],
          r"AuthType Basic": ["auth_basic", "authn_file", "authz_user"]}
# What httpd or the module says of answers that the manual shows on purpose.
SAID_OF = {"503": r"FARM00012", "403": r"authz_core:error", "401": r"auth_basic:error|authz_core:error"}


# -- members that say where they are -------------------------------------------------------------------------


def says(text):
    """One line, to ordinary requests; who wants a WebSocket gets one, which stays open."""
    line = (text + "\n").encode()

    @stage("body")
    def behave(member, wire, request):
        if (request.header("Upgrade") or "").lower() != "websocket":
            return answer(headers=[("X-Said", "by-a-member")], body=line)(member, wire, request)
        accept = websocket_accept(request.header("Sec-WebSocket-Key") or "")
        wire.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n")
        member.wait_for_hangup(wire)
        return False
    return behave


def says_as_fcgi(text):
    """As a script that prints where it is; FPM takes away what httpd writes before the path."""
    @stage("body")
    def behave(_member, wire, request):
        script = re.sub(r"^proxy:fcgi://[^/]*", "", request.header("SCRIPT_FILENAME"))
        said = f"Content-Type: text/plain\r\n\r\n{text} {script}\n".encode()
        wire.send(fcgi_record(FCGI_STDOUT, 1, said) + fcgi_record(FCGI_STDOUT, 1, b"") + fcgi_record(FCGI_END, 1, bytes(8)))
        return True
    return behave


def says_as_ajp(text):
    body = (text + "\n").encode()

    @stage("body")
    def behave(_member, wire, _request):
        wire.send(ajp_packet(bytes([AJP_HEADERS]) + (200).to_bytes(2, "big") + ajp_string("OK") + (1).to_bytes(2, "big")
                             + ajp_string("Content-Type") + ajp_string("text/plain"))
                  + ajp_packet(bytes([AJP_BODY]) + len(body).to_bytes(2, "big") + body + b"\0")
                  + ajp_packet(bytes([AJP_END, 1])))
        return True
    return behave


KINDS = {"http": (Member, says), "ws": (Member, says), "fcgi": (FcgiMember, says_as_fcgi), "ajp": (AjpMember, says_as_ajp)}


# -- one example ---------------------------------------------------------------------------------------------


class Typist:
    """Types an example at a server of its own."""

    def __init__(self, httpd, example):
        self.httpd = httpd
        self.example = example
        self.places = {}
        self.sockets = {}
        self.deployed = httpd.root / "deployed"
        self.variables = ""
        for folder in FOLDERS.values():
            (httpd.root / folder).mkdir(exist_ok=True)
        (httpd.root / "etc" / "conf-enabled").mkdir()
        httpd.conf.status_location = OUR_STATUS
        httpd.conf.head.append(f"ProxyPass {OUR_STATUS} !")
        httpd.conf.mutex = []
        self._modules()
        self._shims()

    # -- putting real things in place --------------------------------------------------------------------

    def _modules(self):
        text, conf = self.example.config.text, self.httpd.conf
        if self.example.enabled is None:
            conf.modules = list(BASE_MODULES)
            for pattern, names in NEEDED.items():
                if re.search(pattern, text):
                    conf.load(*names)
        else:
            assert "proxy_farm" in self.example.enabled, f"{self.example}: a2enmod without proxy_farm"
            conf.modules = [*DEBIAN, *(name for name in self.example.enabled if name != "proxy_farm")]
            conf.add((REPOSITORY / "apache-conf" / "proxy_farm.conf").read_text())
        conf.add(f'Include "{self.httpd.root}/etc/conf-enabled/farms.conf"')

    def _shims(self):
        """curl is as quiet as it is on a terminal; ssh notes what it was to do elsewhere."""
        self.bin = self.httpd.root / "bin"
        self.bin.mkdir()
        shims = {"curl": 'exec /usr/bin/curl -s "$@"', "ssh": f'echo "$*" >> "{self.deployed}"'}
        for name, text in shims.items():
            (self.bin / name).write_text(f"#!/bin/sh\n{text}\n")
            (self.bin / name).chmod(0o755)
        if any("farmctl " in block.text for block in self.example.blocks if block.kind != "apache"):
            assert FARMCTL.exists(), f"{self.example}: {FARMCTL} is missing: run `make farmctl`, or set FARMCTL"
        (self.bin / "farmctl").symlink_to(FARMCTL)

    def _member(self, scheme, place):
        assert scheme in KINDS, f"{self.example}: no member of the test speaks {scheme}"
        kind, speaking = KINDS[scheme]
        if place not in self.places:
            member = self.httpd.member(place, kind)
            self.places[place] = member.always(speaking(f"served by {member.address}"))
        return self.places[place].address

    def _socket(self, match):
        path = self._here(match["path"])
        if path not in self.sockets:
            kind, speaking = KINDS[match["scheme"]]
            name = path.rsplit("/", 1)[1]
            self.sockets[path] = self.httpd.member(name, kind, unix=self.httpd.unix_path(name.removesuffix(".sock")))
            self.sockets[path].always(speaking(f"served by {name}"))
        return f"unix:{path}|{match['scheme']}://"

    def _here(self, text):
        for theirs, ours in FOLDERS.items():
            text = text.replace(theirs, f"{self.httpd.root}/{ours}/")
        return text

    def real(self, text, is_command=False):
        """The manual's text with real addresses and paths; in a command also the server's own."""
        text = UNIX.sub(self._socket, text)
        text = PLACE.sub(lambda match: f"{match['scheme']}://{self._member(match['scheme'], match['place'])}", text)
        if is_command:
            text = SERVER.sub(f"http://127.0.0.1:{self.httpd.port}", text)
        return self._here(text)

    def shown(self, text):
        """What was said, in the manual's words."""
        for place, member in self.places.items():
            text = re.sub(rf"{re.escape(member.address)}\b", place, text)
        text = text.replace(f"127.0.0.1:{self.httpd.port}", "localhost")
        for theirs, ours in FOLDERS.items():
            text = text.replace(f"{self.httpd.root}/{ours}/", theirs)
        return text

    # -- typing ------------------------------------------------------------------------------------------

    def type(self):
        """All of it, in its order; then a server whose configuration is right must be up."""
        config = self.example.config.text
        for block in self.example.before:
            self._block(block)
        (self.httpd.root / "etc" / "conf-enabled" / "farms.conf").write_text(self.real(config))
        self._files(config)
        shown = [line for _, said in self.example.commands for line in said]
        for status, pattern in SAID_OF.items():
            if any(re.search(rf"\b{status}\b", line) for line in shown):
                self.httpd.log.expect(pattern)
        if any("admin=off" in block.text for block in self.example.blocks if block.kind == "sh"):
            self.httpd.log.expect(SAID_OF["503"])
        if not self.example.is_wrong:
            self._check(CONFIGTEST, [FINE], self._configtest)
        for block in self.example.after:
            self._block(block)
        if not self.example.is_wrong:
            self.up()
            self.httpd.status()

    def _files(self, config):
        """Files that the configuration names and nothing typed before has made."""
        for directive, text in (("FarmSecretFile", KEY_LINE), ("AuthUserFile", "")):
            for path in re.findall(rf'^ *{directive} +"(.+)"$', config, re.M):
                file = Path(self._here(path))
                if not file.exists():
                    file.write_text(text)
                    file.chmod(0o640)

    def up(self):
        if not self.httpd.running:
            self.httpd.start()

    def _block(self, block):
        if block.kind == "console":
            for command, said in block.commands():
                self._command(block, command, said)
        else:
            self.up()
            {"sh": self._script, "ini": self._service, "crontab": self._line_of_crontab}[block.kind](block)

    def _command(self, block, command, said):
        typed = plain(command)
        if typed == CONFIGTEST:
            self._check(f"{block}: {command}", said, self._configtest)
        elif typed.startswith("a2enmod "):
            assert all((self.httpd.conf.modules_dir / f"mod_{name}.so").exists() for name in typed.split()[1:]
                       if name != "proxy_farm"), f"{block}: no such module: {typed}"
            self._check(f"{block}: {command}", said, lambda: "")
        elif typed in ("systemctl restart apache2", "apachectl restart"):
            assert not said
            if self.httpd.running:
                assert self.httpd.stop() == 0
            self.httpd.start()
        elif typed == "apachectl graceful":
            assert not said
            self.httpd.graceful() if self.httpd.running else self.httpd.start()
        else:
            assert "apachectl" not in typed and "systemctl" not in typed, f"{block}: cannot type {command}"
            if re.search(r"http://|^farmctl ", typed):
                self.up()
            if re.match(r"\w+=\$\(", command):
                self.variables += command + "\n"
            self._check(f"{block}: {command}", said, lambda: self._typed(block, re.sub(r"\bsudo ", "", command)),
                        patient=typed.startswith("tail "))

    def _configtest(self):
        """What configtest says, without what it says at info, and without the time and process of a line."""
        said = re.sub(r"^\[[^]]*\] \[\w+:(info|debug)\] .*\n", "", self.httpd.configtest()[1], flags=re.M)
        return re.sub(r"^\[[^]]*\] \[proxy_farm:\w+\] (?:\[pid[^]]*\] )?", "", said, flags=re.M)

    def _typed(self, block, command):
        """What a command says; where anything may be said, it must at least end well."""
        status, said = self._shell(command)
        assert status == 0, f"{block}: {command} ended with {status}: {said}"
        return said

    def _shell(self, command, **variables):
        command = self.variables + command
        environment = {"PATH": f"{self.bin}:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8",
                       "FARMCTL_SERVER": f"http://127.0.0.1:{self.httpd.port}/", **variables}
        done = subprocess.run(["/bin/sh", "-c", self.real(command, is_command=True)], env=environment, cwd=REPOSITORY,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        return done.returncode, done.stdout

    def _check(self, what, expected, say, patient=False):
        """Compares what is said with what the manual shows. What is written after the answer is waited for."""
        pattern = pattern_of(expected)
        said = self.shown(say())
        if patient and not pattern.fullmatch(said):
            wait.at_most(10, lambda: pattern.fullmatch(self.shown(say())))
            said = self.shown(say())
        assert pattern.fullmatch(said), "\n".join([what, "the manual shows:", *expected, "it said:", said])

    # -- scripts -----------------------------------------------------------------------------------------

    @property
    def handlers(self):
        """Variables that scripts of the documents take."""
        base = f"http://127.0.0.1:{self.httpd.port}"
        return {f"FARM_{name.upper()}": f"{base}/farm-{name}" for name in ("status", "manager", "update")}

    def _script(self, block):
        if "while :" in block.text:
            members = [one for place, one in self.places.items()]
            assert block.text == recipes.the_loop() and members
            self._checks(FARM="app", MEMBERS=" ".join(f"app{n}={one.url}{recipes.HEALTH}" for n, one in enumerate(members, 1)))
            return
        with asked_meanwhile(self.httpd) as answers:
            status, said = self._shell("set -e\n" + block.text, **self.handlers)
        assert status == 0, f"{block}: ended with {status}: {said}"
        if "ssh " in block.text:
            assert set(answers) == {200}, f"{block}: clients got {set(answers)}"
            self._check(f"{block}: what ssh was told", ["app1.internal …deploy…", "app2.internal …deploy…"],
                        self.deployed.read_text)

    def _checks(self, **settings):
        """The loop of docs/monitoring.md, with these settings: every member of the farm hears of it."""
        before = {name: row["updates"] for name, row in self.httpd.rows().items()}
        with recipes.running(self.httpd, **settings):
            wait.until(lambda: all(row["updates"] > before[name] and row["health"] == "up"
                                   for name, row in self.httpd.rows().items()), "a verdict of each member")

    def _service(self, block):
        """A unit's environment and command are those of the loop, or farmctl's agent."""
        agent = re.findall(r"^ExecStart=/usr/local/bin/(farmctl agent .+)$", block.text, re.M)
        if agent:
            return self._agent(*agent)
        settings = dict(re.findall(r'"(\w+)=([^"]*)"', self.real(block.text, is_command=True)))
        assert set(settings) == {"FARM_UPDATE", "FARM", "MEMBERS"}, block.text
        command, = re.findall(r"^ExecStart=(.+)$", block.text, re.M)
        assert command == "/bin/sh /usr/local/bin/farm-check", command
        self._checks(**settings)

    def _agent(self, command):
        """The member that it names is told of, again and again, until it is ended."""
        farm, member = command.split()[2:4]
        updates = lambda: self.httpd.rows(farm)[member]["updates"]
        before = updates()
        agent = subprocess.Popen([self.bin / "farmctl", *command.split()[1:], "--interval", "100ms"],
                                 env={"FARMCTL_SERVER": f"http://127.0.0.1:{self.httpd.port}/"}, stderr=subprocess.DEVNULL)
        try:
            wait.until(lambda: updates() > before + 1, f"updates of {member}")
        finally:
            agent.terminate()
            agent.wait(20)

    def _line_of_crontab(self, block):
        for line in block.text.splitlines():
            assert "%" not in line, f"{block}: cron makes a line end of %"
            *_, command = line.split(maxsplit=5)
            assert self._shell(command) == (0, ""), f"{block}: {line}"


@contextlib.contextmanager
def asked_meanwhile(httpd):
    """A client that asks for something again and again; the statuses that it got."""
    answers, over = [], threading.Event()

    def ask():
        while not over.wait(0.02):
            answers.append(httpd.get("/orders").status)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield answers
    finally:
        wait.until(lambda: answers, "a client to be served")
        over.set()
        asking.join(30)


def pattern_of(lines):
    """What a block shows: … stands for anything in a line, and alone for any lines."""
    parts = ["(?:.*\n)*" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + "\n" for line in lines]
    return re.compile("".join(parts))
