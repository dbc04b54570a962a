"""Waiving a gate: what it lets pass, until when, and who signs for it."""

from typing import get_args

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from governance import access
from governance.access import Permission
from governance.errors import GovernanceError, Invalid
from promotion.policy_parts import WaivableGate
from promotion.selectors import version_page
from promotion.selectors.promotion_page import GATES
from promotion.services import waivers
from promotion.views.frame import (
    actor_of,
    framed,
    page,
    text_of,
    user_of,
    visible,
)


@require_http_methods(["GET", "POST"])
@page
def waive(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Let a gate pass for one version in one environment."""
    found = version_page.find(name, number, visible(request))
    actor, group = actor_of(request), found.model.group
    places = list(access.environments(actor, Permission.WAIVE, group=group))
    if not places:
        access.require(actor, Permission.WAIVE, group=group)
    error: GovernanceError | None = None
    form = request.POST
    if request.method == "POST":
        try:
            waivers.waive(
                model=name,
                version=number,
                environment=form.get("environment", ""),
                gate=form.get("gate", ""),
                reason=text_of(form, "reason"),
                hours=_hours(form.get("hours", "")),
                user=user_of(request),
                actor=actor,
            )
        except GovernanceError as refusal:
            error = refusal
        else:
            messages.success(request, "You waived it. Who asks now passes this gate.")
            return HttpResponseRedirect(reverse("version", args=[name, number]))
    context = {
        "nav": "models",
        "version": found,
        "places": places,
        "gates": [(gate, GATES.get(gate, gate)) for gate in get_args(WaivableGate)],
        "form": form,
    }
    return framed(request, "waive.html", context, error=error)


def _hours(text: str) -> float:
    if text.isascii() and text.isdigit() and len(text) < 6:
        return float(text)
    message = "Say for how many hours."
    raise Invalid(message, hours="must be a whole number")
