"""What follows each step of a rollout. Called with every row locked."""

from dataclasses import dataclass
from datetime import timedelta

from governance.audit.actions import Action
from promotion.desired import HELD_CHAMPIONS
from promotion.guards import Seen
from promotion.models import Deployment, Request, Rollout
from promotion.services.journal import Journal
from promotion.services.rollouts import displacing, staging, watching
from promotion.services.rollouts.context import Context


@dataclass(frozen=True, slots=True)
class Tally:
    """How the agents of a step stand, by name; ``refused`` with reason and detail."""

    done: tuple[str, ...]
    refused: tuple[tuple[str, str, str], ...]
    waiting: tuple[str, ...]
    silent: tuple[str, ...]
    seen: tuple[Seen, ...]
    """What those who are heard say of the new version's answers."""

    def all_done(self) -> bool:
        """At least one is done and nobody is missing: zero agents are never enough."""
        return bool(self.done) and not (self.refused or self.waiting or self.silent)

    def is_empty(self) -> bool:
        """Nobody who was asked still counts."""
        return not (self.done or self.refused or self.waiting or self.silent)

    def counted(self) -> frozenset[str]:
        """Name those who were asked and still count."""
        refused = (name for name, _, _ in self.refused)
        return frozenset((*self.done, *refused, *self.waiting, *self.silent))

    def open_names(self) -> str:
        return ", ".join((*self.waiting, *self.silent)) or "no agent"


def after_load(context: Context, tally: Tally) -> None:
    """All have it ready: go on, or call it dark. One refuses: nothing has changed, so stop."""
    if tally.refused:
        _fail(context, tally)
    elif tally.all_done() and not staging.lacks(context):
        if context.request.kind == Request.Kind.DEPLOY_DARK:
            _call_dark(context)
        else:
            _go_on(context)
    elif context.now >= context.rollout.deadline:
        _give_up(context, tally)


def after_stage(context: Context, tally: Tally) -> None:
    """All share, for long enough and with answers enough: go on. One refuses: take it back."""
    stage = staging.present(context)
    if tally.refused:
        take_back(context, _refusal_words(tally))
    elif staging.is_deserted(context, tally.counted()) and not tally.is_empty():
        staging.choose(context, stage)
        generation = context.publish(f"others share: request {context.request.pk}")
        context.enter(Rollout.Step.STAGE, seconds=stage.seconds, generation=generation)
    elif not tally.all_done() or staging.lacks(context):
        _halt_when_due(context, tally)
    elif context.now < context.rollout.deadline:
        watching.heal(context)
    elif watching.has_seen_enough(
        context, tally.seen, needed=stage.minimum_requests, seconds=stage.seconds
    ):
        _go_on(context)


def after_commit(context: Context, tally: Tally) -> None:
    """All have switched: bake. One refuses: switch back. Out of time: halt; a rollback goes on."""
    is_rollback = context.request.kind == Request.Kind.ROLLBACK
    if tally.refused and not is_rollback:
        take_back(context, _refusal_words(tally))
    elif tally.all_done() or (is_rollback and context.now >= context.rollout.deadline):
        stragglers = "" if tally.all_done() else f"without {tally.open_names()}"
        if context.outgoing is None:
            _finish(context, stragglers)
        elif is_rollback:
            _retire_outgoing(context, stragglers)
        else:
            rules = context.rules
            context.enter(
                Rollout.Step.BAKE, seconds=rules.bake_seconds, generation=context.rollout.generation
            )
    else:
        _halt_when_due(context, tally)


def after_bake(context: Context, tally: Tally) -> None:
    """Time is up, and it had its answers: the old version goes."""
    rules = context.rules
    if context.now >= context.rollout.deadline and watching.has_seen_enough(
        context, tally.seen, needed=rules.bake_minimum_requests, seconds=rules.bake_seconds
    ):
        _retire_outgoing(context, "")


def after_retire(context: Context, tally: Tally) -> None:
    """Nobody holds it any more: done. Time is up: done, with the stragglers named."""
    if tally.all_done() or not (tally.waiting or tally.silent):
        _finish(context, context.rollout.detail)
    elif context.now >= context.rollout.deadline:
        _finish(context, f"not confirmed by {tally.open_names()}")


def take_back(context: Context, why: str) -> None:
    """Let the champion of before answer everybody again, because of a guard or a refusal."""
    if context.rollout.step == Rollout.Step.STAGE:
        staging.undo(context, why, action=Action.ROLLOUT_FAILED, is_barred=True)
    else:
        _switch_back(context, why)


def abort(context: Context, why: str) -> None:
    """End it before its commit, as a person wishes."""
    staging.undo(context, why, action=Action.ROLLOUT_ABORTED, is_barred=False)


def _go_on(context: Context) -> None:
    """Enter the next stage, or switch all."""
    stage = staging.following(context)
    if stage is None:
        _commit(context)
    else:
        staging.enter(context, stage)


def _call_dark(context: Context) -> None:
    deployment = context.deployment
    if deployment.state == Deployment.State.RETIRED:
        deployment.retest()
    else:
        deployment.deploy_dark()
    deployment.changed_at = context.now
    deployment.save()
    context.journal.deployment(Action.DEPLOYMENT_DARKENED, deployment, context.request)
    displacing.displace(context)
    context.end(Rollout.Step.DONE, Action.ROLLOUT_FINISHED)
    context.publish(f"dark by request {context.request.pk}")
    context.settle(Request.State.DONE, Action.REQUEST_EXECUTED)


def _commit(context: Context) -> None:
    """Champion and bake exchange roles, the old one first; then the switch is published."""
    deployment, outgoing = context.deployment, context.outgoing
    was_dark = deployment.state == Deployment.State.DARK
    generation = context.target.generation + 1
    if outgoing is not None:
        outgoing.step_back()
        outgoing.changed_at = context.now
        outgoing.save()
        context.journal.deployment(Action.DEPLOYMENT_BAKED, outgoing, context.request)
    if deployment.role != Deployment.Role.CANDIDATE:
        deployment.promote()
    deployment.take_championship(context.now)
    deployment.switched_generation = generation
    deployment.changed_at = context.now
    deployment.save()
    context.journal.deployment(
        Action.DEPLOYMENT_PROMOTED,
        deployment,
        context.request,
        replaces=outgoing.version.digest if outgoing else None,
    )
    # Away from "load" before the state is built, so that no version is in two slots.
    context.rollout.step, context.rollout.switch = Rollout.Step.COMMIT, None
    context.rollout.save(update_fields=["step", "switch"])
    context.publish(f"switch by request {context.request.pk}")
    if was_dark:
        context.publish_dark("no longer dark")
    context.enter(Rollout.Step.COMMIT, seconds=context.rules.load_seconds, generation=generation)


def _switch_back(context: Context, why: str) -> None:
    """The former champion answers again; the new one is out until tested and approved again."""
    deployment, outgoing = context.deployment, context.outgoing
    staging.bar(deployment, context.request, journal=context.journal, now=context.now, why=why)
    removed = []
    if outgoing is not None:
        outgoing.take_championship(context.now)
        outgoing.switched_generation = context.target.generation + 1
        outgoing.changed_at = context.now
        outgoing.save()
        context.journal.deployment(Action.DEPLOYMENT_RESTORED, outgoing, context.request, why=why)
    else:
        removed.append(deployment.model.name)
    context.end(Rollout.Step.FAILED, Action.ROLLOUT_FAILED, why)
    context.publish(f"switched back: {why}", may_remove=removed)
    context.settle(Request.State.FAILED, Action.REQUEST_FAILED, why)


def _retire_outgoing(context: Context, detail: str) -> None:
    outgoing = context.outgoing
    if outgoing is None:
        _finish(context, detail)
        return
    outgoing.retire()
    outgoing.changed_at = context.now
    if outgoing.barred or _was_rolled_back(context, outgoing):
        outgoing.undecided_since = context.now
    outgoing.save()
    context.journal.deployment(Action.DEPLOYMENT_RETIRED, outgoing, context.request)
    release_the_oldest(context.request, journal=context.journal)
    generation = context.publish(f"retire after request {context.request.pk}")
    context.enter(Rollout.Step.RETIRE, seconds=context.rules.load_seconds, generation=generation)
    if detail:
        context.rollout.detail = detail
        context.rollout.save(update_fields=["detail"])


def _was_rolled_back(context: Context, outgoing: Deployment) -> bool:
    """Tell a step back from the return to a newer version that follows it."""
    is_rollback = context.request.kind == Request.Kind.ROLLBACK
    return is_rollback and outgoing.version.number > context.deployment.version.number


def release_the_oldest(request: Request, *, journal: Journal) -> None:
    """Keep the files of the last champions only, after ``request`` has retired one more."""
    release_beyond(request.deployment, request, journal=journal)


def release_beyond(retired: Deployment, request: Request | None, *, journal: Journal) -> None:
    """Keep the files of the last champions of its model only, where this one is."""
    held = Deployment.objects.filter(
        model=retired.model_id,
        environment=retired.environment_id,
        hold=Deployment.Hold.PREVIOUS,
    ).select_related("version", "model", "environment")
    for deployment in held.order_by("-champion_at")[HELD_CHAMPIONS:]:
        deployment.hold = Deployment.Hold.NONE
        deployment.save(update_fields=["hold"])
        journal.deployment(Action.DEPLOYMENT_RELEASED, deployment, request)


def _finish(context: Context, detail: str) -> None:
    context.end(Rollout.Step.DONE, Action.ROLLOUT_FINISHED, detail)
    context.settle(Request.State.DONE, Action.REQUEST_EXECUTED, detail)


def _fail(context: Context, tally: Tally) -> None:
    """Before it answered anybody nothing was decided yet: the version stays where it was."""
    why = _refusal_words(tally)
    staging.undo(context, why, action=Action.ROLLOUT_FAILED, is_barred=False)


def _give_up(context: Context, tally: Tally) -> None:
    """This attempt is over; the request goes back to approved, until it expires."""
    missing = staging.lacks(context) if tally.all_done() else ""
    why = missing or f"not loaded in time by {tally.open_names()}"
    context.end(Rollout.Step.FAILED, Action.ROLLOUT_FAILED, why)
    context.publish(f"out of time: request {context.request.pk}")
    request = context.request
    request.state, request.detail = Request.State.APPROVED, why
    request.save(update_fields=["state", "detail"])
    context.journal.request(Action.REQUEST_FAILED, request, detail=why, retry=True)


def _halt_when_due(context: Context, tally: Tally) -> None:
    """Say who is missing, once their time is over."""
    rollout = context.rollout
    due = rollout.step_at + timedelta(seconds=context.rules.load_seconds)
    if context.now >= due and rollout.halted_at is None:
        missing = staging.lacks(context) if tally.all_done() else ""
        watching.halt(
            context, f"halted: {missing or f'{tally.open_names()} did not confirm in time'}"
        )


def _refusal_words(tally: Tally) -> str:
    return "; ".join(
        f"{name} refused: {reason}" + (f" ({detail})" if detail else "")
        for name, reason, detail in tally.refused
    )
