"""How long a version's answers took: by target, as numbers and as the points of a plot."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np

from promotion import latencies
from promotion.latencies import Distribution, Sums, distribution, total
from promotion.models import LatencySlot, Target
from registry.models import ModelVersion

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WIDTH, HEIGHT, FLOOR, LEFT, RIGHT = 640, 180, 150, 8, 632
LEAST_BUCKETS = 24
"""A plot shows at least three doublings, so that a sharp peak looks like one."""
MOST_TICKS = 8


@dataclass(frozen=True, slots=True)
class Bar:
    """One bucket."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A duration on the axis: where, how it is called, and on which line its name stands."""

    x: float
    name: str
    y: float
    anchor: str


@dataclass(frozen=True, slots=True)
class Plot:
    """Answers by duration on a logarithmic axis, with the quantiles and the budget."""

    bars: list[Bar]
    marks: list[Mark]
    budget: Mark | None
    ticks: list[tuple[float, str]]
    first_ms: float
    last_ms: float
    width: int = WIDTH
    height: int = HEIGHT
    floor: int = FLOOR


@dataclass(frozen=True, slots=True)
class Span:
    """What was answered in one length of time."""

    name: str
    found: Distribution


@dataclass(frozen=True, slots=True)
class Timing:
    """One version on one target."""

    target: Target
    spans: list[Span]
    plot: Plot
    budget_ms: float | None


def latest(version: ModelVersion, *, since: datetime) -> Iterator[Sums]:
    """Read what all agents have counted of a version since then, by ten minutes. One query."""
    for row in LatencySlot.objects.filter(version=version, at__gte=since):
        yield _sums(row)


def of_version(
    version: ModelVersion, environments: Iterable[UUID], *, now: datetime
) -> list[Timing]:
    """Read the last day of a version in these environments, by target. One query."""
    rows = LatencySlot.objects.filter(
        version=version, at__gte=now - DAY, target__environment__in=list(environments)
    ).select_related("target__environment")
    by_target: dict[Target, list[LatencySlot]] = {}
    for row in rows.order_by("target__environment__position", "target__tier", "at"):
        by_target.setdefault(row.target, []).append(row)
    return [
        timing
        for target, slots in by_target.items()
        if (timing := _timing(target, slots, version.model.latency_budget_ms, now=now))
    ]


def _sums(row: LatencySlot) -> Sums:
    counts = np.array(row.counts, dtype=np.int64)
    return Sums(counts, row.sum_ms, row.squares, row.over_budget)


def _timing(
    target: Target, slots: list[LatencySlot], budget: float | None, *, now: datetime
) -> Timing | None:
    day = total(_sums(row) for row in slots)
    hour = total(_sums(row) for row in slots if row.at >= now - HOUR)
    named = (("last hour", distribution(hour)), ("last day", distribution(day)))
    spans = [Span(name, found) for name, found in named if found]
    if not spans:
        return None
    return Timing(target, spans, _plot(hour if hour.n else day, budget), budget)


def _plot(sums: Sums, budget: float | None) -> Plot:
    used = np.flatnonzero(sums.counts)
    first, last = _stretched(int(used[0]), int(used[-1]) + 1, budget)
    width = (RIGHT - LEFT) / (last - first)
    highest = int(sums.counts.max())

    def x(milliseconds: float) -> float:
        place = (math.log2(milliseconds) - latencies.LOWEST_EXPONENT) * latencies.STEPS
        return round(LEFT + (min(max(place, first), last) - first) * width, 1)

    bars = []
    for place in used:
        height = round((FLOOR - 34) * int(sums.counts[place]) / highest, 1)
        left = LEFT + (int(place) - first) * width
        bars.append(Bar(round(left, 1), round(FLOOR - height, 1), round(width - 1, 1), height))
    found = distribution(sums)
    assert found is not None  # noqa: S101 - the caller has seen answers
    quantiles = (("p50", found.p50_ms), ("p95", found.p95_ms), ("p99", found.p99_ms))
    return Plot(
        bars=bars,
        marks=[
            _mark(x(ms), f"{name} {ms:.3g} ms", line=line)
            for line, (name, ms) in enumerate(quantiles)
        ],
        budget=_mark(x(budget), f"budget {budget:g} ms", line=0) if budget else None,
        ticks=[(x(latencies.edge(place)), _tick(place)) for place in _doublings(first, last)],
        first_ms=latencies.edge(first),
        last_ms=latencies.edge(last),
    )


def _stretched(first: int, last: int, budget: float | None) -> tuple[int, int]:
    """Let the axis hold the budget too, unless that is far away, and not be too short."""
    if budget:
        place = int((math.log2(budget) - latencies.LOWEST_EXPONENT) * latencies.STEPS)
        if last <= place < latencies.SIZE:
            last = place + 2
    short = max(0, LEAST_BUCKETS - (last - first))
    first = max(0, first - short // 2 - 1)
    return first, min(latencies.SIZE, last + short // 2 + 1)


def _doublings(first: int, last: int) -> list[int]:
    """Choose doublings for the axis, at even distances and not too many."""
    found = [place for place in range(first, last + 1) if place % latencies.STEPS == 0]
    return found[:: -(-len(found) // MOST_TICKS)]


def _tick(place: int) -> str:
    return f"{latencies.edge(place):.3g}"


def _mark(x: float, name: str, *, line: int) -> Mark:
    near_the_end = x > WIDTH - 110
    return Mark(x, name, 10 + 11 * line, "end" if near_the_end else "start")
