"""Wrong farms: the contract, "Every error stops `apachectl configtest` with the file, the line and what to write
instead"."""

import pytest

from farmhttpd.badconf import check_accepted, check_refused

MEMBER = "FarmMember http://127.0.0.1:8001"

FARM_NAME = r"A-Za-z0-9_-|letters, digits, '_' and '-'"

BAD_SECTIONS = {
    "farm without a name": ("! <Farm>\n</Farm>", "name"),
    "farm name with a dot": ("! <Farm app.one>\n</Farm>", FARM_NAME),
    "farm name with a colon": ("! <Farm app:80>\n</Farm>", FARM_NAME),
    "farm name with a slash": ("! <Farm http://app>\n</Farm>", FARM_NAME),
    "farm name with an umlaut": ("! <Farm äpp>\n</Farm>", FARM_NAME),
    "farm name of 64 characters": (f"! <Farm {'x' * 64}>\n</Farm>", "63"),
    "farm with two names": ("! <Farm app two>\n</Farm>", "name"),
    "farm defined twice": (f"<Farm app>\n{MEMBER}\n</Farm>\n! <Farm app>\n{MEMBER}\n</Farm>", "app"),
    "farm defined twice in other letters": (f"<Farm app>\n{MEMBER}\n</Farm>\n! <Farm APP>\n{MEMBER}\n</Farm>", "app"),
    "farm inside a farm": ("<Farm app>\n! <Farm inner>\n</Farm>\n</Farm>", ""),
    "farm in a virtual host": ("<VirtualHost *:80>\n! <Farm app>\n</Farm>\n</VirtualHost>", ""),
    "farm in a location": ("<Location />\n! <Farm app>\n</Farm>\n</Location>", ""),
    "farm in a directory": ("<Directory />\n! <Farm app>\n</Farm>\n</Directory>", ""),
    "unknown directive in a farm": ("<Farm app>\n! FarmWibble on\n</Farm>", "FarmWibble"),
    "algorithm unknown": ("<Farm app>\n! FarmAlgorithm wibble\n</Farm>", "roundrobin.*random.*busyness.*traffic"),
    "algorithm without a name": ("<Farm app>\n! FarmAlgorithm\n</Farm>", ""),
    "algorithm with an operand": ("<Farm app>\n! FarmAlgorithm random 7\n</Farm>", ""),
    "locks unknown": ("! FarmLocks wibble", r"engine.*farm.*row"),
    "locks without a word": ("! FarmLocks", ""),
    "locks in a farm": ("<Farm app>\n! FarmLocks row\n</Farm>", ""),
    "table key unknown": ("! FarmTable wibble=3", "members.*farms"),
    "table without a key": ("! FarmTable 3", "members.*farms"),
    "table empty": ("! FarmTable", ""),
    "table number no number": ("! FarmTable members=many", "members"),
    "table number negative": ("! FarmTable members=-1", "members"),
    "table number zero": ("! FarmTable members=0", "members"),
    "table number with a tail": ("! FarmTable members=16k", "members"),
    "table number too large": ("! FarmTable members=99999999999999999999", "members"),
    "table in a farm": ("<Farm app>\n! FarmTable members=3\n</Farm>", ""),
}

F_ONLY = ["FarmMember http://127.0.0.1:8001", "FarmAlgorithm random", "FarmSet fall=2", "FarmRedirect down http://x.test/",
          "FarmForward down http://x.test/", "FarmSticky off", "FarmSticky cookie", "FarmSticky cookie NAME"]


@pytest.mark.parametrize("text, remedy", BAD_SECTIONS.values(), ids=BAD_SECTIONS.keys())
def test_010_01_wrong_section(httpd, text, remedy):
    """Contract: "Every error stops `apachectl configtest` with the file, the line and what to write instead"."""
    check_refused(httpd, text, remedy)


@pytest.mark.parametrize("line", F_ONLY)
def test_010_02_outside_a_farm(httpd, line):
    """Contract: "those marked F only inside `<Farm>`"."""
    check_refused(httpd, f"! {line}", "<Farm")


@pytest.mark.parametrize("line", [*F_ONLY, "FarmLocks row", "FarmTable members=3", "FarmCookie farm", "FarmSecretFile x"])
def test_010_03_in_a_virtual_host(httpd, line):
    """Contract: "Server config context; … none in `<VirtualHost>` or .htaccess"."""
    check_refused(httpd, f"<VirtualHost *:80>\n! {line}\n</VirtualHost>")


@pytest.mark.parametrize("line", [*F_ONLY, "FarmLocks row", "<Farm app>\n</Farm>", "FarmCookie farm", "FarmSecretFile x"])
def test_010_04_in_htaccess(httpd, line):
    """Contract: "none in `<VirtualHost>` or .htaccess"."""
    a = httpd.member("a")
    httpd.farm(a)
    (httpd.root / "htdocs" / ".htaccess").write_text(line + "\n")
    httpd.log.expect(r"\.htaccess: .*(not allowed here|only)")
    httpd.start()
    assert httpd.get("/index.html").status == 500
    assert httpd.log.lines(r"\.htaccess")
    assert httpd.get("/app/x").status == 200


@pytest.mark.parametrize("line", ["FarmSecretFile nosuch", "FarmCookie farm"])
def test_010_05_server_config_only(httpd, line):
    """Contract: those not marked F are of the server config: not inside a `<Farm>`, where the message says where to write
    them."""
    check_refused(httpd, f"<Farm app>\n! {line}\n</Farm>", line.split()[0])


def test_010_06_unknown_word(httpd):
    """What an httpd administrator expects: nothing that the module does not know is accepted and ignored."""
    check_refused(httpd, "<Farm app>\n! FarmSticky session NAME\n</Farm>", "cookie.*route")


def test_010_07_more_members_than_the_table_holds(httpd):
    """Contract: "more members than FarmTable allows"; Contract: "what to write instead"."""
    members = "\n".join(f"FarmMember http://127.0.0.1:{8001 + n}" for n in range(3))
    httpd.conf.add("FarmTable members=2", "<Farm app>", *members.splitlines(), "</Farm>")
    status, said = httpd.configtest()
    assert status != 0, said
    assert "httpd.conf" in said and "FarmTable members=" in said and "3" in said, said


def test_010_08_more_farms_than_the_table_holds(httpd):
    """Contract: "`FarmTable members=N farms=N metrics=N` … capacity of the shared-memory tables"."""
    httpd.conf.add("FarmTable farms=1", *[f"<Farm f{n}>\n{MEMBER}\n</Farm>" for n in range(2)])
    status, said = httpd.configtest()
    assert status != 0, said
    assert "httpd.conf" in said and "FarmTable" in said and "farms=" in said, said


def test_010_09_table_that_fits_exactly(httpd):
    """Contract: FarmTable's numbers are capacities: a configuration of exactly that size is right."""
    check_accepted(httpd, "FarmTable members=3 farms=1\n<Farm app>\n"
                   + "\n".join(f"FarmMember http://127.0.0.1:{8001 + n}" for n in range(3)) + "\n</Farm>")


def test_010_10_longest_and_oddest_right_names(httpd):
    """Contract: "A farm's name matches [A-Za-z0-9_-]{1,63}, a member's [A-Za-z0-9_.:-]{1,63}"."""
    check_accepted(httpd, f"<Farm {'x' * 63}>\n{MEMBER} name={'y' * 63}\n</Farm>\n"
                   f"<Farm -_0>\n{MEMBER} name=a.b:c-d_E\n</Farm>")


def test_010_11_words_without_regard_to_case(httpd):
    """What an httpd administrator expects: directive names have no case; times take httpd's units."""
    check_accepted(httpd, "<farm app>\nfarmmember http://127.0.0.1:1\nFARMSET retry=500ms\nFarmSet retry=5min\n</farm>")


def test_010_12_inside_if_sections(httpd):
    """What an httpd administrator expects: <IfModule> and <IfDefine> around and inside of <Farm>."""
    check_accepted(httpd, f"<IfModule proxy_farm_module>\n<Farm app>\n<IfModule !nosuch.c>\n{MEMBER}\n</IfModule>\n"
                   "</Farm>\n</IfModule>")


def test_010_13_directives_after_the_farm_and_before(httpd):
    """Design: checks that need the whole configuration run at its end, so FarmTable may stand anywhere."""
    httpd.conf.add("<Farm app>", MEMBER, "FarmMember http://127.0.0.1:8002", "</Farm>", "FarmTable members=1")
    status, said = httpd.configtest()
    assert status != 0 and "FarmTable" in said, said
