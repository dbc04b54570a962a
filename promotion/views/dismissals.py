"""Deciding what becomes of a version that was taken away."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from governance import access
from governance.access import Permission
from governance.errors import GovernanceError
from promotion.selectors import version_page
from promotion.services import dismissals
from promotion.views.frame import (
    actor_of,
    framed,
    page,
    place_of,
    text_of,
)

CONSEQUENCE = (
    "Its files leave the agents, and no rollback brings it back. To test it again instead, leave"
    " this page and ask for it in the dark: lockgate promote {name} {number} {place} --to dark."
    " That way stays open afterwards too."
)


@require_http_methods(["GET", "POST"])
@page
def dismiss(request: HttpRequest, environment: str, name: str, number: int) -> HttpResponse:
    """Say what the two ways are; then retire it for good."""
    places = place_of(request, environment)
    found = version_page.find(name, number, places)
    access.require(
        actor_of(request), Permission.OPERATE, environment=places[0], group=found.model.group
    )
    back = reverse("version", args=[name, number])
    reason = text_of(request.POST, "reason")
    error: GovernanceError | None = None
    if request.method == "POST":
        try:
            dismissals.dismiss(
                environment=environment,
                model=name,
                version=number,
                reason=reason,
                actor=actor_of(request),
            )
        except GovernanceError as refusal:
            error = refusal
        else:
            messages.success(request, f"Version {number} is retired for good in {environment}.")
            return HttpResponseRedirect(back)
    context = {
        "nav": "models",
        "title": f"Retire {name} version {number} for good in {environment}?",
        "consequence": CONSEQUENCE.format(name=name, number=number, place=environment),
        "button": "Retire it for good",
        "hidden": {},
        "back": back,
        "reason": reason,
    }
    return framed(request, "confirm.html", context, error=error)
