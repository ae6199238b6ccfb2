"""What an administrator runs before a farm exists: the installation, and the demo."""

import os
import pathlib
import shutil
import socket
import subprocess

import pytest

TOP = pathlib.Path(__file__).parents[2]
MODULE = pathlib.Path(os.environ.get("FARM_MODULE", TOP / ".build-module" / "mod_proxy_farm.so"))
DEMO = ["/usr/bin/python3", str(TOP / "apache-conf" / "demo" / "demo.py"), "--module", str(MODULE), "--once"]


def free_port():
    """The first of four free ports in a row, below the range from which the system takes ports of its own."""
    for first in range(21000, 31000, 4):
        try:
            for port in range(first, first + 4):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
    raise AssertionError("no four free ports")


def test_020_01_install(tmp_path, httpd):
    """`make install` puts the .so, the .load and the .conf where Debian's a2enmod finds them, and the configuration that
    is installed is harmless and valid."""
    # The module as it is: it is not built again from within a test of it.
    subprocess.run(["make", "-s", "-C", TOP, "-o", "module", "install", f"MODULE={MODULE}", f"DESTDIR={tmp_path}"],
                   check=True, stdout=subprocess.DEVNULL, env={**os.environ, "MAKEFLAGS": ""})
    def apxs(what):
        return subprocess.run(["apxs", "-q", what], check=True, capture_output=True, text=True).stdout.strip()
    installed = tmp_path / apxs("LIBEXECDIR").lstrip("/") / "mod_proxy_farm.so"
    available = tmp_path / apxs("SYSCONFDIR").lstrip("/") / "mods-available"
    assert installed.read_bytes() == MODULE.read_bytes()
    load = (available / "proxy_farm.load").read_text().splitlines()
    assert load == ["# Depends: proxy",
                    f"LoadModule proxy_farm_module {apxs('LIBEXECDIR')}/mod_proxy_farm.so"]
    httpd.conf.add((available / "proxy_farm.conf").read_text())
    httpd.start()
    status = httpd.get("/farm-status?format=json")
    assert (status.status, status.json["farms"]) == (200, [])


def test_020_02_demo_again_and_again():
    """`make demo`: three live members, requests through them, how they spread; again works."""
    port = free_port()
    for _ in range(2):
        done = subprocess.run([*DEMO, "--port", str(port), "--requests", "120"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        counts = {line.split()[0]: int(line.split()[2]) for line in done.stdout.splitlines() if "%" in line}
        assert set(counts) == {"alice", "bob", "carol"} and sum(counts.values()) == 120
        assert min(counts.values()) > 0
        assert f"http://127.0.0.1:{port}/farm-status" in done.stdout


@pytest.mark.parametrize("number", [0, 2])
def test_020_03_demo_says_which_port_is_in_use(number):
    """`make demo`: "a port in use is reported with the way out"."""
    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port + number))
        taken.listen()
        done = subprocess.run([*DEMO, "--port", str(port)], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert f"Port {port + number} is in use" in done.stderr and "PORT=" in done.stderr


@pytest.mark.skipif(not shutil.which("nm"), reason="binutils are installed by make")
def test_020_04_what_the_module_needs():
    """The module exports one symbol, needs only libc, libm and libcrypto, and has less than 400 KB."""
    subprocess.run([TOP / "scripts" / "check-symbols", MODULE], check=True)
    needed = subprocess.run(["readelf", "-d", MODULE], check=True, capture_output=True, text=True).stdout
    libraries = {line.split("[")[1].rstrip("]") for line in needed.splitlines() if "(NEEDED)" in line}
    assert libraries <= {"libc.so.6", "libm.so.6", "libcrypto.so.3"}
