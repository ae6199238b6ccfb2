"""After the head of an answer: bodies that end too early, too late or not at all, and lengths that are none."""

import dataclasses

from answers import LARGE, SIZE
from cases import Case
from cases_answer import CLOSE, OK, end, endless, with_head
from members import head_of

SMALL = 300                     # a proxy may have such an answer as a whole before it passes any of it on


def cut(part, then="close"):
    """The head, and this part (0 to 1) of the body that its length promises."""
    def behave(line):
        request = line.request()
        body = line.right(request)
        line.send(head_of("200 OK", ("Content-Length", len(body))) + body[:int(len(body) * part)])
        end(line, then)
    return behave


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def chunked(last, then="close", whole=False):
    """Chunks of half of the body, or of all of it, and then these bytes in place of the next chunk."""
    def behave(line):
        request = line.request()
        body = line.right(request)
        body = body if whole else body[:len(body) // 2]
        parts = [body[at:at + 4000] for at in range(0, len(body), 4000)]
        line.send(head_of("200 OK", ("Transfer-Encoding", "chunked"), CLOSE) + b"".join(map(chunk, parts)) + last)
        end(line, then)
    return behave


def until_close(part, then):
    def behave(line):
        request = line.request()
        body = line.right(request)
        line.send(head_of("200 OK", ("Content-Type", "text/plain")) + body[:int(len(body) * part)])
        end(line, then)
    return behave


def longer(line):
    """The right body and more, on a connection that is kept."""
    while True:
        request = line.request()
        body = line.right(request)
        line.send(head_of("200 OK", ("Content-Length", len(body))) + body + b"stolen bytes" * 30)


def both(line):
    """Chunks, and a length that is not theirs."""
    request = line.request()
    body = line.right(request)
    line.send(head_of("200 OK", ("Content-Length", len(body) // 2), ("Transfer-Encoding", "chunked"), CLOSE)
              + chunk(body) + b"0\r\n\r\n")
    line.close()


CASES = [
    Case("closes after the head", cut(0), "none"),
    Case("resets after the head", cut(0, "reset"), "none"),
    Case("silent after the head", cut(0, "silence"), "none", slow=True),
    Case("closes in the body", cut(0.5), "none"),
    Case("resets in the body", cut(0.5, "reset"), "none"),
    Case("silent in the body", cut(0.5, "silence"), "none", slow=True),
    Case("closes in a large body", cut(0.7), "none", size=LARGE),
    Case("resets in a large body", cut(0.7, "reset"), "none", size=LARGE),
    Case("closes before the last byte", cut(0.99999), "none"),

    Case("chunked and right", chunked(b"0\r\n\r\n", whole=True), "right"),
    Case("closes between chunks", chunked(b""), "none"),
    Case("resets between chunks", chunked(b"", "reset"), "none"),
    Case("silent between chunks", chunked(b"", "silence"), "none", slow=True),
    Case("closes between large chunks", chunked(b""), "none", size=LARGE),
    Case("closes in a chunk's size", chunked(b"10"), "none"),
    Case("closes in a chunk", chunked(b"1000\r\nhalf"), "none"),
    Case("closes before the last chunk", chunked(b"", whole=True), "none"),
    Case("resets before the last chunk", chunked(b"", "reset", whole=True), "none"),
    Case("closes in the last chunk", chunked(b"0\r\n", whole=True), "none"),
    Case("chunk: size no number", chunked(b"wibble\r\n" + b"x" * 100), "none"),
    Case("chunk: size negative", chunked(b"-5\r\nhello\r\n0\r\n\r\n"), "none"),
    Case("chunk: size beyond any integer", chunked(b"fffffffffffffffff\r\nhello"), "none"),
    Case("chunk: longer than its size", chunked(b"5\r\nhello and more\r\n0\r\n\r\n"), "none"),
    Case("chunks and a length", both, "none"),

    Case("until it closes, and right", until_close(1, "close"), "right"),
    Case("until it closes, but resets", until_close(0.5, "reset"), "none"),
    Case("until it closes, but falls silent", until_close(0.5, "silence"), "none", slow=True),

    Case("length too small", longer, "none"),
    Case("length negative", with_head(("Content-Length", -5)), "none"),
    Case("length no number", with_head(("Content-Length", "many")), "none"),
    Case("length empty", with_head(("Content-Length", "")), "none"),
    Case("length beyond any integer", with_head(("Content-Length", "9" * 30)), "none"),
    Case("length with a plus", with_head(("Content-Length", lambda count: f"+{count}")), "none"),
    Case("two lengths", with_head(("Content-Length", str), ("Content-Length", lambda count: count - 100)), "none"),
    Case("two lengths, the wrong one first", with_head(("Content-Length", lambda count: count - 100), ("Content-Length", str)),
         "none"),
    Case("one length twice", with_head(("Content-Length", str), ("Content-Length", str)), "none"),
    Case("endless body", endless(b"x" * 65536, OK + b"\r\n"), "none", requests=1),
    Case("endless chunks", endless(chunk(b"x" * 16384) * 4, OK + b"Transfer-Encoding: chunked\r\n\r\n"), "none", requests=1),
]
CASES += [dataclasses.replace(case, name=f"{case.name}; small", size=SMALL) for case in CASES
          if case.size == SIZE and not case.slow and not case.name.startswith("endless")]
