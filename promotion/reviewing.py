"""When a version that answers is due for another review: the policy names what brings it about.

There is no fixed yearly cycle. A policy may name days since it began to answer or was last
reviewed, by regime too, an incident, and a policy that is newer. What happened before the
last review was looked at in it and counts no more.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from promotion.policy_parts import SEVERITIES, Reviews


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that may make a review due: an incident, or a policy."""

    at: datetime
    what: str
    severity: str = ""


@dataclass(frozen=True, slots=True)
class Answering:
    """What is known of a version that answers in one environment.

    Attributes:
        since: when it began to answer here.
        reviewed_at: when it was last reviewed while it did; None if it never was.
        review_by: the day that review asked for the next one; None if it did not say.
        regimes: of its model.
        incidents: opened here, of the model or of everything.
        policies: published for it here.
    """

    since: datetime
    reviewed_at: datetime | None = None
    review_by: datetime | None = None
    regimes: frozenset[str] = frozenset()
    incidents: tuple[Happening, ...] = ()
    policies: tuple[Happening, ...] = ()

    @property
    def anchor(self) -> datetime:
        """From when on days and happenings count."""
        return max(self.since, self.reviewed_at) if self.reviewed_at else self.since


@dataclass(frozen=True, slots=True)
class Due:
    """A review is due from a moment on, and why."""

    at: datetime
    trigger: str
    why: str


def next_review(known: Answering, asked: Reviews | None) -> Due | None:
    """Return what makes the next review due first; None where nothing ever does."""
    return min(_all(known, asked), key=lambda one: (one.at, one.trigger), default=None)


def _all(known: Answering, asked: Reviews | None) -> Iterator[Due]:
    if known.review_by is not None:
        yield Due(known.review_by, "last_review", "the last review asked for it")
    if asked is None:
        return
    begun = _begun(known)
    for trigger, days, why in _periods(known, asked):
        yield Due(known.anchor + timedelta(days=days), trigger, why)
    if asked.incident is not None:
        grave = SEVERITIES[SEVERITIES.index(asked.incident) :]
        for one in known.incidents:
            if one.severity in grave and one.at > known.anchor:
                yield Due(one.at, "incident", f"{one.severity} incident: {one.what}")
    if asked.new_policy:
        for one in known.policies:
            if one.at > known.anchor:
                yield Due(one.at, "new_policy", f"{one.what} came after {begun}")


def _begun(known: Answering) -> str:
    return "its last review" if known.reviewed_at else "it began to answer"


def _periods(known: Answering, asked: Reviews) -> Iterator[tuple[str, float, str]]:
    begun = _begun(known)
    if asked.days is not None:
        yield "days", asked.days, f"{asked.days:g} days after {begun}"
    for regime, days in asked.regimes.items():
        if regime in known.regimes:
            yield "regime", days, f"{regime}: {days:g} days after {begun}"
