"""Fixtures: a browser with JavaScript, one without, and the servers of Tests/httpd."""

import sys
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "httpd")]

from farmhttpd.fixtures import *  # noqa: E402, F403
from farmbrowser.browser import Browser  # noqa: E402


@pytest.fixture(scope="session")
def browsers():
    """Browsers by what they are able to do; each is started when a test first needs it."""
    started = {}
    yield started
    for browser in started.values():
        browser.quit()


def prepared(request, httpd, browsers, scripts):
    """The browser as new; afterwards it must have said nothing that was not declared, and asked nobody but the server."""
    if scripts not in browsers:
        browsers[scripts] = Browser(scripts)
    browser = browsers[scripts].begin(httpd)
    yield browser
    try:
        if request.node.report_call.passed:
            browser.check_quiet()
        else:
            browser.picture(request.node.name)
    finally:
        browser.leave()


@pytest.fixture
def browser(request, httpd, browsers):
    yield from prepared(request, httpd, browsers, True)


@pytest.fixture
def plain_browser(request, httpd, browsers):
    """One that runs no script of a page."""
    yield from prepared(request, httpd, browsers, False)
