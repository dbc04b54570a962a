"""Reviews of what answers: which are overdue, which come next, and giving one."""

from datetime import date

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from governance import access
from governance.access import Permission
from governance.errors import GovernanceError, Invalid
from promotion.models import LiveReview
from promotion.selectors import live_reviews as selector
from promotion.selectors import version_page
from promotion.services import live_reviews as service
from promotion.views.frame import actor_of, framed, page, place_of, text_of, user_of, visible


@require_GET
@page
def reviews(request: HttpRequest) -> HttpResponse:
    """All that answers: what is overdue, what comes next, and what nothing is named for."""
    places, now = visible(request), timezone.now()
    found = selector.calendar(places.reach, now=now)
    context = {
        "nav": "findings",
        "calendar": found,
        "reviewable": selector.reviewable(
            (*found.overdue, *found.ahead, *found.never),
            access.reach(actor_of(request), Permission.APPROVE),
        ),
    }
    return framed(request, "reviews.html", context, environments=places)


@require_http_methods(["GET", "POST"])
@page
def review(request: HttpRequest, environment: str, name: str, number: int) -> HttpResponse:
    """Say whether a version that answers may go on."""
    places = place_of(request, environment)
    found = version_page.find(name, number, places)
    access.require(
        actor_of(request), Permission.APPROVE, environment=places[0], group=found.model.group
    )
    form, error = request.POST, None
    if request.method == "POST":
        try:
            service.review(
                environment=environment,
                model=name,
                version=number,
                outcome=form.get("outcome", ""),
                comment=text_of(form, "comment"),
                next_by=_day(form),
                user=user_of(request),
                actor=actor_of(request),
            )
        except GovernanceError as refusal:
            error = refusal
        else:
            messages.success(request, "Reviewed. The next one counts from now on.")
            return HttpResponseRedirect(reverse("reviews"))
    rows = found.deployments.filter(environment=places[0])
    context = {
        "nav": "findings",
        "version": found,
        "place": places[0],
        "live": next(iter(selector.answering(rows)), None),
        "outcomes": LiveReview.Outcome.choices,
        "form": form,
        "today": timezone.now().date(),
    }
    return framed(request, "review_live.html", context, error=error)


def _day(form: QueryDict) -> date | None:
    text = form.get("next_by", "")
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        message = "Say by when to look again, or leave it out."
        raise Invalid(message, next_by="must be a day, such as 2026-12-24") from None
