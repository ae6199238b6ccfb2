"""Right and wrong lines of what concerns metrics: FarmLoad, FarmExpectUpdate, FarmReport, FarmTable, two algorithms."""

import re

import pytest

from farmhttpd.badconf import check_accepted, check_refused

MEMBER = "FarmMember http://127.0.0.1:8001"


def in_farm(line):
    return f"<Farm app>\n{MEMBER}\n{line}\n</Farm>"


def check_wrong(httpd, text, *remedies):
    """Refused for what is written, not because nobody knows the word."""
    said = check_refused(httpd, text, *remedies)
    assert not re.search("Invalid command|no directive|knows no|belongs", said), said


def load(formula):
    return in_farm(f'! FarmLoad "{formula}"')


def at(column):
    return rf"column {column}\b"


BAD_LOADS = {
    "no formula": (in_farm("! FarmLoad"), "FarmLoad"),
    "two words without quotes": (in_farm("! FarmLoad cpu + mem"), ""),
    "empty": (load(""), "FarmLoad"),
    "blank": (load("  "), "column"),
    "ends after an operator": (load("cpu +"), "column"),
    "begins with an operator": (load("* cpu"), at(1)),
    "unknown character": (load("cpu $ 2"), at(5)),
    "two operands": (load("cpu mem"), at(5)),
    "number after a name": (load("cpu 2"), at(5)),
    "two operators": (load("cpu * / mem"), at(7)),
    "not closed": (load("2 * (cpu"), "column"),
    "closed too often": (load("cpu)"), at(4)),
    "empty parentheses": (load("()"), at(2)),
    "comma outside of a function": (load("cpu, mem"), at(4)),
    "function of one": (load("min(cpu)"), at(8)),
    "function of three": (load("max(a, b, c)"), at(9)),
    "function of nothing": (load("min()"), at(5)),
    "function not closed": (load("min(a, b"), "column"),
    "unknown function": (load("avg(a, b)"), r"column [14]\b"),
    "number with two points": (load("1.2.3"), "column"),
    "number with a tail": (load("2x"), "column"),
    "hexadecimal": (load("0x10"), "column"),
    "a point": (load("cpu + ."), at(7)),
    "number without an exponent": (load("1e"), "column"),
    "number beyond any": (load("cpu + 1e999"), at(7)),
    "name of 33 characters": (load("x" * 33), "column"),
    "name with an umlaut": (load("cpü"), at(3)),
    "name with a minus sign at its end": (load("cpu-"), "column"),
    "percent": (load("cpu % 2"), at(5)),
    "power": (load("cpu ^ 2"), at(5)),
    "comparison": (load("cpu < 2"), at(5)),
    "expression of httpd": (load("%{REMOTE_ADDR}"), at(1)),
}

BAD_LINES = {
    "expect: no time": (in_farm("! FarmExpectUpdate"), ""),
    "expect: no number": (in_farm("! FarmExpectUpdate soon"), "off"),
    "expect: negative": (in_farm("! FarmExpectUpdate -1"), "FarmExpectUpdate"),
    "expect: unknown unit": (in_farm("! FarmExpectUpdate 5parsecs"), "FarmExpectUpdate"),
    "expect: unknown word": (in_farm("! FarmExpectUpdate 10s wibble"), "out.*ignore"),
    "expect: three words": (in_farm("! FarmExpectUpdate 10s out ignore"), ""),
    "expect: on": (in_farm("! FarmExpectUpdate on"), "off"),
    "report: no word": (in_farm("! FarmReport"), ""),
    "report: unknown word": (in_farm("! FarmReport maybe"), "on.*off"),
    "report: two words": (in_farm("! FarmReport on off"), "FarmReport"),
    "hash: no expression": (in_farm("! FarmAlgorithm hash"), "expression"),
    "hash: not closed": (in_farm('! FarmAlgorithm hash "%{REMOTE_ADDR"'), "expression"),
    "hash: unknown variable": (in_farm('! FarmAlgorithm hash "%{WIBBLE}"'), "expression"),
    "hash: unknown function": (in_farm('! FarmAlgorithm hash "%{wibble:x}"'), "expression"),
    "hash: two expressions": (in_farm("! FarmAlgorithm hash a b"), ""),
    "load: an operand": (in_farm("! FarmAlgorithm load cpu"), "load"),
    "adaptive: an operand": (in_farm('! FarmAlgorithm adaptive "%{REMOTE_ADDR}"'), "adaptive"),
    "table: zero": ("! FarmTable metrics=0", "metrics.*1024"),
    "table: one too many": ("! FarmTable metrics=1025", "metrics.*1024"),
    "table: beyond any": ("! FarmTable metrics=99999999999999999999", "metrics"),
    "table: negative": ("! FarmTable metrics=-1", "metrics"),
    "table: no number": ("! FarmTable metrics=many", "metrics"),
    "table: a tail": ("! FarmTable metrics=16k", "metrics"),
    "table: empty": ("! FarmTable metrics=", "metrics"),
}

F_ONLY = ["FarmLoad cpu", "FarmExpectUpdate 10s", "FarmReport on", "FarmAlgorithm load",
          'FarmAlgorithm hash "%{REMOTE_ADDR}"']


@pytest.mark.parametrize("text, remedy", BAD_LOADS.values(), ids=BAD_LOADS.keys())
def test_013_01_wrong_formula(httpd, text, remedy):
    """Contract: FarmLoad: "arithmetic over metric names: `+ - * /`, parentheses, numbers, `min(a,b)`, `max(a,b)`";
    "Every error stops `apachectl configtest` with the file, the line and what to write instead": for a formula, the
    column too."""
    check_wrong(httpd, text, "FarmLoad", remedy)


@pytest.mark.parametrize("formula", [
    "cpu", "_", "a.b_c.D9", "x" * 32, "  cpu  ", "cpu+mem", "cpu - mem", "cpu*2/mem", "(cpu + 2*mem) / 3", "((((cpu))))",
    "min(cpu, mem)", "max(a,min(b,c))", "max( 0.5 , cpu )", "min(a + b, (c))", ".5*cpu", "1e3*cpu", "1.5E-3 * cpu", "0 - cpu",
    "-cpu", "cpu * -2", "nan + inf", "minimum", "1",
])
def test_013_02_right_formula(httpd, formula):
    """Contract: FarmLoad's arithmetic; "a metric's [name matches] `[A-Za-z_][A-Za-z0-9_.]{0,31}`"."""
    check_accepted(httpd, in_farm(f'FarmLoad "{formula}"'))


@pytest.mark.parametrize("formula", ["(" * 5000 + "a" + ")" * 5000, "-" * 5000 + "a", "min(" * 2000, "a" + "+a" * 3000,
                                     "(" * 7000], ids=["deep", "minus", "min", "long", "open"])
def test_013_03_monstrous_formula(httpd, formula):
    """Contract: "Every error stops `apachectl configtest`": deep and long formulas are taken or refused with words, and
    nothing crashes."""
    httpd.conf.add(in_farm(f'FarmLoad "{formula}"'))
    status, said = httpd.configtest()
    assert status in (0, 1), (status, said[-500:])
    assert status == 0 or "column" in said, said[:200] + " … " + said[-200:]


@pytest.mark.parametrize("text, remedy", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_013_04_wrong_line(httpd, text, remedy):
    """Contract: "Every error stops `apachectl configtest` with the file, the line and what to write instead"."""
    check_wrong(httpd, text, remedy)


@pytest.mark.parametrize("line", [
    "FarmExpectUpdate 10s", "FarmExpectUpdate 500ms", "FarmExpectUpdate 5min", "FarmExpectUpdate 30", "FarmExpectUpdate off",
    "FarmExpectUpdate 10s out", "FarmExpectUpdate 10s ignore", "FarmReport on", "FarmReport off", "FarmAlgorithm load",
    'FarmAlgorithm hash "%{REMOTE_ADDR}"', 'FarmAlgorithm hash "%{HTTP:X-Key}/%{REQUEST_URI}"',
    'FarmAlgorithm hash "%{tolower:%{HTTP:X-Key}}"', "FarmAlgorithm hash constant",
])
def test_013_05_right_line(httpd, line):
    """Contract: FarmExpectUpdate, FarmReport, and the algorithms `load` and `hash EXPR`, as documented."""
    check_accepted(httpd, in_farm(line))


@pytest.mark.parametrize("line", F_ONLY)
def test_013_06_outside_a_farm(httpd, line):
    """Contract: "those marked F only inside `<Farm>`"."""
    check_refused(httpd, f"! {line}", "belongs between <Farm")


@pytest.mark.parametrize("line", [*F_ONLY, "FarmTable metrics=3"])
def test_013_07_in_a_virtual_host(httpd, line):
    """Contract: "Server config context; … none in `<VirtualHost>` or .htaccess"."""
    check_refused(httpd, f"<VirtualHost *:80>\n! {line}\n</VirtualHost>", "belongs in|belongs between <Farm")


@pytest.mark.parametrize("words", ["metrics=1", "metrics=16", "metrics=1024", "members=5 farms=2 metrics=3"])
def test_013_08_right_table(httpd, words):
    """Contract: "`FarmTable members=N farms=N metrics=N` … capacity of the shared-memory tables"."""
    check_accepted(httpd, f"FarmTable {words}\n{in_farm('FarmLoad cpu')}")


def test_013_09_more_names_than_the_table_holds(httpd):
    """Contract: FarmTable `metrics=N`: "capacity of the shared-memory tables"; the names in formulas need room, so too
    little of it is an error with "what to write instead"."""
    httpd.conf.add("FarmTable metrics=2", in_farm('FarmLoad "cpu + mem * disk"'))
    status, said = httpd.configtest()
    assert status != 0, said
    assert "httpd.conf" in said and "FarmTable" in said and "metrics=" in said and "3" in said, said


def test_013_10_names_are_counted_once(httpd):
    """Contract: `metrics=N` counts names: the same name in several formulas, or twice in one, needs room once."""
    farms = "\n".join(f"<Farm f{n}>\n{MEMBER}\nFarmLoad \"cpu + mem / cpu\"\n</Farm>" for n in range(4))
    check_accepted(httpd, f"FarmTable metrics=2\n{farms}")


def test_013_11_room_without_a_table(httpd):
    """Contract: FarmTable's default: "as configured + 25 %, at least … 16": many names in formulas need no FarmTable."""
    check_accepted(httpd, in_farm(f'FarmLoad "{"+".join(f"m{n}" for n in range(200))}"'))


def test_013_12_more_names_than_can_be(httpd):
    """Contract: "with the file, the line and what to write instead": a configuration that wants more than the 1024 names
    that can be is refused with words."""
    farms = "\n".join(f'<Farm f{n}>\n{MEMBER}\nFarmLoad "{"+".join(f"m{n}_{k}" for k in range(100))}"\n</Farm>'
                      for n in range(11))
    httpd.conf.add(farms)
    status, said = httpd.configtest()
    assert status != 0 and "metric" in said and "1024" in said, said[-500:]
