"""What is done to the server. Each function gets a maker of scenes (server.py) and returns what happened, in words, and what
was broken."""

import os
import random
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from farmhttpd import wait
from farmhttpd.log import BROKEN
from load import FARM, Load

MANAGER = {"X-Farm-Manager": "1", "Content-Type": "application/x-www-form-urlencoded"}
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
KILLED = r"AH00052|exit signal Killed|AH10392"
REPAIRED = "FARM00104"                      # a row that a killed child left half written


class CannotBe(Exception):
    """This machine does not allow the disturbance."""


def until(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield


def change(httpd, text):
    answer = httpd.get("/farm-manager", method="POST", headers=MANAGER, body=text.encode())
    assert answer.status == 200, answer
    return answer


# -- children ------------------------------------------------------------------------------------------------


def kill(scene):
    """kill -9 of a child, again and again: only what it had in its hands may be cut."""
    with scene() as one:
        one.httpd.log.expect(KILLED, REPAIRED)
        one.httpd.start()
        chance, kills = random.Random(1), 0
        with Load(one.httpd.port, one.seen, kept=4) as load:
            for _ in until(one.seconds):
                children = one.httpd.children()
                if children:
                    kills += end(chance.choice(children))
                time.sleep(0.25)
        one.problems += load.problems(allowed=("cut",))
        # A child has at most all clients in its hands.
        one.blame(load.outcomes["cut"] > kills * 8, "more cuts than requests that killed children can have had")
    return f"{kills} children killed, {load}", one.problems


def end(pid, how=signal.SIGKILL):
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return 0
    return 1


def stop(scene):
    """SIGSTOP of a child for half a second: its requests wait, the others' go on, and none is lost. No client keeps its
    connection: event closes kept ones when it lacks threads."""
    with scene() as one:
        one.httpd.start()
        chance, stops = random.Random(2), 0
        with Load(one.httpd.port, one.seen) as load:
            for _ in until(one.seconds):
                children = one.httpd.children()
                pid = chance.choice(children)
                stops += end(pid, signal.SIGSTOP)
                time.sleep(0.5)
                end(pid, signal.SIGCONT)
                time.sleep(0.1)
        one.problems += load.problems()
    return f"{stops} children stopped for half a second, {load}", one.problems


# -- restarts ------------------------------------------------------------------------------------------------


def graceful(scene):
    """Graceful restarts in a loop: no request is lost."""
    with scene() as one:
        one.httpd.start()
        restarts = 0
        with Load(one.httpd.port, one.seen) as load:
            for _ in until(one.seconds):
                before = one.httpd.log.starts()
                one.httpd.process.send_signal(signal.SIGUSR1)
                wait.until(lambda: one.httpd.log.starts() > before, "the graceful restart")
                restarts += 1
                time.sleep(0.3)
        one.problems += load.problems()
    return f"{restarts} graceful restarts, {load}", one.problems


def restart(scene):
    """Restarts that end children at once: what these had in their hands is cut, and nothing else happens. A client that comes
    back at once may find the next child that is about to be ended."""
    with scene() as one:
        # httpd's own words when a child that it ends is still busy and closes sockets under its threads; and mpm_event's own
        # crash at SIGTERM, see farmhttpd/log.py.
        one.httpd.log.expect(r"AH00045|AH00046|AH00468|AH00052|AH00051", BROKEN, REPAIRED)
        one.httpd.start()
        restarts = 0
        with Load(one.httpd.port, one.seen) as load:
            for _ in until(one.seconds):
                one.httpd.restart()
                restarts += 1
                time.sleep(0.3)
        one.problems += load.problems(allowed=("cut",))
    return f"{restarts} hard restarts, {load}", one.problems


# -- the machine ---------------------------------------------------------------------------------------------


def year_of(httpd):
    """The year that the server believes in."""
    return time.strptime(httpd.get(httpd.conf.status_location).get("Date"), "%a, %d %b %Y %H:%M:%S GMT").tm_year


def clock(scene):
    """CLOCK_REALTIME jumps, by libfaketime, while requests run: no request notices, and what has an end still ends. No client
    keeps its connection: those are over for httpd when the clock says so."""
    if not FAKETIME.exists():
        raise CannotBe(f"{FAKETIME} is missing")
    jumps = ["+3600s", "-3600s", "+864000s", "-86400s", "+0s", "+31536000s", "-31536000s", "+0s"]
    folder = Path(tempfile.mkdtemp(prefix="farm-chaos-"))
    try:
        folder.chmod(0o755)
        offset = folder / "offset"
        offset.write_text("+0s\n")
        with scene({"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(offset), "FAKETIME_NO_CACHE": "1",
                    "FAKETIME_DONT_FAKE_MONOTONIC": "1"}) as one:
            one.httpd.start()
            real, seen_years = year_of(one.httpd), set()
            change(one.httpd, f"farm={FARM}&member=m0&admin=drain&by=chaos&until=2h")
            with Load(one.httpd.port, one.seen) as load:
                for jump in jumps:
                    offset.write_text(jump + "\n")
                    time.sleep(one.seconds / len(jumps))
                    seen_years.add(year_of(one.httpd) - real)
            if seen_years == {0}:
                raise CannotBe("libfaketime has no effect on httpd")
            one.problems += load.problems()
            admin = one.httpd.rows(FARM)["m0"]["admin"]
            one.blame(admin != "on", f"a drain whose end has come is {admin}")
            change(one.httpd, f"farm={FARM}&member=m0&admin=on&by=chaos")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return f"{len(jumps)} jumps of up to a year, {load}", one.problems


class SmallDisk:
    """A tmpfs of a few pages, in a name space of mounts that needs root."""

    def __enter__(self):
        self.path = Path(tempfile.mkdtemp(prefix="farm-chaos-"))
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k,mode=755", "farm-chaos", self.path], capture_output=True,
                              text=True)
        if done.returncode:
            self.path.rmdir()
            raise CannotBe(f"no tmpfs can be mounted: {done.stderr.strip()}")
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", self.path], check=False)
        self.path.rmdir()

    def fill(self):
        with open(self.path / "filler", "wb", buffering=0) as file:
            try:
                while file.write(b"x" * 512):
                    pass
            except OSError:
                pass

    def empty(self):
        (self.path / "filler").unlink()


def disk(scene):
    """The disk of the state file is full: an error in the log, once; the old file stays; nothing else is wrong; and when there is
    room again, it is written."""
    with SmallDisk() as small, scene() as one:
        one.httpd.log.expect("FARM00019")
        one.httpd.conf.head.append(f'FarmStateFile "{small.path}/state"')
        one.httpd.start()
        change(one.httpd, f"farm={FARM}&member=m0&weight=7")
        state = small.path / "state"
        wait.until(state.exists, "the state file", 30)
        before = state.read_bytes()
        small.fill()
        with Load(one.httpd.port, one.seen) as load:
            change(one.httpd, f"farm={FARM}&member=m0&weight=9")
            wait.until(lambda: one.httpd.log.lines("FARM00019"), "the error", 40)
            one.blame(state.read_bytes() != before, "the state file is not what it was before the disk was full")
        errors = len(one.httpd.log.lines("FARM00019"))
        one.problems += load.problems()
        small.empty()
        wait.until(lambda: state.read_bytes() != before, "the state file to be written again", 40)
        one.httpd.stop()
        one.httpd.start()
        weight = one.httpd.rows(FARM)["m0"]["weight"]
        one.blame(weight != 9, f"after a full stop the weight is {weight}, not 9")
        one.blame(errors != 1, f"FARM00019 was logged {errors} times")
    return f"a tmpfs without room, {load}", one.problems


def memory(scene):
    """No memory for the tables, at the start and at a restart: a clear error and no crash."""
    mapped = 1 << 30
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (mapped, mapped))
    with scene() as one:
        one.httpd.conf.head.append("FarmTable members=60000")
        one.httpd.conf.write(one.httpd.conf_path)
        done = subprocess.run(one.httpd._command("-DFOREGROUND"), env=one.httpd.environment, capture_output=True, text=True,
                              timeout=60, preexec_fn=limit)
        said = done.stderr + one.httpd.log.text()
        one.blame("FARM00005" not in said, f"no FARM00005 but: {said[-500:]}")
        one.blame(done.returncode < 0 or done.returncode > 128, f"httpd ended with {done.returncode}")
    with scene() as two:
        two.httpd.log.expect("FARM00007|AH00020|AH00016", KILLED)
        two.httpd.start()
        resource.prlimit(two.httpd.process.pid, resource.RLIMIT_AS, (mapped, mapped))
        with Load(two.httpd.port, two.seen) as load:
            time.sleep(1)
        two.httpd.conf.farm("more", *(f"FarmMember http://127.0.0.1:{1 + n}/ name=n{n}" for n in range(32_000)))
        two.httpd.conf.write(two.httpd.conf_path)
        two.httpd.process.send_signal(signal.SIGUSR1)
        wait.at_most(60, lambda: two.httpd.process.poll() is not None or two.httpd.log.starts() > 1)
        two.blame("FARM00007" not in two.httpd.log.text() + two.httpd.stderr,
                  f"no FARM00007 but: {two.httpd.log.text()[-500:]}")
        status = two.httpd.process.poll()
        two.blame(status is not None and status < 0, f"httpd ended with {status}")
        two.problems += load.problems()
        wait.at_most(10, lambda: not two.httpd.session())
        two.blame(status is not None and two.httpd.session(), f"children left: {two.httpd.session()}")
        two.httpd.process = None if status is not None else two.httpd.process
    return f"1 GiB of address space: start ended with {done.returncode}, restart with {status}; before it {load}", \
        one.problems + two.problems


ALL = {"kill": kill, "stop": stop, "graceful": graceful, "restart": restart, "clock": clock, "disk": disk, "memory": memory}
