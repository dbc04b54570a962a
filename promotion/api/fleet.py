"""Taking agents out of what counts, and letting them back in, over HTTP."""

from collections.abc import Callable
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from governance.api.authentication import actor_of
from governance.api.base import ApiView
from promotion.api.bodies import ReasonIn
from promotion.models import Agent
from promotion.services import agents


class CordonView(ApiView):
    """No rollout waits for it."""

    @extend_schema(operation_id="cordon_agent", request=ReasonIn, responses=OpenApiTypes.OBJECT)
    def post(self, request: HttpRequest, pk: UUID) -> Response:
        """Stop counting an agent: it goes on serving, and no rollout waits for it."""
        return _changed(request, pk, agents.cordon)


class UncordonView(ApiView):
    """It counts again."""

    @extend_schema(operation_id="uncordon_agent", request=ReasonIn, responses=OpenApiTypes.OBJECT)
    def post(self, request: HttpRequest, pk: UUID) -> Response:
        """Count an agent again."""
        return _changed(request, pk, agents.uncordon)


class EvictView(ApiView):
    """Out, at once."""

    @extend_schema(operation_id="evict_agent", request=ReasonIn, responses=OpenApiTypes.OBJECT)
    def post(self, request: HttpRequest, pk: UUID) -> Response:
        """End an agent's token: nothing waits for it, and it is told nothing more."""
        return _changed(request, pk, agents.evict)


class DecommissionView(ApiView):
    """Gone for good."""

    @extend_schema(
        operation_id="decommission_agent", request=ReasonIn, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: HttpRequest, pk: UUID) -> Response:
        """Strike off an agent that left or was evicted; its name is free again."""
        return _changed(request, pk, agents.decommission)


def _changed(request: HttpRequest, pk: UUID, change: Callable[..., Agent]) -> Response:
    body = ReasonIn(data=request.data)
    body.is_valid(raise_exception=True)
    agent = change(agent_id=pk, actor=actor_of(request), **body.validated_data)
    return Response(
        {
            "id": str(agent.pk),
            "agent": agent.name,
            "environment": agent.target.environment.slug,
            "tier": agent.target.tier,
            "cordoned": agent.cordoned,
            "evicted_at": agent.evicted_at,
            "left_at": agent.left_at,
            "decommissioned_at": agent.decommissioned_at,
        }
    )
