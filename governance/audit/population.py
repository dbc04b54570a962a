"""How many changes of which kind there were in a period, and that none of them is missing.

Everything is counted as of one size of the log, so that a count does not move while
somebody reads it, and can be had again later by that size.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection
from django.db.models import Max

from governance.audit import checkpoints
from governance.audit.models import Entry
from governance.periods import Period

SYSTEM = frozenset({"task", "agent"})
"""Kinds of actors that are no person and no service: what they did, the system did by itself."""
MOST_ROWS = 500
"""Of objects and of stretches that are named; the rest is counted."""

_BY_TYPE = """
SELECT action, split_part(object, ':', 1), actor_kind = ANY(%(system)s), count(*),
       min(seq), max(seq)
FROM audit_entry WHERE at >= %(since)s AND at < %(until)s AND seq <= %(size)s
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_BY_DAY = """
SELECT (at AT TIME ZONE 'UTC')::date, split_part(action, '.', 1), count(*)
FROM audit_entry WHERE at >= %(since)s AND at < %(until)s AND seq <= %(size)s
GROUP BY 1, 2 ORDER BY 1, 2
"""
_BY_OBJECT = """
WITH chain AS (
    SELECT object, min(object_seq) AS first, max(object_seq) AS last, count(*) AS entries
    FROM audit_entry WHERE at >= %(since)s AND at < %(until)s AND seq <= %(size)s
    GROUP BY object
)
SELECT object, first, last, entries, count(*) OVER (),
       count(*) FILTER (WHERE last - first + 1 <> entries) OVER ()
FROM chain ORDER BY (last - first + 1 = entries), entries DESC, object LIMIT %(most)s
"""
_UNSEALED = """
WITH stretches AS (
    SELECT coalesce((
        SELECT max(size) FROM audit_checkpoint AS before WHERE before.size < newer.size
    ), 0) + 1 AS first, size AS last, at AS sealed_at
    FROM audit_checkpoint AS newer WHERE size <= %(size)s AND at >= %(since)s
    UNION ALL
    SELECT coalesce(max(size), 0) + 1, %(size)s, NULL FROM audit_checkpoint
    HAVING coalesce(max(size), 0) < %(size)s
)
SELECT first, last, entry.at, sealed_at FROM stretches JOIN audit_entry AS entry ON seq = first
WHERE coalesce(sealed_at, %(now)s) - entry.at > %(late)s
  AND entry.at < %(until)s AND coalesce(sealed_at, %(now)s) >= %(since)s
ORDER BY first DESC LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class Counted:
    """Changes of one kind, about one kind of object, by people or by the system."""

    action: str
    object_type: str
    by_system: bool
    count: int
    first: int
    last: int

    @property
    def family(self) -> str:
        return self.action.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Chain:
    """The entries of one object in the period."""

    object: str
    first: int
    last: int
    count: int

    @property
    def missing(self) -> int:
        return self.last - self.first + 1 - self.count


@dataclass(frozen=True, slots=True)
class Unsealed:
    """Entries that waited longer than they should for a checkpoint; None, they still do."""

    first: int
    last: int
    since: datetime
    sealed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Population:
    """All changes of a period, as the log of ``size`` entries tells."""

    period: Period
    size: int
    count: int
    by_system: int
    first: int | None
    last: int | None
    object_count: int
    objects_with_gaps: int
    types: tuple[Counted, ...]
    days: Mapping[date, Mapping[str, int]]
    """Of each day with changes, how many of each family of actions."""
    objects: tuple[Chain, ...]
    unsealed: tuple[Unsealed, ...]
    sealed: int

    @property
    def missing(self) -> int:
        """How many numbers between the first and the last have no entry."""
        if self.first is None or self.last is None:
            return 0
        return self.last - self.first + 1 - self.count

    @property
    def is_complete(self) -> bool:
        return not self.missing and not self.objects_with_gaps

    @property
    def by_people(self) -> int:
        return self.count - self.by_system


def head() -> int:
    """Return how many entries there are. One query."""
    return Entry.objects.aggregate(size=Max("seq"))["size"] or 0


def population(period: Period, *, now: datetime, size: int | None = None) -> Population:
    """Count the changes of a period. Six queries.

    Args:
        size: as the log of so many entries tells; None is as it is now.
    """
    size = min(head() if size is None else size, 2**62)
    asked = {
        "since": period.since,
        "until": period.until,
        "size": size,
        "system": sorted(SYSTEM),
        "most": MOST_ROWS,
        "now": now,
        "late": checkpoints.LATE,
    }
    types = tuple(Counted(*row) for row in _rows(_BY_TYPE, asked))
    objects = _rows(_BY_OBJECT, asked)
    days: dict[date, dict[str, int]] = {}
    for day, family, number in _rows(_BY_DAY, asked):
        days.setdefault(day, {})[family] = number
    newest = checkpoints.newest()
    return Population(
        period=period,
        size=size,
        count=sum(one.count for one in types),
        by_system=sum(one.count for one in types if one.by_system),
        first=min((one.first for one in types), default=None),
        last=max((one.last for one in types), default=None),
        object_count=objects[0][4] if objects else 0,
        objects_with_gaps=objects[0][5] if objects else 0,
        types=types,
        days=days,
        objects=tuple(Chain(*row[:4]) for row in objects),
        unsealed=tuple(Unsealed(*row) for row in _rows(_UNSEALED, asked)),
        sealed=newest.size if newest else 0,
    )


def _rows(statement: str, asked: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, asked)
        return list(cursor.fetchall())
