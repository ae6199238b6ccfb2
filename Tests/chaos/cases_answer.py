"""From the first byte of an answer to the end of its head: half, silent, garbled, too much of it, or a status that is a
failure."""

import time

from answers import right_body
from cases import Case
from members import ENDLESS, Broken, head_of

OK = b"HTTP/1.1 200 OK\r\n"
CLOSE = ("Connection", "close")         # else a request may come just as the member closes, which is another case
EARLY = b"an answer before its request"


def says(data, then="close"):
    """Takes the request, sends these bytes, whatever they are, and closes, resets or falls silent."""
    def behave(line):
        line.request()
        line.send(data)
        end(line, then)
    return behave


def end(line, then):
    if then == "reset":
        time.sleep(0.05)                    # else the kernel throws away what the other side has not read yet
    {"close": line.close, "reset": line.drop, "silence": line.silence}[then]()


def around(before=b"", after=b"", fields=(), then=None):
    """A right answer with something before or after it."""
    def behave(line):
        while True:
            request = line.request()
            body = line.right(request)
            line.send(before + head_of("200 OK", ("Content-Length", len(body)), *fields) + body + after)
            if then:
                end(line, then)
    return behave


def with_head(*fields, status="200 OK", then="close"):
    """The right body below a head of these fields, which may call a function of its length."""
    def behave(line):
        request = line.request()
        body = line.right(request)
        line.send(head_of(status, *((name, value(len(body)) if callable(value) else value) for name, value in fields),
                          CLOSE) + body)
        end(line, then)
    return behave


def status(line_of, then=None):
    def behave(line):
        while True:
            line.request()
            text = b"failed\n"
            line.send(head_of(line_of, ("Content-Length", len(text))) + text)
            if then:
                end(line, then)
    return behave


def no_content_with_body(line):
    line.request()
    line.send(head_of("204 No Content", ("Content-Length", 11)) + b"stolen body")
    line.silence()


def endless(data, first=b"", most=ENDLESS):
    def behave(line):
        line.request()
        line.send(first)
        sent = 0
        while sent < most:
            line.send(data)
            sent += len(data)
        raise Broken("done")
    return behave


def byte_by_byte(line):
    """A right answer of which each byte of the head comes alone, and then the body in small pieces."""
    request = line.request()
    body = line.right(request)
    head = head_of("200 OK", ("Content-Length", len(body)), CLOSE)
    for at in range(len(head)):
        line.send(head[at:at + 1])
        time.sleep(0.01)
    for at in range(0, len(body), 500):
        line.send(body[at:at + 500])
        time.sleep(0.01)
    line.close()


def answers_before_the_request(line):
    """A whole answer before a byte of the request has been read. Nobody can know that it is none to the first request."""
    line.send(head_of("200 OK", ("Content-Length", len(EARLY)), CLOSE) + EARLY)
    line.request()
    line.close()


def answers_before_the_body(line):
    """A right answer, as far as can be known of a body that has not come, when only the head has been read; then it closes."""
    request = line.head()
    body = right_body(line.identity, request.method, b"", line.size)
    line.send(head_of("413 Content Too Large", ("Content-Length", len(body)), ("Connection", "close")) + body)
    line.close()


def two_answers(line):
    while True:
        request = line.request()
        body, stolen = line.right(request), b"stolen answer"
        line.send(head_of("200 OK", ("Content-Length", len(body))) + body
                  + head_of("200 OK", ("Content-Length", len(stolen))) + stolen)


HINTS = head_of("103 Early Hints", ("Link", "</style.css>; rel=preload"))
CONTINUE = head_of("100 Continue")

CASES = [
    Case("closes in the status line", says(b"HTTP/1.1 20")),
    Case("resets in the status line", says(b"HTTP/1.1 20", "reset")),
    Case("silent in the status line", says(b"HTTP/1.1 20", "silence"), slow=True),
    Case("closes after the status line", says(OK)),
    Case("closes in a header", says(OK + b"Content-Type: text/plain\r\nX-Half: ha")),
    Case("resets in a header", says(OK + b"Content-Type: text/plain\r\nX-Half: ha", "reset")),
    Case("silent in a header", says(OK + b"Content-Type: text/plain\r\nX-Half: ha", "silence"), slow=True),
    Case("closes before the head's end", says(OK + b"Content-Length: 20000\r\n")),

    Case("garbage: random bytes", says(bytes(range(255, -1, -1)) * 16)),
    Case("garbage: another protocol", says(b"SSH-2.0-OpenSSH_9.2p1\r\n")),
    Case("garbage: TLS alert", says(b"\x15\x03\x03\x00\x02\x02\x46"), slow=True),
    Case("garbage: page without head", says(b"<html><body>hello</body></html>\n")),
    Case("garbage: empty line", says(b"\r\n")),
    Case("garbage: status no number", says(b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n")),
    Case("garbage: status 999", says(b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"), "none"),
    Case("garbage: HTTP/9.9", says(b"HTTP/9.9 200 OK\r\nContent-Length: 5\r\n\r\nhello"), "none"),
    Case("garbage: header without colon", with_head(("Content-Length", str), ("X-A\r\nno colon here\r\nX-B", "1")), "none"),
    Case("garbage: NUL in a header", with_head(("Content-Length", str), ("X-Nul", "a\0b")), "none"),
    Case("header of 100,000 bytes", with_head(("Content-Length", str), ("X-Long", "x" * 100_000)), "none"),
    Case("endless status line", endless(b"x" * 65536, b"HTTP/1.1 200 "), "none"),
    Case("endless header", endless(b"x" * 65536, OK + b"X-Long: "), "none"),
    # No end of these would be a hang: mod_proxy_http reads header lines for as long as they come.
    Case("headers of 4 MiB", endless(b"X-Another: 1\r\n" * 4096, OK, 4 << 20), "none", requests=1),

    Case("100 and a right answer", around(CONTINUE), "right", slow=True),
    Case("103 and a right answer", around(HINTS), "right", slow=True),
    Case("103 five times and a right answer", around(HINTS * 5), "right", slow=True),
    Case("103 and no answer", says(HINTS), slow=True),
    Case("103 and silence", says(HINTS, "silence"), slow=True),
    Case("endless 103", endless(HINTS * 100), "none"),
    Case("101 that nobody asked for", says(head_of("101 Switching Protocols", ("Upgrade", "odd"), ("Connection", "Upgrade"))
                                           + b"odd bytes"), "none", slow=True),
    Case("byte by byte", byte_by_byte, "right", requests=2),

    Case("two answers to one request", two_answers, "none"),
    Case("answers before the request", answers_before_the_request, "none", accepts=lambda answer: answer.body == EARLY),
    Case("413 before the body", answers_before_the_body, "none"),
    Case("204 with a body", no_content_with_body, "right", accepts=lambda answer: answer.status == 204 and not answer.body),

    Case("status 500", status("500 Internal Server Error"), "none"),
    Case("status 502", status("502 Bad Gateway"), "none"),
    Case("status 503", status("503 Service Unavailable"), "none"),
    Case("status 500 is a failure", status("500 Internal Server Error"), statuses=(500,)),
    Case("status 502 is a failure", status("502 Bad Gateway"), statuses=(502,)),
    Case("status 503 is a failure", status("503 Service Unavailable"), statuses=(503,)),
    Case("status 503 is a failure, and closes", status("503 Service Unavailable", "close"), statuses=(503,)),
    Case("status 503 is a failure, retryon=connect", status("503 Service Unavailable"), "none", statuses=(503,),
         farm="retryon=connect"),
]
