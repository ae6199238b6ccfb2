"""Reads the manual: its fenced blocks, what belongs together, its directive entries, its tables and links."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from farmhttpd.env import REPOSITORY

DOCS = REPOSITORY / "docs"
MANUAL = DOCS / "mod_proxy_farm.md"
READ = [REPOSITORY / "README.md", *sorted(DOCS.glob("**/*.md"))]
LINKED = [*READ, *sorted(path for path in REPOSITORY.glob("**/*.md")
                         if path not in READ and not any(part.startswith(".") for part in path.relative_to(REPOSITORY).parts))]
FENCE = "```"
CONFIG, TYPED, ALONE = "apache", {"console", "sh", "ini", "crontab"}, {"xml"}
# Kinds that need a program of their own: the document that may have them, and the test that runs them.
ELSEWHERE = {"yaml": ("prometheus.md", "test_433_prometheus.py"), "promql": ("prometheus.md", "test_433_prometheus.py")}
CONFIGTEST, FINE = "apachectl configtest", "Syntax OK"


@dataclass
class Block:
    """What stands between two fences: its kind is the word after the first."""
    path: Path
    line: int
    kind: str
    text: str
    section: str

    def __str__(self):
        return f"{self.path.name}:{self.line}"

    def commands(self):
        """Of a console block: each command and what it must say."""
        found = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                assert found, f"{self}: output before the first $ command"
                found[-1][1].append(line)
        assert found, f"{self}: no $ command"
        return found


@dataclass
class Example:
    """A configuration with what is typed before and after it; or, without one, blocks that need no server."""
    config: Block | None
    before: list = field(default_factory=list)
    after: list = field(default_factory=list)

    def __str__(self):
        return str(self.config or self.before[0])

    @property
    def blocks(self):
        return [*self.before, *([self.config] if self.config else []), *self.after]

    @property
    def commands(self):
        return [one for block in self.blocks if block.kind == "console" for one in block.commands()]

    @property
    def is_wrong(self):
        """Whether the configuration is shown for what configtest says against it."""
        verdicts = [said for command, said in self.commands if plain(command) == CONFIGTEST]
        return bool(verdicts) and verdicts[-1] != [FINE]

    @property
    def enabled(self):
        """What a2enmod is told, or None."""
        found = [plain(command).split()[1:] for command, _ in self.commands if plain(command).startswith("a2enmod ")]
        return sum(found, []) if found else None


def plain(command):
    return command.removeprefix("sudo ")


def read_blocks(path, text=None):
    """Every fenced block of a document, in its order. A fence that is not closed, or not at the beginning of a line, is an
    error: what stands there would be run by nobody."""
    found, section, open_at, kind, lines = [], "", None, "", []
    for number, line in enumerate((path.read_text() if text is None else text).splitlines(), 1):
        if open_at is None and line.startswith("#"):
            section = line.lstrip("# ")
        if line.startswith(FENCE) and open_at is None:
            open_at, kind, lines = number, line[3:], []
        elif line == FENCE:
            found.append(Block(path, open_at, kind, "".join(one + "\n" for one in lines), section))
            open_at = None
        elif open_at is not None:
            lines.append(line)
        assert line.startswith(FENCE) or FENCE not in line and "~~~" not in line, f"{path.name}:{number}: a fence in a line"
    assert open_at is None, f"{path.name}:{open_at}: the block is not closed"
    return found


def read_examples(path):
    """What is typed belongs to the configuration before it; if that is in another section, and one follows in its own, to
    the one that follows."""
    examples, waiting = [], []
    blocks = read_blocks(path)
    for at, block in enumerate(blocks):
        if block.kind == CONFIG:
            examples.append(Example(block, waiting))
            waiting = []
        elif block.kind not in TYPED:
            examples.append(Example(None, [block]))
        else:
            last = next((one for one in reversed(examples) if one.config), None)
            follows = any(one.kind == "apache" and one.section == block.section for one in blocks[at + 1:])
            if last and (last.config.section == block.section or not follows) and not waiting:
                last.after.append(block)
            else:
                waiting.append(block)
    assert not waiting, f"{waiting[0]}: no configuration that it could be typed against"
    assert sorted(str(one) for example in examples for one in example.blocks) == sorted(map(str, blocks))
    return examples


# -- directives ----------------------------------------------------------------------------------------------

CELLS = ("Description", "Syntax", "Default", "Context", "Status", "Module")
KEYED = ("FarmMember", "FarmSet", "FarmTable")


@dataclass
class Entry:
    name: str
    text: str
    cells: dict
    keys: dict


def sections(text, level):
    """Titles and contents of a level's sections, in their order; contents of code are no headings."""
    bare = re.sub(r"^```.*?^```$", lambda match: re.sub("^#", " ", match[0], flags=re.M), text, flags=re.M | re.S)
    starts = [(m.start(), m.end(), m[1].strip()) for m in re.finditer(rf"^{'#' * level} (.+)$", bare, re.M)]
    ends = [m.start() for m in re.finditer(rf"^#{{1,{level}}} ", bare, re.M)] + [len(text)]
    return [(title, text[end:next(one for one in ends if one > begin)]) for begin, end, title in starts]


def topic(title):
    return dict(sections(MANUAL.read_text(), 2))[title]


def entries():
    """The entries of directives, in the order of the manual."""
    found = []
    for title, text in sections(topic("Directives"), 3):
        cells = {key: value.replace("\\|", "|")
                 for key, value in re.findall(r"^\| \*\*(\w+)\*\* \| (.+) \|$", text, re.M)}
        keys = {re.fullmatch(r"\w+ `(\w+)=`", name)[1]: one for name, one in sections(text, 4)}
        found.append(Entry(title.strip("`"), text, cells, keys))
    return found


def key_facts(text):
    """Range and default of a key's entry."""
    match = re.search(r"^\*\*Range:\*\* (.+?)\. \*\*Default:\*\* (.+)\.$", text, re.M)
    assert match, f"no range and default: {text[:80]!r}"
    return match[1], match[2]


def table_keys(text):
    """The words in backquotes of the first column of a section's tables."""
    return [word for row in re.findall(r"^\| (`.+?) \|", text, re.M) for word in re.findall(r"`([\w.]+)`", row)]


# -- links ---------------------------------------------------------------------------------------------------


def anchors(path):
    """What headings may be linked by, as GitHub makes it."""
    found, seen = set(), {}
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.M | re.S)
    for title in re.findall(r"^#{1,6} (.+)$", text, re.M):
        title = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title)
        slug = re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")
        count = seen.get(slug, 0)
        seen[slug] = count + 1
        found.add(f"{slug}-{count}" if count else slug)
    return found


def dead_links(path):
    """Links to files and headings that are not there."""
    dead = []
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or anchor and anchor not in anchors(file):
            dead.append(target)
    return dead
