"""Waiting for a condition with a deadline: the one place of the demo and the tests that sleeps."""

import time


def wait_for(what, condition, seconds=30.0, every=0.1):
    """Returns the condition's first true value; raises TimeoutError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for: {what}")
        time.sleep(every)
