"""Who did what about a version: persons and services down, their acts across."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from governance.audit.actions import Action
from promotion.lineage.sources import ERASED, Json

LEFT, WIDE, HIGH, TOP = 150, 66, 26, 30
MOST = 20
LONGEST = 22
ACTS: Mapping[str, frozenset[str]] = {
    "registered": frozenset({Action.VERSION_REGISTERED, Action.MODEL_REGISTERED}),
    "attested": frozenset({Action.VERSION_ATTESTED}),
    "asked": frozenset({Action.REQUEST_OPENED}),
    "signed": frozenset({Action.REQUEST_APPROVED}),
    "rejected": frozenset({Action.REQUEST_REJECTED}),
    "waived": frozenset({Action.WAIVER_GIVEN}),
    "reviewed": frozenset(
        {
            Action.REQUEST_REVIEWED,
            Action.FINDING_RECORDED,
            Action.FINDING_CLOSED,
            Action.VERSION_REVIEWED,
        }
    ),
    "refused": frozenset({Action.ATTEMPT_REFUSED}),
}
"""What people do, and the entries that tell of it; the system's own steps are no act."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How often somebody did something."""

    x: float
    y: float
    count: int
    radius: float
    act: str


@dataclass(frozen=True, slots=True)
class Row:
    """One person or service."""

    y: float
    name: str
    kind: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class People:
    """The picture's parts, placed."""

    width: float
    height: float
    titles: tuple[tuple[float, str], ...]
    rows: tuple[Row, ...]
    hidden: int


def draw(timeline: Iterable[Json]) -> People | None:
    """Place who is in a report's timeline; None when it names nobody."""
    done: dict[tuple[str, str], Counter[str]] = {}
    for row in timeline:
        act = next((name for name, actions in ACTS.items() if row["action"] in actions), "")
        by = row["by"]
        if not act or not isinstance(by, dict) or by["kind"] not in {"user", "service"}:
            continue
        name = str(by["name"]) if by["name"] != ERASED else f"erased {str(by['id'])[:8]}"
        done.setdefault((name, str(by["kind"])), Counter())[act] += 1
    if not done:
        return None
    acts = [act for act in ACTS if any(act in counted for counted in done.values())]
    shown = list(done.items())[:MOST]
    return People(
        width=LEFT + WIDE * len(acts) + 2,
        height=TOP + HIGH * len(shown) + 4,
        titles=tuple((LEFT + WIDE * (n + 0.5), act) for n, act in enumerate(acts)),
        rows=tuple(
            _row(who, counted, acts=acts, y=TOP + HIGH * (n + 0.5))
            for n, (who, counted) in enumerate(shown)
        ),
        hidden=len(done) - len(shown),
    )


def _row(who: tuple[str, str], counted: Counter[str], *, acts: list[str], y: float) -> Row:
    name, kind = who
    marks = tuple(
        Mark(LEFT + WIDE * (n + 0.5), y, counted[act], min(6 + counted[act], 11), act)
        for n, act in enumerate(acts)
        if counted[act]
    )
    short = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}\u2026"
    return Row(y, short, kind, marks)
