"""Checkpoints of the audit log over HTTP, and the record that it went back."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from governance import access
from governance.access import Permission
from governance.api import pagination, parsing
from governance.api.authentication import actor_of
from governance.api.base import ApiView
from governance.api.fields import Strict, Text
from governance.audit.models import Checkpoint
from governance.services import sealing

PAGED = [OpenApiParameter(name) for name in pagination.PARAMETERS]


class AdoptionIn(Strict):
    reason = Text(limit=2_000)


class Checkpoints(ApiView):
    @extend_schema(operation_id="list_checkpoints", parameters=PAGED, responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """List the signed checkpoints, newest first. Keep one: it finds a rewritten history."""
        parsing.query(request, *pagination.PARAMETERS)
        access.require(actor_of(request), Permission.AUDIT)
        page = pagination.cut(
            Checkpoint.objects.all(), request=request, by="size", newest_first=True
        )
        return Response(page.body(_out))


class History(ApiView):
    @extend_schema(
        operation_id="adopt_log", request=AdoptionIn, responses={201: OpenApiTypes.OBJECT}
    )
    def post(self, request: Request) -> Response:
        """Record that the log is behind what was sealed, and let it go on as it is."""
        body = AdoptionIn(data=request.data)
        body.is_valid(raise_exception=True)
        lost = sealing.adopt(reason=body.validated_data["reason"], actor=actor_of(request))
        answer = {"sealed": lost.size, "entries": lost.ours, "epoch": lost.epoch + 1}
        return Response(answer, status=status.HTTP_201_CREATED)


def _out(row: Checkpoint) -> dict[str, Any]:
    return {
        "size": row.size,
        "epoch": row.epoch,
        "root": row.root,
        "at": row.at,
        "note": row.note,
    }
