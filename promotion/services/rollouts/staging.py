"""The stages before the switch to all: a candidate beside the champion, and its way back."""

from datetime import datetime

from governance.audit.actions import Action
from promotion import stages
from promotion.models import Deployment, Request, Rollout
from promotion.models.requests import REPLACING
from promotion.selectors import fleet_facts
from promotion.services.journal import Journal
from promotion.services.rollouts.context import Context


def present(context: Context) -> stages.Stage:
    """Return the stage a rollout is at."""
    return stages.before_all(context.rules.stages)[context.rollout.stage - 1]


def following(context: Context) -> stages.Stage | None:
    """Return the next stage before all, if there is one. The first version shares with nobody."""
    if context.outgoing is None or context.request.kind not in REPLACING:
        return None
    planned = stages.before_all(context.rules.stages)
    return planned[context.rollout.stage] if context.rollout.stage < len(planned) else None


def enter(context: Context, stage: stages.Stage) -> None:
    """Let the version answer those the stage names. It is a candidate from the first one on."""
    rollout, was_dark = context.rollout, context.deployment.state == Deployment.State.DARK
    if context.deployment.role != Deployment.Role.CANDIDATE:
        _admit(context)
    rollout.step, rollout.stage = Rollout.Step.STAGE, rollout.stage + 1
    choose(context, stage)
    generation = context.publish(f"stage {rollout.stage} of request {context.request.pk}")
    if was_dark:
        context.publish_dark("no longer dark")
    context.enter(Rollout.Step.STAGE, seconds=stage.seconds, generation=generation)


def choose(context: Context, stage: stages.Stage) -> None:
    """Write down who gets the new answers, before the state is built from it."""
    rollout = context.rollout
    found = fleet_facts.required(context.target, context.placement, now=context.now)
    agents = [agent.name for agent in found]
    # One salt for all stages: who was chosen stays chosen when the weight grows.
    rollout.switch = stage.switch(agents, salt=str(rollout.pk))
    rollout.save(update_fields=["step", "stage", "switch"])


def lacks(context: Context) -> str:
    """Say how many agents are missing for the next step, or ``""``: with too few it waits."""
    if context.request.kind == Request.Kind.DEPLOY_DARK:
        return ""
    placement = context.placement
    needed = placement.needed(context.rules.minimum_agents)
    there = len(fleet_facts.required(context.target, placement, now=context.now))
    return f"{there} of {needed} agents are there" if there < needed else ""


def is_deserted(context: Context, counted: frozenset[str]) -> bool:
    """Tell whether every agent that was to answer with the new version has gone."""
    named = (context.rollout.switch or {}).get("agents")
    return isinstance(named, list) and not counted & {str(name) for name in named}


def step_down(
    candidate: Deployment,
    request: Request,
    *,
    from_state: str,
    journal: Journal,
    now: datetime,
    why: str,
) -> None:
    """Put a candidate back where it was before its rollout. The caller publishes."""
    if from_state == Deployment.State.DARK:
        candidate.demote()
    else:
        candidate.recall()
    candidate.changed_at = now
    candidate.save()
    journal.deployment(Action.DEPLOYMENT_RECALLED, candidate, request, why=why)


def bar(
    candidate: Deployment, request: Request, *, journal: Journal, now: datetime, why: str
) -> None:
    """Retire what a guard, a refusal or an incident took out: back only by tests and approval."""
    candidate.barred = True
    candidate.retire()
    candidate.undecided_since = candidate.changed_at = now
    candidate.save()
    journal.deployment(Action.DEPLOYMENT_RETIRED, candidate, request, why=why)


def undo(context: Context, why: str, *, action: Action, is_barred: bool) -> None:
    """End a rollout before its commit: the champion answers everybody, as before."""
    deployment = context.deployment
    was_candidate = deployment.role == Deployment.Role.CANDIDATE
    if was_candidate and is_barred:
        bar(deployment, context.request, journal=context.journal, now=context.now, why=why)
    elif was_candidate:
        step_down(
            deployment,
            context.request,
            from_state=context.request.from_state,
            journal=context.journal,
            now=context.now,
            why=why,
        )
    context.end(Rollout.Step.FAILED, action, why)
    context.publish(f"undone: {why}")
    if was_candidate and deployment.state == Deployment.State.DARK:
        context.publish_dark("dark again")
    context.settle(Request.State.FAILED, Action.REQUEST_FAILED, why)


def _admit(context: Context) -> None:
    deployment = context.deployment
    deployment.promote()
    deployment.changed_at = context.now
    deployment.save()
    context.journal.deployment(
        Action.DEPLOYMENT_ADMITTED,
        deployment,
        context.request,
        beside=context.outgoing.version.digest if context.outgoing else None,
    )
