"""<Proxy> sections: those of the farm or server that serves a request hold, also when the request was moved there."""

import base64
import gzip
import hashlib
import ssl

import pytest

from farmhttpd import client
from farmhttpd.instructions import ask, counting, instruction, secret_file
from farmhttpd.members import TlsMember, answer, close_after_request, never
from farmhttpd.tls import make_certificate, server_context

DENIED = r"AH01630|AH01797"
REFUSED_USER = r"AH01617|AH01618|AH01630"
NOBODY = "FarmMember http://127.0.0.1:1 name=nobody admin=off"


def section(url, *lines, kind="Proxy"):
    return [f'<{kind} "{url}">', *lines, f"</{kind}>"]


def token(farm):
    return f'RequestHeader set X-Token "of-{farm}"'


def house(httpd, guard, to="http://internal/", server=""):
    """Farm app serves, farm internal has this guard, and farm tired forwards."""
    a, i = httpd.member("a"), httpd.member("i")
    secret_file(httpd)
    httpd.conf.farm("app", a).farm("internal", i).farm("tired", NOBODY, f"FarmForward any {to}").one_process()
    httpd.conf.add(*section("http://app/", token("app")), *section("http://tired/", token("tired")),
                   *section(server or "http://internal/", *guard))
    for name in ("internal", "tired", "app"):
        httpd.conf.proxy(f"/{name}/", f"http://{name}/")
    return a, i


def to(farm="internal", **fields):
    return instruction(farm="app", to=farm, **fields)


# How a request comes to farm internal: directly, by an instruction, by a forward.
WAYS = {"direct": ("/internal/x", None), "to": ("/app/x", "to"), "forward": ("/tired/x", None)}


def come(httpd, way, **arguments):
    target, cookie = WAYS[way]
    return ask(httpd, to() if cookie else None, target, **arguments)


@pytest.mark.both_mpms
def test_180_01_require_holds_on_every_way(httpd):
    """Contract: "when a request is moved … those of the farm that serves it hold": 403, and nothing is sent."""
    _, i = house(httpd, ["Require ip 10.1.2.3"])
    httpd.log.expect(DENIED)
    httpd.start()
    for way in WAYS:
        assert come(httpd, way).status == 403, way
    assert come(httpd, "forward", method="POST", body=b"x" * 1000).status == 403
    assert i.connections == 0
    assert ask(httpd, None, "/app/x").status == 200


def test_180_02_request_headers_are_the_serving_farms(httpd):
    """Contract: "everything of that farm holds and nothing of the first"; of a forward the "request's headers are put back as they
    were before fixups", and "RequestHeader and the proxy's own settings hold"."""
    _, i = house(httpd, ['RequestHeader set X-Internal "yes"', "ProxyPreserveHost on", 'RequestHeader append X-List "mine"'])
    httpd.conf.add('<Location "/">', 'RequestHeader set X-Place "%{FARM_PLACE}e"', "SetEnv FARM_PLACE here",
                   'Header set X-Answer "of-location"', "</Location>")
    httpd.start()
    for way in WAYS:
        answer = come(httpd, way, headers={"X-List": "client", "X-Own": "1"}, host="public.test")
        assert answer.status == 200 and answer.member == "i", way
        seen = i.requests[-1]
        assert seen.header("X-Token") is None, way
        assert (seen.header("X-Internal"), seen.header("X-Own"), seen.header("Host")) == ("yes", "1", "public.test"), way
        assert [v for k, v in seen.headers if k.lower() == "x-list"] == ["client, mine"], way
        assert seen.header("X-Place") == "here" and answer.get("X-Answer") == "of-location", way
        assert not (seen.header("Cookie") or ""), way


def test_180_03_forward_to_a_server(httpd):
    """Contract: the same "for a FarmForward to a server": `<Proxy "http://SERVER/">` refuses, or makes the headers."""
    server = httpd.member("server")
    house(httpd, ["Require all denied"], to=server.url, server=f"{server.url}/")
    httpd.log.expect(DENIED)
    httpd.start()
    assert httpd.get("/tired/x").status == 403
    assert server.connections == 0


def test_180_04_headers_of_a_forward_to_a_server(httpd):
    """Contract: as before, with a server that may be had; what hides instruction cookies hides them here too."""
    server = httpd.member("server")
    house(httpd, ['RequestHeader set X-Server "yes"'], to=server.url, server=f"{server.url}/")
    httpd.start()
    cookie = f"a=1; {instruction(farm='tired', member='nobody')}; b=2"
    assert ask(httpd, cookie, "/tired/x").member == "server"
    seen = server.requests[-1]
    assert (seen.header("X-Server"), seen.header("X-Token"), seen.header("Cookie")) == ("yes", None, "a=1; b=2")


def test_180_05_forward_after_attempts(httpd):
    """Contract: the same where the attempts were used up before; a body that was read is sent again with its own length."""
    a, i = house(httpd, ['RequestHeader set X-Internal "yes"'])
    httpd.conf.farm("tired", a, "FarmForward any http://internal/", "FarmSet fall=1 maxattempts=1")
    httpd.log.expect_broken()
    httpd.start()
    a.next(close_after_request)
    answer = httpd.get("/tired/x", method="PUT", body=b"abc", headers={"X-Own": "1"})
    assert answer.member == "i" and a.requests[-1].header("X-Token") == "of-tired"
    seen = i.requests[-1]
    assert (seen.body, seen.header("X-Token"), seen.header("X-Internal"), seen.header("X-Own")) == (b"abc", None, "yes", "1")
    assert seen.header("Content-Length") == "3"


def test_180_06_chain_of_forwards(httpd):
    """Contract: after several forwards the sections of the last hold, and those between are asked on the way."""
    _, i = house(httpd, ['RequestHeader append X-Way "internal"'])
    httpd.conf.farm("first", NOBODY, "FarmForward any http://second/").farm("second", NOBODY, "FarmForward any http://internal/")
    httpd.conf.farm("shut", NOBODY, "FarmForward any http://denied/").farm("denied", NOBODY, "FarmForward any http://internal/")
    httpd.conf.add(*section("http://first/", 'RequestHeader append X-Way "first"'),
                   *section("http://second/", 'RequestHeader append X-Way "second"'),
                   *section("http://denied/", "Require all denied"))
    httpd.conf.proxy("/first/", "http://first/").proxy("/shut/", "http://shut/")
    httpd.log.expect(DENIED)
    httpd.start()
    assert httpd.get("/first/x", headers={"X-Way": "client"}).member == "i"
    assert i.requests[-1].header("X-Way") == "client, internal"
    assert httpd.get("/shut/x").status == 403
    assert i.count == 1


def users(httpd):
    """What lets in one user, bob, of the password pw."""
    httpd.conf.load("auth_basic", "authn_file", "authz_user")
    digest = base64.b64encode(hashlib.sha1(b"pw").digest()).decode()
    (httpd.root / "users").write_text(f"bob:{{SHA}}{digest}\n")
    return ["AuthType Basic", 'AuthName "inside"', f'AuthUserFile "{httpd.root}/users"', "Require valid-user"]


def basic(name, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def test_180_07_authentication(httpd):
    """Contract: "access is asked as httpd would (401, 403)"."""
    _, i = house(httpd, users(httpd))
    httpd.log.expect(REFUSED_USER)
    httpd.start()
    for way in WAYS:
        answer = come(httpd, way)
        assert (answer.status, answer.get("WWW-Authenticate")) == (401, 'Basic realm="inside"'), way
        assert come(httpd, way, headers=basic("bob", "wrong")).status == 401, way
        assert i.count == 0, way
        answer = come(httpd, way, headers=basic("bob", "pw"))
        assert (answer.status, answer.member) == (200, "i"), way
        i.forget()


@pytest.mark.parametrize("satisfy, status", [("All", 403), ("Any", 200)])
def test_180_08_satisfy(httpd, satisfy, status):
    """Contract: as httpd asks: also `Satisfy Any` with the older directives of mod_access_compat."""
    httpd.conf.load("access_compat")
    house(httpd, ["Order deny,allow", "Deny from all", f"Allow from {'127.0.0.1' if satisfy == 'Any' else '10.1.2.3'}",
                  f"Satisfy {satisfy}"])
    httpd.log.expect(DENIED)
    httpd.start()
    assert {way: come(httpd, way).status for way in WAYS} == {way: status for way in WAYS}


def test_180_09_fake_credentials(httpd):
    """Contract: "nothing of the first": the credentials that AuthBasicFake makes for one farm are not sent to another."""
    httpd.conf.load("auth_basic")
    _, i = house(httpd, ["AuthBasicFake internal secret"])
    httpd.conf.add(*section("http://tired/", "AuthBasicFake tired secret"), *section("http://app/", "AuthBasicFake app secret"))
    httpd.start()
    for way in WAYS:
        assert come(httpd, way).status == 200
        assert i.requests[-1].header("Authorization") == basic("internal", "secret")["Authorization"], way


def test_180_10_pattern_sections(httpd):
    """Contract: sections of every kind: <ProxyMatch> with a named group, a wildcard, <Proxy *>."""
    _, i = house(httpd, ['RequestHeader set X-Internal "yes"'])
    httpd.conf.add(*section("^http://(?<which>[a-z]+)/", 'RequestHeader set X-Which "%{MATCH_WHICH}e"', kind="ProxyMatch"),
                   *section("http://tir*", 'RequestHeader set X-Wild "tired"'), *section("http://int*", 'RequestHeader set X-Wild "internal"'),
                   *section("*", 'RequestHeader set X-All "yes"'))
    httpd.start()
    for way in WAYS:
        assert come(httpd, way).member == "i"
        seen = i.requests[-1]
        assert [seen.header(f"X-{name}") for name in ("Which", "Wild", "All")] == ["internal", "internal", "yes"], way


def test_180_11_names_and_schemes_as_they_are_mapped(httpd):
    """Contract: "those of the farm that serves it": the URL is that of the ProxyPass line to that farm, whatever letters and scheme
    it has, for sections compare letters."""
    a, i = httpd.member("a"), httpd.member("i")
    secret_file(httpd)
    httpd.conf.farm("app", a).farm("Internal", i).one_process()
    httpd.conf.add(*section("https://INTERNAL/", "Require all denied"))
    httpd.conf.proxy("/internal/", "https://INTERNAL/").proxy("/app/", "http://app/")
    httpd.log.expect(DENIED)
    httpd.start()
    assert httpd.get("/internal/x").status == 403
    assert ask(httpd, to()).status == 403
    assert i.connections == 0


def test_180_12_parameters_of_the_targets_line(httpd):
    """Contract: "everything of that farm holds": the parameters of its ProxyPass line too, also where `to` names it."""
    a, i = house(httpd, [])
    httpd.conf.body = [line for line in httpd.conf.body if not line.startswith('ProxyPass "/internal/"')]
    httpd.conf.proxy("/internal/", "http://internal/", "timeout=1").add("ProxyTimeout 25")
    httpd.log.expect_broken()
    httpd.start()
    i.always(never)
    for way in WAYS:
        target, cookie = WAYS[way]
        with client.Client(httpd.port) as impatient:
            impatient.connection.timeout = 12
            headers = {"Cookie": to()} if cookie else {}
            assert impatient.request(target, headers=headers).status in (502, 503, 504), way
            # The next way finds it up.
        i.always(answer())
        httpd.get("/internal/x")
        i.always(never)


def test_180_13_counted_once(httpd):
    """Contract: cookies are counted and logged when they steer a request: once for each, and not where a subrequest only looks
    (mod_include's fsize)."""
    _, i = house(httpd, [])
    httpd.conf.load("include").add('<Files "*.shtml">', "Options +Includes", "SetOutputFilter INCLUDES", "</Files>")
    (httpd.root / "htdocs" / "looks.shtml").write_text('<!--#fsize virtual="/app/x" -->')
    (httpd.root / "htdocs" / "has.shtml").write_text('<!--#include virtual="/app/x" -->')
    httpd.log.expect("AH01408|AH01364|AH0[0-9]*: unable to (get|include)|include:error")
    httpd.start()
    bad = to().replace("farm=v1.k1.", "farm=v1.k1.x", 1)
    with counting(httpd, accepted=1):
        assert ask(httpd, to()).member == "i"
    with counting(httpd, bad_mac=1):
        assert ask(httpd, bad).member == "a"
    with counting(httpd):
        assert ask(httpd, to(), "/looks.shtml").status == 200
    i.forget()
    with counting(httpd, accepted=1):
        assert b'"member": "i"' in ask(httpd, to(), "/has.shtml").body
    assert i.count == 1


def test_180_14_subrequest_that_becomes_the_request(httpd):
    """Contract: as before, where httpd makes the request of a subrequest (DirectoryIndex): the move, its count, the member that
    was named and the sections are those of the subrequest."""
    a, i, j = httpd.member("a"), httpd.member("i"), httpd.member("j")
    secret_file(httpd)
    httpd.conf.load("dir").farm("app", a).farm("internal", i, j, "FarmAlgorithm roundrobin").one_process()
    httpd.conf.add("DirectoryIndex index.php", *section("http://internal/", "ProxyPreserveHost on"),
                   'ProxyPassMatch "^/(.*\\.php)$" "http://app/$1"')
    httpd.start()
    assert (httpd.get("/").member, a.requests[-1].target) == ("a", "/index.php")
    with counting(httpd, accepted=3):
        assert [ask(httpd, to(member="j"), "/", host="public.test").member for _ in range(3)] == ["j"] * 3
    assert {(r.target, r.header("Host")) for r in j.requests} == {("/index.php", "public.test")}
    assert httpd.access("/index.php")[-1][3:6] == ["internal", "j", "instruction"]


def test_180_15_error_documents(httpd):
    """Contract: a page for the refusal is made as for any: of this server, or of a farm that the instruction leaves alone."""
    _, i = house(httpd, ["Require all denied"])
    (httpd.root / "htdocs" / "no.html").write_text("not for you")
    httpd.conf.add("ErrorDocument 403 /no.html")
    httpd.log.expect(DENIED)
    httpd.start()
    for way in WAYS:
        answer = come(httpd, way)
        assert (answer.status, answer.body) == (403, b"not for you"), way
    assert i.connections == 0


UNWALKED = {
    "SetHandler": '<Location "/way/">\nSetHandler "proxy:http://{0}/x"\n</Location>',
    "RewriteRule": '<Directory "{1}/htdocs/way">\nRewriteEngine On\nRewriteRule "^.*$" "http://{0}/x" [P]\n</Directory>',
}


@pytest.mark.parametrize("how", UNWALKED)
@pytest.mark.parametrize("way", ["direct", "to", "forward"])
def test_180_16_where_mod_proxy_walks_no_section(httpd, how, way):
    """Contract: "Where mod_proxy walks no section (SetHandler, per-directory rewrites), Require of a `<Proxy>` section of a farm is
    asked all the same, else none of its other settings hold"."""
    _, i = house(httpd, ['Require expr %{HTTP:X-Key} == "open"', 'RequestHeader set X-Internal "yes"'])
    (httpd.root / "htdocs" / "way").mkdir()
    httpd.conf.add(UNWALKED[how].format({"direct": "internal", "to": "app", "forward": "tired"}[way], httpd.root))
    httpd.log.expect(DENIED)
    httpd.start()
    cookie = to() if way == "to" else None
    assert ask(httpd, cookie, "/way/").status == 403
    assert i.connections == 0
    assert ask(httpd, cookie, "/way/", headers={"X-Key": "open"}).member == "i"
    assert i.requests[-1].header("X-Internal") is None


def test_180_17_a_cookie_that_a_section_sets(httpd):
    """Contract: instructions are followed as the request has them when it is served: one that RequestHeader sets moves it after
    the sections were chosen, and the sections of the farm that it goes to hold then."""
    _, i = house(httpd, ['Require expr %{HTTP:X-Key} == "open"', 'RequestHeader set X-Internal "yes"'])
    httpd.conf.add(*section("http://app/", f'RequestHeader set Cookie "{to()}"'))
    httpd.log.expect(DENIED)
    httpd.start()
    assert ask(httpd, None).status == 403
    assert ask(httpd, None, headers={"X-Key": "open"}).member == "i"
    assert (i.count, i.requests[-1].header("X-Internal")) == (1, "yes")


def test_180_18_encoded_body_of_a_forward(httpd):
    """Contract: a body that a filter decodes while it is read goes to the forward's target as it is then, with fitting headers."""
    a, i = house(httpd, ['RequestHeader set X-Internal "yes"'])
    httpd.conf.load("filter", "deflate").farm("tired", a, "FarmForward any http://internal/", "FarmSet fall=1 maxattempts=1")
    httpd.conf.add('<Location "/tired/">', "SetInputFilter DEFLATE", "</Location>")
    httpd.log.expect_broken()
    httpd.start()
    a.next(close_after_request)
    plain = b"hello " * 50
    answer = httpd.get("/tired/x", method="PUT", body=gzip.compress(plain), headers={"Content-Encoding": "gzip"})
    assert answer.member == "i"
    seen = i.requests[-1]
    assert (seen.body, seen.header("Content-Encoding"), seen.header("X-Internal")) == (plain, None, "yes")


@pytest.mark.parametrize("first", [True, False], ids=["both have Header", "only the second has"])
def test_180_19_headers_of_the_answer(httpd, first):
    """Contract: "everything of that farm holds and nothing of the first": `Header` too, for answers of its members and for pages of
    errors."""
    a, i = house(httpd, ['Header set X-Answer "of-internal"', 'Header always set X-Always "of-internal"'])
    if first:
        httpd.conf.add(*section("http://tired/", 'Header set X-Answer "of-tired"', 'Header set X-Tired "yes"'),
                       *section("http://app/", 'Header set X-Answer "of-app"', 'Header set X-Tired "yes"'))
    httpd.log.expect_broken()
    httpd.start()
    for way in WAYS:
        answer = come(httpd, way)
        assert (answer.all("X-Answer"), answer.all("X-Always"), answer.get("X-Tired")) == (["of-internal"], ["of-internal"], None), way
    i.always(close_after_request)
    for way in WAYS:
        answer = come(httpd, way, method="POST", body=b"x")
        assert answer.status >= 500 and answer.all("X-Always") == ["of-internal"], way


# -- TLS -------------------------------------------------------------------------------------------------------

TLS_TROUBLE = r"AH02039|AH00961|AH02004|AH02003|AH02411|ssl:error|AH01084|AH01097|AH02005|AH01961"


def impostor(httpd, certificate, tmp_path, forward="http://gold"):
    """Farm gold verifies its member, which has a certificate that nobody has signed."""
    httpd.conf.load("ssl").one_process()
    false = httpd.member("false", TlsMember, server_context(*make_certificate(tmp_path)))
    a = httpd.member("a")
    secret_file(httpd)
    (httpd.root / "ca.pem").write_bytes(certificate[0].read_bytes())
    httpd.conf.farm("app", a).farm("gold", false, "FarmSet fall=1000 maxattempts=1")
    httpd.conf.farm("tired", NOBODY, f"FarmForward any {forward or false.url}")
    httpd.conf.add("SSLProxyEngine on", "SSLProxyCheckPeerName off",
                   *section("http://gold/" if forward else f"{false.url}/", "SSLProxyVerify require",
                            f'SSLProxyCACertificateFile "{httpd.root}/ca.pem"'))
    for name in ("gold", "tired", "app"):
        httpd.conf.proxy(f"/{name}/", f"http://{name}/")
    httpd.log.expect_broken()
    httpd.log.expect(TLS_TROUBLE)
    return false


def test_180_20_members_are_verified_on_every_way(httpd, certificate, tmp_path):
    """Contract: "SSLProxy* … hold": a member whose certificate its farm's section refuses gets no request on any way."""
    false = impostor(httpd, certificate, tmp_path)
    httpd.start()
    for _ in range(2):
        assert httpd.get("/gold/x", headers=basic("bob", "pw")).status >= 500
        assert ask(httpd, to("gold"), headers=basic("bob", "pw")).status >= 500
        assert httpd.get("/tired/x", headers=basic("bob", "pw")).status >= 500
    assert false.count == 0


def test_180_21_a_server_is_verified(httpd, certificate, tmp_path):
    """Contract: the same for FarmForward to a server."""
    false = impostor(httpd, certificate, tmp_path, forward=None)
    httpd.start()
    for _ in range(2):
        assert httpd.get("/tired/x", headers=basic("bob", "pw")).status >= 500
    assert false.count == 0


# The lines and sections of one URL space: in both orders, as the sections stand, and by one line or two.
ORDERS = [(first, lines) for first in ("open", "shut") for lines in (1, 2)]


@pytest.mark.parametrize("first, lines", ORDERS)
def test_180_22_a_kept_connection_serves_its_settings_only(httpd, certificate, tmp_path, first, lines):
    """Contract: "there is one pool per member, virtual host, ProxyPass line and TLS settings in force": a connection that nobody
    verified is not used for a request that asks for it."""
    httpd.conf.load("ssl").one_process()
    false = httpd.member("false", TlsMember, server_context(*make_certificate(tmp_path)))
    (httpd.root / "ca.pem").write_bytes(certificate[0].read_bytes())
    httpd.conf.farm("gold", false, "FarmSet fall=1000 maxattempts=1")
    shut = section("http://gold/", "SSLProxyVerify require", f'SSLProxyCACertificateFile "{httpd.root}/ca.pem"')
    httpd.conf.add("SSLProxyEngine on", "SSLProxyCheckPeerName off", *shut, *section("http://gold/open/", "SSLProxyVerify none"))
    if lines == 2:
        httpd.conf.proxy("/open/", "http://gold/open/")
    httpd.conf.proxy("/", "http://gold/")
    httpd.log.expect_broken()
    httpd.log.expect(TLS_TROUBLE)
    httpd.start()
    for _ in range(3):
        for way in ("open", "shut") if first == "open" else ("shut", "open"):
            status = httpd.get("/open/x" if way == "open" else "/x", headers=basic("bob", "pw")).status
            assert status == 200 if way == "open" else status >= 500, way
    assert set(false.targets) == {"/open/x"} and false.count == 3
    assert false.connections <= 5


class KnowingMember(TlsMember):
    """Notes of each request whether its connection has shown a certificate."""

    def __init__(self, name, context, **options):
        super().__init__(name, context, **options)
        self.shown = []

    def act(self, behaviour, wire, request):
        self.shown.append((request.target.split("/")[1], bool(wire.sock.getpeercert())))
        return super().act(behaviour, wire, request)


@pytest.mark.parametrize("first, lines", [("admin", 1), ("admin", 2), ("public", 1), ("public", 2)])
def test_180_23_a_certificate_is_shown_for_its_own_requests(httpd, certificate, first, lines):
    """Contract: "neither SSLProxy* settings, client certificates nor timeouts leak from one to another"."""
    httpd.conf.load("ssl").one_process()
    context = server_context(*certificate)
    context.load_verify_locations(certificate[0])
    context.verify_mode = ssl.CERT_OPTIONAL
    member = httpd.member("m", KnowingMember, context)
    both = httpd.root / "both.pem"
    both.write_bytes(certificate[0].read_bytes() + certificate[1].read_bytes())
    httpd.conf.farm("gold", member, "FarmSet maxattempts=1")
    httpd.conf.add("SSLProxyEngine on", "SSLProxyCheckPeerName off",
                   *section("http://gold/admin/", f'SSLProxyMachineCertificateFile "{both}"'),
                   *section("http://gold/public/", "SSLProxyVerify none"))
    if lines == 2:
        httpd.conf.proxy("/admin/", "http://gold/admin/").proxy("/public/", "http://gold/public/")
    httpd.conf.proxy("/", "http://gold/")
    httpd.log.expect(r"AH02252|AH02268|AH02269|AH02411")
    httpd.start()
    order = ["admin", "public", "other"] if first == "admin" else ["public", "other", "admin"]
    for n in range(4):
        for way in order:
            assert httpd.get(f"/{way}/{n}").status == 200
    assert set(member.shown) == {("admin", True), ("public", False), ("other", False)}
    # Each setting has its own connections, and they are used again.
    assert member.connections <= 6


def test_180_24_tls_settings_of_a_rewritten_request(httpd, certificate, tmp_path):
    """Contract: "TLS settings in force": a request whose sections mod_proxy did not walk has those of the virtual host, and does
    not use a connection that a section has opened."""
    httpd.conf.load("ssl").one_process()
    false = httpd.member("false", TlsMember, server_context(*make_certificate(tmp_path)))
    (httpd.root / "ca.pem").write_bytes(certificate[0].read_bytes())
    httpd.conf.farm("gold", false, "FarmSet fall=1000 maxattempts=1")
    httpd.conf.add("SSLProxyEngine on", "SSLProxyCheckPeerName off", "SSLProxyVerify require",
                   f'SSLProxyCACertificateFile "{httpd.root}/ca.pem"', *section("http://gold/", "SSLProxyVerify none"),
                   '<Location "/by-handler/">', 'SetHandler "proxy:http://gold/x"', "</Location>")
    httpd.conf.proxy("/open/", "http://gold/")
    httpd.log.expect_broken()
    httpd.log.expect(TLS_TROUBLE)
    httpd.start()
    for _ in range(3):
        assert httpd.get("/open/x").status == 200
        assert httpd.get("/by-handler/x").status >= 500
    assert false.count == 3
