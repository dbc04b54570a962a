"""How far the log is sealed that a report is made from. Changes without an entry in the log."""

from datetime import datetime
from typing import Any

from django.db import connection

from governance import notes, signing
from governance.audit import checkpoints
from governance.audit.models import Checkpoint
from promotion.lineage.sources import NOT_SUPPLIED, Json
from promotion.selectors.lineage import written

MOST = 100
"""Periods that are told, the longest first."""

_LATE = """
SELECT first.at, late.at, late.size - late.after FROM (
    SELECT size, at, lag(size, 1, 0::bigint) OVER before AS after, lag(at) OVER before AS previous
    FROM audit_checkpoint WINDOW before AS (ORDER BY size)
) late JOIN audit_entry first ON first.seq = late.after + 1
WHERE late.size >= %(since)s AND late.after < %(size)s
    AND (late.previous IS NULL OR late.at - late.previous > %(late)s)
    AND late.at - first.at > %(late)s
ORDER BY late.at - first.at DESC LIMIT %(most)s
"""


def sealing(*, since: int, size: int) -> Json:
    """Tell by which checkpoint what a report says is sealed, and how long it waited for one.

    Args:
        since: the report's first entry.
        size: of the log that it is made from.
    """
    newest = checkpoints.newest()
    covering = checkpoints.covering(size)
    sealed = newest.size if newest else 0
    return {
        "newest_checkpoint": _checkpoint(newest),
        "sealed_by": _checkpoint(covering),
        "not_sealed_yet": max(size - sealed, 0),
        "periods_without_sealing": _late(since=since, size=size),
        "keys": [
            {"signs": "reports and bundles", "keyid": signing.keyid(public), "sha256": printed}
            for public in signing.public_keys()
            for printed in [signing.fingerprint(public)]
        ],
    }


def _checkpoint(row: Checkpoint | None) -> Json | str:
    if row is None:
        return NOT_SUPPLIED
    found: Json = {"size": row.size, "root": row.root, "at": written(row.at), "note": row.note}
    text, _, signatures = row.note.partition("\n\n")
    signed = [line.removeprefix(notes.DASH) for line in signatures.splitlines()]
    return {**found, "origin": text.split("\n")[0], "signatures": signed}


def _late(*, since: int, size: int) -> list[dict[str, Any]]:
    facts: dict[str, Any] = {
        "since": since,
        "size": size,
        "late": checkpoints.LATE,
        "most": MOST,
    }
    with connection.cursor() as cursor:
        cursor.execute(_LATE, facts)
        rows: list[tuple[datetime, datetime, int]] = cursor.fetchall()
    return [
        {"from": written(begun), "until": written(ended), "entries": count}
        for begun, ended, count in rows
    ]
