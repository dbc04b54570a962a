"""An operator says which history is right: the agents' or the tables'."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from governance import access
from governance.actors import Actor
from governance.audit.actions import Action
from governance.errors import Conflict, Invalid, NotFound
from governance.models import Environment
from governance.names import problem_with
from promotion import history
from promotion.history import Witness
from promotion.models import Deployment, Request, Rollout, Target
from promotion.selectors import histories as selector
from promotion.services import publishing, rollouts
from promotion.services.histories import adopting
from promotion.services.journal import Journal

ACTIONS = {
    "adopt": Action.TARGET_HISTORY_ADOPTED,
    "override": Action.TARGET_HISTORY_OVERRIDDEN,
}
ENDED = "History was lost here, and an operator decided how to go on: ask again."


@dataclass(frozen=True, slots=True)
class Decided:
    """The target, at its new generation, and what adopting changed, in words."""

    target: Target
    changes: list[str]


@transaction.atomic
def decide(*, environment: str, tier: str, decision: str, reason: str, actor: Actor) -> Decided:
    """End a lost history, and publish far enough ahead that every agent follows.

    ``adopt`` makes the tables say what the agents serve; ``override`` lets the tables
    win, and agents switch to what they say. Rollouts on the target end either way.

    Raises:
        NotFound: ``unknown_environment`` or ``unknown_target``.
        Forbidden: the actor does not operate there.
        Invalid: no reason, or no such decision.
        Conflict: ``history_not_lost``; ``no_agent_to_adopt``, ``agents_not_settled``,
            ``agents_disagree``, or ``not_registered_here``: it cannot be adopted as it is.
    """
    place = Environment.objects.filter(slug=environment).first()
    if place is None:
        message = "There is no such environment."
        raise NotFound(message, code="unknown_environment")
    access.require(actor, access.Permission.OPERATE, environment=place)
    _check(decision, reason)
    targets = Target.objects.locked(place.pk, even_lost=True)
    target, journal, now = _lost(targets, tier), Journal(actor), timezone.now()
    witnesses = selector.witnesses(target, now=now)
    generation = max(target.highest_seen, target.generation) + history.JUMP
    _end_rollouts(Rollout.objects.filter(target=target), journal=journal, now=now)
    changed: list[Deployment] = []
    if decision == "adopt":
        changed += adopting.adopt(
            target, witnesses, generation=generation, journal=journal, now=now
        )
        # On the other tier too: what it was to do with such a version no longer leads anywhere.
        moved = Rollout.objects.filter(request__deployment__in=[row.pk for row in changed])
        _end_rollouts(moved, journal=journal, now=now)
    changed += _settle_roles(target, journal=journal, now=now)
    _void_requests(changed, journal=journal, now=now)
    target.generation, target.history_lost_at = generation - 1, None
    target.save(update_fields=["generation", "history_lost_at"])
    changes = [f"{row.version}: {row.role or row.state}" for row in changed]
    journal.target(ACTIONS[decision], target, reason=reason, changes=changes)
    publishing.publish(
        target,
        cause=f"history: {decision}",
        journal=journal,
        now=now,
        may_remove=_may_remove(target, witnesses),
    )
    _publish_others(targets, target, is_changed=bool(changed), journal=journal, now=now)
    journal.write()
    return Decided(target, changes)


def _check(decision: str, reason: str) -> None:
    problems = {
        "decision": "" if decision in ACTIONS else "must be adopt or override",
        "reason": problem_with(reason),
    }
    if found := {name: problem for name, problem in problems.items() if problem}:
        message = "Choose adopt or override, and say why."
        raise Invalid(message, **found)


def _lost(targets: dict[str, Target], tier: str) -> Target:
    target = targets.get(tier)
    if target is None:
        message = "There is no such target."
        raise NotFound(message, code="unknown_target")
    if target.history_lost_at is None:
        message = "No history is lost here."
        raise Conflict(message, code="history_not_lost")
    return target


def _end_rollouts(found: QuerySet[Rollout], *, journal: Journal, now: datetime) -> None:
    """Whatever these were doing, agents have gone past it."""
    rows = found.filter(ended_at=None).select_for_update(of=("self",), no_key=True)
    for rollout in rows.order_by("started_at"):
        rollout.step, rollout.ended_at, rollout.detail = Rollout.Step.FAILED, now, ENDED
        rollout.save()
        request = Request.objects.locked(rollout.request_id)
        rollout.request = request
        request.state, request.settled_at, request.detail = Request.State.FAILED, now, ENDED
        request.save(update_fields=["state", "settled_at", "detail"])
        journal.rollout(Action.ROLLOUT_FAILED, rollout)
        journal.request(Action.REQUEST_FAILED, request, detail=ENDED)


def _settle_roles(target: Target, *, journal: Journal, now: datetime) -> list[Deployment]:
    """Nobody waits any more for what was on its way in or out."""
    if target.tier != Target.Tier.LIVE:
        return []
    roles = [Deployment.Role.BAKE, Deployment.Role.CANDIDATE]
    changed = list(adopting.locked(target).filter(role__in=roles))
    for row in changed:
        asked = row.requests.filter(kind=Request.Kind.PROMOTE).order_by("-created_at").first()
        if row.role == Deployment.Role.CANDIDATE and asked:
            rollouts.step_down(
                row, asked, from_state=asked.from_state, journal=journal, now=now, why=ENDED
            )
        else:
            adopting.retire(row, journal=journal, now=now)
    return changed


def _void_requests(changed: Iterable[Deployment], *, journal: Journal, now: datetime) -> None:
    """What was asked for a version was asked for it as it was."""
    rows = Request.objects.filter(
        deployment__in=[row.pk for row in changed],
        state__in=[Request.State.OPEN, Request.State.APPROVED],
    )
    for pk in list(rows.order_by("created_at").values_list("pk", flat=True)):
        request = Request.objects.locked(pk)
        request.state, request.settled_at, request.detail = Request.State.VOIDED, now, ENDED
        request.save(update_fields=["state", "settled_at", "detail"])
        journal.request(Action.REQUEST_VOIDED, request, detail=ENDED)


def _may_remove(target: Target, witnesses: Iterable[Witness]) -> set[str]:
    """Models that answer now on some agent, and by decision answer no more."""
    if target.tier != Target.Tier.LIVE:
        return set()
    running = {model for one in witnesses for model in one.champions}
    champions = Deployment.objects.filter(
        environment=target.environment_id, role=Deployment.Role.CHAMPION
    )
    return running - set(champions.values_list("model__name", flat=True))


def _publish_others(
    targets: dict[str, Target],
    target: Target,
    *,
    is_changed: bool,
    journal: Journal,
    now: datetime,
) -> None:
    """Tell the other tier too, when what it should do may have changed."""
    for other in targets.values():
        if is_changed and other.pk != target.pk and other.history_lost_at is None:
            publishing.publish(other, cause="history: adopt", journal=journal, now=now)
