"""Pages of models and versions."""

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from governance import access
from governance.access import Permission
from promotion.selectors import findings, live_reviews, model_page, version_page
from promotion.views.frame import actor_of, framed, page, visible


@require_GET
@page
def models(request: HttpRequest) -> HttpResponse:
    """Every model, and what answers for it."""
    places = visible(request)
    context = {"models": model_page.models_list(places), "nav": "models"}
    return framed(request, "models.html", context, environments=places)


@require_GET
@page
def model(request: HttpRequest, name: str) -> HttpResponse:
    """One model: what answers, where, and all versions."""
    places = visible(request)
    found = model_page.model_page(name, places, now=timezone.now())
    actor, group = actor_of(request), found.model.group
    operable = {
        place.pk
        for place in places
        if access.allowed(actor, Permission.OPERATE, environment=place, group=group)
    }
    context = {"page": found, "nav": "models", "operable": operable}
    return framed(request, "model.html", context, environments=places)


@require_GET
@page
def version(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """One version, with everything known of it."""
    places = visible(request)
    found = version_page.version_page(name, number, places, now=timezone.now())
    actor, group = actor_of(request), found.version.model.group
    reviewed = access.reach(actor, Permission.RECORD_FINDINGS)
    context = {
        "page": found,
        "nav": "models",
        "may_waive": access.allowed(actor, Permission.WAIVE, group=group),
        "reviewable": live_reviews.reviewable(found.live, access.reach(actor, Permission.APPROVE)),
        "now": timezone.now(),
        "may_review": reviewed.covers(group=group),
        "closable": findings.closable(found.findings, reviewed=reviewed, person=actor.person),
    }
    return framed(request, "version.html", context, environments=places)
