#!/usr/bin/env python3
"""Writes valid.json, invalid.json and several.json; with --check says whether they are what it would write.

Each vector states what a verifier must say; it is written down only if reference.py, which judges cookies by the rules of
README.md, says the same.
"""

import hashlib
import itertools
import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from reference import COOKIES, Ignored, base64url, form, judge, judge_all, mac, mint, sign  # noqa: E402

HERE = Path(__file__).resolve().parent

PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
NOT_SECRET = "only-an-example-and-not-a-secret"  # 32 characters
KEYS = {
    "k1": NOT_SECRET,
    "k2": "another-example-key-no-secret-either",
    # All 94 printable characters in three keys of the shortest length, and in one of the longest.
    "short-1": PRINTABLE[:32],
    "short-2": PRINTABLE[32:64],
    "short-3": PRINTABLE[-32:],
    "long": (PRINTABLE * 3)[:256],
    # A key of HMAC's block size is used as it is, a longer one is hashed first.
    "block": (PRINTABLE * 2)[7:71],
    "block-and-one": (PRINTABLE * 2)[7:72],
    "0": "#starts:like-a-comment:has-colons",
    "_": "x" * 32,
    "-": "\\\\'\"`$(exit)!%s%%20&+=/-_{}[]<>|~^",
    "Aa0_-Zz9_-Bb8_-C": "A-KID-of-16-characters-is-the-longest",
}
LONG_FARM = "F" * 31 + "-" + "f" * 31
LONG_TO = "_" * 63
LONG_MEMBER = "m:" * 31 + "M"
FARMS = {
    "app": ["app1", "app2", "10.0.0.11:8080", "a_b.c:d-e"],
    "gold": ["gold1", "app1"],
    "Mixed-Case_9": ["M1"],
    "-": ["."],
    LONG_FARM: [LONG_MEMBER],
    LONG_TO: [LONG_MEMBER, "-" * 63],
}
NOW = 1_800_000_000
EXP = 4_102_444_800  # 2100-01-01: a server of today takes these as they are
V4, V6 = "192.0.2.7", "2001:db8::7"


def request(farm="app", client=V4, now=NOW):
    return {"farm": farm, "client": client, "now": now}


# What holds


def valid(name, fields, kid="k1", payload=None, **asked):
    """payload: where it is not the way in which a client writes these fields."""
    minted = payload is None
    payload = form(fields) if minted else payload
    cookie = mint(kid, KEYS[kid], payload)
    says = judge(cookie.encode("ascii"), request(**asked), KEYS, FARMS)
    values = dict(fields)
    here = request(**asked)["farm"]
    assert says == {"farm": values.get("to", here).lower(), "member": values.get("member"),
                    "strict": values.get("mode") == "strict"}, (name, says)
    return {"name": name, "kid": kid, "key": KEYS[kid], "fields": [list(pair) for pair in fields], "minted": minted,
            "payload": payload, "cookie": cookie, "request": request(**asked), "says": says}


def pairs(**fields):
    return [(name, str(value)) for name, value in fields.items() if value is not None]


def combinations():
    kids = itertools.cycle(KEYS)
    for to, member, mode, ip in itertools.product((None, "gold"), (None, "app1"), (None, "safe", "strict"), (None, V4, V6)):
        fields = pairs(farm="app", to=to, member=member, mode=mode, exp=EXP, ip=ip)
        yield valid("fields " + " ".join(name for name, _ in fields) + (f" {mode}" if mode else "") +
                    (" v6" if ip == V6 else " v4" if ip else ""), fields, next(kids), client=ip or V4)
    for to, member, mode in ((None, None, None), ("gold", None, None), (None, "app1", "strict"), ("gold", "app1", "safe")):
        fields = pairs(farm="*", to=to, member=member, mode=mode, exp=EXP)
        yield valid("any farm: " + " ".join(name for name, _ in fields[1:]), fields, next(kids))


def valids():
    yield valid("worked example", pairs(farm="app", member="app1", mode="strict", exp=EXP))
    yield from combinations()
    for kid in KEYS:
        yield valid(f"key {kid} of {len(KEYS[kid])}", pairs(farm="app", member="app2", exp=EXP), kid)

    say = pairs(farm="app", member="app1")
    yield valid("exp is this second", say + [("exp", str(NOW))])
    yield valid("exp 0 in the first second", say + [("exp", "0")], now=0)
    yield valid("exp 1", say + [("exp", "1")], now=1)
    yield valid("exp beyond 32 bits signed", say + [("exp", "2147483648")], now=2147483648)
    yield valid("exp beyond 32 bits", say + [("exp", "4294967296")], now=4294967296)
    yield valid("exp of 12 digits", say + [("exp", "9" * 12)])
    yield valid("exp of 12 digits is this second", say + [("exp", "9" * 12)], now=999999999999)
    yield valid("exp with leading zeros", say + [("exp", f"0{NOW}")])

    yield valid("a name of each kind of character", pairs(farm="app", member="a_b.c:d-e", exp=EXP))
    yield valid("member by its default name", pairs(farm="app", member="10.0.0.11:8080", mode="strict", exp=EXP))
    yield valid("one character", pairs(farm="-", member=".", exp=EXP), farm="-")
    yield valid("farm in another case", pairs(farm="APP", member="app1", exp=EXP))
    yield valid("asked farm in another case", pairs(farm="mixed-case_9", member="M1", exp=EXP), farm="MIXED-CASE_9")
    yield valid("to in another case", pairs(farm="app", to="GOLD", member="gold1", exp=EXP))
    yield valid("to itself", pairs(farm="app", to="app", member="app1", exp=EXP))
    yield valid("mode without member", pairs(farm="app", mode="strict", exp=EXP))
    longest = pairs(farm=LONG_FARM, to=LONG_TO, member=LONG_MEMBER, mode="strict", exp="9" * 12,
                    ip="2001:0db8:0000:0000:0000:0000:0000:0007")
    yield valid("longest of everything", longest, "Aa0_-Zz9_-Bb8_-C", farm=LONG_FARM, client=V6)
    yield valid("longest with the longest key", longest, "long", farm=LONG_FARM, client=V6)

    for text, client in (("2001:DB8::7", V6), ("2001:db8:0:0:0:0:0:7", V6), ("::1", "::1"), ("::", "::"),
                         ("::ffff:192.0.2.7", V4), (V4, "::ffff:192.0.2.7"), ("::FFFF:c000:207", V4),
                         ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"), ("::192.0.2.7", "::c000:207")):
        yield valid(f"ip {text} of {client}", pairs(farm="app", member="app1", exp=EXP, ip=text), client=client)

    fields = pairs(farm="app", to="gold", member="gold1", mode="safe", exp=EXP, ip=V4)
    for order in (fields[::-1], fields[3:] + fields[:3], fields[1::2] + fields[::2]):
        yield valid("order " + " ".join(name for name, _ in order), order)
    yield valid("each byte escaped", fields, payload="&".join(
        "=".join("".join(f"%{ord(c):02X}" for c in half) for half in pair) for pair in fields[:5]) + f"&ip={V4}")
    yield valid("escapes in small letters", pairs(farm="app", member="a_b.c:d-e", exp=EXP),
                payload=f"farm=app&member=a%5fb%2ec%3ad%2de&exp={EXP}")
    yield valid("a colon as it is", pairs(farm="app", member="10.0.0.11:8080", exp=EXP),
                payload=f"farm=app&member=10.0.0.11:8080&exp={EXP}")
    yield valid("any farm, the star escaped", pairs(farm="*", to="gold", exp=EXP), payload=f"farm=%2A&to=gold&exp={EXP}")
    yield valid("empty parts", pairs(farm="app", member="app1", exp=EXP), payload=f"&&farm=app&&&member=app1&exp={EXP}&")
    fields = pairs(farm=LONG_FARM, to=LONG_TO, member="-" * 63, mode="strict", exp=EXP, ip=V6)
    yield valid("payload of 512 bytes", fields, "long", payload=grown(fields, 512), farm=LONG_FARM, client=V6)
    yield valid("payload of 511 bytes", fields, "k2", payload=grown(fields, 511), farm=LONG_FARM, client=V6)
    yield valid("payload of 510 bytes", fields, payload=grown(fields, 510), farm=LONG_FARM, client=V6)
    yield with_mac("-_", "MAC with both of base64url's own digits")
    for zeros in ("", "0", "00"):
        fields = pairs(farm="app", member="app1", exp=f"{zeros}{EXP}")
        yield valid(f"payload of 3n+{len(form(fields)) % 3} bytes", fields)


def grown(fields, size):
    """The fields in a payload of so many bytes: with escapes that need not be, and empty parts."""
    text = form(fields)
    escapes = min((size - len(text)) // 2, text.count("-"))
    return text.replace("-", "%2D", escapes) + "&" * (size - len(text) - 2 * escapes)


def with_mac(wanted, name):
    """A vector whose MAC has all of the wanted digits."""
    for exp in itertools.count(EXP):
        made = valid(name, pairs(farm="app", member="app1", exp=exp))
        if all(digit in made["cookie"].rpartition(".")[2] for digit in wanted):
            return made


# What does not


def ignored(name, reason, cookie, keys=KEYS, **asked):
    """reason: None where the cookie is for another farm, which is no fault."""
    try:
        says = judge(cookie.encode("latin-1"), request(**asked), keys, FARMS)
        raise AssertionError(f"{name}: {cookie} says {says}")
    except Ignored as found:
        assert str(found) == (reason or "another_farm"), (name, reason, found)
    vector = {"name": name, "reason": reason, "cookie": cookie, "request": request(**asked)}
    return vector if keys is KEYS else vector | {"keys": keys}


GOOD = f"farm=app&member=app1&exp={EXP}"


def signed(name, payload, reason="malformed", kid="k1", **asked):
    """A cookie whose MAC is right and whose payload is not."""
    return ignored(name, reason, mint(kid, KEYS[kid], payload), **asked)


def forms():
    """Cookies that are none, whoever reads them: no key is needed to see it."""
    good = mint("k1", KEYS["k1"], GOOD)
    version, kid, payload, tag = good.split(".")
    text = f"{version}.{kid}.{payload}"
    yield "empty", ""
    yield "only dots", "..."
    yield "a word", "off"
    for count in (1, 2, 3):
        yield f"cut before dot {count}", ".".join(good.split(".")[:count])
        yield f"cut after dot {count}", ".".join(good.split(".")[:count]) + "."
    yield "last digit cut off", good[:-1]
    yield "first digit cut off", good[1:]
    yield "a fifth part", f"{good}.{tag}"
    yield "a fifth part, signed", sign("k1", KEYS["k1"], f"{payload}.{payload}")
    yield "an empty fifth part", f"{good}."
    yield "empty version", f".{kid}.{payload}.{tag}"
    yield "empty KID", sign("", KEYS["k1"], payload)
    yield "empty payload", sign("k1", KEYS["k1"], "")
    yield "empty MAC", f"{text}."
    for other in ("v2", "V1", "v01", "v", "1", "v1 ", "v10"):
        yield f"version {other!r}", sign("k1", KEYS["k1"], payload, other)
    yield "KID of 17", sign("Aa0_-Zz9_-Bb8_-Cc", KEYS["k1"], payload)
    for other in ("k~1", "k+1", "k=1", "k%31", "k 1", "k:1", "k\u00e91", "k\x001"):
        yield f"KID {other!r}", sign(other, KEYS["k1"], payload)
    # A payload of 3n+2 bytes has one place for padding, one of 3n+1 has two.
    for padded, more in (("farm=app&exp=99999999999", ""), ("farm=app&exp=9999999999", "="), ("farm=app&exp=999999999", "==")):
        plain = base64url(padded.encode())
        if more:
            yield f"payload padded with {more}", sign("k1", KEYS["k1"], plain + more)
            for unused in range(1, 4 ** len(more)):
                yield f"payload of 3n+{3 - len(more)} with the unused bits {unused}", sign(
                    "k1", KEYS["k1"], plain[:-1] + digit(value(plain[-1]) + unused))
        else:
            yield "payload with one digit too many", sign("k1", KEYS["k1"], plain + "A")
            yield "payload with padding it does not need", sign("k1", KEYS["k1"], plain + "====")
    yield "payload of one digit", sign("k1", KEYS["k1"], "Z")
    yield "payload in the other alphabet", sign("k1", KEYS["k1"], standard("farm=app&exp=4102444800&x=>aa?".encode()))
    yield "MAC padded", f"{good}="
    for unused in (1, 2, 3):
        yield f"MAC with the unused bits {unused}", good[:-1] + digit(value(good[-1]) + unused)
    both = with_mac("-_", "")["cookie"]
    yield "MAC in the other alphabet", both.rpartition(".")[0] + "." + both.rpartition(".")[2].replace("-", "+").replace("_", "/")
    yield "MAC with + for -", both.rpartition(".")[0] + "." + both.rpartition(".")[2].replace("-", "+")
    yield "MAC with / for _", both.rpartition(".")[0] + "." + both.rpartition(".")[2].replace("_", "/")
    full = mac(KEYS["k1"], text)
    for size in (1, 16, 31):
        yield f"MAC cut to {size} bytes", f"{text}.{base64url(full[:size])}"
    yield "MAC of 33 bytes", f"{text}.{base64url(full + bytes(1))}"
    yield "MAC twice", f"{text}.{base64url(full + full)}"
    for hash_ in (hashlib.sha1, hashlib.sha384, hashlib.sha512):
        yield f"HMAC-{hash_().name}", f"{text}.{base64url(mac(KEYS['k1'], text, hash_))}"
    yield "MAC in hexadecimal", f"{text}.{full.hex()}"
    for what, byte in (("NUL", "\0"), ("tab", "\t"), ("newline", "\n"), ("blank", " "), ("DEL", "\x7f"),
                       ("byte 80", "\x80"), ("byte FF", "\xff"), ("quote", '"'), ("comma", ","), ("percent", "%41")):
        yield f"{what} in the payload", sign("k1", KEYS["k1"], payload[:8] + byte + payload[8:])
        yield f"{what} in the MAC", f"{text}.{tag[:8]}{byte}{tag[8:]}"
        yield f"{what} at the end", good + byte
    yield "in quotes", f'"{good}"'
    yield "with its name", f"farm={good}"
    yield "dots escaped", good.replace(".", "%2E")
    yield "payload of 513 bytes", mint("k1", KEYS["k1"], padded_to(513))
    yield "payload of 514 bytes", mint("k1", KEYS["k1"], padded_to(514))
    yield "payload of 5000 bytes", mint("k1", KEYS["k1"], padded_to(5000))
    yield "a digit 4000 times", sign("k1", KEYS["k1"], "A" * 4000)
    yield "4000 dots", "." * 4000


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def digit(number):
    return ALPHABET[number]


def value(digit_):
    return ALPHABET.index(digit_)


def standard(data):
    """In base64's standard alphabet, where that makes a difference."""
    text = base64url(data).replace("-", "+").replace("_", "/")
    assert "+" in text and "/" in text, text
    return text


def padded_to(size):
    return GOOD + "&" * (size - len(GOOD))


def payloads():
    """Payloads that no key makes good: name, and what is signed."""
    until = f"exp={EXP}"
    yield "no field", "&"
    yield "no farm", f"member=app1&{until}"
    yield "no exp", "farm=app&member=app1"
    yield "neither farm nor exp", "to=gold&member=app1"
    yield "binary", "\x00\x01\x02\xfd\xfe\xff"
    yield "JSON", f'{{"farm":"app","exp":{EXP}}}'
    for part in ("x=1", "x=", "x", "=x", "=", "Farm=app", "EXP=1", "Member=app1", "farm+=app", "+farm=app", "farm%00=app",
                 "farm%3Dapp", "tos=gold", "t=gold", "member[]=app1", "redirect=app2", "stickyttl=1", "\u00e9=1", "%E9=1"):
        yield f"unknown field {part!r}", f"farm=app&{until}&{part}"
    for part in ("farm=app", "farm=gold", "farm=*", "%66arm=app", until, "exp=0", "member=app1&member=app1",
                 "member=app1&member=app2", "to=gold&to=gold", "mode=safe&mode=safe", "mode=safe&mode=strict",
                 f"ip={V4}&ip={V4}"):
        yield f"repeated field {part!r}", f"farm=app&{until}&{part}"
    for name in ("to", "member", "mode", "ip"):
        yield f"empty {name}", f"farm=app&{until}&{name}="
        yield f"{name} without =", f"farm=app&{until}&{name}"
    yield "empty farm", f"farm=&{until}"
    yield "farm without =", f"farm&{until}"
    yield "exp without =", "farm=app&exp"
    for text in ("", "-1", "-0", "%2B1800000001", "+1800000001", "1800000001+", "1800000001.0", "4e9", "0xffffffff", "inf", "nan",
                 "never", "2100-01-01", "4102444800s", "4,102,444,800", "1800000001%00", "%D9%A4", "1800000001%0A",
                 "4102444800000", "9223372036854775807", "9223372036854775808", "18446744073709551616",
                 "18446744077811996416", "9" * 300, "0" * 13):
        yield f"exp {text[:24]!r}", f"farm=app&member=app1&exp={text}"
    for mode in ("Strict", "STRICT", "loose", "strict+", "+strict", "1", "on", "safe,strict", "strict%00", "safest"):
        yield f"mode {mode!r}", f"farm=app&member=app1&mode={mode}&{until}"
    for text in ("a.b", "a:b", "**", "a*", "app+", "+app", "app%00", "a%0Ab", "a/b", "%C3%A9", "\u00e9", "f" * 64):
        yield f"farm {text[:12]!r}", f"farm={text}&{until}"
        yield f"to {text[:12]!r}", f"farm=app&to={text}&{until}"
    yield "to any", f"farm=app&to=*&{until}"
    for text in ("*", "a*", "app1+", "app1%00", "app1%0D%0AX-A:+b", "a/b", "http://10.0.0.11:8080", "%C3%A9", "\u00e9", "m" * 64,
                 "app1=", "app1;mode=strict", "app1,app2"):
        yield f"member {text[:12]!r}", f"farm=app&member={text}&{until}"
    for text in ("7", "192.0.2", "192.0.2.256", "192.0.2.07", "192.0.2.7.", "192.0.2.7:80", "192.0.2.7/32", "0xC0.0.2.7",
                 "3221225991", "+192.0.2.7", "192.0.2.7+", "192.0.2.7%00", "[2001:db8::7]", "2001:db8:::7", "2001:db8::7::",
                 "2001:db8::7/128", "2001:db8::7%25eth0", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "2001:db8::00007", "2001:db8::g",
                 "::ffff:192.0.2", "localhost", "*", "unix:"):
        yield f"ip {text!r}", f"farm=app&{until}&ip={text}"
    for part in ("%", "%6", "%zz", "%6g", "%g6", "%%61", "%u0061", "%+1", "%-1"):
        yield f"broken escape {part!r} in a value", f"farm=app&{until}&member=app1{part}"
        yield f"broken escape {part!r} in a name", f"farm=app&{until}&{part}member=app1"
    yield "broken escape ends a value before &", f"farm=app&member=%6&{until}"
    yield "twice escaped", f"farm=app&member=%2561pp1&{until}"
    yield "semicolons", f"farm=app;member=app1;{until}"
    yield "NUL between fields", f"farm=app\0&{until}"
    yield "NUL after the last", f"farm=app&{until}\0"
    yield "newline after the last", f"farm=app&{until}\n"
    yield "blank before the first", f" farm=app&{until}"
    yield "control byte in a value", f"farm=app&member=app\x011&{until}"
    yield "base64 in base64", base64url(GOOD.encode())


def wrong_macs():
    """Cookies of the right form under a known KID whose MAC another key, or another text, made."""
    good = mint("k1", KEYS["k1"], GOOD)
    text, _, tag = good.rpartition(".")
    payload = text.split(".")[2]
    yield "MAC made with the other key", f"{text}.{base64url(mac(KEYS['k2'], text))}"
    yield "the other KID put in", good.replace(".k1.", ".k2.")
    yield "KID in capitals, signed with its like", sign("LONG", KEYS["long"], payload).replace("LONG", "long")
    yield "MAC of the payload alone", f"{text}.{base64url(mac(KEYS['k1'], payload))}"
    yield "MAC of the form text", f"{text}.{base64url(mac(KEYS['k1'], GOOD))}"
    yield "MAC of the text and its last dot", f"{text}.{base64url(mac(KEYS['k1'], text + '.'))}"
    yield "SHA-256 without a key", f"{text}.{base64url(hashlib.sha256(text.encode()).digest())}"
    yield "key and newline", f"{text}.{base64url(mac(KEYS['k1'] + chr(10), text))}"
    yield "MAC of zeros", f"{text}.{base64url(bytes(32))}"
    yield "first bit of the MAC", f"{text}.{flipped(tag, 0)}"
    yield "last bit of the MAC", f"{text}.{flipped(tag, 255)}"
    yield "another member, the old MAC", f"v1.k1.{base64url(GOOD.replace('app1', 'app2').encode())}.{tag}"
    yield "later exp, the old MAC", f"v1.k1.{base64url((GOOD + '0').encode())}.{tag}"
    yield "no form at all, any MAC", f"v1.k1.AAAA.{base64url(bytes(range(32)))}"
    yield "expired, any MAC", f"v1.k1.{base64url(b'farm=app&exp=0')}.{base64url(bytes(range(32)))}"


def flipped(tag, bit):
    """base64url of 32 bytes with one bit turned over."""
    last = value(tag[bit // 6])
    return tag[:bit // 6] + digit(last ^ (32 >> bit % 6)) + tag[bit // 6 + 1:]


def invalids():
    for name, cookie in forms():
        yield ignored(name, "malformed", cookie)
    for name, payload in payloads():
        yield signed(name, payload)
    for name, cookie in wrong_macs():
        yield ignored(name, "bad_mac", cookie)
    good = mint("k1", KEYS["k1"], GOOD)
    for kid in ("k3", "K1", "k", "k11", "LONG", "Aa0_-Zz9_-Bb8_-D"):
        yield ignored(f"unknown KID {kid}", "unknown_key", sign(kid, KEYS["k1"], good.split(".")[2]))
    yield ignored("no keys at all", "unknown_key", good, keys={})
    yield ignored("key taken away", "unknown_key", good, keys={"k2": KEYS["k2"]})
    yield ignored("key changed under its KID", "bad_mac", good, keys={"k1": KEYS["k2"]})
    yield ignored("unknown KID and a payload of no form", "unknown_key", mint("k3", KEYS["k1"], "x"))
    yield ignored("unknown KID and a MAC too short", "malformed", good.replace(".k1.", ".k3.")[:-1])
    yield ignored("no keys and no form", "malformed", "v1.k1", keys={})

    def says(name, reason, text, **asked):
        return signed(name, text, reason, **asked)
    yield says("expired a second ago", "expired", f"farm=app&member=app1&exp={NOW - 1}")
    yield says("exp 0", "expired", "farm=app&member=app1&exp=0")
    yield says("exp with leading zeros", "expired", "farm=app&member=app1&exp=000000000001")
    yield says("exp 12 digits, a second ago", "expired", "farm=app&exp=999999999999", now=1_000_000_000_000)
    yield says("expired for any farm", "expired", f"farm=*&to=gold&exp={NOW - 1}")
    yield says("expired, and another client's", "expired", f"farm=app&exp={NOW - 1}&ip={V6}")
    yield says("expired, and to no farm", "expired", f"farm=app&to=nosuch&exp={NOW - 1}")

    yield says("another address", "other_client", f"farm=app&member=app1&exp={EXP}&ip=192.0.2.8")
    yield says("another address of IPv6", "other_client", f"farm=app&member=app1&exp={EXP}&ip=2001:db8::8", client=V6)
    yield says("IPv4 where the client is IPv6", "other_client", f"farm=app&exp={EXP}&ip={V4}", client=V6)
    yield says("IPv6 where the client is IPv4", "other_client", f"farm=app&exp={EXP}&ip={V6}")
    yield says("IPv4's last bytes in IPv6", "other_client", f"farm=app&exp={EXP}&ip=::192.0.2.7")
    yield says("another client's, and to no farm", "other_client", f"farm=app&to=nosuch&exp={EXP}&ip=192.0.2.8")

    yield says("to no farm", "unknown_target", f"farm=app&to=nosuch&exp={EXP}")
    yield says("no such member", "unknown_target", f"farm=app&member=app9&exp={EXP}")
    yield says("no such member, strict", "unknown_target", f"farm=app&member=app9&mode=strict&exp={EXP}")
    yield says("member in another case", "unknown_target", f"farm=app&member=APP1&exp={EXP}")
    yield says("member of the farm that was left", "unknown_target", f"farm=app&to=gold&member=app2&exp={EXP}")
    yield says("member of another farm", "unknown_target", f"farm=app&member=gold1&exp={EXP}")
    yield says("to no farm, with a member of this one", "unknown_target", f"farm=app&to=nosuch&member=app1&exp={EXP}")
    yield says("any farm, a member that this one has not", "unknown_target", f"farm=*&member=gold1&exp={EXP}")
    yield says("half of a member's name", "unknown_target", f"farm=app&member=app&exp={EXP}")

    yield says("for another farm", None, f"farm=gold&member=gold1&exp={EXP}")
    yield says("for a farm that is not here", None, f"farm=nosuch&member=app1&exp={EXP}")
    yield says("half of the farm's name", None, f"farm=ap&member=app1&exp={EXP}")
    yield says("for another farm, expired", None, "farm=gold&member=gold1&exp=0")
    yield says("for another farm, another client's", None, f"farm=gold&exp={EXP}&ip={V6}")
    yield says("for another farm, to no farm", None, f"farm=gold&to=nosuch&exp={EXP}")
    yield says("to this farm, from another", None, f"farm=gold&to=app&exp={EXP}")
    yield says("for another farm, and malformed", "malformed", f"farm=gold&exp={EXP}&x=1")


# Several of one name


def several():
    def of(text, kid="k1"):
        return mint(kid, KEYS[kid], text)
    app1, app2 = of(GOOD), of(GOOD.replace("app1", "app2"))
    other, old = of(f"farm=gold&member=gold1&exp={EXP}"), of(f"farm=app&exp={NOW - 1}")
    any_, lost = of(f"farm=*&to=gold&exp={EXP}", "k2"), of(f"farm=app&to=nosuch&exp={EXP}")
    mine, silent = of(f"farm=app&exp={EXP}&ip=192.0.2.8"), of(f"farm=app&exp={EXP}")
    bad, unknown = app1[:-43] + app2[-43:], app1.replace(".k1.", ".k9.")
    for name, cookies, used, counts in (
            ("none", [], None, {}),
            ("one", [app1], 0, {"accepted": 1}),
            ("the first of two", [app1, app2], 0, {"accepted": 1}),
            ("the first that is for this farm", [other, app2, app1], 1, {"accepted": 1}),
            ("one for any farm comes first", [any_, app1], 0, {"accepted": 1}),
            ("one for any farm comes second", [app1, any_], 0, {"accepted": 1}),
            ("one that says nothing is used too", [silent, app1], 0, {"accepted": 1}),
            ("past one of each fault", [bad, old, "x", unknown, lost, mine, other, app2], 7,
             {"bad_mac": 1, "expired": 1, "malformed": 1, "unknown_key": 1, "unknown_target": 1, "other_client": 1, "accepted": 1}),
            ("what comes after is not looked at", [app1, bad, old, "x"], 0, {"accepted": 1}),
            ("none holds", [bad, bad, old, other], None, {"bad_mac": 2, "expired": 1}),
            ("only for other farms", [other, other], None, {}),
            ("the eighth", ["x"] * (COOKIES - 1) + [app1], 7, {"malformed": 7, "accepted": 1}),
            ("the ninth is too late", ["x"] * COOKIES + [app1], None, {"malformed": 8}),
            ("those for other farms are of the eight", [other] * COOKIES + [app1], None, {}),
            ("empty ones are of the eight", [""] * COOKIES + [app1], None, {"malformed": 8}),
            ("a hundred", [old] * 100, None, {"expired": 8})):
        index, says, found = judge_all([cookie.encode() for cookie in cookies], request(), KEYS, FARMS)
        assert (index, found) == (used, counts), (name, index, found)
        yield {"name": name, "cookies": cookies, "request": request(), "used": used, "says": says, "counts": counts}


# Files


def text_of(about, keys, vectors):
    vectors = list(vectors)
    names = [vector["name"] for vector in vectors]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, twice
    head = {"about": about, **({"keys": keys} if keys else {}), "farms": FARMS}
    lines = ",\n".join("  " + json.dumps(vector) for vector in vectors)
    return json.dumps(head, indent=1)[:-2] + f',\n "vectors": [\n{lines}\n ]\n}}\n'


def files():
    return {
        "valid.json": text_of("Cookies that hold. See README.md.", None, valids()),
        "invalid.json": text_of("Cookies that are ignored, and the reason. See README.md.", KEYS, invalids()),
        "several.json": text_of("Several cookies in one request. See README.md.", KEYS, several()),
    }


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit("usage: make.py [--check]")
    stale = []
    for name, text in files().items():
        path = HERE / name
        if not check:
            path.write_text(text, encoding="ascii")
        elif not path.exists() or path.read_bytes() != text.encode("ascii"):
            stale.append(name)
    if stale:
        sys.exit(f"not what make.py writes: {', '.join(stale)}. Run Tests/vectors/make.py and look at the difference")


if __name__ == "__main__":
    main()
