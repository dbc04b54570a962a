"""Examines the whole system for those who run it: ours, the registry's, the floor's."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from governance import access
from governance.actors import Actor
from governance.checks import Check, Verdict, ok
from governance.services import checking as floor
from promotion.models import Agent, Deployment, Pulse, Target, Telling
from promotion.selectors import tampering
from promotion.selectors.fleet_facts import lease
from registry.services import checking as registry

SWEEPS_MISSED = 5
"""After that many the worker counts as gone."""
PATIENCE = timedelta(seconds=10)
"""What a worker that is starting may take, however short the sweeps are."""


def examine(*, actor: Actor) -> list[Check]:
    """Look at everything, and say what helps where it is not well.

    Raises:
        Forbidden: the actor neither operates nor administers.
    """
    if not access.allowed(actor, access.Permission.OPERATE):
        access.require(actor, access.Permission.ADMINISTER)
    now = timezone.now()
    return [*floor.examine(), registry.examine(), worker(now), watch(now), *agents(now)]


def worker(now: datetime) -> Check:
    """Tell how long ago the worker last swept."""
    at = Pulse.objects.filter(name=Pulse.SWEEP).values_list("at", flat=True).first()
    every = timedelta(seconds=settings.CONFIG.sweep_seconds)
    if at is not None and now - at <= max(SWEEPS_MISSED * every, PATIENCE):
        return ok("worker", f"last sweep {_ago(now - at)}")
    return Check(
        "worker",
        Verdict.FAIL,
        "it has never swept" if at is None else f"last sweep {_ago(now - at)}",
        "Nothing is inspected, and what is due waits for the next report of an agent.",
        "Start worker and beat (`lockgate up` runs both), and look at their log.",
    )


def watch(now: datetime) -> Check:
    """Tell what the watch found when it last looked, and how long ago that was."""
    seen = tampering.watched()
    if seen is None or seen.is_late(now):
        return Check(
            "watch",
            Verdict.WARN,
            f"last look {_ago(now - seen.at)}" if seen else "it has never looked",
            "What is changed past the application is not noticed.",
            "Start worker and beat (`lockgate up` runs both), and look at their log.",
        )
    if seen.found:
        return Check(
            "watch",
            Verdict.FAIL,
            f"{len(seen.found)} not as it was left: {seen.found[0].what}",
            "Somebody changed it past the application.",
            f"{seen.found[0].remedy} All of it: /audit/watch/",
        )
    return ok("watch", f"nothing amiss, last look {_ago(now - seen.at)}")


def agents(now: datetime) -> list[Check]:
    """Tell of each target how many of its agents are heard, and which cannot be told."""
    rows = Agent.objects.filter(left_at=None).select_related("report")
    by_target = {
        target: list(found)
        for target, found in groupby(
            rows.order_by("target_id", "name"), key=lambda agent: agent.target_id
        )
    }
    deaf = _deaf(agent for found in by_target.values() for agent in found)
    champions = Deployment.objects.filter(role=Deployment.Role.CHAMPION)
    answering = set(champions.values_list("environment", flat=True))
    targets = Target.objects.select_related("environment").order_by(
        "environment__position", "environment__slug", "-tier"
    )
    return [
        _of_target(
            target,
            by_target.get(target.pk, []),
            deaf=deaf,
            must_answer=target.tier == Target.Tier.LIVE and target.environment_id in answering,
            now=now,
        )
        for target in targets
    ]


def _of_target(
    target: Target, found: list[Agent], *, deaf: dict[UUID, str], must_answer: bool, now: datetime
) -> Check:
    name = f"agents {target.environment.slug} {target.tier}"
    silent = [agent.name for agent in found if not _is_heard(agent, now)]
    heard = len(found) - len(silent)
    said = f"{heard} of {len(found)} heard within their lease"
    if silent:
        said = f"{said}; silent: {', '.join(silent)}"
    if must_answer and not heard:
        return Check(
            name,
            Verdict.FAIL,
            said,
            "Versions are decided here, and nobody confirms that they answer.",
            "Start the agents, and see that they reach this service.",
        )
    if silent:
        return Check(
            name,
            Verdict.WARN,
            said,
            "What the silent ones serve is unknown, and rollouts may wait for them.",
            "Start them again, or cordon them until they are well.",
        )
    mute = [f"{agent.name} ({deaf[agent.pk]})" for agent in found if agent.pk in deaf]
    if mute:
        return Check(
            name,
            Verdict.WARN,
            f"{said}; not reached by hints: {', '.join(mute)}",
            "They hear of changes one poll later.",
            "Open their control port to this service, and name their network in AGENT_NETWORKS.",
        )
    return ok(name, said if found else "none has joined, none is needed")


def _is_heard(agent: Agent, now: datetime) -> bool:
    report = getattr(agent, "report", None)
    return report is not None and report.at > now - lease()


def _deaf(agents: Iterable[Agent]) -> dict[UUID, str]:
    """Return the agents whose last hint did not reach them, and why."""
    last = (
        Telling.objects.filter(agent__in=[agent.pk for agent in agents])
        .order_by("agent_id", "-told_at")
        .distinct("agent_id")
    )
    return {telling.agent_id: telling.error for telling in last if telling.error}


def _ago(span: timedelta) -> str:
    seconds = max(span.total_seconds(), 0.0)
    if seconds < 120:
        return f"{seconds:.0f} seconds ago"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes ago" if minutes < 120 else f"{minutes / 60:.0f} hours ago"
