"""A former champion stays loaded beside the champion, to answer when that one fails."""

from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from governance.actors import Actor
from governance.audit.actions import Action
from governance.audit.services import records_refusals
from governance.errors import Conflict, NotFound
from promotion.models import Deployment, Rollout, Target
from promotion.selectors import spares
from promotion.services import at_once, publishing, rollouts
from promotion.services.journal import Journal
from promotion.verdicts import Denied


@records_refusals
@transaction.atomic
def name_spare(
    *, environment: str, model: str, version: int, reason: str, actor: Actor
) -> Deployment:
    """Let a former champion answer here whenever the champion fails. It needs no approval.

    There is one at a time: the spare before is retired and kept. Repeating it changes nothing.

    Raises:
        NotFound: ``unknown_environment``, ``unknown_model`` or ``unknown_version``.
        Forbidden: the actor does not operate here.
        Invalid: no reason.
        Conflict: ``rollout_in_progress``, or why it may not be one: ``not_retired``,
            ``not_a_former_champion``, ``barred``, ``waits_for_a_decision``, ``not_inspected``.
    """
    place, found = at_once.resolve(environment, model, reason=reason, actor=actor)
    targets, now, journal = Target.objects.locked(place.pk), timezone.now(), Journal(actor)
    rows = at_once.locked(place, found)
    chosen = next((row for row in rows if row.version.number == version), None)
    if chosen is None:
        message = f"There is no version {version} of {model} in {environment}."
        raise NotFound(message, code="unknown_version")
    if chosen.role == Deployment.Role.SPARE:
        return chosen
    _refuse_if_unfit(chosen)
    if former := _spare_among(rows):
        _retire(former, journal=journal, now=now, reason=reason, successor=version)
    chosen.keep_as_spare()
    chosen.changed_at = now
    chosen.save()
    journal.deployment(Action.DEPLOYMENT_NAMED_SPARE, chosen, None, reason=reason)
    rollouts.release_beyond(chosen, None, journal=journal)
    cause = f"{model} version {version} named spare"
    publishing.publish(targets[Target.Tier.LIVE], cause=cause, journal=journal, now=now)
    journal.write()
    return chosen


@records_refusals
@transaction.atomic
def drop_spare(*, environment: str, model: str, reason: str, actor: Actor) -> Deployment:
    """Retire the spare: when the champion fails, callers get its error again.

    It is kept for rollback as other former champions are. Where the model is stopped, nobody
    answers afterwards.

    Raises:
        NotFound: ``unknown_environment`` or ``unknown_model``.
        Forbidden: the actor does not operate here.
        Invalid: no reason.
        Conflict: ``no_spare``.
    """
    place, found = at_once.resolve(environment, model, reason=reason, actor=actor)
    targets, now, journal = Target.objects.locked(place.pk), timezone.now(), Journal(actor)
    spare = _spare_among(at_once.locked(place, found))
    if spare is None:
        message = f"No version is the spare of {model} in {environment}."
        raise Conflict(message, code="no_spare")
    _retire(spare, journal=journal, now=now, reason=reason)
    rollouts.release_beyond(spare, None, journal=journal)
    cause = f"{model} version {spare.version.number} no longer spare"
    publishing.publish(targets[Target.Tier.LIVE], cause=cause, journal=journal, now=now)
    journal.write()
    spare.refresh_from_db(fields=["hold"])
    return spare


def _spare_among(rows: list[Deployment]) -> Deployment | None:
    return next((row for row in rows if row.role == Deployment.Role.SPARE), None)


def _retire(
    spare: Deployment, *, journal: Journal, now: datetime, reason: str, **details: object
) -> None:
    spare.retire()
    spare.changed_at = now
    spare.save()
    journal.deployment(Action.DEPLOYMENT_DROPPED_SPARE, spare, None, reason=reason, **details)


def _refuse_if_unfit(deployment: Deployment) -> None:
    verdict = spares.fitness(deployment)
    if isinstance(verdict, Denied):
        raise Conflict(verdict.reason, code=verdict.rule, state=deployment.state)
    moving = Rollout.objects.filter(
        Q(request__deployment=deployment) | Q(outgoing=deployment), ended_at=None
    )
    if moving.exists():
        message = "A rollout of this version, or of the one after it, is not over yet."
        raise Conflict(message, code="rollout_in_progress")
