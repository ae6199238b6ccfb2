"""docs/mod_proxy_farm.md, and what it sends its readers to, is true: every fenced block is run, every directive and key of the
module has its entry, and what an entry says of ranges and defaults is what the module does."""

import json
import re

import pytest

from farmhttpd import manual
from farmhttpd.env import REPOSITORY
from farmhttpd.typed import Typist

EXAMPLES = [example for path in manual.READ for example in manual.read_examples(path)]


@pytest.mark.parametrize("path", manual.READ, ids=lambda path: path.name)
def test_950_01_known_kinds(path):
    """Every fenced block is of a kind that is run."""
    unknown = [f"{block} ({block.kind or 'no kind'})" for block in manual.read_blocks(path) if block.kind not in manual.KINDS]
    assert not unknown, f"nobody runs {unknown}"


@pytest.mark.parametrize("example", [one for one in EXAMPLES if one.config], ids=str)
def test_950_02_as_it_stands(httpd, example):
    """The manual: "Each configuration here starts as it stands, in a server that has the modules it needs, and each command
    gives what is shown"; configtest has no warning for it, and the server's log none that is not shown."""
    Typist(httpd, example).type()
