"""Incidents: opened and closed by those who operate an environment or judge its risk."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from governance import access
from governance.actors import Actor
from governance.audit.actions import Action
from governance.errors import Conflict, Invalid, NotFound
from governance.models import Environment
from governance.names import problem_with
from promotion.models import Incident, Target
from promotion.policy_parts import SEVERITIES
from promotion.services.journal import Journal
from registry.models import RegisteredModel

LONGEST_TITLE = 200


@transaction.atomic
def open_incident(
    *,
    environment: str,
    severity: str,
    title: str,
    actor: Actor,
    model: str = "",
    detail: str = "",
) -> Incident:
    """Say that something is wrong in an environment, with one model or with everything.

    Raises:
        NotFound: ``unknown_environment`` or ``unknown_model``.
        Forbidden: the actor neither operates here nor judges risk.
        Invalid: no title, or no such severity.
    """
    place = Environment.objects.filter(slug=environment).first()
    found = RegisteredModel.objects.filter(name=model).first() if model else None
    if place is None or (model and found is None):
        what = "environment" if place is None else "model"
        message = f"There is no such {what}."
        raise NotFound(message, code=f"unknown_{what}")
    _require(actor, place, found)
    _check(severity=severity, title=title, detail=detail)
    # As every decision here: what is carried out now, is so before this or after.
    Target.objects.locked(place.pk, even_lost=True)
    incident = Incident.objects.create(
        environment=place,
        model=found,
        severity=severity,
        title=title,
        detail=detail,
        opened_kind=actor.kind,
        opened_id=actor.id,
        opened_by=actor.label,
        opened_at=timezone.now(),
    )
    journal = Journal(actor)
    journal.incident(Action.INCIDENT_OPENED, incident, detail=detail)
    journal.write()
    return incident


@transaction.atomic
def close_incident(*, incident_id: UUID, resolution: str, actor: Actor) -> Incident:
    """Say that it is over, and how. It is never opened again: what comes back is a new one.

    Raises:
        NotFound: ``unknown_incident``.
        Forbidden: the actor neither operates there nor judges risk.
        Invalid: no resolution.
        Conflict: ``closed``, it is over already.
    """
    named = Incident.objects.select_related("environment", "model").filter(pk=incident_id).first()
    if named is None:
        message = "No such incident."
        raise NotFound(message, code="unknown_incident")
    _require(actor, named.environment, named.model)
    if problem := problem_with(resolution):
        message = "Say how it ended."
        raise Invalid(message, resolution=problem)
    Target.objects.locked(named.environment_id, even_lost=True)
    incident = Incident.objects.locked(incident_id)
    if not incident.is_open():
        message = "This incident is closed. What comes back is a new one."
        raise Conflict(message, code="closed", closed_at=incident.closed_at)
    incident.closed_kind, incident.closed_id = actor.kind, actor.id
    incident.closed_by, incident.closed_at = actor.label, timezone.now()
    incident.resolution = resolution
    incident.save()
    journal = Journal(actor)
    journal.incident(Action.INCIDENT_CLOSED, incident, resolution=resolution)
    journal.write()
    return incident


def _require(actor: Actor, place: Environment, model: RegisteredModel | None) -> None:
    access.require(
        actor,
        access.Permission.HANDLE_INCIDENTS,
        environment=place,
        group=model.group if model else None,
    )


def _check(*, severity: str, title: str, detail: str) -> None:
    problems = {
        "severity": "" if severity in SEVERITIES else f"must be one of {', '.join(SEVERITIES)}",
        "title": problem_with(title, limit=LONGEST_TITLE),
        "detail": problem_with(detail, blank=True),
    }
    if found := {name: problem for name, problem in problems.items() if problem}:
        message = "Say what is wrong, and how bad it is."
        raise Invalid(message, **found)
