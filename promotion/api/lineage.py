"""The lineage report over HTTP: JSON, or by ``Accept`` one HTML file or a bundle with proofs."""

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack

from django.http import FileResponse
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
from promotion.lineage import schema
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


class Bundle(BaseRenderer):
    """The same report with all that proves it, as a zip file. The view sends it itself."""

    media_type = "application/zip"
    format = "zip"
    charset = None

    def render(self, data: object, *_context: object) -> bytes:
        return data if isinstance(data, bytes) else b""


class LineageSchemaView(ApiView):
    """What a lineage report looks like."""

    @extend_schema(operation_id="show_lineage_schema", responses=OpenApiTypes.OBJECT)
    def get(self, request: HttpRequest) -> Response:
        """Show the JSON schema of a lineage report."""
        access.require(actor_of(request), access.Permission.VIEW)
        return Response(schema.schema())


class LineageView(ApiView):
    """Everything that is on record about one version."""

    renderer_classes = (CanonicalJSON, OneFile, Bundle)

    @extend_schema(
        operation_id="show_lineage",
        parameters=[
            OpenApiParameter("as_of", OpenApiTypes.DATETIME, description="as of when"),
            OpenApiParameter("size", OpenApiTypes.INT64, description="of so many entries"),
        ],
        responses={
            (200, "application/json"): OpenApiTypes.OBJECT,
            (200, "text/html"): OpenApiTypes.STR,
            (200, "application/zip"): OpenApiTypes.BINARY,
        },
    )
    def get(self, request: HttpRequest, name: str, number: int) -> Response | FileResponse:
        """Make the lineage report of a version. Reading it is noted in the access log."""
        actor = actor_of(request)
        asked = lineage.as_of(query(request, "as_of", "size"), now=timezone.now())
        if isinstance(request.accepted_renderer, Bundle):
            return self._bundle(request, name, number, asked)
        document = lineage.report(name, number, actor, as_of=asked)
        self._note(request, name, number, document)
        return Response(
            document,
            headers={"Content-Security-Policy": lineage.POLICY, "Vary": "Accept"},
        )

    def _bundle(
        self, request: HttpRequest, name: str, number: int, asked: lineage.AsOf
    ) -> FileResponse:
        """Write a bundle beside memory, as it may be long, and send it when it is whole."""
        is_asked = asked != lineage.AsOf()
        with ExitStack() as stack:
            file = stack.enter_context(tempfile.TemporaryFile())
            document = lineage.bundle(
                file, name, number, actor_of(request), as_of=asked if is_asked else None
            )
            stack.pop_all()  # From here on the response closes it.
        self._note(request, name, number, document)
        file.seek(0)
        filename = f"{name}-{number}-lineage.zip"
        return FileResponse(
            file,
            as_attachment=True,
            filename=filename,
            content_type="application/zip",
            headers={"Vary": "Accept"},
        )

    def _note(
        self, request: HttpRequest, name: str, number: int, document: Mapping[str, object]
    ) -> None:
        access_log.note(
            kind=access_log.LOG_READ,
            principal=actor_of(request).label,
            address=request.META.get("REMOTE_ADDR"),
            detail=f"lineage of {name} {number}: {document['report_id']}",
        )
