"""The two buttons for 3 a.m., with what each will do: roll a model back, and stop it."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from governance import access
from governance.access import Permission
from governance.errors import GovernanceError, Invalid, NotFound
from promotion.models import Request
from promotion.selectors import incidents, model_page
from promotion.services import rollbacks, stops
from promotion.views.frame import STATUS, actor_of, framed, page, problems_of, visible

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
    places = visible(request).only(environment)
    if not places:
        message = f"There is no environment {environment}."
        raise NotFound(message)
    found = model_page.model_page(name, places, now=timezone.now())
    access.require(
        actor_of(request),
        Permission.OPERATE,
        environment=places[0],
        group=found.model.group,
    )
    error: GovernanceError | None = None
    if request.method == "POST":
        try:
            row = act(name, request.POST.get("reason", "").replace("\r\n", "\n"))
        except GovernanceError as refusal:
            error = refusal
        else:
            messages.success(request, done)
            return HttpResponseRedirect(reverse("promotion", args=[row.pk]))
    context = {
        "nav": "models",
        "place": found.places[0],
        "model": found.model,
        "by_incident": incidents.is_open_of(found.model, places[0]),
        "form": request.POST,
        "error": error,
        "problems": problems_of(error) if error else {},
    }
    status = STATUS.get(type(error), 400) if error else 200
    return framed(request, template, context, status=status)


def _number(text: str) -> int:
    """The version to go back to. Always named: what the page showed, not what is newest by now."""
    if text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER:
        return int(text)
    message = "Choose the version to go back to."
    raise Invalid(message, to="Choose one.")
