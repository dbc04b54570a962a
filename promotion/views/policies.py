"""Policies: what is in force, one document with what it changed, and a trial of another."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from governance import access
from governance.access import Permission
from governance.errors import GovernanceError, Invalid
from promotion import policy_text
from promotion.models import Policy, PolicyRequest
from promotion.policies import Policy as Rules
from promotion.selectors import policies as selectors
from promotion.selectors import requesters
from promotion.services import passwords, policy_requests, requests
from promotion.services import policies as services
from promotion.views.frame import (
    actor_of,
    framed,
    page,
    problems_of,
    text_of,
    user_of,
    visible,
)
from promotion.views.trials import LAST, Trial, tried


@require_GET
@page
def policies(request: HttpRequest) -> HttpResponse:
    """What is in force, by environment."""
    places = visible(request)
    context = {
        "places": selectors.places(places),
        "waiting": selectors.waiting_in(places),
        "may_propose": set(
            access.environments(actor_of(request), Permission.ADMINISTER).values_list(
                "slug", flat=True
            )
        ),
        "nav": "policies",
    }
    return framed(request, "policies.html", context, environments=places)


@require_GET
@page
def policy(request: HttpRequest, environment: str, number: int) -> HttpResponse:
    """One document: what it says, what it changed, and a form to try another."""
    found = _find(request, environment, number)
    against = request.GET.get("against", "")
    return _shown(
        request, selectors.policy_page(found, against=int(against) if is_number(against) else None)
    )


@require_POST
@page
def attempt(request: HttpRequest, environment: str, number: int) -> HttpResponse:
    """Say which past requests would have gone otherwise. Changes nothing."""
    found = selectors.policy_page(_find(request, environment, number))
    try:
        trial = _trial(request, found.policy)
    except GovernanceError as error:
        return _shown(request, found, error=error)
    return _shown(request, found, trial=trial)


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@page
def policy_request(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A policy that waits: what it would change, and the form that signs it."""
    found = selectors.find_request(pk)
    access.require(actor_of(request), Permission.VIEW, environment=found.environment)
    error: GovernanceError | None = None
    if request.method == "POST":
        try:
            _sign(request, pk)
        except GovernanceError as refusal:
            error = refusal
        else:
            messages.success(request, "You signed it.")
            return HttpResponseRedirect(reverse("policy_request", args=[pk]))
    return shown_request(request, found, error=error)


def shown_request(
    request: HttpRequest, found: PolicyRequest, *, error: GovernanceError | None = None
) -> HttpResponse:
    """The page of one policy request, with what went wrong when a form of it was sent."""
    actor = actor_of(request)
    context = {
        "page": selectors.request_page(found, last=LAST, seen=access.reach(actor_of(request))),
        "nav": "policies",
        "may_sign": _may_sign(request, found),
        "is_requester": requesters.is_theirs(found, actor),
        "may_comment": access.allowed(actor, Permission.COMMENT, environment=found.environment),
        "form": request.POST,
        "problems": named(error) if error else {},
    }
    return framed(request, "policy_request.html", context, error=error)


def _sign(request: HttpRequest, pk: UUID) -> None:
    form, user = request.POST, user_of(request)
    secret = form.get("password", "")
    passwords.confirm(user=user, password=secret, address=request.META.get("REMOTE_ADDR"))
    decisions = {"approve": policy_requests.approve, "reject": policy_requests.reject}
    decide = decisions.get(form.get("decision", ""))
    if decide is None:
        message = "Choose whether you approve or reject it."
        raise Invalid(message, decision="is neither approve nor reject")
    decide(
        request_id=pk,
        user=user,
        password=secret,
        comment=text_of(form, "comment"),
        content_hash=form.get("content_hash", ""),
        actor=actor_of(request),
    )


def _may_sign(request: HttpRequest, row: PolicyRequest) -> str:
    """Say why this person cannot sign, or ``""``. The service decides again, under lock."""
    actor = actor_of(request)
    if row.state != PolicyRequest.State.OPEN:
        return f"It is {row.state} and waits for no signature."
    if not access.roles_of(actor, environment=row.environment) & policy_requests.SIGNING_ROLES:
        return f"To sign it you need the role approver or risk for all of {row.environment.slug}."
    if actor.person in row.persons:
        return "Who asked for it cannot approve it. It waits for somebody else."
    if row.approvals.filter(person=actor.person).exists():
        return "You have signed it. It waits for somebody else."
    return ""


def _find(request: HttpRequest, environment: str, number: int) -> Policy:
    found = selectors.find(environment, number)
    access.require(actor_of(request), Permission.VIEW, environment=found.environment)
    return found


def _trial(request: HttpRequest, policy: Policy) -> Trial:
    form = request.POST
    rules = services.read(policy_text.parse(form.get("document", "")))
    outcome = None
    if form.get("model"):
        version = form.get("version", "")
        if not is_number(version):
            message = "Say which version."
            raise Invalid(message, version="must be a number")
        outcome = requests.try_request(
            model=form["model"],
            version=int(version),
            environment=policy.environment.slug,
            to=form.get("to", "production"),
            proposed=rules,
            actor=actor_of(request),
        )
    return tried(
        rules,
        policy.environment,
        tier=policy.tier,
        before=Rules.model_validate(policy.document),
        seen=access.reach(actor_of(request)),
        outcome=outcome,
    )


def is_number(text: str) -> bool:
    """Whether it is digits, and not more than fit into a column."""
    return text.isascii() and text.isdigit() and len(text) < 10


def _shown(
    request: HttpRequest,
    found: selectors.PolicyPage,
    *,
    trial: Trial | None = None,
    error: GovernanceError | None = None,
) -> HttpResponse:
    context = {
        "page": found,
        "trial": trial,
        "nav": "policies",
        "may_propose": access.allowed(
            actor_of(request), Permission.ADMINISTER, environment=found.policy.environment
        ),
        "form": request.POST,
        "text": request.POST.get("document", found.text),
        "problems": named(error) if error else {},
    }
    return framed(request, "policy.html", context, error=error)


def named(error: GovernanceError) -> dict[str, str]:
    """The parts of a document that an error names, or the fields of a form."""
    found = problems_of(error)
    listed = error.context.get("problems")
    if isinstance(listed, dict):
        found = {str(name): str(text) for name, text in listed.items()}
    return found
