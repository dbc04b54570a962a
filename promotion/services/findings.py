"""Findings: recorded by who reviews versions, closed by another reviewer."""

from datetime import date, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from governance import access
from governance.actors import Actor
from governance.audit.actions import Action
from governance.audit.services import records_refusals
from governance.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from governance.models import User
from governance.names import problem_with
from promotion import rules
from promotion.models import Finding, Request, Target
from promotion.policy_parts import FINDING_SEVERITIES
from promotion.services.journal import Journal
from registry.models import ModelVersion

LONGEST_TITLE = 200
LONGEST_EVIDENCE = 500
LATEST = timedelta(days=3_660)


@transaction.atomic
def record_finding(
    *,
    model: str,
    version: int,
    severity: str,
    title: str,
    owner: str,
    due: date,
    user: User,
    actor: Actor,
    text: str = "",
    blocks: bool = False,
    condition_of: UUID | None = None,
) -> Finding:
    """Hold something against a version: who sees to it, by when, and what waits for it.

    Args:
        owner: the user name of who sees to it; somebody who sees the model.
        blocks: stop promotions whatever its severity, where the policy asks for findings.
        condition_of: a request of this version, which may be approved on this condition.

    Raises:
        NotFound: ``unknown_version``, or ``unknown_request``, none of this version.
        Forbidden: the actor reviews no versions of such models, or is no person.
        Invalid: no title, no such severity, an owner who does not see it, a day gone by.
    """
    found = _version(model, version)
    _require(found, actor=actor)
    _require_person(user, actor=actor)
    now = timezone.now()
    _check(severity=severity, title=title, text=text, due=due, today=now.date())
    responsible = _owner(owner, found)
    # Carrying out looks at findings under this lock: it is before this, or after.
    Target.objects.locked_everywhere()
    finding = Finding.objects.create(
        version=found,
        severity=severity,
        title=title,
        text=text,
        owner=responsible.person,
        owner_name=responsible.display(),
        due=due,
        blocks=blocks,
        condition_of=_request(condition_of, found),
        recorded_person=actor.person,
        recorded_by=user.display(),
        recorded_at=now,
    )
    _note_recorded(finding, actor=actor)
    return finding


@records_refusals
@transaction.atomic
def close_finding(
    *, finding_id: UUID, resolution: str, user: User, actor: Actor, evidence: str = ""
) -> Finding:
    """Find that it is resolved. It is never opened again: what comes back is a new one.

    Raises:
        NotFound: ``unknown_finding``.
        Forbidden: the actor reviews no versions of such models.
        Invalid: no resolution.
        Conflict: ``closed``, it is closed already.
        Refused: ``four_eyes``, who recorded or owns it, or an author of the version.
    """
    Target.objects.locked_everywhere()
    finding = Finding.objects.locked(finding_id)
    _require(finding.version, actor=actor)
    _require_person(user, actor=actor)
    problems = {
        "resolution": problem_with(resolution),
        "evidence": problem_with(evidence, limit=LONGEST_EVIDENCE, blank=True),
    }
    if wrong := {name: problem for name, problem in problems.items() if problem}:
        message = "Say how it was resolved."
        raise Invalid(message, **wrong)
    if not finding.is_open():
        message = "This finding is closed. What comes back is a new one."
        raise Conflict(message, code="closed", closed_at=finding.closed_at)
    _refuse_involved(finding, actor=actor)
    finding.closed_person, finding.closed_by = actor.person, user.display()
    finding.closed_at = timezone.now()
    finding.resolution, finding.evidence = resolution, evidence
    finding.save()
    journal = Journal(actor)
    journal.finding(Action.FINDING_CLOSED, finding, resolution=resolution, evidence=evidence)
    journal.write()
    return finding


def _note_recorded(finding: Finding, *, actor: Actor) -> None:
    journal = Journal(actor)
    journal.finding(
        Action.FINDING_RECORDED,
        finding,
        severity=finding.severity,
        title=finding.title,
        text=finding.text,
        owner=finding.owner,
        due=finding.due.isoformat(),
        blocks=finding.blocks,
        condition_of=str(finding.condition_of_id) if finding.condition_of_id else None,
    )
    journal.write()


def _require_person(user: User, *, actor: Actor) -> None:
    if not actor.person or str(user.pk) != actor.id:
        message = "Only a person records a finding, and only a person closes it."
        raise Forbidden(message, code="a_person")


def _refuse_involved(finding: Finding, *, actor: Actor) -> None:
    verdict = rules.may_close_finding(
        closer=actor.person,
        recorder=finding.recorded_person,
        owner=finding.owner,
        authors=frozenset(finding.version.authors),
    )
    if not verdict:
        raise Refused(
            verdict.reason,
            rule=verdict.rule,
            object=f"model:{finding.version.model.name}",
            subject=f"finding:{finding.pk}",
        )


def _require(version: ModelVersion, *, actor: Actor) -> None:
    """A version is of no environment: a reviewer's role for its group in any is enough."""
    group = version.model.group
    if not access.reach(actor, access.Permission.RECORD_FINDINGS).covers(group=group):
        access.require(actor, access.Permission.RECORD_FINDINGS, group=group)


def _version(model: str, number: int) -> ModelVersion:
    rows = ModelVersion.objects.select_related("model")
    found = rows.filter(model__name=model, number=number).first()
    if found is None:
        message = f"There is no version {number} of {model}."
        raise NotFound(message, code="unknown_version")
    return found


def _request(pk: UUID | None, version: ModelVersion) -> Request | None:
    if pk is None:
        return None
    found = Request.objects.filter(pk=pk, deployment__version=version).first()
    if found is None:
        message = "There is no such promotion of this version."
        raise NotFound(message, code="unknown_request")
    return found


def _owner(username: str, version: ModelVersion) -> User:
    """Find who sees to it; whoever does not see the model is as unknown as nobody."""
    group = version.model.group
    found = User.objects.filter(username=username.replace("\0", ""), is_active=True).first()
    if found is None or not access.reach(found.actor).covers(group=group):
        message = "A finding has an owner, who sees to it."
        raise Invalid(message, owner="must be the user name of somebody who sees this model")
    return found


def _check(*, severity: str, title: str, text: str, due: date, today: date) -> None:
    problems = {
        "severity": ""
        if severity in FINDING_SEVERITIES
        else f"must be one of {', '.join(FINDING_SEVERITIES)}",
        "title": problem_with(title, limit=LONGEST_TITLE),
        "text": problem_with(text, blank=True),
        "due": "" if today <= due <= today + LATEST else "must lie ahead, by ten years at most",
    }
    if found := {name: problem for name, problem in problems.items() if problem}:
        message = "Say what is wrong, how bad it is, and by when it has to be resolved."
        raise Invalid(message, **found)
