"""Members that do something wrong, and one that does not. Each listens on an address of its own and serves all proxies; what
each has seen of which request is kept by the request's identity."""

import collections
import socket
import threading
import time

from answers import identity_in, right_body
from farmhttpd.ports import bound_socket
from farmhttpd.wire import Broken, Wire, read_body, read_head

PATIENCE = 15.0                 # seconds after which a member that says nothing gives up, so that none is left
ENDLESS = 64 << 20              # bytes that an endless answer has at most


class Seen:
    """Which members have seen any byte of a request, for all members together."""

    def __init__(self):
        self.lock = threading.Lock()
        self.by_identity = collections.defaultdict(list)

    def note(self, identity, member):
        with self.lock:
            self.by_identity[identity].append(member)

    def times(self, identity):
        with self.lock:
            return len(self.by_identity[identity])

    def met(self, identity, member):
        with self.lock:
            return member in self.by_identity[identity]


class Line(Wire):
    """A connection of a member, as the behaviours of cases.py use it."""

    def __init__(self, sock, member):
        super().__init__(sock)
        self.member = member
        self.noted = False
        self.size = None
        self.identity = None

    # -- reading -----------------------------------------------------------------------------------------

    def head(self):
        """The next request's head."""
        self.noted = False
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        self._note(self.buffer)
        return read_head(self)

    def request(self):
        """The next request, as a whole."""
        request = self.head()
        request.body = read_body(self, request)
        return request

    def part(self, count):
        """So many bytes of what comes and no more: the rest stays in the socket. An identity that can be seen there counts
        as seen."""
        while len(self.buffer) < count:
            data = self.sock.recv(count - len(self.buffer))
            if not data:
                raise Broken("closed")
            self.buffer += data
        self.peek()

    def peek(self):
        """Notes the request that waits in the socket, if one does."""
        try:
            waiting = self.sock.recv(65536, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError:
            waiting = b""
        self._note(self.buffer + waiting)

    def another(self):
        """Waits until something of a further request has come, and leaves it in the socket."""
        if not self.buffer and not self.sock.recv(1, socket.MSG_PEEK):
            raise Broken("closed")
        self.noted = False
        self.peek()

    def _note(self, data):
        found = identity_in(data)
        if found and not self.noted:
            self.noted = True
            self.identity, self.size = found
            self.member.seen.note(self.identity, self.member.name)

    # -- answering ---------------------------------------------------------------------------------------

    def right(self, request):
        """The right answer's body."""
        return right_body(self.identity, request.method, request.body, self.size)

    def answer(self, request, status="200 OK", fields=()):
        body = self.right(request)
        self.send(head_of(status, ("Content-Length", len(body)), *fields) + body)

    # -- ending ------------------------------------------------------------------------------------------

    def close(self):
        """FIN, whatever has not been read: closing with unread bytes would be a reset."""
        self.sock.shutdown(socket.SHUT_WR)
        self.drain()
        raise Broken("done")

    def drop(self):
        """RST."""
        self.peek()
        self.reset()
        raise Broken("done")

    def drain(self):
        self.sock.settimeout(2)
        try:
            while data := self.sock.recv(65536):
                self._note(data)
        except OSError:
            pass

    def silence(self):
        """Says nothing until the other side gives up."""
        end = time.monotonic() + PATIENCE
        self.sock.settimeout(PATIENCE)
        while time.monotonic() < end:
            if not (data := self.sock.recv(65536)):
                break
            self._note(data)
        raise Broken("done")


def head_of(status, *fields):
    return "\r\n".join([f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields), "", ""]).encode("latin-1")


class Member:
    """Serves each connection by its behaviour, a function that gets the Line."""

    def __init__(self, name, behaviour, seen):
        self.name = name
        self.behaviour = behaviour
        self.seen = seen
        self.connections = 0
        self.listener = bound_socket()
        self.others = []
        self.lock = threading.Lock()
        self.lines = set()

    @property
    def address(self):
        return f"127.0.0.1:{self.listener.getsockname()[1]}"

    def start(self):
        if self.behaviour == REFUSES:
            return self                         # the port is held, and nobody listens
        if self.behaviour == HANGS:
            return self._fill()
        self.listener.listen(256)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def stop(self):
        for sock in [self.listener, *self.others]:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def hang_up(self, key):
        """Ends the connections that have served this cell: nobody will use them again."""
        with self.lock:
            lines = [line for line in self.lines if line.identity and f".{key}." in line.identity]
        for line in lines:
            try:
                line.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _fill(self):
        """Nobody accepts and the queue is full: what comes now is not answered, as by a host that is not there."""
        self.listener.listen(0)
        for _ in range(4):
            other = socket.socket()
            other.setblocking(False)
            other.connect_ex(self.listener.getsockname())
            self.others.append(other)
        time.sleep(0.05)
        return self

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(60)
        line = Line(sock, self)
        with self.lock:
            self.lines.add(line)
        try:
            self.behaviour(line)
        except (Broken, OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.lines.discard(line)
            sock.close()


REFUSES, HANGS = "refuses", "hangs"


def healthy(line):
    """Answers rightly, for as long as it is asked."""
    while True:
        line.answer(line.request())
