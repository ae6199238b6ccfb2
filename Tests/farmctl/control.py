"""Runs farmctl: to its end, beside the test, or on a terminal."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import threading
import time
from pathlib import Path

from farmhttpd import wait
from farmhttpd.env import REPOSITORY

FARMCTL = Path(os.environ.get("FARMCTL", REPOSITORY / ".build-module" / "farmctl")).resolve()

# Exit statuses, as docs/farmctl.md has them.
DONE, NO, CRITICAL, UNKNOWN, TIME_UP, ENDED = 0, 1, 2, 3, 4, 5
USAGE, DATA, NO_INPUT, UNREACHABLE, WRONG_SERVER, REFUSED = 64, 65, 66, 69, 76, 77


def environment(**more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FARM", "NO_COLOR"))}
    return {**kept, "LC_ALL": "C.UTF-8", "TERM": "xterm", **more}


class Control:
    """farmctl against a server."""

    def __init__(self, port, scheme="http"):
        self.url = f"{scheme}://127.0.0.1:{port}/"
        self.env = environment(FARMCTL_SERVER=self.url)

    def run(self, *arguments, stdin=None, **env):
        """The ended process: returncode, stdout, stderr."""
        return subprocess.run([FARMCTL, *map(str, arguments)], env={**self.env, **env}, input=stdin, timeout=60,
                              capture_output=True, text=True)

    def ok(self, *arguments, status=DONE, **more):
        """What it writes when it ends with this status and has nothing to complain about."""
        done = self.run(*arguments, **more)
        assert (done.returncode, done.stderr) == (status, ""), (done.returncode, done.stdout, done.stderr)
        return done.stdout

    def fails(self, status, *arguments, **more):
        """The one line of a failure; nothing else is written."""
        done = self.run(*arguments, **more)
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        assert done.stdout == "", done.stdout
        line, = done.stderr.splitlines()
        assert line.startswith("farmctl: "), line
        return line.removeprefix("farmctl: ")

    def beside(self, *arguments, **env):
        """A process that goes on: end it with `with`."""
        return Beside([FARMCTL, *map(str, arguments)], {**self.env, **env})

    def on_terminal(self, *arguments, **env):
        return OnTerminal([FARMCTL, *map(str, arguments)], {**self.env, **env})


class Running:
    """A process that is ended when the test is done with it."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(20)
        self.close()


class Beside(Running):
    """A process whose lines, of both outputs, are read as they come."""

    def __init__(self, command, env):
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def close(self):
        self.reader.join(20)
        self.process.stdout.close()

    def wait_for(self, text, count=1):
        wait.until(lambda: sum(text in line for line in self.lines) >= count, f"{text!r} in {self.lines}")

    def end(self):
        """The exit status, when it ends by itself."""
        status = self.process.wait(60)
        self.reader.join(20)
        return status


class OnTerminal(Running):
    """A process on a terminal of its own."""

    def __init__(self, command, env, columns=100, rows=30):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(command, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)
        self.said = ""

    def close(self):
        os.close(self.master)

    def _more(self):
        """Reads what there is; false at the end."""
        if not select.select([self.master], [], [], 0.05)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.said += data.decode(errors="replace")
        return bool(data)

    def wait_for(self, text):
        """Waits until it has said it, and forgets all up to there."""
        end = time.monotonic() + wait.GENEROUS
        while text not in self.said:
            assert self._more() and time.monotonic() < end, f"waited in vain for {text!r} in {self.said!r}"
        before, self.said = self.said.split(text, 1)
        return before + text

    def end(self):
        while self._more() and self.process.poll() is None:
            pass
        while select.select([self.master], [], [], 0)[0] and self._more():
            pass
        return self.process.wait(20)
