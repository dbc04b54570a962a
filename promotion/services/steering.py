"""What operators do to a running rollout: pause it, let it go on, abort it."""

from collections.abc import Callable
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from governance import access
from governance.actors import Actor
from governance.audit.actions import Action
from governance.audit.services import records_refusals
from governance.errors import Conflict, Invalid, NotFound
from governance.names import problem_with
from promotion.models import Request, Rollout
from promotion.models.requests import REPLACING
from promotion.services import rollbacks, rollouts
from promotion.services.rollouts.context import Context

BEFORE_COMMIT = frozenset({Rollout.Step.LOAD, Rollout.Step.STAGE})
STEERED = REPLACING | {Request.Kind.DEPLOY_DARK}
"""Kinds of requests that may be held up. A rollback, a stop and a retirement wait for nobody."""


@records_refusals
def pause(*, rollout_id: UUID, reason: str, actor: Actor) -> Request:
    """Let a rollout take no step until it is resumed. Its guards watch on.

    Raises:
        NotFound: ``unknown_rollout``.
        Forbidden: the actor does not operate there.
        Conflict: ``rollout_over``, ``not_steerable`` or ``already_paused``.
    """
    return _steer(rollout_id, _pause, reason=reason, actor=actor)


@records_refusals
def resume(*, rollout_id: UUID, reason: str, actor: Actor) -> Request:
    """Let a paused rollout go on with the time it had, and one that halted without what it lacked.

    Raises:
        NotFound: ``unknown_rollout``.
        Forbidden: the actor does not operate there.
        Conflict: ``rollout_over``, ``not_steerable`` or ``not_paused``.
    """
    return _steer(rollout_id, _resume, reason=reason, actor=actor)


@records_refusals
def abort(*, rollout_id: UUID, reason: str, actor: Actor) -> Request:
    """End a rollout. Before its commit all is as it was before; after it this is a rollback.

    Returns the request that says how it ended: the rollout's own, or the rollback's.

    Raises:
        NotFound: ``unknown_rollout``.
        Forbidden: the actor does not operate there.
        Conflict: ``rollout_over``, ``not_steerable`` or ``nothing_to_roll_back_to``.
    """
    found = _find(rollout_id, reason=reason, actor=actor)
    if found.ended_at is None and found.step not in BEFORE_COMMIT:
        return _roll_back(found, reason=reason, actor=actor)
    return _steer(rollout_id, _abort, reason=reason, actor=actor)


def _steer(
    rollout_id: UUID, act: Callable[[Context, str], None], *, reason: str, actor: Actor
) -> Request:
    _find(rollout_id, reason=reason, actor=actor)
    with transaction.atomic():
        context = rollouts.load(rollout_id=rollout_id, actor=actor, now=timezone.now())
        if context is None:
            message = "This rollout is over."
            raise Conflict(message, code="rollout_over")
        _require_steerable(context.request)
        act(context, reason)
        context.journal.write()
    return context.request


def _find(rollout_id: UUID, *, reason: str, actor: Actor) -> Rollout:
    """Find what was named, and let only operators pass, who say why."""
    rows = Rollout.objects.select_related(
        "request__environment", "request__model", "outgoing__version"
    )
    found = rows.filter(pk=rollout_id).first()
    if found is None:
        message = "There is no such rollout."
        raise NotFound(message, code="unknown_rollout")
    request = found.request
    access.require(
        actor,
        access.Permission.OPERATE,
        environment=request.environment,
        group=request.model.group,
    )
    if problem := problem_with(reason):
        message = "Say why."
        raise Invalid(message, reason=problem)
    return found


def _require_steerable(request: Request) -> None:
    if request.kind not in STEERED:
        message = f"A request of kind {request.kind} waits for nobody, and is not held up."
        raise Conflict(message, code="not_steerable")


def _pause(context: Context, reason: str) -> None:
    rollout = context.rollout
    if rollout.paused_at is not None:
        message = "It is paused already."
        raise Conflict(message, code="already_paused")
    rollout.paused_at = context.now
    context.tell(rollout.detail, action=Action.ROLLOUT_PAUSED, reason=reason)


def _resume(context: Context, reason: str) -> None:
    rollout = context.rollout
    if rollout.paused_at is not None:
        lost = context.now - rollout.paused_at
        rollout.step_at, rollout.deadline = rollout.step_at + lost, rollout.deadline + lost
        rollout.paused_at = None
        context.tell(rollout.detail, action=Action.ROLLOUT_RESUMED, reason=reason)
    elif rollout.halted_at is not None:
        # It lacked answers, and goes on without; or agents, and they have the time once more.
        rollout.unwatched, rollout.halted_at = rollout.extended, None
        if not rollout.extended:
            rollout.step_at = context.now
        context.tell("", action=Action.ROLLOUT_RESUMED, reason=reason)
    else:
        message = "It is not paused, and has not halted."
        raise Conflict(message, code="not_paused")


def _abort(context: Context, reason: str) -> None:
    if context.rollout.step not in BEFORE_COMMIT:
        message = "It was switched to all while you decided. Ask again to roll it back."
        raise Conflict(message, code="rollout_moved_on")
    rollouts.abort(context, f"aborted by {context.journal.actor.label}: {reason}")


def _roll_back(found: Rollout, *, reason: str, actor: Actor) -> Request:
    _require_steerable(found.request)
    if found.outgoing is None:
        message = "No version answered before this one. Stop the model, or promote another."
        raise Conflict(message, code="nothing_to_roll_back_to")
    return rollbacks.rollback(
        environment=found.request.environment.slug,
        model=found.request.model.name,
        to=found.outgoing.version.number,
        reason=reason,
        actor=actor,
    )
