"""Where a model runs in an environment, over HTTP."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from governance.api.authentication import actor_of
from governance.api.base import ApiView
from promotion.api.bodies import PlacementIn
from promotion.services import placements


class PlacementView(ApiView):
    """The agents that take a model in an environment."""

    @extend_schema(operation_id="place_model", request=PlacementIn, responses=OpenApiTypes.OBJECT)
    def put(self, request: HttpRequest, environment: str, model: str) -> Response:
        """Place a model on the agents with these labels. Without labels it is on all of them."""
        body = PlacementIn(data=request.data)
        body.is_valid(raise_exception=True)
        asked = dict(body.validated_data)
        placed = placements.place(
            environment=environment,
            model=model,
            reason=asked.pop("reason"),
            document=asked,
            actor=actor_of(request),
        )
        return Response(
            {
                "environment": environment,
                "model": model,
                "labels": dict(placed.labels),
                "minimum": placed.minimum,
            }
        )
