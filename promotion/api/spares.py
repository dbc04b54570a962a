"""The version that answers when the champion fails, over HTTP."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from governance.api.authentication import actor_of
from governance.api.base import ApiView
from promotion.api.bodies import ReasonIn, SpareIn
from promotion.models import Deployment
from promotion.services import spares


class SpareView(ApiView):
    """A former champion that stays loaded beside the champion."""

    @extend_schema(operation_id="name_spare", request=SpareIn, responses=OpenApiTypes.OBJECT)
    def post(self, request: HttpRequest, environment: str, model: str) -> Response:
        """Let a former champion answer when the champion fails; the spare before is retired."""
        body = SpareIn(data=request.data)
        body.is_valid(raise_exception=True)
        row = spares.name_spare(
            environment=environment, model=model, actor=actor_of(request), **body.validated_data
        )
        return Response(_out(row))

    @extend_schema(operation_id="drop_spare", request=ReasonIn, responses=OpenApiTypes.OBJECT)
    def delete(self, request: HttpRequest, environment: str, model: str) -> Response:
        """Retire the spare. The body gives the reason: ``{"reason": ...}``."""
        body = ReasonIn(data=request.data)
        body.is_valid(raise_exception=True)
        row = spares.drop_spare(
            environment=environment, model=model, actor=actor_of(request), **body.validated_data
        )
        return Response(_out(row))


def _out(row: Deployment) -> dict[str, object]:
    return {
        "environment": row.environment.slug,
        "model": row.model.name,
        "version": row.version.number,
        "state": row.state,
        "role": row.role,
        "hold": row.hold,
    }
