"""Takes the steps that agents' reports allow."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from governance.actors import Actor
from promotion import guards
from promotion.models import Rollout, RolloutStep
from promotion.selectors import fleet_facts
from promotion.selectors.fleet_facts import Voice
from promotion.services.rollouts import steps, watching
from promotion.services.rollouts.context import Context, ask, load

logger = logging.getLogger(__name__)

STEPS: Mapping[str, Callable[[Context, steps.Tally], None]] = {
    Rollout.Step.LOAD: steps.after_load,
    Rollout.Step.STAGE: steps.after_stage,
    Rollout.Step.COMMIT: steps.after_commit,
    Rollout.Step.BAKE: steps.after_bake,
    Rollout.Step.RETIRE: steps.after_retire,
}


def advance_target(*, target_id: UUID, actor: Actor) -> int:
    """Advance every running rollout of one target; return how many there were."""
    running = Rollout.objects.filter(target=target_id, ended_at=None).values_list("pk", flat=True)
    for pk in list(running):
        advance(rollout_id=pk, actor=actor)
    return len(running)


@transaction.atomic
def advance(*, rollout_id: UUID, actor: Actor, now: datetime | None = None) -> None:
    """Take one step of one rollout, if what agents say allows one."""
    context = load(rollout_id=rollout_id, actor=actor, now=now or timezone.now())
    if context is None:
        return
    tally = _count(context)
    if why := watching.breach(context, tally.seen):
        steps.take_back(context, why)  # Also while it is paused: a guard waits for nobody.
    elif context.rollout.paused_at is None:
        STEPS[context.rollout.step](context, tally)
    if tally.is_empty() and context.rollout.ended_at is None:
        # All who were asked are gone or cordoned: whoever is here now takes their place.
        ask(context.rollout, context.target, now=context.now)
    context.journal.write()


def _count(context: Context) -> steps.Tally:
    """Hold what agents say against the present step, and note who is done or refuses."""
    rollout, now = context.rollout, context.now
    rows = list(
        RolloutStep.objects.filter(rollout=rollout, step=rollout.step_name, required=True)
        .select_related("agent")
        .order_by("id")
    )
    voices = fleet_facts.voices([row.agent_id for row in rows], now=now)
    placement = context.placement
    done, refused, waiting, silent = [], [], [], []
    seen = [_seen(context, row, voices[row.agent_id]) for row in rows if row.agent_id in voices]
    for row in rows:
        voice = voices.get(row.agent_id)
        if row.agent.left_at or row.agent.cordoned or not placement.covers(row.agent.labels):
            continue  # Not required any more: leaving never halts a rollout.
        if voice is None:
            silent.append(row.agent.name)
        elif reason := _refusal(context, voice):
            refused.append((row.agent.name, *reason))
            _note(row, failed_at=now, reason=reason[0], detail=reason[1])
        elif _is_done(context, voice):
            done.append(row.agent.name)
            _note(row, done_at=now)
        else:
            waiting.append(row.agent.name)
    return steps.Tally(
        done=tuple(done),
        refused=tuple(refused),
        waiting=tuple(waiting),
        silent=tuple(silent),
        seen=tuple(seen),
    )


def _seen(context: Context, row: RolloutStep, voice: Voice) -> guards.Seen:
    """Count what an agent answered with the new version since the step began."""
    holding = voice.holdings.get(context.deployment.version.digest)
    if holding is None:
        return guards.Seen(row.agent.name)
    outgoing = context.outgoing
    replaced = voice.holdings.get(outgoing.version.digest) if outgoing else None
    return guards.Seen(
        row.agent.name,
        requests=guards.since(holding.requests, row.requests_before),
        errors=guards.since(holding.errors, row.errors_before),
        latency=holding.latency,
        scores=holding.scores,
        champions=replaced.scores if replaced else {},
    )


def _refusal(context: Context, voice: Voice) -> tuple[str, str] | None:
    """Return the reason code and detail of an agent's NACK of this rollout, if it gave one."""
    rollout = context.rollout
    if rollout.step not in {Rollout.Step.LOAD, Rollout.Step.STAGE, Rollout.Step.COMMIT}:
        return None
    # One who has applied this generation has not refused it, whatever it says of later ones.
    if voice.generation < rollout.generation <= voice.refused_generation:
        return voice.refused_reason, voice.refused_detail
    holding = voice.holdings.get(context.deployment.version.digest)
    if voice.generation >= rollout.generation and holding and holding.phase == "failed":
        return holding.reason, holding.detail
    return None


def _is_done(context: Context, voice: Voice) -> bool:
    rollout = context.rollout
    if voice.generation < rollout.generation:
        return False
    if rollout.step == Rollout.Step.RETIRE:
        leaving = context.outgoing or context.deployment
        return leaving.version.digest not in voice.holdings
    digest = context.deployment.version.digest
    holding = voice.holdings.get(digest)
    if rollout.step == Rollout.Step.LOAD:
        return holding is not None and holding.phase == "ready"
    if rollout.step == Rollout.Step.STAGE:
        return holding is not None and (holding.role, holding.phase) == ("candidate", "ready")
    return voice.answers.get(context.deployment.model.name) == digest


def _note(row: RolloutStep, **changes: object) -> None:
    """Write down the first time an agent was done, or refused."""
    if row.done_at or row.failed_at:
        return
    for name, value in changes.items():
        setattr(row, name, value)
    row.save(update_fields=list(changes))
