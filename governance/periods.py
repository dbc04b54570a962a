"""From one time up to another, as people and callers write it: days, or exact moments."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from governance.errors import Invalid

FIRST_YEAR, LAST_YEAR = 2000, 2199
DAY = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)\Z", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since`` on, and before ``until``."""

    since: datetime
    until: datetime

    @property
    def days(self) -> int:
        """How many days of UTC it touches."""
        return (self.last_day - self.since.astimezone(UTC).date()).days + 1

    @property
    def last_day(self) -> date:
        """The last day of UTC that lies in it."""
        return (self.until - timedelta(microseconds=1)).astimezone(UTC).date()

    @property
    def first_day(self) -> date:
        """The first day of UTC that lies in it."""
        return self.since.astimezone(UTC).date()


def read(*, since: str, until: str, now: datetime, usual_days: int = 30) -> Period:
    """Read a period. A day is a day of UTC, and the last one lies within it.

    Args:
        since: blank is so many usual days before the end.
        until: blank is now.

    Raises:
        Invalid: ``invalid_query``; names the parameter that is wrong.
    """
    end = moment(until, name="until", ends=True) if until else now
    begin = moment(since, name="since") if since else _midnight(end - timedelta(days=usual_days))
    if begin >= end:
        message = "A period begins before it ends."
        raise Invalid(message, code="invalid_query", since="is not before until")
    return Period(begin, end)


def moment(text: str, *, name: str, ends: bool = False) -> datetime:
    """Read one moment, or a day of UTC: its beginning, or its end.

    Raises:
        Invalid: ``invalid_query``.
    """
    found = _moment(text, ends=ends)
    if found is None or not FIRST_YEAR <= found.year <= LAST_YEAR:
        problem = "is no day such as 2026-11-20, and no time with its zone, as in RFC 3339"
        message = f"The query cannot be understood: {name} {problem}."
        raise Invalid(message, code="invalid_query", **{name: problem})
    return found


def _moment(text: str, *, ends: bool) -> datetime | None:
    try:
        if DAY.match(text):
            begun = datetime.combine(date.fromisoformat(text), time(), UTC)
            return begun + timedelta(days=1) if ends else begun
        return datetime.fromisoformat(text).astimezone(UTC) if MOMENT.match(text) else None
    except (ValueError, OverflowError):
        return None


def _midnight(at: datetime) -> datetime:
    return datetime.combine(at.astimezone(UTC).date(), time(), UTC)
