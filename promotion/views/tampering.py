"""The watch's page: what was changed past the application, and how soon that was noticed."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from governance import access
from governance.access import Permission
from governance.services import access_log
from promotion.selectors import tampering
from promotion.views.frame import actor_of, framed, live, page


@require_GET
@page
def watch(request: HttpRequest) -> HttpResponse:
    """Show what is not as it was left, what was so before, and what is looked at."""
    actor = actor_of(request)
    access.require(actor, Permission.AUDIT)
    address = request.META.get("REMOTE_ADDR")
    access_log.note(
        kind=access_log.LOG_READ, principal=actor.label, address=address, detail="watch"
    )
    return framed(request, "watch.html", {"page": tampering.page(), "nav": "audit"})


@require_GET
@page
def now(request: HttpRequest) -> HttpResponse:
    """The live part of that page."""
    access.require(actor_of(request), Permission.AUDIT)
    return live(request, "parts/watch.html", {"page": tampering.page()})
