"""One httpd process with a ServerRoot of its own, and everything a test does with it."""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from farmhttpd import client, outcomes, wait
from farmhttpd.conf import Conf
from farmhttpd.log import ErrorLog
from farmhttpd.members import Member
from farmhttpd.ports import bound_socket

APACHE = os.environ.get("FARM_APACHE", "/usr/sbin/apache2")
MODULES_DIR = Path(os.environ.get("FARM_MODULES_DIR", "/usr/lib/apache2/modules"))
REPOSITORY = Path(__file__).resolve().parents[3]
FARM_MODULE = Path(os.environ.get("FARM_MODULE", REPOSITORY / ".build-module" / "mod_proxy_farm.so")).resolve()
KEEP = bool(os.environ.get("FARM_KEEP"))
# A program and its options that run the server, such as valgrind's.
UNDER = shlex.split(os.environ.get("FARM_UNDER", ""))


class Httpd:
    """The server, its members and its clients."""

    def __init__(self, mpm="event", farm_module=FARM_MODULE):
        self.root = Path(tempfile.mkdtemp(prefix="farm-"))
        self.root.chmod(0o755)
        for name in ("run", "logs", "htdocs"):
            (self.root / name).mkdir(mode=0o755)
        # Kept open, so that nobody else gets the port before httpd listens to it or between two starts.
        self.port_holder = bound_socket()
        self.port = self.port_holder.getsockname()[1]
        self.conf = Conf(self.root, self.port, mpm, farm_module, MODULES_DIR)
        self.log = ErrorLog(self.root / "logs" / "error.log")
        self.mpm = mpm
        self.members = []
        self.process = None
        self.may_end_with = {0}
        self.segments = set()

    # -- configuration and members -------------------------------------------------------------------------

    def member(self, name, kind=Member, *arguments, start=True, **options):
        member = kind(name, *arguments, **options)
        self.members.append(member)
        return member.start() if start else member

    def three(self, *names):
        return [self.member(name) for name in names or ("a", "b", "c")]

    def unix_path(self, name):
        return self.root / "run" / f"{name}.sock"

    def farm(self, *parts, name="app"):
        """A farm and a ProxyPass of /NAME/ to it: the five lines most tests need."""
        self.conf.farm(name, *parts)
        self.conf.proxy(f"/{name}/", f"http://{name}/")
        return self

    @property
    def conf_path(self):
        return self.root / "httpd.conf"

    @property
    def environment(self):
        return {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "LANG": "C",
                "SWIFT_BACKTRACE": "enable=no", "TMPDIR": str(self.root / "run")}

    def _command(self, *arguments):
        return [*UNDER, APACHE, "-d", str(self.root), "-f", str(self.conf_path), *arguments]

    def configtest(self):
        """Returns (exit status, what it said)."""
        self.conf.write(self.conf_path)
        done = subprocess.run(self._command("-t"), env=self.environment, capture_output=True, text=True,
                              errors="replace", timeout=wait.patiently(60))
        return done.returncode, done.stderr + done.stdout

    def command(self, option):
        """What httpd prints when it is asked by an option such as -L."""
        self.conf.write(self.conf_path)
        return subprocess.run(self._command(option), env=self.environment, capture_output=True, text=True,
                              errors="replace", timeout=wait.patiently(60), check=True).stdout

    # -- life ----------------------------------------------------------------------------------------------

    def start(self, mode="-DFOREGROUND"):
        self.conf.write(self.conf_path)
        self.log.note_start()
        before = self.log.starts()
        with open(self.root / "logs" / "stderr.log", "ab") as stderr:
            self.process = subprocess.Popen(self._command(mode), env=self.environment, stdout=stderr,
                                            stderr=stderr, start_new_session=True)
        if mode == "-X":
            # The only process serves at once and never says that it has come up.
            wait.until(self._connects, "httpd to listen")
        else:
            self._wait_for_start(before)
        return self

    def try_start(self):
        """For servers that must not come up: returns (exit status, everything said)."""
        self.conf.write(self.conf_path)
        done = subprocess.run(self._command("-DFOREGROUND"), env=self.environment, capture_output=True, text=True,
                              errors="replace", timeout=wait.patiently(60))
        return done.returncode, done.stderr + self.log.text()

    def _wait_for_start(self, before):
        def up():
            if self.process.poll() is not None:
                raise AssertionError(f"httpd ended with {self.process.returncode}:\n{self.stderr}\n{self.log.text()}")
            return self.log.starts() > before
        wait.until(up, "httpd to come up")
        wait.until(self._connects, "httpd to listen")
        self.segments |= self.mapped_segments()

    def _connects(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def stderr(self):
        path = self.root / "logs" / "stderr.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def graceful(self):
        """Writes the configuration as it is now and restarts gracefully; then no old child takes new requests."""
        self.conf.write(self.conf_path)
        before, old = self.log.starts(), self.children()
        self.process.send_signal(signal.SIGUSR1)
        self._wait_for_start(before)
        # A child of prefork that is busy keeps its listening socket until it is done, so this is given up in time.
        wait.at_most(wait.patiently(1), lambda: not any(listens(pid, self.port) for pid in old))

    def restart(self):
        """The hard restart: children are ended at once, the parent stays."""
        self.conf.write(self.conf_path)
        before = self.log.starts()
        self.process.send_signal(signal.SIGHUP)
        self._wait_for_start(before)

    def stop(self, how=signal.SIGTERM):
        """Stops the server and returns its exit status; SIGWINCH is the graceful stop and takes a second."""
        if self.running:
            self.segments |= self.mapped_segments()
            if how == signal.SIGTERM:
                self.log.note_stop()
            self.process.send_signal(how)
            try:
                self.process.wait(wait.patiently(30))
            except subprocess.TimeoutExpired:
                self._end_by_force()
                raise AssertionError("httpd did not stop") from None
        return self.process.returncode

    def _end_by_force(self):
        for pid in [*self.session(), self.process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(10)

    def check_clean_end(self):
        """What every test demands of its server: no lines unasked for, exit status 0, nothing left behind."""
        status = self.stop()
        problems = [f"the log says: {line}" for line in self.log.unexpected()]
        if status not in self.may_end_with:
            problems.append(f"httpd ended with {status}")
        try:
            wait.until(lambda: not self.session(), "the last child to end", 10)
        except AssertionError:
            problems.append(f"children left: {self.session()}")
            self._end_by_force()
        problems += [f"core file {path}" for path in self.root.glob("**/core*")]
        problems += [f"left behind: {path}" for path in self.leftovers()]
        assert not problems, "\n".join(problems)

    def close(self):
        if self.running:
            self._end_by_force()
        for member in self.members:
            member.stop()
        self.port_holder.close()
        if not KEEP:
            shutil.rmtree(self.root, ignore_errors=True)

    # -- processes and shared memory -----------------------------------------------------------------------

    def session(self):
        """Every living process of this server: all are in the session that the parent leads."""
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

    children = session

    def wait_for_children(self, count):
        return wait.until(lambda: len(self.children()) >= count and self.children(), f"{count} children")

    def mapped_segments(self):
        """Names of the shared segments that the parent has mapped: /dev/shm, System V or files."""
        names = set()
        for line in Path(f"/proc/{self.process.pid}/maps").read_text().splitlines():
            fields = line.split(maxsplit=5)
            if len(fields) == 6 and fields[1][3] == "s":
                names.add(fields[5])
        return names

    def leftovers(self):
        """Segments, locks and files that outlived the server."""
        left = [name for name in self.segments if name.startswith("/") and "(deleted)" not in name
                and not name.startswith(("/dev/zero", "/usr/")) and Path(name).exists()]
        left += [f"System V segment {key}" for key in system_v_segments(self.process.pid)]
        return left + [path for path in (self.root / "run").iterdir() if path.suffix != ".sock"]

    # -- requests ------------------------------------------------------------------------------------------

    def get(self, target, **arguments):
        return client.request(self.port, target, **arguments)

    def client(self, **arguments):
        return client.Client(self.port, **arguments)

    def status(self):
        response = self.get(f"{self.conf.status_location}?format=json")
        assert response.status == 200, response
        return response.json

    def farm_status(self, name="app"):
        """A farm of the status. A request has its outcome an instant after its client has the answer: that is waited for."""
        def farms():
            return self.status()["farms"]

        def settled(all_of_them):
            return all(outcomes.ended(farm) == farm["requests"] for farm in all_of_them)
        found = [farms()]
        wait.at_most(0.1, lambda: settled(found[-1]) or found.append(farms()))
        return next(farm for farm in found[-1] if farm["name"].lower() == name.lower())

    def rows(self, name="app"):
        """The farm's members as the status shows them, by member name."""
        return {row["name"]: row for row in self.farm_status(name)["members"]}

    def wait_for_row(self, condition, what, member="a", name="app"):
        return wait.until(lambda: condition(self.rows(name)[member]), what)

    def access_log(self):
        """Lines of the access log, split; written after the answer, so wait for as many as you need."""
        path = self.root / "logs" / "access.log"
        return [line.split("\t") for line in path.read_text().splitlines()] if path.exists() else []

    def access(self, pattern, count=1):
        """The access log's lines whose path contains the pattern, once there are that many."""
        found = lambda: [line for line in self.access_log() if pattern in line[2]]
        return wait.until(lambda: len(found()) >= count and found(), f"{count} lines for {pattern} in the access log")


def tcp_sockets(column, address, state):
    """Inodes of the TCP sockets of this machine whose local (1) or remote (2) address and state are these."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[9] for row in rows if row[column] == address and row[3] == state}


def holds_socket(pid, inodes):
    """Whether a process has one of these sockets open; not when it has gone."""
    try:
        targets = [os.readlink(fd.path) for fd in os.scandir(f"/proc/{pid}/fd")]
    except OSError:
        return False
    return any(target.startswith("socket:[") and target[8:-1] in inodes for target in targets)


def listens(pid, port):
    return holds_socket(pid, tcp_sockets(1, f"0100007F:{port:04X}", "0A"))


def is_connected_to(pid, port):
    return holds_socket(pid, tcp_sockets(2, f"0100007F:{port:04X}", "01"))


def system_v_segments(creator):
    """Identifiers of System V segments made by that process."""
    lines = Path("/proc/sysvipc/shm").read_text().splitlines()
    cpid = lines[0].split().index("cpid")
    return [line.split()[1] for line in lines[1:] if int(line.split()[cpid]) == creator]
