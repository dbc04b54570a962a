"""Takes an agent's report: stores it, commits, then advances what it allows."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from governance.actors import Actor
from governance.audit.actions import Action
from governance.errors import Invalid, Unauthenticated
from promotion import health, history, wire
from promotion.models import Agent, AgentReport, Target, Telling
from promotion.selectors import fleet_facts
from promotion.services import histories, latencies, rollouts
from promotion.services.agents import overriding, serving
from promotion.services.journal import Journal

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
    journal = Journal(actor)
    _note_clone(agent, before, after, journal=journal)
    serving.note(agent, before, after, journal=journal, now=now)
    overriding.note(agent, before, after, said=body.overrides, journal=journal, now=now)
    after.save(force_insert=before is None, force_update=before is not None)
    if run is not health.Run.RETURNED:  # Of a clone nobody knows what was counted already.
        latencies.add(agent=agent, before=before, after=after)
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
            "clock_offset_seconds": body.clock_offset_seconds,
            "changed_on_disk": [wire.clean(text) for text in body.changed_on_disk],
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
