"""Placing a model: which agents take it, and what that will do."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from governance.errors import GovernanceError, Invalid
from promotion.services import placements
from promotion.views.frame import actor_of, framed, page, text_of
from promotion.views.operating import operated

LONGEST_NUMBER = 5


@require_http_methods(["GET", "POST"])
@page
def place(request: HttpRequest, environment: str, name: str) -> HttpResponse:
    """Say where it runs and where it would; then do it."""
    _, found = operated(request, environment, name)
    error: GovernanceError | None = None
    if request.method == "POST":
        try:
            _place(request, environment, name)
        except GovernanceError as refusal:
            error = refusal
        else:
            messages.success(request, f"{name} is placed. Agents follow one by one.")
            return HttpResponseRedirect(reverse("model", args=[name]))
    now = found.places[0].placement
    form = request.POST or {
        "labels": "\n".join(f"{key}={value}" for key, value in sorted(now.labels.items())),
        "minimum": "" if now.minimum is None else str(now.minimum),
    }
    context = {
        "nav": "models",
        "place": found.places[0],
        "model": found.model,
        "form": form,
    }
    return framed(request, "place.html", context, error=error)


def _place(request: HttpRequest, environment: str, name: str) -> None:
    minimum = request.POST.get("minimum", "").strip()
    is_number = minimum.isascii() and minimum.isdigit() and len(minimum) <= LONGEST_NUMBER
    if minimum and not is_number:
        message = "Say how many agents a rollout needs."
        raise Invalid(message, minimum="must be a whole number, or empty")
    placements.place(
        environment=environment,
        model=name,
        document={
            "labels": _labels(request.POST.get("labels", "")),
            "minimum": int(minimum) if minimum else None,
        },
        reason=text_of(request.POST, "reason"),
        actor=actor_of(request),
    )


def _labels(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        key, sign, value = line.partition("=")
        if not sign or not key:
            message = "Write one label a line."
            raise Invalid(message, labels="must be key=value, one a line")
        found[key.strip()] = value.strip()
    return found
