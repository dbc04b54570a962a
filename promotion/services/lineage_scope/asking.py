"""Reads what somebody asks a report of: a period, and as of when."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from governance.errors import Invalid
from promotion.replay import moment
from promotion.services.lineage.asking import AsOf, as_of

PARAMETERS = ("from", "to", "as_of", "size")


@dataclass(frozen=True, slots=True)
class Asked:
    """From when to before when, up to where the log is read. Empty: all there is."""

    since: datetime | None = None
    until: datetime | None = None
    as_of: AsOf = field(default_factory=AsOf)


def read(asked: Mapping[str, str], *, now: datetime) -> Asked:
    """Read ``from``, ``to``, and ``as_of`` or ``size``.

    Raises:
        Invalid: ``bad_time``, ``bad_size``, or ``invalid_query``, the period ends before it
            begins or both ``as_of`` and ``size`` are given.
    """
    with _named("from"):
        since = _moment(asked.get("from", ""), now=now)
    with _named("to"):
        until = _moment(asked.get("to", ""), now=now)
    if since and until and since >= until:
        message = "The period ends before it begins."
        raise Invalid(message, code="invalid_query", to="is not after from")
    with _named("as_of"):
        return Asked(since, until, as_of(asked, now=now))


def _moment(text: str, *, now: datetime) -> datetime | None:
    return moment(text, now=now) if text.strip() else None


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Let a time that is none be named by its parameter."""
    try:
        yield
    except Invalid as error:
        if "at" in error.context:
            error.context = {name: error.context["at"]}
        raise
