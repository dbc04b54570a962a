"""How long answers took: a sliding window for reports, buckets for Prometheus.

One writer (whoever finishes a request, under the version's lock), readers that
copy. A report that misses the newest answer is still right.
"""

import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

BOUNDS_MS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 1000.0, 5000.0)
WINDOW_SECONDS = 60.0
WINDOW_SIZE = 4096


@dataclass(frozen=True, slots=True)
class Distribution:
    count: int
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


class Latency:
    __slots__ = ("_at", "_clock", "_ms", "_next", "buckets", "sum_ms")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = np.full(WINDOW_SIZE, -np.inf)
        self._ms = np.zeros(WINDOW_SIZE)
        self._next = 0
        self.buckets = [0] * (len(BOUNDS_MS) + 1)
        self.sum_ms = 0.0

    def add(self, milliseconds: float) -> None:
        place = self._next
        self._at[place] = self._clock()
        self._ms[place] = milliseconds
        self._next = (place + 1) % WINDOW_SIZE
        self.buckets[bisect_left(BOUNDS_MS, milliseconds)] += 1
        self.sum_ms += milliseconds

    def distribution(self) -> Distribution | None:
        """Return the last minute's answers, or None when there were none."""
        recent = self._ms[self._at.copy() >= self._clock() - WINDOW_SECONDS]
        if not recent.size:
            return None
        p50, p95, p99 = (float(q) for q in np.percentile(recent, (50, 95, 99)))
        return Distribution(int(recent.size), float(recent.mean()), p50, p95, p99)
