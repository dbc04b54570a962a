"""Takes a champion away without a successor: nobody answers for the model here."""

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
def stop(*, environment: str, model: str, reason: str, actor: Actor) -> Request:
    """Take the champion away; callers get 503, or the spare's answers, until one is back.

    Needs no approval and waits for nobody. It pre-empts a running rollout of the same
    model. The champion is retired and kept, so that a rollback brings it back, unless an
    incident of the model is open. Asked again while agents still carry it out, it returns the
    same request.

    Raises:
        NotFound: ``unknown_environment`` or ``unknown_model``.
        Forbidden: the actor does not operate here.
        Invalid: no reason.
        Conflict: ``nothing_answers``.
    """
    place, found = at_once.resolve(environment, model, reason=reason, actor=actor)
    targets, now, journal = Target.objects.locked(place.pk), timezone.now(), Journal(actor)
    rows, by_incident = at_once.locked(place, found), incidents.is_open_of(found, place)
    champion = at_once.champion_among(rows)
    if champion is None:
        if running := at_once.under_way(place, found, kind=Request.Kind.STOP):
            return running
        message = "No version of this model answers here."
        raise Conflict(message, code="nothing_answers")
    request, rules = at_once.take_over(
        champion,
        kind=Request.Kind.STOP,
        to_state=Deployment.State.RETIRED,
        replaces=None,
        reason=reason,
        journal=journal,
        now=now,
    )
    at_once.dismiss_candidate(
        rows, request=request, by_incident=by_incident, targets=targets, journal=journal, now=now
    )
    champion.barred = by_incident
    _retire(rows, request=request, journal=journal, now=now)
    rollouts.release_the_oldest(request, journal=journal)
    rollouts.begin_switched(
        request,
        step=Rollout.Step.RETIRE,
        target=targets[Target.Tier.LIVE],
        outgoing=champion,
        rules=rules,
        journal=journal,
        now=now,
    )
    journal.write()
    return request


def _retire(rows: list[Deployment], *, request: Request, journal: Journal, now: datetime) -> None:
    """Retire all that answers or is loaded to answer, but the spare: this is what it is for."""
    for deployment in rows:
        is_spare = deployment.role == Deployment.Role.SPARE
        if deployment.state != Deployment.State.PRODUCTION or is_spare:
            continue
        deployment.retire()
        deployment.changed_at = now
        if deployment.barred:
            deployment.undecided_since = now
        deployment.save()
        journal.deployment(Action.DEPLOYMENT_RETIRED, deployment, request, why="stopped")
