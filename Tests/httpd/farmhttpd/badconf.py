"""Wrong configurations: each must be refused with the file, the line and what to write instead."""

import re

BAD = "! "


def check_refused(httpd, text, *remedies):
    """The line at fault begins with "! ". Each remedy is a pattern that the message must contain.
    Returns the message."""
    lines = [line.strip() for line in text.strip().splitlines()]
    bad = [n for n, line in enumerate(lines) if line.startswith(BAD)]
    assert len(bad) == 1, "exactly one line must be marked as wrong"
    before = len(httpd.conf.lines())
    httpd.conf.add(*[line.removeprefix(BAD) for line in lines])
    status, said = httpd.configtest()
    number = before + bad[0] + 1
    assert status != 0, f"accepted:\n{text}\n{said}"
    assert "httpd.conf" in said, f"no file named in: {said}"
    assert re.search(rf"line {number}\b|httpd\.conf:{number}\b", said), f"not line {number}: {said}"
    for remedy in remedies:
        assert re.search(remedy, without_location(said), re.IGNORECASE), f"/{remedy}/ not in: {said}"
    return without_location(said)


def without_location(said):
    """The message without httpd's own first line, so that a path cannot pass for a remedy."""
    return re.sub(r"(AH00526: )?Syntax error on line \d+ of \S+", "", said)


def check_accepted(httpd, text):
    httpd.conf.add(text)
    status, said = httpd.configtest()
    assert status == 0, said
    return said
