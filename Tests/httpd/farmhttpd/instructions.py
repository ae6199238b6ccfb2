"""Instruction cookies: made with Python's own hmac, by the words of the contract and by nothing of the module; key files; and
what the server counts and logs of cookies."""

import base64
import hashlib
import hmac
import re
import time
from collections import Counter
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlencode

KID, KEY = "k1", "a-key-of-a-test-that-is-no-secret"
KID2, KEY2 = "k2", "another-key-of-a-test-not-a-secret"
NAME = "farm"
# The cookie that `FarmSticky cookie` sets for farm app.
STICKY = "farm.app"
HOUR = 3600
RESULTS = ("accepted", "bad_mac", "expired", "malformed", "unknown_key", "unknown_target", "other_client")
IGNORED = "FARM00118"


# -- making --------------------------------------------------------------------------------------------------


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def unbase64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def mac(signed, key=KEY):
    return base64url(hmac.new(key.encode("ascii"), signed.encode("latin-1"), hashlib.sha256).digest())


def sign(payload, kid=KID, key=KEY, version="v1"):
    """The value of a cookie whose payload is this text, whatever it says."""
    data = payload if isinstance(payload, bytes) else payload.encode("latin-1")
    signed = f"{version}.{kid}.{base64url(data)}"
    return f"{signed}.{mac(signed, key)}"


def fields_of(farm="app", exp=None, **fields):
    """The form-encoded fields; those that are None are left out, and `exp` is in an hour where nothing else is said."""
    values = {"farm": farm, **fields, "exp": int(time.time()) + HOUR if exp is None else exp}
    return urlencode({name: value for name, value in values.items() if value is not None})


def value(kid=KID, key=KEY, **fields):
    return sign(fields_of(**fields), kid, key)


def instruction(name=NAME, **fields):
    """NAME=VALUE as it stands in a Cookie header."""
    return f"{name}={value(**fields)}"


# -- the server ----------------------------------------------------------------------------------------------


def secret_file(httpd, *lines, mode=0o600):
    """Writes the key file of these lines, of one key where there are none; the configuration names it once."""
    path = httpd.root / "farm.keys"
    path.write_text("".join(line + "\n" for line in lines or (f"{KID}:{KEY}",)))
    path.chmod(mode)
    line = "FarmSecretFile farm.keys"
    if line not in httpd.conf.head:
        httpd.conf.head.append(line)
    return path


def instructed(httpd, *names, lines=(), options=(), one_process=True):
    """A farm `app` of a, b and c, or of these names, that follows instructions; a single child and round robin, so that what
    no cookie ties goes to the members in turn."""
    made = httpd.three(*names)
    secret_file(httpd)
    httpd.farm(*zip(made, [*options, *[""] * (len(made) - len(options))]), "FarmAlgorithm roundrobin", *lines)
    httpd.conf.handler("farm-manager")
    if one_process:
        httpd.conf.one_process()
    return made


def ask(httpd, cookie=None, target="/app/x", **arguments):
    """The answer to a request with this Cookie header."""
    headers = dict(arguments.pop("headers", ()))
    if cookie is not None:
        headers["Cookie"] = cookie
    return httpd.get(target, headers=headers, **arguments)


def served(httpd, cookie=None, target="/app/x", count=6, **arguments):
    """Names of the members that serve such a request, sent several times."""
    answers = [ask(httpd, cookie, target, **arguments) for _ in range(count)]
    assert {answer.status for answer in answers} == {200}, (target, cookie, {answer.status for answer in answers})
    return [answer.member for answer in answers]


def check_tied(httpd, member, cookie, target="/app/x", count=4, **arguments):
    assert served(httpd, cookie, target, count, **arguments) == [member] * count, (target, cookie)


def check_not_tied(httpd, cookie, target="/app/x", names="abc"):
    """It is balanced as if there were no cookie: in turn."""
    assert sorted(served(httpd, cookie, target, 2 * len(names))) == sorted(2 * list(names)), (target, cookie)


# -- what is counted and logged ------------------------------------------------------------------------------


def counters(httpd):
    counted = httpd.status()["cookies"]
    assert set(RESULTS) <= set(counted), counted
    return {name: counted[name] for name in RESULTS}


def log_lines(httpd):
    """The lines about ignored cookies, which must be at info, one line each."""
    lines = httpd.log.lines(IGNORED)
    assert all("[proxy_farm:info]" in line for line in lines), lines
    return lines


def reasons(lines):
    """How often each reason stands at the end of these lines."""
    found = [re.search(r": ([a-z_]+)$", line) for line in lines]
    assert all(found), lines
    return dict(Counter(match[1] for match in found))


@contextmanager
def counting(httpd, **expected):
    """In the block exactly these counters move, by so much, and each cookie that is ignored is told of by one line."""
    before, told = counters(httpd), len(log_lines(httpd))
    yield
    after = counters(httpd)
    moved = {name: after[name] - before[name] for name in RESULTS if after[name] != before[name]}
    assert moved == expected, f"counted {moved}, not {expected}"
    ignored = {name: count for name, count in expected.items() if name != "accepted"}
    assert reasons(log_lines(httpd)[told:]) == ignored


# -- cookies of the module's own -----------------------------------------------------------------------------


def own(name=STICKY, kid=KID, key=KEY, farm="app", member="b", exp=None, letter="%66"):
    """NAME=VALUE of a cookie as `FarmSticky cookie` sets it: some letter of the form's words is escaped, by which it is told from
    a backend's."""
    exp = int(time.time()) + HOUR if exp is None else exp
    return f"{name}={sign(f'{letter}arm={farm}&member={member}&mode=safe&exp={exp}', kid, key)}"


def set_cookies(answer, name=STICKY):
    """The Set-Cookie headers of that name."""
    return [text for text in answer.all("Set-Cookie") if text.partition("=")[0] == name]


def pair_of(text):
    """What of a Set-Cookie header a client sends back."""
    return text.split(";", 1)[0]


def attributes_of(text):
    """The attributes of a Set-Cookie header by their names in small letters; those without a value have None."""
    pairs = [part.strip().partition("=") for part in text.split(";")[1:]]
    found = {name.lower(): text if mark else None for name, mark, text in pairs}
    assert len(found) == len(pairs), f"an attribute twice: {text}"
    return found


def read(pair, kid=KID, key=KEY):
    """The fields of a cookie, NAME=VALUE, that must be signed by this key."""
    text = pair.partition("=")[2]
    version, named, payload, its_mac = text.split(".")
    assert (version, named) == ("v1", kid), text
    assert its_mac == mac(text.rpartition(".")[0], key), text
    decoded = unbase64url(payload).decode("ascii")
    assert len(decoded) <= 512
    fields = parse_qsl(decoded, keep_blank_values=True, strict_parsing=True)
    assert len(dict(fields)) == len(fields), decoded
    return dict(fields)


def new_client(httpd, target="/app/x", name=STICKY, **arguments):
    """A client without a cookie: (the cookie that it is given, the member that served it)."""
    answer = ask(httpd, None, target, **arguments)
    assert answer.status == 200, answer
    text, = set_cookies(answer, name)
    return pair_of(text), answer.member
