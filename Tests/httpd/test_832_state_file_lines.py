"""Wrong and right FarmStateFile lines, and users whose names are no text."""

import pytest

from farmhttpd.badconf import check_accepted, check_refused
from farmhttpd.manager import STATE_IGNORED, change, kept
from test_801_by_and_log import as_user, guarded
from test_830_state_file import again, managed

A = "farm=app&member=a"

BAD_LINES = {
    "no path": ("! FarmStateFile", "FarmStateFile"),
    "empty": ('! FarmStateFile ""', "FarmStateFile|path"),
    "two paths": ("! FarmStateFile state/a state/b", "FarmStateFile"),
    "folder that is missing": ("! FarmStateFile nosuch/farm.state", "nosuch"),
    "folder that is missing, absolute": ("! FarmStateFile /nosuch/folder/farm.state", "/nosuch/folder"),
    "folder that is a file": ("! FarmStateFile httpd.conf/farm.state", "httpd.conf"),
    "a folder": ("! FarmStateFile htdocs", "file"),
    "in a farm": ("<Farm app>\nFarmMember http://127.0.0.1:8001\n! FarmStateFile farm.state\n</Farm>", ""),
    "in a virtual host": ("<VirtualHost *:80>\n! FarmStateFile farm.state\n</VirtualHost>", ""),
}


@pytest.mark.parametrize("text, remedy", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_832_01_wrong_lines(httpd, text, remedy):
    """Contract: "configtest: an error when its directory does not exist or PATH is a directory"; "none in `<VirtualHost>`"."""
    said = check_refused(httpd, text, remedy)
    assert "Invalid command" not in said and "later" not in said, said


def test_832_02_right_line(httpd):
    """Contract: "FarmStateFile PATH (relative to ServerRoot)": a file that is not there yet is right."""
    check_accepted(httpd, "FarmStateFile logs/farm.state\n<Farm app>\nFarmMember http://127.0.0.1:8001\n</Farm>")
    assert not (httpd.root / "logs" / "farm.state").exists()


@pytest.mark.parametrize("user", ["é" * 40, "\xe9" * 5, "x" * 62 + "é"], ids=["long", "Latin-1", "cut in a letter"])
def test_832_03_odd_users(httpd, user):
    """Contract: "admin (with by, reason, since, until)" survives: whoever is the authenticated user, the file that tells of
    it can be read again."""
    managed(httpd)
    code = "latin-1" if user == "\xe9" * 5 else "utf-8"
    guarded(httpd, users=[user], code=code)
    httpd.start()
    change(httpd, f"{A}&admin=off&weight=4", path="/admin", headers=as_user(user, code=code))
    change(httpd, "farm=app&member=b&admin=drain&by=ann")
    before = kept(httpd)
    again(httpd)
    assert kept(httpd) == before
    assert httpd.log.lines(STATE_IGNORED) == []
