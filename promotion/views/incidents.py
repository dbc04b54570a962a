"""Incidents: what is open and what was, opening one and closing it."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from governance import access
from governance.access import Permission
from governance.errors import GovernanceError
from governance.models import Environment
from promotion.models import Incident
from promotion.selectors import incidents as selector
from promotion.selectors import model_page
from promotion.services import incidents as service
from promotion.views.frame import actor_of, framed, page, text_of, visible
from registry.models import RegisteredModel


@require_GET
@page
def incidents(request: HttpRequest) -> HttpResponse:
    """What is open now, and what was; of one environment where one is named."""
    places, named = visible(request), request.GET.get("environment", "")
    wanted = places.only(named) if named else places
    context = {
        "nav": "incidents",
        "incidents": selector.shown(wanted),
        "place": wanted[0] if named and wanted else None,
        "handled": {place.pk for place in _handled(request)},
    }
    return framed(request, "incidents.html", context, environments=places)


@require_http_methods(["GET", "POST"])
@page
def open_one(request: HttpRequest) -> HttpResponse:
    """Say what is wrong."""
    places = _handled(request)
    if not places:
        access.require(actor_of(request), Permission.HANDLE_INCIDENTS)
    form = request.POST or request.GET
    error: GovernanceError | None = None
    if request.method == "POST":
        try:
            made = service.open_incident(
                environment=form.get("environment", ""),
                model=form.get("model", ""),
                severity=form.get("severity", ""),
                title=form.get("title", ""),
                detail=text_of(form, "detail"),
                actor=actor_of(request),
            )
        except GovernanceError as refusal:
            error = refusal
        else:
            messages.success(request, "The incident is open. Everybody sees it in the red bar.")
            return HttpResponseRedirect(f"{reverse('incidents')}#incident-{made.pk}")
    context = {
        "nav": "incidents",
        "places": places,
        "models": RegisteredModel.objects.filter(model_page.within(visible(request))).values_list(
            "name", flat=True
        ),
        "severities": Incident.Severity.values,
        "form": form,
    }
    return framed(request, "open_incident.html", context, error=error)


@require_http_methods(["GET", "POST"])
@page
def close(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Say that it is over, and how."""
    found = selector.find(selector.incidents(visible(request).reach), pk)
    access.require(
        actor_of(request),
        Permission.HANDLE_INCIDENTS,
        environment=found.environment,
        group=found.model.group if found.model else None,
    )
    resolution = text_of(request.POST, "resolution")
    error: GovernanceError | None = None
    if request.method == "POST":
        try:
            service.close_incident(incident_id=pk, resolution=resolution, actor=actor_of(request))
        except GovernanceError as refusal:
            error = refusal
        else:
            messages.success(request, "The incident is closed.")
            return HttpResponseRedirect(f"{reverse('incidents')}#incident-{pk}")
    context = {
        "nav": "incidents",
        "incident": found,
        "resolution": resolution,
    }
    return framed(request, "close_incident.html", context, error=error)


def _handled(request: HttpRequest) -> list[Environment]:
    """Environments in which this person opens and closes incidents, of some models at least."""
    return list(access.environments(actor_of(request), Permission.HANDLE_INCIDENTS))
