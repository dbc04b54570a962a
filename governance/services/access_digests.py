"""Seals the access log: by the hour, a digest of its lines goes into the audit log.

Sign-ins and reads of the log are lines of a table that could be edited, because traffic can
trigger any number of them. With their digest in the chain, and the chain under checkpoints,
a line of a sealed hour cannot be changed, put in or taken out unseen.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction
from django.db.models import Min

from governance.actors import Actor
from governance.audit import chain
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.audit.models import Entry
from governance.audit.selectors import details
from governance.exports import moment
from governance.models import AccessLog

LATE = timedelta(minutes=10)
"""After the hour's end it is sealed: by then every line of it is written."""
CHUNK = 2_000
MOST_CHECKED = 24 * 7
TASK = "governance.seal_access_log"
SUBJECT = "access_log:"

_ALONE = "SELECT pg_advisory_xact_lock(hashtext('access_log.sealed'))"


@dataclass(frozen=True, slots=True)
class Digest:
    """Of the lines from one full hour up to another."""

    since: datetime
    until: datetime
    lines: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Compared:
    """What the latest digests say, and the entries whose lines are not those that were sealed."""

    digests: int
    lines: int
    sealed_until: datetime | None
    wrong: tuple[int, ...]


def seal(*, now: datetime) -> Digest | None:
    """Seal the full hours since the last time, if anything was written in them."""
    until = _hour(now - LATE)
    if not _begins(until):
        return None
    return _record(until)


def compare(*, limit: int | None = MOST_CHECKED) -> Compared:
    """Read the lines of sealed hours again, and compare them with their digests.

    Args:
        limit: how many of the latest digests; None for all there are.
    """
    rows = Entry.objects.filter(action=Action.ACCESS_LOG_SEALED).select_related("payload")
    newest = list(rows.order_by("-seq")[:limit])
    wrong, lines = [], 0
    for entry in newest:
        try:
            said = details(entry)
            if said is None:
                continue
            found = digest(*(datetime.fromisoformat(said[name]) for name in ("since", "until")))
            agrees = (found.lines, found.sha256) == (said["lines"], said["sha256"])
        except (KeyError, TypeError, ValueError):  # It was edited past the application.
            agrees = False
        else:
            lines += found.lines
        if not agrees:
            wrong.append(entry.seq)
    return Compared(len(newest), lines, sealed_until(), tuple(wrong))


def sealed_until() -> datetime | None:
    """Return the hour up to which the access log is sealed. One query."""
    entries = Entry.objects.filter(action=Action.ACCESS_LOG_SEALED).order_by("-seq")
    newest = entries.values_list("subject", flat=True).first()
    return datetime.fromisoformat(newest.removeprefix(SUBJECT)) if newest else None


def digest(since: datetime, until: datetime) -> Digest:
    """Hash the lines of some hours: one canonical JSON list a line, in the order of their ids."""
    found, lines = hashlib.sha256(), 0
    for line in _lines(since, until):
        found.update(line)
        lines += 1
    return Digest(since, until, lines, found.hexdigest())


@transaction.atomic
def _record(until: datetime) -> Digest | None:
    with connection.cursor() as cursor:
        cursor.execute(_ALONE)
    since = _begins(until)
    if since is None:
        return None

    made = digest(since, until)

    audit.record(
        Action.ACCESS_LOG_SEALED,
        actor=Actor.from_task(TASK),
        object="system",
        subject=f"{SUBJECT}{moment(until)}",
        details={
            "since": moment(since),
            "until": moment(until),
            "lines": made.lines,
            "sha256": made.sha256,
        },
    )
    return made


def _begins(until: datetime) -> datetime | None:
    """Return where the hours to be sealed begin; None when there is nothing in them."""
    last = sealed_until()
    lines = AccessLog.objects.filter(at__lt=until)
    if last is not None:
        lines = lines.filter(at__gte=last)
    first = lines.aggregate(first=Min("at"))["first"]
    if first is None:
        return None
    return last or _hour(first)


def _lines(since: datetime, until: datetime) -> Iterator[bytes]:
    rows = AccessLog.objects.filter(at__gte=since, at__lt=until).order_by("pk")
    for row in rows.iterator(chunk_size=CHUNK):
        said = [str(row.pk), moment(row.at), row.kind, row.principal, row.address, row.detail]
        yield chain.canonical(said).encode() + b"\n"


def _hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
