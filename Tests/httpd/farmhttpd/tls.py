"""A certificate for one test run, made by openssl."""

import ssl
import subprocess


def make_certificate(folder):
    """Returns (certificate, key) for 127.0.0.1; nothing secret, gone with the folder."""
    certificate, key = folder / "member.crt", folder / "member.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", str(key), "-out", str(certificate)],
                   check=True, capture_output=True, timeout=60)
    certificate.chmod(0o644)
    return certificate, key


def server_context(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
