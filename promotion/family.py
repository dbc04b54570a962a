"""Lineage as a picture: what a version comes from on the left, what comes of it on the right.

Boxes stand in columns, in the order they are given in; what does not fit in a column is
counted in its last box. The picture knows no version and no page: it places what it is told.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

WIDTH, HEIGHT = 176, 44
GAP, BETWEEN, MARGIN = 56, 14, 2
MOST = 8
"""Boxes in one column."""
LONGEST = 22
"""Characters of a label that fit into a box."""


@dataclass(frozen=True, slots=True)
class Box:
    """One thing: who it is, what stands below its name, and where to read on."""

    key: str
    column: int
    label: str
    note: str = ""
    kind: str = "version"
    href: str = ""


@dataclass(frozen=True, slots=True)
class Placed:
    """A box where it is drawn."""

    box: Box
    x: float
    y: float

    @property
    def label(self) -> str:
        return _short(self.box.label)

    @property
    def note(self) -> str:
        return _short(self.box.note, LONGEST + 4)

    @property
    def title(self) -> str:
        """All of it in words, for who hovers or listens."""
        return ": ".join(filter(None, [self.box.label, self.box.note]))


@dataclass(frozen=True, slots=True)
class Line:
    """From one box to another."""

    path: str
    dashed: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """The parts, placed."""

    width: float
    height: float
    boxes: tuple[Placed, ...]
    lines: tuple[Line, ...]


def draw(boxes: Iterable[Box], edges: Iterable[tuple[str, str, bool]]) -> Picture:
    """Place boxes and lines.

    Args:
        boxes: columns are numbered from anywhere; empty ones take no room.
        edges: from, to, and whether somebody said so later. To or from a box that is not
            drawn leads to the one that counts it, once.
    """
    columns: dict[int, list[Box]] = {}
    for box in boxes:
        columns.setdefault(box.column, []).append(box)
    drawn = {column: _cut(listed, column) for column, listed in sorted(columns.items())}
    tallest = max((len(listed) for listed in drawn.values()), default=0)
    height = max(tallest * (HEIGHT + BETWEEN) - BETWEEN, HEIGHT)
    placed: dict[str, Placed] = {}
    for index, listed in enumerate(drawn.values()):
        used = len(listed) * (HEIGHT + BETWEEN) - BETWEEN
        for row, box in enumerate(listed):
            x, y = MARGIN + index * (WIDTH + GAP), MARGIN + (height - used) / 2
            placed[box.key] = Placed(box, x, y + row * (HEIGHT + BETWEEN))
    stands = {box.key: _stand_in(box, drawn) for listed in columns.values() for box in listed}
    width = 2 * MARGIN + max(len(drawn) * (WIDTH + GAP) - GAP, WIDTH)
    lines = _lines(edges, placed, stands)
    return Picture(width, height + 2 * MARGIN, tuple(placed.values()), lines)


def _cut(listed: list[Box], column: int) -> list[Box]:
    if len(listed) <= MOST:
        return listed
    rest = len(listed) - MOST + 1
    more = Box(f"more-{column}", column, f"and {rest} more", "in the tables below", "more")
    return [*listed[: MOST - 1], more]


def _stand_in(box: Box, drawn: Mapping[int, list[Box]]) -> str:
    keys = {one.key for one in drawn[box.column]}
    return box.key if box.key in keys else f"more-{box.column}"


def _lines(
    edges: Iterable[tuple[str, str, bool]],
    placed: Mapping[str, Placed],
    stands: Mapping[str, str],
) -> tuple[Line, ...]:
    found: dict[tuple[str, str], bool] = {}
    for start, end, later in edges:
        if start in stands and end in stands:
            pair = stands[start], stands[end]
            found[pair] = found.get(pair, True) and later
    return tuple(Line(_curve(placed[a], placed[b]), late) for (a, b), late in found.items())


def _curve(start: Placed, end: Placed) -> str:
    x1, y1 = start.x + WIDTH, start.y + HEIGHT / 2
    x2, y2 = end.x, end.y + HEIGHT / 2
    bend = max((x2 - x1) / 2, GAP / 2)
    return f"M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"


def _short(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"
