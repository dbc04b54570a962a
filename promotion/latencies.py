"""How long answers took, as counts on one logarithmic scale that all agents share. Pure.

Buckets are 2**(1/8) wide, from 2**-7 ms on: a quantile is right within 4.5 %. Counts of
several agents, and of several times, add up to those of all, which quantiles do not.
The scale is part of what agents and control plane have agreed on: never change it.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

STEPS = 8
"""Buckets for each doubling."""
LOWEST_EXPONENT = -7
SIZE = 192
MOST = 2**53 - 1
"""What JSON numbers hold exactly; sums stop here instead of failing."""
LARGEST_SUM = 1e18

Counts = npt.NDArray[np.int64]


def edge(place: float) -> float:
    """Return the duration at a place of the scale, in milliseconds."""
    return float(2 ** (place / STEPS + LOWEST_EXPONENT))


@dataclass(frozen=True, slots=True)
class Sums:
    """Answers counted by bucket, with what mean, deviation and breaches are made of."""

    counts: Counts
    sum_ms: float = 0.0
    squares: float = 0.0
    over_budget: int = 0

    @classmethod
    def nothing(cls) -> Self:
        """Return no answers at all."""
        return cls(np.zeros(SIZE, dtype=np.int64))

    @classmethod
    def read(cls, latency: Mapping[str, Any] | None) -> Self:
        """Read what a report says of one version since it was loaded."""
        said = (latency or {}).get("since_load")
        if not said:
            return cls.nothing()
        counts = np.zeros(SIZE, dtype=np.int64)
        counts[said["first"] : said["first"] + len(said["counts"])] = said["counts"]
        over = int((latency or {}).get("over_budget") or 0)
        return cls(counts, said["sum_ms"], said["squares"], over)

    @property
    def n(self) -> int:
        """How many answers these are."""
        return int(self.counts.sum())

    def since(self, before: "Sums") -> "Sums":
        """Return what was added. Counts that are smaller than before have begun anew."""
        if (self.counts < before.counts).any():
            return self
        return Sums(
            self.counts - before.counts,
            max(0.0, self.sum_ms - before.sum_ms),
            max(0.0, self.squares - before.squares),
            max(0, self.over_budget - before.over_budget),
        )


def total(parts: Iterable[Sums]) -> Sums:
    """Add up what several agents, or several times, have counted."""
    found = Sums.nothing()
    for part in parts:
        found = Sums(
            found.counts + part.counts,
            found.sum_ms + part.sum_ms,
            found.squares + part.squares,
            found.over_budget + part.over_budget,
        )
    return found


@dataclass(frozen=True, slots=True)
class Distribution:
    """What sums say. There is at least one answer."""

    n: int
    mean_ms: float
    sd_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    over_budget: int


def distribution(sums: Sums) -> Distribution | None:
    """Work out mean, deviation and quantiles; None without answers."""
    n = sums.n
    if not n:
        return None
    cumulated = np.cumsum(sums.counts)
    p50, p95, p99 = (quantile(cumulated, share) for share in (0.5, 0.95, 0.99))
    mean = sums.sum_ms / n
    deviation = math.sqrt(max(0.0, sums.squares / n - mean * mean))
    return Distribution(n, mean, deviation, p50, p95, p99, min(n, sums.over_budget))


def quantile(cumulated: Counts, share: float) -> float:
    """Read a quantile off cumulated counts, along the scale inside its bucket."""
    wanted = share * int(cumulated[-1])
    place = int(np.searchsorted(cumulated, wanted, side="left"))
    below = int(cumulated[place - 1]) if place else 0
    return edge(place + (wanted - below) / (int(cumulated[place]) - below))
