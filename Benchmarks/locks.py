#!/usr/bin/python3
"""Members' updates from many processes at once, with each of FarmLocks' granularities, and how often one waited for another:
measured by farmbench, without httpd. See README.md."""

import argparse
import csv
import statistics
import sys
from pathlib import Path

sys.dont_write_bytecode = True

from benchhttpd import clean_up_when_ended, table  # noqa: E402
from choices import FARMBENCH, farmbench  # noqa: E402

NUMBERS = ("updates_per_second", "processor_us", "waits_per_million", "wait_us")


def measure(options):
    """{(processes, rows, locks): {number: [one a round]}}"""
    found = {}
    for line in farmbench(options.farmbench, "locks", "--processes", *map(str, options.processes),
                          "--rows", *map(str, options.rows), "--rounds", str(options.rounds),
                          "--milliseconds", str(options.milliseconds)):
        one = found.setdefault((int(line["processes"]), int(line["rows"]), line["locks"]), {name: [] for name in NUMBERS})
        for name in NUMBERS:
            one[name].append(float(line[name]))
    return found


def report(found):
    rows = [("locks", "processes", "rows", "updates/s", "lowest and highest", "beside row", "processor us", "waited for, %",
             "lowest and highest", "us a wait")]
    for (processes, count, locks), one in found.items():
        updates, waits = one["updates_per_second"], [value / 1e4 for value in one["waits_per_million"]]
        finest = found.get((processes, count, "row"), one)["updates_per_second"]
        beside = statistics.median(mine / theirs for mine, theirs in zip(updates, finest))
        rows.append((locks, processes, count, statistics.median(updates), f"{min(updates):,.0f} {max(updates):,.0f}",
                     f"{beside:.2f}", f"{statistics.median(one['processor_us']):.2f}", f"{statistics.median(waits):.2f}",
                     f"{min(waits):.2f} {max(waits):.2f}", statistics.median(one["wait_us"])))
    return table(rows)


def write_csv(path, found):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["locks", "processes", "rows", "round", *NUMBERS])
        for (processes, count, locks), one in found.items():
            for at, values in enumerate(zip(*(one[name] for name in NUMBERS))):
                writer.writerow([locks, processes, count, at + 1, *values])


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--farmbench", type=Path, default=FARMBENCH)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 4, 16, 64], metavar="N")
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 16, 64], metavar="N")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--milliseconds", type=int, default=250, help="of each run")
    parser.add_argument("--csv", type=Path, help="write all numbers there too")
    options = parser.parse_args(words)
    clean_up_when_ended()
    found = measure(options)
    print(report(found))
    if options.csv:
        write_csv(options.csv, found)


if __name__ == "__main__":
    main()
