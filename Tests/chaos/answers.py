"""What a right answer is: text that only this request can have, so that neither another's answer nor a part of it passes."""

import hashlib
import re

SIZE = 20_000                   # bytes of an answer; what a proxy reads at once is less
LARGE = 400_000                 # more than any of the proxies keeps back
BODY = 8_000                    # bytes of a request's body: what every proxy here can keep to send it again
IDENTITY = re.compile(rb"/s(\d+)/id=([\w.-]+)")


def path(cell, identity, size=SIZE):
    return f"/{cell}/s{size}/id={identity}"


def request_body(identity, length=BODY):
    return filler("request " + identity, length)


def filler(seed, length):
    text = hashlib.sha256(seed.encode()).hexdigest().encode()
    return (text * (length // len(text) + 1))[:length]


def right_body(identity, method, body, size=SIZE):
    """The answer to a request that arrived with this body: what came in shows in what goes out."""
    line = f"{identity} {method} {len(body)} {hashlib.sha256(body).hexdigest()}\n".encode()
    return line + filler(identity, size - len(line))


def identity_in(data):
    """(identity, size of the answer) of the request whose beginning this is, or None."""
    found = IDENTITY.search(data)
    return (found[2].decode(), int(found[1])) if found else None
