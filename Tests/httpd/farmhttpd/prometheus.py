"""A real Prometheus with a configuration, data and a port of its own, which asks the server under test every second; promtool."""

import json
import re
import signal
import subprocess
import urllib.error
from urllib.parse import urlencode
from urllib.request import urlopen

from farmhttpd import wait
from farmhttpd.env import REPOSITORY
from farmhttpd.ports import bound_socket

PROMETHEUS, PROMTOOL = "/usr/bin/prometheus", "/usr/bin/promtool"
DOCUMENT = REPOSITORY / "docs" / "prometheus.md"
MANUAL = REPOSITORY / "docs" / "mod_proxy_farm.md"
ALERTS = REPOSITORY / "docs" / "prometheus-alerts.yml"
PATIENCE = 30


def yaml_blocks():
    """The configurations that docs/prometheus.md gives."""
    return re.findall(r"^```yaml\n(.*?)^```$", DOCUMENT.read_text(), re.M | re.S)


def scrape_config(httpd, path="/farm-status"):
    """The first of them, which asks this server every second instead."""
    text = yaml_blocks()[0]
    for pattern, value in ((r"scrape_interval: \S+", "scrape_interval: 1s"), (r"metrics_path: \S+", f"metrics_path: {path}"),
                           (r"targets: \[.*\]", f"targets: ['127.0.0.1:{httpd.port}']")):
        text, count = re.subn(pattern, value, text)
        assert count == 1, (pattern, text)
    return text


def promtool(*arguments, given=None):
    """(exit status, all that it said)."""
    done = subprocess.run([PROMTOOL, *map(str, arguments)], input=given, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


class Prometheus:
    """Used in a with statement; is stopped by its process id, and must have logged no warning."""

    def __init__(self, httpd, config):
        self.folder = httpd.root / "prometheus"
        self.folder.mkdir()
        self.holder = bound_socket()
        self.port = self.holder.getsockname()[1]
        self.config = self.folder / "prometheus.yml"
        self.config.write_text(config)
        self.process = None

    def __enter__(self):
        command = [PROMETHEUS, f"--config.file={self.config}", f"--storage.tsdb.path={self.folder / 'data'}",
                   f"--web.listen-address=127.0.0.1:{self.port}", "--query.lookback-delta=10s"]
        with open(self.folder / "log", "w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder,
                                            env={"PATH": "/usr/bin:/bin", "LANG": "C"})
        try:
            wait.until(self._is_ready, "Prometheus to be ready", PATIENCE)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind, *_):
        complaints = self.complaints()          # before it is told to end, which it warns of too
        self.stop()
        assert kind or not complaints, complaints

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self.holder.close()

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def complaints(self):
        """What it has to say of what it reads: warnings, errors, samples out of order."""
        return [line for line in self.log().splitlines()
                if re.search(r"level=(warn|error)|out of order|out-of-order|duplicate|parse error", line, re.I)]

    def _is_ready(self):
        assert self.process.poll() is None, self.log()
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def ask(self, path, **parameters):
        """The `data` of an answer of its API, which must be a success."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{urlencode(parameters)}", timeout=PATIENCE) as answer:
                told = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None
        assert told["status"] == "success" and not told.get("warnings"), told
        return told["data"]

    def query(self, expression):
        """[(labels, value)] of an expression, as of now."""
        data = self.ask("query", query=expression)
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [({k: v for k, v in one["metric"].items() if k not in ("__name__", "job", "instance")}, float(one["value"][1]))
                for one in data["result"]]

    def value(self, expression):
        """The value of an expression that is one series; None where it is none."""
        found = self.query(expression)
        assert len(found) <= 1, (expression, found)
        return found[0][1] if found else None

    def last_error(self):
        """Why its one target was not answered as it should; None while Prometheus has not found the target, which takes it
        five seconds."""
        found = self.ask("targets", state="active")["activeTargets"]
        assert len(found) <= 1, found
        return found[0]["lastError"] if found else None

    def wait_for_scrapes(self, count=1):
        """So many more answers than there are, all of them good."""
        first = self.value("count_over_time(up[10m])") or 0

        def enough():
            assert not self.last_error(), self.last_error()
            return (self.value("count_over_time(up[10m])") or 0) >= first + count
        wait.until(enough, f"{count} scrapes", PATIENCE)
        assert self.value("min_over_time(up[10m])") == 1
