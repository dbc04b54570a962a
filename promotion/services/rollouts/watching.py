"""Guards and minimum volume: what has to be so before a step is over, and what ends it early."""

from governance.audit.actions import Action
from promotion import guards
from promotion.models import Rollout
from promotion.models.requests import REPLACING
from promotion.services.rollouts.context import Context

WATCHED = {
    Rollout.Step.STAGE: "stage",
    Rollout.Step.COMMIT: "switch",
    Rollout.Step.BAKE: "bake",
}
"""Steps in which the new version answers callers, and how a guard calls them."""


def breach(context: Context, seen: tuple[guards.Seen, ...]) -> str:
    """Say what a guard finds wrong, or ``""``. There must be somebody to switch back to."""
    step, rules = context.rollout.step, context.rules
    is_promotion = context.request.kind in REPLACING
    if step not in WATCHED or context.outgoing is None or not is_promotion:
        return ""
    limits = guards.Limits(
        minimum=rules.guard_minimum,
        error_share=rules.guard_error_share,
        quantile=rules.guard_latency,
        budget_ms=context.deployment.model.latency_budget_ms,
        decisions=rules.guard_decisions,
    )
    number = f" {context.rollout.stage}" if step == Rollout.Step.STAGE else ""
    return guards.breach(seen, limits=limits, during=f"{WATCHED[Rollout.Step(step)]}{number}")


def has_seen_enough(
    context: Context, seen: tuple[guards.Seen, ...], *, needed: int, seconds: float
) -> bool:
    """Tell whether the step had its answers. If not it is extended once, then a person is asked."""
    rollout, answers = context.rollout, guards.answered(seen)
    if rollout.unwatched or answers >= needed:
        return True
    if not rollout.extended:
        rollout.extended = True
        context.extend(seconds or context.rules.load_seconds)
        context.tell(f"extended once: {answers} of {needed} answers")
    elif rollout.halted_at is None:
        halt(context, f"halted: {answers} of {needed} answers, also after one more time")
    return False


def halt(context: Context, words: str) -> None:
    """Wait for a person, and say why. What was switched stays switched, and is watched."""
    context.rollout.halted_at = context.now
    context.tell(words, action=Action.ROLLOUT_HALTED)


def heal(context: Context) -> None:
    """Go on by itself once those who were missing have confirmed."""
    rollout = context.rollout
    if rollout.halted_at is not None and not rollout.extended:
        rollout.halted_at = None
        context.tell("")
