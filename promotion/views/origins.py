"""Pages of lineage: what was made of what, one data set, and what is around one version."""

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from governance.errors import GovernanceError, NotFound
from governance.names import is_sha256
from promotion import origins
from promotion.origins import Origin
from promotion.selectors import family_picture, origin_pages, relations
from promotion.views.frame import framed, page, visible
from registry.manifests.lineage import LARGEST_NUMBER


@require_GET
@page
def find(request: HttpRequest) -> HttpResponse:
    """Find versions by what they were made of; without a question, list the data there is."""
    places, now = visible(request), timezone.now()
    form = {name: request.GET.get(name, "") for name in origins.PARAMETERS}
    error: GovernanceError | None = None
    asked = Origin()
    try:
        asked = origins.read(form)
    except GovernanceError as refusal:
        error = refusal
    found = None if error else origin_pages.found(asked, places, now=now)
    context = {"nav": "models", "form": form, "asked": asked, "found": found}
    return framed(request, "origins.html", context, error=error, environments=places)


@require_GET
@page
def data_set(request: HttpRequest, digest: str) -> HttpResponse:
    """Show one data set, and what was made of it."""
    places = visible(request)
    if not is_sha256(digest):
        message = "Data is named by the 64 lower-case hexadecimal digits of its SHA-256."
        raise NotFound(message, code="unknown_data_set")
    found = origin_pages.data_set(digest, places, now=timezone.now())
    return framed(request, "data_set.html", {"nav": "models", "found": found}, environments=places)


@require_GET
@page
def around(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Show what a version comes from, what comes of it, and what retiring it would mean."""
    places = visible(request)
    found = relations.relations(name, min(number, LARGEST_NUMBER), places, now=timezone.now())
    context = {
        "nav": "models",
        "found": found,
        "picture": family_picture.picture(found),
        "families": (
            ("What it comes from", found.ancestors, "No other version, as far as anybody said."),
            ("What comes from it", found.descendants, "No other version, as far as anybody said."),
        ),
    }
    return framed(request, "relations.html", context, environments=places)
