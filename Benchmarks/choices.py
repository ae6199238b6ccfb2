#!/usr/bin/python3
"""What a choice costs by itself, without httpd: nanoseconds and user instructions by algorithm and number of members,
measured by farmbench. See README.md."""

import argparse
import csv
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

import benchprofile  # noqa: E402
from benchhttpd import HERE, clean_up_when_ended, table  # noqa: E402

FARMBENCH = HERE.parent / ".build-bench" / "release" / "farmbench"
ENVIRONMENT = {**os.environ, "SWIFT_BACKTRACE": "enable=no"}
BATCH = 16                              # requests between two looks at the clock; as in Choices.swift
COUNTED = 60                            # batches under callgrind


def farmbench(program, *words, under=(), folder=None):
    """farmbench's lines, each a dictionary."""
    said = subprocess.run([*under, program, *words], stdout=subprocess.PIPE, text=True, timeout=900, check=True,
                          env=ENVIRONMENT, cwd=folder)
    return list(csv.DictReader(said.stdout.splitlines()))


def times(options):
    """{(algorithm, members): {"choice": [ns, one a round], "end": [the same]}}"""
    found = {}
    for line in farmbench(options.farmbench, "choices", *chosen(options), "--rounds", str(options.rounds), "--batches",
                          str(options.batches)):
        one = found.setdefault((line["algorithm"], int(line["members"])), {"choice": [], "end": []})
        for what in one:
            one[what].append(float(line[f"{what}_ns"]))
    return found


def counts(options):
    """The same with user instructions. Callgrind writes what it has counted at each bench_mark(): there is one before and one
    after each measurement."""
    with tempfile.TemporaryDirectory(prefix="farm-bench-") as folder:
        # Debian's valgrind does not read what Swift writes for debuggers.
        program = Path(folder) / "farmbench"
        subprocess.run(["strip", "--strip-debug", "-o", program, options.farmbench], check=True)
        lines = farmbench(program, "choices", *chosen(options), "--rounds", "1", "--batches", str(COUNTED), folder=folder,
                          under=["valgrind", "-q", "--tool=callgrind", "--dump-before=bench_mark",
                                 "--callgrind-out-file=profile"])
        found = {}
        for number, line in enumerate(lines):
            profile = benchprofile.read(Path(folder) / f"profile.{2 * number + 2}")
            found[line["algorithm"], int(line["members"])] = {
                what: sum(cost for (_, callee), cost in profile.calls.items() if name in callee[1]) / (COUNTED * BATCH)
                for what, name in (("choice", "chooseBatch"), ("end", "endBatch"))}
        return found


def chosen(options):
    words = ["--members", *map(str, options.members)]
    return [*words, "--algorithms", *options.algorithms] if options.algorithms else words


def report(measured, counted):
    rows = [("one request", "members", "choice ns", "lowest and highest", "instructions", "answer and end ns",
             "lowest and highest", "instructions")]
    for (algorithm, members), found in measured.items():
        row = [algorithm, members]
        for what, values in found.items():
            row += [f"{statistics.median(values):,.1f}", f"{min(values):,.1f} {max(values):,.1f}",
                    f"{counted[algorithm, members][what]:,.0f}" if counted else ""]
        rows.append(tuple(row))
    return table(rows)


def write_csv(path, measured, counted):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["algorithm", "members", "what", "round", "ns", "instructions"])
        for (algorithm, members), found in measured.items():
            for what, values in found.items():
                number = round(counted[algorithm, members][what]) if counted else ""
                for at, value in enumerate(values):
                    writer.writerow([algorithm, members, what, at + 1, value, number])


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--farmbench", type=Path, default=FARMBENCH)
    parser.add_argument("--members", type=int, nargs="+", default=[4, 64, 512, 1000], metavar="N")
    parser.add_argument("--algorithms", nargs="+", metavar="NAME", help="default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=4000, help="of sixteen requests each, in a round")
    parser.add_argument("--csv", type=Path, help="write all numbers there too")
    options = parser.parse_args(words)
    clean_up_when_ended()
    measured = times(options)
    counted = counts(options) if shutil.which("valgrind") else None
    print(report(measured, counted))
    if options.csv:
        write_csv(options.csv, measured, counted)


if __name__ == "__main__":
    main()
