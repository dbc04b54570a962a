"""Signing several requests of one kind with one password."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from governance.errors import GovernanceError, Invalid, NotFound
from promotion.models import Request
from promotion.selectors.promotion_page import gates, signed_sentence
from promotion.selectors.promotions import KINDS, Together, waiting_together
from promotion.services import passwords, requests
from promotion.services.requests import MOST_TOGETHER, Signature
from promotion.views.frame import actor_of, framed, page, text_of, user_of
from promotion.views.promotions import MEANINGS

WHY = {
    "not_open": "it no longer waits for a signature",
    "expired": "its time is over",
    "content_changed": "it stands for something else now",
    "rollout_in_progress": "another version of its model is being rolled out here",
}
"""Why a request can no longer be signed as it was shown, in words."""


@dataclass(frozen=True, slots=True)
class Row:
    """One request that may be chosen, with exactly what is signed of it."""

    request: Request
    is_chosen: bool
    changed: str

    @property
    def value(self) -> str:
        """What the form sends: which request, and what was shown of it."""
        return f"{self.request.pk}:{self.request.content_hash}"

    @property
    def sentence(self) -> str:
        return signed_sentence(self.request)

    @property
    def gates(self) -> str:
        """Gates by verdict, as they were frozen."""
        verdicts = [gate.verdict for gate in gates(self.request.evidence)]
        return ", ".join(f"{verdicts.count(word)} {word}" for word in dict.fromkeys(verdicts))


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@page
def sign_together(request: HttpRequest, environment: str, kind: str) -> HttpResponse:
    """Show what waits for me of one kind in one place, and sign what I choose of it."""
    if kind not in KINDS:
        message = "There is no such kind of request."
        raise NotFound(message)
    error: GovernanceError | None = None
    if request.method == "POST":
        try:
            signed = _sign(request)
        except GovernanceError as refusal:
            error = refusal
        else:
            count = f"{len(signed)} of them" if len(signed) > 1 else "one of them"
            messages.success(request, f"You approved {count}. Each has its own signature.")
            return HttpResponseRedirect(reverse("promotions"))
    found = waiting_together(actor_of(request), environment=environment, kind=kind)
    context = {
        "nav": "promotions",
        "what": Together(environment, kind, len(found)),
        "rows": _rows(request, found[:MOST_TOGETHER], error=error),
        "later": max(0, len(found) - MOST_TOGETHER),
        "meanings": MEANINGS.items(),
        "form": request.POST,
    }
    return framed(request, "together.html", context, error=error)


def _sign(request: HttpRequest) -> list[Request]:
    form, user = request.POST, user_of(request)
    signatures = [_signature(text) for text in form.getlist("signatures")]
    if not signatures:
        message = "Choose at least one of them."
        raise Invalid(message, signatures="none is chosen")
    secret = form.get("password", "")
    passwords.confirm(user=user, password=secret, address=request.META.get("REMOTE_ADDR"))
    return requests.approve_together(
        signatures=signatures,
        user=user,
        password=secret,
        meaning=form.get("meaning", ""),
        comment=text_of(form, "comment"),
        actor=actor_of(request),
    )


def _signature(text: str) -> Signature:
    """Read what a ticked box says."""
    pk, _, content_hash = text.partition(":")
    try:
        return Signature(UUID(pk), content_hash)
    except ValueError:
        message = "This form is not as the page made it."
        raise Invalid(message, signatures="names no request") from None


def _rows(
    request: HttpRequest, found: Iterable[Request], *, error: GovernanceError | None
) -> list[Row]:
    """Keep what was chosen, but for what is no longer as it was shown: that is read again."""
    listed = error.context.get("changed") if error else None
    changed = {
        str(one["request"]): WHY.get(str(one["why"]), "it changed")
        for one in (listed if isinstance(listed, list) else [])
    }
    chosen = set(request.POST.getlist("signatures"))
    return [
        Row(
            one,
            is_chosen=f"{one.pk}:{one.content_hash}" in chosen,
            changed=changed.get(str(one.pk), ""),
        )
        for one in found
    ]
