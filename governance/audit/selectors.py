"""Reading the audit log: by what it is about, always bounded."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from governance.audit.models import Entry

MOST = 500
EQUAL = (
    "object",
    "subject",
    "action",
    "actor_id",
    "model",
    "model_version",
    "environment",
    "request",
)
"""Columns that ``entries`` compares; each has an index or narrows one that has."""


def entries(
    *,
    filters: Mapping[str, object] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[Entry]:
    """Return entries with their payloads, oldest first. Cut a page before reading them.

    Args:
        filters: of ``EQUAL``, values compared exactly.
        since, until: the time of the entry, from and before.
    """
    unknown = set(filters or {}) - set(EQUAL)
    if unknown:
        message = f"no filter by {', '.join(sorted(unknown))}"
        raise ValueError(message)
    found = Entry.objects.select_related("payload").filter(**dict(filters or {}))
    if since is not None:
        found = found.filter(at__gte=since)
    if until is not None:
        found = found.filter(at__lt=until)
    return found.order_by("seq")


def about(subject: str, *, limit: int = MOST) -> list[Entry]:
    """Return the newest entries about one thing, such as ``deployment:<uuid>``."""
    return list(entries(filters={"subject": subject}).order_by("-seq")[: min(limit, MOST)])


def of_object(name: str, *, limit: int = MOST) -> list[Entry]:
    """Return the newest entries of one chain, such as ``model:<name>``."""
    return list(entries(filters={"object": name}).order_by("-seq")[: min(limit, MOST)])


def details(entry: Entry) -> dict[str, Any] | None:
    """Return an entry's payload: names, reasons and facts. None once it is gone.

    Erased, or taken away by somebody who owns the database: that is for ``verify`` to tell.
    """
    payload = getattr(entry, "payload", None)
    return None if payload is None or payload.body is None else json.loads(payload.body)
