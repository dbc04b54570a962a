"""A running rollout over HTTP: hold it, let it go on, end it."""

from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from governance.api.authentication import actor_of
from governance.api.base import ApiView
from promotion.api.bodies import ReasonIn
from promotion.models import Request
from promotion.selectors import documents
from promotion.services import steering


class PauseView(ApiView):
    """Holding a rollout."""

    @extend_schema(operation_id="pause_rollout", request=ReasonIn, responses=OpenApiTypes.OBJECT)
    def post(self, request: HttpRequest, pk: UUID) -> Response:
        """Let a rollout take no step until it is resumed; its guards watch on."""
        reason = _reason(request)
        return _shown(steering.pause(rollout_id=pk, reason=reason, actor=actor_of(request)))


class ResumeView(ApiView):
    """Letting a rollout go on."""

    @extend_schema(operation_id="resume_rollout", request=ReasonIn, responses=OpenApiTypes.OBJECT)
    def post(self, request: HttpRequest, pk: UUID) -> Response:
        """Let a paused rollout go on, or one that halted, without the answers it lacked."""
        reason = _reason(request)
        return _shown(steering.resume(rollout_id=pk, reason=reason, actor=actor_of(request)))


class AbortView(ApiView):
    """Ending a rollout."""

    @extend_schema(operation_id="abort_rollout", request=ReasonIn, responses=OpenApiTypes.OBJECT)
    def post(self, request: HttpRequest, pk: UUID) -> Response:
        """Put the version back where it was; after the switch to all this is a rollback.

        The answer is the request that says how it ended: the rollout's, or the rollback's.
        """
        reason = _reason(request)
        return _shown(steering.abort(rollout_id=pk, reason=reason, actor=actor_of(request)))


def _reason(request: HttpRequest) -> str:
    body = ReasonIn(data=request.data)
    body.is_valid(raise_exception=True)
    return str(body.validated_data["reason"])


def _shown(row: Request) -> Response:
    return Response(documents.of_request(documents.requests().get(pk=row.pk)))
