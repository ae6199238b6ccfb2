"""farmctl cookie: every vector of Tests/vectors through the command line, and what people do wrong."""

import json
import re

import pytest

from control import DATA, DONE, NO, NO_INPUT, USAGE, Control, environment
from farmhttpd.env import REPOSITORY

VECTORS = {name: json.loads((REPOSITORY / "Tests" / "vectors" / f"{name}.json").read_text())
           for name in ("valid", "invalid", "several")}
KID, KEY = "k1", "only-an-example-and-not-a-secret"
WORKED = ("v1.k1.ZmFybT1hcHAmbWVtYmVyPWFwcDEmbW9kZT1zdHJpY3QmZXhwPTQxMDI0NDQ4MDA.LKcOS-ZglTgd4FhIIK-fnsrOePOIDYSmNvseDZRGvdY")


@pytest.fixture
def alone():
    """farmctl without a server: none is asked."""
    ctl = Control(1)
    ctl.env = environment(FARM_KEY_ID=KID, FARM_KEY=KEY)
    return ctl


@pytest.fixture
def vectors(httpd):
    """A server with the farms of the vectors."""
    member = httpd.member("m")
    farms = {**VECTORS["valid"]["farms"], **VECTORS["invalid"]["farms"], **VECTORS["several"]["farms"]}
    for farm, names in farms.items():
        httpd.conf.farm(farm, *[f"FarmMember {member.url} name={name}" for name in names])
    return Control(httpd.start().port)


def key_file(folder, keys):
    path = folder / "keys"
    path.write_text("".join(f"{kid}:{key}\n" for kid, key in keys.items()))
    return path


def verify(ctl, folder, cookies, request, keys):
    """What is said of each cookie, as JSON, and the exit status. A character of a vector is a byte."""
    done = ctl.run("cookie", "verify", "-", "--targets", "--json", "--key-file", key_file(folder, keys), "--farm", request["farm"],
                   "--client", request["client"], "--at", request["now"], stdin="\n".join(cookies) + "\n")
    assert done.stderr == "", done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.returncode


def check_says(said, says):
    assert said["result"] == "accepted" and said["farm"].lower() == says["farm"].lower() and said["member"] == says["member"]
    assert said["strict"] == (says["strict"] and says["member"] is not None)


def lines_alone(text):
    """Whether a cookie is one line, of bytes that text on standard input can carry."""
    return "\n" not in text and "\r" not in text and text.isascii()


def test_valid_vectors(vectors, tmp_path):
    for vector in VECTORS["valid"]["vectors"]:
        (said,), status = verify(vectors, tmp_path, [vector["cookie"]], vector["request"], {vector["kid"]: vector["key"]})
        assert status == DONE, vector["name"]
        check_says(said, vector["says"])


def test_minted_vectors(alone):
    """What is minted is, byte for byte, what the reference minted."""
    count = 0
    for vector in VECTORS["valid"]["vectors"]:
        if vector["minted"]:
            done = alone.run("cookie", "mint", "--", *("=".join(pair) for pair in vector["fields"]),
                             FARM_KEY_ID=vector["kid"], FARM_KEY=vector["key"])
            assert (done.returncode, done.stdout) == (DONE, vector["cookie"] + "\n"), (vector["name"], done)
            count += 1
    assert count > 30


def test_invalid_vectors(vectors, tmp_path):
    """Those that are no line of ASCII, or need that there is no key, are judged in FarmControlTests."""
    count = 0
    for vector in VECTORS["invalid"]["vectors"]:
        keys = vector.get("keys", VECTORS["invalid"]["keys"])
        # A file without a key is refused before anything is judged.
        if lines_alone(vector["cookie"]) and keys:
            (said,), status = verify(vectors, tmp_path, [vector["cookie"]], vector["request"], keys)
            assert (status, said["result"]) == (NO, vector["reason"] or "other_farm"), vector["name"]
            count += 1
    assert count > 200


def test_several_vectors(vectors, tmp_path):
    for vector in VECTORS["several"]["vectors"]:
        if not vector["cookies"] or not all(map(lines_alone, vector["cookies"])):
            continue
        said, status = verify(vectors, tmp_path, vector["cookies"], vector["request"], VECTORS["several"]["keys"])
        if vector["used"] is None:
            assert status == NO and len(said) == min(8, len(vector["cookies"])), vector["name"]
        else:
            assert status == DONE and len(said) == vector["used"] + 1, vector["name"]
            check_says(said[-1], vector["says"])


def test_the_server_follows_it(farms, ctl, tmp_path):
    """A cookie that farmctl mints is obeyed by the module."""
    keys = key_file(farms.root, {KID: KEY})
    keys.chmod(0o600)
    farms.conf.head.append(f"FarmSecretFile {keys}")
    farms.restart()
    cookie = ctl.ok("cookie", "mint", "farm=app", "member=c", "exp=10min", "--key-file", keys).strip()
    for _ in range(3):
        assert farms.get("/app/x", headers={"Cookie": f"farm={cookie}"}).member == "c"
    assert farms.status()["cookies"]["accepted"] == 3


def test_mint(alone, tmp_path):
    fields = ["farm=app", "member=app1", "mode=strict", "exp=4102444800"]
    assert alone.ok("cookie", "mint", *fields) == WORKED + "\n"
    header = alone.ok("cookie", "mint", *fields, "--header", "--name", "tie")
    assert re.fullmatch(rf"Set-Cookie: tie={WORKED}; Path=/; Max-Age=\d+; HttpOnly; Secure; SameSite=Lax\n", header)
    assert json.loads(alone.ok("cookie", "mint", *fields, "--json"))["cookie"] == WORKED
    keys = key_file(tmp_path, {"other": "x" * 32, KID: KEY})
    assert alone.ok("cookie", "mint", *fields, "--key-file", keys, "--key-id", KID) == WORKED + "\n"
    assert alone.ok("cookie", "mint", *fields, "--key-file", keys).startswith("v1.other.")
    done = alone.run("cookie", "mint", "farm=app", "exp=1")
    assert done.returncode == DONE and "exp=1 is over" in done.stderr and done.stdout.startswith("v1.k1.")


def test_verify(alone):
    assert alone.ok("cookie", "verify", WORKED, "--at", "4102444800").startswith(
        "accepted: farm app, member app1, never another; until 2100-01-01T00:00:00Z (0s); key k1")
    assert alone.ok("cookie", "verify", WORKED, "--at", "4102444801", status=NO).startswith("expired: ")
    assert alone.ok("cookie", "verify", WORKED, "--farm", "gold", status=NO).startswith("other farm: it is for requests to app")
    assert alone.ok("cookie", "verify", WORKED[:-1] + "A", status=NO).startswith("bad_mac: ")
    assert alone.ok("cookie", "verify", "farm=" + WORKED, status=NO).endswith("give the value alone, without NAME=\n")
    assert alone.ok("cookie", "verify", WORKED, FARM_KEY_ID="k2", status=NO).startswith("unknown_key: ")
    assert alone.ok("cookie", "verify", "x", WORKED).splitlines()[1].startswith("accepted: ")


@pytest.mark.parametrize("status, arguments, says", [
    (DATA, ["mint", "farm=app"], "exp= is missing: when it ends, such as exp=10min"),
    (DATA, ["mint", "exp=5min"], "farm= is missing"),
    (DATA, ["mint", "farm=app", "exp=1800000000000"], "looks like milliseconds"),
    (DATA, ["mint", "farm=app", "exp=soon"], "exp= takes seconds since 1970"),
    (DATA, ["mint", "farm=app", "exp=5min", "mode=Strict"], "mode= takes safe or strict, not 'Strict'"),
    (DATA, ["mint", "farm=app", "exp=5min", "exp=6min"], "exp= stands twice"),
    (DATA, ["mint", "farm=app", "exp=5min", "ip=here"], "ip= takes an IPv4 or IPv6 address"),
    (DATA, ["mint", "farm=app", "exp=5min", "until=x"], "'until' is no field of an instruction"),
    (USAGE, ["mint", "farm"], "write NAME=VALUE"),
    (DATA, ["mint", "farm=app", "exp=5min", "--key-id", "k9", "--key-file", "KEYS"], "there is no key 'k9'; there are k1"),
    (NO_INPUT, ["mint", "farm=app", "exp=5min", "--key-file", "/no/such/file"], "/no/such/file: cannot be read"),
    (DATA, ["mint", "farm=app", "exp=5min", "--key-file", "BAD"], "line 1: the key has 5 characters; it needs 32 to 256"),
    (NO_INPUT, ["verify", WORKED, "--key-file", "/no/such/file"], "cannot be read"),
    (USAGE, ["verify", WORKED, "--client", "here"], "--client takes an IPv4 or IPv6 address"),
    (USAGE, ["verify", WORKED, "--at", "noon"], "--at takes seconds since 1970"),
])
def test_bad_input(alone, tmp_path, status, arguments, says):
    (tmp_path / "bad").write_text("k1:short\n")
    files = {"KEYS": key_file(tmp_path, {KID: KEY}), "BAD": tmp_path / "bad"}
    said = alone.fails(status, "cookie", *(files.get(one, one) for one in arguments))
    assert says in said and KEY not in said


def test_a_key_is_wanted(alone):
    assert "which key?" in alone.fails(USAGE, "cookie", "mint", "farm=app", "exp=5min", FARM_KEY="")
    assert "the key has" in alone.fails(DATA, "cookie", "verify", WORKED, FARM_KEY="short")
