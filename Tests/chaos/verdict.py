"""What a run of the matrix means: the table, what is broken, and what another proxy does better."""

from clients import OUTCOMES
from proxies import OURS

SHORT = {"right": "", "error": "e", "cut": "c", "wrong": "WRONG", "hang": "HANG"}


def is_post(cell):
    return cell.method.startswith("POST")


def is_won(tally):
    return tally.requests > 0 and tally.outcomes["right"] == tally.requests


def shown(cell, tally):
    """As "8 8e": eight right, eight clear errors; "=2" after it says that members saw two of them more than once."""
    words = [f"{tally.outcomes[outcome]}{SHORT[outcome]}" for outcome in OUTCOMES if tally.outcomes[outcome]]
    if tally.twice and is_post(cell):
        words.append(f"TWICE={tally.twice}")
    return " ".join(words)


def broken(cell, name, tally):
    """What the module must never do, or did not do though it could."""
    found = [f"{tally.outcomes[kind]} times {kind}" for kind in ("wrong", "hang") if tally.outcomes[kind]]
    if is_post(cell) and tally.twice:
        found.append(f"{tally.twice} POSTs were sent twice")
    if cell.case.must_be_right(cell.method) and not is_won(tally):
        found.append(f"lost: {tally.requests - tally.outcomes['right']} of {tally.requests} were not served")
    details = ", ".join(f"{count} {kind}: {text}" for (kind, text), count in tally.details.most_common(3))
    return [f"{cell.case.name}, {cell.method}, {name}: {one} ({details})" for one in found]


def better_elsewhere(cell, names):
    """Proxies that serve every client of a cell where this module, in one of its configurations, does not."""
    if cell.case.farm:
        return []                               # what the farm's administrator has asked for
    ours = [name for name in names if name in OURS]
    lost = [name for name in ours if not is_won(cell.tallies[name])]
    winners = [name for name in names if name not in OURS and is_won(cell.tallies[name])]
    if not lost or not winners:
        return []
    return [f"{cell.case.name}, {cell.method}: {', '.join(winners)} served all, {', '.join(lost)} did not"]


def table(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows)


def report(cells, names, problems):
    """Prints everything; the exit status."""
    rows = [["case", "method", "contract", *names]]
    for cell in cells:
        rows.append([cell.case.name, cell.method, "must" if cell.case.must_be_right(cell.method) else "may not",
                     *(shown(cell, cell.tallies[name]) for name in names)])
    print(table(rows))
    print("\nA number alone: right answers; e: clear errors; c: cuts that the client can tell. must: the contract wants every "
          "client served.")
    print("\n" + table([["proxy", "cells all right", "requests", *OUTCOMES, "POSTs twice"], *totals(cells, names)]))
    ours = [name for name in names if name in OURS]
    bad = [line for cell in cells for name in ours for line in broken(cell, name, cell.tallies[name])] + problems
    for title, lines in (("Served by another and not by this module:",
                          [line for cell in cells if ours for line in better_elsewhere(cell, names)]),
                         ("Broken:", bad)):
        if lines:
            print("\n" + "\n  ".join([title, *lines]))
    return 1 if bad else 0


def totals(cells, names):
    for name in names:
        tallies = [cell.tallies[name] for cell in cells]
        yield [name, f"{sum(map(is_won, tallies))} of {len(cells)}", str(sum(tally.requests for tally in tallies)),
               *(str(sum(tally.outcomes[outcome] for tally in tallies)) for outcome in OUTCOMES),
               str(sum(cell.tallies[name].twice for cell in cells if is_post(cell)))]
