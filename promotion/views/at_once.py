"""The two buttons for 3 a.m., with what each will do: roll a model back, and stop it."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from governance.errors import GovernanceError, Invalid
from promotion.models import Request
from promotion.selectors import incidents
from promotion.services import rollbacks, stops
from promotion.views.frame import actor_of, framed, page, text_of
from promotion.views.operating import operated

Act = Callable[[str, str], Request]
LONGEST_NUMBER = 9


@require_http_methods(["GET", "POST"])
@page
def roll_back(request: HttpRequest, environment: str, name: str) -> HttpResponse:
    """Say from where each agent would answer and how to undo it; then do it."""

    def act(model: str, reason: str) -> Request:
        return rollbacks.rollback(
            environment=environment,
            model=model,
            to=_number(request.POST.get("to", "")),
            reason=reason,
            actor=actor_of(request),
        )

    done = "The rollback has begun. Agents switch one by one."
    return _at_once(request, environment, name, template="roll_back.html", act=act, done=done)


@require_http_methods(["GET", "POST"])
@page
def stop(request: HttpRequest, environment: str, name: str) -> HttpResponse:
    """Say who will no longer be answered and how to undo it; then do it."""

    def act(model: str, reason: str) -> Request:
        return stops.stop(
            environment=environment, model=model, reason=reason, actor=actor_of(request)
        )

    done = "It is stopped. Agents unload it one by one. Without a spare they answer callers 503."
    return _at_once(request, environment, name, template="stop.html", act=act, done=done)


def _at_once(
    request: HttpRequest, environment: str, name: str, *, template: str, act: Act, done: str
) -> HttpResponse:
    place, found = operated(request, environment, name)
    error: GovernanceError | None = None
    if request.method == "POST":
        try:
            row = act(name, text_of(request.POST, "reason"))
        except GovernanceError as refusal:
            error = refusal
        else:
            messages.success(request, done)
            return HttpResponseRedirect(reverse("promotion", args=[row.pk]))
    context = {
        "nav": "models",
        "place": found.places[0],
        "model": found.model,
        "by_incident": incidents.is_open_of(found.model, place),
        "form": request.POST,
    }
    return framed(request, template, context, error=error)


def _number(text: str) -> int:
    """The version to go back to. Always named: what the page showed, not what is newest by now."""
    if text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER:
        return int(text)
    message = "Choose the version to go back to."
    raise Invalid(message, to="Choose one.")
