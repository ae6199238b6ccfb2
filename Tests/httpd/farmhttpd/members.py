"""Members are real sockets whose behaviour a test scripts request by request."""

import socket
import threading

from farmhttpd import wait
from farmhttpd.ports import bound_socket
from farmhttpd.wire import Broken, Wire, echo, head, read_body, read_head


# -- behaviours ----------------------------------------------------------------------------------------------
# A behaviour is called with (member, wire, request) once the request has been read as far as its stage says:
# "accept" (nothing read, request is None), "head" or "body". It returns True to keep the connection.


def stage(name):
    def mark(function):
        function.stage = name
        return function
    return mark


def answer(status="200 OK", headers=(), body=None, keep=True, early=b""):
    @stage("body")
    def behave(member, wire, request):
        text = echo(member, request) if body is None else body
        fields = [("Content-Type", "application/json"), ("Content-Length", len(text)), *headers]
        if not keep:
            fields.append(("Connection", "close"))
        member.done(request)
        wire.send(early + head(status, fields) + (b"" if request.method == "HEAD" else text))
        return keep
    return behave


def early_hints(count=1):
    hints = head("103 Early Hints", [("Link", "</style.css>; rel=preload")]) * count
    return answer(early=hints)


def sending(data, after="body"):
    """Sends these bytes, whatever they are, and closes."""
    @stage(after)
    def behave(_member, wire, _request):
        wire.send(data)
        return False
    return behave


close_on_accept = sending(b"", after="accept")
close_on_head = sending(b"", after="head")
close_after_request = sending(b"")
half_status_line = sending(b"HTTP/1.1 20")
half_header = sending(b"HTTP/1.1 200 OK\r\nSet-Cookie: leak=1\r\nX-Leak: half")
header_without_end = sending(b"HTTP/1.1 200 OK\r\nSet-Cookie: leak=1\r\nX-Leak: whole\r\n")
hints_and_no_answer = sending(b"HTTP/1.1 103 Early Hints\r\nX-Leak: hint\r\n\r\n")
no_http = sending(b"SSH-2.0-OpenSSH_9.2p1\r\n")
binary_garbage = sending(bytes(range(256)) * 8)


@stage("accept")
def reset_on_accept(_member, wire, _request):
    wire.reset()
    return False


@stage("body")
def reset_after_request(_member, wire, _request):
    wire.reset()
    return False


@stage("head")
def reset_on_head(_member, wire, _request):
    wire.reset()
    return False


@stage("body")
def never(member, wire, _request):
    """Says nothing until the other side gives up."""
    member.wait_for_hangup(wire)
    return False


def held(then=None):
    """Answers when the test calls member.release()."""
    @stage("body")
    def behave(member, wire, request):
        member.gate.wait(wait.patiently(wait.GENEROUS * 3))
        return (then or answer())(member, wire, request)
    return behave


def cut(promised=200_000, sent=100_000, headers=()):
    """A body shorter than its Content-Length, large enough that some of it goes out to the client."""
    @stage("body")
    def behave(_member, wire, _request):
        wire.send(head("200 OK", [("Content-Length", promised), *headers]) + b"x" * sent)
        return False
    return behave


def cut_chunked(sent=100_000):
    @stage("body")
    def behave(_member, wire, _request):
        fields = head("200 OK", [("Transfer-Encoding", "chunked")])
        wire.send(fields + b"%x\r\n" % sent + b"x" * sent + b"\r\n4000\r\nyyy")
        return False
    return behave


def by(choose):
    """Chooses a behaviour for each request by looking at it."""
    @stage("body")
    def behave(member, wire, request):
        return choose(request)(member, wire, request)
    return behave


# -- the member ----------------------------------------------------------------------------------------------


class Member:
    """A threaded HTTP/1.1 server on a socket of its own; refuses until start() and again after refuse()."""

    scheme = "http"

    def __init__(self, name, path="", unix=None, host="127.0.0.1"):
        self.name = name
        self.path = path
        self.unix = unix
        self.host = host
        self.default = answer()
        self.script = []
        self.requests = []
        self.connections = 0
        self.active = 0
        self.most_active = 0
        self.gate = threading.Event()
        self.lock = threading.Lock()
        self.open = set()
        self.stopped = False
        if unix:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(unix))
            unix.chmod(0o777)
        else:
            self.listener = bound_socket(host)

    @property
    def port(self):
        return self.listener.getsockname()[1]

    @property
    def address(self):
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self):
        if self.unix:
            return f"unix:{self.unix}|{self.scheme}://localhost{self.path}"
        return f"{self.scheme}://{self.address}{self.path}"

    def start(self):
        self.listener.listen(1024)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def refuse(self):
        """Refuses connections but keeps the port, so that nobody else can get it."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.hang_up()
        return self

    def hang_up(self):
        with self.lock:
            wires = list(self.open)
        for wire in wires:
            self._shut(wire)

    def stop(self):
        self.stopped = True
        self.release()
        self.refuse()
        self.listener.close()
        if self.unix:
            self.unix.unlink(missing_ok=True)

    def next(self, *behaviours):
        """What to do with the next requests; after them the default applies again."""
        self.script += behaviours
        return self

    def always(self, behaviour):
        self.default = behaviour
        return self

    def hold(self):
        self.gate.clear()
        return self.always(held())

    def release(self):
        self.gate.set()

    @property
    def count(self):
        return len(self.requests)

    @property
    def targets(self):
        return [r.target for r in self.requests]

    @property
    def bodies(self):
        return [r.body for r in self.requests]

    def forget(self):
        self.requests.clear()
        self.connections = self.most_active = 0

    def wait_for_active(self, count):
        wait.until(lambda: self.active >= count, f"{count} requests at once at {self.name}")

    def wait_for_hangup(self, wire):
        try:
            while not self.stopped:
                wire.more()
        except Broken:
            pass

    # -- inside ------------------------------------------------------------------------------------------

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                if self.stopped or not self.listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    return
                continue
            threading.Thread(target=self._connection, args=(sock,), daemon=True).start()

    def wrap(self, sock):
        return sock

    def _connection(self, sock):
        wire = None
        try:
            if not self.unix:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire = Wire(self.wrap(sock))
            with self.lock:
                self.connections += 1
                self.open.add(wire)
                first = self._take_accept_stage()
            if first:
                first(self, wire, None)
                return
            while self.serve(wire):
                pass
        except (Broken, OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.open.discard(wire)
            (wire.sock if wire else sock).close()

    def _take_accept_stage(self):
        behaviour = self.script[0] if self.script else self.default
        if behaviour.stage != "accept":
            return None
        return self.script.pop(0) if self.script else behaviour

    def _take(self):
        with self.lock:
            return self.script.pop(0) if self.script else self.default

    def serve(self, wire):
        """One request; true while the connection lives."""
        request = read_head(wire)
        behaviour = self._take()
        if behaviour.stage == "body":
            request.body = read_body(wire, request)
        return self.act(behaviour, wire, request)

    def act(self, behaviour, wire, request):
        with self.lock:
            self.requests.append(request)
            self.active += 1
            self.most_active = max(self.most_active, self.active)
        try:
            return behaviour(self, wire, request)
        finally:
            self.done(request)

    def done(self, request):
        """The request is no longer at work here; said before the answer leaves, so that counts never overlap."""
        with self.lock:
            if not request.over:
                request.over = True
                self.active -= 1

    @staticmethod
    def _shut(wire):
        try:
            wire.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class TlsMember(Member):
    scheme = "https"

    def __init__(self, name, context, **options):
        super().__init__(name, **options)
        self.context = context

    def wrap(self, sock):
        return self.context.wrap_socket(sock, server_side=True)
