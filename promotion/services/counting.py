"""Counts a transaction once for a dark version, in whichever files it comes, in whatever order.

Who counts remembers the transactions of a week, eight bytes each, by the minutes they were
made in. What is older, or says it comes from the future, cannot be told from what was
counted and forgotten: it is not counted.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
from django.utils import timezone

from governance.models import Environment
from promotion.evidence import KEY, Array
from promotion.models import DarkSeen
from registry.models import ModelVersion

WINDOW = timedelta(days=7)
AHEAD = timedelta(hours=1)
"""How far an agent's clock may be ahead."""
MINUTES = 10
_SLOT = MINUTES * 60 * 1_000_000
"""Microseconds. Small enough to be written again with every file, large enough to be few."""


class Seen:
    """What was counted of some versions in one environment; locked until the transaction ends."""

    def __init__(
        self, environment: Environment, asked: Iterable[tuple[ModelVersion, Array]]
    ) -> None:
        """Lock what was seen in the minutes of each version's ``asked`` times."""
        now = timezone.now()
        self._first, self._last = _slot(now - WINDOW), _slot(now + AHEAD)
        wanted = sorted(
            {
                (version.pk, slot)
                for version, at in asked
                for slot in np.unique(at // _SLOT).tolist()
                if self._first <= slot <= self._last
            }
        )
        self._rows = _locked(environment, wanted)
        self._keys = {
            place: np.frombuffer(bytes(row.keys), dtype=KEY) for place, row in self._rows.items()
        }
        _forget(environment, before=_moment(self._first))

    def add(self, version: ModelVersion, *, keys: Array, at: Array) -> Array:
        """Note transactions, different ones; tell which of them were not counted before."""
        slots = at // _SLOT
        new = np.zeros(len(keys), dtype=bool)
        for slot in np.unique(slots).tolist():
            place = (version.pk, slot)
            if place not in self._keys:
                continue
            here = np.flatnonzero(slots == slot)
            fresh = here[~np.isin(keys[here], self._keys[place])]
            self._keys[place] = np.union1d(self._keys[place], keys[fresh])
            new[fresh] = True
        return new

    def save(self) -> None:
        """Remember what was noted."""
        for place, row in self._rows.items():
            row.keys = self._keys[place].astype(KEY).tobytes()
        DarkSeen.objects.bulk_update(self._rows.values(), ["keys"], batch_size=100)


def _locked(
    environment: Environment, wanted: list[tuple[UUID, int]]
) -> dict[tuple[UUID, int], DarkSeen]:
    """Make what is not there, and lock all, always in the same order."""
    made = [
        DarkSeen(environment=environment, version_id=version, since=_moment(slot))
        for version, slot in wanted
    ]
    DarkSeen.objects.bulk_create(made, ignore_conflicts=True)
    rows = DarkSeen.objects.select_for_update(no_key=True).filter(
        environment=environment,
        version__in={version for version, _ in wanted},
        since__in={_moment(slot) for _, slot in wanted},
    )
    found = {(row.version_id, _slot(row.since)): row for row in rows.order_by("version", "since")}
    return {place: found[place] for place in wanted}


def _forget(environment: Environment, *, before: datetime) -> None:
    """Remove what is too old to be asked for; what somebody holds goes the next time."""
    old = DarkSeen.objects.filter(environment=environment, since__lt=before)
    free = old.select_for_update(skip_locked=True).values_list("pk", flat=True)
    DarkSeen.objects.filter(pk__in=list(free)).delete()


def _slot(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) // _SLOT


def _moment(slot: int) -> datetime:
    return datetime.fromtimestamp(slot * _SLOT // 1_000_000, UTC)
