"""What a process holds, and whether it grows."""

import ctypes
import os
import statistics
from dataclasses import dataclass
from pathlib import Path

CLONE_NEWIPC = 0x08000000               # of Linux' sched.h


@dataclass
class Held:
    """Of one process at one moment; memory in KiB."""
    private: int            # resident, of mappings that are its own
    shared: int             # resident, of mappings that it shares: the tables, the scoreboard
    pss: int
    maps: int
    files: int
    segments: int           # System V, of its making

    NAMES = ("private", "shared", "pss", "maps", "files", "segments")

    @classmethod
    def by(cls, pid):
        private = shared = pss = maps = 0
        mine = True
        for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
            words = line.split()
            if not words[0].endswith(":"):
                mine = words[1][3] == "p"
                maps += 1
            elif words[0] == "Rss:":
                private, shared = (private + int(words[1]), shared) if mine else (private, shared + int(words[1]))
            elif words[0] == "Pss:":
                pss += int(words[1])
        return cls(private, shared, pss, maps, len(os.listdir(f"/proc/{pid}/fd")), len(segments_of(pid)))


def segments_of(creator):
    rows = [line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines()]
    at = rows[0].index("cpid")
    return [row[1] for row in rows[1:] if int(row[at]) == creator]


def own_ipc():
    """Gives this program, and what it starts, System V objects apart from those of the rest of the machine, whose servers come
    and go too. Whether it could: root may."""
    return ctypes.CDLL(None).unshare(CLONE_NEWIPC) == 0


def semaphores():
    """Sets of System V semaphores, of this program alone or of the machine (own_ipc): who made them is not told."""
    return len(Path("/proc/sysvipc/sem").read_text().splitlines()) - 1


def slope(numbers):
    """By how much they rise from one to the next: the median over all pairs, so that neither a jump here or there nor noise
    makes one (Theil and Sen)."""
    return statistics.median((later - numbers[at]) / (next_at - at) for at in range(len(numbers))
                             for next_at, later in enumerate(numbers[at + 1:], at + 1))


def step(numbers):
    """By how much they usually rise from one to the next: a few jumps, of whatever height, are no usual ones."""
    return statistics.median(later - one for one, later in zip(numbers, numbers[1:]))
