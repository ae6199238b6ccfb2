"""What members and their behaviours read from a socket and write to it."""

import hashlib
import json
import socket
import struct
import time
from dataclasses import dataclass, field

ECHO_LIMIT = 8192


@dataclass
class Request:
    method: str
    target: str
    version: str
    headers: list
    body: bytes = b""
    at: float = field(default_factory=time.monotonic)
    over: bool = False

    def header(self, name):
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)


class Broken(Exception):
    """The peer went away or sent what cannot be read."""


class Wire:
    """A buffered socket."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise Broken(str(error)) from error

    def more(self):
        try:
            data = self.sock.recv(65536)
        except OSError as error:
            raise Broken(str(error)) from error
        if not data:
            raise Broken("closed")
        self.buffer += data

    def until(self, mark):
        while mark not in self.buffer:
            self.more()
        head, self.buffer = self.buffer.split(mark, 1)
        return head

    def exactly(self, count):
        while len(self.buffer) < count:
            self.more()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def reset(self):
        """The next close sends RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def read_head(wire):
    lines = wire.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
    method, target, version = lines[0].split(" ", 2)
    headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
    return Request(method, target, version, headers)


def read_body(wire, request):
    if "100-continue" in (request.header("Expect") or "").lower():
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    if "chunked" in (request.header("Transfer-Encoding") or ""):
        body = b""
        while size := int(wire.until(b"\r\n").split(b";")[0], 16):
            body += wire.exactly(size)
            wire.until(b"\r\n")
        wire.until(b"\r\n")
        return body
    return wire.exactly(int(request.header("Content-Length") or 0))


def echo(member, request):
    """What a member answers: who it is and what it was asked."""
    facts = {"member": member.name, "method": request.method, "target": request.target,
             "headers": {k.lower(): v for k, v in request.headers}, "length": len(request.body),
             "sha256": hashlib.sha256(request.body).hexdigest()}
    if len(request.body) <= ECHO_LIMIT:
        facts["body"] = request.body.decode("latin-1")
    return json.dumps(facts).encode()


def head(status, headers):
    lines = [f"HTTP/1.1 {status}", *(f"{k}: {v}" for k, v in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")
