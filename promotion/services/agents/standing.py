"""Takes an agent out of what counts, for a while or for good, and lets it back in."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from governance import access
from governance.actors import Actor
from governance.audit.actions import Action
from governance.errors import Conflict, Invalid, NotFound
from governance.names import problem_with
from governance.services import tokens
from promotion.models import Agent
from promotion.services import rollouts
from promotion.services.agents import serving
from promotion.services.journal import Journal

ROLLOUT = Actor.from_task("promotion.advance")


def cordon(*, agent_id: UUID, reason: str, actor: Actor) -> Agent:
    """Stop counting an agent: it goes on serving, and no rollout waits for it.

    Raises:
        NotFound: ``unknown_agent``.
        Forbidden: the actor does not operate there.
        Invalid: no reason.
        Conflict: ``evicted`` or ``decommissioned``.
    """
    return _count(agent_id, cordoned=True, reason=reason, actor=actor)


def uncordon(*, agent_id: UUID, reason: str, actor: Actor) -> Agent:
    """Count an agent again. Raises as ``cordon`` does."""
    return _count(agent_id, cordoned=False, reason=reason, actor=actor)


def evict(*, agent_id: UUID, reason: str, actor: Actor) -> Agent:
    """Take an agent out at once: its token ends, nothing waits for it, it is told nothing more.

    What it serves goes on answering whoever calls it, and nobody here sees or steers
    that any more. Its name stays taken until it is decommissioned.

    Raises as ``cordon`` does.
    """
    agent = _evict(agent_id, reason=reason, actor=actor)
    rollouts.advance_target(target_id=agent.target_id, actor=ROLLOUT)
    return agent


@transaction.atomic
def decommission(*, agent_id: UUID, reason: str, actor: Actor) -> Agent:
    """Strike an agent off for good. Its name may be taken by another one afterwards.

    Raises as ``cordon`` does, and:
        Conflict: ``still_here``, it has neither left nor been evicted.
    """
    agent = _locked(agent_id, reason=reason, actor=actor)
    if agent.decommissioned_at is not None:
        return agent
    if agent.left_at is None and agent.evicted_at is None:
        message = "This agent has neither left nor been evicted. Stop it, or evict it first."
        raise Conflict(message, code="still_here")
    now = timezone.now()
    agent.decommissioned_at, agent.left_at = now, agent.left_at or now
    agent.save(update_fields=["decommissioned_at", "left_at"])
    _silence(agent, actor=actor, now=now)
    journal = Journal(actor)
    journal.agent(Action.AGENT_DECOMMISSIONED, agent, reason=reason)
    journal.write()
    return agent


@transaction.atomic
def _count(agent_id: UUID, *, cordoned: bool, reason: str, actor: Actor) -> Agent:
    agent = _locked(agent_id, reason=reason, actor=actor)
    if agent.evicted_at or agent.decommissioned_at:
        code = "decommissioned" if agent.decommissioned_at else "evicted"
        message = f"This agent was {code}. It can only enrol anew."
        raise Conflict(message, code=code)
    if agent.cordoned == cordoned:
        return agent
    agent.cordoned = cordoned
    agent.save(update_fields=["cordoned"])
    journal = Journal(actor)
    action = Action.AGENT_CORDONED if cordoned else Action.AGENT_UNCORDONED
    journal.agent(action, agent, reason=reason)
    journal.write()
    return agent


@transaction.atomic
def _evict(agent_id: UUID, *, reason: str, actor: Actor) -> Agent:
    agent = _locked(agent_id, reason=reason, actor=actor)
    if agent.decommissioned_at is not None:
        message = "This agent was decommissioned."
        raise Conflict(message, code="decommissioned")
    if agent.evicted_at is not None:
        return agent
    now = timezone.now()
    agent.evicted_at, agent.cordoned = now, True
    agent.save(update_fields=["evicted_at", "cordoned"])
    _silence(agent, actor=actor, now=now)
    journal = Journal(actor)
    journal.agent(Action.AGENT_EVICTED, agent, reason=reason)
    journal.write()
    return agent


def _silence(agent: Agent, *, actor: Actor, now: datetime) -> None:
    """End its token, and what it was known to serve: nothing it says counts from here on."""
    agent.intervals.filter(ended_at=None).update(ended_at=now)
    serving.forget(agent)
    if agent.token.revoked_at is None:
        tokens.revoke(token_id=agent.token_id, actor=actor, environment=agent.target.environment)


def _locked(agent_id: UUID, *, reason: str, actor: Actor) -> Agent:
    rows = Agent.objects.select_for_update(of=("self",), no_key=True).select_related(
        "target__environment", "token"
    )
    agent = rows.filter(pk=agent_id).first()
    if agent is None:
        message = "No such agent."
        raise NotFound(message, code="unknown_agent")
    access.require(actor, access.Permission.OPERATE, environment=agent.target.environment)
    if problem := problem_with(reason):
        message = "Say why."
        raise Invalid(message, reason=problem)
    return agent
