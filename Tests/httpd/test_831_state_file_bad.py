"""A state file that is not what the module wrote: one warning, and the server starts with what is configured."""

import hashlib
import re

import pytest

from farmhttpd import wait
from farmhttpd.manager import STATE_IGNORED, STATE_NOT_WRITTEN, change, farm_of, note, settings, state_file
from farmhttpd.update import push

A = "farm=app&member=a"


@pytest.fixture
def stopped(httpd):
    """A server that has stopped, with a state file that holds something of every kind; (httpd, path, its bytes)."""
    farm_of(httpd, options=["", "admin=drain", "weight=3"])
    httpd.conf.handler("farm-update")
    path = state_file(httpd)
    httpd.log.expect(STATE_IGNORED)
    httpd.start()
    configured = settings(httpd)
    change(httpd, f"{A}&admin=off&by=ann&reason=why&until=5h&weight=9&health=down")
    change(httpd, "farm=app&member=b&admin=on&by=bob"), change(httpd, "farm=app&admin=drain&by=cid&reason=all")
    push(httpd, "farm=app&member=c&cpu=0.5")
    httpd.configured = {key: {**row, "admin_since": None} for key, row in configured.items()}
    httpd.stop()
    return httpd, path, path.read_bytes()


def check_ignored(httpd, path, data, name):
    """One warning that names the file; everything as configured; and the file is whole again after the next stop."""
    print("state file:", name)
    path.write_bytes(data)
    before = len(httpd.log.lines(STATE_IGNORED))
    httpd.start()
    lines = httpd.log.lines(STATE_IGNORED)[before:]
    assert len(lines) == 1 and "[proxy_farm:warn]" in lines[0] and "farm.state" in lines[0], lines
    assert len(lines[0]) < 2000 and lines[0].isprintable(), lines
    seen = {key: {**row, "admin_since": None} for key, row in settings(httpd).items()}
    assert seen == httpd.configured
    assert httpd.rows()["c"]["metrics"] == {}
    assert httpd.get("/app/x").status == 200
    change(httpd, "farm=app&member=c&admin=drain&by=eve")
    httpd.stop()
    httpd.start()
    assert note(httpd.rows()["c"]) == ("drain", "eve", None)
    assert len(httpd.log.lines(STATE_IGNORED)) == before + 1
    httpd.stop()


def flipped(data, at, bit=1):
    return data[:at] + bytes([data[at] ^ bit]) + data[at + 1:]


def test_831_00_whole(stopped):
    """The measure of the tests below: the file as it was written is taken over, without a word."""
    httpd, path, data = stopped
    path.write_bytes(data)
    httpd.start()
    assert note(httpd.rows()["a"]) == ("off", "ann", "why") and httpd.rows()["c"]["metrics"] == {"cpu": 0.5}
    assert note(httpd.farm_status()) == ("drain", "cid", "all")
    assert httpd.log.lines(f"{STATE_IGNORED}|{STATE_NOT_WRITTEN}") == []


def test_831_01_one_bit(stopped):
    """Contract: "last line is a checksum. Damaged, …: logged as warning (FARM00018) and ignored": one bit, wherever."""
    httpd, path, data = stopped
    last_line = data.rstrip(b"\n").rindex(b"\n") + 1
    reason = data.index(b"why")
    for at in (0, len(data) // 2, reason, last_line, len(data) - 2):
        check_ignored(httpd, path, flipped(data, at), f"byte {at} of {len(data)}")


def test_831_02_one_letter(stopped):
    """Contract: damaged is ignored: also where the text would read as well with the damage."""
    httpd, path, data = stopped
    for old, new in ((b"why", b"who"), (b"bob", b"bib")):
        assert old in data
        check_ignored(httpd, path, data.replace(old, new, 1), new)


TRUNCATED = {
    "half": lambda data: data[:len(data) // 2],
    "without its last line": lambda data: data[:data.rstrip(b"\n").rindex(b"\n") + 1],
    "without its first line": lambda data: data[data.index(b"\n") + 1:],
    "the first line alone": lambda data: data[:data.index(b"\n") + 1],
    "the last line alone": lambda data: data[data.rstrip(b"\n").rindex(b"\n") + 1:],
    "without a line between": lambda data: b"".join(line for n, line in enumerate(data.splitlines(True)) if n != 1),
    "one byte": lambda data: data[:1],
    "twice": lambda data: data * 2,
    "with a tail": lambda data: data + b"x\n",
}


def test_831_03_truncated(stopped):
    """Contract: damaged is ignored: what is left of a file is not taken for the whole."""
    httpd, path, data = stopped
    for name, cut in TRUNCATED.items():
        check_ignored(httpd, path, cut(data), name)


FOREIGN = {
    "empty": b"",
    "blank": b"\n",
    "another program's": b"# Worker properties\nworker.list=app\nworker.app.type=lb\n",
    "httpd's": b"LoadModule proxy_farm_module modules/mod_proxy_farm.so\n" * 100,
    "NULs": bytes(100_000),
    "every byte": bytes(range(256)) * 64,
    "one line of a megabyte": b"x" * (1 << 20),
    "many lines": b"x\n" * 500_000,
    "a program": b"\x7fELF\x02\x01\x01" + bytes(9) + bytes(range(255, -1, -1)) * 40,
    "escape sequences": b"\x1b[2J\x1b]0;title\x07\n" * 10,
    "other line ends": b"mod_proxy_farm\r\nfarm app\r\n",
}


def test_831_04_foreign(stopped):
    """Contract: "Damaged, foreign, …: logged as warning (FARM00018) and ignored"."""
    httpd, path, _ = stopped
    for name, data in FOREIGN.items():
        check_ignored(httpd, path, data, name)


def sealed(text):
    """The text with a checksum as the module writes it."""
    return text + b"sha1 " + hashlib.sha1(text).hexdigest().encode() + b"\n"


INSIDE = {
    "newer version": lambda text: re.sub(rb"\d+(?=\n)", lambda found: b"%d" % (int(found[0]) + 1), text, count=1),
    "version that begins alike": lambda text: text.replace(b"\n", b"0\n", 1),
    "no version": lambda text: re.sub(rb" ?\d+(?=\n)", b"", text, count=1),
    "nothing": lambda text: b"",
    "a line that is none": lambda text: text + b"wibble\n",
    "a line of NULs": lambda text: text + bytes(40) + b"\n",
    "an unknown state": lambda text: text.replace(b"admin=off", b"admin=gone", 1),
    "a reason that is no UTF-8": lambda text: text.replace(b"why", b"%FF%FE", 1),
    "a reason too long": lambda text: text.replace(b"why", b"y" * 5000, 1),
    "a reason with a line end": lambda text: text.replace(b"why", b"%0Ax", 1),
    "a name too long": lambda text: text.replace(b"member=a&", b"member=" + b"a" * 5000 + b"&", 1),
    "a weight beyond its range": lambda text: text.replace(b"weight=9", b"weight=99999", 1),
}


def test_831_05_right_checksum(stopped):
    """Contract: "of another version: logged as warning (FARM00018) and ignored"; and what has been edited, checksum and all,
    is taken over all or not at all."""
    httpd, path, data = stopped
    text = data[:data.rstrip(b"\n").rindex(b"\n") + 1]
    assert sealed(text) == data, "not as the test thinks"
    for name, damage in INSIDE.items():
        assert damage(text) != text, f"nothing was damaged: {name}"
        check_ignored(httpd, path, sealed(damage(text)), name)


def test_831_06_huge(stopped):
    """Contract: foreign is ignored: however much of it there is, the server starts."""
    httpd, path, data = stopped
    with open(path, "wb") as file:
        file.write(data)
        file.truncate(1 << 32)
    before = len(httpd.log.lines(STATE_IGNORED))
    httpd.start()
    assert len(httpd.log.lines(STATE_IGNORED)) == before + 1
    assert note(httpd.rows()["a"]) == ("on", None, None)
    httpd.stop()
    assert path.stat().st_size < 1 << 20


def test_831_07_converted_line_ends(stopped):
    """Contract: damaged is ignored: what an editor made of its line ends too."""
    httpd, path, data = stopped
    check_ignored(httpd, path, data.replace(b"\n", b"\r\n"), "CR LF")


def test_831_08_missing(stopped):
    """What an administrator expects: the first start has no state file, and that is no fault."""
    httpd, path, _ = stopped
    path.unlink()
    httpd.start()
    assert note(httpd.rows()["a"]) == ("on", None, None)
    assert httpd.log.lines(f"{STATE_IGNORED}|{STATE_NOT_WRITTEN}") == []
    httpd.stop()
    assert path.exists()


def test_831_09_left_over_temporary_files(stopped):
    """Contract: "temporary file, fsync, rename": what a killed server left of it hinders nobody, and is not read."""
    httpd, path, data = stopped
    for name in ("farm.state.tmp", "farm.state.new", "farm.state~", ".farm.state.tmp"):
        (path.parent / name).write_bytes(b"half of a")
    httpd.start()
    assert note(httpd.rows()["a"]) == ("off", "ann", "why")
    change(httpd, f"{A}&admin=drain&by=bob&reason=new")
    httpd.stop()
    assert b"new" in path.read_bytes()
    httpd.start()
    assert note(httpd.rows()["a"]) == ("drain", "bob", "new")
    assert httpd.log.lines(STATE_IGNORED) == []


def test_831_10_cannot_be_written(httpd):
    """Contract: "Cannot be written: logged as error once (FARM00019)"; the server goes on all the same."""
    farm_of(httpd)
    # A folder where nobody, not even root, can make a file.
    httpd.conf.add("FarmStateFile /proc/farm.state")
    httpd.log.expect(STATE_NOT_WRITTEN)
    httpd.start()
    change(httpd, f"{A}&admin=off&by=ann&reason=one")
    wait.until(lambda: httpd.log.lines(STATE_NOT_WRITTEN), "the log to tell of it", 20)
    change(httpd, f"{A}&admin=off&by=ann&reason=two")
    assert httpd.get("/app/x").status == 200
    assert note(httpd.rows()["a"]) == ("off", "ann", "two")
    assert httpd.stop() == 0
    lines = httpd.log.lines(STATE_NOT_WRITTEN)
    assert len(lines) == 1 and "[proxy_farm:error]" in lines[0] and "/proc/farm.state" in lines[0], lines
