"""Before a member has the whole request: it cannot be reached, or goes away while it is being asked."""

from cases import Case
from members import HANGS, REFUSES


def closes_at_once(line):
    line.close()


def resets_at_once(line):
    line.drop()


def says_nothing(line):
    """Accepts, and reads nothing."""
    line.another()
    line.silence()


def closes_in_head(line):
    line.part(30)
    line.close()


def resets_in_head(line):
    line.part(30)
    line.drop()


def closes_after_head(line):
    line.head()
    line.close()


def resets_after_head(line):
    line.head()
    line.drop()


def in_body(line):
    """Reads the head and a part of the body, if there is one."""
    while b"\r\n\r\n" not in line.buffer:
        line.part(len(line.buffer) + 1)
    with_body = any(word in line.buffer.lower() for word in (b"content-length:", b"transfer-encoding:"))
    if with_body:
        line.part(len(line.buffer) + 1000)


def closes_in_body(line):
    in_body(line)
    line.close()


def resets_in_body(line):
    in_body(line)
    line.drop()


def closes_after_request(line):
    line.request()
    line.close()


def resets_after_request(line):
    line.request()
    line.drop()


def silent_after_request(line):
    line.request()
    line.silence()


CASES = [
    Case("refuses", REFUSES, "always"),
    Case("hangs in connect", HANGS, "always", slow=True),
    Case("closes at once", closes_at_once),
    Case("resets at once", resets_at_once),
    Case("accepts, says nothing", says_nothing, slow=True),
    Case("closes in the request's head", closes_in_head),
    Case("resets in the request's head", resets_in_head),
    Case("closes after the request's head", closes_after_head),
    Case("resets after the request's head", resets_after_head),
    Case("closes in the request's body", closes_in_body),
    Case("resets in the request's body", resets_in_body),
    Case("closes after the request", closes_after_request),
    Case("resets after the request", resets_after_request),
    Case("silent after the request", silent_after_request, slow=True),
    Case("closes after the request, retryon=connect", closes_after_request, "none", farm="retryon=connect"),
]
