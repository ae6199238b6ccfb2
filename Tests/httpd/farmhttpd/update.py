"""Updates as members and monitors send them, and what the answer to one says."""

import re
from dataclasses import dataclass

FORM = ("Content-Type", "application/x-www-form-urlencoded")
LIMIT = 1 << 20

NUMBER = r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
LINE = re.compile(rf"(?P<farm>[A-Za-z0-9_-]+) (?P<member>[A-Za-z0-9_.:-]+) admin=(?P<admin>on|drain|off) "
                  rf"health=(?P<health>up|down) fresh=(?P<fresh>in|out) available=(?P<available>yes|no) "
                  rf"share=(?P<share>{NUMBER}) load=(?P<load>-|{NUMBER}) inflight=(?P<inflight>\d+)")
ERROR = re.compile(r"error: (?P<what>[^\n]+?)( \(group (?P<group>\d+)\))?\n")

# Shares may be written with two decimals, as in the contract's example; so they are known to half of the second.
WRITTEN = 0.0051

# What the module says in the log when a monitor puts a member down.
VERDICT = "FARM00107"


@dataclass
class Seen:
    """How a member is seen, by one line of an answer."""
    farm: str
    member: str
    admin: str
    health: str
    fresh: str
    available: str
    share: float
    load: float | None
    inflight: int


def ask(httpd, text, method="GET", path="/farm-update", headers=(), **arguments):
    """The answer to an update, whatever it is."""
    if method == "POST":
        body = text.encode("latin-1") if isinstance(text, str) else text
        return httpd.get(path, method="POST", headers=dict([FORM, *headers]), body=body, **arguments)
    return httpd.get(f"{path}?{text}", method=method, headers=dict(headers), **arguments)


def lines_of(response):
    """The lines of an answer that must say that everything was stored."""
    text = response.body.decode("ascii")
    assert response.status == 200, (response.status, text)
    assert text.endswith("\n"), text
    first, *rest = text.splitlines()
    assert re.fullmatch(r"ok \d+", first) and int(first[3:]) == len(rest), text
    return [seen(line) for line in rest]


def seen(line):
    match = LINE.fullmatch(line)
    assert match, f"not as the contract has it: {line}"
    fields = match.groupdict()
    fields.update(share=float(fields["share"]), inflight=int(fields["inflight"]),
                  load=None if fields["load"] == "-" else float(fields["load"]))
    return Seen(**fields)


def push(httpd, text, method="GET", **arguments):
    """A right update; returns one Seen a group. A monitor's `down` is told in the log too."""
    if "health=down" in text:
        httpd.log.expect(VERDICT)
    return lines_of(ask(httpd, text, method, **arguments))


def tell(httpd, text, **arguments):
    """A right update of a single group."""
    told, = push(httpd, text, **arguments)
    return told


def shares(httpd, farm, *names):
    """The share of each member as things stand, by heartbeats to all of them at once."""
    told = push(httpd, "&".join([f"farm={farm}", *(f"member={name}" for name in names)]), "POST")
    return {one.member: one.share for one in told}


def check_shares_told(told, expected):
    """Every share is the expected one, as exactly as it is written."""
    wrong = {name: (told.get(name), share) for name, share in expected.items()
             if name not in told or abs(told[name] - share) > WRITTEN}
    assert not wrong, f"told and expected: {wrong}"


def error_of(response, status):
    """What the one line of a refusal says: (WHAT, the group's number or None)."""
    text = response.body.decode("latin-1")
    assert response.status == status, (response.status, text)
    match = ERROR.fullmatch(text)
    assert match, f"not one line `error: WHAT (group N)`: {text!r}"
    assert (response.get("Content-Type") or "").startswith("text/plain"), response.headers
    assert not re.search(r"[^\x20-\x7e\n]", text), f"not printable: {text!r}"
    return match["what"], match["group"] and int(match["group"])
