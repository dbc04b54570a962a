"""Waivers: what a risk officer lets pass, by name, with a reason and an end."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from governance import access
from governance.actors import Actor
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.audit.services import records_refusals
from governance.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from governance.models import Environment, User
from governance.names import problem_with
from promotion.models import Target, Waiver
from promotion.policies import Policy as Rules
from promotion.services import publishing
from registry.models import ModelVersion


@records_refusals
@transaction.atomic
def waive(
    *,
    model: str,
    version: int,
    environment: str,
    gate: str,
    reason: str,
    hours: float,
    user: User,
    actor: Actor,
) -> Waiver:
    """Let a gate pass for one version in one environment, for so many hours.

    It counts for requests of other persons only: who waives does not ask as well.

    Raises:
        NotFound: ``unknown_model``, ``unknown_version`` or ``unknown_environment``.
        Forbidden: the actor judges no risk here, or is no person.
        Invalid: no reason, or more hours than the policy allows.
        Conflict: ``not_waivable``, the policy does not let this gate be waived.
        Refused: ``four_eyes``, an author of the version.
    """
    place, found = _resolve(model=model, version=version, environment=environment)
    access.require(actor, access.Permission.WAIVE, environment=place, group=found.model.group)
    if not actor.person or str(user.pk) != actor.id:
        message = "Only a person waives."
        raise Forbidden(message, code="a_person")
    Target.objects.locked(place.pk)
    rules = publishing.rules_of(place.pk, found.model.risk_tier)
    _check(rules[1] if rules else Rules(), gate=gate, reason=reason, hours=hours)
    _refuse_authors(found, actor=actor)

    now = timezone.now()
    waiver = Waiver.objects.create(
        version=found,
        environment=place,
        gate=gate,
        reason=reason,
        user=user,
        person=actor.person,
        name=user.display(),
        at=now,
        expires_at=now + timedelta(hours=hours),
    )

    _record(waiver, actor=actor)
    return waiver


def in_force(version: ModelVersion, environment: Environment, *, now: datetime) -> list[Waiver]:
    """Return the waivers that hold for a version in an environment. One query."""
    return list(Waiver.objects.filter(version=version, environment=environment, expires_at__gt=now))


def _check(rules: Rules, *, gate: str, reason: str, hours: float) -> None:
    allowed = rules.waivers
    if allowed is None or gate not in allowed.gates:
        message = f"The policy here does not let the gate {gate[:40]!r} be waived."
        raise Conflict(
            message, code="not_waivable", waivable=list(allowed.gates) if allowed else []
        )
    if problem := problem_with(reason):
        message = "Say why it may pass."
        raise Invalid(message, reason=problem)
    if not 0 < hours <= allowed.hours:
        message = "A waiver has an end."
        raise Invalid(message, hours=f"must be above 0, and {allowed.hours:g} at most")


def _refuse_authors(version: ModelVersion, *, actor: Actor) -> None:
    if actor.person in version.authors:
        message = "Who made it cannot waive a gate for it."
        raise Refused(
            message,
            rule="four_eyes",
            object=f"model:{version.model.name}",
            subject=f"version:{version.pk}",
        )


def _resolve(*, model: str, version: int, environment: str) -> tuple[Environment, ModelVersion]:
    place = Environment.objects.filter(slug=environment).first()
    if place is None:
        message = f"There is no environment {environment!r}."
        raise NotFound(message, code="unknown_environment")
    rows = ModelVersion.objects.select_related("model")
    found = rows.filter(model__name=model, number=version).first()
    if found is None:
        message = f"There is no version {version} of {model!r}."
        raise NotFound(message, code="unknown_version")
    return place, found


def _record(waiver: Waiver, *, actor: Actor) -> None:
    name = waiver.version.model.name
    audit.record(
        Action.WAIVER_GIVEN,
        actor=actor,
        object=f"model:{name}",
        subject=f"waiver:{waiver.pk}",
        model=name,
        version=waiver.version.number,
        environment=waiver.environment.slug,
        details={
            "gate": waiver.gate,
            "reason": waiver.reason,
            "name": waiver.name,
            "person": waiver.person,
            "expires_at": waiver.expires_at.isoformat(),
        },
    )
