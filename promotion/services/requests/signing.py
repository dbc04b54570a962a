"""Signs requests, for or against."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from governance import access
from governance.actors import Actor
from governance.audit.actions import Action
from governance.audit.services import records_refusals
from governance.errors import Conflict, Forbidden, Invalid, Refused
from governance.models import User
from governance.names import problem_with
from promotion import rules
from promotion.models import Approval, Request
from promotion.selectors import approvers
from promotion.services import execution
from promotion.services.journal import Journal
from promotion.services.requests.settling import lock_open, settle


@records_refusals
@transaction.atomic
def approve(
    *,
    request_id: UUID,
    user: User,
    password: str,
    meaning: str,
    comment: str,
    content_hash: str,
    actor: Actor,
) -> Request:
    """Sign a request, and carry it out once it has enough signatures.

    ``content_hash`` is of what the approver was looking at. If the request now
    stands for anything else, the signature is for something else and fails.

    Raises:
        Forbidden: no role for it here, or ``wrong_password``.
        Conflict: the request is not open, not what was shown, or ``rollout_in_progress``.
        Refused: this person may not sign it (``rule`` says why).
    """
    request, targets = lock_open(request_id, actor=actor)
    role = _may_sign(request, user=user, password=password, actor=actor, comment=comment)
    _refuse_if_changed(request, content_hash)
    execution.refuse_if_in_progress(request)
    now = timezone.now()
    journal = Journal(actor)
    champion = execution.champion_of(request.deployment)
    approval = sign(
        request,
        user=user,
        role=role,
        decision=Approval.Decision.APPROVE,
        meaning=meaning,
        comment=comment,
        now=now,
    )
    journal.approval(Action.REQUEST_APPROVED, approval, request)
    if has_enough(request) and not execution.void_if_lapsed(
        request, champion=champion, journal=journal, now=now
    ):
        execution.approve_and_execute(request, targets=targets, journal=journal, now=now)
    journal.write()
    return request


@records_refusals
@transaction.atomic
def reject(
    *,
    request_id: UUID,
    user: User,
    password: str,
    meaning: str,
    comment: str,
    content_hash: str,
    actor: Actor,
) -> Request:
    """Sign against a request; one rejection ends it. The comment is required.

    Raises:
        Invalid: no comment.
        Forbidden, Conflict, Refused: as for ``approve``.
    """
    if problem := problem_with(comment):
        message = "Say why you reject it."
        raise Invalid(message, comment=problem)
    request, _ = lock_open(request_id, actor=actor)
    role = _may_sign(request, user=user, password=password, actor=actor, comment=comment)
    _refuse_if_changed(request, content_hash)
    now = timezone.now()
    journal = Journal(actor)
    approval = sign(
        request,
        user=user,
        role=role,
        decision=Approval.Decision.REJECT,
        meaning=meaning,
        comment=comment,
        now=now,
    )
    journal.approval(Action.REQUEST_REJECTED, approval, request)
    settle(
        request, Request.State.REJECTED, Action.REQUEST_REJECTED, comment, journal=journal, now=now
    )
    journal.write()
    return request


def _may_sign(request: Request, *, user: User, password: str, actor: Actor, comment: str) -> str:
    """Check role, four eyes and password, in that order; return the role signed with."""
    role = role_to_sign(request, actor=actor)
    refuse_unless_themselves(user, password=password, actor=actor, comment=comment)
    return role


def role_to_sign(request: Request, *, actor: Actor) -> str:
    """Check role and four eyes, in that order; return the role signed with."""
    held = access.roles_of(actor, environment=request.environment, group=request.model.group)
    signing = sorted(held & approvers.quorum_of(request).roles)
    if not signing:
        message = "You hold no role that signs for this model here."
        raise Forbidden(message)
    earlier = frozenset(request.approvals.values_list("person", flat=True))
    verdict = rules.may_approve(
        approver=actor.person, involved=frozenset(request.persons), earlier_approvers=earlier
    )
    if not verdict:
        raise Refused(
            verdict.reason, rule=verdict.rule, object=request.chain, subject=request.subject
        )
    return signing[-1]


def refuse_unless_themselves(user: User, *, password: str, actor: Actor, comment: str) -> None:
    """Hold that the account's own person signs, with words that can be kept."""
    if str(user.pk) != actor.id or not user.check_password(password):
        message = "The password is not right, so nothing was signed."
        raise Forbidden(message, code="wrong_password")
    if problem := problem_with(comment, blank=True):
        message = "The comment cannot be stored."
        raise Invalid(message, comment=problem)


def has_enough(request: Request) -> bool:
    """Whether what was signed is what the policy asks for."""
    approved = request.approvals.filter(decision=Approval.Decision.APPROVE)
    return approvers.quorum_of(request).is_met(list(approved.values_list("role", flat=True)))


def _refuse_if_changed(request: Request, content_hash: str) -> None:
    if request.content_hash != content_hash:
        message = "The request is no longer what you were shown."
        raise Conflict(message, code="content_changed", content_hash=request.content_hash)


def sign(
    request: Request,
    *,
    user: User,
    role: str,
    decision: str,
    meaning: str,
    comment: str,
    now: datetime,
) -> Approval:
    """Write one signature under a request that the caller has locked and checked."""
    if meaning not in Approval.Meaning.values:
        message = "A signature means review, approval or responsibility."
        raise Invalid(message, meaning="must be review, approval or responsibility")
    return Approval.objects.create(
        request=request,
        user=user,
        person=user.person,
        name=user.display(),
        role=role,
        decision=decision,
        meaning=meaning,
        comment=comment,
        content_hash=request.content_hash,
        method="password",
        at=now,
    )
