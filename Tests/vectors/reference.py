"""Instruction cookies in the plainest Python: how one is made, and how one is judged.

It is written apart from the module and from clients/, so that what they agree on has been said twice. The rules stand in
README.md beside this file.
"""

import base64
import hashlib
import hmac
import ipaddress
import re
import urllib.parse

PAYLOAD_BYTES = 512
MAC_BYTES = 32
COOKIES = 8

KID = re.compile(rb"[A-Za-z0-9_-]{1,16}")
GRAMMAR = {
    "farm": re.compile(rb"[A-Za-z0-9_-]{1,63}|\*"),
    "to": re.compile(rb"[A-Za-z0-9_-]{1,63}"),
    "member": re.compile(rb"[A-Za-z0-9_.:-]{1,63}"),
    "mode": re.compile(rb"safe|strict"),
    "exp": re.compile(rb"[0-9]{1,12}"),
    "ip": re.compile(rb"[0-9A-Fa-f.:]{2,45}"),
}


class Ignored(Exception):
    """The reason why a cookie is ignored; "another_farm" is one that is no fault and not counted."""


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def mac(key, text, hash_=hashlib.sha256):
    return hmac.new(key.encode("ascii"), text.encode("latin-1"), hash_).digest()


def form(fields):
    """As the URL standard's serializer writes it: letters, digits, `*-._` stay, a space is `+`."""
    return urllib.parse.urlencode(fields, safe="*").replace("~", "%7E")


def sign(kid, key, part, version="v1"):
    """A cookie of the given third part, whatever that is."""
    text = f"{version}.{kid}.{part}"
    return f"{text}.{base64url(mac(key, text))}"


def mint(kid, key, payload):
    """payload: the form-encoded text, one character a byte."""
    return sign(kid, key, base64url(payload.encode("latin-1")))


def unbase64url(text):
    """The bytes, or None where the text is not the one that they are written as."""
    if not re.fullmatch(rb"[A-Za-z0-9_-]+", text) or len(text) % 4 == 1:
        return None
    data = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    return data if base64url(data).encode() == text else None


def fields_of(payload):
    """The fields of a payload whose MAC was right."""
    fields = {}
    for part in payload.split(b"&"):
        if not part:
            continue
        if re.search(rb"%(?![0-9A-Fa-f]{2})", part):
            raise Ignored("malformed")
        name, _, value = part.partition(b"=")
        name, value = (urllib.parse.unquote_to_bytes(half.replace(b"+", b" ")) for half in (name, value))
        grammar = GRAMMAR.get(name.decode("latin-1"))
        if grammar is None or name.decode() in fields or not grammar.fullmatch(value):
            raise Ignored("malformed")
        fields[name.decode()] = value.decode("ascii")
    if "farm" not in fields or "exp" not in fields:
        raise Ignored("malformed")
    if "ip" in fields:
        fields["ip"] = address(fields["ip"])
    return fields


def address(text):
    """An address to compare; one of IPv4 is the same written as IPv6."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        raise Ignored("malformed") from None
    return getattr(found, "ipv4_mapped", None) or found


def judge(cookie, request, keys, farms):
    """What the cookie's value (bytes) says of a request: {"farm", "member", "strict"}. Raises Ignored.

    request: {"farm", "client", "now"}; keys: KID to KEY; farms: name to the names of its members.
    """
    parts = cookie.split(b".")
    if len(parts) != 4 or parts[0] != b"v1" or not KID.fullmatch(parts[1]):
        raise Ignored("malformed")
    payload, tag = unbase64url(parts[2]), unbase64url(parts[3])
    if payload is None or tag is None or len(payload) > PAYLOAD_BYTES or len(tag) != MAC_BYTES:
        raise Ignored("malformed")
    key = keys.get(parts[1].decode("ascii"))
    if key is None:
        raise Ignored("unknown_key")
    if not hmac.compare_digest(tag, mac(key, cookie.rpartition(b".")[0].decode("ascii"))):
        raise Ignored("bad_mac")
    fields = fields_of(payload)
    here = request["farm"].lower()
    if fields["farm"] != "*" and fields["farm"].lower() != here:
        raise Ignored("another_farm")
    if request["now"] > int(fields["exp"]):
        raise Ignored("expired")
    if "ip" in fields and fields["ip"] != address(request["client"]):
        raise Ignored("other_client")
    target = fields.get("to", here).lower()
    members = next((members for name, members in farms.items() if name.lower() == target), None)
    if members is None or fields.get("member", None) not in (None, *members):
        raise Ignored("unknown_target")
    return {"farm": target, "member": fields.get("member"), "strict": fields.get("mode") == "strict"}


def judge_all(cookies, request, keys, farms):
    """Of several: the index of the one that is used or None, what it says, and what is counted."""
    counts = {}
    for index, cookie in enumerate(cookies[:COOKIES]):
        try:
            says = judge(cookie, request, keys, farms)
        except Ignored as reason:
            if str(reason) != "another_farm":
                counts[str(reason)] = counts.get(str(reason), 0) + 1
            continue
        counts["accepted"] = 1
        return index, says, counts
    return None, None, counts
