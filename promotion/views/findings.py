"""Findings: what is open and what was, recording one and closing it."""

from datetime import date
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from governance import access
from governance.access import Permission
from governance.errors import GovernanceError, Invalid
from promotion.models import Finding
from promotion.selectors import findings as selector
from promotion.selectors import version_page
from promotion.services import findings as service
from promotion.views.frame import actor_of, framed, page, text_of, user_of, visible
from registry.models import ModelVersion


@require_GET
@page
def findings(request: HttpRequest) -> HttpResponse:
    """What is overdue and open, and what was closed; of everybody, or mine."""
    places, actor = visible(request), actor_of(request)
    mine = "mine" in request.GET
    found = selector.shown(
        places.reach, owner=actor.person if mine else "", today=timezone.now().date()
    )
    context = {
        "nav": "findings",
        "findings": found,
        "mine": mine,
        "closable": selector.closable(
            (*found.overdue, *found.open),
            reviewed=access.reach(actor, Permission.RECORD_FINDINGS),
            person=actor.person,
        ),
    }
    return framed(request, "findings.html", context, environments=places)


@require_http_methods(["GET", "POST"])
@page
def record(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Hold something against a version."""
    found = version_page.find(name, number, visible(request))
    _require(request, found)
    form, error = request.POST or request.GET, None
    if request.method == "POST":
        try:
            made = _record(request, found)
        except GovernanceError as refusal:
            error = refusal
        else:
            messages.success(request, f"The finding is recorded. {made.owner_name} sees to it.")
            return HttpResponseRedirect(_back(found) + f"#finding-{made.pk}")
    context = {
        "nav": "models",
        "version": found,
        "requests": selector.conditional(found),
        "owners": selector.owners(found),
        "severities": Finding.Severity.values,
        "form": form,
        "today": timezone.now().date(),
    }
    return framed(request, "record_finding.html", context, error=error)


@require_http_methods(["GET", "POST"])
@page
def close(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Find that it is resolved."""
    found = selector.find(selector.findings(visible(request).reach), pk)
    _require(request, found.version)
    form, error = request.POST, None
    if request.method == "POST":
        try:
            service.close_finding(
                finding_id=pk,
                resolution=text_of(form, "resolution"),
                evidence=form.get("evidence", ""),
                user=user_of(request),
                actor=actor_of(request),
            )
        except GovernanceError as refusal:
            error = refusal
        else:
            messages.success(request, "The finding is closed.")
            return HttpResponseRedirect(f"{reverse('findings')}#finding-{pk}")
    context = {"nav": "findings", "finding": found, "form": form}
    return framed(request, "close_finding.html", context, error=error)


def _record(request: HttpRequest, version: ModelVersion) -> Finding:
    form = request.POST
    return service.record_finding(
        model=version.model.name,
        version=version.number,
        severity=form.get("severity", ""),
        title=form.get("title", ""),
        text=text_of(form, "text"),
        owner=form.get("owner", ""),
        due=_day(form),
        blocks="blocks" in form,
        condition_of=_id(form),
        user=user_of(request),
        actor=actor_of(request),
    )


def _require(request: HttpRequest, version: ModelVersion) -> None:
    actor, group = actor_of(request), version.model.group
    if not access.reach(actor, Permission.RECORD_FINDINGS).covers(group=group):
        access.require(actor, Permission.RECORD_FINDINGS, group=group)


def _day(form: QueryDict) -> date:
    try:
        return date.fromisoformat(form.get("due", ""))
    except ValueError:
        message = "Say by when it has to be resolved."
        raise Invalid(message, due="must be a day, such as 2026-12-24") from None


def _id(form: QueryDict) -> UUID | None:
    text = form.get("condition_of", "")
    try:
        return UUID(text) if text else None
    except ValueError:
        message = "There is no such promotion of this version."
        raise Invalid(message, condition_of="must be one of those listed") from None


def _back(version: ModelVersion) -> str:
    return reverse("version", args=[version.model.name, version.number])
