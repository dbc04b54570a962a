"""Where a version comes from and where it went: data sets, training, version, places, agents.

Five columns from left to right. Of a long column the last box says how many more there are;
the tables name all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from promotion.lineage.sources import GOES_ON, NOT_SUPPLIED, Json, mapping, rows

WIDE, HIGH, GAP, BETWEEN, TOP = 124, 40, 10, 22, 22
MOST = 8
LONGEST, LONGEST_SMALL = 16, 20
"""Letters that fit into a box, in its first and its second line."""
TITLES = ("Data sets", "Training", "Version", "Decided in", "Answered on")


@dataclass(frozen=True, slots=True)
class Box:
    """One thing, in two lines."""

    x: float
    y: float
    title: str
    text: str
    shade: str = ""

    @property
    def middle(self) -> float:
        return self.y + HIGH / 2

    @property
    def right(self) -> float:
        return self.x + WIDE


@dataclass(frozen=True, slots=True)
class Line:
    """What leads from one box to another."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def path(self) -> str:
        bend = (self.x2 - self.x1) / 2
        out, into = (self.x1 + bend, self.y1), (self.x2 - bend, self.y2)
        points = ((self.x1, self.y1), out, into, (self.x2, self.y2))
        start, *rest = (f"{x:g} {y:g}" for x, y in points)
        return f"M{start}C{' '.join(rest)}"


@dataclass(frozen=True, slots=True)
class Graph:
    """The picture's parts, placed."""

    width: float
    height: float
    titles: tuple[tuple[float, str], ...]
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    wide: int = WIDE
    high: int = HIGH


def draw(body: Mapping[str, Json]) -> Graph:
    """Place what a report's body tells."""
    origin, card = body["origin"], body["inventory"]
    states = mapping(card["states"])
    agents = _agents(rows(body["deployment_record"]["serving"]), places=list(states))
    columns = [
        _cut(
            [(str(row["id"]), _period(row), "") for row in rows(origin["datasets"])], NOT_SUPPLIED
        ),
        [("run", str(origin["run"]), ""), ("commit", str(origin["commit"]), "")],
        [(f"version {card['version']}", str(card["digest"])[:12], "")],
        _cut([_place(place, mapping(said)) for place, said in states.items()], "nowhere"),
        _cut([(name, until, "") for _, name, until in agents], "no agent"),
    ]
    tallest = max(map(len, columns))
    placed = [_column(n, column, tallest=tallest) for n, column in enumerate(columns)]
    names = [place for place, _ in states.items()][: MOST - 1]
    lines = [
        *(_line(left, right) for left in placed[0] for right in placed[1][:1]),
        *(_line(left, placed[2][0]) for left in placed[1]),
        *(_line(placed[2][0], right) for right in placed[3]),
        *_to_agents(agents, names, places=placed[3], boxes=placed[4]),
    ]
    return Graph(
        width=5 * WIDE + 4 * BETWEEN + 2,
        height=TOP + tallest * (HIGH + GAP),
        titles=tuple((n * (WIDE + BETWEEN) + 1, title) for n, title in enumerate(TITLES)),
        boxes=tuple(box for column in placed for box in column),
        lines=tuple(lines),
    )


def _column(number: int, column: list[tuple[str, str, str]], *, tallest: int) -> list[Box]:
    x = number * (WIDE + BETWEEN) + 1
    down = TOP + (tallest - len(column)) * (HIGH + GAP) / 2
    return [
        Box(
            x,
            down + index * (HIGH + GAP),
            _short(title, LONGEST),
            _short(text, LONGEST_SMALL),
            shade,
        )
        for index, (title, text, shade) in enumerate(column)
    ]


def _line(left: Box, right: Box) -> Line:
    return Line(left.right, left.middle, right.x, right.middle)


def _to_agents(
    agents: list[tuple[str, str, str]],
    names: list[str],
    *,
    places: list[Box],
    boxes: list[Box],
) -> list[Line]:
    """Lead from each environment to its agents; the last box may stand for several."""
    found = {}
    for index, (environment, _, _) in enumerate(agents):
        box = boxes[min(index, len(boxes) - 1)]
        place = places[names.index(environment) if environment in names else -1]
        found[place.y, box.y] = _line(place, box)
    return list(found.values())


def _agents(
    serving: list[Mapping[str, object]], *, places: list[str]
) -> list[tuple[str, str, str]]:
    """Environment, agent, and until when it answered: one for each agent, by environment."""
    found: dict[tuple[str, str], str] = {}
    for row in serving:
        key = (str(row["environment"]), str(row["agent"]))
        until = str(row["until"])
        is_on = until == GOES_ON or found.get(key) == "still answers"
        found[key] = "still answers" if is_on else f"until {until[:10]} {until[11:16]}"
    order = {place: number for number, place in enumerate(places)}
    ordered = sorted(found.items(), key=lambda item: (order.get(item[0][0], len(order)), item[0]))
    return [(place, name, until) for (place, name), until in ordered]


def _place(name: str, said: Mapping[str, object]) -> tuple[str, str, str]:
    role, state = str(said["role"]), str(said["state"])
    return name, state if role == "none" else f"{state}, {role}", role if role != "none" else state


def _period(row: Mapping[str, object]) -> str:
    start, end = str(row["from"])[:10], str(row["to"])[:10]
    return f"{start}/{end[2:]}" if start != NOT_SUPPLIED[:10] else str(row["digest"])[:12]


def _cut(column: list[tuple[str, str, str]], nothing: str) -> list[tuple[str, str, str]]:
    if not column:
        return [(nothing, "", "gap")]
    if len(column) > MOST:
        more = len(column) - MOST + 1
        return [*column[: MOST - 1], (f"and {more} more", "see the table", "")]
    return column


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}\u2026"
