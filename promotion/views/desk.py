"""The auditor's desk: what changed, samples of it, who could do what and did, what is owed."""

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from governance.access import Permission
from governance.audit import checkpoints, sampling
from governance.audit import population as populations
from governance.exports import Listing
from governance.models import Environment
from governance.periods import Period
from governance.services import access_digests
from promotion import charts, desk, duties
from promotion.selectors import listings, owed, rights, samples, segregation
from promotion.views.auditing import asked_of, shown
from promotion.views.frame import page
from registry.models import RegisteredModel


@require_GET
@page
def overview(request: HttpRequest) -> HttpResponse:
    """Gather on one page what an auditor looks at first."""
    now, asked = timezone.now(), asked_of(request, *desk.PERIOD)
    period = desk.period(asked, now=now)
    found = populations.population(period, now=now)
    return shown(
        request,
        "audit/desk.html",
        asked=asked,
        listing=lambda: listings.population(found),
        context={
            **_pictured(found),
            "segregation": segregation.segregation(period),
            "due": owed.due(now=now),
            "sealing": checkpoints.sealing(),
            "access_sealed_until": access_digests.sealed_until(),
            "tab": "desk",
        },
    )


@require_GET
@page
def population(request: HttpRequest) -> HttpResponse:
    """Count all changes of a period by type, and show that none is missing."""
    now, asked = timezone.now(), asked_of(request, *desk.PERIOD, "size")
    period, size = desk.period(asked, now=now), desk.number(asked, "size")
    found = populations.population(period, now=now, size=size)
    return shown(
        request,
        "audit/population.html",
        asked=asked,
        listing=lambda: listings.population(found),
        context={**_pictured(found), "most": populations.MOST_ROWS, "tab": "population"},
    )


@require_GET
@page
def sample(request: HttpRequest) -> HttpResponse:
    """Draw a sample of changes: by a seed that is shown, so that it can be drawn again."""
    now, asked = timezone.now(), asked_of(request, *desk.SAMPLE)
    limit = samples.limit()
    of = desk.population(asked, size=limit, now=now)
    seed, wanted = desk.seed(asked), desk.sample_size(asked)
    found = samples.sample(of, seed=seed, wanted=wanted) if seed else None
    return shown(
        request,
        "audit/sample.html",
        asked=asked,
        listing=lambda: _drawn(samples.sample(of, seed=seed, wanted=wanted)),
        context={
            "sample": found,
            "of": of,
            "wanted": wanted,
            "seed": seed or sampling.fresh_seed(),
            "limit": limit,
            "is_sealed": checkpoints.newest() is not None,
            "method": sampling.METHOD,
            "most": sampling.MOST,
            "kinds": desk.FAMILIES,
            "environments": list(Environment.objects.values_list("slug", flat=True)),
            "models": list(RegisteredModel.objects.values_list("name", flat=True)),
            "who": sampling.WHO,
            "tab": "samples",
            **_days(of.period),
        },
    )


@require_GET
@page
def could(request: HttpRequest) -> HttpResponse:
    """Show who could do what at a moment, as the log tells."""
    asked = asked_of(request, *desk.RIGHTS)
    found = rights.rights_at(
        desk.moment(asked, now=timezone.now()),
        person=desk.text(asked, "person"),
        environment=desk.text(asked, "environment"),
        permission=desk.permission(asked),
    )
    return shown(
        request,
        "audit/rights.html",
        asked=asked,
        listing=lambda: listings.rights(found),
        context={
            "rights": found,
            "environments": list(Environment.objects.values_list("slug", flat=True)),
            "permissions": list(Permission),
            "tab": "rights",
        },
    )


@require_GET
@page
def did(request: HttpRequest) -> HttpResponse:
    """Show who asked, made, signed and carried out the same change."""
    now, asked = timezone.now(), asked_of(request, *desk.DUTIES)
    found = segregation.segregation(desk.period(asked, now=now), person=desk.text(asked, "person"))
    return shown(
        request,
        "audit/duties.html",
        asked=asked,
        listing=lambda: listings.segregation(found),
        context={
            "segregation": found,
            "duties": duties.DUTIES,
            "most": segregation.MOST,
            "tab": "duties",
            **_days(found.period),
        },
    )


@require_GET
@page
def due(request: HttpRequest) -> HttpResponse:
    """Show reviews that are owed, and waivers that end."""
    asked = asked_of(request)
    found = owed.due(now=timezone.now())
    return shown(
        request,
        "audit/owed.html",
        asked=asked,
        listing=lambda: listings.owed(found),
        context={
            "due": found,
            "most": owed.MOST,
            "soon": owed.SOON,
            "past": owed.PAST,
            "tab": "owed",
        },
    )


def _drawn(found: samples.Sample) -> Listing:
    return listings.sample(found.drawn, found.events)


def _pictured(found: populations.Population) -> dict[str, object]:
    """A population with its picture."""
    first, last = found.period.first_day, found.period.last_day
    chart = charts.by_day(found.days, first=first, last=last)
    return {"population": found, "chart": chart, **_days(found.period)}


def _days(period: Period) -> dict[str, object]:
    """What the fields of a period say: its first and its last day."""
    return {
        "period": period,
        "since": period.first_day.isoformat(),
        "until": (period.until - timedelta(microseconds=1)).date().isoformat(),
    }
