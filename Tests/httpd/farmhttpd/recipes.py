"""The commands that docs/monitoring.md gives, taken out of it and run as they stand."""

import contextlib
import os
import re
import signal
import subprocess
from pathlib import Path

from farmhttpd import wait
from farmhttpd.env import REPOSITORY

DOCUMENT = REPOSITORY / "docs" / "monitoring.md"
PATH = "/usr/local/bin:/usr/bin:/bin"
HEALTH = "/health"


def blocks(language):
    """The fenced blocks of that language, in the order of the document."""
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text(), re.M | re.S)


def the_loop():
    found, = [block for block in blocks("sh") if "while :" in block]
    return found


def one_liners(variable):
    """The lines of sh blocks that use this variable, without their comments."""
    return [line for block in blocks("sh") if block != the_loop() for line in block.splitlines()
            if f'"${variable}' in line]


def shell(line, **variables):
    """Runs one line as somebody types it; (exit status, what it said, what it complained of)."""
    done = subprocess.run(["/bin/sh", "-c", line], env={"PATH": PATH, "LANG": "C", **variables}, capture_output=True,
                          text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def url(httpd, path):
    return f"http://127.0.0.1:{httpd.port}{path}"


def checked(*members):
    """What the loop is told of these members."""
    return " ".join(f"{one.name}={one.url}{HEALTH}" for one in members)


@contextlib.contextmanager
def running(httpd, *members, **settings):
    """The loop at work; it is ended by its own process id and must leave nothing running."""
    script = httpd.root / "farm-check"
    script.write_text(the_loop())
    variables = {"PATH": PATH, "FARM_UPDATE": url(httpd, "/farm-update"), "FARM": "app", "MEMBERS": checked(*members),
                 "INTERVAL": "0.1", "TIMEOUT": "5", "RISE": "2", "FALL": "2", **settings}
    with open(httpd.root / "logs" / "farm-check.log", "wb") as said:
        process = subprocess.Popen(["/bin/sh", str(script)], env=variables, stdout=said, stderr=said, start_new_session=True)
    try:
        yield process
        assert process.poll() is None, f"it has ended with {process.returncode}"
        process.terminate()
        assert process.wait(20) == 0
        wait.until(lambda: not in_session(process.pid), "the last process of the loop to end")
    finally:
        if process.poll() is None:
            process.kill()
        for pid in in_session(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(10)


def in_session(leader):
    """Living processes of the session that this process led."""
    found = []
    for path in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if path.name.isdigit() and int(path.name) != leader:
                fields = (path / "stat").read_text().rsplit(")", 1)[1].split()
                if int(fields[3]) == leader and fields[0] != "Z":
                    found.append(int(path.name))
    return found
