"""The report of an environment or a period over HTTP: JSON, one HTML file, or a bundle."""

from collections.abc import Mapping

from django.http import FileResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from governance import access
from governance.api.authentication import actor_of
from governance.api.base import ApiView
from governance.api.parsing import query
from governance.services import access_log
from promotion.api.lineage import Bundle, CanonicalJSON
from promotion.lineage_scope import schema
from promotion.services import lineage_scope
from promotion.services.lineage import POLICY

PARAMETERS = [
    OpenApiParameter("from", OpenApiTypes.DATETIME, description="from when"),
    OpenApiParameter("to", OpenApiTypes.DATETIME, description="to before when"),
    OpenApiParameter("as_of", OpenApiTypes.DATETIME, description="as of when"),
    OpenApiParameter("size", OpenApiTypes.INT64, description="of so many entries"),
]
ANSWERS = {
    (200, "application/json"): OpenApiTypes.OBJECT,
    (200, "text/html"): OpenApiTypes.STR,
    (200, "application/zip"): OpenApiTypes.BINARY,
}


class OneFile(BaseRenderer):
    """The report for people: one HTML file that needs nothing else."""

    media_type = "text/html"
    format = "html"
    charset = "utf-8"

    def render(self, data: object, *_context: object) -> str:
        return lineage_scope.as_html(data) if isinstance(data, Mapping) else ""


class ScopeView(ApiView):
    """Everything on record about a place and a period."""

    renderer_classes = (CanonicalJSON, OneFile, Bundle)

    def answer(self, request: HttpRequest, environment: str) -> HttpResponseBase:
        """Make the report in the form that is accepted. Reading it is noted in the access log."""
        actor = actor_of(request)
        given = query(request, *lineage_scope.PARAMETERS)
        asked = lineage_scope.read(given, now=timezone.now())
        headers = {"Content-Security-Policy": POLICY, "Vary": "Accept"}
        response: HttpResponseBase
        if request.accepted_renderer.format == "zip":
            file, document = lineage_scope.bundle_file(environment, asked, actor)
            name = f"{environment or 'lockgate'}-audit.zip"
            response = FileResponse(
                file, as_attachment=True, filename=name, headers={"Vary": "Accept"}
            )
        else:
            document = lineage_scope.report(environment, asked, actor)
            response = Response(document, headers=headers)
        access_log.note(
            kind=access_log.LOG_READ,
            principal=actor.label,
            address=request.META.get("REMOTE_ADDR"),
            detail=f"audit report of {environment or 'everything'}: {document['report_id']}",
        )
        return response


class ReportSchemaView(ApiView):
    """What an audit report looks like."""

    @extend_schema(operation_id="show_audit_report_schema", responses=OpenApiTypes.OBJECT)
    def get(self, request: HttpRequest) -> Response:
        """Show the JSON schema of an audit report."""
        access.require(actor_of(request), access.Permission.VIEW)
        return Response(schema.schema())


class EnvironmentReportView(ScopeView):
    """The report of one environment."""

    @extend_schema(operation_id="show_environment_report", parameters=PARAMETERS, responses=ANSWERS)
    def get(self, request: HttpRequest, slug: str) -> HttpResponseBase:
        """Report what changed in an environment, who decided it and what answered when."""
        return self.answer(request, slug)


class PeriodReportView(ScopeView):
    """The report of everything."""

    @extend_schema(operation_id="show_audit_report", parameters=PARAMETERS, responses=ANSWERS)
    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Report what changed in a period, everywhere."""
        return self.answer(request, "")
