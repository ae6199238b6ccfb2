"""A client that believes nothing: it reads an answer byte by byte as HTTP/1.1 has it and says what it was."""

import select
import socket
import time
from dataclasses import dataclass

from answers import path, request_body, right_body

BOUND = 15.0                    # seconds: several times what all attempts may take; without an end by then it is a hang
LIMIT = 4 << 20                 # bytes of an answer that a client takes
OUTCOMES = ("right", "error", "cut", "wrong", "hang")
METHODS = {"GET": ("GET", None), "PUT": ("PUT", "length"), "POST": ("POST", "length"), "POST-chunked": ("POST", "chunked")}


class Cut(Exception):
    """The answer ended, or is none, and the client can tell."""


class Hang(Exception):
    """Nothing more came within the bound."""


@dataclass
class Answer:
    status: int
    fields: list
    body: bytes
    until_close: bool
    hints: int = 0


@dataclass
class Result:
    identity: str
    outcome: str
    detail: str


def is_readable(sock):
    poll = select.poll()                        # select() knows only the first 1024 descriptors
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


class Client:
    """One client, on a connection that it keeps as long as the server does."""

    def __init__(self, port):
        self.port = port
        self.sock = None
        self.buffer = b""
        self.end = 0

    def ask(self, cell, identity, method, size, accepts=None):
        """`accepts` says of an answer that is not the usual one whether it is right all the same."""
        verb, kind = METHODS[method]
        body = request_body(identity) if kind else b""
        self.end = time.monotonic() + BOUND
        self.buffer = b""
        try:
            extra = self._connect()
            if extra:
                return Result(identity, "wrong", f"before the request came {extra[:60]!r}")
            self._send(verb, kind, path(cell, identity, size), body)
            answer = self._answer(verb)
        except Hang:
            self.close()
            return Result(identity, "hang", f"no end after {BOUND:.0f} s")
        except (Cut, OSError) as error:
            self.close()
            return Result(identity, "cut", str(error) or type(error).__name__)
        return self._judge(identity, answer, right_body(identity, verb, body, size), accepts)

    def close(self):
        if self.sock:
            self.sock.close()
        self.sock = None

    # -- sending -----------------------------------------------------------------------------------------

    def _connect(self):
        """A connection that is open as far as can be known; bytes that came on it and belong to no request."""
        if self.sock and is_readable(self.sock):
            try:
                extra = self.sock.recv(65536)
            except OSError:
                extra = b""
            self.close()
            if extra:
                return extra
        if not self.sock:
            self.sock = socket.create_connection(("127.0.0.1", self.port), BOUND)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return b""

    def _send(self, verb, kind, target, body):
        lines = [f"{verb} {target} HTTP/1.1", "Host: localhost", "User-Agent: chaos"]
        if kind == "length":
            lines.append(f"Content-Length: {len(body)}")
        if kind == "chunked":
            lines.append("Transfer-Encoding: chunked")
            parts = [body[at:at + 3000] for at in range(0, len(body), 3000)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        try:
            self.sock.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        except OSError:
            pass                                # an answer may have come before the end of the request

    # -- reading -----------------------------------------------------------------------------------------

    def _more(self):
        left = self.end - time.monotonic()
        if left <= 0:
            raise Hang
        self.sock.settimeout(left)
        try:
            data = self.sock.recv(65536)
        except TimeoutError:
            raise Hang from None
        self.buffer += data
        return bool(data)

    def _line(self):
        while b"\n" not in self.buffer:
            if len(self.buffer) > 65536:
                raise Cut("a line without an end")
            if not self._more():
                raise Cut("closed within a line" if self.buffer else "closed where a line was to come")
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r").decode("latin-1")

    def _exactly(self, count):
        if count > LIMIT:
            raise Cut("more than a client takes")
        while len(self.buffer) < count:
            if not self._more():
                raise Cut(f"closed {count - len(self.buffer)} bytes before the end")
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def _head(self):
        words = self._line().split(" ", 2)
        if len(words) < 2 or words[0] not in ("HTTP/1.1", "HTTP/1.0") or not words[1].isdigit() or len(words[1]) != 3:
            raise Cut(f"no status line: {' '.join(words)[:60]!r}")
        fields = []
        while line := self._line():
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise Cut(f"no header: {line[:60]!r}")
            fields.append((name.lower(), value.strip()))
        return words[0], int(words[1]), fields

    def _answer(self, verb):
        hints = 0
        while True:
            version, status, fields = self._head()
            if status >= 200:
                break
            hints += 1
            if hints > 1000:
                raise Cut("interim answers without an end")
        body, until_close = self._body(version, status, fields, verb)
        return Answer(status, fields, body, until_close, hints)

    def _body(self, version, status, fields, verb):
        if verb == "HEAD" or status in (204, 304):
            return b"", False
        codings = [value for name, value in fields if name == "transfer-encoding"]
        lengths = {value for name, value in fields if name == "content-length"}
        if codings and lengths:
            raise Cut("both a length and chunks")
        if codings:
            if [value.lower() for value in codings] != ["chunked"] or version == "HTTP/1.0":
                raise Cut(f"a coding that nobody knows: {codings}")
            return self._chunks(), False
        if len(lengths) > 1 or any(not value.isdigit() for value in lengths):
            raise Cut(f"no length: {sorted(lengths)}")
        if lengths:
            return self._exactly(int(lengths.pop())), False
        while self._more():
            if len(self.buffer) > LIMIT:
                raise Cut("more than a client takes")
        body, self.buffer = self.buffer, b""
        return body, True

    def _chunks(self):
        body = b""
        while True:
            size = self._line().split(";")[0].strip()
            if not size or set(size.lower()) - set("0123456789abcdef"):
                raise Cut(f"no size of a chunk: {size[:40]!r}")
            if not int(size, 16):
                break
            body += self._exactly(int(size, 16))
            if len(body) > LIMIT:
                raise Cut("more than a client takes")
            if self._line():
                raise Cut("a chunk longer than its size")
        while self._line():
            pass
        return body

    # -- judging -----------------------------------------------------------------------------------------

    def _judge(self, identity, answer, right, accepts):
        closes = answer.until_close or any(name == "connection" and "close" in value.lower() for name, value in answer.fields)
        extra, self.buffer = self.buffer, b""
        if closes or extra:
            self.close()
        if extra:
            return Result(identity, "wrong", f"after the answer, {answer.status}, came {extra[:60]!r}")
        if answer.status == 200 and answer.body == right or accepts and accepts(answer):
            return Result(identity, "right", str(answer.status))
        if answer.status >= 400:
            return Result(identity, "error", str(answer.status))
        same = next((n for n, (a, b) in enumerate(zip(answer.body, right)) if a != b), min(len(answer.body), len(right)))
        return Result(identity, "wrong", f"{answer.status} with {len(answer.body)} bytes, of which {same} are right"
                                         + (", ended by closing" if answer.until_close else ""))
