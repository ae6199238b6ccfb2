"""A connection that has served, and dies while it is kept or just as the next request comes."""

from cases import Case
from cases_answer import end


def dies(then, next_request):
    """Answers one request rightly; then closes or resets at once ("idle"), when the next one is there but not read ("there"),
    when its head has been read ("head"), when all of it has ("read"), or after the first bytes of an answer to it
    ("status line")."""
    def behave(line):
        line.answer(line.request())
        if next_request == "there":
            line.another()
        if next_request == "head":
            line.head()
        if next_request in ("read", "status line"):
            line.request()
        if next_request == "status line":
            line.send(b"HTTP/1.1 20")
        end(line, then)
    return behave


CASES = [Case(f"kept: {name}", dies(then, when), requests=10, slow=then == "silence")
         for name, then, when in [
             ("closes when idle", "close", "idle"),
             ("resets when idle", "reset", "idle"),
             ("closes when the next comes", "close", "there"),
             ("resets when the next comes", "reset", "there"),
             ("closes after the next one's head", "close", "head"),
             ("closes after the next request", "close", "read"),
             ("resets after the next request", "reset", "read"),
             ("closes in the next status line", "close", "status line"),
             ("silent at the next request", "silence", "there")]]
