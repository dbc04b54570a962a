"""An environment as it was at some moment, read from the audit log alone."""

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from governance import access
from governance.access import Permission, Sight
from governance.errors import GovernanceError, Invalid, NotFound
from promotion import replay
from promotion.selectors import past, scored
from promotion.services import recorded
from promotion.views.frame import actor_of, framed, page, visible
from registry.models import RegisteredModel

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
    given = request.GET.get("at", "").strip()
    asked = given or f"{now:{EXACT}}"
    transaction = request.GET.get("transaction", "").strip()
    error: GovernanceError | None = None
    found = search = None
    try:
        at = replay.moment(asked, now=now)
        found = past.as_of(places[0], at=at, seen=places.reach)
        if transaction:
            search = recorded.search(
                environment=places[0],
                model=_model(request, places),
                transaction=transaction,
                at=at if given else None,
            )
    except GovernanceError as refusal:
        error = refusal
    context = {
        "nav": "environments",
        "place": places[0],
        "asked": asked,
        "found": found,
        "model": request.GET.get("model", "").strip(),
        "transaction": transaction,
        "search": search,
        "when": given,
        "said": scored.said(search) if search else "",
        "may_report": access.allowed(actor_of(request), Permission.AUDIT, environment=places[0]),
        "steps_back": [(words, f"{now - back:{WRITTEN}}") for words, back in STEPS_BACK],
    }
    return framed(request, "as_of.html", context, error=error)


def _model(request: HttpRequest, places: Sight) -> RegisteredModel:
    """The model whose transaction is asked about, if it is seen here."""
    name = request.GET.get("model", "").strip()
    row = RegisteredModel.objects.filter(name=name).first()
    if row is None or not places.reach.covers(environment=places[0].pk, group=row.group):
        message = "There is no such model." if name else "Say of which model the transaction is."
        raise Invalid(message, code="unknown_model", model="names no model that you may see here")
    return row
