"""The lineage report over HTTP: JSON, or one HTML file by ``Accept: text/html``."""

from collections.abc import Mapping

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from governance.api.authentication import actor_of
from governance.api.base import ApiView
from governance.api.parsing import query
from governance.services import access_log
from promotion.lineage.body import canonical
from promotion.services import lineage


class CanonicalJSON(BaseRenderer):
    """RFC 8785, so that the report's id can be derived from the very bytes that are sent."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: object, *_context: object) -> bytes:
        return canonical(dict(data)) if isinstance(data, Mapping) else b""


class OneFile(BaseRenderer):
    """The same report for people: one HTML file that needs nothing else."""

    media_type = "text/html"
    format = "html"
    charset = "utf-8"

    def render(self, data: object, *_context: object) -> str:
        return lineage.as_html(data) if isinstance(data, Mapping) else ""


class LineageView(ApiView):
    """Everything that is on record about one version."""

    renderer_classes = (CanonicalJSON, OneFile)

    @extend_schema(
        operation_id="show_lineage",
        parameters=[
            OpenApiParameter("as_of", OpenApiTypes.DATETIME, description="as of when"),
            OpenApiParameter("size", OpenApiTypes.INT64, description="of so many entries"),
        ],
        responses={
            (200, "application/json"): OpenApiTypes.OBJECT,
            (200, "text/html"): OpenApiTypes.STR,
        },
    )
    def get(self, request: HttpRequest, name: str, number: int) -> Response:
        """Make the lineage report of a version. Reading it is noted in the access log."""
        actor = actor_of(request)
        asked = lineage.as_of(query(request, "as_of", "size"), now=timezone.now())
        document = lineage.report(name, number, actor, as_of=asked)
        access_log.note(
            kind=access_log.LOG_READ,
            principal=actor.label,
            address=request.META.get("REMOTE_ADDR"),
            detail=f"lineage of {name} {number}: {document['report_id']}",
        )
        return Response(
            document,
            headers={"Content-Security-Policy": lineage.POLICY, "Vary": "Accept"},
        )
