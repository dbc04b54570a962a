"""What agents say now, held against what was decided; read once for a whole page."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from django.conf import settings
from django.db.models import OuterRef, Subquery

from promotion import health
from promotion.confirmation import AgentFacts, Confirmation, confirm
from promotion.health import Wedged
from promotion.models import Agent, AgentReport, Deployment, DesiredState
from promotion.placement import EVERYWHERE, Placement
from promotion.selectors import placements
from promotion.selectors.fleet_facts import is_cloned, lease

Item: TypeAlias = Mapping[str, object]
Place: TypeAlias = tuple[UUID, UUID]
"""A model in an environment: (model's id, environment's id)."""


@dataclass(frozen=True, slots=True)
class Champion:
    """A decided champion, and what agents say of it."""

    deployment: Deployment
    confirmation: Confirmation
    answering: Mapping[str, int]
    """How many required agents answer with which digest."""

    @property
    def since(self) -> datetime:
        return self.deployment.champion_at or self.deployment.changed_at


def report_of(agent: Agent) -> AgentReport | None:
    """The agent's latest report; loaded with ``select_related("report")``."""
    return getattr(agent, "report", None)


def is_silent(agent: Agent, *, now: datetime) -> bool:
    """Tell whether nothing was heard of an agent within its lease."""
    report = report_of(agent)
    return (report.at if report else agent.enrolled_at) < now - lease()


def items(report: AgentReport | None) -> list[Item]:
    """What a report says of each version, leaving out what is not an item."""
    versions = report.versions if report else []
    return [item for item in versions if isinstance(item, Mapping)]


def ready(report: AgentReport | None) -> frozenset[str]:
    """The digests of what is in memory and passed its golden transactions."""
    return frozenset(
        str(item.get("digest"))
        for item in items(report)
        if item.get("phase") == "ready" and item.get("role") != "leaving"
    )


def ready_champion(report: AgentReport | None, model: str) -> str | None:
    """The digest an agent's unversioned calls of a model go to."""
    return _champions(report).get(model) if report else None


def _champions(report: AgentReport) -> dict[str, str]:
    """What a report says of who answers, by model: read once, asked for each model."""
    known: dict[str, str] | None = report.__dict__.get("_champions")
    if known is None:
        known = {}
        for item in items(report):
            if (item.get("role"), item.get("phase")) == ("champion", "ready"):
                known.setdefault(str(item.get("model")), str(item.get("digest")))
        report.__dict__["_champions"] = known
    return known


def facts(
    agents: Iterable[Agent], *, model: str, placement: Placement, now: datetime
) -> list[AgentFacts]:
    """What is known of each agent for one model."""
    return [
        AgentFacts(
            name=agent.name,
            reported_at=report.at if report else None,
            generation=report.observed_generation if report else 0,
            champion=ready_champion(report, model),
            cordoned=agent.cordoned,
            evicted=agent.evicted_at is not None,
            cloned=report is not None and is_cloned(report, now=now),
            left=agent.left_at is not None,
            placed=placement.covers(agent.labels),
        )
        for agent in agents
        for report in [report_of(agent)]
    ]


def present_agents(environments: Iterable[UUID]) -> list[Agent]:
    """Every agent of these environments that has not left, with its target and report.

    Each knows as ``behind_since`` when the first state that it has not applied was published.
    """
    missed = DesiredState.objects.filter(
        target=OuterRef("target"), generation__gt=OuterRef("report__observed_generation")
    )
    rows = Agent.objects.filter(
        left_at__isnull=True, target__environment__in=list(environments)
    ).annotate(behind_since=Subquery(missed.order_by("generation").values("at")[:1]))
    return list(rows.select_related("target__environment", "report"))


def wedged(agent: Agent, *, now: datetime) -> Wedged | None:
    """Tell whether one of ``present_agents`` reports and does not move, how and since when."""
    report = report_of(agent)
    if report is None or agent.cordoned or is_silent(agent, now=now):
        return None
    return health.wedged(
        items=items(report),
        still=report.still,
        behind_since=getattr(agent, "behind_since", None),
        refuses=report.refused is not None,
        now=now,
        patience=timedelta(seconds=settings.CONFIG.wedged_seconds),
    )


def live_by_environment(agents: Iterable[Agent]) -> dict[UUID, list[Agent]]:
    """The agents that answer callers, by environment."""
    found: dict[UUID, list[Agent]] = {}
    for agent in agents:
        if agent.target.tier == "live":
            found.setdefault(agent.target.environment_id, []).append(agent)
    return found


def champions(
    deployments: Iterable[Deployment], *, agents: Mapping[UUID, list[Agent]], now: datetime
) -> dict[Place, Champion]:
    """Hold every champion among ``deployments`` against what agents say. One query.

    Args:
        deployments: with ``model`` and ``version`` loaded.
        agents: the live ones by environment, see ``live_by_environment``.
        now: when reports are judged.
    """
    chosen = [row for row in deployments if row.role == Deployment.Role.CHAMPION]
    placed = placements.by_place({row.environment_id for row in chosen})
    return {
        place: champion_of(
            row,
            agents=agents.get(row.environment_id, []),
            placement=placed.get(place, EVERYWHERE),
            now=now,
        )
        for row in chosen
        for place in [(row.model_id, row.environment_id)]
    }


def champion_of(
    deployment: Deployment,
    *,
    agents: list[Agent],
    placement: Placement = EVERYWHERE,
    now: datetime,
) -> Champion:
    """Hold one champion against what the live agents of its environment say."""
    found = confirm(
        facts(agents, model=deployment.model.name, placement=placement, now=now),
        digest=deployment.version.digest,
        generation=deployment.switched_generation,
        now=now,
        lease=lease(),
    )
    answering: dict[str, int] = {}
    for finding in (*found.confirmed, *found.disagreeing):
        answering[finding.champion or ""] = answering.get(finding.champion or "", 0) + 1
    return Champion(deployment, found, answering)
