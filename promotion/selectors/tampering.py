"""What the watch has noticed: what is wrong now, and what ever was, with how soon it was seen."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from governance.audit.actions import Action
from governance.audit.models import Entry, Watch
from governance.audit.notices import Area, Notice

MOST = 50
"""Of what was noticed before, the newest."""
AREAS = [area.value for area in Area]
"""The log first: what is wrong with it may explain the rest."""
LATE = timedelta(minutes=5)
ROUNDS_MISSED = 5


@dataclass(frozen=True, slots=True)
class Noticed:
    """One thing that was changed past the application."""

    area: str
    what: str
    remedy: str
    at: datetime
    well_at: datetime | None
    """When the same place was looked at before, and was well: it happened after that."""
    entry: int | None
    ended_at: datetime | None = None

    @property
    def within(self) -> timedelta | None:
        """How soon at most it was noticed; None when it was so at the first look."""
        return self.at - self.well_at if self.well_at else None


@dataclass(frozen=True, slots=True)
class Watched:
    """What the watch saw in its last round."""

    at: datetime
    whole_at: datetime
    found: list[Noticed]

    def is_late(self, now: datetime) -> bool:
        return now - self.at > max(LATE, ROUNDS_MISSED * every())


@dataclass(frozen=True, slots=True)
class Page:
    """What is wrong now, what has ended, and how the watch goes."""

    watched: Watched | None
    past: list[Noticed]
    every: timedelta
    entries: int

    @property
    def found(self) -> list[Noticed]:
        return self.watched.found if self.watched else []

    @property
    def title(self) -> str:
        """The answer, in a sentence."""
        if self.watched is None:
            return "Nobody has looked for tampering yet"
        if not self.found:
            return "Nothing was changed past the application"
        count = len(self.found)
        noun = "thing is" if count == 1 else "things are"
        return f"{count} {noun} not as Lockgate left {'it' if count == 1 else 'them'}"


def every() -> timedelta:
    """How often the watch looks."""
    return timedelta(seconds=settings.CONFIG.watch_seconds)


def watched() -> Watched | None:
    """Read the last round; None before the first. One query."""
    row = Watch.objects.first()
    if row is None:
        return None
    found = [_noticed(each, entry=each.get("entry")) for each in row.found]
    found.sort(key=lambda one: (-one.at.timestamp(), AREAS.index(one.area)))
    return Watched(row.at, row.whole_at, found)


def page() -> Page:
    """Read what the watch found now and before. Four queries."""
    told = Entry.objects.filter(action=Action.TAMPERING_NOTICED).select_related("payload")
    rows = list(told.order_by("-seq")[:MOST])
    over = _ended([row.seq for row in rows])
    last = Entry.objects.order_by("-seq").values_list("seq", flat=True).first()
    seen = watched()
    now = {one.entry for one in seen.found} if seen else set()
    past = [
        _noticed(json.loads(row.payload.body), entry=row.seq, ended_at=over.get(row.seq))
        for row in rows
        if row.payload.body and row.seq not in now
    ]
    return Page(watched=seen, past=past, every=every(), entries=last or 0)


def _ended(noticed: list[int]) -> dict[int, datetime]:
    """When what these entries tell was no more."""
    if not noticed:
        return {}
    rows = Entry.objects.filter(action=Action.TAMPERING_ENDED, seq__gt=min(noticed))
    told = rows.select_related("payload").order_by("seq")[: 2 * MOST]
    return {
        int(json.loads(row.payload.body)["noticed"]): row.at for row in told if row.payload.body
    }


def _noticed(
    facts: Mapping[str, Any], *, entry: int | None, ended_at: datetime | None = None
) -> Noticed:
    area = Area(facts["area"])
    well_at = facts.get("well_at")
    return Noticed(
        area=area.value,
        what=str(facts["what"]),
        remedy=Notice(area, "").remedy,
        at=datetime.fromisoformat(facts["at"]),
        well_at=datetime.fromisoformat(well_at) if well_at else None,
        entry=entry,
        ended_at=ended_at,
    )
