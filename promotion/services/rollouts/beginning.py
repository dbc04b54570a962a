"""Starts a rollout, inside the transaction that decided it."""

from datetime import datetime, timedelta

from governance.audit.actions import Action
from promotion.models import Deployment, Request, Rollout, Target
from promotion.policies import Policy as Rules
from promotion.services import publishing
from promotion.services.journal import Journal
from promotion.services.rollouts.context import ask

TIER = {
    "deploy_dark": "dark",
    "promote": "live",
    "break_glass": "live",
    "rollback": "live",
    "retire": "dark",
}


def begin(
    request: Request,
    *,
    target: Target,
    outgoing: Deployment | None,
    rules: Rules,
    journal: Journal,
    now: datetime,
) -> Rollout:
    """Let the agents of ``target`` load the version beside whatever they serve."""
    rollout = _create(
        request, step=Rollout.Step.LOAD, target=target, outgoing=outgoing, rules=rules, now=now
    )
    return _publish_and_ask(
        rollout, target, cause=f"load for request {request.pk}", journal=journal, now=now
    )


def begin_switched(
    request: Request,
    *,
    step: str,
    target: Target,
    outgoing: Deployment | None,
    rules: Rules,
    journal: Journal,
    now: datetime,
) -> Rollout:
    """Start at a later step, the decided states having been changed already."""
    rollout = _create(request, step=step, target=target, outgoing=outgoing, rules=rules, now=now)
    return _publish_and_ask(
        rollout, target, cause=f"{step} for request {request.pk}", journal=journal, now=now
    )


def supersede(rollout: Rollout, *, by: Request, journal: Journal, now: datetime) -> None:
    """End a running rollout and its request because ``by`` takes over."""
    detail = f"superseded by request {by.pk}"
    rollout.step, rollout.ended_at, rollout.detail = Rollout.Step.SUPERSEDED, now, detail
    rollout.save()
    request = rollout.request
    request.state, request.settled_at = Request.State.SUPERSEDED, now
    request.detail, request.superseded_by = detail, by
    request.save(update_fields=["state", "settled_at", "detail", "superseded_by"])
    journal.rollout(Action.ROLLOUT_FAILED, rollout)
    journal.request(Action.REQUEST_SUPERSEDED, request, detail=detail)


def _create(
    request: Request,
    *,
    step: str,
    target: Target,
    outgoing: Deployment | None,
    rules: Rules,
    now: datetime,
) -> Rollout:
    return Rollout.objects.create(
        request=request,
        target=target,
        attempt=request.rollouts.count() + 1,
        step=step,
        outgoing=outgoing,
        generation=target.generation + 1,
        step_at=now,
        started_at=now,
        deadline=now + timedelta(seconds=rules.load_seconds),
    )


def _publish_and_ask(
    rollout: Rollout, target: Target, *, cause: str, journal: Journal, now: datetime
) -> Rollout:
    generation = publishing.publish(target, cause=cause, journal=journal, now=now)
    if generation != rollout.generation:
        message = f"published generation {generation}, not {rollout.generation}"
        raise RuntimeError(message)
    ask(rollout, target, now=now)
    journal.rollout(Action.ROLLOUT_STARTED, rollout)
    return rollout
