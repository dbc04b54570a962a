"""What waits for an older version gives way to a newer one, where the policy says so."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from governance.audit.actions import Action
from governance.models import Environment
from promotion.models import Request
from promotion.policies import Policy as Rules
from promotion.services import publishing
from promotion.services.journal import Journal
from registry.models import ModelVersion

SUPERSEDED = frozenset({Request.Kind.DEPLOY_DARK, Request.Kind.PROMOTE})
"""Kinds in which the newer version is what was meant all along."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request is about."""

    version: ModelVersion
    environment: Environment


def supersede(
    asked: Asked,
    *,
    kind: str,
    by: UUID,
    journal: Journal,
    now: datetime,
    proposed: Rules | None = None,
) -> list[Request]:
    """End what waits for older versions of the model here, with the targets locked.

    Only requests of the same kind that have not begun: one that is being carried out is
    never superseded. Their approvals are void with them.

    Args:
        by: the id of the request that is written next, in the same transaction.
    """
    if kind not in SUPERSEDED or not _lets(asked, proposed).supersede.open:
        return []
    waiting = Request.objects.filter(
        model=asked.version.model_id,
        environment=asked.environment,
        kind=kind,
        state__in=[Request.State.OPEN, Request.State.APPROVED],
        deployment__version__number__lt=asked.version.number,
    )
    older = Request.objects.locked_together(waiting.values_list("pk", flat=True))
    number = asked.version.number
    for request in older:
        before, detail = request.state, f"Version {number} was asked for instead."
        request.state, request.settled_at = Request.State.SUPERSEDED, now
        request.detail, request.superseded_by_id = detail, by
        request.save(update_fields=["state", "settled_at", "detail", "superseded_by"])
        journal.request(Action.REQUEST_SUPERSEDED, request, detail=detail, by=str(by), was=before)
    return older


def _lets(asked: Asked, proposed: Rules | None) -> Rules:
    """Return the rules that count for it; those by default where there are none."""
    if proposed is not None:
        return proposed
    found = publishing.rules_of(asked.environment.pk, asked.version.model.risk_tier)
    return found[1] if found else Rules()
