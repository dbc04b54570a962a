"""Every component with an example, in debug only."""

from datetime import timedelta
from types import SimpleNamespace

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from promotion import proportions
from promotion.views.frame import framed, page

STATES = (
    "trained",
    "dark",
    "champion",
    "candidate",
    "bake",
    "spare",
    "retired",
    "flight",
    "passed",
    "waiting",
    "failed",
    "unknown",
    "excused",
)


@require_GET
@page
def styleguide(request: HttpRequest) -> HttpResponse:
    """Show what pages are made of."""
    now = timezone.now()
    context = {
        "states": STATES,
        "digest": "ab12f0" * 10 + "beef",
        "moments": [now, now - timedelta(minutes=3), now - timedelta(days=40)],
        "share": proportions.exact(149, 48_201),
        "gate": SimpleNamespace(
            name="Compared on real traffic",
            verdict="waiting",
            shape="waiting",
            reason="It has 588 of 1,000 paired transactions.",
            remedy="Wait for more mirrored traffic.",
            facts=[("pairs", 588), ("minimum", 1_000)],
        ),
        "event": SimpleNamespace(
            actor="bram",
            words="approved",
            shape="approved",
            note="",
            environment="prod-eu",
            said="Read the report; the flips are where we want them.",
            at=now - timedelta(minutes=3),
            seq=41,
        ),
        "change": SimpleNamespace(name="auc", before=0.772, after=0.781, delta=0.009, better=True),
        "error": SimpleNamespace(message="The request is no longer what you were shown.", code=""),
        "problems": {"comment": "must not be blank"},
        "nav": "",
    }
    return framed(request, "styleguide.html", context)
