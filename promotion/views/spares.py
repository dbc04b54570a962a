"""Naming a model's spare, and what that will do."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from governance.errors import GovernanceError, Invalid
from promotion.services import spares
from promotion.views.frame import actor_of, framed, page, text_of
from promotion.views.operating import operated

LONGEST_NUMBER = 9
DROP = "none"


@require_http_methods(["GET", "POST"])
@page
def spare(request: HttpRequest, environment: str, name: str) -> HttpResponse:
    """Say which version answers when the champion fails, and which could; then do it."""
    _, found = operated(request, environment, name)
    error: GovernanceError | None = None
    if request.method == "POST":
        try:
            done = _decide(request, environment, name)
        except GovernanceError as refusal:
            error = refusal
        else:
            messages.success(request, done)
            return HttpResponseRedirect(reverse("model", args=[name]))
    context = {
        "nav": "models",
        "place": found.places[0],
        "model": found.model,
        "form": request.POST,
    }
    return framed(request, "spare.html", context, error=error)


def _decide(request: HttpRequest, environment: str, name: str) -> str:
    """Do what was chosen, and say what was done."""
    chosen = request.POST.get("version", "")
    reason = text_of(request.POST, "reason")
    actor = actor_of(request)
    if chosen == DROP:
        spares.drop_spare(environment=environment, model=name, reason=reason, actor=actor)
        return f"{name} has no spare in {environment} any more."
    if not (chosen.isascii() and chosen.isdigit() and len(chosen) <= LONGEST_NUMBER):
        message = "Choose the version to keep as spare."
        raise Invalid(message, version="Choose one.")
    spares.name_spare(
        environment=environment, model=name, version=int(chosen), reason=reason, actor=actor
    )
    return f"Version {int(chosen)} is the spare in {environment}. Agents load it one by one."
