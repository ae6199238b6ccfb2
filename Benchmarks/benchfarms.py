"""Farms with something of everything, and requests that use all of it, for growth.py."""

import base64
import hashlib
import hmac
import random
import time
from urllib.parse import urlencode

KEY = "a-key-of-a-benchmark-and-no-secret"
CYCLE = 2000                            # requests that are all different
DAY = 86400
HANDLERS = ("farm-update", "farm-balance", "farm-manager")
FORMATS = ("json", "openmetrics", "text", "html")
# One child, with more threads than clients: mpm_event closes kept connections when all of its threads are busy.
MPM = ["StartServers 1", "ServerLimit 4", "ThreadsPerChild 24", "MaxRequestWorkers 24", "MinSpareThreads 1",
       "MaxSpareThreads 24"]


def secret_of(root):
    path = root / "farm.keys"
    path.write_text(f"k1:{KEY}\n")
    path.chmod(0o600)


def _section(name, urls, *lines, prefix="m", options=""):
    members = [f'FarmMember "{url}" name={prefix}{n:04} {options}' for n, url in enumerate(urls)]
    return [f"<Farm {name}>", *members, *lines, "</Farm>", f'ProxyPass "/{name}/" "http://{name}/"',
            f'ProxyPassReverse "/{name}/" "http://{name}/"']


def farms_of(urls):
    """`app` of all members and small farms beside it. A child keeps few connections to a member, so that all are there after
    the first requests and what they weigh stands still."""
    few = urls[:4]
    lines = ["FarmSecretFile farm.keys"]
    for name in HANDLERS:
        lines += [f'<Location "/{name}">', f"SetHandler {name}", "Require local", "</Location>"]
    failing = "FarmSet fall=1 retry=5ms failonstatus=503"
    lines += _section("app", urls, "FarmAlgorithm adaptive", failing, "FarmLoad max(cpu,queue/100)", "FarmExpectUpdate 5s ignore",
                      "FarmReport on", options="max=1" if len(urls) > len(few) else "max=2")
    lines += _section("keyed", few, 'FarmAlgorithm hash "%{REMOTE_ADDR}%{REQUEST_URI}"', failing, options="max=2")
    lines += _section("routed", few, "FarmSticky route SID|sid", failing, options="max=2")
    lines += _section("tied", few, "FarmSticky cookie", failing, options="max=2")
    return "\n".join(lines) + "\n"


def _request(target, body=None, *fields):
    head = [f"GET {target} HTTP/1.1" if body is None else f"POST {target} HTTP/1.1", "Host: localhost", *fields]
    if body is not None:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "", body or ""]).encode("ascii")


def _base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _cookie(key=KEY, **fields):
    signed = f"v1.k1.{_base64url(urlencode(fields).encode('ascii'))}"
    return f"Cookie: a=b; farm={signed}.{_base64url(hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest())}; c=d"


def cookies_to_all(members):
    """For each member of `app` the header of a request that it and nobody else serves."""
    exp = int(time.time()) + DAY
    return [_cookie(farm="app", member=f"m{n:04}", mode="strict", exp=exp) for n in range(members)]


def requests_of(members, seed):
    """CYCLE requests, in an order of their own but the same for the same seed."""
    numbers = random.Random(seed)
    form = "Content-Type: application/x-www-form-urlencoded"
    exp = int(time.time()) + DAY
    some = lambda: f"m{numbers.randrange(members):04}"
    one_of_four = lambda: f"m{numbers.randrange(4):04}"
    makers = {
        "plain": (900, lambda n: _request(f"/app/{n}")),
        "hash": (100, lambda n: _request(f"/keyed/{n}")),
        "route": (100, lambda n: _request(f"/routed/{n};sid=x.{one_of_four()}", None, f"Cookie: SID=0123.{one_of_four()}")),
        "first of a session": (60, lambda n: _request(f"/tied/{n}")),
        "instruction": (300, lambda n: _request(f"/app/{n}", None, _cookie(farm="app", member=some(), exp=exp + n))),
        "instruction to": (60, lambda n: _request(f"/app/{n}", None, _cookie(farm="*", to="tied", member=one_of_four(), exp=exp))),
        "expired": (20, lambda n: _request(f"/app/{n}", None, _cookie(farm="app", member=some(), exp=exp - 30 * DAY))),
        "forged": (20, lambda n: _request(f"/app/{n}", None, _cookie("another" * 5, farm="app", member=some(), exp=exp))),
        "malformed": (20, lambda n: _request(f"/app/{n}", None, f"Cookie: farm=v1.k1.{'x' * numbers.randrange(900)}")),
        "body": (150, lambda n: _request(f"/app/{n}", "b" * 300)),
        "large body": (10, lambda n: _request(f"/app/{n}", "b" * 60_000)),
        "update": (200, lambda n: _request(f"/farm-update?farm=app&member={some()}&cpu=0.{n % 100}&queue={n}")),
        "bad update": (10, lambda n: _request(f"/farm-update?farm=app&member={some()}&cpu=much")),
        "balance": (20, lambda n: _request("/farm-balance?farm=app&farm=keyed")),
        "status": (8, lambda n: _request(f"/farm-status?format={FORMATS[n % 4]}")),
        "drain": (11, lambda n: _request("/farm-manager", f"farm=app&member={one_of_four()}&admin=drain&reason=growth",
                                         form, "X-Farm-Manager: 1")),
        "on": (11, lambda n: _request("/farm-manager", f"farm=app&member=m{n % 4:04}&admin=on&weight={1 + n % 9}", form,
                                      "X-Farm-Manager: 1")),
    }
    kinds = [maker for count, maker in makers.values() for _ in range(count)]
    assert len(kinds) == CYCLE
    numbers.shuffle(kinds)
    return [maker(number) for number, maker in enumerate(kinds)]


def restarted_farms(urls, has_farms):
    """Configurations that follow one another: members that stay, come, go and change, a farm that comes and goes. Without farms,
    a ProxyPass that changes."""
    if not has_farms:
        return [f'ProxyPass "/app/" "{urls[0]}/" retry={number}\n' for number in range(3)]
    half = len(urls) // 2
    keys, load = "FarmSecretFile farm.keys", "FarmLoad cpu+queue"
    return ["\n".join([keys, *part]) + "\n" for part in (
        _section("app", urls, "FarmAlgorithm adaptive", load),
        _section("app", urls[:half], load, options="weight=3") + _section("other", urls[half:], prefix="n"),
        _section("app", urls[half:], 'FarmAlgorithm hash "%{REQUEST_URI}"', "FarmSticky cookie", prefix="x"),
    )]
