"""Requests: the list, one request, and signing it."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from governance import access
from governance.access import Permission
from governance.actors import Actor
from governance.errors import GovernanceError, Invalid
from promotion.models import Approval, Request
from promotion.selectors import approvers, findings, promotion_page, requesters, standing
from promotion.selectors.progress import progress as progress_of
from promotion.selectors.promotions import promotions_page
from promotion.services import passwords, requests
from promotion.verdicts import Denied
from promotion.views.frame import (
    actor_of,
    framed,
    live,
    page,
    text_of,
    user_of,
    visible,
)

MEANINGS = {
    Approval.Meaning.REVIEW: "I reviewed it",
    Approval.Meaning.APPROVAL: "I approve it",
    Approval.Meaning.RESPONSIBILITY: "I take responsibility for it",
}


@require_GET
@page
def promotions(request: HttpRequest) -> HttpResponse:
    """What waits for me, what is under way, and what was."""
    places = visible(request)
    context = {"page": promotions_page(actor_of(request), places), "nav": "promotions"}
    if request.headers.get("HX-Request"):
        return live(request, "parts/promotions.html", context)
    return framed(request, "promotions.html", context, environments=places)


@require_GET
@page
def promotion(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One request, with everything an approver needs."""
    return shown(request, pk)


@require_GET
@page
def progress(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The live part of one request. When the request has moved on, the whole page reloads."""
    found = promotion_page.find(pk)
    _require_view(request, found)
    context = {
        "progress": progress_of(found),
        "may_operate": _may_operate(request, found),
    }
    response = live(request, "parts/progress.html", context)
    if request.GET.get("state") not in {None, found.state}:
        response["HX-Refresh"] = "true"
        response.status_code = 200
    return response


@sensitive_post_parameters("password")
@require_POST
@page
def sign(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Approve or reject, for exactly what the page showed."""
    found = promotion_page.find(pk)
    _require_view(request, found)
    form = request.POST
    try:
        decision = _decision(form.get("decision", ""))
        meaning, secret = _meaning(form.get("meaning", "")), form.get("password", "")
        address = request.META.get("REMOTE_ADDR")
        passwords.confirm(user=user_of(request), password=secret, address=address)
        decide = requests.approve if decision == Approval.Decision.APPROVE else requests.reject
        made = decide(
            request_id=pk,
            user=user_of(request),
            password=secret,
            meaning=meaning,
            comment=text_of(form, "comment"),
            content_hash=form.get("content_hash", ""),
            actor=actor_of(request),
        )
    except GovernanceError as error:
        return shown(request, pk, error=error)
    if made.state == Request.State.VOIDED:
        messages.warning(request, "You signed it too late: it is void, and nothing moves.")
    else:
        verb = "approved" if decision == Approval.Decision.APPROVE else "rejected"
        messages.success(request, f"You {verb} it. Your signature is in the timeline.")
    return HttpResponseRedirect(reverse("promotion", args=[pk]))


@require_http_methods(["GET", "POST"])
@page
def withdraw(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Take a request back: first the consequence in words, then the button."""
    found = promotion_page.find(pk)
    _require_view(request, found)
    error: GovernanceError | None = None
    if request.method == "POST":
        try:
            requests.withdraw(
                request_id=pk, reason=request.POST.get("reason", ""), actor=actor_of(request)
            )
        except GovernanceError as refusal:
            error = refusal
        else:
            messages.success(request, "You withdrew it. Nothing was changed anywhere.")
            return HttpResponseRedirect(reverse("promotion", args=[pk]))
    version = found.deployment.version
    begins = found.state == Request.State.APPROVED
    effect = "It does not begin any more" if begins else "Nobody can approve it any more"
    context = {
        "nav": "promotions",
        "title": f"Withdraw {found.model.name} version {version.number}"
        f" for {found.environment.slug}?",
        "consequence": f"{effect}, and nothing runs differently. The same can be asked for again.",
        "button": "Withdraw the request",
        "back": reverse("promotion", args=[pk]),
        "reason": request.POST.get("reason", ""),
    }
    return framed(request, "confirm.html", context, error=error)


def shown(request: HttpRequest, pk: UUID, *, error: GovernanceError | None = None) -> HttpResponse:
    """The page of one request, with what went wrong when a form of it was sent."""
    found = promotion_page.promotion_page(pk)
    _require_view(request, found.request)
    actor, row = actor_of(request), found.request
    role = _signing_role(actor, row)
    reviewed = access.reach(actor, Permission.RECORD_FINDINGS)
    context = {
        "page": found,
        "progress": found.progress,
        "nav": "promotions",
        "meanings": MEANINGS.items(),
        "may_sign": _may_sign(actor, found, role=role),
        "after": found.after(role),
        "may_operate": _may_operate(request, row),
        "may_comment": access.allowed(
            actor, Permission.COMMENT, environment=row.environment, group=row.model.group
        ),
        "may_review": _may_review(request, found),
        "may_break": _may_break(request, found),
        "may_record": reviewed.covers(group=row.model.group),
        "closable": findings.closable(found.findings, reviewed=reviewed, person=actor.person),
        "may_withdraw": requesters.may_withdraw(row, actor),
        "form": request.POST,
    }
    return framed(request, "promotion.html", context, error=error)


def _may_sign(actor: Actor, found: promotion_page.PromotionPage, *, role: str) -> str:
    """Say why this person cannot sign, or ``""``. The service decides again, under lock."""
    row = found.request
    if row.state != Request.State.OPEN:
        return f"It is {row.state} and waits for no signature."
    if isinstance(stands := standing.of(row, now=timezone.now()), Denied):
        return f"{stands.reason} Nobody can sign it any more, and it is voided soon."
    if not role:
        roles = " or ".join(sorted(approvers.quorum_of(row).roles))
        return f"To sign it you need the role {roles} in {row.environment.slug}."
    if actor.person in row.persons:
        return "Who asked for this or made it cannot approve it. It waits for somebody else."
    if any(one.person == actor.person for one in found.approvals):
        return "You have signed it. It waits for somebody else."
    return ""


def _signing_role(actor: Actor, row: Request) -> str:
    """The role this person would sign in here, or ``""``."""
    held = access.roles_of(actor, environment=row.environment, group=row.model.group)
    return max(held & approvers.quorum_of(row).roles, default="")


def _may_operate(request: HttpRequest, row: Request) -> bool:
    return access.allowed(
        actor_of(request), Permission.OPERATE, environment=row.environment, group=row.model.group
    )


def _may_review(request: HttpRequest, found: promotion_page.PromotionPage) -> bool:
    """Whether this person owes, or can give, the review of a broken glass."""
    actor, row = actor_of(request), found.request
    if row.kind != Request.Kind.BREAK_GLASS or found.review or actor.person in row.persons:
        return False
    return access.allowed(
        actor, Permission.APPROVE, environment=row.environment, group=row.model.group
    )


def _may_break(request: HttpRequest, found: promotion_page.PromotionPage) -> bool:
    """Whether the policy lets this person promote it alone, instead of waiting."""
    row = found.request
    named = row.policy.document.get("break_glass_roles") or ()
    if row.state != Request.State.OPEN or row.kind != Request.Kind.PROMOTE or not named:
        return False
    held = access.roles_of(actor_of(request), environment=row.environment, group=row.model.group)
    return bool(held & set(named))


def _require_view(request: HttpRequest, row: Request) -> None:
    access.require(
        actor_of(request), Permission.VIEW, environment=row.environment, group=row.model.group
    )


def _decision(text: str) -> str:
    if text in Approval.Decision.values:
        return text
    message = "Choose whether you approve or reject it."
    raise Invalid(message, decision="is neither approve nor reject")


def _meaning(text: str) -> str:
    if text in Approval.Meaning.values:
        return text
    message = "Say what your signature means."
    raise Invalid(message, meaning="Choose one.")
