"""How long answers took: one histogram on a logarithmic scale, since load and over windows.

Each bucket is 2**(1/8) wide, so a quantile is right within 4.5 % whatever its
size, and the counts of several agents add up to those of all. What was counted
is kept for windows as snapshots of the sums: a window is a difference of two.

One writer at a time (under the version's lock), and no more than a few
additions for each answer.
"""

import math
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STEPS = 8
"""Buckets for each doubling."""
LOWEST_EXPONENT = -7
SIZE = 192
"""From 2**-7 ms to 2**17 ms, which is two minutes; the first and the last hold what is beyond."""
BOUND_EXPONENTS = range(-4, 14)
"""What Prometheus is told: every doubling from 1/16 ms to 8 s."""
WINDOWS = ((60, 10), (600, 60), (3600, 300))
"""Seconds of each window, and by how much it may reach further back."""

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Distribution:
    """Answers of one window. Quantiles are within 4.5 %; count, mean and sd are exact."""

    seconds: int
    count: int
    mean_ms: float
    sd_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Sums:
    """Everything that was counted until a moment."""

    at: float
    counts: Counts
    sum_ms: float
    squares: float


def bucket(milliseconds: float) -> int:
    """Find the place of a duration on the scale."""
    if milliseconds <= 2**LOWEST_EXPONENT:
        return 0
    return min(SIZE - 1, int((math.log2(milliseconds) - LOWEST_EXPONENT) * STEPS))


def edge(place: float) -> float:
    """Return the duration at a place of the scale, in milliseconds."""
    return float(2 ** (place / STEPS + LOWEST_EXPONENT))


def quantile(cumulated: Counts, share: float) -> float:
    """Read a quantile off cumulated counts, along the scale inside its bucket."""
    wanted = share * int(cumulated[-1])
    place = int(np.searchsorted(cumulated, wanted, side="left"))
    below = int(cumulated[place - 1]) if place else 0
    return edge(place + (wanted - below) / (int(cumulated[place]) - below))


class Histogram:
    """Durations by bucket, since the version was loaded."""

    __slots__ = ("counts", "squares", "sum_ms")

    def __init__(self) -> None:
        self.counts = [0] * SIZE
        self.sum_ms = 0.0
        self.squares = 0.0

    def add(self, milliseconds: float) -> None:
        self.counts[bucket(milliseconds)] += 1
        self.sum_ms += milliseconds
        self.squares += milliseconds * milliseconds

    def cumulated(self) -> Iterator[tuple[str, float]]:
        """List upper bounds in seconds, as Prometheus writes them, and the answers up to each."""
        counts = list(self.counts)
        for exponent in BOUND_EXPONENTS:
            end = (exponent - LOWEST_EXPONENT) * STEPS
            yield str(2.0**exponent / 1000), float(sum(counts[:end]))
        yield "+Inf", float(sum(counts))

    def sums(self, at: float) -> Sums:
        return Sums(at, np.array(self.counts, dtype=np.int64), self.sum_ms, self.squares)


class _Window:
    """The sums at the beginning of each step, as far back as the window reaches."""

    __slots__ = ("_due", "_past", "_step", "seconds")

    def __init__(self, seconds: int, step: int, now: float) -> None:
        self.seconds, self._step = seconds, step
        self._due = now + step
        self._past: deque[Sums] = deque(maxlen=seconds // step + 2)

    def turn(self, sums: Callable[[float], Sums], now: float) -> float:
        """Keep the sums if a step is over; return when the next one will be."""
        if now >= self._due:
            # Nothing was added since it ended, so these are the sums of that moment.
            self._past.append(sums(self._due))
            self._due += ((now - self._due) // self._step + 1) * self._step
        return self._due

    def of(self, total: Sums) -> Distribution:
        place = bisect_right(self._past, total.at - self.seconds, key=lambda one: one.at)
        return _between(self._past[place - 1] if place else None, total, seconds=self.seconds)


def _between(before: Sums | None, total: Sums, *, seconds: int) -> Distribution:
    counts, sum_ms, squares = total.counts, total.sum_ms, total.squares
    if before is not None:
        counts = counts - before.counts
        sum_ms, squares = sum_ms - before.sum_ms, squares - before.squares
    n = int(counts.sum())
    if not n:
        return Distribution(seconds, 0, 0.0, 0.0, 0.0, 0.0, 0.0)
    mean, cumulated = sum_ms / n, np.cumsum(counts)
    p50, p95, p99 = (quantile(cumulated, share) for share in (0.5, 0.95, 0.99))
    deviation = math.sqrt(max(0.0, squares / n - mean * mean))
    return Distribution(seconds, n, mean, deviation, p50, p95, p99)


class Latency(Histogram):
    """A histogram that also knows its last minute, ten minutes and hour."""

    __slots__ = ("_clock", "_due", "_windows")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        now = clock()
        self._windows = [_Window(seconds, step, now) for seconds, step in WINDOWS]
        self._due = 0.0

    def add(self, milliseconds: float) -> None:
        now = self._clock()
        if now >= self._due:
            self._turn(now)
        super().add(milliseconds)

    def _turn(self, now: float) -> None:
        self._due = min(one.turn(self.sums, now) for one in self._windows)

    def windows(self) -> list[Distribution]:
        """Return what was counted in each window, the shortest first."""
        now = self._clock()
        self._turn(now)
        total = self.sums(now)
        return [one.of(total) for one in self._windows]
