"""Findings, as pages and callers read them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.db.models import Q, QuerySet

from governance.access import Reach
from governance.actors import Actor
from governance.errors import NotFound
from governance.models import User
from promotion import rules
from promotion.models import Finding, Request
from promotion.models.findings import FindingQuerySet
from registry.models import ModelVersion

CLOSED = 100
"""The latest closed ones that one page shows."""
OPEN = 500
"""The open ones that one page shows, the first due first."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What is overdue, what else is open, and what was closed."""

    overdue: list[Finding]
    open: list[Finding]
    closed: list[Finding]

    @property
    def title(self) -> str:
        """The answer this page gives."""
        several = len(self.overdue) + len(self.open)
        if not several:
            return "No finding is open"
        opened = f"{several} finding{'s are' if several > 1 else ' is'} open"
        return f"{opened}, {len(self.overdue) or 'none'} overdue"


def findings(seen: Reach) -> FindingQuerySet:
    """Return the findings on versions that are seen, with what they are about."""
    groups = seen.groups()
    of = Q() if groups is None else Q(version__model__group__in=groups)
    return Finding.objects.filter(of).select_related("version__model", "condition_of__environment")


def shown(seen: Reach, *, owner: str, today: date) -> Findings:
    """Read what is open, the longest overdue first, and what was closed last. Two queries.

    Args:
        owner: only what this person has to see to; of everybody when empty.
    """
    rows = findings(seen).filter(Q(owner=owner) if owner else Q())
    opened = list(rows.open()[:OPEN])
    return Findings(
        overdue=[one for one in opened if one.is_overdue(today)],
        open=[one for one in opened if not one.is_overdue(today)],
        closed=list(rows.exclude(closed_at=None).order_by("-closed_at")[:CLOSED]),
    )


def of_version(version: ModelVersion) -> list[Finding]:
    """Return all findings on one version: open ones by the day they are due, then closed ones."""
    rows = version.findings.select_related("version__model", "condition_of__environment")
    return sorted(rows, key=lambda one: (not one.is_open(), one.due, one.recorded_at))


def owned_by(actor: Actor) -> FindingQuerySet:
    """Return the open findings this person has to see to, the first due first."""
    return Finding.objects.open().filter(owner=actor.person)


def closable(rows: Iterable[Finding], *, reviewed: Reach, person: str) -> set[UUID]:
    """Return those this person may close, as far as a page can tell.

    Args:
        reviewed: where they review versions.
    """
    return {
        one.pk
        for one in rows
        if one.is_open()
        and reviewed.covers(group=one.version.model.group)
        and rules.may_close_finding(
            closer=person,
            recorder=one.recorded_person,
            owner=one.owner,
            authors=frozenset(one.version.authors),
        )
    }


def conditional(version: ModelVersion) -> QuerySet[Request]:
    """Return the requests of a version that may yet be approved on a condition."""
    rows = Request.objects.filter(deployment__version=version)
    return rows.filter(state__in=["open", "approved"]).select_related("environment")


def owners(version: ModelVersion) -> list[str]:
    """Suggest who may have to see to it: the authors' user names."""
    rows = User.objects.filter(person__in=version.authors, is_active=True)
    return list(rows.order_by("username").values_list("username", flat=True))


def find(rows: FindingQuerySet, pk: UUID) -> Finding:
    """Read one of these findings.

    Raises:
        NotFound: it is not among them.
    """
    found = rows.filter(pk=pk).first()
    if found is None:
        message = "No such finding."
        raise NotFound(message, code="unknown_finding")
    return found
