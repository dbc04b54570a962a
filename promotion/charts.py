"""Counts by day as stacked bars: placed here, drawn by a template, with the numbers beside.

A bar is a day, a week, a month or a year, so that a picture has some sixty of them at most.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

WIDTH, HEIGHT, TOP, BELOW, LEFT = 1_200, 150, 12, 24, 52
MOST_DAYS, MOST_WEEKS, MOST_MONTHS = 62, 430, 1_900
BARS = (("day", MOST_DAYS), ("week", MOST_WEEKS), ("month", MOST_MONTHS))
SERIES = 5
"""Sorts with a shade of their own, the largest; all others are one."""
OTHER = "other"
TICKS = 12
LABEL = 64
"""How wide a label is, about."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One sort's part of a bar."""

    x: float
    y: float
    width: float
    height: float
    shade: int


@dataclass(frozen=True, slots=True)
class Column:
    """One bar in numbers: its label, how many of each sort, and of all."""

    label: str
    counts: tuple[int, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture's parts, placed, and its numbers."""

    each: str
    """What one bar is: a day, a week, a month or a year."""
    series: tuple[tuple[str, int], ...]
    """Name and total of each sort, the largest first."""
    pieces: tuple[Piece, ...]
    columns: tuple[Column, ...]
    ticks: tuple[tuple[float, str], ...]
    most: int
    width: int = WIDTH
    height: int = TOP + HEIGHT + BELOW
    floor: int = TOP + HEIGHT
    left: int = LEFT
    top: int = TOP


def by_day(days: Mapping[date, Mapping[str, int]], *, first: date, last: date) -> Chart:
    """Place the counts of each day between two days, both within."""
    span = (last - first).days + 1
    each = next((name for name, most in BARS if span <= most), "year")
    found = {_bucket(first + timedelta(days=place), each): Counter[str]() for place in range(span)}
    for day, counts in days.items():
        if first <= day <= last:
            found[_bucket(day, each)].update(counts)
    series = _series(found.values())
    columns = tuple(_column(bucket, counts, series) for bucket, counts in sorted(found.items()))
    most = max((column.total for column in columns), default=0)
    return Chart(
        each=each,
        series=tuple(
            (name, sum(column.counts[place] for column in columns))
            for place, name in enumerate(series)
        ),
        pieces=tuple(_pieces(columns, most)),
        columns=columns,
        ticks=_ticks(columns),
        most=most,
    )


def _bucket(day: date, each: str) -> date:
    if each == "week":
        return day - timedelta(days=day.weekday())
    if each == "year":
        return day.replace(month=1, day=1)
    return day.replace(day=1) if each == "month" else day


def _series(found: Iterable[Counter[str]]) -> list[str]:
    totals: Counter[str] = Counter()
    for counts in found:
        totals.update(counts)
    names = sorted(totals, key=lambda name: (-totals[name], name))
    return names if len(names) <= SERIES + 1 else [*names[:SERIES], OTHER]


def _column(bucket: date, counts: Counter[str], series: list[str]) -> Column:
    total = counts.total()
    numbers = [counts[name] for name in series]
    if OTHER in series[-1:] and OTHER not in counts:
        numbers[-1] = total - sum(numbers[:-1])
    return Column(bucket.isoformat(), tuple(numbers), total)


def _pieces(columns: Sequence[Column], most: int) -> list[Piece]:
    step, found = _step(columns), []
    for place, column in enumerate(columns):
        floor = float(TOP + HEIGHT)
        for shade, count in enumerate(column.counts):
            if count:
                height = HEIGHT * count / most
                floor -= height
                x = LEFT + step * (place + 0.1)
                found.append(
                    Piece(
                        x=round(x, 2),
                        y=round(floor, 2),
                        width=round(step * 0.8, 2),
                        height=round(height, 2),
                        shade=shade + 1,
                    )
                )
    return found


def _ticks(columns: Sequence[Column]) -> tuple[tuple[float, str], ...]:
    """Label some of the bars, below their middles; none so near the edge that it is cut off."""
    step, every = _step(columns), max(-(-len(columns) // TICKS), 1)
    middles = ((LEFT + step * (place + 0.5), column) for place, column in enumerate(columns))
    return tuple(
        (round(min(x, WIDTH - LABEL / 2), 1), column.label)
        for place, (x, column) in enumerate(middles)
        if place % every == 0
    )


def _step(columns: Sequence[Column]) -> float:
    return (WIDTH - LEFT) / max(len(columns), 1)
