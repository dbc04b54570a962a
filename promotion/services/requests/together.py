"""Signs several requests of one kind at once, so that a nightly retrain does not drown people.

One password, and as many signatures as requests: each is for the content of its own
request, each has its own row and its own entry. All of them are given, or none is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from governance import access
from governance.access import Reach
from governance.actors import Actor
from governance.audit.actions import Action
from governance.audit.services import records_refusals
from governance.errors import Conflict, Invalid, NotFound
from governance.models import User
from promotion.models import Approval, Request, Target
from promotion.models.requests import REPLACING
from promotion.services import execution
from promotion.services.journal import Journal
from promotion.services.requests import signing

MOST_TOGETHER = 50
"""Requests in one signing: more than that nobody has read."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A request, and the hash of what the approver was shown of it."""

    request_id: UUID
    content_hash: str


@records_refusals
@transaction.atomic
def approve_together(
    *,
    signatures: Sequence[Signature],
    user: User,
    password: str,
    meaning: str,
    comment: str,
    actor: Actor,
) -> list[Request]:
    """Sign several requests of one kind in one environment, in the order given.

    Those that then have enough signatures are carried out, as if signed one by one.

    Raises:
        Invalid: none or too many, one twice, several kinds or places, or two versions of
            one model that would both answer callers.
        NotFound: ``unknown_request``, naming all that do not exist.
        Conflict: ``content_changed``: ``changed`` names each that is no longer what was
            shown, and why.
        Forbidden, Refused: as for ``approve``, if it holds for any of them.
    """
    shown = {one.request_id: one.content_hash for one in signatures}
    environment_id = _place_of(signatures, seen=access.reach(actor))
    targets = Target.objects.locked(environment_id)
    by_id = {request.pk: request for request in Request.objects.locked_together(shown)}
    requests = [by_id[pk] for pk in shown]
    now = timezone.now()
    _refuse_if_changed(requests, shown=shown, now=now)
    roles = [signing.role_to_sign(request, actor=actor) for request in requests]
    signing.refuse_unless_themselves(user, password=password, actor=actor, comment=comment)
    journal = Journal(actor)
    for request, role in zip(requests, roles, strict=True):
        champion = execution.champion_of(request.deployment)
        approval = signing.sign(
            request,
            user=user,
            role=role,
            decision=Approval.Decision.APPROVE,
            meaning=meaning,
            comment=comment,
            now=now,
        )
        journal.approval(Action.REQUEST_APPROVED, approval, request, together=len(requests))
        if signing.has_enough(request) and not execution.void_if_lapsed(
            request, champion=champion, journal=journal, now=now
        ):
            execution.approve_and_execute(request, targets=targets, journal=journal, now=now)
    journal.write()
    return requests


def _place_of(signatures: Sequence[Signature], *, seen: Reach) -> UUID:
    """Return the one environment they are for, or say why they cannot be signed together.

    What the approver does not see does not exist: nothing is said of the state it is in.
    """
    wanted = [one.request_id for one in signatures]
    if not 1 <= len(wanted) <= MOST_TOGETHER:
        raise _refusal(f"must be 1 to {MOST_TOGETHER}")
    if len(set(wanted)) != len(wanted):
        raise _refusal("names one request twice")
    found = {row.pk: row for row in Request.objects.filter(seen.rows(), pk__in=wanted)}
    if unknown := [str(pk) for pk in wanted if pk not in found]:
        message = f"{len(unknown)} of these requests do not exist."
        raise NotFound(message, code="unknown_request", unknown=unknown)
    if len({(row.environment_id, row.kind) for row in found.values()}) > 1:
        raise _refusal("must be of one kind, in one environment")
    first = found[wanted[0]]
    if first.kind in REPLACING and len({row.model_id for row in found.values()}) < len(found):
        raise _refusal("holds two versions of one model, of which only one can come to answer")
    return first.environment_id


def _refuse_if_changed(
    requests: Sequence[Request], *, shown: dict[UUID, str], now: datetime
) -> None:
    changed = [
        {
            "request": str(request.pk),
            "why": why,
            "state": request.state,
            "content_hash": request.content_hash,
        }
        for request in requests
        if (why := _why_not(request, content_hash=shown[request.pk], now=now))
    ]
    if changed:
        message = (
            f"{len(changed)} of {len(requests)} can no longer be signed as you were shown"
            " them, so nothing was signed."
        )
        raise Conflict(message, code="content_changed", changed=changed)


def _why_not(request: Request, *, content_hash: str, now: datetime) -> str:
    """Say, as a stable code, why it cannot be signed as it was shown, or ``""``."""
    if request.state != Request.State.OPEN:
        return "not_open"
    if request.expires_at <= now:
        return "expired"
    if request.content_hash != content_hash:
        return "content_changed"
    try:
        execution.refuse_if_in_progress(request)
    except Conflict as conflict:
        return conflict.code
    return ""


def _refusal(problem: str) -> Invalid:
    message = "These requests cannot be signed together."
    return Invalid(message, signatures=problem)
