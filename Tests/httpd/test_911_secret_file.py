"""FarmSecretFile, FarmCookie, FarmSticky cookie: every wrong file and line, and the right ones."""

import os
import re

import pytest

from farmhttpd.badconf import check_accepted, check_refused
from farmhttpd.instructions import KEY, KID, KEY2, ask, check_tied, counting, instructed, instruction

MEMBER = "FarmMember http://127.0.0.1:8001 name=a"
K = "k" * 32
LINE = f"{KID}:{KEY}"

# What the file holds, the line that must be named, and what must be said.
BAD_FILES = {
    "nothing": ("", None, "NAME:KEY|KID:KEY"), "a line end": ("\n", None, "NAME:KEY|KID:KEY"),
    "comments only": ("# one\n\n#k1:" + K + "\n  \t\n", None, "NAME:KEY|KID:KEY"),
    "no colon": (f"{K}\n", 1, "colon"), "no colon in line 3": (f"# x\n{LINE}\nk2 {K}\n", 3, "colon"),
    "a blank for a colon": (f"k1 {K}\n", 1, "colon"),
    "no name": (f":{K}\n", 1, "name"), "name of 17": (f"{'n' * 17}:{K}\n", 1, "16"),
    "name with a dot": (f"k.1:{K}\n", 1, "letters"),
    "name with a blank": (f"k 1:{K}\n", 1, "letters"), "blank before the name": (f" k1:{K}\n", 1, "letters"),
    "blank before the colon": (f"k1 :{K}\n", 1, "letters"),
    "name with an umlaut": (f"k\u00e4:{K}\n", 1, "letters"), "a byte order mark": (f"\ufeff{LINE}\n", 1, "letters"),
    "no key": ("k1:\n", 1, "32"), "key of 31": (f"k1:{'x' * 31}\n", 1, "32"), "key of 257": (f"k1:{'x' * 257}\n", 1, "256"),
    "key of 5000": (f"k1:{'x' * 5000}\n", 1, "256"),
    "blank in the key": (f"k1:{K} {K}\n", 1, "blank|space"), "blank before the key": (f"k1: {K}\n", 1, "blank|space"),
    "blank behind the key": (f"k1:{K} \n", 1, "blank|space"),
    "tab in the key": (f"k1:{K}\t{K}\n", 1, "blank|space|printable"),
    "a comment behind the key": (f"k1:{K} # new\n", 1, "blank|space"),
    "umlaut in the key": (f"k1:{K}\u00fc\n", 1, "ASCII"), "control character in the key": (f"k1:{K}\x1b\n", 1, "printable"),
    "DEL in the key": (f"k1:{K}\x7f\n", 1, "printable"),
    "CR alone": (f"k1:{K}\rk2:{K}\n", 1, "printable"), "NUL in the key": (f"k1:{K}\0\n", 1, "NUL|printable"),
    "NUL in the name": (f"k\x001:{K}\n", 1, "NUL|letters"),
    "NUL in a comment": (f"{LINE}\n# \0\n", 2, "NUL"), "NUL at the end": (f"{LINE}\n\0", 2, "NUL"),
    "a name twice": (f"{LINE}\nk2:{K}\n{KID}:{K}\n", 3, "twice"), "the same line twice": (f"{LINE}\n{LINE}\n", 2, "twice"),
    "bad after good": (f"{LINE}\nk2:{K}\n\n# x\nk3:short\n", 5, "32"), "bad in the last line": (f"{LINE}\nk2", 2, "colon"),
    "UTF-16": (LINE.encode("utf-16"), 1, ""),
}


def keys(httpd, content, mode=0o600):
    path = httpd.root / "farm.keys"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def refused(httpd, *remedies, line="FarmSecretFile farm.keys"):
    said = check_refused(httpd, f"! {line}", *remedies)
    assert KEY not in said and K not in said, f"the message holds a key: {said}"
    return said


@pytest.mark.parametrize("content, number, remedy", BAD_FILES.values(), ids=BAD_FILES.keys())
def test_911_01_wrong_files(httpd, content, number, remedy):
    """Contract: "one `KID:KEY` a line (`#` comments, blank lines), KID `[A-Za-z0-9_-]{1,16}`, KEY 32 to 256 printable ASCII
    characters without space"; "Every error stops configtest with the file, the line and what to write instead"; no key is
    told."""
    keys(httpd, content)
    said = refused(httpd, r"farm\.keys", remedy)
    assert number is None or re.search(rf"\bline {number}\b", said), f"line {number} of it is not named: {said}"


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602, 0o666, 0o607, 0o777])
def test_911_02_open_to_everybody(httpd, mode):
    """Contract: "a world-readable file is an error", and so is one that everybody may write."""
    keys(httpd, LINE + "\n", mode)
    refused(httpd, "read|write", "chmod")


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o660, 0o440])
def test_911_03_open_to_owner_and_group(httpd, mode):
    """Contract: only what everybody may read is wrong: owner and group may."""
    keys(httpd, LINE + "\n", mode)
    check_accepted(httpd, "FarmSecretFile farm.keys")


def test_911_04_no_file(httpd):
    """Contract: a file that is not there, a folder, a device or one that is far too large is an error that names it."""
    refused(httpd, "nosuch", line="FarmSecretFile nosuch.keys")


@pytest.mark.parametrize("path, remedy",
                         [("run", "run"), ("/dev/null", "/dev/null|NAME:KEY"), ("farm.keys/x", "farm.keys"),
                          ('""', "FarmSecretFile"), ("large", "large|NAME:KEY")])
def test_911_05_no_file_of_keys(httpd, path, remedy):
    """Contract: what is no file of keys is an error, not a start without keys."""
    keys(httpd, LINE + "\n")
    large = httpd.root / "large"
    large.write_bytes(b"# comment\n" * 40000 + LINE.encode())
    large.chmod(0o600)
    refused(httpd, remedy, line=f"FarmSecretFile {path}")


@pytest.mark.parametrize("content", [
    LINE, LINE + "\n", f"{LINE}\r\nk2:{K}\r\n", f"\n\n# c\n#\n{LINE}\n \t\n", f"{'n' * 16}:{'x' * 256}\n",
    "A-_9:" + "".join(map(chr, range(33, 127))) + "\n",
    f"#k1:{K}\nk1:{KEY}\n", f"k1:{KEY}\nK1:{KEY}\n", "-:#" + K + "\n", "\n".join(f"k{n}:{n:032}" for n in range(500)),
    f"{LINE}\n\r\n\r\n"])
def test_911_06_right_files(httpd, content):
    """Contract: comments, blank lines, every printable character, the shortest and the longest of all, with or without a
    last
    line end, from any system."""
    keys(httpd, content)
    check_accepted(httpd, f"FarmSecretFile farm.keys\n<Farm app>\n{MEMBER}\nFarmSticky cookie\n</Farm>")


def test_911_07_read_as_root(httpd):
    """Contract: "Read before privileges are dropped": a file that only its owner can read serves every process, also after
    graceful restarts; the path is relative to ServerRoot, or absolute."""
    instructed(httpd)
    path = keys(httpd, f"{LINE}\n", 0o400)
    httpd.start()
    check_tied(httpd, "b", instruction(member="b"))
    httpd.conf.head[:] = [f"FarmSecretFile {path}"]
    httpd.graceful()
    check_tied(httpd, "b", instruction(member="b"))
    assert path.stat().st_uid == os.geteuid() and path.stat().st_mode & 0o777 == 0o400


def test_911_08_read_at_restarts_only(httpd):
    """Contract: the file is read with the configuration: what is written to it later counts from the next restart; one that
    has gone bad stops the restart's configtest, and a running server serves on."""
    instructed(httpd)
    httpd.start()
    keys(httpd, f"{KID}:{KEY2}\n")
    check_tied(httpd, "b", instruction(member="b"))
    httpd.graceful()
    check_tied(httpd, "b", instruction(member="b", key=KEY2))
    with counting(httpd, bad_mac=1):
        ask(httpd, instruction(member="b"))
    keys(httpd, "bad\n")
    status, said = httpd.configtest()
    assert status != 0 and "line 1" in said
    check_tied(httpd, "b", instruction(member="b", key=KEY2))


def test_911_09_key_as_written(httpd):
    """Contract: "its bytes as written are the HMAC key": neither base64 nor hex nor escapes are read in it; CR LF is no
    part."""
    odd = {"k1": "4142434445464748494a4b4c4d4e4f50", "k2": "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=",
           "k3": "%41\\x41\\n${HOME}$1" + "x" * 20, "k4": "a:b:c#d" + "y" * 30}
    instructed(httpd)
    keys(httpd, "".join(f"{kid}:{key}\r\n" for kid, key in odd.items()))
    httpd.start()
    for kid, key in odd.items():
        check_tied(httpd, "b", instruction(member="b", kid=kid, key=key))


BAD_LINES = {
    "secret file without a path": ("! FarmSecretFile", ""), "two paths": ("! FarmSecretFile a b", ""),
    "in a farm": ("<Farm app>\n! FarmSecretFile farm.keys\n</Farm>", ""),
    "in a virtual host": ("<VirtualHost *:80>\n! FarmSecretFile farm.keys\n</VirtualHost>", ""),
    "cookie without a name": ("! FarmCookie", ""), "two names": ("! FarmCookie a b", ""),
    "empty name": ('! FarmCookie ""', "name"), "cookie in a farm": ("<Farm app>\n! FarmCookie x\n</Farm>", ""),
    "cookie in a virtual host": ("<VirtualHost *:80>\n! FarmCookie x\n</VirtualHost>", ""),
    **{f"cookie {name}": (f'! FarmCookie "{name}"', "letters|name")
       for name in ("a=b", "a;b", "a b", "a,b", "a/b", "a@b", "f\u00e4rm", "(x)", "[x]", "{x}", "a:b", "x" * 65)},
    **{f"sticky {name}": (f'<Farm app>\n{MEMBER}\n! FarmSticky cookie "{name}"\n</Farm>', "letters|name")
       for name in ("a=b", "a;b", "a b", "a,b", "a/b", "k\u00e4se", "x" * 65)},
    "sticky of two names": (f"<Farm app>\n{MEMBER}\n! FarmSticky cookie A B\n</Farm>", ""),
    "sticky outside": ("! FarmSticky cookie", "<Farm"),
    "sticky in a virtual host": ("<VirtualHost *:80>\n! FarmSticky cookie\n</VirtualHost>", ""),
    **{f"set {words}": (f"<Farm app>\n{MEMBER}\n! FarmSet {words}\n</Farm>", words.partition("=")[0]) for words in (
        "stickyttl", "stickyttl=", "stickyttl=x", "stickyttl=0", "stickyttl=9s", "stickyttl=9999ms", "stickyttl=-1",
        "stickyttl=5parsecs", "stickyttl=87601h",
        "stickyttl=99999999999999999999", "stickyttl=off", "passcookie", "passcookie=", "passcookie=1", "passcookie=maybe",
        "passcookie=on,off")},
}


@pytest.mark.parametrize("text, remedy", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_911_10_wrong_lines(httpd, text, remedy):
    """Contract: "Every error stops `apachectl configtest` with the file, the line and what to write instead"; a cookie's
    name
    is a token of HTTP; stickyttl is 10 s to 10 years."""
    keys(httpd, LINE + "\n")
    said = check_refused(httpd, text, remedy)
    assert "Invalid command" not in said


def test_911_11_sticky_without_keys(httpd):
    """Contract: FarmSticky cookie "needs FarmSecretFile": without it configtest fails, names the farm, and says what to
    write."""
    httpd.conf.add("<Farm app>", MEMBER, "FarmSticky cookie", "</Farm>")
    status, said = httpd.configtest()
    assert status != 0 and all(word in said for word in ("FARM00024", "app", "FarmSecretFile", "httpd.conf")), said
    keys(httpd, LINE + "\n")
    check_accepted(httpd, "FarmSecretFile farm.keys")


@pytest.mark.parametrize("lines",
                         ["FarmCookie INSTR", "FarmCookie __Host-farm", "FarmCookie !#$%&'*+-.^_`|~09azAZ",
                          f"FarmCookie {'x' * 64}", "farmcookie f"])
def test_911_12_right_names(httpd, lines):
    """Contract: FarmCookie's and FarmSticky's names are tokens of HTTP, up to 64 characters; without a key file too."""
    check_accepted(httpd,
                   f"{lines}\n<Farm app>\n{MEMBER}\nFarmSet stickyttl=10s passcookie=off\n"
                   "FarmSet STICKYTTL=87600h PASSCOOKIE=On\n</Farm>")
