"""Members of every scheme that take a request's body piece by piece, or refuse it before they have read it.

Each speaks just enough of its protocol for that: `begin` reads what comes before the body, `pieces` the body as it comes, and
`reply` sends an answer."""

import hashlib
import select
import socket
import struct

from farmhttpd import wait
from farmhttpd.members import Member, TlsMember
from farmhttpd.protocols import (AJP_BODY, AJP_END, AJP_HEADERS, FCGI_END, FCGI_PARAMS, FCGI_STDIN, FCGI_STDOUT,
                                 AjpReader, ajp_forward, ajp_packet, ajp_string, fcgi_pairs,
                                 fcgi_record)
from farmhttpd.wire import head, read_head


class Upload(Member):
    """Counts what it has got of the body that is being sent (`got`). It answers 200 with the body's hash; or, with
    `refuses`, 413 as soon as the body begins, and closes. With `silent` it closes without an answer then; with `lingers` it
    reads what still comes, as careful servers do, until the other side has closed."""

    refuses = False
    silent = False
    lingers = False

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.got = 0
        self.refused = 0

    def serve(self, wire):
        self.got = 0
        begun = self.begin(wire)
        if self.refuses:
            self.refused += 1
            if not self.silent:
                self.reply(wire, begun, 413, b"too large")
            if self.lingers:
                if self.scheme in ("scgi", "uwsgi"):
                    # Their answers end with the connection.
                    wire.sock.shutdown(socket.SHUT_WR)
                self.wait_for_hangup(wire)
            return False
        seen = hashlib.sha256()
        for piece in self.pieces(wire, begun):
            seen.update(piece)
            self.got += len(piece)
        self.reply(wire, begun, 200, seen.hexdigest().encode())
        return False

    # -- HTTP/1.1 ----------------------------------------------------------------------------------------

    def begin(self, wire):
        request = read_head(wire)
        if "100-continue" in (request.header("Expect") or "").lower() and not self.refuses:
            wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return request

    @staticmethod
    def upto(wire, length):
        while length > 0:
            if not wire.buffer:
                wire.more()
            piece, wire.buffer = wire.buffer[:length], wire.buffer[length:]
            length -= len(piece)
            yield piece

    def pieces(self, wire, request):
        if request.header("Transfer-Encoding"):
            while size := int(wire.until(b"\r\n"), 16):
                yield from self.upto(wire, size)
                wire.until(b"\r\n")
            wire.until(b"\r\n")
        else:
            yield from self.upto(wire, int(request.header("Content-Length") or 0))

    def reply(self, wire, _request, status, text):
        wire.send(head(f"{status} Words", [("Content-Length", len(text)), ("Connection", "close")]) + text)


class TlsUpload(Upload, TlsMember):
    scheme = "https"


class WsUpload(Upload):
    scheme = "ws"


class FcgiUpload(Upload):
    scheme = "fcgi"

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.environments = []

    @staticmethod
    def record(wire):
        _, kind, number, length, padding, _ = struct.unpack(">BBHHBB", wire.exactly(8))
        content = wire.exactly(length)
        wire.exactly(padding)
        return kind, number, content

    def begin(self, wire):
        params = b""
        while True:
            kind, number, content = self.record(wire)
            if kind == FCGI_PARAMS:
                params += content
                if not content:
                    self.environments.append(fcgi_pairs(params))
                    return number

    def pieces(self, wire, _number):
        while True:
            kind, _, content = self.record(wire)
            if kind == FCGI_STDIN:
                if not content:
                    return
                yield content

    def reply(self, wire, number, status, text):
        text = b"Status: %d Words\r\nContent-Type: text/plain\r\n\r\n" % status + text
        wire.send(fcgi_record(FCGI_STDOUT, number, text) + fcgi_record(FCGI_STDOUT, number, b"")
                  + fcgi_record(FCGI_END, number, bytes(8)))


class ScgiUpload(Upload):
    scheme = "scgi"

    def begin(self, wire):
        fields = wire.exactly(int(wire.until(b":"))).split(b"\0")
        wire.exactly(1)
        return dict(zip(fields[::2], fields[1::2]))

    def pieces(self, wire, env):
        yield from self.upto(wire, int(env.get(b"CONTENT_LENGTH") or 0))

    def reply(self, wire, _env, status, text):
        wire.send(b"Status: %d Words\r\nContent-Type: text/plain\r\n\r\n" % status + text)


class UwsgiUpload(ScgiUpload):
    scheme = "uwsgi"

    def begin(self, wire):
        _, size, _ = struct.unpack("<BHB", wire.exactly(4))
        data, words = wire.exactly(size), []
        while data:
            length = struct.unpack("<H", data[:2])[0]
            words.append(data[2:2 + length])
            data = data[2 + length:]
        return dict(zip(words[::2], words[1::2]))

    def reply(self, wire, _env, status, text):
        wire.send(b"HTTP/1.1 %d Words\r\nContent-Type: text/plain\r\n\r\n" % status + text)


class AjpUpload(Upload):
    scheme = "ajp"

    @staticmethod
    def packet(wire):
        _, length = struct.unpack(">HH", wire.exactly(4))
        return wire.exactly(length)

    def begin(self, wire):
        return ajp_forward(AjpReader(self.packet(wire)))

    def pieces(self, wire, _request):
        while True:
            packet = self.packet(wire)
            if len(packet) <= 2:
                return
            yield packet[2:]
            wire.send(ajp_packet(b"\x06" + struct.pack(">H", 8186)))

    def reply(self, wire, _request, status, text):
        wire.send(ajp_packet(struct.pack(">BH", AJP_HEADERS, status) + ajp_string("Words") + struct.pack(">H", 0))
                  + ajp_packet(struct.pack(">BH", AJP_BODY, len(text)) + text + b"\0") + ajp_packet(bytes([AJP_END, 0])))


H2_DATA, H2_HEADERS, H2_SETTINGS, H2_PING, H2_WINDOW = 0, 1, 4, 6, 8


class H2cUpload(Upload):
    scheme = "h2c"

    @staticmethod
    def frame(kind, flags, stream, content=b""):
        return struct.pack(">I", len(content))[1:] + struct.pack(">BBI", kind, flags, stream) + content

    def next_frame(self, wire):
        """The next one that is not about the connection itself."""
        while True:
            fields = wire.exactly(9)
            content = wire.exactly(int.from_bytes(fields[:3], "big"))
            kind, flags, stream = struct.unpack(">BBI", fields[3:])
            if kind == H2_SETTINGS and not flags & 1:
                wire.send(self.frame(H2_SETTINGS, 1, 0))
            elif kind == H2_PING and not flags & 1:
                wire.send(self.frame(H2_PING, 1, 0, content))
            elif kind in (H2_DATA, H2_HEADERS):
                return kind, flags, stream, content

    def begin(self, wire):
        wire.until(b"SM\r\n\r\n")
        room = struct.pack(">HI", 4, 0x7FFFFFFF)
        wire.send(self.frame(H2_SETTINGS, 0, 0, room) + self.frame(H2_WINDOW, 0, 0, struct.pack(">I", 0x7FFF0000)))
        while True:
            kind, _, stream, _ = self.next_frame(wire)
            if kind == H2_HEADERS:
                return stream

    def pieces(self, wire, _stream):
        while True:
            _, flags, _, content = self.next_frame(wire)
            yield content
            if flags & 1:
                return

    def reply(self, wire, stream, status, text):
        wire.send(self.frame(H2_HEADERS, 4, stream, b"\x48\x03%d" % status) + self.frame(H2_DATA, 1, stream, text))


# scheme: (kind of member, modules that httpd needs for it)
KINDS = {
    "http": (Upload, []), "https": (TlsUpload, ["ssl"]), "ws": (WsUpload, ["proxy_wstunnel"]),
    "fcgi": (FcgiUpload, ["proxy_fcgi"]), "scgi": (ScgiUpload, ["proxy_scgi"]), "uwsgi": (UwsgiUpload, ["proxy_uwsgi"]),
    "ajp": (AjpUpload, ["proxy_ajp"]), "h2c": (H2cUpload, ["http2", "proxy_http2"]),
}


# -- clients ---------------------------------------------------------------------------------------------------------


class Sender:
    """A client that sends a body as the test says, and may read the answer before it has sent all."""

    def __init__(self, port, path, size, chunked=False, expect=False, method="POST", headers=""):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=wait.patiently(30))
        self.chunked = chunked
        self.reply = b""
        length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
        more = "Expect: 100-continue\r\n" if expect else ""
        self.sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{length}\r\n{more}{headers}"
                          "Connection: close\r\n\r\n".encode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(b"%x\r\n%s\r\n" % (len(data), data) if self.chunked else data)

    def end(self):
        if self.chunked:
            self.sock.sendall(b"0\r\n\r\n")

    def has_answer(self, seconds=0):
        return bool(select.select([self.sock], [], [], seconds)[0])

    def send_while_wanted(self, data, times):
        """Sends the data that often, but stops when an answer comes. Whether all was sent."""
        try:
            for _ in range(times):
                if self.has_answer():
                    return False
                self.send(data)
            self.end()
        except OSError:
            return False
        return True

    def _more(self):
        try:
            data = self.sock.recv(65536)
        except ConnectionError:
            return False
        self.reply += data
        return bool(data)

    def status(self):
        """Reads the answer to its end. Its final status; 0 when the server closes or resets without one."""
        while True:
            while b"\r\n\r\n" not in self.reply:
                if not self._more():
                    return 0
            status = int(self.reply[9:12])
            if status >= 200:
                break
            self.reply = self.reply.split(b"\r\n\r\n", 1)[1]
        while self._more():
            pass
        return status

    def status_of_upload(self, data, times, expect=False):
        """What a browser would come to that sends all this: it waits for 100 first, when it `expect`s it."""
        if expect:
            self.has_answer(wait.patiently(10))
            if self.reply or self.sock.recv(12, socket.MSG_PEEK)[9:12] != b"100":
                return self.status()
            while not self.reply.endswith(b"\r\n\r\n"):
                self.reply += self.sock.recv(1)
            self.reply = b""
        self.send_while_wanted(data, times)
        return self.status()
