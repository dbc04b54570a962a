"""An environment as it was at some moment, read from the audit log alone."""

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from governance import access
from governance.access import Permission
from governance.errors import GovernanceError, NotFound
from promotion import replay
from promotion.selectors import past
from promotion.views.frame import actor_of, framed, page, visible

WRITTEN = "%Y-%m-%dT%H:%M:%SZ"
EXACT = "%Y-%m-%dT%H:%M:%S.%fZ"
STEPS_BACK = (
    ("an hour ago", timedelta(hours=1)),
    ("a day ago", timedelta(days=1)),
    ("a week ago", timedelta(days=7)),
)


@require_GET
@page
def as_of(request: HttpRequest, environment: str) -> HttpResponse:
    """Say what was decided, what agents had confirmed, and who decided it."""
    places = visible(request).only(environment)
    if not places:
        message = f"There is no environment {environment}."
        raise NotFound(message, code="unknown_environment")
    now = timezone.now()
    asked = request.GET.get("at", "").strip() or f"{now:{EXACT}}"
    error: GovernanceError | None = None
    found = None
    try:
        found = past.as_of(places[0], at=replay.moment(asked, now=now), seen=places.reach)
    except GovernanceError as refusal:
        error = refusal
    context = {
        "nav": "environments",
        "place": places[0],
        "asked": asked,
        "found": found,
        "may_report": access.allowed(actor_of(request), Permission.AUDIT, environment=places[0]),
        "steps_back": [(words, f"{now - back:{WRITTEN}}") for words, back in STEPS_BACK],
    }
    return framed(request, "as_of.html", context, error=error)
