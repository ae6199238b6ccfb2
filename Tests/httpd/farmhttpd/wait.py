"""Bounded waiting: tests poll a condition and never measure how long something took."""

import time

POLL = 0.02
GENEROUS = 20.0


def at_most(seconds, condition):
    """Waits for the condition, but goes on without it after that time."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(POLL)


def until(condition, what, deadline=GENEROUS):
    """Returns the first true value of condition(); fails the test when there is none by the deadline."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline:g} s in vain for {what}")
        time.sleep(POLL)
