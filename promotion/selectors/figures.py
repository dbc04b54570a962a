"""The numbers alerts are made of, in a constant number of queries."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, Min, Q

from governance.audit import behind, checkpoints
from governance.audit.models import Entry
from governance.audit.notices import Area
from governance.models import Environment
from promotion.models import Agent, Pulse, Request, Rollout, Target
from promotion.selectors import observed, tampering

STANDINGS = ("reports", "silent", "refuses", "cordoned")
WAITING = ("open", "approved")
Place = tuple[str, str]
"""Environment and tier, or environment and state."""


@dataclass(slots=True)
class Figures:
    """What is so at one moment."""

    agents: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(environment, tier, standing) -> how many."""
    behind: dict[Place, int] = field(default_factory=dict)
    """Generations that the slowest agent that counts has still to apply."""
    generation: dict[Place, int] = field(default_factory=dict)
    lost: dict[Place, bool] = field(default_factory=dict)
    failed: Counter[Place] = field(default_factory=Counter)
    """Versions that agents could not load, as they report."""
    running: Counter[str] = field(default_factory=Counter)
    halted: Counter[str] = field(default_factory=Counter)
    waiting: dict[Place, int] = field(default_factory=dict)
    oldest: dict[Place, float] = field(default_factory=dict)
    audit_entries: int = 0
    audit_age: float = 0.0
    unsealed: int = 0
    unsealed_age: float = 0.0
    """Of the oldest entry that is not sealed."""
    log_behind: bool = False
    sweep_age: float | None = None
    tampering: Counter[str] = field(default_factory=Counter)
    """Things changed past the application, by where."""
    watch_age: float | None = None


def figures(*, now: datetime) -> Figures:
    """Read everything. Nine queries."""
    found = Figures()
    for target in Target.objects.select_related("environment"):
        place = (target.environment.slug, target.tier)
        found.generation[place] = target.generation
        found.lost[place] = target.history_lost_at is not None
        found.behind[place] = 0
        for standing in STANDINGS:
            found.agents[(*place, standing)] = 0
    for agent in observed.present_agents(Environment.objects.values_list("pk", flat=True)):
        _count_agent(found, agent, now=now)
    _count_rollouts(found, now=now)
    _count_requests(found, now=now)
    head = Entry.objects.order_by("-seq").values_list("seq", "at").first()
    if head:
        found.audit_entries, found.audit_age = head[0], (now - head[1]).total_seconds()
    sealing = checkpoints.sealing()
    if sealing.is_wanted() and sealing.waiting_since:
        found.unsealed = sealing.waiting
        found.unsealed_age = (now - sealing.waiting_since).total_seconds()
    found.log_behind = behind.known() is not None
    swept = Pulse.objects.filter(name=Pulse.SWEEP).values_list("at", flat=True).first()
    found.sweep_age = (now - swept).total_seconds() if swept else None
    if seen := tampering.watched():
        found.watch_age = (now - seen.at).total_seconds()
        found.tampering = Counter({area.value: 0 for area in Area})
        found.tampering.update(one.area for one in seen.found)
    return found


def _count_agent(found: Figures, agent: Agent, *, now: datetime) -> None:
    place = (agent.target.environment.slug, agent.target.tier)
    report = observed.report_of(agent)
    standing = "reports"
    if agent.cordoned:
        standing = "cordoned"
    elif observed.is_silent(agent, now=now):
        standing = "silent"
    elif report and report.refused:
        standing = "refuses"
    found.agents[(*place, standing)] += 1
    if report is None or standing in {"cordoned", "silent"}:
        return
    behind = agent.target.generation - report.observed_generation
    found.behind[place] = max(found.behind[place], behind)
    items = observed.items(report)
    found.failed[place] += sum(item.get("phase") == "failed" for item in items)


def _count_rollouts(found: Figures, *, now: datetime) -> None:
    rows = Rollout.objects.filter(ended_at=None).values("target__environment__slug")
    is_late = Q(halted_at__isnull=False) | Q(deadline__lt=now)
    late = Count("pk", filter=is_late & Q(paused_at=None))
    for row in rows.annotate(n=Count("pk"), late=late).order_by():
        slug = row["target__environment__slug"]
        found.running[slug], found.halted[slug] = row["n"], row["late"]


def _count_requests(found: Figures, *, now: datetime) -> None:
    rows = Request.objects.filter(state__in=WAITING).values("environment__slug", "state")
    for row in rows.annotate(n=Count("pk"), first=Min("created_at")).order_by():
        place = (row["environment__slug"], row["state"])
        found.waiting[place] = row["n"]
        found.oldest[place] = (now - row["first"]).total_seconds()
