"""Webhooks over HTTP: who is told, and what came of each telling."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from governance import access
from governance.access import Permission
from governance.api import fields, pagination, parsing
from governance.api.authentication import actor_of
from governance.api.base import ApiView
from governance.errors import NotFound
from promotion.models import Delivery, Webhook
from promotion.services import webhooks
from promotion.services.webhooks.addresses import Keyed

PAGED = [OpenApiParameter(name) for name in pagination.PARAMETERS]


class WebhookIn(fields.Strict):
    """Where to, and for which environment; for all of them when none is named."""

    url = fields.Text(limit=500)
    environment = fields.Slug(required=False, allow_null=True, default=None)


class WebhooksView(ApiView):
    """The addresses that are told."""

    answers_hold_secrets = True

    @extend_schema(operation_id="list_webhooks", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """List the webhooks of the environments the caller administers."""
        rows = _visible(request).order_by("-created_at")[: pagination.MOST]
        return Response({"items": [_out(webhook) for webhook in rows]})

    @extend_schema(
        operation_id="add_webhook", request=WebhookIn, responses={201: OpenApiTypes.OBJECT}
    )
    def post(self, request: Request) -> Response:
        """Tell an address of what happens. Its secret is shown in this answer alone."""
        body = WebhookIn(data=request.data)
        body.is_valid(raise_exception=True)
        made = webhooks.add(actor=actor_of(request), **body.validated_data)
        return Response(_keyed(made), status=status.HTTP_201_CREATED)


class WebhookView(ApiView):
    """One address."""

    @extend_schema(operation_id="remove_webhook", responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """Stop telling it."""
        webhooks.remove(webhook_id=pk, actor=actor_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class SecretView(ApiView):
    """An address's secret."""

    answers_hold_secrets = True

    @extend_schema(
        operation_id="rotate_webhook_secret", request=None, responses={201: OpenApiTypes.OBJECT}
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Make a new secret; the old one ends at once."""
        made = webhooks.rotate(webhook_id=pk, actor=actor_of(request))
        return Response(_keyed(made), status=status.HTTP_201_CREATED)


class DeliveriesView(ApiView):
    """The log of what was told."""

    @extend_schema(operation_id="list_deliveries", parameters=PAGED, responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, pk: UUID) -> Response:
        """List a webhook's deliveries, the newest first."""
        parsing.query(request, *pagination.PARAMETERS)
        webhook = _visible(request).filter(pk=pk).first()
        if webhook is None:
            message = "No such webhook."
            raise NotFound(message, code="unknown_webhook")
        page = pagination.cut(
            Delivery.objects.filter(webhook=webhook),
            request=request,
            by="created_at",
            newest_first=True,
        )
        return Response(page.body(_delivery_out))


class ReplayView(ApiView):
    """Telling once more."""

    @extend_schema(
        operation_id="replay_delivery", request=None, responses={202: OpenApiTypes.OBJECT}
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Send an event again, with the same id and body."""
        delivery = webhooks.replay(delivery_id=pk, actor=actor_of(request))
        return Response(_delivery_out(delivery), status=status.HTTP_202_ACCEPTED)


def _visible(request: Request) -> QuerySet[Webhook]:
    """Return the webhooks of the places the caller administers; those of all for who does all.

    Raises:
        Forbidden: the caller administers nothing.
    """
    actor = actor_of(request)
    rows = Webhook.objects.filter(removed_at=None).select_related("environment")
    if access.allowed(actor, Permission.ADMINISTER):
        return rows
    places = access.environments(actor, Permission.ADMINISTER, group="")
    if not places.exists():
        access.require(actor, Permission.ADMINISTER)
    return rows.filter(environment__in=places)


def _out(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": str(webhook.pk),
        "url": webhook.url,
        "environment": webhook.environment.slug if webhook.environment else None,
        "created_at": webhook.created_at,
    }


def _keyed(made: Keyed) -> dict[str, Any]:
    return {**_out(made.webhook), "secret": made.secret}


def _delivery_out(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": str(delivery.pk),
        "action": delivery.action,
        "body": delivery.body,
        "created_at": delivery.created_at,
        "attempts": delivery.attempts,
        "next_at": delivery.next_at,
        "delivered_at": delivery.delivered_at,
        "status": delivery.status,
        "error": delivery.error,
    }
