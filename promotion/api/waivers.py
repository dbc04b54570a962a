"""Waivers over HTTP."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from governance import access
from governance.api.authentication import actor_of
from governance.api.base import ApiView
from governance.errors import Forbidden
from governance.models import User
from promotion.api.bodies import WaiverIn
from promotion.services import waivers


class WaiversView(ApiView):
    """Gates that a risk officer lets pass for one version."""

    @extend_schema(
        operation_id="waive_gate", request=WaiverIn, responses={201: OpenApiTypes.OBJECT}
    )
    def post(self, request: HttpRequest, name: str, number: int) -> Response:
        """Let a gate pass for this version in one environment, until some time."""
        actor = actor_of(request)
        access.require(actor, access.Permission.VIEW)
        body = WaiverIn(data=request.data)
        body.is_valid(raise_exception=True)
        if not isinstance(request.user, User):
            message = "Only a person waives; use a personal token."
            raise Forbidden(message, code="a_person")
        given = waivers.waive(
            model=name, version=number, user=request.user, actor=actor, **body.validated_data
        )
        return Response(
            {
                "id": str(given.pk),
                "gate": given.gate,
                "environment": given.environment.slug,
                "reason": given.reason,
                "waived_by": given.name,
                "at": given.at,
                "expires_at": given.expires_at,
            },
            status=status.HTTP_201_CREATED,
        )
