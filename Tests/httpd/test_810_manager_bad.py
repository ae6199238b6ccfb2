"""Wrong changes are refused with one clear line, change nothing and harm nobody."""

import random

import pytest

from farmhttpd import client
from farmhttpd.manager import HEADER, LIMIT, PATH, ask, change, farm_of, log_of, note, refused, settings
from farmhttpd.update import FORM

A = "farm=app&member=a"
OFF = f"{A}&admin=off"
NAMES = (400, 404)

# What is sent, the status, a word that the line must have.
BAD = {
    "nothing": ("", 400, "farm"),
    "nothing to change": (A, 400, "admin"),
    "nothing to change of the farm": ("farm=app", 400, "admin"),
    "only words about a change": (f"{A}&by=ann&reason=x", 400, "admin"),
    "no farm": ("member=a&admin=off", 400, "farm"),
    "no farm, no member": ("admin=off", 400, "farm"),
    "empty farm": ("farm=&member=a&admin=off", NAMES, "farm"),
    "empty member": ("farm=app&member=&admin=off", NAMES, "member"),
    "unknown farm": ("farm=nosuch&member=a&admin=off", 404, "nosuch"),
    "unknown farm itself": ("farm=nosuch&admin=off", 404, "nosuch"),
    "unknown member": ("farm=app&member=nosuch&admin=off", 404, "nosuch"),
    "member in other letters": ("farm=app&member=A&admin=off", 404, "member"),
    "member of another farm": ("farm=app&member=z&admin=off", 404, "z"),
    "member with a tail": ("farm=app&member=a%00&admin=off", NAMES, "member"),
    "farm with a tail": ("farm=app%00x&admin=off", NAMES, "farm"),
    "farm of 10 kB": (f"farm={'a' * 10_000}&admin=off", NAMES, "farm"),
    "member of 10 kB": (f"farm=app&member={'a' * 10_000}&admin=off", NAMES, "member"),
    "markup for a farm": ("farm=%3Cscript%3Ealert(1)%3C/script%3E&admin=off", NAMES, "farm"),
    "markup for a member": ("farm=app&member=%3Cimg+src=x%3E&admin=off", NAMES, "member"),
    "line ends in a member": ("farm=app&member=a%0D%0Aok+app+a+admin%3Doff&admin=off", NAMES, "member"),
    "unknown state": (f"{A}&admin=wibble", 400, "drain"),
    "unknown state of the farm": ("farm=app&admin=wibble", 400, "drain"),
    "empty state": (f"{A}&admin=", 400, "admin"),
    "state in other letters": (f"{A}&admin=OFF", 400, "drain"),
    "state with a blank": (f"{A}&admin=off+", 400, "drain"),
    "state with a line end": (f"{A}&admin=off%0A", 400, "drain"),
    "state with a tail": (f"{A}&admin=off%00", 400, "drain"),
    "state of balancer-manager": (f"{A}&admin=1", 400, "drain"),
    "unknown health": (f"{A}&health=sideways", 400, "health"),
    "empty health": (f"{A}&health=", 400, "health"),
    "health in other letters": (f"{A}&health=Down", 400, "health"),
    "health of the farm": ("farm=app&health=down", 400, "member"),
    "weight of the farm": ("farm=app&weight=3", 400, "member"),
    "admin and health of the farm": ("farm=app&admin=off&health=down", 400, "member"),
    "admin and weight of the farm": ("farm=app&admin=off&weight=3", 400, "member"),
    "weight 0": (f"{A}&weight=0", 400, "1000"),
    "weight 1001": (f"{A}&weight=1001", 400, "1000"),
    "weight negative": (f"{A}&weight=-1", 400, "1000"),
    "weight empty": (f"{A}&weight=", 400, "weight"),
    "weight a word": (f"{A}&weight=heavy", 400, "1000"),
    "weight with a point": (f"{A}&weight=1.5", 400, "1000"),
    "weight with a tail": (f"{A}&weight=5x", 400, "1000"),
    "weight with a blank": (f"{A}&weight=+5", 400, "1000"),
    "weight hexadecimal": (f"{A}&weight=0x10", 400, "1000"),
    "weight beyond 64 bits": (f"{A}&weight=18446744073709551617", 400, "1000"),
    "weight that wraps 32 bits": (f"{A}&weight=4294967297", 400, "1000"),
    "weight of 10 kB": (f"{A}&weight={'9' * 10_000}", 400, "1000"),
    "weight with NUL": (f"{A}&weight=5%00", 400, "1000"),
    "by alone": (f"{A}&by=ann", 400, "admin"),
    "by with a weight": (f"{A}&weight=5&by=ann", 400, "admin"),
    "reason with health": (f"{A}&health=down&reason=x", 400, "admin"),
    "until with health": (f"{A}&health=down&until=2h", 400, "admin"),
    "by of 64 bytes": (f"{OFF}&by={'b' * 64}", 400, "by"),
    "by of 32 letters and 64 bytes": (f"{OFF}&by={'%C3%A9' * 32}", 400, "by"),
    "by of 10 kB": (f"{OFF}&by={'b' * 10_000}", 400, "by"),
    "by with a control character": (f"{OFF}&by=ann%07", 400, "by"),
    "by with a line end": (f"{OFF}&by=ann%0Abob", 400, "by"),
    "by not UTF-8": (f"{OFF}&by=%FF", 400, "by"),
    "reason of 192 bytes": (f"{OFF}&reason={'r' * 192}", 400, "reason"),
    "reason of 48 letters and 192 bytes": (f"{OFF}&reason={'%F0%9F%9A%9C' * 48}", 400, "reason"),
    "reason of 10 kB": (f"{OFF}&reason={'r' * 10_000}", 400, "reason"),
    "reason of the farm of 10 kB": (f"farm=app&admin=off&reason={'r' * 10_000}", 400, "reason"),
    "reason with NUL": (f"{OFF}&reason=a%00b", 400, "reason"),
    "reason with a line end": (f"{OFF}&reason=a%0Ab", 400, "reason"),
    "reason with CR": (f"{OFF}&reason=a%0Db", 400, "reason"),
    "reason with a tab": (f"{OFF}&reason=a%09b", 400, "reason"),
    "reason with ESC": (f"{OFF}&reason=%1B%5B2J", 400, "reason"),
    "reason with DEL": (f"{OFF}&reason=a%7F", 400, "reason"),
    "reason with a C1 control": (f"{OFF}&reason=a%C2%85b", 400, "reason"),
    "reason of a lone byte": (f"{OFF}&reason=%FF", 400, "reason"),
    "reason of a lone continuation": (f"{OFF}&reason=a%80", 400, "reason"),
    "reason cut in a letter": (f"{OFF}&reason=a%C3", 400, "reason"),
    "reason overlong": (f"{OFF}&reason=%C0%AF", 400, "reason"),
    "reason overlong by 3": (f"{OFF}&reason=%E0%80%AF", 400, "reason"),
    "reason of a surrogate": (f"{OFF}&reason=%ED%A0%80", 400, "reason"),
    "reason beyond Unicode": (f"{OFF}&reason=%F4%90%80%80", 400, "reason"),
    "until empty": (f"{OFF}&until=", 400, "until"),
    "until a word": (f"{OFF}&until=tomorrow", 400, "until"),
    "until zero": (f"{OFF}&until=0", 400, "until"),
    "until 0s": (f"{OFF}&until=0s", 400, "until"),
    "until negative": (f"{OFF}&until=-5", 400, "until"),
    "until an unknown unit": (f"{OFF}&until=5parsecs", 400, "until"),
    "until a unit": (f"{OFF}&until=min", 400, "until"),
    "until with a tail": (f"{OFF}&until=5s+", 400, "until"),
    "until beyond 64 bits": (f"{OFF}&until=99999999999999999999s", 400, "until"),
    "until beyond 64 bits of microseconds": (f"{OFF}&until=9999999999999999d", 400, "until"),
    "until of 10 kB": (f"{OFF}&until={'9' * 10_000}", 400, "until"),
    "until past": (f"{OFF}&until=2001-09-09T01:46:40Z", 400, "until"),
    "until past by its offset": (f"{OFF}&until=1970-01-01T00:00:00-12:00", 400, "until"),
    "until without an offset": (f"{OFF}&until=2099-01-01T00:00:00", 400, "until"),
    "until a date": (f"{OFF}&until=2099-01-01", 400, "until"),
    "until without seconds": (f"{OFF}&until=2099-01-01T00:00Z", 400, "until"),
    "until in month 13": (f"{OFF}&until=2099-13-01T00:00:00Z", 400, "until"),
    "until in month 0": (f"{OFF}&until=2099-00-01T00:00:00Z", 400, "until"),
    "until on day 32": (f"{OFF}&until=2099-01-32T00:00:00Z", 400, "until"),
    "until on no leap day": (f"{OFF}&until=2099-02-29T00:00:00Z", 400, "until"),
    "until on no leap day of a century": (f"{OFF}&until=2100-02-29T00:00:00Z", 400, "until"),
    "until at hour 24": (f"{OFF}&until=2099-01-01T24:00:00Z", 400, "until"),
    "until at minute 60": (f"{OFF}&until=2099-01-01T00:60:00Z", 400, "until"),
    "until with offset 24:00": (f"{OFF}&until=2099-01-01T00:00:00%2B24:00", 400, "until"),
    "until with half an offset": (f"{OFF}&until=2099-01-01T00:00:00%2B02", 400, "until"),
    "until with a tail after Z": (f"{OFF}&until=2099-01-01T00:00:00Zx", 400, "until"),
    "until with an empty fraction": (f"{OFF}&until=2099-01-01T00:00:00.Z", 400, "until"),
    "until in year 99999": (f"{OFF}&until=99999-01-01T00:00:00Z", 400, "until"),
    "until with NUL": (f"{OFF}&until=2h%00", 400, "until"),
    "until with on": (f"{A}&admin=on&until=2h", 400, "until"),
    "until with on of the farm": ("farm=app&admin=on&until=2h", 400, "until"),
    "bad until of the farm": ("farm=app&admin=off&until=soon", 400, "until"),
    "unknown field": (f"{OFF}&wibble=1", 400, "wibble"),
    "unknown field alone": (f"{A}&wibble=1", 400, "wibble"),
    "metric": (f"{OFF}&cpu=0.5", 400, "cpu"),
    "field in other letters": (f"{A}&Admin=off", 400, "Admin"),
    "field without a name": (f"{OFF}&=1", 400, ""),
    "field of 10 kB": (f"{OFF}&{'x' * 10_000}=1", 400, ""),
    "field of markup": (f"{OFF}&%3Cscript%3E=1", 400, ""),
    "field with a line end": (f"{OFF}&x%0D%0Ay=1", 400, ""),
    "part without =": (f"{OFF}&weight", 400, ""),
    "escape cut short": (f"{OFF}&reason=%4", 400, ""),
    "escape of no digits": (f"{OFF}&reason=%zz", 400, ""),
    "good, then bad": (f"{OFF}&health=down&weight=1001", 400, "1000"),
    "bad before good": ("farm=app&member=a&weight=0&admin=off", 400, "1000"),
    "all but the health": (f"{OFF}&by=ann&reason=x&until=2h&weight=7&health=x", 400, "health"),
    "all but the member": (f"farm=app&member=nosuch&admin=off&health=down&weight=7", 404, "nosuch"),
    **{f"{field} twice": (f"{text}&{field}={value}", 400, field) for field, text, value in (
        ("farm", OFF, "app"), ("member", OFF, "b"), ("admin", OFF, "off"), ("admin", OFF, "on"), ("by", f"{OFF}&by=x", "x"),
        ("reason", f"{OFF}&reason=x", "y"), ("until", f"{OFF}&until=2h", "2h"), ("health", f"{A}&health=up", "down"),
        ("weight", f"{A}&weight=5", "5"), ("nonce", f"{OFF}&nonce=x", "x"))},
    "farm twice, encoded": (f"{OFF}&%66arm=app", 400, "farm"),
}


def managed(httpd):
    """Two farms, of which some already have what a wrong change must not touch."""
    farm_of(httpd, "a", "b", options=["", "weight=3"])
    httpd.farm(httpd.member("z"), name="other")
    return httpd


@pytest.mark.both_mpms
@pytest.mark.parametrize("state", ["nothing before", "changes before"])
def test_810_01_wrong_changes(httpd, state):
    """Contract: a refusal is one line that begins with `error: ` and says what was wrong and what to write instead; "No
    change whatever on any refusal"."""
    managed(httpd).start()
    if state == "changes before":
        change(httpd, f"{A}&admin=drain&by=ann&reason=because&until=5h&health=down&weight=9")
        change(httpd, "farm=app&admin=drain&by=bob&reason=move")
        change(httpd, "farm=other&member=z&weight=44")
    before, children, lines = settings(httpd), httpd.wait_for_children(2), len(log_of(httpd))
    problems = []
    for name, (text, statuses, word) in BAD.items():
        try:
            said = refused(ask(httpd, text), *(statuses if isinstance(statuses, tuple) else (statuses,)))
            assert word in said, f"no {word} in: {said}"
            assert settings(httpd) == before, "something was changed"
        except AssertionError as error:
            problems.append(f"{name}: {error}")
            before = settings(httpd)
    assert not problems, "\n".join(problems)
    assert len(log_of(httpd)) == lines, "a change that was not made is in the log"
    assert set(children) <= set(httpd.children()), "a child is gone"
    assert change(httpd, f"{A}&admin=on&health=up&weight=1").available == ("yes" if state == "nothing before" else "no")


def test_810_02_echo_is_harmless(httpd):
    """What an administrator expects of an error that repeats what a client sent: one line of printable plain text."""
    managed(httpd).start()
    for value in ("%3Cscript%3Ealert(1)%3C%2Fscript%3E", "%0D%0ASet-Cookie:%20x=1", "%1B%5B2J", "%0Aok%201%0A", "%FF%C0%80",
                  "%00", "%7F", "%C2%85", "%E2%80%AE", "%22%3E%3Cimg%3E", "%25s%25n", "a%3Bb%3Bc"):
        for text in (f"farm={value}&admin=off", f"farm=app&member={value}&admin=off", f"{A}&admin={value}", f"{OFF}&{value}=1",
                     f"{A}&health={value}", f"{A}&weight={value}", f"{OFF}&until={value}"):
            response = ask(httpd, text)
            assert response.status in (400, 404), (text, response.status)
            assert response.body.startswith(b"error: ") and response.body.count(b"\n") == 1, response.body
            assert all(32 <= byte < 127 for byte in response.body[:-1]), response.body
            assert response.get("Set-Cookie") is None and response.get("Content-Type").startswith("text/plain")
            assert b"<script" not in response.body and b"<img" not in response.body


def padded(size):
    """A change of exactly that many bytes, wrong by its reason's length alone."""
    text = f"{OFF}&reason="
    return (text + "r" * (size - len(text))).encode()


def send(httpd, body, chunked):
    """Sends a body that may be refused before it has been read; http.client then finds the connection closed."""
    data = (body[at:at + 8000] for at in range(0, len(body), 8000)) if chunked else body
    with httpd.client() as one:
        try:
            return one.request(PATH, method="POST", headers=[FORM, HEADER, ("Connection", "close")], body=data)
        except (BrokenPipeError, ConnectionResetError):
            response = one.connection.response_class(one.connection.sock, method="POST")
            response.begin()
            return client.Response(response.status, response.getheaders(), response.read())


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_810_03_size_of_the_body(httpd, chunked):
    """Contract: a body of "at most 64 KiB, else 413"."""
    managed(httpd).start()
    before = settings(httpd)
    for size in (LIMIT + 1, LIMIT * 2, LIMIT * 40):
        refused(send(httpd, padded(size), chunked), 413)
    # As long as it may be, it is read, and found to be wrong for its reason.
    assert "reason" in refused(send(httpd, padded(LIMIT), chunked), 400)
    assert settings(httpd) == before
    assert send(httpd, OFF.encode(), chunked).status == 200


CUT = {
    "length": b"Content-Length: 1000\r\n\r\n" + OFF.encode(),
    "no body at all": b"Content-Length: 1000\r\n\r\n",
    "chunk": b"Transfer-Encoding: chunked\r\n\r\n1000\r\n" + OFF.encode(),
    "last chunk": b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(OFF), OFF.encode()),
    "chunk size": b"Transfer-Encoding: chunked\r\n\r\nwibble\r\n" + OFF.encode() + b"\r\n0\r\n\r\n",
    "a length that nobody can send": b"Content-Length: 999999999999\r\n\r\n" + OFF.encode(),
}


@pytest.mark.parametrize("rest", CUT.values(), ids=CUT.keys())
def test_810_04_body_cut_off(httpd, rest):
    """Contract: all or nothing: half a change is no change, even where its half would read as a right one."""
    managed(httpd).start()
    before, children = settings(httpd), httpd.wait_for_children(2)
    head = (f"POST {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {FORM[1]}\r\n"
            f"X-Farm-Manager: 1\r\n").encode()
    for _ in range(3):
        said = client.raw(httpd.port, head + rest)
        assert not said.startswith((b"HTTP/1.1 2", b"HTTP/1.1 3")), said[:100]
    assert settings(httpd) == before
    assert change(httpd, f"{A}&admin=drain").admin == "drain"
    assert set(children) <= set(httpd.children())


@pytest.mark.both_mpms
def test_810_05_by_chance(httpd):
    """Contract: bad input gets an error, nothing crashes: right changes but for a few bytes; each run makes the same."""
    managed(httpd).start()
    chance, children = random.Random(810), httpd.wait_for_children(2)
    good = [f"{A}&admin=drain&by=ann&reason=%C3%A9+x&until=2h", "farm=app&admin=off&until=2099-01-01T00:00:00Z",
            "farm=other&member=z&health=down&weight=17&admin=on&reason=y"]
    with httpd.client() as keep:
        for _ in range(500):
            data = bytearray(chance.choice(good).encode())
            for _ in range(chance.randint(1, 4)):
                at = chance.randrange(len(data) + 1)
                noise = chance.choices(b"&=%+;.-:_0179TZafx\0\xff\xc3\r\n <", k=chance.randint(0, 3))
                data[at:at + chance.randint(0, 3)] = bytes(noise)
            response = keep.request(PATH, method="POST", headers=[FORM, HEADER], body=bytes(data))
            assert response.status in (200, 400, 404), (response.status, bytes(data))
            if response.status != 200:
                refused(response, response.status)
    assert set(children) <= set(httpd.children()), "a child is gone"
    for row in settings(httpd).values():
        assert row["admin"] in ("on", "drain", "off")
        assert all(text is None or text.isprintable() for text in note(row))
    assert change(httpd, f"{A}&admin=on").admin == "on"
