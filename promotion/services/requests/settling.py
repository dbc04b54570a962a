"""Ends requests that were not carried out."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from governance import access
from governance.actors import Actor
from governance.audit.actions import Action
from governance.audit.services import records_refusals
from governance.errors import Conflict, Invalid, NotFound, Refused
from governance.names import problem_with
from promotion.models import Approval, Request, Target
from promotion.selectors import requesters, standing
from promotion.services.journal import Journal
from promotion.verdicts import Allowed


@records_refusals
@transaction.atomic
def withdraw(*, request_id: UUID, reason: str, actor: Actor) -> Request:
    """Take back a request that has not begun.

    Its requester may, or who answers for the account or token that asked. Once it is approved
    it begins by itself, at 3 a.m. perhaps: then operators may, too.

    Raises:
        NotFound: no such request.
        Forbidden: the actor sees no such models there, not any more perhaps.
        Invalid: no reason.
        Conflict: it has begun or is settled.
        Refused: ``not_the_requester``.
    """
    if problem := problem_with(reason):
        message = "Say why you withdraw it."
        raise Invalid(message, reason=problem)
    request, _ = lock_open(request_id, actor=actor, also=(Request.State.APPROVED,))
    if not requesters.may_withdraw(request, actor):
        message = "Only who asked for it can withdraw it, and operators while it waits to begin."
        raise Refused(
            message, rule="not_the_requester", object=request.chain, subject=request.subject
        )
    journal, now = Journal(actor), timezone.now()
    settle(
        request, Request.State.WITHDRAWN, Action.REQUEST_WITHDRAWN, reason, journal=journal, now=now
    )
    journal.write()
    return request


@transaction.atomic
def expire(*, request_id: UUID, actor: Actor, now: datetime | None = None) -> bool:
    """Settle an open or waiting request whose time is over."""
    now = now or timezone.now()
    request = Request.objects.locked(request_id)
    if request.state not in {Request.State.OPEN, Request.State.APPROVED}:
        return False
    if request.expires_at > now:
        return False
    journal = Journal(actor)
    detail = "Nobody settled it in time."
    settle(request, Request.State.EXPIRED, Action.REQUEST_EXPIRED, detail, journal=journal, now=now)
    journal.write()
    return True


@transaction.atomic
def void_disabled(*, request_id: UUID, actor: Actor) -> bool:
    """Void an open request that somebody approved who is disabled by now.

    One that has all its approvals is judged again when it is carried out.
    """
    found = Request.objects.filter(pk=request_id).only("environment").first()
    if found is None:
        return False
    Target.objects.locked(found.environment_id)
    request = Request.objects.locked(request_id)
    gone = request.approvals.filter(decision=Approval.Decision.APPROVE, user__is_active=False)
    first = gone.first()
    if request.state != Request.State.OPEN or first is None:
        return False
    journal = Journal(actor)
    detail = f"{first.name}, who approved it, is disabled. Ask for it again."
    settle(
        request,
        Request.State.VOIDED,
        Action.REQUEST_VOIDED,
        detail,
        journal=journal,
        now=timezone.now(),
    )
    journal.write()
    return True


@transaction.atomic
def void_overtaken(*, request_id: UUID, actor: Actor, now: datetime | None = None) -> bool:
    """Void an open request that no longer stands: a signature would only be wasted on it.

    Another champion, another policy or the end of a waiver does this; and while it stays
    open, the same cannot be asked for again.
    """
    now = now or timezone.now()
    found = Request.objects.filter(pk=request_id).only("environment").first()
    if found is None:
        return False
    Target.objects.locked(found.environment_id)
    request = Request.objects.locked(request_id)
    verdict = standing.of(request, now=now)
    if request.state != Request.State.OPEN or isinstance(verdict, Allowed):
        return False
    journal = Journal(actor)
    request.state, request.settled_at, request.detail = Request.State.VOIDED, now, verdict.reason
    request.save(update_fields=["state", "settled_at", "detail"])
    journal.request(Action.REQUEST_VOIDED, request, rule=verdict.rule, detail=verdict.reason)
    journal.write()
    return True


def lock_open(
    request_id: UUID, *, actor: Actor, also: tuple[str, ...] = ()
) -> tuple[Request, dict[str, Target]]:
    """Lock an open request, the environment's targets first.

    Raises:
        NotFound: no such request.
        Forbidden: the actor does not even see it; nothing is said of its state.
        Conflict: ``not_open`` or ``expired``.
    """
    found = Request.objects.filter(pk=request_id).select_related("environment", "model").first()
    if found is None:
        message = "No such request."
        raise NotFound(message, request_id=str(request_id))
    access.require(
        actor, access.Permission.VIEW, environment=found.environment, group=found.model.group
    )
    targets = Target.objects.locked(found.environment_id)
    request = Request.objects.locked(request_id)
    if request.state not in {Request.State.OPEN, *also}:
        message = f"This request is {request.state} and no longer waits for that."
        raise Conflict(message, code="not_open", state=request.state)
    if request.expires_at <= timezone.now():
        message = "This request has expired."
        raise Conflict(message, code="expired")
    return request, targets


def settle(
    request: Request, state: str, action: Action, detail: str, *, journal: Journal, now: datetime
) -> None:
    """Write down how a request ended."""
    request.state, request.settled_at, request.detail = state, now, detail
    request.save(update_fields=["state", "settled_at", "detail"])
    journal.request(action, request, detail=detail)
