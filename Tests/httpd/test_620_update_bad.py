"""Wrong updates are refused with a reason, store nothing and harm nobody."""

import random
import re
import socket

import pytest

from farmhttpd import client, formats
from farmhttpd.update import FORM, LIMIT, VERDICT, ask, error_of, lines_of, push, tell

A = "farm=app&member=a"

# What is sent, the status, the group at fault.
BAD = {
    "nothing": ("", 400, None),
    "only empty parts": ("&&&", 400, None),
    "no farm": ("member=a&cpu=1", 400, 1),
    "no farm, no member": ("cpu=1", 400, 1),
    "empty farm": ("farm=&member=a", (400, 404), 1),
    "empty member": ("farm=app&member=", (400, 404), 1),
    "unknown farm": ("farm=nosuch&member=a&cpu=1", 404, 1),
    "no farm's name": ("farm=a%20b&member=a&cpu=1", (400, 404), 1),
    "name of a farm and more": ("farm=app%00&member=a&cpu=1", (400, 404), 1),
    "unknown member": ("farm=app&member=nosuch&cpu=1", 404, 1),
    "member in other letters": ("farm=app&member=A&cpu=1", 404, 1),
    "member of another farm": ("farm=app&member=z&cpu=1", 404, 1),
    "member and NUL": ("farm=app&member=a%00&cpu=1", (400, 404), 1),
    "farm of 10 kB": (f"farm={'a' * 10_000}&member=a", (400, 404), 1),
    "member of 10 kB": (f"farm=app&member={'a' * 10_000}", (400, 404), 1),
    "part without =": (f"{A}&cpu", 400, 1),
    "part without = at the beginning": (f"cpu&{A}", 400, 1),
    "empty value": (f"{A}&cpu=", 400, 1),
    "blank value": (f"{A}&cpu=+", 400, 1),
    "blank before": (f"{A}&cpu=%201", 400, 1),
    "blank after": (f"{A}&cpu=1+", 400, 1),
    "line end after": (f"{A}&cpu=1%0A", 400, 1),
    "word": (f"{A}&cpu=high", 400, 1),
    "number with a tail": (f"{A}&cpu=1x", 400, 1),
    "two numbers": (f"{A}&cpu=1,2", 400, 1),
    "comma for point": (f"{A}&cpu=0,5", 400, 1),
    "two points": (f"{A}&cpu=1.2.3", 400, 1),
    "point alone": (f"{A}&cpu=.", 400, 1),
    "minus alone": (f"{A}&cpu=-", 400, 1),
    "two minuses": (f"{A}&cpu=--1", 400, 1),
    "exponent alone": (f"{A}&cpu=e3", 400, 1),
    "no exponent": (f"{A}&cpu=1e", 400, 1),
    "exponent's sign alone": (f"{A}&cpu=1e-", 400, 1),
    "exponent with a point": (f"{A}&cpu=1e1.5", 400, 1),
    "hexadecimal": (f"{A}&cpu=0x10", 400, 1),
    "nan": (f"{A}&cpu=nan", 400, 1),
    "NaN": (f"{A}&cpu=NaN", 400, 1),
    "inf": (f"{A}&cpu=inf", 400, 1),
    "-infinity": (f"{A}&cpu=-infinity", 400, 1),
    "not finite": (f"{A}&cpu=1e999", 400, 1),
    "negative and not finite": (f"{A}&cpu=-1e999", 400, 1),
    "exponent beyond any": (f"{A}&cpu=1e99999999999999999999", 400, 1),
    "10 kB of digits": (f"{A}&cpu={'9' * 10_000}", 400, 1),
    "NUL in a number": (f"{A}&cpu=1%00", 400, 1),
    "digits of other scripts": (f"{A}&cpu=%D9%A3", 400, 1),
    "percent for a unit": (f"{A}&cpu=50%25", 400, 1),
    "metric twice": (f"{A}&cpu=1&cpu=2", 400, 1),
    "metric twice, encoded": (f"{A}&cpu=1&mem=2&%63pu=1", 400, 1),
    "metric without a name": (f"{A}&=1", 400, 1),
    "name begins with a digit": (f"{A}&1cpu=1", 400, 1),
    "name begins with a point": (f"{A}&.cpu=1", 400, 1),
    "name with a minus sign": (f"{A}&db-conns=1", 400, 1),
    "name with a blank": (f"{A}&db+conns=1", 400, 1),
    "name with an umlaut": (f"{A}&cp%C3%BC=1", 400, 1),
    "name with NUL": (f"{A}&cpu%00=1", 400, 1),
    "name of 33": (f"{A}&{'x' * 33}=1", 400, 1),
    "name of 10 kB": (f"{A}&{'x' * 10_000}=1", 400, 1),
    "unknown health": (f"{A}&health=sideways", 400, 1),
    "empty health": (f"{A}&health=", 400, 1),
    "health in other letters": (f"{A}&health=DOWN!", 400, 1),
    "health twice": (f"{A}&health=up&health=down", 400, 1),
    "escape cut short": (f"{A}&cpu=1%", 400, 1),
    "escape of one digit": (f"{A}&cpu=1%3", 400, 1),
    "escape of no digits": (f"{A}&cpu=%zz", 400, 1),
    "escape cut by the part's end": (f"{A}&cpu=%3&mem=1", 400, 1),
    "escape in a name": (f"{A}&c%pu=1", 400, 1),
    "escape in a farm": ("farm=%app&member=a", 400, 1),
    "escape of %u": (f"{A}&cpu=%u0031", 400, 1),
    "good, then bad": (f"{A}&cpu=1&member=b&cpu=x", 400, 2),
    "good, then unknown": (f"{A}&cpu=1&health=down&member=nosuch&cpu=1", 404, 2),
    "good, then another farm's": (f"{A}&cpu=1&member=z", 404, 2),
    "good, then unknown farm": (f"{A}&cpu=1&farm=nosuch&member=a", 404, 2),
    "good, then part without =": (f"{A}&cpu=1&member=b&cpu", 400, 2),
    "two good, then bad": (f"{A}&cpu=1&member=b&cpu=1&farm=other&member=z&cpu=nan", 400, 3),
    "bad between good": (f"{A}&cpu=1&member=b&cpu=&member=b&cpu=1", 400, 2),
    "markup": (f"farm=%3Cscript%3Ealert(1)%3C/script%3E&member=a", (400, 404), 1),
    "control characters": ("farm=app&member=%1B%5B31m%0D%0Aok+1%0A&cpu=1", (400, 404), 1),
    "control characters in a value": (f"{A}&cpu=%00%01%7F%80%FF%0D%0A", 400, 1),
    "control characters in a name": (f"{A}&%00%0D%0Aerror%3A=1", 400, 1),
    "not UTF-8": ("farm=%FF%FE&member=%C0%80", (400, 404), 1),
}


def two_farms(httpd, *lines):
    httpd.farm(*httpd.three("a", "b"))
    httpd.farm(httpd.member("z"), name="other")
    httpd.conf.handler("farm-update")
    httpd.conf.add(*lines)
    return httpd


def everything(httpd):
    """The whole status but for what moves by itself."""
    status = formats.status(httpd)
    ages = {key: value is not None for key, value in formats.keys_of(status).items() if key.endswith(".update_age_s")}
    return formats.without_moving(status) | ages


@pytest.mark.both_mpms
@pytest.mark.parametrize("stored", ["nothing before", "values before"])
def test_620_01_wrong_updates(httpd, stored):
    """Contract: "An empty value, a metric twice in a group, or an unknown form is an error"; "otherwise 400, 404 (unknown
    farm or member) or 413, with one line `error: WHAT (group N)` and nothing stored (groups count from 1)"."""
    two_farms(httpd, "FarmTable metrics=4")
    httpd.start()
    if stored == "values before":
        push(httpd, f"{A}&cpu=0.5&mem=0.25&member=b&cpu=0.75&farm=other&member=z&health=down")
    before, children, said = everything(httpd), httpd.wait_for_children(2), len(httpd.log.lines(VERDICT))
    problems = []
    for name, (text, statuses, number) in BAD.items():
        for method in ("GET", "POST"):
            if len(text) > 4000 and method == "GET":
                continue
            response = ask(httpd, text, method)
            try:
                allowed = statuses if isinstance(statuses, tuple) else (statuses,)
                assert response.status in allowed, (response.status, response.body[:200])
                assert number in (None, error_of(response, response.status)[1]), response.body[:200]
                assert len(response.body) < 1000, len(response.body)
                assert len(httpd.log.lines(VERDICT)) == said, "a verdict that was not stored is in the log"
                assert everything(httpd) == before, "something was stored"
            except AssertionError as error:
                problems.append(f"{name}, {method}: {error}")
                before = everything(httpd)
    assert not problems, "\n".join(problems)
    assert set(children) <= set(httpd.children()), "a child is gone"
    # No name was used up by an update that failed.
    tell(httpd, f"{A}&cpu=1&mem=2&p=3&q=4")


def test_620_02_the_remedy(httpd):
    """Contract: "`error: WHAT`": it names what was wrong."""
    two_farms(httpd)
    httpd.start()
    for text, word in {"farm=nosuch&member=a": "nosuch", "farm=app&member=elsewhere": "elsewhere", f"{A}&cpu=high": "cpu",
                       f"{A}&health=sideways": "health", "member=a": "farm", f"{A}&mem=1&mem=2": "mem"}.items():
        response = ask(httpd, text)
        assert word in error_of(response, response.status)[0], text


def test_620_03_echo_is_harmless(httpd):
    """What an administrator expects of an error that repeats what a client sent: one line of plain text, no control
    characters, so that neither a browser nor a terminal nor a reader of lines takes it for something else."""
    two_farms(httpd)
    httpd.start()
    for value in ("%3Cscript%3Ealert(1)%3C%2Fscript%3E", "%0D%0ASet-Cookie:%20x=1", "%1B%5B2J", "%0Aok%201%0A", "%FF%C0%80",
                  "%00", "%7F", "%C2%85", "%E2%80%AE"):
        for text in (f"farm={value}&member=a", f"farm=app&member={value}", f"{A}&cpu={value}", f"{A}&{value}=1",
                     f"{A}&health={value}"):
            response = ask(httpd, text)
            error_of(response, response.status)
            assert response.get("Set-Cookie") is None
            assert b"<script" not in response.body


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "WIBBLE"])
def test_620_04_other_methods(httpd, method):
    """Contract: "Other methods: 405 with Allow"."""
    two_farms(httpd)
    httpd.start()
    before = everything(httpd)
    for body in (None, f"{A}&cpu=1".encode()):
        response = httpd.get(f"/farm-update?{A}&cpu=1", method=method, headers=dict([FORM]), body=body)
        assert response.status == 405
        assert {word.strip() for word in response.get("Allow").split(",")} == {"GET", "POST"}
    assert everything(httpd) == before


@pytest.mark.parametrize("kind, status", [
    ("application/x-www-form-urlencoded", 200), ("application/x-www-form-urlencoded; charset=UTF-8", 200),
    ("Application/X-WWW-Form-URLEncoded", 200), ("application/x-www-form-urlencoded ;charset=utf-8", 200),
    ("text/plain", 415), ("application/json", 415), ("multipart/form-data; boundary=x", 415), ("", 415), (None, 415),
    ("application/x-www-form-urlencodedx", 415), ("application/x-www-form", 415), ("x" * 7000, 415)], ids=repr)
def test_620_05_content_types(httpd, kind, status):
    """Contract: "The same text is accepted as an `application/x-www-form-urlencoded` POST body": no other kind is."""
    two_farms(httpd)
    httpd.start()
    headers = {} if kind is None else {"Content-Type": kind}
    response = httpd.get("/farm-update", method="POST", headers=headers, body=f"{A}&cpu=1".encode())
    if status == 200:
        assert lines_of(response)[0].load == 1
    else:
        error_of(response, status)
        assert httpd.rows()["a"]["update_age_s"] is None


def test_620_06_post_with_a_query(httpd):
    """Contract: "A POST takes its body only; with a query string as well: 400"."""
    two_farms(httpd)
    httpd.start()
    for query, body in ((f"{A}&cpu=1", f"{A}&cpu=2"), (f"{A}&cpu=1", ""), ("x=1", f"{A}&cpu=2")):
        response = httpd.get(f"/farm-update?{query}", method="POST", headers=dict([FORM]), body=body.encode())
        error_of(response, 400)
    assert httpd.rows()["a"]["metrics"] == {}


def padded(size):
    """A right update of exactly that many bytes: empty parts are skipped."""
    text = f"{A}&cpu=0.5"
    return (text + "&" * (size - len(text))).encode()


def post(httpd, body):
    """Sends a body that may be refused before it has been read; http.client then finds the connection closed."""
    with httpd.client() as one:
        try:
            return one.request("/farm-update", method="POST", headers=[FORM, ("Connection", "close")], body=body)
        except (BrokenPipeError, ConnectionResetError):
            answer = one.connection.response_class(one.connection.sock, method="POST")
            answer.begin()
            return client.Response(answer.status, answer.getheaders(), answer.read())


def pieces(data, size=8000):
    return (data[at:at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("shape", ["length", "chunked"])
def test_620_07_size_of_the_body(httpd, shape):
    """Contract: a POST body "up to 1 MiB"; beyond it "413 … and nothing stored"."""
    two_farms(httpd)
    httpd.start()
    shaped = (lambda data: data) if shape == "length" else pieces
    for size in (LIMIT + 1, LIMIT * 4):
        error_of(post(httpd, shaped(padded(size))), 413)
        assert httpd.rows()["a"]["update_age_s"] is None
    assert lines_of(post(httpd, shaped(padded(LIMIT))))[0].load == 0.5
    assert httpd.rows()["a"]["metrics"] == {"cpu": 0.5}


def test_620_08_length_that_nobody_can_send(httpd):
    """Contract: "up to 1 MiB": a length beyond it is refused without waiting for what it promises."""
    two_farms(httpd)
    httpd.start()
    head = (f"POST /farm-update HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {FORM[1]}\r\n"
            "Content-Length: 999999999999\r\n\r\n")
    assert client.raw(httpd.port, head.encode()).startswith(b"HTTP/1.1 413 ")
    tell(httpd, f"{A}&cpu=1")


def test_620_09_a_thousand_groups(httpd):
    """Contract: "200 when every group was stored, with `ok GROUPS` and then a line a group"."""
    two_farms(httpd)
    httpd.start()
    told = push(httpd, "farm=app" + "".join(f"&member={'ab'[n % 2]}&n={n}" for n in range(1000)), "POST")
    assert len(told) == 1000
    assert [one.member for one in told] == ["a", "b"] * 500
    assert {name: row["metrics"]["n"] for name, row in httpd.rows().items()} == {"a": 998, "b": 999}
    text = "farm=app" + "".join(f"&member={'ab'[n % 2]}&n=-1" for n in range(1000)) + "&member=a&n=x"
    assert error_of(ask(httpd, text, "POST"), 400)[1] == 1001
    assert {name: row["metrics"]["n"] for name, row in httpd.rows().items()} == {"a": 998, "b": 999}


def test_620_10_as_many_groups_as_fit(httpd):
    """Contract: a body "up to 1 MiB": also when it is nothing but groups."""
    two_farms(httpd)
    httpd.start()
    part = "&member=a"
    count = (LIMIT - len("farm=app")) // len(part)
    assert len(push(httpd, "farm=app" + part * count, "POST")) == count


def test_620_11_more_names_than_fit(httpd):
    """Contract: "Metric names beyond the table's capacity are a 413 that names FarmTable"; "and nothing stored"."""
    two_farms(httpd, "FarmTable metrics=3")
    httpd.start()
    tell(httpd, f"{A}&n1=1&n2=2")
    before = everything(httpd)
    for text, number in ((f"{A}&n1=10&n3=3&n4=4", 1), (f"{A}&n1=10&n3=3&member=b&n4=4", 2),
                         (f"{A}&" + "&".join(f"k{n}=1" for n in range(2000)), 1)):
        what, group = error_of(ask(httpd, text, "POST"), 413)
        assert "FarmTable" in what and "metrics" in what and group == number
        assert everything(httpd) == before
    # The room that was left is still there, and the names that exist can be used; then it is full.
    tell(httpd, f"{A}&n1=5&n2=6&n3=7")
    tell(httpd, "farm=other&member=z&n3=9")
    error_of(ask(httpd, "farm=other&member=z&n4=1"), 413)
    assert httpd.rows()["a"]["metrics"] == {"n1": 5, "n2": 6, "n3": 7}


def test_620_12_default_room(httpd):
    """Contract: FarmTable's default: "as configured + 25 %, at least … 16"."""
    two_farms(httpd)
    httpd.start()
    tell(httpd, f"{A}&" + "&".join(f"n{n}=1" for n in range(16)))
    error_of(ask(httpd, f"{A}&n16=1"), 413)


def test_620_13_names_of_formulas_have_their_room(httpd):
    """Contract: `FarmTable metrics=N`: what a formula names finds room, whoever else pushes other names first."""
    httpd.farm(httpd.member("a"), 'FarmLoad "cpu + mem"')
    httpd.conf.handler("farm-update").add("FarmTable metrics=3")
    httpd.start()
    tell(httpd, f"{A}&other=1")
    error_of(ask(httpd, f"{A}&more=1"), 413)
    assert tell(httpd, f"{A}&cpu=1&mem=2").load == 3


CUT = {
    "length": b"Content-Length: 1000\r\n\r\n" + A.encode() + b"&cpu=1",
    "no body at all": b"Content-Length: 1000\r\n\r\n",
    "chunk": b"Transfer-Encoding: chunked\r\n\r\n1000\r\n" + A.encode() + b"&cpu=1",
    "last chunk": b"Transfer-Encoding: chunked\r\n\r\n16\r\n" + A.encode() + b"&cpu=1\r\n",
    "chunk size": b"Transfer-Encoding: chunked\r\n\r\nwibble\r\n" + A.encode() + b"&cpu=1\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("rest", CUT.values(), ids=CUT.keys())
def test_620_14_body_cut_off(httpd, rest):
    """Contract: "All or nothing": half an update is no update, even where its half would read as a right one."""
    two_farms(httpd)
    httpd.start()
    children = httpd.wait_for_children(2)
    head = f"POST /farm-update HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {FORM[1]}\r\n".encode()
    for _ in range(3):
        said = client.raw(httpd.port, head + rest)
        assert not said.startswith(b"HTTP/1.1 2"), said[:100]
    # And by a client that does not stay to hear.
    with socket.create_connection(("127.0.0.1", httpd.port)) as sock:
        sock.sendall(head + rest)
    row = httpd.rows()["a"]
    assert (row["metrics"], row["update_age_s"]) == ({}, None)
    assert tell(httpd, f"{A}&cpu=2").load == 2
    assert set(children) <= set(httpd.children())


def test_620_15_slow_body(httpd):
    """What an administrator expects: an update that comes in slowly holds up nobody else's, and is stored at its end."""
    two_farms(httpd)
    httpd.start()
    text = f"{A}&cpu=0.25".encode()
    with socket.create_connection(("127.0.0.1", httpd.port), timeout=client.TIMEOUT) as sock:
        sock.sendall(f"POST /farm-update HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {FORM[1]}\r\n"
                     f"Content-Length: {len(text)}\r\n\r\n".encode())
        for n, byte in enumerate(text):
            assert tell(httpd, f"{A}&cpu={n}").load == n
            assert httpd.rows()["a"]["metrics"] == {"cpu": n}
            sock.sendall(bytes([byte]))
        reply = b"".join(iter(lambda: sock.recv(65536), b""))
    assert reply.startswith(b"HTTP/1.1 200 ") and b"load=0.25" in reply
    assert httpd.rows()["a"]["metrics"] == {"cpu": 0.25}


def scrambled(chance, text):
    data = bytearray(text.encode("latin-1"))
    for _ in range(chance.randint(1, 5)):
        at = chance.randrange(len(data) + 1)
        data[at:at + chance.randint(0, 3)] = bytes(chance.choices(b"&=%+;.-_0179afxzeE\0\xff\r\n <", k=chance.randint(0, 4)))
    return bytes(data)


@pytest.mark.both_mpms
@pytest.mark.parametrize("seed", range(2))
def test_620_16_updates_by_chance(httpd, seed):
    """Contract: bad input "gets an error …; nothing changes, nothing crashes": right updates but for a few bytes; each run
    makes the same ones."""
    two_farms(httpd, "FarmTable metrics=1000")
    httpd.start()
    chance, children = random.Random(seed), httpd.wait_for_children(2)
    good = [f"{A}&cpu=0.5&mem=1e3", f"{A}&cpu=1&member=b&cpu=2&farm=other&member=z&health=up", f"%66arm=app&member=%61&_=-.5"]
    with httpd.client() as keep:
        for _ in range(400):
            data = scrambled(chance, chance.choice(good))
            response = keep.request("/farm-update", method="POST", headers=[FORM], body=data)
            assert response.status in (200, 400, 404), (response.status, data)
            if response.status == 200:
                lines_of(response)
            else:
                error_of(response, response.status)
    for _ in range(100):
        data = bytes(b for b in scrambled(chance, chance.choice(good)) if b > 32)
        said = client.raw(httpd.port, b"GET /farm-update?" + data + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert re.match(rb"HTTP/1.1 (200|400|404) ", said), (said[:100], data)
    assert set(children) <= set(httpd.children()), "a child is gone"
    for farm in httpd.status()["farms"]:
        for member in farm["members"]:
            assert all(isinstance(v, (int, float)) and v == v and abs(v) < 1e309 for v in member["metrics"].values())
    assert tell(httpd, f"{A}&cpu=1").farm == "app"
    assert httpd.get("/other/x").status == 200


def test_620_17_long_query(httpd):
    """Contract: the same text in a query string, as long as httpd takes one."""
    two_farms(httpd)
    httpd.start()
    assert len(push(httpd, "farm=app" + "&member=a&n=1" * 600)) == 600
    assert httpd.get("/farm-update?" + "x" * 9000).status == 414
    tell(httpd, f"{A}&cpu=1")
