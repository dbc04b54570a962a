"""The report of an environment or a period as a page: asked for, read, printed, taken away."""

from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_GET

from governance import access
from governance.access import Permission
from governance.actors import Actor
from governance.errors import Forbidden, GovernanceError, NotFound
from governance.models import Environment
from governance.services import access_log
from promotion.services import lineage_scope
from promotion.services.lineage import POLICY
from promotion.views.frame import actor_of, framed, page

FIELDS = ("environment", "from", "to", "as_of")
FORMS = ("html", "zip")


@require_GET
@page
def reports(request: HttpRequest) -> HttpResponse:
    """Ask for a report; one that is asked for is shown, or saved as a bundle."""
    actor = actor_of(request)
    places = list(access.environments(actor, Permission.AUDIT, group=""))
    whole = access.allowed(actor, Permission.AUDIT)
    if not places and not whole:
        access.require(actor, Permission.AUDIT)
    form = {name: request.GET.get(name, "").strip() for name in FIELDS}
    error: GovernanceError | None = None
    if (kind := request.GET.get("form", "")) in FORMS:
        try:
            return _made(request, form, actor, as_bundle=kind == "zip")
        except Forbidden:
            raise  # The frame notes it.
        except GovernanceError as refusal:
            error = refusal
    context = {"nav": "audit", "tab": "reports", "places": places, "whole": whole, "form": form}
    return framed(request, "lineage_scope/ask.html", context, error=error)


def _made(
    request: HttpRequest, form: dict[str, str], actor: Actor, *, as_bundle: bool
) -> HttpResponse:
    environment = form["environment"]
    if environment and not Environment.objects.filter(slug=environment).exists():
        message = f"There is no environment {environment[:63]}."
        raise NotFound(message, code="unknown_environment")
    asked = lineage_scope.read({**form, "size": ""}, now=timezone.now())
    response: HttpResponseBase
    if as_bundle:
        file, document = lineage_scope.bundle_file(environment, asked, actor)
        name = f"{environment or 'lockgate'}-audit.zip"
        response = FileResponse(file, as_attachment=True, filename=name)
    else:
        document = lineage_scope.report(environment, asked, actor)
        response = HttpResponse(lineage_scope.as_html(document))
        response["Content-Security-Policy"] = POLICY
    access_log.note(
        kind=access_log.LOG_READ,
        principal=actor.label,
        address=request.META.get("REMOTE_ADDR"),
        detail=f"audit report of {environment or 'everything'}: {document['report_id']}",
    )
    return response  # type: ignore[return-value]  # a file is streamed; pages are not told apart
