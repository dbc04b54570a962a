"""Agents join a target, renew their token, and leave."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from governance import access
from governance.actors import Actor
from governance.audit.actions import Action
from governance.errors import Conflict, Invalid, NotFound, Unauthenticated
from governance.models import ServiceToken
from governance.services import tokens
from promotion import wire
from promotion.models import Agent, AgentReport, JoinToken, Target
from promotion.services.agents import serving
from promotion.services.journal import Journal

TOKEN_LIFETIME = timedelta(days=30)
ENROLMENT = Actor.from_task("promotion.enrol")


@dataclass(frozen=True, slots=True)
class Joined:
    """An enrolled agent and its secret, shown once."""

    agent: Agent
    secret: str
    expires_at: datetime


@transaction.atomic
def issue_join_token(
    *, environment: str, tier: str, uses: int, lifetime: timedelta, actor: Actor
) -> str:
    """Make a token with which ``uses`` agents can join one target; return the secret.

    Raises:
        NotFound: ``unknown_target``.
        Forbidden: the actor does not operate there.
        Invalid: a number is out of range.
    """
    if not (1 <= uses <= 10_000 and timedelta() < lifetime <= timedelta(days=366)):
        message = "A join token has 1 to 10,000 uses and lasts at most a year."
        raise Invalid(message, uses=uses, lifetime=str(lifetime))
    target = (
        Target.objects.select_for_update(of=("self",), no_key=True)
        .select_related("environment")
        .filter(environment__slug=environment, tier=tier)
        .first()
    )
    if target is None:
        message = "There is no such target."
        raise NotFound(message, code="unknown_target")
    access.require(actor, access.Permission.OPERATE, environment=target.environment)
    secret = f"lgj_{secrets.token_urlsafe(32)}"
    now = timezone.now()
    JoinToken.objects.create(
        target=target,
        sha256=_sha256(secret),
        prefix=secret[4:12],
        uses_left=uses,
        created_at=now,
        expires_at=now + lifetime,
    )
    journal = Journal(actor)
    journal.target(Action.JOIN_TOKEN_ISSUED, target, prefix=secret[4:12], uses=uses)
    journal.write()
    return secret


@transaction.atomic
def enrol(*, body: wire.Enrolment) -> Joined:
    """Let an agent join. An agent that comes back under its name gets a new token.

    Raises:
        Unauthenticated: ``bad_join_token``: unknown, used up, expired or revoked.
        Conflict: ``name_evicted``.
    """
    now = timezone.now()
    join = (
        JoinToken.objects.select_for_update(of=("self",), no_key=True)
        .select_related("target__environment")
        .filter(sha256=_sha256(body.join_token))
        .first()
    )
    if join is None or join.revoked_at or join.expires_at <= now or join.uses_left < 1:
        message = "This join token is unknown, used up or has expired."
        raise Unauthenticated(message, code="bad_join_token")
    join.uses_left -= 1
    join.save(update_fields=["uses_left"])
    # Locked before the token's entry locks the end of the log: the log comes last.
    known = Agent.objects.select_for_update(of=("self",), no_key=True).filter(
        target=join.target, name=body.name, decommissioned_at=None
    )
    agent = known.select_related("token").first()
    if agent and agent.evicted_at:
        message = "The agent of this name was evicted. It is free once that one is decommissioned."
        raise Conflict(message, code="name_evicted")
    issued = tokens.issue(
        name=f"agent {body.name}",
        scope=ServiceToken.Scope.AGENT,
        lifetime=TOKEN_LIFETIME,
        actor=ENROLMENT,
    )
    agent = _admitted(agent, body, target=join.target, token=issued.token, now=now)
    journal = Journal(ENROLMENT)
    journal.agent(Action.AGENT_ENROLLED, agent, labels=dict(body.labels), join=join.prefix)
    journal.write()
    return Joined(agent, issued.secret, issued.token.expires_at)


def renew(*, secret: str, actor: Actor) -> tokens.Issued:
    """Give an agent a new token; the old one lasts five more minutes."""
    return tokens.rotate(secret=secret, lifetime=TOKEN_LIFETIME, actor=actor)


@transaction.atomic
def leave(*, agent_id: UUID, actor: Actor) -> None:
    """Note that an agent stops on purpose: no rollout waits for it any more."""
    rows = Agent.objects.select_for_update(of=("self",), no_key=True).select_related(
        "target__environment"
    )
    agent = rows.get(pk=agent_id)
    if agent.left_at is not None or agent.evicted_at is not None:
        return
    now = timezone.now()
    agent.left_at = now
    agent.save(update_fields=["left_at"])
    agent.intervals.filter(ended_at=None).update(ended_at=now)
    serving.forget(agent)
    journal = Journal(actor)
    journal.agent(Action.AGENT_LEFT, agent)
    journal.write()


def _admitted(
    agent: Agent | None,
    body: wire.Enrolment,
    *,
    target: Target,
    token: ServiceToken,
    now: datetime,
) -> Agent:
    if agent is None:
        return Agent.objects.create(
            target=target, name=body.name, labels=dict(body.labels), token=token, enrolled_at=now
        )
    if agent.left_at is not None:
        # What it said before it left no longer counts: whatever it answers with now is news.
        AgentReport.objects.filter(agent=agent).update(versions=[])
    old, agent.token = agent.token, token
    agent.target, agent.labels, agent.left_at = target, dict(body.labels), None
    agent.save()
    if old.revoked_at is None:
        tokens.revoke(token_id=old.pk, actor=ENROLMENT)
    return agent


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
