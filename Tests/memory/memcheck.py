#!/usr/bin/python3
"""Runs families of Tests/httpd with every process of httpd under valgrind's memcheck, and tells what it has found. Exit status 1
when a function of the module is in the stack of an error, or a test has failed that too_slow.txt does not name. See README.md."""

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

from memcheckerrors import errors_of, overused  # noqa: E402

HERE = Path(__file__).resolve().parent
FAMILIES = HERE.parent / "httpd"
REPOSITORY = HERE.parent.parent
DEFAULT_MODULE = REPOSITORY / ".build-module" / "mod_proxy_farm.so"
REPORT = REPOSITORY / ".build-memcheck" / "report.txt"
SUPPRESSIONS = HERE / "memcheck.supp"
TOO_SLOW = HERE / "too_slow.txt"
# A leak is looked for in what malloc has given; of what lies in a pool valgrind knows nothing.
VALGRIND = ("valgrind --tool=memcheck --trace-children=yes --vgdb=no --num-callers=40 --leak-check=full "
            "--show-leak-kinds=definite --errors-for-leak-kinds=definite --suppressions={supp} "
            "--xml=yes --xml-file={logs}/%p.xml")
COUNTS = re.compile(r"(\d+) (passed|failed|error|skipped)")


class Runs:
    """The runs of pytest, of which as many are under way as there are jobs."""

    def __init__(self, module, logs, left_out):
        self.module = module
        self.logs = logs
        self.left_out = [f"--deselect={test}" for test in left_out]
        self.lock = threading.Lock()
        self.running = set()
        self.ended = False

    def run(self, family):
        """(family, whether all of its tests have passed, what pytest said, folder with a file for each process)."""
        logs = self.logs / family.stem
        logs.mkdir()
        logs.chmod(0o1777)              # a child of httpd writes as another user
        environment = {**os.environ, "FARM_MODULE": str(self.module),
                       "FARM_UNDER": VALGRIND.format(supp=SUPPRESSIONS, logs=logs)}
        with self.lock:
            if self.ended:
                return family, False, "", logs
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", "-q", "--tb=short", "--no-header", *self.left_out, str(family)],
                cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, errors="replace",
                # So that an interrupt comes once, by end(), and is heard where a shell has this ignore it.
                start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
            self.running.add(process)
        said = process.communicate()[0]
        with self.lock:
            self.running.discard(process)
        return family, process.returncode == 0, said, logs

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


def left_out():
    """Tests that too_slow.txt names. One that is no longer there is told: its line hides nothing, and nobody would miss it."""
    tests = []
    for line in TOO_SLOW.read_text().splitlines():
        if line and not line.startswith("#"):
            test = line.split()[0]
            file, name = test.split("::")
            path = FAMILIES / file
            if not path.exists() or not re.search(rf"^def {name.split('[')[0]}\(", path.read_text(), re.MULTILINE):
                raise SystemExit(f"{TOO_SLOW.name} names {test}, which is not there")
            tests.append(test)
    return tests


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
    found, failed = {}, []
    REPORT.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="farm-memcheck-") as folder:
        folder = Path(folder)
        folder.chmod(0o755)
        # A copy, so that it may be built again meanwhile.
        module = Path(shutil.copy(options.module, folder / "mod_proxy_farm.so"))
        module.chmod(0o755)
        runs = Runs(module, folder, left_out())
        with ThreadPoolExecutor(options.jobs) as pool:
            try:
                for family, passed, said, logs in pool.map(runs.run, families):
                    (REPORT.parent / f"{family.stem}.txt").write_text(said)
                    errors = errors_of(logs, module.name)
                    print(*told(family, said, logs, errors), sep="\n", flush=True)
                    for error in errors:
                        found.setdefault(error.key, []).append(error)
                    hidden = overused(logs, SUPPRESSIONS)
                    print(*hidden, sep="\n", end="\n" if hidden else "", flush=True)
                    # Without a file no process has run under valgrind.
                    if hidden or not passed or not any(logs.iterdir()):
                        failed.append(family.stem)
            except BaseException:
                runs.end()
                raise
    text = report(found)
    REPORT.write_text(text)
    print(f"\n{text}")
    if failed:
        print(f"failed: {' '.join(failed)}; what pytest said is in {REPORT.parent.relative_to(REPOSITORY)}")
    sys.exit(bool(failed or any(errors[0].is_ours for errors in found.values())))


if __name__ == "__main__":
    main()
