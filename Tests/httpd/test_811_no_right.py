"""Who may change nothing: requests without a right to, and methods that change nothing."""

import pytest

from farmhttpd.manager import HEADER, PATH, ask, change, farm_of, log_of, nonce, refused, settings
from farmhttpd.update import FORM

A = "farm=app&member=a"
OFF = f"{A}&admin=off"


def managed(httpd):
    farm_of(httpd, "a", "b")
    httpd.farm(httpd.member("z"), name="other")
    return httpd


# Headers and content type without a right to change anything.
NO_RIGHT = {
    "neither header nor nonce": ([FORM], ""),
    "another site's form": ([FORM, ("Origin", "http://evil.example"), ("Referer", "http://evil.example/x"),
                             ("Sec-Fetch-Site", "cross-site")], ""),
    "this site's form without a nonce": ([FORM, ("Origin", "http://127.0.0.1"), ("Sec-Fetch-Site", "same-origin")], ""),
    "wrong nonce": ([FORM], "&nonce=00000000000000000000000000000000"),
    "empty nonce": ([FORM], "&nonce="),
    "short nonce": ([FORM], "&nonce=0"),
    "long nonce": ([FORM], f"&nonce={'0' * 5000}"),
    "nonce of NULs": ([FORM], "&nonce=" + "%00" * 16),
    "header of 0": ([FORM, ("X-Farm-Manager", "0")], ""),
    "header empty": ([FORM, ("X-Farm-Manager", "")], ""),
    "header of another value": ([FORM, ("X-Farm-Manager", "yes")], ""),
    "header and a wrong nonce of another type": ([("Content-Type", "text/plain"), HEADER], "&nonce=0"),
    "header, text/plain": ([("Content-Type", "text/plain"), HEADER], ""),
    "header, JSON": ([("Content-Type", "application/json"), HEADER], ""),
    "header, multipart": ([("Content-Type", "multipart/form-data; boundary=x"), HEADER], ""),
    "header, no type": ([HEADER], ""),
    "header, a type that begins alike": ([("Content-Type", FORM[1] + "x"), HEADER], ""),
}


@pytest.mark.both_mpms
def test_811_01_no_right(httpd):
    """Contract: "a request with neither that nonce nor `Content-Type: application/x-www-form-urlencoded` plus the header
    `X-Farm-Manager: 1` is refused with 403"; nothing changes."""
    managed(httpd).start()
    before, problems = settings(httpd), []
    for name, (headers, tail) in NO_RIGHT.items():
        for text in (OFF, "farm=app&admin=off", f"{A}&health=down", f"{A}&weight=7"):
            try:
                refused(ask(httpd, text + tail, headers=headers, kind=None), 403)
                assert settings(httpd) == before, "something was changed"
            except AssertionError as error:
                problems.append(f"{name}: {text}: {error}")
    assert not problems, "\n".join(problems)
    assert log_of(httpd) == []


@pytest.mark.parametrize("kind", ["Application/X-WWW-Form-URLEncoded", "application/x-www-form-urlencoded; charset=UTF-8",
                                  "application/x-www-form-urlencoded ;charset=utf-8"])
def test_811_02_right_content_types(httpd, kind):
    """Contract: `Content-Type: application/x-www-form-urlencoded`: as HTTP writes it, with parameters and in any case."""
    managed(httpd).start()
    assert change(httpd, OFF, kind=("Content-Type", kind)).admin == "off"
    assert ask(httpd, f"{A}&admin=on&nonce={nonce(httpd)}", headers=[], kind=("Content-Type", kind)).status == 303
    assert httpd.rows()["a"]["admin"] == "on"


def test_811_03_nonce_nearly_right(httpd):
    """Contract: refused is what has not *that* nonce: none that is a little shorter, longer or different."""
    managed(httpd).start()
    right = nonce(httpd)
    last, first = ("0" if digit != "0" else "1" for digit in (right[-1], right[0]))
    for wrong in (right[:-1], right + "0", right[:-1] + last, first + right[1:], f"+{right}", f"{right}%00", f"{right}%0A",
                  right * 2, right[::-1] if right[::-1] != right else right + "x"):
        refused(ask(httpd, f"{OFF}&nonce={wrong}", headers=[]), 403)
    # In a query or a header it is none either.
    refused(ask(httpd, OFF, headers=[("nonce", right), ("Cookie", f"nonce={right}")]), 403)
    assert httpd.rows()["a"]["admin"] == "on"
    assert ask(httpd, f"{OFF}&nonce={right}", headers=[]).status == 303


def test_811_04_get_changes_nothing(httpd):
    """Contract: "GET changes nothing"; with a query string: 405 with Allow."""
    managed(httpd).start()
    before, right = settings(httpd), nonce(httpd)
    for query in (OFF, f"{OFF}&nonce={right}", f"farm=app&admin=off&nonce={right}", f"{A}&weight=7", "x"):
        for method in ("GET", "HEAD"):
            for headers in ([], [HEADER], [HEADER, FORM]):
                response = httpd.get(f"{PATH}?{query}", method=method, headers=dict(headers))
                assert response.status == 405, (method, query)
                assert "POST" in response.get("Allow")
                assert settings(httpd) == before
    # Nor by a body.
    for headers in ([HEADER, FORM], [FORM]):
        response = httpd.get(PATH, method="GET", headers=dict(headers), body=f"{OFF}&nonce={right}".encode())
        assert response.status in (200, 400, 405) and settings(httpd) == before


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "WIBBLE"])
def test_811_05_other_methods(httpd, method):
    """Contract: other methods: 405 with Allow; nothing changes."""
    managed(httpd).start()
    before = settings(httpd)
    for target in (PATH, f"{PATH}?{OFF}"):
        response = httpd.get(target, method=method, headers=dict([FORM, HEADER]), body=OFF.encode())
        assert response.status == 405, (target, response.status)
        assert "POST" in response.get("Allow")
    assert settings(httpd) == before


def test_811_06_post_with_a_query(httpd):
    """Contract: "A POST with a query string: 400"."""
    managed(httpd).start()
    before, right = settings(httpd), nonce(httpd)
    for query, body in ((OFF, OFF), (OFF, ""), ("x=1", OFF), ("x", OFF)):
        refused(ask(httpd, body, path=f"{PATH}?{query}"), 400)
        refused(ask(httpd, f"{body}&nonce={right}", path=f"{PATH}?{query}", headers=[]), 400)
    refused(ask(httpd, OFF, path=f"{PATH}?nonce={right}", headers=[]), 400, 403)
    assert settings(httpd) == before


def test_811_07_guarded(httpd):
    """Contract: each handler is "enabled with `SetHandler` in a Location guarded by the usual Require lines"; without it
    nothing answers, and farm-status stays "read only"."""
    managed(httpd)
    httpd.conf.add('<Location "/closed">', "SetHandler farm-manager", "Require all denied", "</Location>")
    httpd.log.expect("AH01630")
    httpd.start()
    before = settings(httpd)
    assert ask(httpd, OFF, path="/closed").status == 403
    assert ask(httpd, OFF, path="/elsewhere").status in (404, 405)
    assert ask(httpd, OFF, path="/farm-status").status == 405
    assert settings(httpd) == before


def test_811_08_without_any_farm(httpd):
    """Contract: an unknown farm is a 404, also where no farm is configured at all."""
    httpd.conf.handler("farm-manager")
    httpd.start()
    refused(ask(httpd, OFF), 404)
