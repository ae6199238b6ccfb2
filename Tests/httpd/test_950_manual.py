"""docs/mod_proxy_farm.md, and what it sends its readers to, is true: every fenced block is run, every directive and key of the
module has its entry, and what an entry says of ranges and defaults is what the module does."""

import re
from xml.etree import ElementTree

import pytest

from farmhttpd import manual
from farmhttpd.env import REPOSITORY
from farmhttpd.typed import Typist

EXAMPLES = [example for path in manual.READ for example in manual.read_examples(path)]


@pytest.mark.parametrize("path", manual.READ, ids=lambda path: path.name)
def test_950_01_known_kinds(path):
    """Every fenced block is of a kind that is run: here, or where that needs another program, by the test that has it."""
    for block in manual.read_blocks(path):
        if block.kind in manual.ELSEWHERE:
            document, test = manual.ELSEWHERE[block.kind]
            text = (REPOSITORY / "Tests" / "httpd" / test).read_text()
            assert path.name == document and block.kind in text, f"nobody runs {block}, a block of {block.kind}"
        else:
            assert block.kind in {manual.CONFIG, *manual.TYPED, *manual.ALONE}, f"nobody runs {block}, a block of {block.kind!r}"


@pytest.mark.parametrize("example", [one for one in EXAMPLES if one.config], ids=str)
def test_950_02_as_it_stands(httpd, example):
    """The manual: "Each configuration here starts as it stands, in a server that has the modules it needs, and each command
    gives what is shown"; configtest has no warning for it, and the server's log none that is not shown."""
    Typist(httpd, example).type()


def test_950_03_other_blocks():
    """A block of another program's configuration is well formed, and names the members as the next configuration does."""
    blocks = [block for path in manual.READ for block in manual.read_blocks(path)]
    for at, block in enumerate(blocks):
        if block.kind == "xml":
            tree = ElementTree.fromstring(block.text)
            config = next(one for one in blocks[at:] if one.kind == "apache")
            for engine in tree.iter("Engine"):
                assert re.search(rf"\b(name|route)={engine.get('jvmRoute')}\b", config.text), f"{block}: {config}"
            for connector in tree.iter("Connector"):
                url = f"ajp://{connector.get('address')}:{connector.get('port')}/"
                assert re.search(rf"{re.escape(url)} .*secret={connector.get('secret')}", config.text), f"{block}: {config}"


# -- directives ----------------------------------------------------------------------------------------------

ENTRIES = {entry.name: entry for entry in manual.entries()}


def listed(httpd):
    """The directives that the module has, as httpd itself lists them."""
    return re.findall(r"^(\S+) \(mod_proxy_farm\.c\)$", httpd.command("-L"), re.M)


def test_950_10_every_directive(httpd):
    """Each directive of the module has an entry, in the alphabet's order, and each entry a directive."""
    names = [name.removesuffix(">") for name in ENTRIES]
    directives = listed(httpd)
    assert directives and sorted(directives) == sorted(names)
    assert names == sorted(names, key=lambda name: name.strip("<").lower())


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=lambda entry: entry.name)
def test_950_11_entry(httpd, entry):
    """An entry has all cells, its name in the syntax and in an example that starts, and a place in the contents."""
    word = entry.name.strip("<>")
    assert tuple(entry.cells) == manual.CELLS and all(entry.cells.values()), entry.cells
    assert (entry.cells["Status"], entry.cells["Module"]) == ("External", "mod_proxy_farm")
    assert re.match(rf"`<?{word}\b", entry.cells["Syntax"]), entry.cells["Syntax"]
    good = [example for example in EXAMPLES if example.config and not example.is_wrong
            and example.config.text in entry.text]
    assert any(re.search(rf"^ *<?{word}\b", example.config.text, re.M) for example in good), "no example"
    assert f"](#{word.lower()})" in manual.topic("Contents")
    if word != "Farm":
        said = ""
        for words in ("on", "on on"):
            httpd.conf.body = [f"{word} {words}"]
            said += httpd.configtest()[1]
        inside = "inside `<Farm>`" in entry.cells["Context"]
        assert inside == ("belongs between <Farm NAME> and </Farm>" in said), said


def test_950_12_contents():
    """Every topic stands in the contents."""
    text = manual.MANUAL.read_text()
    topics = [title for title, _ in manual.sections(text, 2) if title not in ("Summary", "Contents")]
    parts = [title for topic in ("Handlers", "Recipes") for title, _ in manual.sections(manual.topic(topic), 3)]
    contents = " ".join(manual.topic("Contents").split())
    missing = [title for title in [*topics, *parts] if f"[{title}](#" not in contents]
    assert not missing, missing


# -- keys ----------------------------------------------------------------------------------------------------

SHIM = REPOSITORY / "CShim"


def function(file, name):
    """The text of a function of the shim."""
    match = re.search(rf"^(?:static )?const char \*{name}\(.*?^}}$", (SHIM / file).read_text(), re.M | re.S)
    assert match, f"{file} has no {name}"
    return match[0]


def keys_of(*functions):
    return [key for text in functions for key in re.findall(r'strcasecmp\(key, "(\w+)"\)', text)]


def keys_of_code():
    """What each directive that takes key=value compares its keys with."""
    return {
        "FarmMember": keys_of(function("farm_member_parameters.c", "set_one"),
                              function("farm_proxy_parameters.c", "farm_proxy_set_parameter")),
        "FarmSet": keys_of(function("farm_directives.c", "farm_set_one")),
        "FarmTable": keys_of(function("farm_directives.c", "farm_table_one")),
    }


@pytest.mark.parametrize("name", manual.KEYED)
def test_950_20_every_key(name):
    """Each key has an entry of its own with range and default, each entry a key; each is used in an example, and the
    directive's entry names it."""
    entry, keys = ENTRIES[name], keys_of_code()[name]
    assert keys and sorted(entry.keys) == sorted(keys)
    used = "".join(example.config.text for example in EXAMPLES if example.config and not example.is_wrong)
    for key, text in entry.keys.items():
        manual.key_facts(text)
        assert re.search(rf"^ *{name} .*\b{key}=", used, re.M), f"{name} {key}= is in no example"
        assert len(text.split()) > 8, f"{name} {key}= says nothing"


def test_950_21_every_entry_with_keys():
    """No other entry has keys."""
    assert {name for name, entry in ENTRIES.items() if entry.keys} == set(manual.KEYED)


def lines_with(name, key, value):
    """A configuration that has this key; the value of redirect= is a member's name."""
    if name == "FarmTable":
        return [f'FarmTable "{key}={value}"']
    what = "FarmMember http://127.0.0.1:2/" if name == "FarmMember" else name
    return ["<Farm app>", "FarmMember http://127.0.0.1:1/ name=a", f'{what} "{key}={value}"', "</Farm>"]


def bounds(text):
    """Values that a range says are good, and values just outside of it."""
    good, bad = [], []
    words = re.findall(r"`([^`]+)`", text)
    if match := re.search(r"`(\S+)` to `(\S+)`", text):
        good += match.groups()
        low, high = match.groups()
        number, unit = re.fullmatch(r"(\d+)([a-z]*)", high).groups()
        bad.append(f"{2 * int(number)}{unit}" if unit else str(int(high) + 1))
        bad.append("-1" if low == "0" else "0" if not low.isdigit() else str(int(low) - 1))
    elif match := re.search(r"`(\S+)` or more", text):
        good.append(match[1])
        bad.append("-1" if match[1] == "0" else "0" if not match[1].isdigit() else str(int(match[1]) - 1))
        good += [word for word in words if word != match[1]]
    elif not text.startswith("text"):
        good += words
        bad.append("wibble")
    return good, [one for one in bad if one not in good]


@pytest.mark.parametrize("name", manual.KEYED)
def test_950_22_ranges(httpd, name):
    """What a range says is good is taken, and what is just outside of it is an error."""
    tried = 0
    for key, text in ENTRIES[name].keys.items():
        good, bad = bounds(manual.key_facts(text)[0])
        for value in good + bad:
            httpd.conf.body = lines_with(name, key, value)
            status, said = httpd.configtest()
            assert (status == 0) == (value in good), f"{name} {key}={value}: {said}"
            tried += 1
    assert tried >= 2 * len(ENTRIES[name].keys) - 8


# -- defaults ------------------------------------------------------------------------------------------------


def preset(field):
    """What the shim sets a field of a farm to, before its lines are read; nothing: 0."""
    found = re.findall(rf"\bfarm->{field} = (.+);", function("farm_directives.c", "farm_section"))
    value, = found or ["0"]
    milliseconds = re.fullmatch(r"apr_time_from_msec\((\d+)\)", value)
    return int(milliseconds[1]) / 1000 if milliseconds else int(re.sub(r"apr_time_from_sec\((\d+)\)", r"\1", value))


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)([a-z]*)", text).groups()
    return int(number) * {"": 1, "ms": 0.001, "s": 1, "min": 60, "h": 3600}[unit]


def test_950_30_defaults_of_farmset():
    """Each default of FarmSet is what the code begins with."""
    code = function("farm_directives.c", "farm_set_one")
    for key, text in ENTRIES["FarmSet"].keys.items():
        default = manual.key_facts(text)[1].strip("`")
        branch = re.search(rf'strcasecmp\(key, "{key}"\)\) {{(.*?)^    }}', code, re.M | re.S)[1]
        if words := re.search(r'farm_word\(value, "([\w-]+)", "([\w-]+)", &farm->(\w+)\)', branch):
            assert default == words[1 + preset(words[3])], key
        elif key == "samesite":
            assert f'farm->samesite = "{default.title()}";' in function("farm_directives.c", "farm_section")
        elif field := re.search(r"&farm->(\w+)\)", branch):
            assert seconds(default) == preset(field[1]), key
        else:
            assert (key, default) == ("failonstatus", "none") and preset("fail_on_status") == 0


def test_950_31_defaults_that_the_status_tells(httpd):
    """A member, a farm and a server of which nothing is said are what the manual says they are."""
    member = httpd.member("a")
    httpd.conf.add("<Farm app>", f"FarmMember {member.url}", "</Farm>").proxy("/app/", "http://app/")
    httpd.start()
    assert httpd.get("/app/x").status == 200
    status = httpd.status()
    farm = status["farms"][0]
    row = farm["members"][0]
    facts = {key: manual.key_facts(text)[1].strip("`") for key, text in ENTRIES["FarmMember"].keys.items()}
    assert [str(row[key]) for key in ("weight", "tier", "admin", "max_inflight")] == [
        facts["weight"], facts["tier"], facts["admin"], facts["maxinflight"]]
    assert facts["name"] == "the URL's host:port" and row["name"] == member.address
    assert ENTRIES["FarmAlgorithm"].cells["Default"] == f"`FarmAlgorithm {farm['algorithm']}`"
    assert ENTRIES["FarmLocks"].cells["Default"] == f"`FarmLocks {status['module']['locks']}`"


def test_950_32_defaults_of_directives(httpd):
    """A default that is a line is accepted as one, and is what the code begins with."""
    code = function("farm_directives.c", "farm_section") + (SHIM / "farm_directives.c").read_text()
    for name, entry in ENTRIES.items():
        default = entry.cells["Default"]
        assert default.startswith((f"`{name} ", "none", "see the keys", "the mean")), default
        if default.startswith("`"):
            line = default.strip("`")
            inside = "inside" in entry.cells["Context"]
            httpd.conf.body = ["<Farm app>", "FarmMember http://127.0.0.1:1/", line, "</Farm>"] if inside else [line]
            status, said = httpd.configtest()
            assert status == 0, said
    cookie, = re.findall(r'conf->cookie = "(\w+)";', code)
    assert ENTRIES["FarmCookie"].cells["Default"] == f"`FarmCookie {cookie}`"
    # Of these nothing is set before a line is read, and nothing means off.
    begun = function("farm_directives.c", "farm_section")
    assert not re.findall(r"farm->(expect|takes_reports|sticky_cookie|sets_cookie) =", begun)
    for name in ("FarmExpectUpdate", "FarmReport", "FarmSticky"):
        assert ENTRIES[name].cells["Default"] == f"`{name} off`"


def test_950_33_defaults_of_farmtable():
    """The capacities without FarmTable are those of the code."""
    code = (SHIM / "farm_tables.c").read_text()
    for key, text in ENTRIES["FarmTable"].keys.items():
        least = re.fullmatch(r"what is configured and a quarter more, at least `(\d+)`", manual.key_facts(text)[1])[1]
        found = re.search(rf"conf->table_{key}\b[^;]*?with_room\(.*?, (\d+)\);", code, re.S)
        assert found and found[1] == least, key
    assert "count + (count + 3) / 4" in code


# -- what the status and the environment hold ----------------------------------------------------------------


def test_950_40_keys_of_the_status(httpd):
    """Every key of the JSON, and every family of OpenMetrics, stands in the manual's tables, and none that is not there."""
    httpd.farm(httpd.member("a"))
    httpd.start()
    parts = {title: text for title, text in manual.sections(manual.topic("Handlers"), 4)}
    tables = re.split(r"^Of (?:the|a) (module|farm|member):$", parts["JSON"], flags=re.M)
    told = {name: set(manual.table_keys(text)) for name, text in zip(tables[1::2], tables[2::2])}
    status = httpd.status()
    farm = status["farms"][0]
    assert {"module": set(status["module"]), "farm": set(farm), "member": set(farm["members"][0])} == told
    counted = set(re.findall(r"`(\w+)`", parts["JSON"].rsplit("`cookies` counts", 1)[1].split("`ip`")[0]))
    assert counted == set(status["cookies"])
    said = httpd.get(f"{httpd.conf.status_location}?format=openmetrics").body.decode()
    families = set(re.findall(r"^# TYPE (\w+)", said, re.M))
    assert {re.sub("_(total|info)$", "", name) for name in manual.table_keys(parts["OpenMetrics"])} == families


def test_950_41_environment():
    """The variables of the table are those that the shim sets."""
    told = set(re.findall(r"^\| `(\w+)` \|", manual.topic("Environment variables"), re.M))
    code = "".join(path.read_text() for path in SHIM.glob("*.c"))
    set_by = set(re.findall(r'apr_table_setn?\((?:env|r->subprocess_env), "(\w+)"', code))
    assert told == set_by


# -- links and numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", manual.LINKED, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_950_50_links(path):
    """No link of any document leads to a file or a heading that is not there."""
    assert not manual.dead_links(path)


def test_950_51_documents_that_code_names():
    """A document that a comment, a message or a script names is there."""
    files = [path for folder in ("Sources", "CShim", "Tests", "scripts", "clients", "apache-conf", "Benchmarks")
             for path in (REPOSITORY / folder).glob("**/*") if path.is_file()]
    named = {(path, name) for path in files
             for name in re.findall(r"\bdocs/[\w/-]+\.md\b", path.read_text(errors="replace"))}
    assert named
    gone = [f"{path.relative_to(REPOSITORY)}: {name}" for path, name in named if not (REPOSITORY / name).exists()]
    assert not gone, gone


LEVELS = {"EMERG": "emerg", "CRIT": "crit", "ERR": "error", "WARNING": "warn", "NOTICE": "notice", "INFO": "info"}
SWIFT_LEVELS = {"ERROR": "error", "WARNING": "warn", "NOTICE": "notice", "INFO": "info"}


def numbers_of_code():
    """(number, level, file) of every line that the module may write."""
    found = []
    for path in sorted(SHIM.glob("*.c")):
        for level, number in re.findall(r"APLOG_MARK, APLOG_(\w+)[^;]*?\"(FARM\d{5}):", path.read_text()):
            found.append((number, LEVELS[level], path.name))
    for path in sorted((REPOSITORY / "Sources").glob("**/*.swift")):
        # A line of two numbers, as in (.notice, isDown ? 107 : 108), is two lines.
        for level, numbers in re.findall(r"\bline\(\s*FARM_LOG_(\w+), ([^)]*?)\)", path.read_text()):
            found += [(f"FARM{int(number):05}", SWIFT_LEVELS[level], path.name) for number in re.findall(r"\b\d+\b", numbers)]
    return found


def test_950_52_log_numbers():
    """docs/log-numbers.md has every number of the code with its level and file, a paragraph for each, and no other."""
    text = (manual.DOCS / "log-numbers.md").read_text()
    rows = re.findall(r"^\| (FARM\d{5}) \| (\w+) \| (?:\S+/)?([\w.]+)(?:, \w+)? \|$", text, re.M)
    code = numbers_of_code()
    assert sorted(set(code)) == sorted(rows)
    assert len({number for number, *_ in code}) == len(rows), "a number has two levels or files"
    assert re.findall(r"^\*\*(FARM\d{5})\*\*", text, re.M) == [number for number, *_ in rows]
    everywhere = "".join(path.read_text() for path in manual.LINKED)
    assert set(re.findall(r"\bFARM\d{5}\b", everywhere)) <= {number for number, *_ in rows}
