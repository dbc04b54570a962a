"""Who was to answer when, as a picture: one lane a model in a place, one column a change.

Columns are as wide as each other and not to scale of time, as in the report of a version.
"""

from collections.abc import Iterable

from promotion.lineage.drawings.lanes import (
    BAR,
    BELOW,
    LANE,
    NARROWEST,
    TOP,
    WIDTH,
    Bar,
    Drawing,
    Lane,
    Tick,
)
from promotion.lineage.sources import GOES_ON, Json
from promotion.lineage_scope.sources import BEFORE

LEFT = 168
MOST_COLUMNS, MOST_LANES = 24, 30
"""Beyond these a picture tells less than the table below it, and is left out."""


def draw(decided: Iterable[Json]) -> Drawing | None:
    """Place the champions of a report; None when there are none, or too many."""
    rows = list(decided)
    ends = {str(row["until"]): row["ended_by"] for row in rows if row["until"] != GOES_ON}
    begins = {str(row["from"]): row["began_by"] for row in rows if row["from"] != BEFORE}
    times = sorted({**ends, **begins}.items())
    names = sorted({_name(row) for row in rows})
    if not rows or len(times) > MOST_COLUMNS or len(names) > MOST_LANES:
        return None
    step = max(NARROWEST, (WIDTH - LEFT) / (len(times) + 1))
    places = {at: LEFT + step * (index + 1) for index, (at, _) in enumerate(times)}
    places |= {BEFORE: float(LEFT), GOES_ON: LEFT + step * (len(times) + 1)}
    lanes = tuple(
        Lane(name, TOP + LANE * index, _bars(rows, name, places, y=TOP + LANE * index))
        for index, name in enumerate(names)
    )
    ticks = tuple(Tick(round(places[at], 1), at[:10], at[11:19], int(str(n))) for at, n in times)
    floor = TOP + LANE * len(names) - (LANE - BAR) // 2
    return Drawing(round(places[GOES_ON] + 4, 1), floor + BELOW, lanes, ticks, floor)


def _name(row: Json) -> str:
    return f"{row['model']}, {row['environment']}"


def _bars(rows: list[Json], name: str, places: dict[str, float], *, y: float) -> tuple[Bar, ...]:
    return tuple(
        Bar(round(left, 1), y, round(max(right - left - 2, 1), 1), f"v{row['version']}", "champion")
        for row in rows
        if _name(row) == name
        for left, right in [(places[str(row["from"])], places[str(row["until"])])]
    )
