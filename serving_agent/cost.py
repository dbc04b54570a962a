"""Where a request is scored: on the event loop, or in a worker.

Handing a request to a worker costs more than a small forest takes; a large one
on the event loop lets everybody else wait. So it is decided by what scoring
took lately, measured when the version is loaded and kept up with each answer. What
counts is the thread's own work: time spent waiting for a processor or for the
interpreter says nothing of the model, and would keep it where the waiting is.
"""

WEIGHT = 1 / 16
"""Of the newest measurement. A few dozen turn the average, one does not."""
SAMPLED = 8
"""Cheap answers are measured once in so many: the thread's clock is a call of the system."""
OUTLIER = 2.0
"""A measurement counts for at most so many times the limit: the machine may just be busy."""
BACK = 0.6
"""A dear version is cheap again below this share of the limit, so that none goes to and fro."""


class Cost:
    """Moving averages of one version. One writer at a time."""

    __slots__ = ("_asked", "_limit", "_row", "_single", "dear")

    def __init__(self, limit_ms: float) -> None:
        self._limit = limit_ms
        self._asked = 0
        self._single = self._row = 0.0
        self.dear = False
        """Whether a single transaction is for the workers."""

    def begin(self, milliseconds: float) -> None:
        """Take the golden transactions' mean as what a transaction costs."""
        self._single = self._row = milliseconds
        self.dear = milliseconds > self._limit

    def is_due(self, rows: int) -> bool:
        """Tell whether this answer should be measured."""
        self._asked += 1
        return self._asked % SAMPLED == 0 or self.is_dear(rows)

    def note(self, milliseconds: float, *, rows: int) -> None:
        """Learn from one answer."""
        if rows > 1:
            self._row += WEIGHT * (milliseconds / rows - self._row)
            return
        self._single += WEIGHT * (min(milliseconds, OUTLIER * self._limit) - self._single)
        self.dear = self._single > self._limit * (BACK if self.dear else 1.0)

    def is_dear(self, rows: int) -> bool:
        """Tell whether so many transactions at once are for the workers."""
        return self.dear or (rows > 1 and self._row * rows > self._limit)
