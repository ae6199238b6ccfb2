"""Changes as administrators send them to farm-manager, what the answer says, and what the status shows of them."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from farmhttpd import client
from farmhttpd.update import FORM

PATH = "/farm-manager"
HEADER = ("X-Farm-Manager", "1")
LIMIT = 64 << 10

LINE = re.compile(r"ok (?P<farm>[A-Za-z0-9_-]+) (?P<member>[A-Za-z0-9_.:-]+) admin=(?P<admin>on|drain|off) "
                  r"health=(?P<health>up|down) fresh=(?P<fresh>in|out) available=(?P<available>yes|no) "
                  r"weight=(?P<weight>[1-9]\d*)\n")
FARM_LINE = re.compile(r"ok (?P<farm>[A-Za-z0-9_-]+) admin=(?P<admin>on|drain|off) "
                       r"condition=(?P<condition>ok|full|offline|down)\n")
ERROR = re.compile(r"error: (\S+ [^\n]+)\n")
NONCE = re.compile(r'<input type="hidden" name="nonce" value="([0-9a-f]+)"', re.IGNORECASE)

# What the log says of a change: of a member's admin, of a farm's, of a weight, of health; and of an `until` that has passed.
MEMBER_ADMIN, FARM_ADMIN, WEIGHT, DOWN, UP, PASSED = (f"FARM00{n}" for n in (110, 111, 112, 107, 108, 113))
STATE_IGNORED, STATE_NOT_WRITTEN = "FARM00018", "FARM00019"
CHANGES = "|".join([MEMBER_ADMIN, FARM_ADMIN, WEIGHT, DOWN, UP])

# What the log says when a farm could serve a request by nobody.
NOBODY = "FARM00012"

# All that farm-manager changes, by the names of the status.
NOTE = ("admin", "admin_by", "admin_reason", "admin_since", "admin_until")
SETTINGS = (*NOTE, "health", "health_by", "weight")


@dataclass
class Told:
    """How a member is seen after a change, by the answer's line."""
    farm: str
    member: str
    admin: str
    health: str
    fresh: str
    available: str
    weight: int


@dataclass
class FarmTold:
    farm: str
    admin: str
    condition: str


# -- sending -------------------------------------------------------------------------------------------------


def farm_of(httpd, *names, lines=(), options=()):
    """A farm `app` of members a, b and c, or of these names, that is managed."""
    made = httpd.three(*names)
    httpd.farm(*zip(made, [*options, *[""] * (len(made) - len(options))]), *lines)
    httpd.conf.handler("farm-manager")
    return made


def ask(httpd, text, headers=(HEADER,), path=PATH, kind=FORM, method="POST", **arguments):
    """The answer to a change, whatever it is."""
    body = text.encode("utf-8") if isinstance(text, str) else text
    fields = dict([*([kind] if kind else []), *headers])
    return httpd.get(path, method=method, headers=fields, body=body, **arguments)


def told(response):
    """The one line of an answer that must say what the member, or the farm, now is."""
    text = response.body.decode("utf-8")
    assert response.status == 200, (response.status, text)
    assert (response.get("Content-Type") or "").startswith("text/plain"), response.headers
    member, farm = LINE.fullmatch(text), FARM_LINE.fullmatch(text)
    assert member or farm, f"not as the contract has it: {text!r}"
    if member:
        return Told(**{**member.groupdict(), "weight": int(member["weight"])})
    return FarmTold(**farm.groupdict())


def change(httpd, text, **arguments):
    """A right change."""
    return told(ask(httpd, text, **arguments))


def refused(response, *statuses):
    """What the one line of a refusal says."""
    text = response.body.decode("latin-1")
    assert response.status in statuses, (response.status, text)
    match = ERROR.fullmatch(text)
    assert match, f"not one line `error: …`: {text!r}"
    assert (response.get("Content-Type") or "").startswith("text/plain"), response.headers
    assert not re.search(r"[^\x20-\x7e\n]", text), f"not printable: {text!r}"
    assert len(text) < 1000, len(text)
    return match[1]


def nonce(httpd, **arguments):
    """The nonce of the manager's page."""
    page = httpd.get(arguments.pop("path", PATH), **arguments)
    assert page.status == 200, (page.status, page.body)
    found = set(NONCE.findall(page.body.decode("utf-8")))
    assert len(found) == 1, f"not one nonce in {page.body!r}"
    return found.pop()


# -- seeing --------------------------------------------------------------------------------------------------


def note(row):
    """admin, by, reason of a member's or a farm's row."""
    return row["admin"], row["admin_by"], row["admin_reason"]


def settings(httpd):
    """All that farm-manager may change, of every farm and member."""
    return {(farm["name"], member and member["name"]): {key: (member or farm).get(key) for key in SETTINGS}
            for farm in httpd.status()["farms"] for member in [None, *farm["members"]]}


def kept(httpd):
    """What a state file keeps of the settings: since when something is as configured, it need not."""
    return {name: {**row, "admin_since": row["admin_since"] if row["admin_by"] else None}
            for name, row in settings(httpd).items()}


def moment(text):
    """A time of the status, which must be RFC 3339 in UTC."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", text), text
    # Seconds with any number of digits, which fromisoformat() of older Pythons does not take.
    whole, fraction = re.fullmatch(r"([^.]*?)(?:\.(\d+))?Z", text).groups()
    at = datetime.fromisoformat(whole).replace(tzinfo=timezone.utc)
    return at + timedelta(seconds=float(f"0.{fraction or 0}"))


def now():
    return datetime.now(timezone.utc)


def has_passed(when):
    """Whether it is over by more than the second that the module may take, and the one that the status may not write."""
    return now() > when + timedelta(seconds=2.1)


def who_serves(httpd, count=200, target="/app/x", clients=8):
    """Names of the members that answer that many requests, each on a connection of its own; every process is asked."""
    answers = sum(client.at_once(clients, lambda: [httpd.get(target) for _ in range(count // clients)]), [])
    assert {answer.status for answer in answers} == {200}, {answer.status for answer in answers}
    return {answer.member for answer in answers}


def log_of(httpd, pattern=CHANGES):
    """Lines of the log about changes, which must be notices."""
    found = httpd.log.lines(pattern)
    assert all("[proxy_farm:notice]" in line for line in found), found
    return found


# -- the state file ------------------------------------------------------------------------------------------


def state_file(httpd):
    """Configures a FarmStateFile, relative to ServerRoot, in a folder of its own; returns its path."""
    folder = httpd.root / "state"
    folder.mkdir(mode=0o755, exist_ok=True)
    httpd.conf.add("FarmStateFile state/farm.state")
    return folder / "farm.state"
