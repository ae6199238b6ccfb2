"""Wrong FarmMember lines, and the right ones that look strange."""

import pytest

from farmhttpd.badconf import check_accepted, check_refused

URL = "http://127.0.0.1:8001"
NAME_GRAMMAR = r"A-Za-z0-9_\.:-|letters, digits and '_\.:-'"

BAD_MEMBERS = {
    "no URL": ("FarmMember", ""),
    "URL without a scheme": ("FarmMember 127.0.0.1:8001", "http://"),
    "URL without a scheme, with a path": ("FarmMember //127.0.0.1:8001/", "http://"),
    "URL that is a word": ("FarmMember app1", "http://"),
    "URL without a host": ("FarmMember http://", "http://"),
    "URL with a path and no host": ("FarmMember http:///path", "http://"),
    "URL with a port and no host": ("FarmMember http://:8080/", "http://"),
    "URL with a port out of range": ("FarmMember http://127.0.0.1:70000", "port|URL"),
    "URL with a port that is no number": ("FarmMember http://127.0.0.1:http", "port|URL"),
    "URL empty": ('FarmMember ""', ""),
    "URL of a balancer": ("FarmMember balancer://x name=x", ""),
    "IPv6 without a name": ("FarmMember http://[::1]:8001", "name="),
    "unix socket without a name": ("FarmMember unix:/x.sock|http://localhost/", "name="),
    "unix socket without a URL": ("FarmMember unix:/x.sock name=x", r"\|http://"),
    "name empty": (f"FarmMember {URL} name=", NAME_GRAMMAR),
    "name with a slash": (f"FarmMember {URL} name=a/b", NAME_GRAMMAR),
    "name with a blank": (f'FarmMember {URL} "name=a b"', NAME_GRAMMAR),
    "name of 64 characters": (f"FarmMember {URL} name={'x' * 64}", "63"),
    "name with an umlaut": (f"FarmMember {URL} name=ä", NAME_GRAMMAR),
    "weight 0": (f"FarmMember {URL} weight=0", "weight.*1.*1000"),
    "weight 1001": (f"FarmMember {URL} weight=1001", "weight.*1.*1000"),
    "weight a letter": (f"FarmMember {URL} weight=x", "weight.*1.*1000"),
    "weight with a tail": (f"FarmMember {URL} weight=5x", "weight.*1.*1000"),
    "weight a fraction": (f"FarmMember {URL} weight=1.5", "weight.*1.*1000"),
    "weight negative": (f"FarmMember {URL} weight=-1", "weight.*1.*1000"),
    "weight empty": (f"FarmMember {URL} weight=", "weight.*1.*1000"),
    "weight beyond any integer": (f"FarmMember {URL} weight=18446744073709551617", "weight.*1.*1000"),
    "tier 10": (f"FarmMember {URL} tier=10", "tier.*0.*9"),
    "tier negative": (f"FarmMember {URL} tier=-1", "tier.*0.*9"),
    "tier a letter": (f"FarmMember {URL} tier=x", "tier.*0.*9"),
    "admin unknown": (f"FarmMember {URL} admin=foo", "on.*drain.*off"),
    "admin empty": (f"FarmMember {URL} admin=", "on.*drain.*off"),
    "maxinflight negative": (f"FarmMember {URL} maxinflight=-1", "maxinflight"),
    "maxinflight a letter": (f"FarmMember {URL} maxinflight=x", "maxinflight"),
    "key unknown": (f"FarmMember {URL} wibble=1", "wibble"),
    "word without a value": (f"FarmMember {URL} weight", "="),
    "key empty": (f"FarmMember {URL} =1", ""),
    "balancer's loadfactor": (f"FarmMember {URL} loadfactor=2", "weight="),
    "balancer's lbset": (f"FarmMember {URL} lbset=1", "tier="),
    "balancer's status": (f"FarmMember {URL} status=+D", "admin="),
    "balancer's retry": (f"FarmMember {URL} retry=5", "FarmSet retry="),
}

# Out of ProxyPass's own ranges: the same word on a ProxyPass line is the proof.
BAD_PARAMETERS = ["acquire=0", "acquire=x", "connectiontimeout=0", "connectiontimeout=x", "disablereuse=maybe",
                  "enablereuse=maybe", "flushpackets=maybe", "flushwait=5000", "flushwait=-1", "iobuffersize=100",
                  "receivebuffersize=511", "keepalive=maybe", "max=-1", "min=-1", "smax=-1", "ping=0", "ping=x",
                  "responsefieldsize=-1", f"secret={'s' * 70}", "timeout=0", "ttl=0", f"upgrade={'u' * 70}"]

GOOD_PARAMETERS = ["acquire=100", "addressttl=60", "connectiontimeout=500ms", "disablereuse=on", "enablereuse=on",
                   "flushpackets=auto", "flushwait=20", "iobuffersize=8192", "receivebuffersize=4096", "keepalive=on",
                   "max=20", "min=1", "smax=5", "ping=500ms", "responsefieldsize=16384", "secret=s3cret",
                   "timeout=30", "ttl=60", "upgrade=websocket"]


@pytest.mark.parametrize("line, remedy", BAD_MEMBERS.values(), ids=BAD_MEMBERS.keys())
def test_011_01_wrong_member(httpd, line, remedy):
    """Contract: "Every error stops `apachectl configtest` with the file, the line and what to write instead"."""
    check_refused(httpd, f"<Farm app>\n! {line}\n</Farm>", remedy)


@pytest.mark.parametrize("first, second", [
    (f"FarmMember {URL} name=a", "FarmMember http://127.0.0.1:8002 name=a"),
    (f"FarmMember {URL}", f"FarmMember {URL}/other"),
    (f"FarmMember {URL}", "FarmMember http://127.0.0.1:8002 name=127.0.0.1:8001"),
], ids=["by name=", "by the default", "one by each"])
def test_011_02_member_name_twice(httpd, first, second):
    """Contract: "`name=` (default host:port; twice in a farm is an error)"."""
    check_refused(httpd, f"<Farm app>\n{first}\n! {second}\n</Farm>", "name=")


@pytest.mark.parametrize("word", BAD_PARAMETERS)
def test_011_03_worker_parameter_out_of_range(httpd, word):
    """Contract: "the worker parameters … with ProxyPass's ranges"."""
    key = word.split("=")[0]
    body = list(httpd.conf.body)
    httpd.conf.proxy("/x/", f"{URL}/", word)
    stock, said = httpd.configtest()
    httpd.conf.body = body
    if stock == 0:
        pytest.fail(f"ProxyPass itself takes {word}, so the table of this test is wrong: {said}")
    check_refused(httpd, f"<Farm app>\n! FarmMember {URL} {word}\n</Farm>", key)


@pytest.mark.parametrize("word", GOOD_PARAMETERS)
def test_011_04_worker_parameter(httpd, word):
    """Contract: each worker parameter named there is accepted on a FarmMember line."""
    check_accepted(httpd, f"<Farm app>\nFarmMember {URL} {word}\n</Farm>")


@pytest.mark.parametrize("lines", [
    f"FarmMember {URL} weight=1000 tier=9 admin=drain maxinflight=1",
    f"FarmMember {URL} weight=1 tier=0 admin=off maxinflight=0",
    f"FarmMember {URL}/some/path/ name=x",
    "FarmMember http://[::1]:8001 name=six",
    "FarmMember unix:/run/app.sock|http://localhost/ name=sock",
    "FarmMember unix:/run/app.sock|fcgi://localhost/ name=sock",
    *[f"FarmMember unix:/run/app.sock|{scheme}://app1 name=app1" for scheme in ("http", "fcgi", "scgi", "uwsgi", "ajp", "h2c")],
    "FarmMember http://localhost",
    f"FarmMember {URL}\nFarmMember http://127.0.0.1:800",
    f"FarmMember {URL} name=a\nFarmMember {URL} name=b",
    f"FarmMember {URL}/m1 name=m1\nFarmMember {URL}/m10 name=m10",
])
def test_011_05_right_member(httpd, lines):
    """Contract: the boundaries of each key, and members that only look alike, are right."""
    check_accepted(httpd, f"<Farm app>\n{lines}\n</Farm>")


def test_011_06_the_same_member_in_two_farms(httpd):
    """Contract: a name twice "in a farm" is an error; in two farms it is not."""
    check_accepted(httpd, "\n".join(f"<Farm {f}>\nFarmMember {URL} name=a\n</Farm>" for f in ("one", "two")))
