"""Small members that speak FastCGI, SCGI, uwsgi, AJP13 and WebSocket: just enough to report what they were asked."""

import base64
import hashlib
import json
import struct

from farmhttpd.members import Member, stage
from farmhttpd.wire import Request, read_head

FCGI_BEGIN, FCGI_END, FCGI_PARAMS, FCGI_STDIN, FCGI_STDOUT = 1, 3, 4, 5, 6
FCGI_KEEP_CONN = 1
FCGI_REPORTED = ("SCRIPT_FILENAME", "SCRIPT_NAME", "PATH_INFO", "REQUEST_URI", "QUERY_STRING", "REQUEST_METHOD",
                 "DOCUMENT_URI", "CONTENT_LENGTH")


@stage("body")
def reporting(_member, _wire, _request):
    """The default of these members: report the request in the member's own protocol."""
    return True


class FcgiMember(Member):
    scheme = "fcgi"

    def __init__(self, name, **options):
        super().__init__(name, **options)
        self.default = reporting

    def serve(self, wire):
        params, body, keep, number = b"", b"", False, 1
        while True:
            _, kind, number, length, padding, _ = struct.unpack(">BBHHBB", wire.exactly(8))
            content = wire.exactly(length)
            wire.exactly(padding)
            if kind == FCGI_BEGIN:
                keep = bool(content[2] & FCGI_KEEP_CONN)
            elif kind == FCGI_PARAMS:
                params += content
            elif kind == FCGI_STDIN:
                if not content:
                    break
                body += content
        env = fcgi_pairs(params)
        request = Request(env.get("REQUEST_METHOD", ""), env.get("REQUEST_URI", ""), "fcgi", list(env.items()), body)
        behaviour = self._take()
        if not self.act(behaviour, wire, request):
            return False
        if behaviour is reporting:
            facts = {k: env.get(k) for k in FCGI_REPORTED}
            facts.update(member=self.name, body=body.decode("latin-1"))
            text = b"Content-Type: application/json\r\n\r\n" + json.dumps(facts).encode()
            wire.send(fcgi_record(FCGI_STDOUT, number, text) + fcgi_record(FCGI_STDOUT, number, b"")
                      + fcgi_record(FCGI_END, number, bytes(8)))
        return keep


def fcgi_record(kind, number, content):
    return struct.pack(">BBHHBB", 1, kind, number, len(content), 0, 0) + content


def fcgi_pairs(data):
    env, at = {}, 0

    def length():
        nonlocal at
        size = data[at]
        at += 1
        if size & 0x80:
            size = struct.unpack(">I", data[at - 1:at + 3])[0] & 0x7FFFFFFF
            at += 3
        return size

    while at < len(data):
        name_size, value_size = length(), length()
        name = data[at:at + name_size].decode("latin-1")
        env[name] = data[at + name_size:at + name_size + value_size].decode("latin-1")
        at += name_size + value_size
    return env


class CgiMember(Member):
    """What SCGI and uwsgi members share: a connection is one request, whose variables are reported."""

    def __init__(self, name, **options):
        super().__init__(name, **options)
        self.default = reporting

    def serve(self, wire):
        env = self.variables(wire)
        body = wire.exactly(int(env.get("CONTENT_LENGTH") or 0))
        request = Request(env.get("REQUEST_METHOD", ""), env.get("REQUEST_URI", ""), self.scheme, list(env.items()), body)
        behaviour = self._take()
        if self.act(behaviour, wire, request) and behaviour is reporting:
            facts = {"member": self.name, "target": request.target, "body": body.decode("latin-1")}
            wire.send(self.status_line + b"Content-Type: application/json\r\n\r\n" + json.dumps(facts).encode())
        return False


class ScgiMember(CgiMember):
    scheme = "scgi"
    status_line = b"Status: 200 OK\r\n"

    def variables(self, wire):
        size = b""
        while (digit := wire.exactly(1)) != b":":
            size += digit
        words = wire.exactly(int(size)).decode("latin-1").split("\0")
        wire.exactly(1)
        return dict(zip(words[::2], words[1::2]))


class UwsgiMember(CgiMember):
    scheme = "uwsgi"
    status_line = b"HTTP/1.1 200 OK\r\n"

    def variables(self, wire):
        _, size, _ = struct.unpack("<BHB", wire.exactly(4))
        data, at, words = wire.exactly(size), 0, []
        while at < size:
            length, = struct.unpack_from("<H", data, at)
            words.append(data[at + 2:at + 2 + length].decode("latin-1"))
            at += 2 + length
        return dict(zip(words[::2], words[1::2]))


AJP_METHODS = {1: "OPTIONS", 2: "GET", 3: "HEAD", 4: "POST", 5: "PUT", 6: "DELETE"}
AJP_FORWARD, AJP_CPING, AJP_CPONG, AJP_HEADERS, AJP_BODY, AJP_END = 2, 10, 9, 4, 3, 5
AJP_QUERY, AJP_ATTRIBUTE, AJP_DONE, AJP_INTEGER_ATTRIBUTE = 5, 10, 0xFF, 11


class AjpReader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def integer(self):
        self.at += 2
        return struct.unpack(">H", self.data[self.at - 2:self.at])[0]

    def string(self):
        size = self.integer()
        if size == 0xFFFF:
            return None
        text = self.data[self.at:self.at + size].decode("latin-1")
        self.at += size + 1
        return text


class AjpMember(Member):
    scheme = "ajp"

    def __init__(self, name, **options):
        super().__init__(name, **options)
        self.default = reporting

    def serve(self, wire):
        packet = self._packet(wire)
        if packet[:1] == bytes([AJP_CPING]):
            wire.send(ajp_packet(bytes([AJP_CPONG])))
            return True
        method, uri, query, headers = ajp_forward(AjpReader(packet))
        length = next((int(v) for k, v in headers if k == 8 or str(k).lower() == "content-length"), 0)
        body = b""
        if length:
            first = self._packet(wire)
            body = first[2:]
        target = uri + ("?" + query if query is not None else "")
        behaviour = self._take()
        if not self.act(behaviour, wire, Request(method, target, "ajp", headers, body)):
            return False
        if behaviour is reporting:
            facts = json.dumps({"member": self.name, "method": method, "uri": uri, "query": query,
                                "body": body.decode("latin-1")}).encode()
            wire.send(ajp_packet(struct.pack(">BH", AJP_HEADERS, 200) + ajp_string("OK") + struct.pack(">H", 1)
                                 + ajp_string("Content-Type") + ajp_string("application/json"))
                      + ajp_packet(struct.pack(">BH", AJP_BODY, len(facts)) + facts + b"\0")
                      + ajp_packet(bytes([AJP_END, 1])))
        return True

    @staticmethod
    def _packet(wire):
        magic, length = struct.unpack(">HH", wire.exactly(4))
        if magic != 0x1234:
            raise ValueError("not AJP")
        return wire.exactly(length)


def ajp_packet(content):
    return b"AB" + struct.pack(">H", len(content)) + content


def ajp_string(text):
    return struct.pack(">H", len(text)) + text.encode("latin-1") + b"\0"


def ajp_forward(reader):
    if reader.byte() != AJP_FORWARD:
        raise ValueError("not a forward request")
    method = AJP_METHODS.get(reader.byte(), "?")
    _protocol, uri = reader.string(), reader.string()
    _address, _host, _server = reader.string(), reader.string(), reader.string()
    _port, _tls = reader.integer(), reader.byte()
    headers = []
    for _ in range(reader.integer()):
        if reader.data[reader.at] == 0xA0:
            reader.byte()
            headers.append((reader.byte(), reader.string()))
        else:
            headers.append((reader.string(), reader.string()))
    query = None
    while (attribute := reader.byte()) != AJP_DONE:
        if attribute == AJP_QUERY:
            query = reader.string()
        elif attribute == AJP_ATTRIBUTE:
            reader.string(), reader.string()
        elif attribute == AJP_INTEGER_ATTRIBUTE:
            reader.integer()
        else:
            reader.string()
    return method, uri, query, headers


WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def websocket_accept(key):
    return base64.b64encode(hashlib.sha1((key + WEBSOCKET_GUID).encode()).digest()).decode()


class WebSocketMember(Member):
    """Upgrades, sends a line that tells its name and the target it was asked for, and echoes bytes."""

    scheme = "ws"

    def __init__(self, name, **options):
        super().__init__(name, **options)
        self.default = reporting

    def serve(self, wire):
        request = read_head(wire)
        behaviour = self._take()
        if not self.act(behaviour, wire, request) or behaviour is not reporting:
            return False
        accept = websocket_accept(request.header("Sec-WebSocket-Key") or "")
        wire.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n\r\n")
        wire.send(json.dumps({"member": self.name, "target": request.target}).encode() + b"\n")
        while True:
            if wire.buffer:
                wire.send(wire.buffer)
                wire.buffer = b""
            wire.more()
