"""What an agent answers with and refuses: intervals and entries, in a number people can read.

An agent whose status flaps may change it a hundred times a second. What stops is ended at
once. What begins, and the entry that tells of it, wait while the agent has told too much
already (``promotion.pacing``); then one entry tells how many changes it stands for. The sweep
tells what is held back of an agent that fell silent.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from governance.actors import Actor
from governance.audit.actions import Action
from promotion import pacing
from promotion.models import Agent, AgentReport, ServingInterval
from promotion.services.journal import Journal
from registry.models import ModelVersion

ANSWERING = ("champion", "candidate", "spare")
Answers: TypeAlias = Mapping[tuple[str, str], str]
"""(digest, role) -> model of what answers callers, ready."""


def note(
    agent: Agent,
    before: AgentReport | None,
    after: AgentReport,
    *,
    journal: Journal,
    now: datetime,
) -> None:
    """Take note of what a report changes, and tell it if that may be. The caller saves it."""
    if before is not None:
        after.told, after.untold, after.paced_until = before.told, before.untold, before.paced_until
        after.told_refusal = before.told_refusal
    # Leaving has ended its intervals: whatever it answers with now is news.
    old, new = _answers(None if agent.left_at else before), _answers(after)
    if old != new:
        after.untold += 1
        _end(agent, ((*key, old[key]) for key in old.keys() - new.keys()), now=now)
    refused = after.refused["generation"] if after.refused else after.told_refusal
    after.is_refusal_untold = refused != after.told_refusal
    _tell(agent, after, journal=journal, now=now)


def waiting() -> Iterable[UUID]:
    """Agents of which something is held back."""
    rows = AgentReport.objects.filter(Q(untold__gt=0) | Q(is_refusal_untold=True))
    return rows.values_list("agent", flat=True)


@transaction.atomic
def catch_up(*, agent_id: UUID, now: datetime) -> None:
    """Tell what was held back of an agent, if that may be by now. Safe to repeat."""
    rows = Agent.objects.select_for_update(of=("self",), no_key=True)
    agent = rows.select_related("target__environment").get(pk=agent_id)
    report = AgentReport.objects.filter(agent=agent).first()
    if report is None or agent.left_at or agent.evicted_at:
        return
    journal = Journal(Actor.from_agent(agent.pk, name=agent.name))
    _tell(agent, report, journal=journal, now=now)
    report.save()
    journal.write()


def forget(agent: Agent) -> None:
    """It left, or was taken out, which is told of itself: nothing is held back any more."""
    AgentReport.objects.filter(agent=agent).update(told=[], untold=0, is_refusal_untold=False)


def _tell(agent: Agent, report: AgentReport, *, journal: Journal, now: datetime) -> None:
    if report.untold and pacing.may(report.paced_until, now=now):
        new = _answers(report)
        _begin(agent, report, new, now=now)
        counted = {"changes": report.untold} if report.untold > 1 else {}
        told, report.told, report.untold = report.told, _listed(new), 0
        journal.agent(
            Action.AGENT_CHANGED_SERVING,
            agent,
            generation=report.observed_generation,
            before=told,
            after=report.told,
            **counted,
        )
        report.paced_until = pacing.spend(report.paced_until, now=now)
    if report.is_refusal_untold and report.refused and pacing.may(report.paced_until, now=now):
        report.told_refusal, report.is_refusal_untold = report.refused["generation"], False
        journal.agent(Action.AGENT_REFUSED_STATE, agent, **report.refused)
        report.paced_until = pacing.spend(report.paced_until, now=now)


def _answers(row: AgentReport | None) -> Answers:
    return {
        (item["digest"], item["role"]): item["model"]
        for item in (row.versions if row else [])
        if item["role"] in ANSWERING and item["phase"] == "ready"
    }


def _end(agent: Agent, gone: Iterable[tuple[str, str, str]], *, now: datetime) -> None:
    for digest, role, model in gone:
        ServingInterval.objects.filter(
            agent=agent,
            version__digest=digest,
            version__model__name=model,
            role=role,
            ended_at=None,
        ).update(ended_at=now)


def _begin(agent: Agent, report: AgentReport, new: Answers, *, now: datetime) -> None:
    """Begin an interval for all that answers and has none. Three queries."""
    rows = ModelVersion.objects.filter(digest__in={digest for digest, _ in new})
    versions = {(row.digest, row.model.name): row for row in rows.select_related("model")}
    running = set(agent.intervals.filter(ended_at=None).values_list("version__digest", "role"))
    ServingInterval.objects.bulk_create(
        ServingInterval(
            agent=agent,
            version=versions[digest, model],
            role=role,
            generation=report.observed_generation,
            began_at=now,
        )
        for (digest, role), model in new.items()
        if (digest, role) not in running and (digest, model) in versions
    )


def _listed(answers: Answers) -> list[dict[str, str]]:
    return [
        {"model": model, "digest": digest, "role": role}
        for (digest, role), model in sorted(answers.items())
    ]
