"""Bounded waiting: tests poll a condition and never measure how long something took."""

import os
import time

POLL = 0.02
GENEROUS = 20.0
# Under a tool that slows httpd down everything takes longer, and nothing must fail for that.
PATIENCE = float(os.environ.get("FARM_PATIENCE", "10" if os.environ.get("FARM_UNDER") else "1"))


def patiently(seconds):
    """That time for a server at its usual speed, stretched for a slow one."""
    return seconds * PATIENCE


def at_most(seconds, condition):
    """Waits for the condition, but goes on without it after that time."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(POLL)


def until(condition, what, deadline=GENEROUS):
    """Returns the first true value of condition(); fails the test when there is none by the deadline."""
    deadline = patiently(deadline)
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline:g} s in vain for {what}")
        time.sleep(POLL)
