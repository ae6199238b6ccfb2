"""make demo: a private httpd with a farm of three live members, on 127.0.0.1 alone, until Ctrl-C."""
import argparse
import collections
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
MEMBERS = [("alice", 0.002), ("bob", 0.002), ("carol", 0.002)]
# So that there is something to see: requests a second, and for how long.
PACE, HOURS = 20, 4


def main():
    arguments = parse()
    check_ports(arguments.port)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    root = tempfile.mkdtemp(prefix="farm-demo-")
    started = []
    try:
        for number, (name, work) in enumerate(MEMBERS):
            started.append(start_member(name, arguments.port + 1 + number, work))
        httpd = start_httpd(root, arguments)
        started.append(httpd)
        base = f"http://127.0.0.1:{arguments.port}"
        wait_for(base + "/farm-status", httpd, root)
        show(base, arguments.requests)
        print_urls(base, arguments.port, started[1].pid)
        if not arguments.once:
            threading.Thread(target=keep_busy, args=(base,), daemon=True).start()
            httpd.wait()
            print_log(root)
            sys.exit("httpd has ended by itself; its log is above")
    except KeyboardInterrupt:
        print("\nStopping.")
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()
        shutil.rmtree(root)


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--module", required=True, help="the built mod_proxy_farm.so")
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8480")),
                        help="httpd's port; the members take the three after it (or set PORT)")
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--once", action="store_true", help="stop after the requests have been shown")
    return parser.parse_args()


def check_ports(first):
    for port in range(first, first + 1 + len(MEMBERS)):
        with socket.socket() as probe:
            # A port that only waits for its last connections to be forgotten is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                sys.exit(f"Port {port} is in use. Stop what uses it, or choose four others: make demo PORT={first + 100}")


def start_member(name, port, work):
    member = subprocess.Popen([sys.executable, os.path.join(HERE, "member.py"), name, str(port), str(work)])
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return member
        time.sleep(0.05)
    sys.exit(f"The member {name} does not answer on port {port}")


def start_httpd(root, arguments):
    os.chmod(root, 0o755)
    os.mkdir(os.path.join(root, "logs"))
    with open(os.path.join(HERE, "demo.conf")) as template:
        text = template.read()
    values = {"ROOT": root, "PORT": arguments.port, "MODULES": apxs("LIBEXECDIR"), "USER": run_as(),
              "MODULE": os.path.abspath(arguments.module)}
    for number, (name, _) in enumerate(MEMBERS):
        values[name.upper()] = arguments.port + 1 + number
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    conf = os.path.join(root, "httpd.conf")
    with open(conf, "w") as out:
        out.write(text)
    command = shutil.which("apache2") or "/usr/sbin/apache2"
    return subprocess.Popen([command, "-d", root, "-f", conf, "-D", "FOREGROUND"])


def apxs(what):
    return subprocess.run(["apxs", "-q", what], check=True, capture_output=True, text=True).stdout.strip()


def run_as():
    """httpd will not serve as root."""
    if os.getuid() != 0:
        return ""
    user = "www-data" if any(entry.pw_name == "www-data" for entry in pwd.getpwall()) else "nobody"
    return f"User {user}\nGroup {'www-data' if user == 'www-data' else 'nogroup'}"


def wait_for(url, httpd, root):
    for _ in range(200):
        try:
            return urllib.request.urlopen(url, timeout=2).read()
        except OSError:
            if httpd.poll() is not None:
                print_log(root)
                sys.exit("httpd did not start; its log is above")
            time.sleep(0.05)
    sys.exit("httpd did not answer in time")


def print_log(root):
    path = os.path.join(root, "logs", "error.log")
    if os.path.exists(path):
        with open(path) as log:
            print(log.read(), file=sys.stderr)


def show(base, requests):
    print(f"\nSending {requests} requests to {base}/app/ ...")
    answers = collections.Counter(
        urllib.request.urlopen(f"{base}/app/{number}", timeout=10).read().split()[0].decode() for number in range(requests))
    farm = json.load(urllib.request.urlopen(base + "/farm-status?format=json", timeout=10))["farms"][0]
    print(f"farm {farm['name']}: {farm['condition']}, {farm['algorithm']}\n")
    print("member   weight  answered  share")
    for member in farm["members"]:
        count = answers[member["name"]]
        print(f"{member['name']:8} {member['weight']:6}  {count:8}  {count / requests:5.1%}  {'#' * round(40 * count / requests)}")


def keep_busy(base):
    for number in range(PACE * 3600 * HOURS):
        try:
            urllib.request.urlopen(f"{base}/app/busy/{number}", timeout=10).read()
        except OSError:
            pass                            # whoever tries things out may have taken all members away
        time.sleep(1 / PACE)


def print_urls(base, port, bob):
    print(f"""
Open  {base}/farm-status  in a browser: the farm, live, with the buttons to take a member out.
{PACE} requests a second go on meanwhile.

Or try:
  curl {base}/app/hello                       a request through the farm
  curl {base}/farm-status?format=text         what the farm knows of its members, line by line
  curl '{base}/farm-update?farm=app&member=carol&cpu=0.9&member=alice&cpu=0.1&member=bob&cpu=0.1'
                                                                 members tell their load, and are told their share
  curl -H 'X-Farm-Manager: 1' -d 'farm=app&member=carol&admin=drain&reason=lunch&until=1min' {base}/farm-manager
                                                                 take a member out, for a reason and a minute
  kill {bob}                                              stop the member bob: it goes down, and no request fails
Members: 127.0.0.1:{port + 1} to {port + 3}. Ctrl-C stops everything.""", flush=True)


if __name__ == "__main__":
    main()
