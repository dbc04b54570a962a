"""What is owed and what runs out: reviews of broken glass, and waivers."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from promotion.models import Request, Waiver

MOST = 500
SOON = timedelta(days=7)
PAST = timedelta(days=30)
"""How long a waiver that has ended is still told of."""


@dataclass(frozen=True, slots=True)
class Owed:
    """One thing with a time by which somebody has to have done something."""

    what: str
    """``review`` of a request that broke the glass, or a ``waiver``."""
    standing: str
    at: datetime
    model: str
    version: int
    environment: str
    person: str
    said: str
    request: str = ""
    gate: str = ""

    @property
    def is_urgent(self) -> bool:
        return self.standing == "overdue"


@dataclass(frozen=True, slots=True)
class Due:
    """All of it, the most urgent first."""

    now: datetime
    reviews: tuple[Owed, ...]
    waivers: tuple[Owed, ...]
    is_cut: bool

    @property
    def overdue(self) -> int:
        return sum(one.is_urgent for one in self.reviews)

    @property
    def items(self) -> tuple[Owed, ...]:
        return (*self.reviews, *self.waivers)


def due(*, now: datetime) -> Due:
    """Read reviews that nobody has made, and waivers that end soon or have ended. Two queries."""
    reviews = list(_unreviewed()[: MOST + 1])
    waivers = list(_ending(now)[: MOST + 1])
    return Due(
        now=now,
        reviews=tuple(_review(row, now) for row in reviews[:MOST]),
        waivers=tuple(_waiver(row, now) for row in waivers[:MOST]),
        is_cut=max(len(reviews), len(waivers)) > MOST,
    )


def _unreviewed() -> QuerySet[Request]:
    rows = Request.objects.filter(kind=Request.Kind.BREAK_GLASS, review=None)
    return rows.select_related("deployment__version", "model", "environment").order_by(
        "review_due_at", "pk"
    )


def _ending(now: datetime) -> QuerySet[Waiver]:
    rows = Waiver.objects.filter(expires_at__gt=now - PAST, expires_at__lte=now + SOON)
    return rows.select_related("version__model", "environment").order_by("-expires_at", "pk")


def _review(row: Request, now: datetime) -> Owed:
    at = row.review_due_at or row.created_at
    return Owed(
        what="review",
        standing="overdue" if at <= now else "due",
        at=at,
        model=row.model.name,
        version=row.deployment.version.number,
        environment=row.environment.slug,
        person=row.requester_label,
        said=row.reason,
        request=str(row.pk),
    )


def _waiver(row: Waiver, now: datetime) -> Owed:
    return Owed(
        what="waiver",
        standing="expired" if row.expires_at <= now else "expires soon",
        at=row.expires_at,
        model=row.version.model.name,
        version=row.version.number,
        environment=row.environment.slug,
        person=row.name,
        said=row.reason,
        gate=row.gate,
    )
