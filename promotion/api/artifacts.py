"""What agents and pipelines ask of the registry where an answer needs both apps."""

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from governance import access
from governance.api.authentication import actor_of
from governance.errors import Forbidden
from promotion.api.agents import agent_of
from promotion.api.negotiation import AnyAccept
from promotion.selectors import documents, states
from registry.api import views as registry
from registry.services import blobs


class BlobView(registry.BlobView):
    """Bytes by their digest: pipelines upload them, agents read what their target names."""

    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="read_blob",
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, name: str) -> StreamingHttpResponse:
        """Give an agent bytes its target names, and nobody else anything.

        The refusal is the same whether or not the bytes exist.
        """
        sha256 = registry.digest_of(name)
        agent = agent_of(request)
        if not states.names_blob(agent.target, sha256):
            message = "The state of this agent's target does not name these bytes."
            raise Forbidden(message, code="not_named_by_target")
        reader = blobs.open_blob(sha256)
        response = StreamingHttpResponse(reader, content_type="application/octet-stream")
        response["Content-Length"] = str(reader.size)
        return response


class VersionView(registry.VersionView):
    """One version, with its state in each environment."""

    @extend_schema(operation_id="show_version", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, model: str, number: int) -> Response:
        """Show everything known of a version, and where it is in which state."""
        version = registry.find_version(request, model, number)
        seen = access.reach(actor_of(request))
        return Response(
            {
                **registry.version_out(version),
                "deployments": documents.states_of(version.pk, seen=seen),
            }
        )
