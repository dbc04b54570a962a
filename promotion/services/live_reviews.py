"""A version that answers is looked at again: by a reviewer who is no author of it."""

from datetime import date, timedelta

from django.db import transaction
from django.utils import timezone

from governance import access
from governance.actors import Actor
from governance.audit.actions import Action
from governance.audit.services import records_refusals
from governance.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from governance.models import Environment, User
from governance.names import problem_with
from promotion.models import Deployment, LiveReview, Target
from promotion.selectors import live_reviews as selector
from promotion.services.journal import Journal

LATEST = timedelta(days=3_660)


@records_refusals
@transaction.atomic
def review(
    *,
    environment: str,
    model: str,
    version: int,
    outcome: str,
    comment: str,
    user: User,
    actor: Actor,
    next_by: date | None = None,
) -> LiveReview:
    """Say whether a version that answers may go on. Days and happenings count from now on.

    Args:
        next_by: by when to look again, if the reviewer wants it earlier than the policy, or
            the policy names nothing.

    Raises:
        NotFound: ``unknown_environment`` or ``unknown_version``.
        Forbidden: the actor reviews nothing there, or is no person.
        Invalid: no such outcome, no comment, a day gone by.
        Conflict: ``does_not_answer``.
        Refused: ``four_eyes``, an author of the version.
    """
    place, row = _resolve(environment=environment, model=model, version=version)
    access.require(actor, access.Permission.APPROVE, environment=place, group=row.model.group)
    _require_person(user, actor=actor)
    now = timezone.now()
    _check(outcome=outcome, comment=comment, next_by=next_by, today=now.date())
    Target.objects.locked(place.pk, even_lost=True)
    found = selector.answering(Deployment.objects.filter(pk=row.pk))
    if not found:
        message = f"Version {version} of {model} answers nobody in {environment}."
        raise Conflict(message, code="does_not_answer")
    _refuse_authors(row, actor=actor)
    due = found[0].due
    made = LiveReview.objects.create(
        deployment=row,
        outcome=outcome,
        comment=comment,
        trigger=due.trigger if due and due.at <= now else "",
        next_by=next_by,
        person=actor.person,
        name=user.display(),
        at=now,
    )
    journal = Journal(actor)
    journal.live_review(Action.VERSION_REVIEWED, made)
    journal.write()
    return made


def _resolve(*, environment: str, model: str, version: int) -> tuple[Environment, Deployment]:
    place = Environment.objects.filter(slug=environment).first()
    if place is None:
        message = f"There is no environment {environment}."
        raise NotFound(message, code="unknown_environment")
    rows = Deployment.objects.select_related("version", "model", "environment")
    found = rows.filter(environment=place, model__name=model, version__number=version).first()
    if found is None:
        message = f"There is no version {version} of {model} in {environment}."
        raise NotFound(message, code="unknown_version")
    return place, found


def _require_person(user: User, *, actor: Actor) -> None:
    if not actor.person or str(user.pk) != actor.id:
        message = "Only a person reviews."
        raise Forbidden(message, code="a_person")


def _check(*, outcome: str, comment: str, next_by: date | None, today: date) -> None:
    outcomes = LiveReview.Outcome.values
    problems = {
        "outcome": "" if outcome in outcomes else f"must be one of {', '.join(outcomes)}",
        "comment": problem_with(comment),
        "next_by": ""
        if next_by is None or today < next_by <= today + LATEST
        else "must lie ahead, by ten years at most",
    }
    if found := {name: problem for name, problem in problems.items() if problem}:
        message = "Say whether it may go on, and what you have looked at."
        raise Invalid(message, **found)


def _refuse_authors(row: Deployment, *, actor: Actor) -> None:
    if actor.person in row.version.authors:
        message = "Who made it does not review it."
        raise Refused(
            message,
            rule="four_eyes",
            object=f"model:{row.model.name}",
            subject=f"version:{row.version_id}",
        )
