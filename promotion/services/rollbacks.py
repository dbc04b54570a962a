"""One step back: a former champion answers again, at once, agent by agent."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from governance.actors import Actor
from governance.audit.actions import Action
from governance.audit.services import records_refusals
from governance.errors import Conflict
from promotion.models import Deployment, Request, Rollout, Target
from promotion.selectors import incidents
from promotion.services import at_once, rollouts
from promotion.services.journal import Journal


@records_refusals
@transaction.atomic
def rollback(
    *, environment: str, model: str, reason: str, actor: Actor, to: int | None = None
) -> Request:
    """Let a former champion answer again; the present one steps back and is retired.

    Needs no approval and waits for nobody. It pre-empts a running rollout of the
    same model. While that is in a stage, the champion is still the one before: it answers
    everybody again, and the candidate goes back where it was. With an incident of the model
    open, what leaves is barred. Asked again while it is under way, it is the same wish and
    returns the same request: by then the champion before is the version just left.

    Raises:
        NotFound: ``unknown_environment`` or ``unknown_model``.
        Forbidden: the actor does not operate here.
        Conflict: ``nothing_to_roll_back_to`` or ``not_a_former_champion``.
    """
    place, found = at_once.resolve(environment, model, reason=reason, actor=actor)
    targets, now, journal = Target.objects.locked(place.pk), timezone.now(), Journal(actor)
    if (same := at_once.under_way(place, found, kind=Request.Kind.ROLLBACK)) and _means(same, to):
        return same
    rows, by_incident = at_once.locked(place, found), incidents.is_open_of(found, place)
    former, leaving = _chosen(rows, to=to)
    request, rules = at_once.take_over(
        former,
        kind=Request.Kind.ROLLBACK,
        to_state=Deployment.State.PRODUCTION,
        replaces=leaving.version if leaving else None,
        reason=reason,
        journal=journal,
        now=now,
    )
    at_once.dismiss_candidate(
        rows, request=request, by_incident=by_incident, targets=targets, journal=journal, now=now
    )
    _retire_leftovers(rows, former, request=request, journal=journal, now=now)
    present = leaving if former.role != Deployment.Role.CHAMPION else None
    if former.role != Deployment.Role.CHAMPION:
        _step_back(present, request=request, barred=by_incident, journal=journal, now=now)
        _restore(former, request=request, targets=targets, journal=journal, now=now)
    rollouts.begin_switched(
        request,
        step=Rollout.Step.COMMIT,
        target=targets[Target.Tier.LIVE],
        outgoing=present,
        rules=rules,
        journal=journal,
        now=now,
    )
    journal.write()
    return request


def _means(running: Request, to: int | None) -> bool:
    return to in {None, running.deployment.version.number}


def _chosen(rows: list[Deployment], *, to: int | None) -> tuple[Deployment, Deployment | None]:
    """Return who is to answer, and who stops: in a stage that is the candidate."""
    present, candidate = at_once.champion_among(rows), at_once.candidate_among(rows)
    if candidate and present and to in {None, present.version.number}:
        return present, candidate
    return _former(rows, to=to), present


def _former(rows: list[Deployment], *, to: int | None) -> Deployment:
    eligible = [
        d
        for d in rows
        if d.was_champion()
        and (
            d.role in {Deployment.Role.BAKE, Deployment.Role.SPARE}
            or (d.state == Deployment.State.RETIRED and d.hold == Deployment.Hold.PREVIOUS)
        )
    ]
    if to is None:
        if not eligible:
            message = "No former champion is kept here to go back to."
            raise Conflict(message, code="nothing_to_roll_back_to")
        return eligible[0]
    for deployment in eligible:
        if deployment.version.number == to:
            return deployment
    message = f"Version {to} is not a former champion that is kept here."
    kept = [d.version.number for d in eligible]
    raise Conflict(message, code="not_a_former_champion", kept=kept)


def _step_back(
    present: Deployment | None, *, request: Request, barred: bool, journal: Journal, now: datetime
) -> None:
    """The present champion, if there is one, gives the role up before the former one takes it."""
    if present is None:
        return
    present.barred = barred
    present.step_back()
    present.changed_at = now
    present.save()
    journal.deployment(Action.DEPLOYMENT_BAKED, present, request)


def _restore(
    former: Deployment,
    *,
    request: Request,
    targets: dict[str, Target],
    journal: Journal,
    now: datetime,
) -> None:
    if former.state == Deployment.State.RETIRED:
        former.restore(now)
    else:
        former.take_championship(now)
    former.switched_generation = targets[Target.Tier.LIVE].generation + 1
    former.changed_at = now
    former.save()
    replaced = request.replaces.digest if request.replaces else None
    journal.deployment(Action.DEPLOYMENT_RESTORED, former, request, replaces=replaced)


def _retire_leftovers(
    rows: list[Deployment],
    former: Deployment,
    *,
    request: Request,
    journal: Journal,
    now: datetime,
) -> None:
    """Retire what the pre-empted rollout had kept loaded and nobody waits for any more."""
    for deployment in rows:
        if deployment.role == Deployment.Role.BAKE and deployment.pk != former.pk:
            deployment.retire()
            deployment.changed_at = now
            deployment.save()
            journal.deployment(Action.DEPLOYMENT_RETIRED, deployment, request)
