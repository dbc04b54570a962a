"""Proposing the next policy: written, checked, and only then asked for; and taking it back."""

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from governance import access, selectors
from governance.access import Permission
from governance.errors import Conflict, GovernanceError, Invalid
from governance.models import Environment
from promotion import content, policy_text
from promotion.models import Policy, PolicyRequest
from promotion.policies import TIERS
from promotion.policies import Policy as Rules
from promotion.selectors.policies import find_request, waiting_in
from promotion.services import policies, policy_requests, publishing
from promotion.views.frame import actor_of, framed, page, text_of
from promotion.views.policies import is_number, named
from promotion.views.trials import Trial, tried


@dataclass(frozen=True, slots=True)
class Draft:
    """Where the next policy is for, what it would follow, and who would have to approve it."""

    environment: Environment
    tier: str
    follows: Policy | None
    waiting: PolicyRequest | None
    needed: int

    @property
    def before(self) -> Rules:
        return Rules.model_validate(self.follows.document) if self.follows else Rules()

    @property
    def number(self) -> int:
        return self.follows.number if self.follows else 0

    @property
    def text(self) -> str:
        """What is in force, as one would write it."""
        return policy_text.write(self.before.model_dump(mode="json", exclude_defaults=True))


@require_http_methods(["GET", "POST"])
@page
def propose(request: HttpRequest, environment: str) -> HttpResponse:
    """Write the next policy; see what it changes; then ask for it."""
    place = selectors.environment(environment)
    access.require(actor_of(request), Permission.ADMINISTER, environment=place)
    draft = _draft(place, tier=_tier(request))
    trial: Trial | None = None
    error: GovernanceError | None = None
    if request.method == "POST":
        try:
            trial = _checked(request, draft)
            if request.POST.get("submit"):
                return _submitted(request, draft, trial)
        except GovernanceError as refusal:
            error = refusal
    context = {
        "nav": "policies",
        "draft": draft,
        "tiers": TIERS,
        "trial": trial,
        "checked": _hash_of(trial.rules) if trial else "",
        "text": request.POST.get("document", draft.text),
        "form": request.POST,
        "problems": named(error) if error else {},
    }
    return framed(request, "propose.html", context, error=error)


@require_http_methods(["GET", "POST"])
@page
def withdraw(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Take a policy request back: first the consequence in words, then the button."""
    found = find_request(pk)
    access.require(actor_of(request), Permission.VIEW, environment=found.environment)
    error: GovernanceError | None = None
    reason = text_of(request.POST, "reason")
    if request.method == "POST":
        try:
            policy_requests.withdraw(request_id=pk, reason=reason, actor=actor_of(request))
        except GovernanceError as refusal:
            error = refusal
        else:
            messages.success(request, "You withdrew it. What is in force stays in force.")
            return HttpResponseRedirect(reverse("policy_request", args=[pk]))
    context = {
        "nav": "policies",
        "title": f"Withdraw the next policy of {found.environment.slug}?",
        "consequence": f"Nobody can approve it any more, and policy {found.follows.number} stays"
        " in force. The same can be asked for again.",
        "button": "Withdraw the request",
        "back": reverse("policy_request", args=[pk]),
        "reason": reason,
    }
    return framed(request, "confirm.html", context, error=error)


def _tier(request: HttpRequest) -> str:
    found = request.POST.get("tier", request.GET.get("tier", ""))
    if found in {"", *TIERS}:
        return found
    message = "There is no such risk tier."
    raise Invalid(message, tier=f"must be empty or one of {', '.join(TIERS)}")


def _draft(place: Environment, *, tier: str) -> Draft:
    found = publishing.rules_of(place.pk, tier)
    return Draft(
        environment=place,
        tier=tier,
        follows=found[0] if found else None,
        waiting=next((one for one in waiting_in([place]) if one.tier == tier), None),
        needed=policy_requests.approvals_needed(place, tier),
    )


def _checked(request: HttpRequest, draft: Draft) -> Trial:
    rules = policies.read(policy_text.parse(request.POST.get("document", "")))
    policies.refuse_places(rules, slug=draft.environment.slug)
    seen = access.reach(actor_of(request))
    return tried(rules, draft.environment, tier=draft.tier, before=draft.before, seen=seen)


def _submitted(request: HttpRequest, draft: Draft, trial: Trial) -> HttpResponse:
    """Ask for exactly the document that was checked, to follow the policy it was held against."""
    form = request.POST
    if form.get("checked") != _hash_of(trial.rules):
        message = "The document is another than the one that was checked. Look at it again."
        raise Conflict(message, code="not_checked")
    follows = form.get("follows", "")
    made = policy_requests.publish_or_ask(
        environment=draft.environment.slug,
        tier=draft.tier,
        document=trial.rules.model_dump(mode="json"),
        reason=text_of(form, "reason"),
        follows=int(follows) if is_number(follows) else 0,
        actor=actor_of(request),
    )
    if isinstance(made, PolicyRequest):
        messages.success(request, "You asked for it. It is in force once others have approved it.")
        return HttpResponseRedirect(reverse("policy_request", args=[made.pk]))
    slug = draft.environment.slug
    if made is None:
        messages.success(request, "It says what is in force. Nothing was published.")
        return HttpResponseRedirect(reverse("policies"))
    messages.success(request, f"Policy {made.number} of {slug} is in force.")
    return HttpResponseRedirect(reverse("policy", args=[slug, made.number]))


def _hash_of(rules: Rules) -> str:
    return content.hash_of(rules.model_dump(mode="json"))
