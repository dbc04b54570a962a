"""A bound on log lines about what traffic can repeat as often as it likes.

The counters tell how often it happened; a line now and then tells what it is.
"""

import time
from collections.abc import Callable

SECONDS = 30.0
MAX_SUBJECTS = 256


class Seldom:
    """Says yes once in a while for each subject. Used by one thread."""

    def __init__(
        self, *, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._next: dict[str, float] = {}

    def due(self, subject: str = "") -> bool:
        now = self._clock()
        if now < self._next.get(subject, now):
            return False
        if len(self._next) >= MAX_SUBJECTS:
            self._next.clear()
        self._next[subject] = now + self._seconds
        return True
