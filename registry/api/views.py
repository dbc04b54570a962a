"""HTTP entry points of ``registry``. Parse, call one service, render."""

from collections.abc import Mapping
from typing import IO, Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from governance import access, names
from governance.access import Permission
from governance.api import pagination, parsing
from governance.api.authentication import actor_of
from governance.api.base import ApiView
from governance.errors import Invalid
from registry import manifests, selectors
from registry.api import serializers, uploads
from registry.models import ModelVersion
from registry.services import attestations, blobs, registered_models, versions
from registry.services.registered_models import Description

PAGED = [OpenApiParameter(name) for name in pagination.PARAMETERS]
PREFIX = "sha256:"


class ExactJSON(BaseParser):
    """The bytes of a JSON document as they came: its digest is what counts."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,  # noqa: ARG002 - the framework's
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002 - the framework's
    ) -> Any:
        return stream.read(manifests.MANIFEST_BYTES + 1)


class BlobView(ApiView):
    """Bytes by their digest. Agents read them by a view of ``promotion``."""

    @extend_schema(
        operation_id="upload_blob",
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses={200: serializers.BlobOut, 201: serializers.BlobOut},
    )
    def put(self, request: Request, name: str) -> Response:
        """Upload bytes: 201, or 200 when they are there. Half an upload leaves nothing."""
        sha256 = digest_of(name)
        length = uploads.length_of(request)
        with uploads.place():
            received = blobs.receive(
                sha256=sha256,
                chunks=uploads.chunks_of(request, length=length),
                length=length,
                actor=actor_of(request),
            )
        code = status.HTTP_201_CREATED if received.is_new else status.HTTP_200_OK
        return Response(serializers.BlobOut(received.blob).data, status=code)

    @extend_schema(
        operation_id="find_blob", responses={200: OpenApiResponse(description="It is there.")}
    )
    def head(self, request: Request, name: str) -> Response:
        """Tell whether bytes are there, and how many."""
        access.require(actor_of(request), Permission.VIEW)
        blob = selectors.blob(digest_of(name))
        headers = {"Content-Length": str(blob.size), "ETag": f'"{blob.sha256}"'}
        return Response(headers=headers)


class ModelsView(ApiView):
    """Registered models."""

    @extend_schema(operation_id="list_models", parameters=PAGED, responses=serializers.ModelPageOut)
    def get(self, request: Request) -> Response:
        """List the models the caller may see."""
        parsing.query(request, *pagination.PARAMETERS)
        actor = actor_of(request)
        access.require(actor, Permission.VIEW)
        page = pagination.cut(selectors.models(actor), request=request, by="name")
        return Response(page.body(lambda model: serializers.ModelOut(model).data))

    @extend_schema(
        operation_id="register_model",
        request=serializers.ModelIn,
        responses={201: serializers.ModelOut},
    )
    def post(self, request: Request) -> Response:
        """Register a model. Its name is for good."""
        body = serializers.ModelIn(data=request.data)
        body.is_valid(raise_exception=True)
        fields: dict[str, Any] = body.validated_data
        name = fields.pop("name")
        model = registered_models.register_model(
            name=name, description=Description(**fields), actor=actor_of(request)
        )
        headers = {"Location": f"/api/v1/models/{name}"}
        answer = serializers.ModelOut(model).data
        return Response(answer, status=status.HTTP_201_CREATED, headers=headers)


class ModelView(ApiView):
    """One registered model."""

    @extend_schema(operation_id="show_model", responses=serializers.ModelOut)
    def get(self, request: Request, model: str) -> Response:
        """Show a model."""
        found = selectors.model(model, actor=actor_of(request))
        return Response(serializers.ModelOut(found).data)


class VersionsView(ApiView):
    """A model's versions."""

    def get_parsers(self) -> list[BaseParser]:
        return [ExactJSON()]

    @extend_schema(
        operation_id="list_versions", parameters=PAGED, responses=serializers.VersionPageOut
    )
    def get(self, request: Request, model: str) -> Response:
        """List a model's versions, the newest first."""
        parsing.query(request, *pagination.PARAMETERS)
        found = selectors.model(model, actor=actor_of(request))
        rows = selectors.versions(found)
        page = pagination.cut(rows, request=request, by="number", newest_first=True)
        return Response(page.body(lambda version: serializers.VersionOut(version).data))

    @extend_schema(
        operation_id="register_version",
        request={"application/json": OpenApiTypes.OBJECT},
        responses={200: serializers.VersionDetailOut, 201: serializers.VersionDetailOut},
    )
    def post(self, request: Request, model: str) -> Response:
        """Register a version: the body is its manifest. 201, or 200 for the same bytes again."""
        actor = actor_of(request)
        found = selectors.model(model, actor=actor)
        manifest = request.data if isinstance(request.data, bytes) else b""
        registered = versions.register_version(model=found, manifest=manifest, actor=actor)
        number = registered.version.number
        return Response(
            version_out(registered.version),
            status=status.HTTP_201_CREATED if registered.is_new else status.HTTP_200_OK,
            headers={"Location": f"/api/v1/models/{model}/versions/{number}"},
        )


class VersionView(ApiView):
    """One version."""

    @extend_schema(operation_id="show_version", responses=serializers.VersionDetailOut)
    def get(self, request: Request, model: str, number: int) -> Response:
        """Show a version; ``status`` is inspecting, ready, or rejected with reasons."""
        return Response(version_out(find_version(request, model, number)))


class AttestationsView(ApiView):
    """Evidence that came after the manifest."""

    @extend_schema(
        operation_id="attest_version",
        request=serializers.AttestationIn,
        responses={200: serializers.AttestationOut, 201: serializers.AttestationOut},
    )
    def post(self, request: Request, model: str, number: int) -> Response:
        """Put evidence beside a version: 201, or 200 for the same document again."""
        body = serializers.AttestationIn(data=request.data)
        body.is_valid(raise_exception=True)
        attested = attestations.attest(
            version=find_version(request, model, number),
            actor=actor_of(request),
            **body.validated_data,
        )
        code = status.HTTP_201_CREATED if attested.is_new else status.HTTP_200_OK
        return Response(serializers.AttestationOut(attested.attestation).data, status=code)


def find_version(request: Request, model: str, number: int) -> ModelVersion:
    """Return the version a path names, if the caller may see it.

    Raises:
        NotFound: there is none, or none for this caller.
    """
    found = selectors.model(model, actor=actor_of(request))
    if number >= 2**31:  # More than the column holds.
        number = 0
    return selectors.version(found, number)


def version_out(version: ModelVersion) -> dict[str, Any]:
    """Render everything the registry knows of a version."""
    return dict(serializers.VersionDetailOut(version).data)


def digest_of(name: str) -> str:
    """Read ``sha256:<hex>``.

    Raises:
        Invalid: ``bad_digest``.
    """
    sha256 = name.removeprefix(PREFIX)
    if not name.startswith(PREFIX) or not names.is_sha256(sha256):
        message = "Bytes are named sha256: and 64 lower-case hexadecimal digits."
        raise Invalid(message, code="bad_digest")
    return sha256
