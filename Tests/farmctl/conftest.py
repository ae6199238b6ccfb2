"""Fixtures: a real httpd as Tests/httpd has it, farms with all handlers, and farmctl as people run it."""

import importlib.util
import sys
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
HTTPD = Path(__file__).resolve().parents[1] / "httpd"
sys.path[:0] = [str(HTTPD), str(Path(__file__).resolve().parent)]

spec = importlib.util.spec_from_file_location("httpd_conftest", HTTPD / "conftest.py")
httpd_conftest = importlib.util.module_from_spec(spec)
spec.loader.exec_module(httpd_conftest)
certificate, httpd, mpm = httpd_conftest.certificate, httpd_conftest.httpd, httpd_conftest.mpm
pytest_runtest_makereport = httpd_conftest.pytest_runtest_makereport
pytest_runtest_call = httpd_conftest.pytest_runtest_call

from control import FARMCTL, Control  # noqa: E402

HANDLERS = ("farm-update", "farm-balance", "farm-manager")


def pytest_sessionstart():
    if not FARMCTL.exists():
        pytest.exit(f"{FARMCTL} is missing: run `make farmctl`, or set FARMCTL", returncode=1)


@pytest.fixture
def farms(httpd):
    """A server with the farms app (members a, b, c) and gold (g), all handlers, not yet started."""
    httpd.farm(*httpd.three())
    httpd.farm(httpd.member("g"), name="gold")
    for handler in HANDLERS:
        httpd.conf.handler(handler)
    return httpd


@pytest.fixture
def ctl(farms):
    """farmctl against the server of `farms`, which runs."""
    farms.start()
    return Control(farms.port)
