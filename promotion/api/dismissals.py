"""Retiring for good what was taken away, over HTTP."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from governance.api.authentication import actor_of
from governance.api.base import ApiView
from promotion.api.bodies import ReasonIn
from promotion.services import dismissals


class DismissView(ApiView):
    """A version that a rollback, a guard, a refusal or an incident took away."""

    @extend_schema(operation_id="dismiss_version", request=ReasonIn, responses=OpenApiTypes.OBJECT)
    def post(self, request: HttpRequest, environment: str, model: str, number: int) -> Response:
        """Retire it for good: its files leave the agents, and no rollback brings it back."""
        body = ReasonIn(data=request.data)
        body.is_valid(raise_exception=True)
        row = dismissals.dismiss(
            environment=environment,
            model=model,
            version=number,
            actor=actor_of(request),
            **body.validated_data,
        )
        return Response(
            {
                "environment": environment,
                "model": model,
                "version": number,
                "state": row.state,
                "hold": row.hold,
            }
        )
