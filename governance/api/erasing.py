"""Erasing the payload of one audit entry over HTTP: one person asks, another decides."""

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
from governance.api.fields import Choice, Strict, Text
from governance.errors import Forbidden, Invalid
from governance.models import Erasure, User
from governance.services import erasures

PAGED = [OpenApiParameter(name) for name in pagination.PARAMETERS]
ERASE = "erase"


class ErasureIn(Strict):
    """Why a payload has to go, and what in the law obliges us."""

    reason = Text()
    basis = Text(limit=erasures.LONGEST_BASIS)


class DecisionIn(Strict):
    """Whether it goes, and what was looked at."""

    decision = Choice(choices=(ERASE, "decline"))
    comment = Text()


class Erasures(ApiView):
    @extend_schema(
        operation_id="list_erasures",
        parameters=[*PAGED, OpenApiParameter("state", enum=Erasure.State.values)],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        """List what was asked to be erased, newest first."""
        asked = parsing.query(request, "state", *pagination.PARAMETERS)
        access.require(actor_of(request), Permission.ERASE)
        rows = Erasure.objects.all()
        if "state" in asked:
            if asked["state"] not in Erasure.State.values:
                message = "There is no such state."
                raise Invalid(message, state=f"must be one of {', '.join(Erasure.State.values)}")
            rows = rows.filter(state=asked["state"])
        page = pagination.cut(rows, request=request, by="asked_at", newest_first=True)
        return Response(page.body(_out))


class EntryErasure(ApiView):
    @extend_schema(
        operation_id="ask_for_erasure", request=ErasureIn, responses={201: OpenApiTypes.OBJECT}
    )
    def post(self, request: Request, seq: int) -> Response:
        """Ask that the payload of this entry goes: names, reasons and facts, not the entry."""
        user = _person(request, Permission.AUDIT)
        body = ErasureIn(data=request.data)
        body.is_valid(raise_exception=True)
        made = erasures.ask(seq=seq, user=user, actor=actor_of(request), **body.validated_data)
        return Response(_out(made), status=status.HTTP_201_CREATED)


class ErasureDecision(ApiView):
    @extend_schema(operation_id="decide_erasure", request=DecisionIn, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request, seq: int) -> Response:
        """Erase it for good, or decline; never by who asked for it."""
        user = _person(request, Permission.ERASE)
        body = DecisionIn(data=request.data)
        body.is_valid(raise_exception=True)
        decided = erasures.decide(
            seq=seq,
            erase=body.validated_data["decision"] == ERASE,
            comment=body.validated_data["comment"],
            user=user,
            actor=actor_of(request),
        )
        return Response(_out(decided))


def _person(request: Request, permission: Permission) -> User:
    access.require(actor_of(request), permission)
    if not isinstance(request.user, User):
        message = "Only a person does this; use a personal token."
        raise Forbidden(message, code="a_person")
    return request.user


def _out(row: Erasure) -> dict[str, Any]:
    return {
        "entry": row.pk,
        "state": row.state,
        "reason": row.reason,
        "basis": row.basis,
        "asked_by": row.asked_by,
        "asked_at": row.asked_at,
        "decided_by": row.decided_by or None,
        "decided_at": row.decided_at,
        "comment": row.comment or None,
    }
