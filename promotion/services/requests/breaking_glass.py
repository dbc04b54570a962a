"""One person promotes alone, in an emergency; a second one reviews it afterwards."""

from collections.abc import Sequence
from datetime import datetime, timedelta
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
from promotion import gates, rules
from promotion.models import Request, Review, Target
from promotion.services import execution
from promotion.services.journal import Journal
from promotion.services.requests import opening


@records_refusals
@transaction.atomic
def break_glass(
    *,
    model: str,
    version: int,
    environment: str,
    reason: str,
    ticket: str,
    user: User,
    password: str,
    actor: Actor,
) -> Request:
    """Promote a version alone and at once, in a role that the policy names.

    Approvals, windows and the gates about evidence are skipped, and what they said is kept.
    Inspection, the digest, the signature of the state and the agents' golden transactions
    are not. A second person owes a review from now on.

    Raises:
        NotFound, Conflict: as for ``open_request``.
        Invalid: no reason, or no ticket.
        Forbidden: ``break_glass_not_allowed``, no role here that the policy names; or
            ``wrong_password``.
        Refused: ``gates_not_passed``, a gate that nobody skips.
    """
    access.require(actor, access.Permission.VIEW)
    asked = opening.resolve(model=model, version=version, environment=environment)
    group = asked.version.model.group
    access.require(actor, access.Permission.VIEW, environment=asked.environment, group=group)
    _refuse_texts(reason=reason, ticket=ticket)
    targets = Target.objects.locked(asked.environment.pk)
    now = timezone.now()
    case = opening.weigh(asked, kind=Request.Kind.BREAK_GLASS, to="production", now=now)
    held = access.roles_of(actor, environment=asked.environment, group=group)
    _refuse_unless_named(held, named=case.rules.break_glass_roles)
    _refuse_unless_themselves(user, password=password, actor=actor)
    opening.refuse(case, [result for result in case.results if gates.holds_also_alone(result)])
    journal = Journal(actor)
    request = _write(case, reason=reason, ticket=ticket, journal=journal, now=now)
    execution.approve_and_execute(request, targets=targets, journal=journal, now=now)
    journal.write()
    return request


def _write(
    case: opening.Case, *, reason: str, ticket: str, journal: Journal, now: datetime
) -> Request:
    """Write the request, what it skips, and by when it has to be reviewed."""
    if case.is_new:
        journal.deployment(Action.DEPLOYMENT_OPENED, case.deployment, None)
    request = opening.write(case, reason=reason, ticket=ticket, actor=journal.actor, now=now)
    request.review_due_at = now + timedelta(hours=case.rules.break_glass_review_hours)
    request.save(update_fields=["review_due_at"])
    journal.request(
        Action.REQUEST_OPENED,
        request,
        reason=reason,
        ticket=ticket,
        content=case.shown,
        skipped=[result.gate for result in case.results if not result.passes()],
        review_due_at=request.review_due_at.isoformat(),
    )
    return request


@records_refusals
@transaction.atomic
def review(
    *,
    request_id: UUID,
    user: User,
    password: str,
    verdict: str,
    comment: str,
    actor: Actor,
) -> Review:
    """Say, as a second person who may approve here, whether the glass was broken rightly.

    Raises:
        NotFound: no such request.
        Forbidden: no role that signs here, or ``wrong_password``.
        Refused: ``four_eyes``, who broke the glass or made the version.
        Conflict: ``nothing_to_review`` or ``reviewed``.
        Invalid: no comment, or an unknown verdict.
    """
    request = Request.objects.locked(request_id)
    role = _reviewing_role(request, actor=actor)
    _refuse_unless_themselves(user, password=password, actor=actor)
    if verdict not in Review.Verdict.values:
        message = "A review says justified or unjustified."
        raise Invalid(message, verdict="must be justified or unjustified")
    if problem := problem_with(comment):
        message = "Say what you looked at."
        raise Invalid(message, comment=problem)
    made = Review.objects.create(
        request=request,
        user=user,
        person=user.person,
        name=user.display(),
        role=role,
        verdict=verdict,
        comment=comment,
        at=timezone.now(),
    )
    journal = Journal(actor)
    journal.review(Action.REQUEST_REVIEWED, made, request)
    journal.write()
    return made


def _reviewing_role(request: Request, *, actor: Actor) -> str:
    """Check role, state and four eyes, in that order; return the role to review in."""
    place, group = request.deployment.environment, request.deployment.model.group
    signing = sorted(access.roles_of(actor, environment=place, group=group) & {"approver", "risk"})
    if not signing:
        message = "To review it you need the role approver or risk here."
        raise Forbidden(message)
    _refuse_unless_due(request)
    allowed = rules.may_approve(
        approver=actor.person, involved=frozenset(request.persons), earlier_approvers=frozenset()
    )
    if not allowed:
        message = "Who broke the glass, or made the version, cannot review it."
        raise Refused(message, rule=allowed.rule, object=request.chain, subject=request.subject)
    return signing[-1]


def _refuse_texts(*, reason: str, ticket: str) -> None:
    problems = {"reason": problem_with(reason), "ticket": problem_with(ticket, limit=200)}
    found = {name: problem for name, problem in problems.items() if problem}
    if found:
        message = "Breaking the glass needs a reason and a ticket."
        raise Invalid(message, **found)


def _refuse_unless_named(held: frozenset[str], *, named: Sequence[str]) -> None:
    if held & set(named):
        return
    who = " or ".join(sorted(named))
    message = f"Only {who} may break the glass here." if named else "Nobody may break it here."
    raise Forbidden(message, code="break_glass_not_allowed", roles=sorted(named))


def _refuse_unless_themselves(user: User, *, password: str, actor: Actor) -> None:
    if str(user.pk) != actor.id or not user.check_password(password):
        message = "The password is not right, so nothing was signed."
        raise Forbidden(message, code="wrong_password")


def _refuse_unless_due(request: Request) -> None:
    if request.kind != Request.Kind.BREAK_GLASS:
        message = "Nobody broke the glass for this; it needs no review."
        raise Conflict(message, code="nothing_to_review")
    if Review.objects.filter(request=request).exists():
        message = "It was reviewed before."
        raise Conflict(message, code="reviewed")
