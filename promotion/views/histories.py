"""A lost history: what agents serve, what is decided, and which of the two is right."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from governance import access
from governance.access import Permission
from governance.errors import GovernanceError
from promotion.selectors import histories as selector
from promotion.services import histories
from promotion.views.frame import actor_of, framed, page, text_of


@require_http_methods(["GET", "POST"])
@page
def history(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show both histories; then adopt the agents', or override it."""
    target = selector.lost_target(pk)
    place = target.environment
    access.require(actor_of(request), Permission.OPERATE, environment=place)
    back = f"{reverse('fleet')}#target-{pk}"
    error: GovernanceError | None = None
    if request.method == "POST":
        try:
            decided = histories.decide(
                environment=place.slug,
                tier=target.tier,
                decision=request.POST.get("decision", ""),
                reason=text_of(request.POST, "reason"),
                actor=actor_of(request),
            )
        except GovernanceError as refusal:
            error = refusal
        else:
            generation = f"generation {decided.target.generation:,}"
            messages.success(request, f"Decided. {target} goes on with {generation}.")
            return HttpResponseRedirect(back)
    context = {
        "nav": "fleet",
        "question": selector.question(target, now=timezone.now()),
        "form": request.POST,
        "back": back,
    }
    return framed(request, "history.html", context, error=error)
