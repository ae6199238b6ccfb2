"""Ports of the loopback addresses below the ephemeral range, so that no outgoing connection can take one."""

import random
import socket


def bound_socket(host="127.0.0.1"):
    """A socket that holds a port of its own. Chosen by number: the kernel would take a port that it has chosen itself
    away from a socket that stops listening."""
    while True:
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            sock.bind((host, random.randint(12000, 32000)))
            # Only now, so that nobody else's port is taken: a member may listen again beside its old connections.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            return sock
        except OSError:
            sock.close()
