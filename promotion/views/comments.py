"""Commenting on a request, from its page."""

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from governance import access
from governance.access import Permission
from governance.errors import GovernanceError
from promotion.models import Comment
from promotion.selectors import policies, promotion_page
from promotion.services import comments
from promotion.views.frame import actor_of, page, text_of
from promotion.views.policies import shown_request
from promotion.views.promotions import shown

SAID = "Your comment is in the timeline."


@require_POST
@page
def comment(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Say something about a promotion."""
    found = promotion_page.find(pk)
    access.require(
        actor_of(request),
        Permission.VIEW,
        environment=found.environment,
        group=found.model.group,
    )
    if error := _said(request, pk, comments.comment):
        return shown(request, pk, error=error)
    return HttpResponseRedirect(reverse("promotion", args=[pk]) + "#timeline")


@require_POST
@page
def comment_on_policy(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Say something about a policy that waits."""
    found = policies.find_request(pk)
    access.require(actor_of(request), Permission.VIEW, environment=found.environment)
    if error := _said(request, pk, comments.comment_on_policy):
        return shown_request(request, found, error=error)
    return HttpResponseRedirect(reverse("policy_request", args=[pk]) + "#timeline")


def _said(
    request: HttpRequest, pk: UUID, service: Callable[..., Comment]
) -> GovernanceError | None:
    """Keep what the form says; return why it could not be."""
    text = text_of(request.POST, "text")
    try:
        service(request_id=pk, text=text, actor=actor_of(request))
    except GovernanceError as error:
        return error
    messages.success(request, SAID)
    return None
