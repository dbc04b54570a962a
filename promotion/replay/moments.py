"""Reads the moment somebody asks about: RFC 3339, always with a zone."""

import re
from datetime import UTC, datetime
from typing import NoReturn

from governance.errors import Invalid

LONGEST = 64
_WRITTEN = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})?", re.ASCII
)
_PLUS_LOST = re.compile(r".*:\d{2}(\.\d+)? \d{2}:\d{2}", re.ASCII)
EXAMPLE = "2026-11-20T08:30:00Z"


def moment(text: str, *, now: datetime) -> datetime:
    """Return the moment a text names, in UTC.

    Raises:
        Invalid: ``bad_time``: not a time, without a zone, or after ``now``.
    """
    written = text.strip()
    if len(written) > LONGEST:
        _refuse("is too long to be a time")
    if _PLUS_LOST.fullmatch(written):
        _refuse("has lost the + of its offset: in an address, + is written %2B")
    found = _WRITTEN.fullmatch(written)
    if not found:
        _refuse("is not a time as RFC 3339 writes it")
    if not found[2]:
        _refuse("has no zone: end it with Z, or with an offset such as +01:00")
    try:
        at = datetime.fromisoformat(written.upper().replace(" ", "T")).astimezone(UTC)
    except (ValueError, OverflowError):
        _refuse("names no moment there is")
    if at > now:
        _refuse("lies in the future, and the log knows only what was")
    return at


def _refuse(problem: str) -> NoReturn:
    message = f"The time {problem}. Write it like {EXAMPLE}."
    raise Invalid(message, code="bad_time", at=problem)
