"""Reads httpd's error log and finds the lines that nobody asked for."""

import re
import sys

LINE = re.compile(r"^\[[^]]*\] \[(?P<module>[^:]*):(?P<level>[a-z0-9]+)\] ")
SERIOUS = {"warn", "error", "crit", "alert", "emerg"}

# What mod_proxy itself says about a member that cannot be reached or does not answer as it should.
REFUSED = r"AH00957|AH01114|AH02454|AH00898|AH02433"
BROKEN = (r"AH01102|AH00898|AH01110|AH01106|AH01107|AH01109|AH01105|AH10124|AH01084|AH01097|AH02609|"
          r"AH02610|AH10404|AH10414|"
          r"AH01086|AH01104|AH01108|AH01095|AH01099|AH10153|AH10413")
# What httpd says of itself in any of these tests: prefork with a single child, mod_ssl, event closing connections
# while it stops.
HTTPD_ITSELF = (r"AH00161: server reached MaxRequestWorkers|AH03092: process_lingering_close|"
                r"AH01873: Init: Session Cache|AH01882: Init: this version of mod_ssl")
# What the module says of a farm's condition and of members' reports, which many tests bring about beside what they are about.
STATES = r"FARM0014[015]:"
OURS = r"\[proxy_farm:(warn|error)\]"


class ErrorLog:
    def __init__(self, path):
        self.path = path
        self.expected = [re.compile(HTTPD_ITSELF), re.compile(STATES)]
        self.kills = []

    def expect(self, *patterns):
        """Declares lines that the test causes on purpose."""
        self.expected += [re.compile(p) for p in patterns]

    def expect_refused(self):
        self.expect(REFUSED, OURS)

    def expect_broken(self):
        self.expect(REFUSED, BROKEN, OURS)

    def text(self):
        try:
            return self.path.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def lines(self, pattern=""):
        wanted = re.compile(pattern)
        return [line for line in self.text().splitlines() if wanted.search(line)]

    def note_stop(self):
        """What is said from here on, until the next start, is said while the server is being ended by SIGTERM."""
        self.kills.append([len(self.text().splitlines()), sys.maxsize])

    def note_start(self):
        if self.kills:
            self.kills[-1][1] = min(self.kills[-1][1], len(self.text().splitlines()))

    def starts(self):
        """How often the server has come up or come back from a restart."""
        return len(self.lines(r"-- resuming normal operations"))

    def unexpected(self):
        lines = self.text().splitlines()
        return [line for n, line in enumerate(lines)
                if self._serious(line) and not self._declared(line) and not self._stock_crash(n, line)]

    def _stock_crash(self, number, line):
        """Whether this is mpm_event's own crash at SIGTERM: without any proxy farm, about one in fifty of its children
        frees its memory under its own threads, or closes a socket that is closed already. At a graceful stop it does not,
        which test_400_09 uses."""
        return (any(first <= number < last for first, last in self.kills) and "[mpm_event:" in self.text()
                and ("exit signal Segmentation fault" in line or "AH00468: error closing socket" in line))

    def _serious(self, line):
        if "exit signal" in line:
            return True
        match = LINE.match(line)
        return bool(match) and match["level"] in SERIOUS

    def _declared(self, line):
        # It tells of refusals that FARM00012 has not told, a second later at the earliest.
        line = line.replace("FARM00144", "FARM00012")
        return any(p.search(line) for p in self.expected)
