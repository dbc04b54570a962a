"""Rolling a model back: one page, because it is needed at 3 a.m."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from governance import access
from governance.access import Permission
from governance.errors import GovernanceError, Invalid, NotFound
from promotion.selectors import model_page
from promotion.services import rollbacks
from promotion.views.frame import STATUS, actor_of, framed, page, problems_of, visible

LONGEST_NUMBER = 9


@require_http_methods(["GET", "POST"])
@page
def roll_back(request: HttpRequest, environment: str, name: str) -> HttpResponse:
    """Say what will happen and how to undo it; then do it."""
    places = [place for place in visible(request) if place.slug == environment]
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
            row = rollbacks.rollback(
                environment=environment,
                model=name,
                to=_number(request.POST.get("to", "")),
                reason=request.POST.get("reason", "").replace("\r\n", "\n"),
                actor=actor_of(request),
            )
        except GovernanceError as refusal:
            error = refusal
        else:
            messages.success(request, "The rollback has begun. Agents switch one by one.")
            return HttpResponseRedirect(reverse("promotion", args=[row.pk]))
    context = {
        "nav": "models",
        "place": found.places[0],
        "model": found.model,
        "form": request.POST,
        "error": error,
        "problems": problems_of(error) if error else {},
    }
    status = STATUS.get(type(error), 400) if error else 200
    return framed(request, "roll_back.html", context, status=status)


def _number(text: str) -> int:
    """The version to go back to. Always named: what the page showed, not what is newest by now."""
    if text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER:
        return int(text)
    message = "Choose the version to go back to."
    raise Invalid(message, to="Choose one.")
