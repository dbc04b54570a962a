"""Takes an agent's report: stores it, commits, then advances what it allows."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from governance.actors import Actor
from governance.audit.actions import Action
from governance.errors import Invalid, Unauthenticated
from promotion import health, history, wire
from promotion.models import Agent, AgentReport, ServingInterval, Target, Telling
from promotion.selectors import fleet_facts
from promotion.services import histories, latencies, rollouts
from promotion.services.journal import Journal
from registry.models import ModelVersion

ANSWERING = ("champion", "candidate", "spare")
ROLLOUT = Actor.from_task("promotion.advance")


def report(*, agent: Agent, body: wire.Report, actor: Actor) -> int:
    """Store what an agent says and advance the rollouts that wait for it.

    Several transactions: a report counts even when advancing fails. Returns the
    newest generation of the agent's target, so that it can fetch at once. One that
    has applied what was never published is stored too, and its target marked.

    Raises:
        Invalid: ``implausible_generation``: no history can have got lost that is so long.
        Unauthenticated: ``bad_token``, it was evicted or decommissioned.
    """
    _store(agent_id=agent.pk, body=body, actor=actor, now=timezone.now())
    histories.notice(agent=agent, body=body, actor=actor)
    rollouts.advance_target(target_id=agent.target_id, actor=ROLLOUT)
    return newest_generation(agent.target_id)


def newest_generation(target_id: UUID) -> int:
    """Return the generation a target was told last."""
    return Target.objects.values_list("generation", flat=True).get(pk=target_id)


@transaction.atomic
def _store(*, agent_id: UUID, body: wire.Report, actor: Actor, now: datetime) -> None:
    agent = (
        Agent.objects.select_for_update(of=("self",), no_key=True)
        .select_related("target__environment")
        .get(pk=agent_id)
    )
    if agent.evicted_at or agent.decommissioned_at:
        message = "This agent was taken out, and nothing it says counts."
        raise Unauthenticated(message, code="bad_token")
    newest = agent.target.generation
    if not history.is_plausible(observed=body.observed_generation, newest=newest):
        message = "This agent says it is too far ahead to be believed."
        raise Invalid(
            message,
            code="implausible_generation",
            observed_generation=f"the newest here is {newest}",
        )
    before = AgentReport.objects.filter(agent=agent).first()
    boots = before.boots if before else []
    run = health.judge_run(boots, boot_id=body.boot_id, seq=body.seq)
    if run is health.Run.LATE:
        return  # Late or doubled: a newer one of the same run is here.
    after = _row(agent, body, now)
    _follow(before, after, run=run, now=now)
    after.save(force_insert=before is None, force_update=before is not None)
    if run is not health.Run.RETURNED:  # Of a clone nobody knows what was counted already.
        latencies.add(agent=agent, before=before, after=after)
    journal = Journal(actor)
    _note_clone(agent, before, after, journal=journal)
    _note_serving(agent, before, after, journal=journal, now=now)
    _note_refusal(agent, before, after, journal=journal)
    if agent.left_at is not None:
        agent.left_at = None
        agent.save(update_fields=["left_at"])
        journal.agent(Action.AGENT_ENROLLED, agent, returned=True, labels=dict(agent.labels))
    _finish_tellings(agent, after, now=now)
    journal.write()


def _row(agent: Agent, body: wire.Report, now: datetime) -> AgentReport:
    versions = [item.model_dump() for item in body.models]
    for item in versions:
        item["detail"] = wire.clean(item["detail"])
    refused = body.refused.model_dump() if body.refused else None
    if refused:
        refused["detail"] = wire.clean(refused["detail"])
    return AgentReport(
        agent=agent,
        at=now,
        boot_id=body.boot_id,
        seq=body.seq,
        observed_generation=body.observed_generation,
        software=wire.clean(body.software),
        control_url=body.control_url or "",
        inference_url=body.inference_url or "",
        draining=body.draining,
        refused=refused,
        versions=versions,
        counters={
            "mirror": body.mirror,
            "dark": body.dark,
            "resident_bytes": body.resident_bytes,
            "memory_budget_bytes": body.memory_budget_bytes,
            "held": list(body.held),
        },
    )


def _follow(
    before: AgentReport | None, after: AgentReport, *, run: health.Run, now: datetime
) -> None:
    """Carry over what only a row of reports tells: which runs there were, and what stands still."""
    after.boots = health.remember_run(
        before.boots if before else [], boot_id=after.boot_id, seq=after.seq
    )
    if before is None:
        return
    if run is health.Run.RETURNED:
        is_known = fleet_facts.is_cloned(before, now=now)
        after.cloned_since, after.cloned_at = before.cloned_since if is_known else now, now
    elif fleet_facts.is_cloned(before, now=now):
        after.cloned_since, after.cloned_at = before.cloned_since, before.cloned_at
    if run is health.Run.NEXT:
        after.still = health.standing_still(
            before.versions, after.versions, since=before.still, now=now
        )


def _note_clone(
    agent: Agent, before: AgentReport | None, after: AgentReport, *, journal: Journal
) -> None:
    if after.cloned_since and (before is None or before.cloned_since != after.cloned_since):
        ids = [boot["id"] for boot in after.boots[-2:]]
        journal.agent(Action.AGENT_CLONED, agent, boots=ids)


def _answers(row: AgentReport | None) -> dict[tuple[str, str], str]:
    """Return (digest, role) -> model of what answers callers, ready."""
    return {
        (item["digest"], item["role"]): item["model"]
        for item in (row.versions if row else [])
        if item["role"] in ANSWERING and item["phase"] == "ready"
    }


def _note_serving(
    agent: Agent,
    before: AgentReport | None,
    after: AgentReport,
    *,
    journal: Journal,
    now: datetime,
) -> None:
    """Open and close serving intervals, and record the change, when what answers changed."""
    # Leaving has ended its intervals: whatever it answers with now is news.
    old, new = _answers(None if agent.left_at else before), _answers(after)
    if old == new:
        return
    digests = {digest for digest, _ in old.keys() | new.keys()}
    rows = ModelVersion.objects.filter(digest__in=digests).select_related("model")
    versions = {(row.digest, row.model.name): row for row in rows}
    for key in old.keys() - new.keys():
        if version := versions.get((key[0], old[key])):
            ServingInterval.objects.filter(
                agent=agent, version=version, role=key[1], ended_at=None
            ).update(ended_at=now)
    for key in new.keys() - old.keys():
        if version := versions.get((key[0], new[key])):
            ServingInterval.objects.get_or_create(
                agent=agent,
                version=version,
                role=key[1],
                ended_at=None,
                defaults={"generation": after.observed_generation, "began_at": now},
            )
    journal.agent(
        Action.AGENT_CHANGED_SERVING,
        agent,
        generation=after.observed_generation,
        before=_listed(old),
        after=_listed(new),
    )


def _listed(answers: Mapping[tuple[str, str], str]) -> list[dict[str, str]]:
    return [
        {"model": model, "digest": digest, "role": role}
        for (digest, role), model in sorted(answers.items())
    ]


def _note_refusal(
    agent: Agent, before: AgentReport | None, after: AgentReport, *, journal: Journal
) -> None:
    old: Any = before.refused if before else None
    new: Any = after.refused
    if new and (old is None or old["generation"] != new["generation"]):
        journal.agent(Action.AGENT_REFUSED_STATE, agent, **new)


def _finish_tellings(agent: Agent, after: AgentReport, *, now: datetime) -> None:
    """Mark hints as done once the report shows what they asked for."""
    waiting = Telling.objects.filter(
        agent=agent, done_at=None, generation__lte=after.observed_generation
    ).select_related("version")
    ready = {
        i["digest"] for i in after.versions if i["phase"] == "ready" and i["role"] != "leaving"
    }
    held = {i["digest"] for i in after.versions}
    done = [
        telling.pk
        for telling in waiting
        if (telling.action == Telling.Action.LOAD and telling.version.digest in ready)
        or (telling.action == Telling.Action.UNLOAD and telling.version.digest not in held)
    ]
    if done:
        Telling.objects.filter(pk__in=done).update(done_at=now)
