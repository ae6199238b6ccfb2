"""The vectors are what their maker writes, and the examples of the manual for backends are among them."""

import base64
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "Tests/vectors"
VALID = json.loads((VECTORS / "valid.json").read_text())


def reference():
    sys.dont_write_bytecode = True
    found = importlib.util.spec_from_file_location("reference", VECTORS / "reference.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_files_are_what_make_writes():
    done = subprocess.run([sys.executable, str(VECTORS / "make.py"), "--check"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("index", [0, -1])
def test_every_beginning_is_malformed(index):
    """Contract: a cookie that is cut anywhere is malformed, by its form alone."""
    vector, judge = VALID["vectors"][index], reference()
    for end in range(len(vector["cookie"])):
        with pytest.raises(judge.Ignored, match="^malformed$"):
            judge.judge(vector["cookie"][:end].encode(), vector["request"], {}, VALID["farms"])


def test_examples_of_the_document():
    """What docs/instructions.md shows is a vector, in all its parts."""
    text = (ROOT / "docs/instructions.md").read_text()
    example = VALID["vectors"][0]
    cookies = set(re.findall(r"v1\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{43}", text))
    assert cookies == {example["cookie"]}
    version, kid, payload, mac = example["cookie"].split(".")
    assert base64.urlsafe_b64decode(payload + "==").decode() == example["payload"]
    for part in (example["payload"], f"{version}.{kid}.{payload}", mac, f"{kid}:{example['key']}", f"FARM_KEY={example['key']}"):
        assert f"{part}\n" in text or f"{part} " in text or f"`{part}`" in text, part
    for name in re.findall(r"clients/(\w+\.\w+)", text):
        assert (ROOT / "clients" / name).is_file(), name
    assert set(re.findall(r"clients/(\w+\.\w+)", text)) == {path.name for path in (ROOT / "clients").iterdir() if path.is_file()}
