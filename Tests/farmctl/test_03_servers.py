"""Servers that are not there, not this module, slow, guarded, or speak TLS: each failure says what to do, and has its status."""

import base64
import hashlib
import socket
import subprocess
import threading
from contextlib import contextmanager

import pytest

from control import DONE, FARMCTL, NO_INPUT, REFUSED, UNREACHABLE, USAGE, WRONG_SERVER, Control
from farmhttpd.ports import bound_socket

KEYS = {"FARM_KEY_ID": "k1", "FARM_KEY": "a-key-of-a-test-that-is-no-secret"}
# One of every command that asks a server.
COMMANDS = [["status"], ["push", "app", "a"], ["on", "app/a"], ["drain", "app/a", "--wait"], ["off", "app"], ["up", "app/a"],
            ["down", "app/a"], ["weight", "app/a", "2"], ["balance", "app"], ["agent", "app", "a", "--memory", "--once"],
            ["agent", "app", "a", "--memory"], ["check", "-"], ["cookie", "verify", "--targets", "v1.k1.a.b"]]


@contextmanager
def speaking(answer, hold=False):
    """A server that says these bytes to whatever it is asked; with `hold` it then keeps the connection."""
    listener = bound_socket()
    listener.listen(16)
    over = threading.Event()

    def serve():
        held = []
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                break
            try:
                sock.recv(65536)
                sock.sendall(answer)
            except OSError:
                pass
            if hold:
                held.append(sock)
            else:
                sock.close()
        over.wait()
        for sock in held:
            sock.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Control(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        over.set()
        thread.join(20)


def http(body, status="200 OK", headers=""):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}Connection: close\r\n\r\n{body}".encode()


@pytest.mark.parametrize("command", [one for one in COMMANDS if one[-1] != "--memory"], ids=" ".join)
def test_no_server(command):
    """Also for who waits for a drain: it was never begun."""
    with bound_socket() as nobody:
        ctl = Control(nobody.getsockname()[1])
        said = ctl.fails(UNREACHABLE, *command, stdin="", **KEYS)
    assert said.startswith(ctl.url) and "connection refused; is httpd running there?" in said and "FARMCTL_SERVER" in said


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_wrong_server(command):
    with speaking(http("hello", headers="Content-Type: text/plain\r\n")) as ctl:
        said = ctl.fails(WRONG_SERVER, *command, stdin="", **KEYS)
    assert "what answers is not farm-" in said and "-url names another" in said


@pytest.mark.parametrize("answer, says", [
    (b"SSH-2.0-OpenSSH_9.2p1\r\n", "speaks no HTTP"),
    (http("", "302 Found", "Location: http://elsewhere/\r\n"), "redirects (302) to http://elsewhere/"),
    (http("{\"farms\": 3}"), "what answers is not farm-status"),
    (http("error: \x1b[2Jhello\n", "418 I'm a teapot"), "status 418"),
    (http("[" * 100000), "what answers is not farm-status"),
])
def test_strange_answers(answer, says):
    with speaking(answer) as ctl:
        said = ctl.fails(WRONG_SERVER, "status")
    assert says in said and "\x1b" not in said


def test_closed_without_an_answer():
    with speaking(b"") as ctl:
        assert "closed the connection" in ctl.fails(UNREACHABLE, "status")


SLOW = {"silent": b"", "head": b"HTTP/1.1 200 OK\r\nContent-Le", "body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok",
        "interim": b"HTTP/1.1 103 Early Hints\r\n\r\n"}


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW.keys())
@pytest.mark.parametrize("command", COMMANDS[:3], ids=" ".join)
def test_slow_server(command, answer):
    """It does not come to an end, wherever in its answer it is."""
    with speaking(answer, hold=True) as ctl:
        said = ctl.fails(UNREACHABLE, *command, "--timeout", "300ms")
    assert "no complete answer within 0.3s" in said and "--timeout" in said


def test_unknown_host(ctl):
    assert "there is no host of that name" in ctl.fails(UNREACHABLE, "status", "--server", "http://nobody.invalid/")


def test_handlers_elsewhere(farms, ctl):
    """Each handler's URL has an option of its own; the server's default names are below --server."""
    assert "there is nothing here (404)" in ctl.fails(WRONG_SERVER, "status", "--server", ctl.url + "deep")
    said = ctl.ok("balance", "gold", "--server", "http://nobody.invalid/", "--balance-url", ctl.url + "farm-balance")
    assert said.startswith("http://127.0.0.1:")
    ctl.ok("status", "--server", "http://nobody.invalid/", "--status-url", ctl.url + "farm-status")
    ctl.ok("push", "app", "a", "--server", "http://nobody.invalid/", "--update-url", ctl.url + "farm-update")
    ctl.ok("on", "app/a", "--server", "http://nobody.invalid/", "--manager-url", ctl.url + "farm-manager")
    assert "what answers is not farm-update" in ctl.fails(WRONG_SERVER, "push", "app", "a", "--update-url", ctl.url + "farm-status")


@pytest.mark.parametrize("arguments, says", [
    (["--server", "ftp://a/"], "--server takes http://HOST"), (["--server", "localhost"], "does not begin with http://"),
    (["--status-url", "http://a:99999/"], "--status-url takes"), (["--server", "http://u:p@a/"], "--user"),
    (["--timeout", "0"], "--timeout takes a time"), (["--timeout", "never"], "not 'never'"), (["--user", "ann"], "NAME:PASSWORD"),
])
def test_bad_options(ctl, arguments, says):
    assert says in ctl.fails(USAGE, "status", *arguments)


def test_bad_environment(ctl):
    assert "FARMCTL_SERVER takes http://HOST" in ctl.fails(USAGE, "status", FARMCTL_SERVER="nonsense")
    assert "NAME:PASSWORD" in ctl.fails(USAGE, "status", FARMCTL_USER="ann")
    ctl.ok("status", FARMCTL_USER="")
    assert ctl.fails(UNREACHABLE, "status", FARMCTL_SERVER="http://127.0.0.1:1").startswith("http://127.0.0.1:1/farm-status: ")


def guarded(httpd):
    """All handlers behind mod_auth_basic: ann has the password `pass`."""
    secret = base64.b64encode(hashlib.sha1(b"pass").digest()).decode()
    (httpd.root / "users").write_text(f"ann:{{SHA}}{secret}\n")
    httpd.conf.load("auth_basic", "authn_file", "authz_user")
    httpd.conf.add('<LocationMatch "^/farm-">', "AuthType Basic", 'AuthName "farm"', f'AuthUserFile "{httpd.root}/users"',
                   "Require valid-user", "</LocationMatch>")
    httpd.log.expect("AH01617|AH01618")


def test_401(farms):
    guarded(farms)
    ctl = Control(farms.start().port)
    for command in COMMANDS:
        said = ctl.fails(REFUSED, *command, stdin="", **KEYS)
        assert "the server wants a name and a password (401); give --user or FARMCTL_USER" in said, command
    assert "(401)" in ctl.fails(REFUSED, "status", "--user", "ann:wrong")
    assert "(401)" in ctl.fails(REFUSED, "status", FARMCTL_USER="ann:wrong")


def test_user(farms):
    """The server then says who makes changes."""
    guarded(farms)
    ctl = Control(farms.start().port)
    ctl.ok("status", "--user", "ann:pass")
    ctl.ok("off", "app/a", FARMCTL_USER="ann:pass")
    assert "off by ann" in ctl.ok("status", FARMCTL_USER="ann:pass")


def test_403(farms):
    farms.conf.add('<LocationMatch "^/farm-">', "Require ip 192.0.2.1", "</LocationMatch>")
    farms.log.expect("AH01630")
    ctl = Control(farms.start().port)
    for command in COMMANDS:
        said = ctl.fails(REFUSED, *command, stdin="", **KEYS)
        assert "the server does not allow it (403)" in said and "'Require ip ADDRESS'" in said, command


def test_host(farms):
    """--host chooses the virtual host."""
    farms.conf.add("<VirtualHost *>", "ServerName one.example", "RedirectMatch 410 ^/farm-", "</VirtualHost>",
                   "<VirtualHost *>", "ServerName two.example", "</VirtualHost>")
    ctl = Control(farms.start().port)
    assert "status 410" in ctl.fails(WRONG_SERVER, "status")
    ctl.ok("status", "--host", "two.example")


# -- TLS -----------------------------------------------------------------------------------------------------


@contextmanager
def speaking_tls(farms, certificate):
    """farmctl against a port of the server that speaks TLS."""
    with bound_socket() as holder:
        port = holder.getsockname()[1]
        farms.conf.load("ssl").listen.append(port)
        farms.log.expect("AH01906|AH01909|AH02008|AH01998|AH02042|ssl:info")
        farms.conf.add(f"<VirtualHost 127.0.0.1:{port}>", "ServerName 127.0.0.1", "SSLEngine On",
                       f"SSLCertificateFile {certificate[0]}", f"SSLCertificateKeyFile {certificate[1]}", "</VirtualHost>")
        farms.start()
        yield Control(port, "https")


@pytest.fixture
def tls(farms, certificate):
    with speaking_tls(farms, certificate) as ctl:
        yield ctl


def test_cacert(tls, certificate):
    assert "MEMBER" in tls.ok("status", "--cacert", certificate[0])
    assert tls.ok("drain", "app/a", "--wait", "--cacert", certificate[0]).splitlines()[-1].startswith("app/a: empty")


def test_insecure(tls):
    assert "MEMBER" in tls.ok("status", "--insecure")


def test_nobody_trusts_it(tls):
    said = tls.fails(UNREACHABLE, "status")
    assert "signed by nobody who is trusted" in said and "--cacert FILE" in said and "--insecure" in said


def test_another_name(farms, tmp_path):
    """Who is trusted speaks for its own name only."""
    certificate, key = tmp_path / "other.crt", tmp_path / "other.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=other.example",
                    "-addext", "subjectAltName=DNS:other.example", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True, timeout=60)
    with speaking_tls(farms, (certificate, key)) as ctl:
        for url in (ctl.url, ctl.url.replace("127.0.0.1", "localhost")):
            assert "for another name" in ctl.fails(UNREACHABLE, "status", "--server", url, "--cacert", certificate)
            ctl.ok("status", "--server", url, "--insecure")


def test_bad_cacert(tls, certificate):
    assert "no certificate (PEM)" in tls.fails(NO_INPUT, "status", "--cacert", "/no/such/file")
    assert "no certificate (PEM)" in tls.fails(NO_INPUT, "status", "--cacert", __file__)


def test_tls_where_there_is_none(ctl):
    assert "speaks no TLS at this port" in ctl.fails(UNREACHABLE, "status", "--server", ctl.url.replace("http:", "https:"))


def test_no_tls_where_there_is_some(tls):
    said = tls.fails(WRONG_SERVER, "status", "--server", tls.url.replace("https:", "http:"))
    assert "https:// instead of http://" in said


def test_output_that_nobody_reads(ctl):
    """A pipe that is closed is no fault."""
    done = subprocess.run(["/bin/sh", "-c", f"{FARMCTL} status --watch --interval 10ms | head -n 1 >/dev/null; echo done"],
                          env=ctl.env, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("done\n", "", DONE)
