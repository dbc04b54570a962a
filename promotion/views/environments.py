"""The first page: every model in every environment."""

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from promotion.selectors.abnormal import alarms
from promotion.selectors.matrix import matrix
from promotion.views.frame import framed, live, operable_places, page, visible

LEGEND = (
    ("champion", "champion: answers callers"),
    ("candidate", "candidate: answers a share"),
    ("bake", "bake: loaded, can answer at once"),
    ("spare", "spare"),
    ("dark", "dark: sees copies only"),
    ("flight", "under way"),
    ("waiting", "waits for approval"),
    ("unknown", "unknown: silent"),
    ("failed", "disagrees or refused"),
)


@require_GET
@page
def environments(request: HttpRequest) -> HttpResponse:
    """Show the matrix; its live part asks for itself again."""
    places = visible(request)
    found = matrix(places, now=timezone.now())
    context = {"matrix": found, "nav": "environments", "legend": LEGEND}
    if request.headers.get("HX-Request"):
        return live(request, "parts/matrix.html", context)
    whole = {**context, "alarms": found.alarms}
    return framed(request, "environments.html", whole, environments=places)


@require_GET
@page
def abnormal(request: HttpRequest) -> HttpResponse:
    """The red bar alone, for pages that stay open."""
    context = {"alarms": alarms(visible(request)), "operable_places": operable_places(request)}
    return live(request, "parts/alarms.html", context)
