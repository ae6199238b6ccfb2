"""Cookies that do not hold: served as if they were not there, each counted by its reason, told of by one line at info that
holds nothing of them, and no more."""

import base64
import random
import re
import time

import pytest

from farmhttpd import client
from farmhttpd.instructions import (HOUR, KEY, KEY2, KID, KID2, RESULTS, ask, base64url, check_tied, counters, counting,
                                    instructed, instruction, log_lines, mac, reasons, sign, unbase64url, value)

LATER = int(time.time()) + HOUR
PAYLOAD = f"farm=app&member=b&exp={LATER}"
GOOD = sign(PAYLOAD)
HEAD, BODY, MAC = GOOD.rpartition(".")[0], GOOD.split(".")[2], GOOD.rpartition(".")[2]
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def resigned(head):
    """A value with a right MAC over a head that is not right."""
    return f"{head}.{mac(head)}"


def flipped(text, at):
    """Another letter of the alphabet at that place."""
    return text[:at] + ("A" if text[at] != "A" else "Q") + text[at + 1:]


def noncanonical(text):
    """The same bytes with an unused bit of the last digit set."""
    index = ALPHABET.index(text[-1])
    assert len(text) % 4 and index % 2 == 0, text
    return text[:-1] + ALPHABET[index + 1]


def padded(payload):
    """Payloads of that text whose base64 needs padding."""
    while len(payload) % 3 == 0:
        payload = "&" + payload
    return base64url(payload.encode())


PAD = padded(PAYLOAD)
WITH_62 = base64url(b"farm=app&member=b&exp=" + str(LATER).encode() + b"&x=\xfb\xef\xbe\xff\xff")

FORM = {
    "empty": "", "a dot": ".", "three dots": "...", "four dots": "....", "only the version": "v1", "a word": "x",
    "no MAC": HEAD, "empty MAC": HEAD + ".", "no payload": f"v1.{KID}.{MAC}", "empty payload": resigned(f"v1.{KID}."),
    "five parts": f"{GOOD}.x", "a dot behind": f"{GOOD}.", "a dot before": f".{GOOD}",
    "other version": sign(PAYLOAD, version="v2"), "no version": sign(PAYLOAD, version=""),
    "version in capitals": sign(PAYLOAD, version="V1"), "version 1": sign(PAYLOAD, version="1"),
    "version 10": sign(PAYLOAD, version="v10"), "empty KID": sign(PAYLOAD, kid=""),
    "KID of 17": sign(PAYLOAD, kid="k" * 17), "KID with a colon": sign(PAYLOAD, kid="k:1"),
    "KID with a slash": sign(PAYLOAD, kid="../k1"), "KID with a blank": sign(PAYLOAD, kid="k 1"),
    "MAC too short": GOOD[:-1], "MAC half": HEAD + "." + MAC[:20], "MAC too long": GOOD + "A", "MAC doubled": GOOD + MAC,
    "MAC with padding": GOOD + "=", "MAC in hex": HEAD + "." + unbase64url(MAC).hex(),
    "MAC of other bits": HEAD + "." + noncanonical(MAC), "MAC with a plus": HEAD + ".+" + MAC[1:],
    "MAC with a slash": HEAD + "./" + MAC[1:], "MAC with a blank": HEAD + ". " + MAC[1:],
    "MAC with an umlaut": HEAD + ".\xe4" + MAC[1:],
    "payload with padding": resigned(f"v1.{KID}.{PAD}" + "=" * (-len(PAD) % 4)),
    "payload of one digit": resigned(f"v1.{KID}.Z"),
    "payload of 4n+1 digits": resigned(f"v1.{KID}.{BODY[:len(BODY) // 4 * 4]}Z"),
    "payload of other bits": resigned(f"v1.{KID}.{noncanonical(PAD)}"),
    "payload with a blank": resigned(f"v1.{KID}.{BODY[:4]} {BODY[4:]}"), "payload plain": resigned(f"v1.{KID}.{PAYLOAD}"),
    "payload in the other alphabet": resigned(f"v1.{KID}.{WITH_62.replace('-', '+').replace('_', '/')}"),
    "payload in percents": resigned(f"v1.{KID}.%5A{BODY[1:]}"), "quoted": f'"{GOOD}"',
    "in percents": GOOD.replace(".", "%2E"), "in base64 again": base64.b64encode(GOOD.encode()).decode(),
    "two in one": GOOD + "," + GOOD,
}
EXP = f"exp={LATER}"
FIELDS = {
    "no farm": f"member=b&{EXP}", "no exp": "farm=app&member=b", "no fields": "&", "nothing with =": "x", "only =": "=",
    "no name": f"=x&farm=app&{EXP}", "unknown field": f"farm=app&member=b&{EXP}&x=1",
    "unknown empty field": f"farm=app&{EXP}&x", "field in capitals": f"Farm=app&member=b&{EXP}",
    "farm twice": f"farm=app&farm=app&{EXP}", "member twice": f"farm=app&member=b&member=b&{EXP}",
    "exp twice": f"farm=app&{EXP}&{EXP}", "twice by percents": f"farm=app&%66arm=app&{EXP}",
    "to twice": f"farm=app&to=app&to=app&{EXP}", "mode twice": f"farm=app&mode=safe&mode=strict&{EXP}",
    "ip twice": f"farm=app&ip=127.0.0.1&ip=127.0.0.1&{EXP}", "farm empty": f"farm=&{EXP}",
    "member empty": f"farm=app&member=&{EXP}", "to empty": f"farm=app&to=&{EXP}", "mode empty": f"farm=app&mode=&{EXP}",
    "ip empty": f"farm=app&ip=&{EXP}", "exp empty": "farm=app&exp=", "mode unknown": f"farm=app&mode=wibble&{EXP}",
    "mode in capitals": f"farm=app&member=b&mode=Strict&{EXP}", "mode with a blank": f"farm=app&mode=safe+&{EXP}",
    "exp a word": "farm=app&exp=never", "exp negative": f"farm=app&exp=-{LATER}",
    "exp with a plus": f"farm=app&exp=%2B{LATER}", "exp with a fraction": f"farm=app&exp={LATER}.5",
    "exp in milliseconds": f"farm=app&exp={LATER}000", "exp with an exponent": "farm=app&exp=1e12",
    "exp in hex": "farm=app&exp=0x7fffffff", "exp beyond 64 bits": "farm=app&exp=99999999999999999999",
    "exp with a blank": f"farm=app&exp=+{LATER}", "exp a date": "farm=app&exp=2100-01-01T00:00:00Z",
    "farm with a dot": f"farm=a.b&{EXP}", "farm of 64": f"farm={'x' * 64}&{EXP}", "farm with a star": f"farm=app*&{EXP}",
    "to is a star": f"farm=app&to=*&{EXP}", "member is a star": f"farm=app&member=*&{EXP}",
    "member of 64": f"farm=app&member={'x' * 64}&{EXP}", "member with a blank": f"farm=app&member=b+&{EXP}",
    "member with a NUL": f"farm=app&member=b%00&{EXP}", "farm with a NUL": f"farm=app%00&{EXP}",
    "a NUL behind": f"farm=app&member=b&{EXP}\0", "a NUL before": f"\0farm=app&{EXP}", "a line end": f"farm=app&{EXP}\n",
    "ip a name": f"farm=app&ip=localhost&{EXP}", "ip with a port": f"farm=app&ip=127.0.0.1%3A80&{EXP}",
    "ip with zeros": f"farm=app&ip=127.000.000.001&{EXP}", "ip of three": f"farm=app&ip=127.0.1&{EXP}",
    "ip in brackets": f"farm=app&ip=[::1]&{EXP}", "ip with a prefix": f"farm=app&ip=127.0.0.0/8&{EXP}",
    "ip with a zone": f"farm=app&ip=fe80::1%25lo&{EXP}", "percent alone": f"farm=app&member=b%&{EXP}",
    "percent and one digit": f"farm=app&member=%6&{EXP}", "percent and no digits": f"farm=app&member=%zz&{EXP}",
    "percent twice": f"farm=app&member=%2562&{EXP}", "semicolons": PAYLOAD.replace("&", ";"),
    "513 bytes": f"{PAYLOAD}&".ljust(513, "&"), "600 bytes": f"farm=app&{EXP}&member={'b' * 600}",
    "binary": bytes(range(256)).decode("latin-1"), "JSON": f'{{"farm":"app","exp":{LATER}}}',
}
REASONS = {
    "bad_mac": {
        "other key": value(key=KEY2, member="b"), "no key": sign(PAYLOAD, key=""),
        "MAC of another": HEAD + "." + sign(PAYLOAD + "0").rpartition(".")[2], "MAC of nothing": HEAD + "." + mac(""),
        "MAC of the payload": HEAD + "." + mac(PAYLOAD), "MAC without version": HEAD + "." + mac(HEAD[3:]),
        "MAC of zeros": HEAD + "." + base64url(bytes(32)), "first of the MAC": HEAD + "." + flipped(MAC, 0),
        "last of the MAC": HEAD + "." + flipped(MAC, 41), "middle of the MAC": HEAD + "." + flipped(MAC, 20),
        "member changed": HEAD.replace(BODY, base64url(PAYLOAD.replace("=b", "=c").encode())) + "." + MAC,
        "payload cut": f"v1.{KID}.{BODY[:len(BODY) // 4 * 4 - 4]}.{MAC}",
        "payload and more": f"v1.{KID}.{base64url((PAYLOAD + '&').encode())}.{MAC}",
    },
    "unknown_key": {
        "other KID": value(kid=KID2, key=KEY2, member="b"), "KID in capitals": value(kid=KID.upper(), member="b"),
        "longer KID": value(kid=KID + "1", member="b"), "shorter KID": value(kid="k", member="b"),
        "KID of 16": value(kid="k" * 16, member="b"), "the signed part of another": f"v1.k9.{BODY}.{MAC}",
    },
    "expired": {
        "a second ago": value(member="b", exp=int(time.time()) - 1), "0": value(member="b", exp=0),
        "000": value(member="b", exp="000"), "and strict": value(member="b", mode="strict", exp=1),
        "and elsewhere": value(member="nosuch", to="nosuch", exp=1),
        "and another client's": value(member="b", ip="192.0.2.1", exp=1),
    },
    "other_client": {
        "other address": value(member="b", ip="192.0.2.1"), "near": value(member="b", ip="127.0.0.2"),
        "strict": value(member="b", mode="strict", ip="10.0.0.1"), "IPv6": value(member="b", ip="::1"),
        "mapped": value(member="b", ip="::ffff:127.0.0.2"), "compatible": value(member="b", ip="::127.0.0.1"),
        "and unknown": value(member="nosuch", ip="192.0.2.1"),
    },
    "unknown_target": {
        "member": value(member="nosuch"), "strict member": value(member="nosuch", mode="strict"), "to": value(to="nosuch"),
        "to and member": value(to="nosuch", member="b"), "member of the other farm": value(member="g"),
        "member not of to": value(to="gold", member="b"), "member in capitals": value(member="B"),
        "member by its place": value(member="0"), "any farm": value(farm="*", member="nosuch"),
        "to by its URL": value(farm="app", to="http"),
    },
}


def bad_farm(httpd, **options):
    made = instructed(httpd, **options)
    g = httpd.member("g")
    httpd.conf.farm("gold", g)
    return [*made, g]


def in_turn(httpd, cookies, count, reason):
    """Each is counted and told of once a request; the members serve in turn as without cookies, and none of the log's lines
    holds anything of a cookie."""
    seen = []
    before = len(httpd.log.text())
    for name, text in cookies.items():
        told, counted = len(log_lines(httpd)), counters(httpd)
        answer = ask(httpd, f"x=1; farm={text}; y=2")
        assert answer.status == 200, name
        seen.append(answer.member)
        assert answer.get("Set-Cookie") is None
        moved = {key: now - counted[key] for key, now in counters(httpd).items() if now != counted[key]}
        assert (moved, reasons(log_lines(httpd)[told:])) == ({reason: count}, {reason: count}), name
    turns = "".join(seen)
    assert turns in "abc" * (len(turns) // 3 + 2), f"not in turn: {turns}"
    said = httpd.log.text()[before:]
    assert "farm app" in said
    for name, text in cookies.items():
        for part in {text, *text.split(".")}:
            assert len(part) < 8 or part not in said, f"{name}: the log holds {part}"


@pytest.mark.parametrize("half", [0, 1])
def test_901_01_form(httpd, half):
    """Contract: `NAME=v1.KID.PAYLOAD.MAC`, base64url without padding: what has another form is ignored, counted as
    malformed
    and logged at info."""
    bad_farm(httpd)
    httpd.start()
    in_turn(httpd, dict(list(FORM.items())[half::2]), 1, "malformed")
    check_tied(httpd, "b", f"farm={GOOD}")


@pytest.mark.parametrize("half", [0, 1])
def test_901_02_fields(httpd, half):
    """Contract: "Unknown, missing or repeated fields make it malformed", also with a right MAC."""
    bad_farm(httpd)
    httpd.start()
    in_turn(httpd, {name: sign(text) for name, text in list(FIELDS.items())[half::2]}, 1, "malformed")
    check_tied(httpd, "b", f"farm={GOOD}")


@pytest.mark.parametrize("reason", REASONS)
def test_901_03_reasons(httpd, reason):
    """Contract: "Anything that does not verify, has expired, or names what does not exist is ignored, counted by reason and
    logged at info; the request is balanced as if it were not there"."""
    bad_farm(httpd)
    httpd.start()
    in_turn(httpd, REASONS[reason], 1, reason)


def test_901_04_every_letter(httpd):
    """Contract: what stands before the last dot is signed, every bit of it, and so is the MAC compared: no cookie with one
    letter changed is followed."""
    bad_farm(httpd)
    httpd.start()
    before = counters(httpd)
    assert {ask(httpd, f"farm={flipped(GOOD, at)}").status for at in range(len(GOOD))} == {200}
    moved = {key: now - before[key] for key, now in counters(httpd).items() if now != before[key]}
    assert sum(moved.values()) == len(GOOD) and set(moved) <= {"malformed", "unknown_key", "bad_mac"}, moved
    assert moved["bad_mac"] >= len(BODY) - 4 + 42


def test_901_05_every_length(httpd):
    """Contract: a truncated cookie never holds, wherever it was cut."""
    bad_farm(httpd)
    httpd.start()
    with counting(httpd, malformed=len(GOOD)):
        assert {ask(httpd, f"farm={GOOD[:length]}").status for length in range(len(GOOD))} == {200}
    with counting(httpd, accepted=1):
        assert ask(httpd, f"farm={GOOD}").member == "b"


def test_901_06_longest(httpd):
    """Contract: a payload "of at most 512 bytes": exactly so many hold, one more does not."""
    bad_farm(httpd)
    httpd.start()
    for length, counted in ((512, "accepted"), (513, "malformed"), (511, "accepted"), (2000, "malformed"),
                            (5000, "malformed")):
        with counting(httpd, **{counted: 1}):
            assert ask(httpd, "farm=" + sign((PAYLOAD + "&").ljust(length, "&"))).status == 200


def test_901_07_large_and_many(httpd):
    """What an administrator expects: cookies of 8 kB, and hundreds of them, are served like any other; 8 of the name are
    looked at, however many there are."""
    bad_farm(httpd)
    httpd.start()
    for text in ("x" * 7900, "." * 7900, "v1." + "k" * 7800, f"v1.{KID}." + "A" * 7800, f"{HEAD}." + "A" * 7700,
                 "v1.k1..." * 900, "%" * 7900):
        with counting(httpd, malformed=1):
            assert ask(httpd, f"farm={text}").status == 200
    for cookies, counted in ((["farm=x"] * 900, {"malformed": 8}), (["farm="] * 1000, {"malformed": 8}),
                             (["farm"] * 1000, {}),
                             (["x=1"] * 1000 + [f"farm={GOOD}"], {"accepted": 1}), ([f"farm={GOOD}"] * 60, {"accepted": 1}),
                             (["farmer=x"] * 700, {}), ([";"] * 2000, {}), (["="] * 2000, {}),
                             ([f"farm={value(key=KEY2)}"] * 50, {"bad_mac": 8}), ([f"farm={value(farm='gold')}"] * 60, {})):
        with counting(httpd, **counted):
            assert ask(httpd, "; ".join(cookies)).status == 200


def test_901_08_without_keys(httpd):
    """Contract: "Without FarmSecretFile every key is unknown"."""
    bad_farm(httpd)
    httpd.conf.head.clear()
    httpd.start()
    in_turn(httpd, {"good": GOOD, "other": value(kid=KID2, key=KEY2), "no key": sign(PAYLOAD, key=""),
                    "forged": HEAD + "." + mac("")}, 1, "unknown_key")
    with counting(httpd, malformed=1):
        ask(httpd, "farm=x")


def test_901_09_other_farms(httpd):
    """Contract: "A cookie for another farm is not a fault": it is neither counted nor told of, also where it is void or
    where
    that farm does not exist; one with a wrong MAC is, whatever it says."""
    *_, g = bad_farm(httpd)
    httpd.start()
    with counting(httpd):
        for fields in ({"farm": "gold"}, {"farm": "nosuch"}, {"farm": "gold", "exp": 1},
                       {"farm": "gold", "member": "nosuch"},
                       {"farm": "gold", "to": "nosuch"}, {"farm": "gold", "ip": "192.0.2.1"},
                       {"farm": "gold", "to": "app", "member": "b"}):
            assert ask(httpd, instruction(**fields)).status == 200
    with counting(httpd, bad_mac=1):
        ask(httpd, instruction(farm="gold", key=KEY2))
    assert g.count == 0


@pytest.mark.both_mpms
def test_901_10_by_chance(httpd):
    """What an administrator expects: whatever a client sends, it is served and no process ends of it; each run sends the
    same. Nothing of it holds."""
    bad_farm(httpd, one_process=False)
    httpd.start()
    chance, children = random.Random(901), httpd.wait_for_children(2)
    before = counters(httpd)["accepted"]
    for n in range(250):
        text = bytearray(GOOD.encode())
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(text))
            text[at:at + chance.choice((0, 0, 1, 1, 3))] = bytes(chance.choices(b".=AzZ-_;, \"%\x01\x7f\x80\xff",
                k=chance.randint(1, 3)))
        line = b"Cookie: " + chance.choice((b"farm=", b"a=1; farm=", b"farm=;farm=")) + bytes(text)
        said = client.raw(httpd.port,
                          b"GET /app/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + line.strip() + b"\r\n\r\n")
        # httpd itself refuses control characters in a header.
        wanted = b"400" if re.search(rb"[\x01\x7f]", text) else b"200"
        assert said.startswith(b"HTTP/1.1 " + wanted) or wanted == b"400" and said.startswith(b"HTTP/1.1 200"), (said[:60],
            line)
    assert counters(httpd)["accepted"] == before
    assert set(children) <= set(httpd.children()), "a child is gone"
    assert {row["inflight"] for row in httpd.rows().values()} == {0}


def test_901_11_nul_in_the_header(httpd):
    """What an administrator expects: a NUL in a header is no way around anything: refused by httpd, or the cookie is
    void."""
    bad_farm(httpd)
    httpd.start()
    for text in (GOOD.encode() + b"\0", b"\0" + GOOD.encode(), GOOD.encode()[:20] + b"\0" + GOOD.encode()[20:]):
        with counting(httpd):
            said = client.raw(httpd.port,
                              b"GET /app/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: farm=" + text + b"\r\n\r\n")
            assert said.startswith(b"HTTP/1.1 400"), said[:60]


def test_901_12_all_at_once(httpd):
    """Contract: the status's `cookies` has a number for each reason and one for those that were used; over a graceful
    restart
    they stay, and a request with one of each is followed by the one that holds."""
    bad_farm(httpd)
    httpd.start()
    assert counters(httpd) == dict.fromkeys(RESULTS, 0)
    one_of_each = ["farm=x", *("farm=" + next(iter(cookies.values())) for cookies in REASONS.values())]
    assert ask(httpd, "; ".join([*one_of_each, f"farm={GOOD}"])).member == "b"
    assert counters(httpd) == dict.fromkeys(RESULTS, 1)
    httpd.graceful()
    assert counters(httpd) == dict.fromkeys(RESULTS, 1)


def test_901_13_nothing_more(httpd):
    """Contract: at LogLevel notice nothing is said of ignored cookies; the counters count all the same."""
    bad_farm(httpd)
    httpd.conf.log_level = "notice"
    httpd.start()
    before = httpd.log.text()
    for cookies in REASONS.values():
        ask(httpd, "farm=" + next(iter(cookies.values())))
    assert httpd.log.text() == before and sum(counters(httpd).values()) == len(REASONS)


def test_901_14_key_is_not_told(httpd):
    """What an administrator expects: no key stands in the log or in the status, at whatever LogLevel."""
    bad_farm(httpd)
    httpd.conf.log_level = "trace8"
    httpd.start()
    ask(httpd, f"farm={GOOD}"), ask(httpd, "farm=" + value(key=KEY2))
    page = httpd.get("/farm-status?format=json").body.decode()
    assert all(KEY not in text
               for text in (httpd.log.text(), httpd.stderr, page))
