"""farmctl check: a configuration file against the server that runs it, or does not any more."""

import json

import pytest

from control import DATA, DONE, NO, NO_INPUT, UNREACHABLE, Control


def config(httpd):
    """What the server was started with: the whole file, as administrators have it."""
    return httpd.conf_path


def test_the_same(farms, ctl):
    """The server's own configuration has no difference, whatever else is in it."""
    farms.stop()
    farms.conf.farms["app"][0] += " weight=3 tier=1 maxinflight=9"
    farms.conf.farms["app"].append("FarmAlgorithm roundrobin")
    farms.start()
    assert ctl.ok("check", config(farms)) == "the server runs what is in the file: 2 farms, 4 members\n"
    assert ctl.ok("check", config(farms), "--json") == ""
    assert ctl.ok("check", "-", stdin=config(farms).read_text()).startswith("the server runs what is in the file")


def test_default_names(httpd):
    """A member without name= has the name that the server gives it."""

    member = httpd.member("m")
    httpd.conf.farm("app", f"FarmMember {member.url}/", "FarmMember http://127.0.0.1/", "FarmMember https://127.0.0.1/x")
    httpd.conf.load("ssl")
    ctl = Control(httpd.start().port)
    assert ctl.ok("check", config(httpd)).startswith("the server runs what is in the file: 1 farm, 3 members")


def test_differences(farms, ctl, tmp_path):
    """Each that there is, by farm and member, and exit status 1."""
    ctl.ok("weight", "app/a", "5")
    ctl.ok("drain", "app/b")
    text = config(farms).read_text().replace("name=c", "name=d").replace("<Farm gold>", "<Farm silver>")
    changed = tmp_path / "farms.conf"
    changed.write_text(text)
    assert ctl.ok("check", changed, status=NO).splitlines() == [
        "app/a: weight is 5 in the server and 1 in the file", "app/b: admin is drain in the server and on in the file",
        "app: member d is in the file and not in the server", "app: member c is in the server and not in the file",
        "silver: farm silver is in the file and not in the server", "gold: farm gold is in the server and not in the file"]
    first = json.loads(ctl.ok("check", changed, "--json", status=NO).splitlines()[0])
    assert first == {"place": "app/a", "what": "weight", "file": "1", "server": "5"}


def test_several_files(farms, ctl, tmp_path):
    for name, lines in farms.conf.farms.items():
        (tmp_path / name).write_text("\n".join([f"<Farm {name}>", *lines, "</Farm>", ""]))
    ctl.ok("check", tmp_path / "app", tmp_path / "gold")
    assert ctl.ok("check", tmp_path / "app", status=NO) == "gold: farm gold is in the server and not in the file\n"
    assert "is in two of the files" in ctl.fails(DATA, "check", tmp_path / "app", tmp_path / "app")


def test_what_is_not_followed_is_said(farms, ctl, tmp_path):
    path = tmp_path / "farms.conf"
    path.write_text("Include more.conf\n" + config(farms).read_text())
    done = ctl.run("check", path)
    assert done.returncode == DONE and "line 1: Include more.conf: not followed; check that file too" in done.stderr


@pytest.mark.parametrize("text, says", [
    ("<Farm app>\n", "line 1: <Farm app> has no </Farm>"),
    ("<Farm app>\nFarmMember http://a/ weight=x\n</Farm>\n", "line 2: weight= takes a number from 1 to 1000"),
    ("FarmMember http://a/\n", "line 1: FarmMember stands in <Farm NAME>"),
])
def test_bad_files(ctl, tmp_path, text, says):
    path = tmp_path / "farms.conf"
    path.write_text(text)
    said = ctl.fails(DATA, "check", path)
    assert said.startswith(f"{path}, ") and says in said


def test_no_file(ctl, tmp_path):
    assert "cannot be read: No such file" in ctl.fails(NO_INPUT, "check", tmp_path / "none")
    assert "cannot be read: Is a directory" in ctl.fails(NO_INPUT, "check", tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    assert "no UTF-8 text" in ctl.fails(NO_INPUT, "check", tmp_path / "binary")


def test_a_file_is_read_before_the_server_is_asked(farms, ctl):
    farms.stop()
    assert "connection refused" in ctl.fails(UNREACHABLE, "check", config(farms))
