"""Reads the audit log's grants and revocations, for who could do what at a moment."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from governance.access import ROLES, Permission
from governance.audit.models import Entry
from governance.audit.selectors import details
from governance.errors import TooLarge
from promotion import rights
from promotion.rights import Change, Held, Standing

MOST_CHANGES = 50_000
"""Entries about accounts, tokens and roles that are replayed at once."""


@dataclass(frozen=True, slots=True)
class Rights:
    """Who held what at a moment, as the log tells."""

    at: datetime
    held: tuple[Held, ...]
    entries: int

    @property
    def counted(self) -> int:
        return sum(one.counted for one in self.held)

    @property
    def persons(self) -> int:
        """How many humans could do something of it, by an account or by a token."""
        return len({one.person for one in self.held if one.counted})


def standing(until: datetime, *, actions: Collection[str] = rights.ACTIONS) -> Standing:
    """Replay accounts, tokens and roles up to a moment. One query.

    Raises:
        TooLarge: more changes than are replayed at once.
    """
    return rights.replay(_changes(until, actions))


def rights_at(
    at: datetime, *, person: str = "", environment: str = "", permission: str = ""
) -> Rights:
    """Return who could do what at a moment. One query.

    Args:
        person: a human, or one of their accounts or tokens by name.
        environment: where it must have counted: what holds in all of them holds there too.
        permission: of ``Permission``; the roles that carry it, by today's rules.
    """
    changes = _changes(at, rights.ACTIONS)
    roles = ROLES[Permission(permission)] if permission else None
    held = [
        one
        for one in rights.replay(changes).held(at)
        if (not person or person in {one.person, one.principal.name, one.principal.owner})
        and (not environment or one.environment in {"", environment})
        and (roles is None or one.role in roles or one.role == rights.UNKNOWN)
    ]
    held.sort(
        key=lambda one: (one.person, one.principal.name, one.role, one.environment, one.entry)
    )
    return Rights(at, tuple(held), len(changes))


def _changes(until: datetime, actions: Collection[str]) -> list[Change]:
    rows: QuerySet[Entry] = Entry.objects.filter(action__in=list(actions), at__lte=until)
    found = list(rows.select_related("payload").order_by("seq")[: MOST_CHANGES + 1])
    if len(found) > MOST_CHANGES:
        message = f"More than {MOST_CHANGES:,} changes of roles, accounts and tokens."
        raise TooLarge(message, limit=MOST_CHANGES)
    return [_change(entry) for entry in found]


def _change(entry: Entry) -> Change:
    facts = details(entry)
    return Change(
        seq=entry.seq,
        at=entry.at,
        action=entry.action,
        principal=entry.object.partition(":")[2],
        subject=entry.subject,
        environment=entry.environment or "",
        by=str((facts or {}).get("actor") or f"{entry.actor_kind} {entry.actor_id}"),
        facts=facts,
    )
