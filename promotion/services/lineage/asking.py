"""Reads as of when somebody asks for a report: by a time, or by a size of the log."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from governance.errors import Invalid
from promotion.replay import moment

_SIZE = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


@dataclass(frozen=True, slots=True)
class AsOf:
    """Up to where the log is read. Neither: all there is."""

    size: int | None = None
    at: datetime | None = None


def as_of(asked: Mapping[str, str], *, now: datetime) -> AsOf:
    """Read ``as_of``, a time, or ``size``, a number of entries.

    Raises:
        Invalid: ``bad_time``, ``bad_size``, or ``invalid_query``, both are given.
    """
    time, size = asked.get("as_of", "").strip(), asked.get("size", "").strip()
    if time and size:
        message = "Ask by a time or by a size of the log."
        raise Invalid(message, code="invalid_query", size="is given with as_of")
    if size and not _SIZE.fullmatch(size):
        message = "The size of a log is a number of entries, such as 1234."
        raise Invalid(message, code="bad_size", size="must be a whole number above 0")
    return AsOf(int(size) if size else None, moment(time, now=now) if time else None)
