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
from promotion.selectors.decided import Decided
from promotion.selectors.fleet_facts import is_cloned, lease

Item: TypeAlias = Mapping[str, object]
Place: TypeAlias = tuple[str, str]
"""A model in an environment, by their names."""


@dataclass(frozen=True, slots=True)
class Champion:
    """A decided champion, and what agents say of it."""

    decided: Decided
    confirmation: Confirmation


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


@dataclass(frozen=True, slots=True)
class Said:
    """One agent's standing and last word: read once, asked for each model."""

    name: str
    labels: Mapping[str, str]
    reported_at: datetime | None
    generation: int
    champions: Mapping[str, str]
    rolled_back: frozenset[str]
    cordoned: bool
    evicted: bool
    cloned: bool
    left: bool

    @classmethod
    def by(cls, agent: Agent, *, now: datetime) -> "Said":
        report = report_of(agent)
        return cls(
            name=agent.name,
            labels=agent.labels,
            reported_at=report.at if report else None,
            generation=report.observed_generation if report else 0,
            champions=_champions(report),
            rolled_back=frozenset(str(item.get("model")) for item in overrides(report)),
            cordoned=agent.cordoned,
            evicted=agent.evicted_at is not None,
            cloned=report is not None and is_cloned(report, now=now),
            left=agent.left_at is not None,
        )

    def agrees(self, row: Decided) -> bool | None:
        """Tell whether it answers with this version; None if with no version of the model."""
        champion = self.champions.get(row.model)
        return None if champion is None else champion == row.digest

    def of(self, model: str, placement: Placement) -> AgentFacts:
        return AgentFacts(
            name=self.name,
            reported_at=self.reported_at,
            generation=self.generation,
            champion=self.champions.get(model),
            cordoned=self.cordoned,
            evicted=self.evicted,
            cloned=self.cloned,
            left=self.left,
            placed=placement.covers(self.labels),
            rolled_back=model in self.rolled_back,
        )


def overrides(report: AgentReport | None) -> list[Item]:
    """What somebody on the agent's host took back, and still holds."""
    found = report.overrides if report else []
    return [item for item in found if isinstance(item, Mapping)]


def _champions(report: AgentReport | None) -> dict[str, str]:
    """The digest an agent's unversioned calls of each model go to."""
    found: dict[str, str] = {}
    for item in items(report):
        if item.get("role") == "champion" and item.get("phase") == "ready":
            found.setdefault(str(item.get("model")), str(item.get("digest")))
    return found


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


def live_by_environment(agents: Iterable[Agent]) -> dict[str, list[Agent]]:
    """The agents that answer callers, by the environment's name."""
    found: dict[str, list[Agent]] = {}
    for agent in agents:
        if agent.target.tier == "live":
            found.setdefault(agent.target.environment.slug, []).append(agent)
    return found


def champions(
    rows: Iterable[Decided], *, agents: Mapping[str, list[Agent]], now: datetime
) -> dict[Place, Champion]:
    """Hold every champion among ``rows`` against what agents say. One query.

    Args:
        rows: of any role.
        agents: the live ones by environment, see ``live_by_environment``.
        now: when reports are judged.
    """
    said = {place: [Said.by(one, now=now) for one in here] for place, here in agents.items()}
    chosen = [row for row in rows if row.role == Deployment.Role.CHAMPION]
    placed = placements.by_place({row.place for row in chosen})
    known: dict[object, Confirmation] = {}
    found: dict[Place, Champion] = {}
    for row in chosen:
        here, placement = said.get(row.place, []), placed.get((row.model, row.place), EVERYWHERE)
        # Agents say the same of most models: such models share one confirmation.
        words = ((one.agrees(row), row.model in one.rolled_back) for one in here)
        alike = (row.place, row.generation, id(placement), *words)
        if alike not in known:
            known[alike] = _confirm(row, here, placement, now=now)
        found[row.model, row.place] = Champion(row, known[alike])
    return found


def _confirm(
    row: Decided, said: list[Said], placement: Placement, *, now: datetime
) -> Confirmation:
    return confirm(
        [one.of(row.model, placement) for one in said],
        digest=row.digest,
        generation=row.generation,
        now=now,
        lease=lease(),
    )
