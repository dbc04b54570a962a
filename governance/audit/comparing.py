"""Holds rows of tables against what the log says of them.

The log tells each change of what has a state. So the facts of a row are those its last
entries tell; a row that differs, or that no entry tells of, was changed past the
application. Facts that no entry tells, or whose payload was erased, are not compared.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from governance.audit.models import Entry
from governance.audit.notices import Area, Notice

SHORT = 60
MEMBERS = 3
LEAST = 500
"""Rows of a table that are looked at in one round: a small one is looked at whole."""
ROUNDS = 50
"""Rounds for the whole of a large one."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: whose subject it is, what people call it, and its facts by the log's names."""

    subject: str
    name: str
    facts: Mapping[str, object]
    happened: Mapping[str, bool] = field(default_factory=dict)
    """Actions that there must be an entry of, and those that there must be none of."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A table with state, and how one of its rows is told of in the log."""

    name: str
    """As in the subjects of its entries: ``deployment``."""
    rows: Callable[[], QuerySet[Any]]
    read: Callable[[Any], Row]
    first: Q | None = None
    """Rows that are looked at in every round, however many there are."""


def look(kinds: Iterable[Kind], places: Mapping[str, str]) -> tuple[list[Notice], dict[str, str]]:
    """Compare a share of each table; return what differs, and where the next round goes on.

    Args:
        places: what the round before returned.
    """
    found, went = list[Notice](), dict[str, str]()
    for kind in kinds:
        rows, went[kind.name] = _share(kind, after=places.get(kind.name, ""))
        found += differences(kind.read(row) for row in rows)
    return found, went


def missing(kinds: Iterable[Kind], subjects: Mapping[str, int]) -> list[Notice]:
    """Name what entries tell of and no table has. One query for each kind.

    Args:
        subjects: each with the number of an entry about it.
    """
    found = []
    for kind in kinds:
        keys = {subject.partition(":")[2] for subject in subjects if _is_of(kind, subject)}
        there = set(map(str, kind.rows().filter(pk__in=keys).values_list("pk", flat=True)))
        for key in sorted(keys - there):
            subject = f"{kind.name}:{key}"
            text = f"{subject} is gone, and entry {subjects[subject]} tells of it"
            found.append(Notice(Area.ROW, text))
    return found


def _is_of(kind: Kind, subject: str) -> bool:
    name, _, key = subject.partition(":")
    return name == kind.name and _is_uuid(key)


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _share(kind: Kind, *, after: str) -> tuple[list[Any], str]:
    everything = kind.rows().order_by("pk")
    most = max(LEAST, -(-everything.count() // ROUNDS))
    rows = everything.filter(pk__gt=after) if after else everything
    share = list(rows[:most])
    place = str(share[-1].pk) if len(share) == most else ""
    if kind.first is not None:
        known = {row.pk for row in share}
        share += [row for row in everything.filter(kind.first)[:LEAST] if row.pk not in known]
    return share, place


@dataclass(slots=True)
class Told:
    """All that the log says of one subject."""

    facts: dict[str, tuple[object, int]] = field(default_factory=dict)
    """By name: the value, and the entry that told it last."""
    actions: dict[str, int] = field(default_factory=dict)


def differences(rows: Iterable[Row]) -> list[Notice]:
    """Name the rows that the log does not account for. One query; within one snapshot."""
    wanted = list(rows)
    told = told_of({row.subject for row in wanted})
    return [
        Notice(Area.ROW, f"{row.name}: {problem}")
        for row in wanted
        if (problem := _wrong_with(row, told.get(row.subject)))
    ]


def told_of(subjects: Iterable[str]) -> dict[str, Told]:
    """Read what the log says of each subject: of every action the last entry."""
    entries = (
        Entry.objects.filter(subject__in=list(subjects))
        .exclude(action="attempt.refused")
        .order_by("subject", "action", "-seq")
        .distinct("subject", "action")
        .values("seq", "subject", "action", "object", "model", "model_version", "environment",
                "request", "payload__body")
    )  # fmt: skip
    found: dict[str, Told] = {}
    for entry in sorted(entries, key=lambda one: int(one["seq"])):
        _note(found.setdefault(entry["subject"], Told()), entry)
    return found


def _note(told: Told, entry: Mapping[str, Any]) -> None:
    seq = int(entry["seq"])
    told.actions[entry["action"]] = seq
    columns = {
        "object": entry["object"],
        "model": entry["model"],
        "version": entry["model_version"],
        "environment": entry["environment"],
        "request": str(entry["request"]) if entry["request"] else None,
    }
    body = entry["payload__body"]
    if body is None:
        told.facts = {name: fact for name, fact in told.facts.items() if name in columns}
    for name, value in {**(json.loads(body) if body else {}), **columns}.items():
        told.facts[name] = value, seq


def _wrong_with(row: Row, told: Told | None) -> str:
    if told is None:
        return "no entry of the log tells of it"
    for name, value in row.facts.items():
        if name in told.facts:
            said, seq = told.facts[name]
            if said != value and isinstance(value, dict | list):
                return f"its {name} is not the one that entry {seq} tells of{_where(value, said)}"
            if said != value:
                return f"its {name} is {_short(value)}, and entry {seq} says {_short(said)}"
    for action, is_wanted in row.happened.items():
        if is_wanted and action not in told.actions:
            return f"no entry {action} tells of it"
        if not is_wanted and action in told.actions:
            return f"it is as before entry {told.actions[action]}, {action}"
    return ""


def _where(value: object, said: object) -> str:
    """Name what differs within two documents: their members, the first few."""
    if not (isinstance(value, dict) and isinstance(said, dict)):
        return ""
    names = sorted(key for key in value.keys() | said.keys() if value.get(key) != said.get(key))
    return ": " + ", ".join(names[:MEMBERS]) + (" ..." if len(names) > MEMBERS else "")


def _short(value: object) -> str:
    if isinstance(value, dict | list):
        return "another document"
    text = "empty" if value in {"", None} else str(value)
    return text if len(text) <= SHORT else f"{text[:SHORT]}..."
