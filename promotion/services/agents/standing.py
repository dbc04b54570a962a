"""Takes an agent out of what counts, and lets it back in."""

from uuid import UUID

from django.db import transaction

from governance import access
from governance.actors import Actor
from governance.audit.actions import Action
from governance.errors import Invalid, NotFound
from governance.names import problem_with
from promotion.models import Agent
from promotion.services.journal import Journal


def cordon(*, agent_id: UUID, reason: str, actor: Actor) -> Agent:
    """Stop counting an agent: it goes on serving, and no rollout waits for it.

    Raises:
        NotFound: no such agent.
        Forbidden: the actor does not operate there.
        Invalid: no reason.
    """
    return _set(agent_id, cordoned=True, reason=reason, actor=actor)


def uncordon(*, agent_id: UUID, reason: str, actor: Actor) -> Agent:
    """Count an agent again. Raises as ``cordon`` does."""
    return _set(agent_id, cordoned=False, reason=reason, actor=actor)


@transaction.atomic
def _set(agent_id: UUID, *, cordoned: bool, reason: str, actor: Actor) -> Agent:
    rows = Agent.objects.select_for_update(of=("self",), no_key=True).select_related(
        "target__environment"
    )
    agent = rows.filter(pk=agent_id).first()
    if agent is None:
        message = "No such agent."
        raise NotFound(message, code="unknown_agent")
    access.require(actor, access.Permission.OPERATE, environment=agent.target.environment)
    if problem := problem_with(reason):
        message = "Say why."
        raise Invalid(message, reason=problem)
    if agent.cordoned == cordoned:
        return agent
    agent.cordoned = cordoned
    agent.save(update_fields=["cordoned"])
    journal = Journal(actor)
    action = Action.AGENT_CORDONED if cordoned else Action.AGENT_UNCORDONED
    journal.agent(action, agent, reason=reason)
    journal.write()
    return agent
