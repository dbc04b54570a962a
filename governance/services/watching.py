"""The watch: looks for what was changed past the application, and lets the log remember it.

    every round: newest entries, a stretch of the rest -> heads, checkpoints, guards, sinks
                 -> rows against what the log tells -> notices -> entries of the log

A round reads one snapshot, read only, and a fixed share of everything, so no writer waits
and no log is too long. What is noticed becomes an entry, which nobody takes back and the
sealer soon carries outside; that it has ended becomes another. This module has the floor's
part and the keeping; ``promotion.services.watching`` composes the round.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import DatabaseError, connection, transaction

from governance.actors import Actor
from governance.audit import checkpoints, comparing, definitions, verify, walking
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.audit.comparing import Kind, Row
from governance.audit.models import Checkpoint, Watch
from governance.audit.notices import Area, Notice
from governance.errors import Unavailable
from governance.models import Environment, RoleBinding, ServiceToken, User

logger = logging.getLogger(__name__)

WATCH = Actor.from_task("promotion.watch")
PATIENCE = "30s"
AT_ONCE = frozenset({Area.GUARD, Area.HEAD, Area.STATE, Area.AGENT})
"""Looked at whole in every round."""
OF_SEALS = frozenset({Area.CHECKPOINT, Area.SINK})
"""Looked at in a pass of their own."""
NEWEST = 20
"""Entries one round writes; what is beyond comes with the next."""


@contextmanager
def snapshot() -> Iterator[None]:
    """Read the database as of one moment, for a while that has an end."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            if connection.in_atomic_block and not connection.savepoint_ids:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute(f"SET LOCAL statement_timeout = '{PATIENCE}'")
        yield


def last() -> Watch | None:
    """Return what the watch saw last; None before its first round."""
    return Watch.objects.first()


def log(before: Watch | None) -> tuple[walking.Walked, list[Notice]]:
    """Look at the log itself and at what guards it. Within a snapshot."""
    places: dict[str, Any] = before.places if before else {}
    walked = walking.walk(
        int(places.get("entry", 0)),
        newest=int(places.get("newest", 0)),
        seal=int(places.get("seal", 0)),
    )
    guards = (*verify.missing_guards(), *definitions.changed(), *verify.excess_rights())
    found = [*walked.notices, *(Notice(Area.GUARD, reason) for reason in guards)]
    if walked.size < (most := int(places.get("seen", 0))) and _is_same_history(places):
        text = f"the log has {walked.size} entries, and had {most} when it was last looked at"
        found.append(Notice(Area.HEAD, text))
    if gone := _checkpoints_gone(places):
        found.append(Notice(Area.CHECKPOINT, gone))
    said = checkpoints.sealing().said.get("noticed", [])
    found += [Notice(Area.CHECKPOINT, str(text)) for text in said]
    return walked, found


def sinks(walked: walking.Walked) -> list[Notice]:
    """Hold the checkpoints that were looked at against the sinks. Outside any transaction."""
    told = checkpoints.sealing().said.get("sinks", [])
    behind = {str(each.get("name")): int(each.get("size", 0)) for each in told}
    return walking.against_sinks(walked.sealed, behind=behind)


def places_of_log(walked: walking.Walked, before: Watch | None) -> dict[str, Any]:
    """Where the next round goes on, and how many checkpoints there have been."""
    places: dict[str, Any] = before.places if before else {}
    kept = places.get("checkpoints", [1, 0, 0])
    epoch, rows = checkpoints.epoch(), Checkpoint.objects.all()
    newest = checkpoints.newest()
    now = [epoch, newest.size if newest else 0, rows.count()]
    most = int(places.get("seen", 0)) if _is_same_history(places) else 0
    return {
        "entry": walked.next,
        "seal": walked.next_seal,
        "newest": walked.size,
        "seen": max(walked.size, most),
        "checkpoints": kept if _checkpoints_gone(places) else now,
    }


def keep(
    notices: Iterable[Notice],
    *,
    before: Watch | None,
    places: dict[str, Any],
    whole: bool,
    now: datetime,
) -> Watch | None:
    """Keep what a round saw, and record what is new in it; None when another round was quicker."""
    with transaction.atomic():
        row = Watch.objects.select_for_update().first()
        if (row.at if row else None) != (before.at if before else None):
            return None
        began = row.places["began"] if row else now.isoformat()
        since_well = (row.at if whole else row.whole_at) if row else None
        cycle_over = whole or not places["entry"]
        known = {(each["area"], each["what"]): each for each in (row.found if row else [])}
        found = [
            {**(known.pop(_key(notice), None) or _new(notice, now, since_well)), "seen": _text(now)}
            for notice in sorted(set(notices))
        ]
        seals = row.places.get("seals_began", began) if row else began
        ends = {"": began if cycle_over else "", "seal": "" if places["seal"] else seals}
        over = [one for one in known.values() if whole or _is_over(one, ends)]
        found += [one for one in known.values() if one not in over]
        row = row or Watch(whole_at=now)
        if cycle_over:  # Everything was looked at since it began.
            row.whole_at = now if whole else datetime.fromisoformat(began)
            began = now.isoformat()
        seals = seals if places["seal"] else _text(now)
        row.at, row.found = now, found
        row.places = {**places, "began": began, "seals_began": seals}
        _record(found, ended=over)
        own = (one["entry"] or 0 for one in found)
        row.places["seen"] = max([places.get("seen", 0), places["newest"], *own])
        row.save()
        return row


def _key(notice: Notice) -> tuple[str, str]:
    return notice.area.value, notice.what


def _text(at: datetime) -> str:
    return at.isoformat()


def _new(notice: Notice, now: datetime, well_at: datetime | None) -> dict[str, Any]:
    logger.error("tampering noticed: %s", notice)
    return {
        "area": notice.area.value,
        "what": notice.what,
        "at": _text(now),
        "well_at": _text(well_at) if well_at else None,
        "entry": None,
    }


def _is_over(each: dict[str, Any], ends: dict[str, str]) -> bool:
    """Tell whether what was noticed is no more, or its place only not looked at this time.

    Args:
        ends: when the pass began that has just ended, of checkpoints and of the rest.
    """
    if each["area"] in AT_ONCE:
        return True
    began = ends["seal" if each["area"] in OF_SEALS else ""]
    return bool(began) and datetime.fromisoformat(each["seen"]) < datetime.fromisoformat(began)


def _record(found: list[dict[str, Any]], *, ended: list[dict[str, Any]]) -> None:
    """Write entries, unless the log cannot take any: then the next round tries again."""
    new = [each for each in found if each["entry"] is None][:NEWEST]
    over = [each for each in ended if each["entry"] is not None][:NEWEST]
    try:
        with transaction.atomic():
            for each in over:
                _entry(Action.TAMPERING_ENDED, {**each, "noticed": each["entry"]})
            numbers = [_entry(Action.TAMPERING_NOTICED, each) for each in new]
    except (Unavailable, DatabaseError) as error:
        logger.warning("what the watch noticed could not be recorded: %s", error)
        return
    for each, number in zip(new, numbers, strict=True):
        each["entry"] = number


def _entry(action: Action, facts: dict[str, Any]) -> int:
    details = {name: value for name, value in facts.items() if name not in {"entry", "seen"}}
    return audit.record(
        action, actor=WATCH, object="system", subject="system:tampering", details=details
    )


def _is_same_history(places: dict[str, Any]) -> bool:
    """Tell whether no lost history was adopted since the last round."""
    return bool(places.get("checkpoints", [1])[0] == checkpoints.epoch())


def _checkpoints_gone(places: dict[str, Any]) -> str:
    """Say that there are fewer checkpoints than there were, in this history of the log."""
    _, size, count = places.get("checkpoints", [1, 0, 0])
    if not _is_same_history(places):
        return ""
    there = Checkpoint.objects.filter(size__lte=size).count()
    return f"{count - there} checkpoints of up to {size} entries are gone" if there < count else ""


KINDS = (
    Kind(
        "role",
        lambda: RoleBinding.objects.select_related("environment", "user", "token"),
        lambda row: Row(
            f"role:{row.pk}",
            f"the role {row.role} of {row.user or row.token}",
            {
                "role": row.role,
                "group": row.group,
                "object": f"principal:{row.user_id or row.token_id}",
                "environment": row.environment.slug if row.environment else None,
            },
            {"role.revoked": row.revoked_at is not None},
        ),
    ),
    Kind(
        "principal",
        User.objects.all,
        lambda row: Row(
            f"principal:{row.pk}",
            f"the account {row.username}",
            {
                name: getattr(row, name)
                for name in ("username", "person", "is_active", "is_staff", "is_superuser")
            },
        ),
    ),
    Kind(
        "token",
        ServiceToken.objects.all,
        lambda row: Row(
            f"token:{row.pk}",
            f"the token {row.name}",
            {
                "name": row.name,
                "scope": row.scope,
                "expires_at": row.expires_at.isoformat(),
            },
            {"token.revoked": row.revoked_at is not None},
        ),
    ),
    Kind(
        "environment",
        Environment.objects.all,
        lambda row: Row(
            f"environment:{row.pk}",
            f"the environment {row.slug}",
            {"environment": row.slug, "kind": row.kind, "position": row.position},
        ),
    ),
)


def rows(places: dict[str, str], subjects: dict[str, int]) -> tuple[list[Notice], dict[str, str]]:
    """Compare people, tokens, roles and environments with the log. Within a snapshot."""
    found, went = comparing.look(KINDS, places)
    kinds = [kind for kind in KINDS if kind.name != "principal"]  # Tokens are principals too.
    return [*found, *comparing.missing(kinds, subjects)], went
