"""Ends what a supervisor started when the supervisor itself was ended by force.

A kernel's parent-death signal reaches only direct children. Theirs (gunicorn's workers,
beat, an agent's validation child) are in the same process group, and this small process
ends whole groups. It learns of them on standard input, one number a line (negative: that
one is gone), and acts when that input ends, which a kill -9 cannot prevent.

Run as a script, with nothing but the standard library; the argument is how many seconds
those groups have to end by themselves.
"""

import os
import signal
import sys
import time
from contextlib import suppress


def follow() -> set[int]:
    """Read until the supervisor is gone, and give the groups that it left."""
    groups: set[int] = set()
    for line in sys.stdin:
        number = int(line)
        if number > 0:
            groups.add(number)
        else:
            groups.discard(-number)
    return groups


def tell(groups: set[int], number: int) -> set[int]:
    """Send a signal to each group (0: just ask), and give those that still exist."""
    found = set()
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
            found.add(group)
    return found


def main() -> None:
    """Ask the groups to end, wait, and then make them."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)  # A Ctrl-C is for the supervisor.
    left = tell(follow(), signal.SIGTERM)
    until = time.monotonic() + float(sys.argv[1])
    while left and time.monotonic() < until:
        time.sleep(0.1)
        left = tell(left, 0)
    tell(left, signal.SIGKILL)


if __name__ == "__main__":
    main()
