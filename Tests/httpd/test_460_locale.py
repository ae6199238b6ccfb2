"""Numbers are written and read with a point, whatever locale another module has set for the whole process."""

import re
import subprocess

import pytest

from farmhttpd import modules, update, wait

THIRD = 0.3333333333333333


@pytest.fixture(scope="module")
def comma(tmp_path_factory):
    """A module that sets a locale with a decimal comma, and the lines that load it."""
    folder = tmp_path_factory.mktemp("comma")
    # With warnings it ends with 1, and has made the locale all the same.
    subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", str(folder / "de_DE.UTF-8")], check=False, capture_output=True)
    assert (folder / "de_DE.UTF-8" / "LC_NUMERIC").exists(), "install the package locales"
    folder.chmod(0o755)
    return [f"LoadModule comma_module {modules.build('comma', folder)}", f'Comma "{folder}"']


def start(httpd, comma):
    httpd.conf.head += [*comma, f'FarmStateFile "{httpd.root / "state"}"']
    httpd.farm(httpd.member("a"), 'FarmLoad "cpu * 1.5 + 0.0625"')
    httpd.conf.handler("farm-update")
    httpd.conf.one_process()
    httpd.start()


def test_460_01_every_form(httpd, comma):
    """JSON, OpenMetrics, text and the page, the answer to an update, and the formula as it was read."""
    start(httpd, comma)
    told = update.ask(httpd, f"farm=app&member=a&cpu={THIRD}&big=1.2345678912345e%2B300")
    assert told.status == 200 and "," not in told.body.decode(), told.body
    row = httpd.rows()["a"]
    assert row["metrics"] == {"cpu": THIRD, "big": 1.2345678912345e+300}
    assert row["load"] == pytest.approx(THIRD * 1.5 + 0.0625)
    for form in ("json", "openmetrics", "text"):
        text = httpd.get(f"/farm-status?format={form}").body.decode()
        assert str(THIRD) in text and not re.search(r"\d,\d", text.replace('","', "")), form
    assert "0,33" not in httpd.get("/farm-status").body.decode()


def test_460_02_the_state_file(httpd, comma):
    """What is kept over a full stop is read again."""
    start(httpd, comma)
    assert update.ask(httpd, f"farm=app&member=a&cpu={THIRD}").status == 200
    state = httpd.root / "state"
    wait.until(lambda: state.exists() and b"cpu%3A0.3333333333333333" in state.read_bytes(), "the state file")
    httpd.stop()
    httpd.start()
    assert httpd.rows()["a"]["metrics"] == {"cpu": THIRD}
    httpd.graceful()
    assert httpd.rows()["a"]["metrics"] == {"cpu": THIRD}
