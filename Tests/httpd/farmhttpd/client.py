"""Clients: one request, a kept-alive connection, raw bytes, many at once."""

import http.client
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from farmhttpd import wait

TIMEOUT = wait.patiently(30)


@dataclass
class Response:
    status: int
    headers: list = field(default_factory=list)
    body: bytes = b""

    def get(self, name):
        values = self.all(name)
        return values[0] if values else None

    def all(self, name):
        return [v for k, v in self.headers if k.lower() == name.lower()]

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def member(self):
        """The name of the member that answered, as the test members write it into their answer."""
        return self.json["member"]


class FinalAnswer(http.client.HTTPResponse):
    """Skips every interim answer (103 …), where http.client knows only 100."""

    def _read_status(self):
        while True:
            version, status, reason = super()._read_status()
            if status in (100, 101) or status >= 200:
                return version, status, reason
            http.client.parse_headers(self.fp)


class Client:
    """A client that keeps its connection, as browsers do; at the address `source` of this machine, if one is given."""

    def __init__(self, port, source=None, server="127.0.0.1"):
        self.connection = http.client.HTTPConnection(server, port, timeout=TIMEOUT,
                                                     source_address=(source, 0) if source else None)
        self.connection.response_class = FinalAnswer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def request(self, target, method="GET", headers=(), body=None, host=None):
        pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
        self.connection.putrequest(method, target, skip_host=host is not None, skip_accept_encoding=True)
        if host is not None:
            self.connection.putheader("Host", host)
        for name, value in pairs:
            self.connection.putheader(name, value)
        chunked = body is not None and not isinstance(body, bytes)
        if chunked:
            self.connection.putheader("Transfer-Encoding", "chunked")
        elif body is not None:
            self.connection.putheader("Content-Length", str(len(body)))
        self.connection.endheaders(body, encode_chunked=chunked)
        answer = self.connection.getresponse()
        return Response(answer.status, answer.getheaders(), answer.read())

    @property
    def local_port(self):
        """None when the server has closed the connection."""
        sock = self.connection.sock
        return sock.getsockname()[1] if sock else None


def request(port, target, **arguments):
    """One request on a connection of its own. A cut answer raises http.client.IncompleteRead."""
    headers = dict(arguments.pop("headers", ()) or ())
    headers.setdefault("Connection", "close")
    with Client(port, arguments.pop("source", None), arguments.pop("server", "127.0.0.1")) as client:
        return client.request(target, headers=headers, **arguments)


def raw(port, data, timeout=TIMEOUT):
    """Sends bytes as they are and reads until the server closes or resets."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as sock:
        received = b""
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            while chunk := sock.recv(65536):
                received += chunk
        except (ConnectionError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
        return received


def at_once(count, call, *arguments):
    """Calls it from that many threads at once and returns all results, exceptions raised."""
    with ThreadPoolExecutor(count) as pool:
        return [f.result(timeout=wait.patiently(120)) for f in [pool.submit(call, *arguments) for _ in range(count)]]
