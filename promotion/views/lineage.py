"""The lineage report as a page: read, printed and saved as it is."""

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from governance.services import access_log
from promotion.services import lineage
from promotion.views.frame import actor_of, page


@require_GET
@page
def report(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Show the report of a version, as of now or as asked; ``?download=1`` saves it as one file."""
    actor = actor_of(request)
    asked = lineage.as_of(request.GET.dict(), now=timezone.now())
    document = lineage.report(name, number, actor, as_of=asked)
    access_log.note(
        kind=access_log.LOG_READ,
        principal=actor.label,
        address=request.META.get("REMOTE_ADDR"),
        detail=f"lineage of {name} {number}: {document['report_id']}",
    )
    response = HttpResponse(lineage.as_html(document))
    response["Content-Security-Policy"] = lineage.POLICY
    if request.GET.get("download") == "1":
        response["Content-Disposition"] = f'attachment; filename="{name}-{number}-lineage.html"'
    return response
