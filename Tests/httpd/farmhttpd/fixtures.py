"""Fixtures: every test gets a server root, ports and members of its own, and a server that must end cleanly."""

import signal
import tempfile
from pathlib import Path

import pytest

from farmhttpd import wait
from farmhttpd.env import FARM_MODULE, Httpd
from farmhttpd.tls import make_certificate

LONGEST = int(wait.patiently(120))


def pytest_generate_tests(metafunc):
    if metafunc.definition.get_closest_marker("both_mpms"):
        metafunc.parametrize("mpm", ["event", "prefork"])


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    setattr(item, f"report_{call.when}", report)
    server = item.funcargs.get("httpd")
    if report.failed and server is not None:
        report.sections.append(("error.log", (server.stderr + server.log.text())[-8000:]))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """No test waits for ever, whatever it waits for."""
    def too_long(_signal, _frame):
        raise AssertionError(f"not done after {LONGEST} s")

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LONGEST)
    yield
    signal.alarm(0)


@pytest.fixture
def mpm(request):
    return getattr(request, "param", "event")


@pytest.fixture
def httpd(request, mpm):
    """A server not yet started; when the test has passed, it must stop with status 0, silent log and no remains."""
    if not FARM_MODULE.exists():
        pytest.exit(f"{FARM_MODULE} is missing: run `make module`, or set FARM_MODULE", returncode=1)
    server = Httpd(mpm)
    try:
        yield server
        if server.process is not None:
            for member in server.members:
                member.release()
            if request.node.report_call.passed:
                server.check_clean_end()
            else:
                server.stop()
    finally:
        server.close()


@pytest.fixture(scope="session")
def certificate():
    with tempfile.TemporaryDirectory(prefix="farm-tls-") as folder:
        yield make_certificate(Path(folder))
