"""How a dark version scored beside a champion: numbers with their n, and the plot's points."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import QuerySet

from promotion import proportions
from promotion.models import DarkTally
from promotion.proportions import Share

WIDTH, HEIGHT, FLOOR = 640, 180, 150
"""The drawing's size, and where its axis lies."""
LEFT, RIGHT = 8, 8


@dataclass(frozen=True, slots=True)
class Bar:
    """One bin of the champion's scores."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Plot:
    """Score histograms: the champion as bars, the dark version as a stepped line."""

    bars: list[Bar]
    line: str
    threshold_x: float | None
    threshold: float | None
    ticks: list[tuple[float, str]]
    width: int = WIDTH
    height: int = HEIGHT
    floor: int = FLOOR


@dataclass(frozen=True, slots=True)
class Tally:
    """One dark version against one champion."""

    row: DarkTally
    flips: Share | None
    mean_difference: float | None
    mean_absolute_difference: float | None
    mean_latency_ms: float | None
    span: timedelta | None
    bins: list[tuple[str, int, int]]
    plot: Plot | None


def tallies_of(rows: QuerySet[DarkTally]) -> list[Tally]:
    """Read tallies, the largest first. One query."""
    chosen = rows.select_related("version", "champion", "environment")
    return [tally(row) for row in chosen.order_by("-scored")]


def tally(row: DarkTally) -> Tally:
    """Work out what the sums of one tally say."""
    n = row.scored
    bins = _bins(row)
    return Tally(
        row=row,
        flips=proportions.exact(min(row.stricter + row.laxer, n), n),
        mean_difference=row.sum_difference / n if n else None,
        mean_absolute_difference=row.sum_absolute_difference / n if n else None,
        mean_latency_ms=row.sum_latency_ms / n if n else None,
        span=row.last_at - row.first_at if row.first_at and row.last_at else None,
        bins=bins,
        plot=_plot(bins, threshold=_threshold(row)) if n and bins else None,
    )


def _threshold(row: DarkTally) -> float | None:
    score = row.champion.manifest.get("score")
    found = score.get("threshold") if isinstance(score, dict) else None
    return float(found) if isinstance(found, int | float) and 0 <= found <= 1 else None


def _bins(row: DarkTally) -> list[tuple[str, int, int]]:
    """Each bin's range, the dark count and the champion's."""
    counts = list(zip(row.histogram, row.champion_histogram, strict=False))
    step = 1 / len(counts) if counts else 0
    return [
        (f"{i * step:.2f} to {(i + 1) * step:.2f}", int(dark), int(champion))
        for i, (dark, champion) in enumerate(counts)
    ]


def _plot(bins: list[tuple[str, int, int]], *, threshold: float | None) -> Plot:
    """Draw both on the same scale, by share of the larger bin."""
    highest = max(max(dark, champion) for _, dark, champion in bins) or 1
    inner = WIDTH - LEFT - RIGHT
    width = inner / len(bins)

    def y(count: int) -> float:
        return round(FLOOR - (FLOOR - 10) * count / highest, 1)

    bars, points = [], [f"M{LEFT} {FLOOR}"]
    for i, (_, dark, champion) in enumerate(bins):
        x = round(LEFT + i * width, 1)
        bars.append(Bar(x + 1, y(champion), round(width - 2, 1), round(FLOOR - y(champion), 1)))
        points.append(f"L{x} {y(dark)} H{round(x + width, 1)}")
    points.append(f"V{FLOOR}")
    return Plot(
        bars=bars,
        line=" ".join(points),
        threshold_x=round(LEFT + inner * threshold, 1) if threshold is not None else None,
        threshold=threshold,
        ticks=[(round(LEFT + inner * i / 4, 1), f"{i / 4:g}") for i in range(5)],
    )
