"""The next policy, where the one in force asks for approvals: asked for, signed, published.

Each function is one transaction; the environment's targets are locked first, always.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from governance import access
from governance.actors import Actor
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.audit.services import records_refusals
from governance.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from governance.models import Environment, RoleBinding, User
from governance.names import problem_with
from promotion import content, rules
from promotion.models import Approval, Policy, PolicyApproval, PolicyRequest, Target
from promotion.policies import Policy as Rules
from promotion.selectors import requesters
from promotion.services import policies, publishing

APPROVE, REJECT = Approval.Decision.APPROVE, Approval.Decision.REJECT
SIGNING_ROLES = frozenset({RoleBinding.Role.APPROVER, RoleBinding.Role.RISK})


def approvals_needed(environment: Environment, tier: str) -> int:
    """Return how many persons must approve the next policy: the stricter of both in force.

    The first policy of an environment needs none: there is nobody to say so yet.
    """
    found = [publishing.rules_of(environment.pk, one) for one in ("", tier)]
    return max((one[1].policy_approvals for one in found if one), default=0)


@transaction.atomic
def publish_or_ask(
    *,
    environment: str,
    tier: str,
    document: object,
    reason: str,
    actor: Actor,
    follows: int | None = None,
) -> Policy | PolicyRequest | None:
    """Let a document be the next policy: at once, or once enough persons have approved it.

    Returns the policy, the request that waits, or None when it says what is in force.
    ``follows`` is the number of the policy it was compared with; without it, any will do.

    Raises:
        NotFound: ``unknown_environment``.
        Invalid: the document is no policy, the tier is none, or the reason cannot be stored.
        Forbidden: the actor does not administer the environment.
        Conflict: ``policy_request_open``, another document waits; or ``policy_changed``,
            another is in force than ``follows``.
    """
    proposed, place = policies.check(environment, tier=tier, document=document, actor=actor)
    if problem := problem_with(reason, blank=True):
        message = "The reason cannot be stored."
        raise Invalid(message, reason=problem)
    Target.objects.locked(place.pk)
    newest = publishing.rules_of(place.pk, tier)
    number = newest[0].number if newest else 0
    if follows is not None and follows != number:
        message = "Another policy is in force by now than the one you saw."
        raise Conflict(message, code="policy_changed", in_force=number)
    return put_or_ask(place, tier=tier, proposed=proposed, reason=reason, actor=actor)


def put_or_ask(
    environment: Environment, *, tier: str, proposed: Rules, reason: str, actor: Actor
) -> Policy | PolicyRequest | None:
    """Do as ``publish_or_ask``, with the environment's targets locked."""
    newest = policies.newest_of(environment, tier)
    if newest and Rules.model_validate(newest.document) == proposed:
        return None
    needed = approvals_needed(environment, tier)
    if not needed:
        return policies.put(environment, tier=tier, rules=proposed, reason=reason, actor=actor)
    return _ask(
        environment, tier=tier, proposed=proposed, reason=reason, actor=actor, needed=needed
    )


def _ask(
    environment: Environment, *, tier: str, proposed: Rules, reason: str, actor: Actor, needed: int
) -> PolicyRequest:
    """Open a request; the same document asked for again is the request that waits already."""
    document = proposed.model_dump(mode="json")
    sha256 = content.hash_of(document)
    waiting = PolicyRequest.objects.filter(
        environment=environment, tier=tier, state=PolicyRequest.State.OPEN
    ).first()
    if waiting is not None:
        if waiting.sha256 == sha256:
            return waiting
        message = "Another policy waits for approval here; withdraw it first."
        raise Conflict(message, code="policy_request_open", request=str(waiting.pk))
    found = publishing.rules_of(environment.pk, tier)
    if found is None:
        message = "This environment has no policy yet."
        raise Conflict(message, code="no_policy")
    follows, in_force = found
    now = timezone.now()
    request = PolicyRequest.objects.create(
        environment=environment,
        tier=tier,
        document=document,
        sha256=sha256,
        follows=follows,
        approvals_needed=needed,
        reason=reason,
        requester_kind=actor.kind,
        requester_id=actor.id,
        requester_label=actor.label[:150],
        persons=sorted(actor.persons()),
        content_hash=content.hash_of(
            {
                "schema": "lockgate.policy-request/1",
                "environment": environment.slug,
                "risk_tier": tier,
                "policy_sha256": sha256,
                "follows": follows.number,
            }
        ),
        created_at=now,
        expires_at=now + timedelta(hours=in_force.expiry_hours),
    )
    _record(Action.POLICY_REQUESTED, request, actor=actor, reason=reason, document=document)
    return request


@records_refusals
@transaction.atomic
def approve(
    *, request_id: UUID, user: User, password: str, comment: str, content_hash: str, actor: Actor
) -> PolicyRequest:
    """Sign for a policy, and publish it once enough persons have.

    Raises:
        Forbidden: no role that signs here, or ``wrong_password``.
        Conflict: it is not open, or not what was shown.
        Refused: this person may not sign it (``rule`` says why).
    """
    request = _locked(request_id, actor=actor)
    role = _may_sign(request, user=user, password=password, comment=comment, actor=actor)
    _refuse_if_changed(request, content_hash)
    now = timezone.now()
    _sign(request, user=user, role=role, decision=APPROVE, comment=comment, actor=actor)
    if detail := _why_overtaken(request):
        _settle(request, PolicyRequest.State.VOIDED, detail, actor=actor, now=now)
    elif len(_valid_approvers(request)) >= request.approvals_needed:
        _settle(request, PolicyRequest.State.PUBLISHED, "", actor=actor, now=now)
        policies.put(
            request.environment,
            tier=request.tier,
            rules=Rules.model_validate(request.document),
            actor=actor,
        )
    return request


def _why_overtaken(request: PolicyRequest) -> str:
    """Say what of the rules it was asked under is another by now, or ``""``."""
    newest = publishing.rules_of(request.environment_id, request.tier)
    if newest is None or newest[0].pk != request.follows_id:
        return "Another policy is in force than when this was asked."
    if approvals_needed(request.environment, request.tier) > request.approvals_needed:
        return "The environment's policy asks for more approvals than when this was asked."
    return ""


@records_refusals
@transaction.atomic
def reject(
    *, request_id: UUID, user: User, password: str, comment: str, content_hash: str, actor: Actor
) -> PolicyRequest:
    """Sign against a policy; one rejection ends the request. The comment is required.

    Raises:
        Invalid: no comment.
        Forbidden, Conflict, Refused: as for ``approve``.
    """
    if problem := problem_with(comment):
        message = "Say why you reject it."
        raise Invalid(message, comment=problem)
    request = _locked(request_id, actor=actor)
    role = _may_sign(request, user=user, password=password, comment=comment, actor=actor)
    _refuse_if_changed(request, content_hash)
    now = timezone.now()
    _sign(request, user=user, role=role, decision=REJECT, comment=comment, actor=actor)
    _settle(request, PolicyRequest.State.REJECTED, comment, actor=actor, now=now)
    return request


@records_refusals
@transaction.atomic
def withdraw(*, request_id: UUID, reason: str, actor: Actor) -> PolicyRequest:
    """Take back a policy request that waits. Only who asked for it may, by whatever account.

    Raises:
        Invalid: no reason.
        Conflict: it is settled.
        Refused: ``not_the_requester``.
    """
    if problem := problem_with(reason):
        message = "Say why you withdraw it."
        raise Invalid(message, reason=problem)
    request = _locked(request_id, actor=actor)
    if not requesters.is_theirs(request, actor):
        message = "Only who asked for it can withdraw it."
        raise Refused(
            message,
            rule="not_the_requester",
            object=f"environment:{request.environment.slug}",
            subject=request.subject,
        )
    _settle(request, PolicyRequest.State.WITHDRAWN, reason, actor=actor, now=timezone.now())
    return request


@transaction.atomic
def expire(*, request_id: UUID, actor: Actor) -> bool:
    """Settle a policy request whose time is over."""
    now = timezone.now()
    try:
        request = _locked(request_id, actor=actor, also_expired=True)
    except Conflict:
        return False
    if request.expires_at > now:
        return False
    detail = "Nobody settled it in time."
    _settle(request, PolicyRequest.State.EXPIRED, detail, actor=actor, now=now)
    return True


def _locked(request_id: UUID, *, actor: Actor, also_expired: bool = False) -> PolicyRequest:
    found = PolicyRequest.objects.filter(pk=request_id).select_related("environment").first()
    if found is None:
        message = "There is no such policy request."
        raise NotFound(message, code="unknown_policy_request")
    # Before anything is said about the state it is in.
    access.require(actor, access.Permission.VIEW, environment=found.environment)
    Target.objects.locked(found.environment_id)
    rows = PolicyRequest.objects.select_for_update(of=("self",), no_key=True)
    request = rows.select_related("environment", "follows").get(pk=request_id)
    if request.state != PolicyRequest.State.OPEN:
        message = f"This request is {request.state} and no longer waits for that."
        raise Conflict(message, code="not_open", state=request.state)
    if request.expires_at <= timezone.now() and not also_expired:
        message = "This request has expired."
        raise Conflict(message, code="expired")
    return request


def _may_sign(
    request: PolicyRequest, *, user: User, password: str, comment: str, actor: Actor
) -> str:
    """Check role, four eyes and password, in that order; return the role signed with.

    A policy is for all groups of models, so only a role for all of them signs.
    """
    held = access.roles_of(actor, environment=request.environment)
    signing = sorted(held & SIGNING_ROLES)
    if not signing:
        message = "You hold no role that signs for all models here."
        raise Forbidden(message)
    verdict = rules.may_approve(
        approver=actor.person,
        involved=frozenset(request.persons),
        earlier_approvers=frozenset(request.approvals.values_list("person", flat=True)),
    )
    if not verdict:
        raise Refused(
            verdict.reason,
            rule=verdict.rule,
            object=f"environment:{request.environment.slug}",
            subject=request.subject,
        )
    if str(user.pk) != actor.id or not user.check_password(password):
        message = "The password is not right, so nothing was signed."
        raise Forbidden(message, code="wrong_password")
    if problem := problem_with(comment, blank=True):
        message = "The comment cannot be stored."
        raise Invalid(message, comment=problem)
    return signing[-1]


def _refuse_if_changed(request: PolicyRequest, content_hash: str) -> None:
    if request.content_hash != content_hash:
        message = "The request is no longer what you were shown."
        raise Conflict(message, code="content_changed", content_hash=request.content_hash)


def _sign(
    request: PolicyRequest, *, user: User, role: str, decision: str, comment: str, actor: Actor
) -> None:
    approval = PolicyApproval.objects.create(
        request=request,
        user=user,
        person=user.person,
        name=user.display(),
        role=role,
        decision=decision,
        comment=comment,
        content_hash=request.content_hash,
    )
    action = Action.POLICY_APPROVED if decision == APPROVE else Action.POLICY_REJECTED
    details = {"name": approval.name, "person": approval.person, "role": role, "comment": comment}
    subject = f"policy_approval:{approval.pk}"
    _record(action, request, actor=actor, subject=subject, **details)


def _valid_approvers(request: PolicyRequest) -> frozenset[str]:
    """Persons who approved it and could still approve now."""
    given = request.approvals.filter(decision=APPROVE)
    covering = RoleBinding.objects.filter(
        Q(environment=None) | Q(environment=request.environment_id),
        group="",
        role__in=SIGNING_ROLES,
        revoked_at=None,
        user__is_active=True,
        user__in=given.values("user"),
    )
    return frozenset(covering.values_list("user__person", flat=True)) - frozenset(request.persons)


def _settle(
    request: PolicyRequest, state: str, detail: str, *, actor: Actor, now: datetime
) -> None:
    request.state, request.detail, request.settled_at = state, detail, now
    request.save(update_fields=["state", "detail", "settled_at"])
    _record(Action.POLICY_REQUEST_SETTLED, request, actor=actor, detail=detail)


def _record(
    action: Action, request: PolicyRequest, *, actor: Actor, subject: str = "", **details: object
) -> None:
    slug = request.environment.slug
    audit.record(
        action,
        actor=actor,
        object=f"environment:{slug}",
        subject=subject or request.subject,
        environment=slug,
        details={
            "state": request.state,
            "tier": request.tier,
            "sha256": request.sha256,
            "follows": request.follows.number,
            "content_hash": request.content_hash,
            **details,
        },
    )
