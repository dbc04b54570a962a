"""What needs somebody now: shown as a red bar on every page until it is gone."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Q, Subquery
from django.urls import reverse
from django.utils import timezone

from governance.access import Sight
from governance.audit import behind, checkpoints
from governance.models import Environment
from promotion.confirmation import Standing
from promotion.models import Agent, Deployment, Incident, Request, Rollout, Target
from promotion.selectors import histories, observed, tampering
from promotion.selectors.decided import decided
from promotion.selectors.fleet_facts import is_cloned, lease

MOST_NAMED = 3
"""So many silent agents of an environment are named one by one."""
TAMPERED = 5
"""Things changed past the application that stand in the bar; their page has them all."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that is wrong: where, what, since when, what to do, and where to do it."""

    place: str
    what: str
    since: datetime | None
    remedy: str
    url: str
    action: str
    evict: str = ""
    """Where an operator takes the agent out by one click."""


def alarms(environments: Sight) -> list[Alarm]:
    """Name what is abnormal now, of what is seen. A constant number of queries."""
    now = timezone.now()
    places = [place.pk for place in environments]
    agents = observed.present_agents(places)
    rows = Deployment.objects.filter(environments.reach.rows(), role=Deployment.Role.CHAMPION)
    champions = observed.champions(
        decided(rows), agents=observed.live_by_environment(agents), now=now
    )
    lost = histories.lost(places)
    found = among(agents, champions.values(), lost=lost, sight=environments, now=now)
    return (
        of_log(now=now)
        + of_tampering(environments, now=now)
        + found
        + of_requests(environments, answering=set(champions), now=now)
    )


def of_log(*, now: datetime) -> list[Alarm]:
    """Say when the audit log is behind what was sealed, or sealing behind the log. One query."""
    place, found = "audit log", checkpoints.sealing()
    if lost := behind.known():
        what = f"{lost}. Nothing can be changed, and reading goes on."
        remedy = "Find out whether a backup was restored, and record it."
        return [Alarm(place, what, None, remedy, reverse("log_history"), "Open")]
    if not found.is_wanted():
        return []
    url, seen = reverse("audit"), []
    if found.refused:
        what = f"the sealer refuses to go on: {found.refused}."
        seen.append(Alarm(place, what, found.said_at, "Verify the log.", url, "Open audit"))
    elif found.is_late(now):
        since = found.waiting_since or now
        minutes = int((now - since).total_seconds() // 60)
        entries = f"{found.waiting:,} entr{'y' if found.waiting == 1 else 'ies'}"
        what = f"sealing is {entries} and {minutes:,} minutes behind."
        remedy = "Start the sealer, and look at its sinks."
        seen.append(Alarm(place, what, since, remedy, url, "Open audit"))
    for sink in found.failing(now):
        what = f"the sink {sink['name']} takes no checkpoints: {sink['error']}"
        since = datetime.fromisoformat(sink["since"])
        seen.append(Alarm(place, what, since, "Make it work again.", url, "Open audit"))
    return seen


def of_tampering(sight: Sight, *, now: datetime) -> list[Alarm]:
    """Say what was changed past the application, or that nobody looks any more. One query.

    By name to those who see everything: names may be of what others do not see.
    """
    seen, url = tampering.watched(), reverse("watch")
    if seen is None:
        return []
    named = seen.found[:TAMPERED] if sight.reach.rows() == Q() else []
    found = [Alarm("tampering", f"{one.what}.", one.at, one.remedy, url, "Open") for one in named]
    if (more := len(seen.found) - len(named)) > 0:
        things = "1 thing is" if more == 1 else f"{more:,} things are"
        what = f"{things} not as Lockgate left {'it' if more == 1 else 'them'}."
        remedy = "An auditor sees what."
        found.append(Alarm("tampering", what, seen.found[-1].at, remedy, url, "Open"))
    if seen.is_late(now):
        what = "nobody has looked for tampering for a while."
        found.append(Alarm("watch", what, seen.at, "Start the worker with beat.", url, "Open"))
    return found


def of_requests(sight: Sight, *, answering: set[observed.Place], now: datetime) -> list[Alarm]:
    """Name what was decided, or said, and waits for a person. Five queries."""
    return [
        *_incidents(sight),
        *_stopped(sight, answering=answering),
        *_undecided(sight),
        *halted(sight),
        *_unreviewed(sight, now=now),
    ]


def _incidents(sight: Sight) -> list[Alarm]:
    """What somebody has said is wrong."""
    rows = Incident.objects.filter(sight.reach.rows(whole=True), closed_at=None)
    return [
        Alarm(
            row.environment.slug,
            f"{row.severity} incident of {row.about}: {row.title.rstrip('.')}.",
            row.opened_at,
            "Close it once it is over.",
            f"{reverse('incidents')}#incident-{row.pk}",
            "Open incident",
        )
        for row in rows.select_related("environment", "model").order_by("opened_at")
    ]


def _stopped(sight: Sight, *, answering: set[observed.Place]) -> list[Alarm]:
    """Models that were stopped and have no champion since; a spare may answer."""
    rows = Request.objects.filter(
        sight.reach.rows(), kind=Request.Kind.STOP, state__in=["executing", "done"]
    )
    each = ("model_id", "environment_id")
    spare = Deployment.objects.filter(
        model=OuterRef("model"), environment=OuterRef("environment"), role=Deployment.Role.SPARE
    )
    newest = rows.order_by(*each, "-created_at").distinct(*each)
    return [
        Alarm(
            row.environment.slug,
            f"{row.model.name} is stopped: {_who_answers(row)}",
            row.created_at,
            "Roll it back, or promote a version.",
            reverse("roll_back", args=[row.environment.slug, row.model.name]),
            "Roll back",
        )
        for row in newest.select_related("model", "environment").annotate(
            spare=Subquery(spare.values("version__number")[:1])
        )
        if (row.model.name, row.environment.slug) not in answering
    ]


def _who_answers(stopped: Request) -> str:
    """Say who answers for what was stopped; the spare's number is read with the request."""
    spare = getattr(stopped, "spare", None)
    if spare is None:
        return "nobody answers, and callers get 503."
    return f"version {spare}, the spare, answers."


def _undecided(sight: Sight) -> list[Alarm]:
    """Versions that a rollback, a guard, a refusal or an incident took away."""
    rows = Deployment.objects.filter(sight.reach.rows(), undecided_since__isnull=False)
    return [
        Alarm(
            row.environment.slug,
            f"{row.model.name} version {row.version.number} was taken away"
            f" {'by a guard, a refusal or an incident' if row.barred else 'by a rollback'}"
            " and waits for a decision.",
            row.undecided_since,
            "Ask for it in the dark, to test it again, or retire it for good.",
            reverse("dismiss", args=[row.environment.slug, row.model.name, row.version.number]),
            "Decide",
        )
        for row in rows.select_related("environment", "model", "version")
        .defer("version__manifest", "version__authors")
        .order_by("undecided_since")
    ]


def _unreviewed(sight: Sight, *, now: datetime) -> list[Alarm]:
    """Broken glasses whose review is overdue."""
    rows = Request.objects.filter(
        sight.reach.rows(),
        kind=Request.Kind.BREAK_GLASS,
        review_due_at__lt=now,
        review__isnull=True,
    ).select_related("model", "environment", "deployment__version")
    return [
        Alarm(
            row.environment.slug,
            f"the review of {row.model.name} version {row.deployment.version.number},"
            f" which {row.requester_label} promoted alone, is overdue.",
            row.review_due_at,
            "A second person reviews it.",
            reverse("promotion", args=[row.pk]) + "#review",
            "Review",
        )
        for row in rows
    ]


def halted(sight: Sight) -> list[Alarm]:
    """Name the rollouts that ask for a person. One query."""
    seen = sight.reach.rows(environment="request__environment", group="request__model__group")
    rows = Rollout.objects.filter(seen, ended_at=None, halted_at__isnull=False).select_related(
        "request__deployment__version", "request__model", "request__environment"
    )
    return [
        Alarm(
            row.request.environment.slug,
            f"the rollout of {row.request.model.name} version"
            f" {row.request.deployment.version.number} {row.detail}.",
            row.halted_at,
            "Let it continue, or abort it.",
            reverse("promotion", args=[row.request_id]),
            "Open rollout",
        )
        for row in rows.order_by("halted_at")
    ]


def among(
    agents: Iterable[Agent],
    champions: Iterable[observed.Champion],
    *,
    lost: Iterable[Target],
    sight: Sight,
    now: datetime,
) -> list[Alarm]:
    """Name what is abnormal among what is already read; ``lost`` are targets."""
    of_targets = [_of_target(target) for target in lost]
    return (
        of_targets
        + _of_agents(list(agents), sight, now=now)
        + [alarm for one in champions for alarm in _of_champion(one, now=now)]
    )


def _of_agents(agents: list[Agent], sight: Sight, *, now: datetime) -> list[Alarm]:
    """Name agents one by one, but in one line those that many fell silent beside."""
    silent: dict[Environment, list[Agent]] = {}
    for agent in agents:
        if not agent.evicted_at and not agent.cordoned and observed.is_silent(agent, now=now):
            silent.setdefault(agent.target.environment, []).append(agent)
    many = {place: found for place, found in silent.items() if len(found) > MOST_NAMED}
    gathered = {agent.pk for found in many.values() for agent in found}
    alone = [agent for agent in agents if agent.pk not in gathered]
    return [
        *(_of_many(place, found) for place, found in many.items()),
        *(alarm for agent in agents if agent.pk in gathered for alarm in _taken_back(agent, sight)),
        *(alarm for agent in alone for alarm in _of_agent(agent, sight, now=now)),
    ]


def _of_many(place: Environment, silent: list[Agent]) -> Alarm:
    """Say in one line that many agents of an environment are silent: one cause, most likely."""
    names = ", ".join(sorted(agent.name for agent in silent)[:MOST_NAMED])
    rest = len(silent) - MOST_NAMED
    what = f"{len(silent)} agents are silent: {names} and {rest} more. What they serve is unknown."
    reports = [observed.report_of(agent) for agent in silent]
    heard = [row.at for row in reports if row]
    since = min(heard) if heard else min(agent.enrolled_at for agent in silent)
    remedy = "Look for one cause, such as the network between; start them again, or evict them."
    return Alarm(place.slug, what, since, remedy, reverse("fleet"), "Open fleet")


def _of_target(target: Target) -> Alarm:
    what = (
        f"agents of the {target.tier} tier have applied generation {target.highest_seen}, and the"
        f" newest here is {target.generation}: history is lost. They go on as they are, and"
        " nothing is published to them."
    )
    url = f"{reverse('fleet')}#target-{target.pk}"
    remedy = "Adopt what they serve, or override it."
    slug = target.environment.slug
    return Alarm(slug, what, target.history_lost_at, remedy, url, "Open fleet")


def _of_agent(agent: Agent, sight: Sight, *, now: datetime) -> list[Alarm]:
    if agent.evicted_at:
        what = f"agent {agent.name} was evicted and may still serve what it held, unseen."
        remedy = "End its process, then decommission it."
        return [_at(agent, what, agent.evicted_at, remedy)]
    taken_back = _taken_back(agent, sight)
    if agent.cordoned:
        return taken_back  # Of all else an operator knows.
    found = _trouble(agent, sight, now=now)
    return [found, *taken_back] if found else taken_back


def _taken_back(agent: Agent, sight: Sight) -> list[Alarm]:
    """Models for which somebody on the agent's host lets a former champion answer.

    Who does not see all models is told of it without names; the fleet's page names theirs.
    """
    sees_all = sight.reach.groups(environment=agent.target.environment_id) is None
    said = []
    for item in observed.overrides(observed.report_of(agent)):
        reason = f" ({item.get('reason')})" if item.get("reason") else ""
        named = f"{item.get('model')} version {item.get('version')}, whatever is decided{reason}"
        what = f"agent {agent.name} was rolled back on its host by {item.get('by')}: it answers"
        what = f"{what} with {named if sees_all else 'another version than is decided'}."
        remedy = "Roll back here too, promote another version, or resume it on its host."
        said.append(_at(agent, what, datetime.fromisoformat(str(item.get("since"))), remedy))
    return said


def _trouble(agent: Agent, sight: Sight, *, now: datetime) -> Alarm | None:
    """Name the first thing that is wrong with an agent that counts, and the way out of it."""
    report = observed.report_of(agent)
    if observed.is_silent(agent, now=now):
        what = f"agent {agent.name} is silent. What it serves is unknown."
        since = report.at if report else agent.enrolled_at
        return _at(agent, what, since, "Start it again, or evict it.", evict=True)
    if report and is_cloned(report, now=now):
        what = f"agent {agent.name} is two processes under one name. What either serves is unknown."
        remedy = "End one of them, or evict both."
        return _at(agent, what, report.cloned_since, remedy, evict=True)
    if wedge := observed.wedged(agent, now=now):
        sees_all = sight.reach.groups(environment=agent.target.environment_id) is None
        how = wedge.how if sees_all else wedge.how_without_names
        what = f"agent {agent.name} is wedged: it {how}."
        return _at(agent, what, wedge.since, "Restart it, or evict it.", evict=True)
    if report and report.refused and agent.target.history_lost_at is None:
        refused = report.refused
        what = (
            f"agent {agent.name} refused generation {refused.get('generation')}:"
            f" {refused.get('reason')}. It keeps serving generation {report.observed_generation}."
        )
        return _at(agent, what, report.at, "Read its reason and publish a state it can take.")
    return None


def _at(
    agent: Agent, what: str, since: datetime | None, remedy: str, *, evict: bool = False
) -> Alarm:
    return Alarm(
        agent.target.environment.slug,
        what,
        since,
        remedy,
        f"{reverse('fleet')}#agent-{agent.pk}",
        "Open agent",
        evict=reverse("evict", args=[agent.pk]) if evict else "",
    )


def _of_champion(champion: observed.Champion, *, now: datetime) -> list[Alarm]:
    """A decision that agents still contradict, or nobody confirms, after two leases."""
    if champion.confirmation.is_live() or now - champion.decided.since < 2 * lease():
        return []
    row, found = champion.decided, champion.confirmation
    what = (
        f"{row.model} version {row.number} is decided, and confirmed by"
        f" {len(found.confirmed)} of {found.counted} agents"
    )
    others = [
        f"{finding.agent} {finding.why}"
        for finding in found.findings
        if finding.standing is Standing.DISAGREEING
    ]
    what = f"{what}: {', '.join(others)}." if others else f"{what}."
    remedy = (
        "Look at the agents; roll back if callers get wrong answers."
        if others
        else "Start an agent for this environment."
    )
    url = reverse("model", args=[row.model])
    return [Alarm(row.place, what, row.since, remedy, url, "Open model")]
