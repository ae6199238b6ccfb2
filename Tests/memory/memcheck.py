#!/usr/bin/python3
"""Runs families of Tests/httpd with every process of httpd under valgrind's memcheck, and tells what it has found. Exit status 1
when a function of the module is in the stack of an error. See README.md."""

import argparse
import collections
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.dont_write_bytecode = True

from memcheckerrors import errors_of  # noqa: E402

HERE = Path(__file__).resolve().parent
FAMILIES = HERE.parent / "httpd"
REPOSITORY = HERE.parent.parent
DEFAULT_MODULE = REPOSITORY / ".build-module" / "mod_proxy_farm.so"
REPORT = REPOSITORY / ".build-memcheck" / "report.txt"
# A leak is looked for in what malloc has given; of what lies in a pool valgrind knows nothing.
VALGRIND = ("valgrind --tool=memcheck --trace-children=yes --vgdb=no --num-callers=40 --leak-check=full "
            "--show-leak-kinds=definite --errors-for-leak-kinds=definite --suppressions={supp} "
            "--xml=yes --xml-file={logs}/%p.xml")
COUNTS = re.compile(r"(\d+) (passed|failed|error|skipped)")


class Runs:
    """The runs of pytest, of which as many are under way as there are jobs."""

    def __init__(self, module, logs):
        self.module = module
        self.logs = logs
        self.lock = threading.Lock()
        self.running = set()
        self.ended = False

    def run(self, family):
        """(family, what pytest said, folder with a file for each process)."""
        logs = self.logs / family.stem
        logs.mkdir()
        logs.chmod(0o1777)              # a child of httpd writes as another user
        environment = {**os.environ, "FARM_MODULE": str(self.module),
                       "FARM_UNDER": VALGRIND.format(supp=HERE / "memcheck.supp", logs=logs)}
        with self.lock:
            if self.ended:
                return family, "", logs
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", "-q", "--tb=line", "--no-header", str(family)], cwd=REPOSITORY, env=environment,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                # So that an interrupt comes once, by end(), and is heard where a shell has this ignore it.
                start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
            self.running.add(process)
        said = process.communicate()[0]
        with self.lock:
            self.running.discard(process)
        return family, said, logs

    def end(self):
        """Interrupts pytest, which then stops the server that it has started; nothing more begins."""
        with self.lock:
            self.ended = True
            for process in self.running:
                process.send_signal(signal.SIGINT)


def chosen(words):
    """The families whose names begin so."""
    found = []
    for word in words:
        some = sorted(FAMILIES.glob(f"test_{word.removeprefix('test_')}*.py"))
        if not some:
            raise SystemExit(f"no file Tests/httpd/test_{word}*.py")
        found += [family for family in some if family not in found]
    return found


def told(family, said, logs, errors):
    """One line about a family, and those about its tests that have failed."""
    counts = collections.Counter({what: int(number) for number, what in COUNTS.findall(said)})
    failed = counts["failed"] + counts["error"]
    ours = sum(error.is_ours for error in errors)
    yield (f"{family.stem}: {counts['passed']} passed, {failed} failed; {len(list(logs.iterdir()))} processes, "
           f"{len(errors)} errors, {ours} of them ours")
    yield from (f"  {line}" for line in said.splitlines() if line.startswith(("FAILED", "ERROR")))


def report(found):
    """The summary: each error once, ours first."""
    lines = []
    for is_ours in (True, False):
        some = {key: errors for key, errors in found.items() if errors[0].is_ours == is_ours}
        whose = "with a function of the module in their stack" if is_ours else "of others"
        lines.append(f"{len(some)} different errors {whose}")
        for errors in sorted(some.values(), key=len, reverse=True):
            lines += ["", f"{len(errors)} times {errors[0]}"]
        lines.append("")
    return readable("\n".join(lines))


def readable(text):
    """With Swift's names as they are written, where there is a swift that knows them."""
    if not shutil.which("swift"):
        return text
    return subprocess.run(["swift", "demangle", "--simplified"], input=text, capture_output=True, text=True, check=True).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--module", type=Path, default=DEFAULT_MODULE)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="families at the same time")
    parser.add_argument("families", nargs="+", metavar="FAMILY",
                        help="begin of a file's name after test_, such as 32 or 320_bodies")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    families = chosen(options.families)
    found, silent = {}, []
    with tempfile.TemporaryDirectory(prefix="farm-memcheck-") as folder:
        folder = Path(folder)
        folder.chmod(0o755)
        # A copy, so that it may be built again meanwhile.
        module = Path(shutil.copy(options.module, folder / "mod_proxy_farm.so"))
        module.chmod(0o755)
        runs = Runs(module, folder)
        with ThreadPoolExecutor(options.jobs) as pool:
            try:
                for done in pool.map(runs.run, families):
                    errors = errors_of(done[2], module.name)
                    print(*told(*done, errors), sep="\n", flush=True)
                    for error in errors:
                        found.setdefault(error.key, []).append(error)
                    if not any(done[2].iterdir()) or "passed" not in done[1]:
                        silent.append(done[0].stem)
                        print(done[1][-3000:])
            except BaseException:
                runs.end()
                raise
    REPORT.parent.mkdir(exist_ok=True)
    text = report(found)
    REPORT.write_text(text)
    print(f"\n{text}")
    if silent:
        print(f"nothing has run, or nothing has passed, of: {' '.join(silent)}")
    sys.exit(bool(silent or any(errors[0].is_ours for errors in found.values())))


if __name__ == "__main__":
    main()
