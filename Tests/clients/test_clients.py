"""clients/ beside the vectors: what each prints is what a verifier takes.

Contract: a cookie's value is `v1.KID.PAYLOAD.MAC`; PAYLOAD is base64url of form-encoded text, and MAC is base64url of
HMAC-SHA256 over all that stands before the last dot, by the key as it is written.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "clients"
VECTORS = json.loads((ROOT / "Tests/vectors/valid.json").read_text())["vectors"]
MINTED = [vector for vector in VECTORS if vector["minted"]]
EXAMPLE = MINTED[0]

# The interpreter, its Debian package, and how a client is run.
RUN = {
    "mint.py": ("/usr/bin/python3", "python3", ["/usr/bin/python3", "-B"]),
    "mint.php": ("php", "php-cli", ["php"]),
    "mint.cjs": ("node", "nodejs", ["node"]),
    "Mint.java": ("java", "default-jre-headless", ["java", "-XX:TieredStopAtLevel=1"]),
    "mint.rb": ("ruby", "ruby", ["ruby"]),
    "mint.pl": ("perl", "perl", ["perl"]),
    "mint.go": ("go", "golang-go", ["go", "run"]),
    "mint.sh": ("openssl", "openssl", ["sh"]),
}
# These two bring more than half a gigabyte: `make clients-test` takes them where they are, `make clients-test-all` installs them.
LARGE = {"Mint.java", "mint.go"}

# What else is in text: all that has a meaning in a form, in a shell or in base64, and what is not ASCII.
HOSTILE = [
    ("farm", "a b+c&d=e%41"), ("to", "~*-._!'()"), ("member", "\u00fc\u20ac\U0001f600"), ("mode", ""),
    ("exp", "\t\n\r\x01\x7f$HOME`x`\\"), ("ip", "?>?>??>>\"<;,/:@[]#|^{}"),
]


@pytest.fixture(scope="session")
def command(tmp_path_factory):
    """The command of a client: fails where its interpreter is missing. What can be compiled is, once, to save time."""
    made = {}

    def of(name):
        if name not in made:
            made[name] = prepare(name, tmp_path_factory)
        return made[name]
    return of


def prepare(name, folder):
    program, package, start = RUN[name]
    if not shutil.which(program):
        missing = f"{program} is missing: install {package}"
        if name in LARGE and os.environ.get("FARM_CLIENTS") != "all":
            pytest.skip(missing)
        pytest.fail(missing)
    if name == "mint.go":
        binary = folder.mktemp("go") / "mint"
        compiled("go", "build", "-o", str(binary), str(CLIENTS / name))
        return [str(binary)]
    if name == "Mint.java":
        classes = folder.mktemp("java")
        compiled("java", "-m", "jdk.compiler/com.sun.tools.javac.Main", "-d", str(classes), str(CLIENTS / name))
        return [*start, "-cp", str(classes), "Mint"]
    return [*start, str(CLIENTS / name)]


def compiled(*arguments):
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def run(arguments, kid=EXAMPLE["kid"], key=EXAMPLE["key"], folder=None):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FARM_")}
    environment |= {"LC_ALL": "C.UTF-8"}
    environment |= {name: value for name, value in (("FARM_KEY_ID", kid), ("FARM_KEY", key)) if value is not None}
    return subprocess.run(arguments, env=environment, cwd=folder, capture_output=True, text=True, timeout=120)


def minted(command, fields, **keys):
    done = run([*command, *("=".join(pair) for pair in fields)], **keys)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\n") and done.stdout.count("\n") == 1, done.stdout
    return done.stdout[:-1]


def read(cookie, key):
    """The fields of a cookie whose MAC is right."""
    version, kid, payload, mac = cookie.split(".")
    assert version == "v1" and re.fullmatch("[A-Za-z0-9_-]+", payload)
    signed = cookie.rpartition(".")[0]
    right = hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest()
    assert mac == base64.urlsafe_b64encode(right).decode().rstrip("=")
    text = base64.b64decode(payload + "=" * (-len(payload) % 4), b"-_", validate=True).decode("ascii")
    assert base64.urlsafe_b64encode(text.encode()).decode().rstrip("=") == payload
    assert re.fullmatch(r"(?:[A-Za-z0-9*._~+&=-]|%[0-9A-F]{2})*", text), text
    return kid, text, parse_qsl(text, keep_blank_values=True, strict_parsing=True)


@pytest.mark.parametrize("name", RUN)
def test_vectors(command, name):
    """Contract: any order of the fields, and any form of the encoding, says the same; else each byte is given."""
    start = command(name)
    for vector in MINTED:
        cookie = minted(start, vector["fields"], kid=vector["kid"], key=vector["key"])
        kid, text, fields = read(cookie, vector["key"])
        assert kid == vector["kid"]
        assert sorted(fields) == sorted(map(tuple, vector["fields"])), vector["name"]
        assert len(text) <= 512
        if name == "mint.go":  # url.Values writes its fields by name; and it escapes a star, as PHP does.
            continue
        if name == "mint.php" and "*" in vector["payload"]:
            continue
        assert cookie == vector["cookie"], vector["name"]


@pytest.mark.parametrize("name", RUN)
def test_any_text(command, name):
    """Contract: PAYLOAD is form-encoded, whatever the values are."""
    _, _, fields = read(minted(command(name), HOSTILE), EXAMPLE["key"])
    assert sorted(fields) == sorted(HOSTILE)


@pytest.mark.parametrize("name", RUN)
def test_what_is_missing(command, name):
    """Nothing is signed without a key or its name, and nothing that is no field."""
    start = command(name)
    good = ["=".join(pair) for pair in EXAMPLE["fields"]]
    for arguments, keys in ((good, {"key": None}), (good, {"kid": None}), (good, {"key": ""}), (good, {"kid": ""}),
                            ([*good, "member"], {})):
        done = run([*start, *arguments], **keys)
        assert done.returncode != 0 and done.stdout == "" and done.stderr != "", (arguments, keys, done)


@pytest.mark.parametrize("name", ["Mint.java", "mint.go"])
def test_from_source(command, name):
    """What was compiled above also runs as the first line of the file says."""
    command(name)
    assert read(minted([*RUN[name][2], str(CLIENTS / name)], EXAMPLE["fields"]), EXAMPLE["key"])[0] == EXAMPLE["kid"]


@pytest.mark.parametrize("name", sorted(name for name in RUN if (CLIENTS / name).read_text().startswith("#!")))
def test_as_a_program(command, name):
    """The files that name their interpreter run by themselves."""
    command(name)
    assert minted([str(CLIENTS / name)], EXAMPLE["fields"]) == EXAMPLE["cookie"]


LIBRARY = {
    "mint.py": "import sys; sys.dont_write_bytecode = True; sys.path.insert(0, '.'); import mint; print(mint.mint(K, S, F))",
    "mint.php": "require './mint.php'; echo mint(K, S, F), \"\\n\";",
    "mint.cjs": "console.log(require('./mint.cjs').mint(K, S, F))",
    "mint.rb": "require './mint.rb'; puts Farm.mint(K, S, F)",
    "mint.pl": "require './mint.pl'; print mint(K, S, F), \"\\n\"",
    "mint.sh": ". ./mint.sh; mint K S F",
}
# The fields as each language writes them, with exp as a number.
FIELDS = {
    "mint.py": "{'farm': 'app', 'member': 'app1', 'mode': 'strict', 'exp': 4102444800}",
    "mint.php": "['farm' => 'app', 'member' => 'app1', 'mode' => 'strict', 'exp' => 4102444800]",
    "mint.cjs": "{ farm: 'app', member: 'app1', mode: 'strict', exp: 4102444800 }",
    "mint.rb": "{ farm: 'app', member: 'app1', mode: 'strict', exp: 4102444800 }",
    "mint.pl": "farm => 'app', member => 'app1', mode => 'strict', exp => 4102444800",
    "mint.sh": "farm=app member=app1 mode=strict exp=4102444800",
}
EVAL = {"mint.py": "-c", "mint.php": "-r", "mint.cjs": "-e", "mint.rb": "-e", "mint.pl": "-e", "mint.sh": "-c"}


@pytest.mark.parametrize("name", LIBRARY)
def test_as_a_library(command, name):
    """The function can be had from the file, which then does nothing by itself."""
    command(name)
    code = LIBRARY[name].replace("K, S, F", f"'{EXAMPLE['kid']}', '{EXAMPLE['key']}', {FIELDS[name]}")
    code = code.replace("K S F", f"{EXAMPLE['kid']} {EXAMPLE['key']} {FIELDS[name]}")
    done = run([*RUN[name][2], EVAL[name], code], kid=None, key=None, folder=CLIENTS)
    assert (done.stdout, done.stderr) == (EXAMPLE["cookie"] + "\n", "")


def test_each_is_short():
    """Every file of clients/ is tested here, and is under 30 lines long."""
    files = {path.name: path.read_text() for path in CLIENTS.iterdir() if path.is_file()}
    assert set(files) == set(RUN)
    for name, text in files.items():
        assert len(text.splitlines()) < 30, name
        for said in ("FARM_KEY_ID=", "HttpOnly", "Secure", "SameSite", "web root"):
            assert said.lower() in text.lower().replace("same_site", "samesite"), (name, said)
        assert re.search(r"path\W+/", text, re.IGNORECASE), name
