"""Incidents, as pages and callers read them."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from governance.access import Reach, Sight
from governance.errors import NotFound
from governance.models import Environment
from promotion.models import Incident
from registry.models import RegisteredModel

CLOSED = 100
"""The latest closed ones that one page shows."""


@dataclass(frozen=True, slots=True)
class Incidents:
    """What is open, and what was."""

    open: list[Incident]
    closed: list[Incident]

    @property
    def title(self) -> str:
        """The answer this page gives."""
        if not self.open:
            return "No incident is open"
        return f"{len(self.open)} incident{'s are' if len(self.open) > 1 else ' is'} open"


def incidents(seen: Reach) -> QuerySet[Incident]:
    """Return the incidents that are seen, with what they are about."""
    rows = Incident.objects.filter(seen.rows(whole=True))
    return rows.select_related("environment", "model")


def is_open_of(model: RegisteredModel, environment: Environment) -> bool:
    """Tell whether an incident of this very model is open here: what leaves now leaves by it.

    Services ask with the targets locked, which opening one locks too.
    """
    return Incident.objects.filter(environment=environment, model=model, closed_at=None).exists()


def shown(sight: Sight) -> Incidents:
    """Read what is open, the oldest first, and what was closed last. Two queries."""
    rows = incidents(sight.reach).filter(environment__in=sight)
    return Incidents(
        list(rows.filter(closed_at=None).order_by("opened_at")),
        list(rows.exclude(closed_at=None).order_by("-closed_at")[:CLOSED]),
    )


def find(rows: QuerySet[Incident], pk: UUID) -> Incident:
    """Read one of these incidents.

    Raises:
        NotFound: it is not among them.
    """
    found = rows.filter(pk=pk).first()
    if found is None:
        message = "No such incident."
        raise NotFound(message, code="unknown_incident")
    return found
