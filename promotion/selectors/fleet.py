"""The fleet: every agent by target, what it was told, has applied and holds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from governance.access import Sight
from governance.errors import NotFound
from promotion.health import Wedged
from promotion.models import Agent, AgentReport, Target, Telling
from promotion.selectors import model_page, observed
from promotion.selectors.fleet_facts import is_cloned
from promotion.selectors.observed import Item

TELLINGS = 6
"""The latest hints shown of each agent."""
GONE = 100
"""Agents that left, shown on one page."""
ODD_CLOCK_SECONDS = 5.0
"""Less is not told: logs of two hosts can still be laid beside one another."""
UNWELL = frozenset({"silent", "refuses", "wedged", "two at once", "evicted", "rolled back"})


@dataclass(frozen=True, slots=True)
class Holding:
    """One version on one agent, as its report has it."""

    model: str
    version: object
    digest: str
    role: str
    phase: str
    reason: str
    shape: str
    memory_bytes: int
    load_seconds: float | None
    requests: int
    errors: int
    in_flight: int
    latency: Item
    golden: Item


@dataclass(frozen=True, slots=True)
class AgentCard:
    """One agent as the page shows it."""

    agent: Agent
    report: AgentReport | None
    standing: str
    shape: str
    behind: int
    holdings: list[Holding]
    tellings: list[Telling]
    counters: Mapping[str, object]
    refused: Item
    overrides: list[Item]
    """What somebody on its host took back."""
    trouble: str
    """Why somebody should take it out, in words; empty when nobody has to."""

    @property
    def counted(self) -> list[tuple[str, list[tuple[str, object]]]]:
        """The counters in groups, such as the mirror's."""
        return [
            (name, list(group.items()))
            for name, group in sorted(self.counters.items())
            if isinstance(group, Mapping)
        ]

    @property
    def clock(self) -> str:
        """How far its clock is off, in words; empty where that does not matter."""
        offset = self.counters.get("clock_offset_seconds")
        if not isinstance(offset, int | float) or abs(offset) <= ODD_CLOCK_SECONDS:
            return ""
        return f"clock {abs(offset):,.0f} s {'ahead' if offset > 0 else 'behind'}"


@dataclass(frozen=True, slots=True)
class TargetCard:
    """One target with its agents."""

    target: Target
    agents: list[AgentCard]
    gone: list[Agent]
    """Those that left and were not decommissioned, the latest first."""


@dataclass(frozen=True, slots=True)
class Fleet:
    targets: list[TargetCard]

    @property
    def title(self) -> str:
        """The answer this page gives."""
        cards = [card for target in self.targets for card in target.agents]
        if not cards:
            return "No agent has enrolled yet"
        unwell = [card for card in cards if card.standing in UNWELL]
        agents = "1 agent" if len(cards) == 1 else f"{len(cards)} agents"
        if not unwell:
            verb = "reports" if len(cards) == 1 else "report"
            return f"{agents} in {len(self.targets)} targets {verb} within the lease"
        return f"{len(unwell)} of {agents} need somebody"


def fleet(environments: Sight, *, now: datetime) -> Fleet:
    """Read all agents of these environments, and what of theirs is seen. Five queries."""
    places = [place.pk for place in environments]
    targets = Target.objects.filter(environment__in=places).select_related("environment")
    by_target: dict[UUID, list[Agent]] = {}
    agents = observed.present_agents(places)
    for agent in agents:
        by_target.setdefault(agent.target_id, []).append(agent)
    gone: dict[UUID, list[Agent]] = {}
    for agent in _gone(places):
        gone.setdefault(agent.target_id, []).append(agent)
    told = _tellings([agent.pk for agent in agents], environments)
    names = model_page.names(environments)
    return Fleet(
        [
            TargetCard(
                target,
                [
                    _card(one, told.get(one.pk, []), seen=names[target.environment_id], now=now)
                    for one in by_target.get(target.pk, [])
                ],
                gone.get(target.pk, []),
            )
            for target in targets
        ]
    )


def _gone(environments: Iterable[UUID]) -> list[Agent]:
    rows = Agent.objects.filter(
        target__environment__in=environments, left_at__isnull=False, decommissioned_at=None
    )
    return list(rows.order_by("-left_at")[:GONE])


def agent(pk: UUID) -> Agent:
    """Read one agent.

    Raises:
        NotFound: no such agent.
    """
    try:
        return Agent.objects.select_related("target__environment", "report").get(pk=pk)
    except Agent.DoesNotExist:
        message = "There is no such agent."
        raise NotFound(message, agent_id=str(pk)) from None


def _tellings(agents: list[UUID], sight: Sight) -> dict[UUID, list[Telling]]:
    seen = sight.reach.rows(environment="agent__target__environment", group="version__model__group")
    newest = Window(RowNumber(), partition_by=[F("agent")], order_by=F("told_at").desc())
    rows = (
        Telling.objects.filter(seen, agent__in=agents)
        .annotate(place=newest)
        .filter(place__lte=TELLINGS)
        .select_related("version__model")
        .order_by("-told_at")
    )
    found: dict[UUID, list[Telling]] = {}
    for row in rows:
        found.setdefault(row.agent_id, []).append(row)
    return found


def _card(one: Agent, tellings: list[Telling], *, seen: frozenset[str], now: datetime) -> AgentCard:
    report = observed.report_of(one)
    holdings = [_holding(item) for item in observed.items(report)]
    named = [holding for holding in holdings if holding.model in seen]
    wedge = observed.wedged(one, now=now)
    standing, shape = _standing(one, wedge, now=now)
    return AgentCard(
        agent=one,
        report=report,
        standing=standing,
        shape=shape,
        behind=one.target.generation - (report.observed_generation if report else 0),
        holdings=named,
        tellings=tellings,
        counters=report.counters if report else {},
        refused=(report.refused or {}) if report else {},
        overrides=[
            {**item, "since": datetime.fromisoformat(str(item["since"]))}
            for item in observed.overrides(report)
            if item.get("model") in seen
        ],
        trouble=_trouble(one, wedge, sees_all=named == holdings, now=now),
    )


def _trouble(one: Agent, wedge: Wedged | None, *, sees_all: bool, now: datetime) -> str:
    """Why an operator should take an agent out that still reports."""
    report = observed.report_of(one)
    if one.cordoned or report is None:
        return ""
    if is_cloned(report, now=now):
        return "two processes report under its name"
    if wedge is None:
        return ""
    return f"it {wedge.how if sees_all else wedge.how_without_names}"


def _standing(one: Agent, wedge: Wedged | None, *, now: datetime) -> tuple[str, str]:
    """The first of these that is so, with its shape."""
    report = observed.report_of(one)
    standings = (
        (one.evicted_at, "evicted", "failed"),
        (one.cordoned, "cordoned", "waiting"),
        (observed.is_silent(one, now=now), "silent", "unknown"),
        (report and is_cloned(report, now=now), "two at once", "unknown"),
        (wedge, "wedged", "failed"),
        (report and report.refused, "refuses", "failed"),
        (observed.overrides(report), "rolled back", "failed"),
        (report and report.draining, "draining", "bake"),
    )
    found = ((word, shape) for is_so, word, shape in standings if is_so)
    return next(found, ("reports", "passed"))


def _holding(item: Item) -> Holding:
    role, phase = str(item.get("role", "")), str(item.get("phase", ""))
    return Holding(
        model=str(item.get("model", "")),
        version=item.get("version"),
        digest=str(item.get("digest", "")),
        role=role,
        phase=phase,
        reason=" ".join(str(item.get(key) or "") for key in ("reason", "detail")).strip(),
        shape=_shape(role, phase),
        memory_bytes=int(_number(item.get("memory_bytes"))),
        load_seconds=_number(item.get("load_seconds")) or None,
        requests=int(_number(item.get("requests"))),
        errors=int(_number(item.get("errors"))),
        in_flight=int(_number(item.get("in_flight"))),
        latency=_mapping(item.get("latency")),
        golden=_mapping(item.get("golden")),
    )


def _shape(role: str, phase: str) -> str:
    if phase == "failed":
        return "failed"
    if phase != "ready":
        return "executing"
    known = {"champion", "candidate", "bake", "spare", "dark"}
    return role if role in known else "trained"


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _mapping(value: object) -> Item:
    return value if isinstance(value, Mapping) else {}
