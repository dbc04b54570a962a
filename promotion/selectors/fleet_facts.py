"""What agents say, read in a constant number of queries."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from promotion.confirmation import AgentFacts
from promotion.models import Agent, AgentReport, Target
from promotion.placement import EVERYWHERE, Placement
from promotion.selectors import placements


def lease() -> timedelta:
    """Return how long a report counts."""
    return timedelta(seconds=settings.CONFIG.lease_seconds)


def clone_memory() -> timedelta:
    """Return how long two runs that took turns under one name are remembered."""
    return 4 * lease()


def is_cloned(report: AgentReport, *, now: datetime) -> bool:
    """Tell whether two processes report under this agent's name, as far as is known."""
    return report.cloned_at is not None and now - report.cloned_at < clone_memory()


@dataclass(frozen=True, slots=True)
class Holding:
    """What one agent says of one version."""

    role: str
    phase: str
    reason: str
    detail: str
    requests: int
    errors: int
    latency: Mapping[str, float]
    scores: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Voice:
    """One agent that counts: what it has applied, holds and refuses."""

    agent: Agent
    generation: int
    holdings: Mapping[str, Holding]
    refused_generation: int
    refused_reason: str
    refused_detail: str
    answers: Mapping[str, str]
    """model -> digest its unversioned calls go to, ready."""


def required(target: Target, placement: Placement, *, now: datetime) -> list[Agent]:
    """Return the agents a rollout on ``target`` needs: placed, alive, not cordoned, not gone."""
    rows = Agent.objects.filter(
        target=target,
        labels__contains=dict(placement.labels),
        left_at=None,
        cordoned=False,
        report__at__gt=now - lease(),
        report__draining=False,
    ).exclude(report__cloned_at__gt=now - clone_memory())
    return list(rows.select_related("report").order_by("name"))


def counted(agent: Agent, digest: str) -> tuple[int, int]:
    """Return the answers and errors of a version that an agent counts, its report fetched."""
    holding = _voice(agent).holdings.get(digest)
    return (holding.requests, holding.errors) if holding else (0, 0)


def voices(agents: Iterable[UUID], *, now: datetime) -> dict[UUID, Voice]:
    """Return what those of ``agents`` say that count now; the silent ones are missing."""
    rows = Agent.objects.filter(
        pk__in=list(agents), left_at=None, cordoned=False, report__at__gt=now - lease()
    ).select_related("report")
    return {agent.pk: _voice(agent) for agent in rows if not is_cloned(agent.report, now=now)}


def facts_by_environment(model: str, *, now: datetime) -> dict[str, list[AgentFacts]]:
    """Return every live agent's facts about one model, by environment."""
    rows = Agent.objects.filter(target__tier=Target.Tier.LIVE, left_at=None).select_related(
        "report", "target__environment"
    )
    placed = placements.of_model(model)
    found: dict[str, list[AgentFacts]] = {}
    for agent in rows:
        slug = agent.target.environment.slug
        facts = facts_of(agent, model, placement=placed.get(slug, EVERYWHERE), now=now)
        found.setdefault(slug, []).append(facts)
    return found


def facts_of(agent: Agent, model: str, *, placement: Placement, now: datetime) -> AgentFacts:
    """Return what is known of one agent, its report fetched with it, for one model."""
    voice = _voice(agent) if hasattr(agent, "report") else None
    return AgentFacts(
        name=agent.name,
        reported_at=agent.report.at if voice else None,
        generation=voice.generation if voice else 0,
        champion=voice.answers.get(model) if voice else None,
        cordoned=agent.cordoned,
        evicted=agent.evicted_at is not None,
        cloned=voice is not None and is_cloned(agent.report, now=now),
        left=agent.left_at is not None,
        placed=placement.covers(agent.labels),
    )


def _voice(agent: Agent) -> Voice:
    report = agent.report
    refused = report.refused or {}
    items = report.versions
    return Voice(
        agent=agent,
        generation=report.observed_generation,
        holdings={item["digest"]: _holding(item) for item in items},
        refused_generation=int(refused.get("generation") or 0),
        refused_reason=str(refused.get("reason", "")),
        refused_detail=str(refused.get("detail", "")),
        answers={
            item["model"]: item["digest"]
            for item in items
            if item["role"] == "champion" and item["phase"] == "ready"
        },
    )


def _holding(item: Mapping[str, object]) -> Holding:
    return Holding(
        role=str(item["role"]),
        phase=str(item["phase"]),
        reason=str(item.get("reason") or ""),
        detail=str(item.get("detail") or ""),
        requests=int(str(item.get("requests") or 0)),
        errors=int(str(item.get("errors") or 0)),
        latency=latency if isinstance(latency := item.get("latency"), Mapping) else {},
        scores=scores if isinstance(scores := item.get("scores"), Mapping) else {},
    )
