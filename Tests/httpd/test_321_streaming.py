"""Long request bodies stream to the member; those that a member refuses early are its right."""

import gzip
import hashlib
import os
import socket
import subprocess

import pytest

from farmhttpd import members, wait
from farmhttpd.tls import server_context
from farmhttpd.uploads import KINDS, Sender

KIB = 1024
MIB = 1024 * KIB
PIECE = bytes(range(256)) * (MIB // 256)


def temporary_files(httpd):
    """What the children hold open of what mod_proxy spools to."""
    found = []
    for pid in httpd.children():
        for number in os.listdir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{number}")
            except OSError:
                continue
            if "modproxy" in target:
                found.append(target)
    return found


def prepare(httpd, scheme, certificate, *directives, names="a"):
    """A farm of such members, and each of them behind a plain ProxyPass of its own."""
    kind, modules = KINDS[scheme]
    httpd.conf.load(*modules)
    if scheme == "https":
        httpd.conf.add("SSLProxyEngine On", "SSLProxyCheckPeerCN off", "SSLProxyCheckPeerName off",
                       f"SSLProxyCACertificateFile {certificate[0]}")
    context = [server_context(*certificate)] if scheme == "https" else []
    made = [httpd.member(name, kind, *context) for name in names]
    httpd.farm(*made, "FarmAlgorithm roundrobin", *directives)
    for member in made:
        httpd.conf.proxy(f"/plain-{member.name}/", f"{member.url}/")
    # Of httpd's own: no certificate for https, mod_http2 without TLS.
    httpd.log.expect("AH10403|AH10034")
    return made


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("scheme", KINDS)
def test_321_01_streams(httpd, certificate, scheme, chunked):
    """Contract: "a longer one streams to the member as behind a plain ProxyPass, never by way of a file"."""
    if chunked and scheme in ("scgi", "uwsgi", "ajp"):
        pytest.skip("these protocols know no body without a length")
    a, = prepare(httpd, scheme, certificate)
    httpd.start()
    for path in ("/plain-a/x", "/app/x"):
        with Sender(httpd.port, path, 4 * MIB, chunked) as client:
            for _ in range(3):
                client.send(PIECE)
            wait.until(lambda: a.got > 3 * MIB - 64 * KIB, f"{scheme} {path}: what has been sent to come to the member")
            assert temporary_files(httpd) == []
            client.send(PIECE)
            client.end()
            assert client.status() == 200
            assert hashlib.sha256(PIECE * 4).hexdigest().encode() in client.reply
    assert httpd.rows()["a"]["errors"] == 0


def test_321_02_fcgi_knows_the_length(httpd, certificate):
    """As behind a plain ProxyPass: a program that reads CONTENT_LENGTH bytes gets the whole body."""
    a, = prepare(httpd, "fcgi", certificate)
    httpd.start()
    for path in ("/plain-a/x", "/app/x"):
        with Sender(httpd.port, path, MIB) as client:
            assert client.status_of_upload(PIECE, 1) == 200
    assert [env.get("CONTENT_LENGTH") for env in a.environments] == [str(MIB)] * 2


def test_321_03_filter_that_goes_away(httpd, certificate):
    """As behind a plain ProxyPass: mod_deflate's input filter takes itself away when a body is not compressed."""
    a, = prepare(httpd, "http", certificate)
    httpd.conf.load("deflate").add('<Location "/">', "SetInputFilter DEFLATE", "</Location>")
    httpd.start()
    for path in ("/plain-a/x", "/app/x"):
        with Sender(httpd.port, path, 2 * MIB) as client:
            client.send(PIECE)
            wait.until(lambda: a.got > MIB - 64 * KIB, f"{path}: what has been sent to come to the member")
            assert temporary_files(httpd) == []
            client.send(PIECE)
            assert client.status() == 200


@pytest.mark.parametrize("size", [40 * KIB, 300 * KIB])
def test_321_04_filter_that_changes_the_body(httpd, size):
    """Contract: "bodies up to 64 KiB are kept": as the member was sent them, after mod_deflate. A longer one gets to
    another member all the same when nobody has had any of it."""
    bad, good = httpd.three("bad", "good")
    httpd.farm((bad, "weight=1000"), good, "FarmAlgorithm roundrobin", "FarmSet fall=1000000")
    httpd.conf.load("deflate").one_process().add('<Location "/">', "SetInputFilter DEFLATE", "</Location>")
    httpd.log.expect_broken()
    if size > 64 * KIB:
        bad.refuse()
    else:
        bad.always(members.close_after_request)
    httpd.start()
    body = os.urandom(size // 4) * 4
    response = httpd.get("/app/x", method="PUT", headers={"Content-Encoding": "gzip"}, body=gzip.compress(body))
    assert (response.status, response.member) == (200, "good")
    assert good.bodies == [body]


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [100, 40 * KIB, 300 * KIB])
def test_321_05_next_request(httpd, size, chunked):
    """What comes after a body on the client's connection is the next request, trailers or not, also after a failover."""
    bad, good = httpd.three("bad", "good")
    httpd.farm((bad, "weight=1000"), good, "FarmAlgorithm roundrobin", "FarmSet fall=1000000")
    httpd.conf.one_process()
    httpd.log.expect_broken()
    if size > 64 * KIB:
        bad.refuse()
    else:
        bad.always(members.close_after_request)
    httpd.start()
    body = os.urandom(size)
    coded = b"%x\r\n%s\r\n0\r\nX-Trailer: 1\r\n\r\n" % (size, body) if chunked else body
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    first = f"PUT /app/one HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n".encode() + coded
    with socket.create_connection(("127.0.0.1", httpd.port), timeout=30) as sock:
        sock.sendall(first + first.replace(b"/one", b"/two") + b"GET /app/three HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        reply = b""
        while data := sock.recv(65536):
            reply += data
    assert reply.count(b"HTTP/1.1 200") == 3
    assert good.targets == ["/one", "/two", "/three"]
    assert good.bodies == [body, body, b""]


# -- members that refuse ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expect", [False, True], ids=["", "expect"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("scheme", KINDS)
def test_321_06_refused_uploads(httpd, certificate, scheme, chunked, expect):
    """Contract: "An answer that comes while the body is still being written (413, 401) is read and passed on for http, https,
    h2 and fcgi", and "Never charged: … a break while the request's body is still being written"."""
    if chunked and scheme in ("scgi", "uwsgi", "ajp"):
        pytest.skip("these protocols know no body without a length")
    made = prepare(httpd, scheme, certificate, names="abc")
    httpd.log.expect_broken()
    httpd.log.expect("proxy_fcgi:error|proxy_scgi:error|proxy_uwsgi:error|proxy_ajp:error|proxy_http2")
    for member in made:
        member.refuses = True
    httpd.start()
    statuses = []
    for _ in range(12):
        with Sender(httpd.port, "/app/x", 20 * MIB, chunked, expect) as client:
            statuses.append(client.status_of_upload(PIECE, 20, expect))
    if scheme in ("http", "https", "ws", "h2c"):
        assert statuses == [413] * 12
    else:
        assert set(statuses) <= {413, 502, 503}
    assert sum(member.refused for member in made) == 12
    for name, row in httpd.rows().items():
        assert (row["health"], row["inflight"]) == ("up", 0), name
    # What comes next is served, over a connection that is good.
    for member in made:
        member.refuses = False
    with Sender(httpd.port, "/app/x", MIB, chunked and scheme != "scgi") as client:
        assert client.status_of_upload(PIECE, 1) == 200


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("scheme", KINDS)
def test_321_07_broken_uploads(httpd, certificate, scheme, chunked):
    """Contract: never charged: "a break while the request's body is still being written (an error)"; "A POST that a member may
    have begun to act on is never sent twice"."""
    if chunked and scheme in ("scgi", "uwsgi", "ajp"):
        pytest.skip("these protocols know no body without a length")
    made = prepare(httpd, scheme, certificate, names="abc")
    httpd.log.expect_broken()
    httpd.log.expect("proxy_fcgi:error|proxy_scgi:error|proxy_uwsgi:error|proxy_ajp:error|proxy_http2")
    for member in made:
        member.refuses = member.silent = True
    httpd.start()
    for _ in range(12):
        with Sender(httpd.port, "/app/x", 20 * MIB, chunked) as client:
            assert client.status_of_upload(PIECE, 20) in (500, 502, 503)
    refused = sum(member.refused for member in made)
    # mod_proxy_http2 connects to its member a second time when the first connection closes early, as behind a plain ProxyPass.
    assert refused >= 12 if scheme == "h2c" else refused == 12
    rows = httpd.rows()
    assert sum(row["errors"] for row in rows.values()) == 12
    for name, row in rows.items():
        assert (row["health"], row["inflight"]) == ("up", 0), name


@pytest.mark.parametrize("scheme", KINDS)
def test_321_08_refused_and_drained(httpd, certificate, scheme):
    """Contract: "An answer that comes while the body is still being written (413, 401) is read and passed on": from a member
    that goes on reading for a while all handlers of mod_proxy get it."""
    a, = prepare(httpd, scheme, certificate)
    a.refuses = a.lingers = True
    httpd.start()
    for path in ("/plain-a/x", "/app/x"):
        with Sender(httpd.port, path, 2 * MIB) as client:
            assert client.status_of_upload(PIECE, 2) == 413
    assert httpd.rows()["a"]["health"] == "up"


@pytest.mark.parametrize("refuses", [False, True], ids=["taken", "refused"])
@pytest.mark.parametrize("scheme", ["http", "https", "fcgi", "h2c"])
def test_321_09_clients_over_http2(httpd, certificate, scheme, refuses):
    """The same for a client that speaks HTTP/2, whose bodies have no chunks."""
    if scheme == "fcgi" and refuses:
        pytest.skip("mod_http2 resets the stream when mod_proxy_fcgi is done before the body is, also behind a plain ProxyPass")
    a, = prepare(httpd, scheme, certificate)
    a.refuses = a.lingers = refuses
    httpd.conf.load("http2").add("Protocols h2c http/1.1")
    (httpd.root / "body").write_bytes(PIECE * 3)
    httpd.start()
    for path in ("/plain-a/x", "/app/x"):
        done = subprocess.run(["curl", "-s", "--http2-prior-knowledge", "-w", "%{http_code}", "--data-binary",
                               f"@{httpd.root / 'body'}", f"http://127.0.0.1:{httpd.port}{path}"],
                              capture_output=True, text=True, timeout=wait.patiently(60))
        assert done.stdout.endswith("413" if refuses else "200"), (path, done)
        assert refuses or hashlib.sha256(PIECE * 3).hexdigest() in done.stdout
    assert httpd.rows()["a"]["health"] == "up"
