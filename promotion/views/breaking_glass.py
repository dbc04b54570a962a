"""Breaking the glass: one person promotes alone, and a second one reviews it."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from governance import access
from governance.access import Permission
from governance.errors import Forbidden, GovernanceError
from promotion.selectors import promotion_page, version_page
from promotion.services import passwords, publishing, requests
from promotion.views.frame import (
    actor_of,
    framed,
    page,
    place_of,
    text_of,
    user_of,
)
from promotion.views.promotions import shown


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@page
def break_glass(request: HttpRequest, environment: str, name: str, number: int) -> HttpResponse:
    """Say what is skipped, what is not, and what is owed; then do it."""
    places = place_of(request, environment)
    version = version_page.find(name, number, places)
    found = publishing.rules_of(places[0].pk, version.model.risk_tier)
    named = frozenset(found[1].break_glass_roles if found else ())
    held = access.roles_of(actor_of(request), environment=places[0], group=version.model.group)
    if not held & named:
        message = "The policy names no role of yours that may break the glass here."
        raise Forbidden(message, code="break_glass_not_allowed")
    error: GovernanceError | None = None
    if request.method == "POST":
        try:
            secret, form = request.POST.get("password", ""), request.POST
            address = request.META.get("REMOTE_ADDR")
            passwords.confirm(user=user_of(request), password=secret, address=address)
            row = requests.break_glass(
                model=name,
                version=number,
                environment=environment,
                reason=text_of(form, "reason"),
                ticket=form.get("ticket", ""),
                user=user_of(request),
                password=secret,
                actor=actor_of(request),
            )
        except GovernanceError as refusal:
            error = refusal
        else:
            messages.success(request, "You broke the glass. Agents load the version now.")
            return HttpResponseRedirect(reverse("promotion", args=[row.pk]))
    context = {
        "nav": "models",
        "version": version,
        "place": places[0],
        "rules": found[1] if found else None,
        "form": request.POST,
    }
    return framed(request, "break_glass.html", context, error=error)


@sensitive_post_parameters("password")
@require_POST
@page
def review(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Record what a second person says of it."""
    found, form = promotion_page.find(pk), request.POST
    access.require(
        actor_of(request),
        Permission.VIEW,
        environment=found.environment,
        group=found.model.group,
    )
    secret = form.get("password", "")
    try:
        passwords.confirm(
            user=user_of(request), password=secret, address=request.META.get("REMOTE_ADDR")
        )
        requests.review(
            request_id=pk,
            user=user_of(request),
            password=secret,
            verdict=form.get("verdict", ""),
            comment=text_of(form, "comment"),
            actor=actor_of(request),
        )
    except GovernanceError as error:
        return shown(request, pk, error=error)
    messages.success(request, "Your review is kept.")
    return HttpResponseRedirect(reverse("promotion", args=[pk]))
