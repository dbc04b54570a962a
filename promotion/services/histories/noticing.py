"""Notices agents that are ahead of what was published."""

from django.db import transaction
from django.utils import timezone

from governance.actors import Actor
from governance.audit.actions import Action
from promotion import history, wire
from promotion.models import Agent, Target
from promotion.services.journal import Journal

STALE = "STALE"


def notice(*, agent: Agent, body: wire.Report, actor: Actor) -> None:
    """Mark the agent's target when its report is of a history that is not here."""
    if _is_ahead(body, newest=agent.target.generation):
        _mark(agent=agent, body=body, actor=actor)


@transaction.atomic
def _mark(*, agent: Agent, body: wire.Report, actor: Actor) -> None:
    """Look again with the target held: it may have been published meanwhile."""
    targets = Target.objects.locked(agent.target.environment_id, even_lost=True)
    target = next(row for row in targets.values() if row.pk == agent.target_id)
    seen = body.observed_generation
    if not _is_ahead(body, newest=target.generation):
        return
    if target.history_lost_at is not None and seen <= target.highest_seen:
        return
    target.history_lost_at = target.history_lost_at or timezone.now()
    target.highest_seen = max(seen, target.highest_seen)
    target.save(update_fields=["history_lost_at", "highest_seen"])
    journal = Journal(actor)
    journal.target(Action.TARGET_HISTORY_LOST, target, agent=agent.name, seen=seen)
    journal.write()


def _is_ahead(body: wire.Report, *, newest: int) -> bool:
    refused = body.refused
    stale = refused.generation if refused and refused.reason == STALE else None
    return history.is_ahead(observed=body.observed_generation, newest=newest, stale=stale)
