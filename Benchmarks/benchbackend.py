#!/usr/bin/python3
"""The member behind every benchmark: answers each request of a kept connection with three bytes, from one process that
listens on as many loopback addresses as there are members. Run by benchhttpd.Backend, which stops it."""

import argparse
import heapq
import resource
import selectors
import socket
import time

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"


class Server:
    def __init__(self, delay):
        self.delay = delay
        self.selector = selectors.DefaultSelector()
        self.due = []                   # (time, number, socket): answers that wait
        self.connections = self.requests = 0

    def listen(self, address, port):
        listener = socket.create_server((address, port), backlog=512)
        listener.setblocking(False)
        self.selector.register(listener, selectors.EVENT_READ, None)

    def accept(self, listener):
        try:
            client, _ = listener.accept()
        except OSError:
            return
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.selector.register(client, selectors.EVENT_READ, bytearray())
        self.connections += 1

    def close(self, client):
        self.selector.unregister(client)
        client.close()

    def read(self, client, kept):
        try:
            data = client.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close(client)
            return
        kept += data
        while (end := kept.find(b"\r\n\r\n")) >= 0:
            asks_counts = kept.startswith(b"GET /counts ")
            del kept[:end + 4]
            if asks_counts:
                text = f"{self.connections - 1} {self.requests}\n".encode()
                self.send(client, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
                continue
            self.requests += 1
            if self.delay:
                heapq.heappush(self.due, (time.monotonic() + self.delay, self.requests, client))
            else:
                self.send(client, ANSWER)

    @staticmethod
    def send(client, data):
        try:
            client.sendall(data)
        except OSError:
            pass                        # the other end has gone; read() will see it

    def serve(self, until):
        while (now := time.monotonic()) < until:
            while self.due and self.due[0][0] <= now:
                self.send(heapq.heappop(self.due)[2], ANSWER)
            wait = min(1.0, self.due[0][0] - now) if self.due else 1.0
            for key, _ in self.selector.select(max(wait, 0)):
                if key.data is None:
                    self.accept(key.fileobj)
                else:
                    self.read(key.fileobj, key.data)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--seconds", type=float, default=1800, help="ends by itself after this time")
    parser.add_argument("addresses", help="comma-separated; all in 127.0.0.0/8")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = Server(options.delay_ms / 1000)
    for address in options.addresses.split(","):
        server.listen(address, options.port)
    print("ready", flush=True)
    server.serve(time.monotonic() + options.seconds)


if __name__ == "__main__":
    main()
