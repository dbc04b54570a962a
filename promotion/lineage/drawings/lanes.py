"""The lifecycle as a picture: one lane an environment, one column a change.

Columns are as wide as each other and not to scale of time, because a rollout takes
seconds and a life takes months; the times stand below. State is told by a word and a
shape first and by a shade second, so that it reads in grey print.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from promotion.lineage.sources import NONE, Json

WIDTH = 680
LEFT = 96
LANE, BAR, TOP, BELOW = 44, 20, 14, 30
NARROWEST = 46
"""Columns get no narrower than this; the picture gets wider instead."""

SHADES: Mapping[str, str] = {
    "trained": "trained",
    "dark": "dark",
    "champion": "champion",
    "candidate": "candidate",
    "bake": "bake",
    "spare": "bake",
    "retired": "retired",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """The version in one state, in one environment."""

    x: float
    y: float
    width: float
    state: str
    shade: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One environment."""

    name: str
    y: float
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """One change: when, and by which entry."""

    x: float
    day: str
    time: str
    entry: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """The picture's parts, placed."""

    width: float
    height: float
    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]
    floor: float


def draw(timeline: Iterable[Json]) -> Drawing | None:
    """Place the deployment entries of a report's timeline; None when there are none."""
    changes = [row for row in timeline if str(row["action"]).startswith("deployment.")]
    if not changes:
        return None
    step = max(NARROWEST, (WIDTH - LEFT) / len(changes))
    end = LEFT + step * len(changes)
    places = list(dict.fromkeys(str(row["environment"]) for row in changes))
    lanes = tuple(
        Lane(place, TOP + index * LANE, _bars(changes, place, index=index, step=step, end=end))
        for index, place in enumerate(places)
    )
    floor = TOP + LANE * len(places)
    ticks = tuple(_tick(row, LEFT + step * index) for index, row in enumerate(changes))
    return Drawing(round(end + 4, 1), floor + BELOW, lanes, ticks, floor)


def _bars(
    changes: list[Json], place: str, *, index: int, step: float, end: float
) -> tuple[Bar, ...]:
    mine = [(at, row) for at, row in enumerate(changes) if row["environment"] == place]
    bounds = [LEFT + step * at for at, _ in mine] + [end]
    return tuple(
        _bar(row, left, bounds[i + 1], TOP + index * LANE)
        for i, (left, (_, row)) in enumerate(zip(bounds, mine, strict=False))
    )


def _bar(row: Json, left: float, right: float, y: float) -> Bar:
    name = str(row["role"] if row["role"] not in {NONE, "erased"} else row["state"])
    width = max(right - left - 2, 1)
    return Bar(round(left, 1), y, round(width, 1), name, SHADES.get(name, "unknown"))


def _tick(row: Json, x: float) -> Tick:
    at = str(row["at"])
    return Tick(round(x, 1), at[:10], at[11:19], int(str(row["entry"])))
