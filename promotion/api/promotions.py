"""Requests over HTTP: parse, call one service, render."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from governance import access
from governance.api.authentication import actor_of
from governance.api.base import ApiView
from governance.api.pagination import cut
from governance.errors import Forbidden, Invalid, NotFound
from governance.models import User
from promotion.api.bodies import ApprovalIn, PromotionIn, ReasonIn, RollbackIn, TogetherIn
from promotion.models import Approval, Request
from promotion.selectors import documents
from promotion.services import passwords, requests, rollbacks, stops
from promotion.services.requests import Signature


class PromotionsView(ApiView):
    """All requests, and a new one."""

    @extend_schema(
        operation_id="list_promotions",
        parameters=[
            OpenApiParameter("cursor", OpenApiTypes.STR),
            OpenApiParameter("limit", OpenApiTypes.INT),
            OpenApiParameter("state", OpenApiTypes.STR, enum=Request.State.values),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: HttpRequest) -> Response:
        """List the requests the caller may see, by environment and model."""
        actor = actor_of(request)
        access.require(actor, access.Permission.VIEW)
        rows: QuerySet[Request] = documents.requests().filter(access.reach(actor).rows())
        wanted = request.query_params.get("state")
        if wanted is not None:
            rows = rows.filter(state=_state(wanted))
        page = cut(rows, request=request, by="created_at", newest_first=True)
        return Response(page.body(documents.of_request))

    @extend_schema(
        operation_id="open_promotion",
        request=PromotionIn,
        parameters=[OpenApiParameter("dry_run", OpenApiTypes.STR, enum=["0", "1"])],
        responses={201: OpenApiTypes.OBJECT, 200: OpenApiTypes.OBJECT},
    )
    def post(self, request: HttpRequest) -> Response:
        """Ask that a version goes dark, to production or into retirement."""
        body = PromotionIn(data=request.data)
        body.is_valid(raise_exception=True)
        is_dry = request.query_params.get("dry_run") == "1"
        outcome = requests.open_request(
            actor=actor_of(request), dry_run=is_dry, **body.validated_data
        )
        if outcome.request is None:
            return Response(
                {
                    "dry_run": True,
                    "would_pass": all(result.passes() for result in outcome.gates),
                    "gates": [result.as_document() for result in outcome.gates],
                    "content": outcome.content,
                    "approvals_needed": outcome.approvals_needed,
                    "supersedes": [
                        {"request": str(one.pk), "version": one.deployment.version.number}
                        for one in outcome.superseded
                    ],
                }
            )
        return _shown(outcome.request.pk, status.HTTP_201_CREATED)


class PromotionView(ApiView):
    """One request."""

    @extend_schema(operation_id="show_promotion", responses=OpenApiTypes.OBJECT)
    def get(self, request: HttpRequest, pk: UUID) -> Response:
        """Show a request with its gates, signatures and each agent's steps."""
        found = documents.requests().filter(pk=pk).first()
        if found is None:
            message = "No such request."
            raise NotFound(message, code="unknown_request")
        access.require(
            actor_of(request),
            access.Permission.VIEW,
            environment=found.environment,
            group=found.model.group,
        )
        return Response(documents.of_request(found))


class ApprovalsView(ApiView):
    """Signatures under one request."""

    @extend_schema(
        operation_id="sign_promotion",
        request=ApprovalIn,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: HttpRequest, pk: UUID) -> Response:
        """Approve or reject as the calling person, who signs again with their password."""
        body = ApprovalIn(data=request.data)
        body.is_valid(raise_exception=True)
        signature: dict[str, Any] = dict(body.validated_data)
        decision = signature.pop("decision")
        user = _person_signing(request, password=signature["password"])
        act = requests.approve if decision == Approval.Decision.APPROVE else requests.reject
        act(request_id=pk, user=user, actor=actor_of(request), **signature)
        return _shown(pk, status.HTTP_201_CREATED)


class TogetherView(ApiView):
    """Signatures under several requests of one kind."""

    @extend_schema(
        operation_id="sign_promotions_together",
        request=TogetherIn,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: HttpRequest) -> Response:
        """Approve up to 50 requests of one kind in one environment: all of them, or none.

        Each signature is for its own ``content_hash``. When one of the requests is no longer
        what was shown, the answer is 409 ``content_changed`` and ``changed`` names which.
        """
        actor = actor_of(request)
        access.require(actor, access.Permission.VIEW)
        body = TogetherIn(data=request.data)
        body.is_valid(raise_exception=True)
        signed: dict[str, Any] = dict(body.validated_data)
        signatures = [Signature(one["id"], one["content_hash"]) for one in signed.pop("signatures")]
        user = _person_signing(request, password=signed["password"])
        made = requests.approve_together(signatures=signatures, user=user, actor=actor, **signed)
        return _shown_all([row.pk for row in made])


class WithdrawView(ApiView):
    """Taking a request back."""

    @extend_schema(
        operation_id="withdraw_promotion", request=ReasonIn, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: HttpRequest, pk: UUID) -> Response:
        """Take back a request that has not begun: one's own, or as an operator an approved one."""
        body = ReasonIn(data=request.data)
        body.is_valid(raise_exception=True)
        requests.withdraw(request_id=pk, actor=actor_of(request), **body.validated_data)
        return _shown(pk, status.HTTP_200_OK)


class RollbackView(ApiView):
    """One step back."""

    @extend_schema(
        operation_id="roll_back", request=RollbackIn, responses={201: OpenApiTypes.OBJECT}
    )
    def post(self, request: HttpRequest, environment: str, model: str) -> Response:
        """Let a former champion answer again, at once."""
        body = RollbackIn(data=request.data)
        body.is_valid(raise_exception=True)
        made = rollbacks.rollback(
            environment=environment, model=model, actor=actor_of(request), **body.validated_data
        )
        return _shown(made.pk, status.HTTP_201_CREATED)


class StopView(ApiView):
    """Nobody answers any more."""

    @extend_schema(
        operation_id="stop_model", request=ReasonIn, responses={201: OpenApiTypes.OBJECT}
    )
    def post(self, request: HttpRequest, environment: str, model: str) -> Response:
        """Take the champion away without a successor; callers get 503, or the spare's answers."""
        body = ReasonIn(data=request.data)
        body.is_valid(raise_exception=True)
        made = stops.stop(
            environment=environment, model=model, actor=actor_of(request), **body.validated_data
        )
        return _shown(made.pk, status.HTTP_201_CREATED)


def _state(wanted: str) -> str:
    """Read a state to list by: a misspelt one would look as if there were nothing."""
    if wanted in Request.State.values:
        return wanted
    message = "There is no such state of a request."
    raise Invalid(message, state=f"must be one of {', '.join(Request.State.values)}")


def _person_signing(request: HttpRequest, *, password: str) -> User:
    """Return the person who calls, who has just given their password again."""
    if not isinstance(request.user, User):
        message = "Only a person signs; use a personal token."
        raise Forbidden(message, code="a_person")
    address = request.META.get("REMOTE_ADDR") or None
    passwords.confirm(user=request.user, password=password, address=address)
    return request.user


def _shown_all(pks: list[UUID]) -> Response:
    """Show several requests, in this order."""
    found = {row.pk: row for row in documents.requests().filter(pk__in=pks)}
    body = {"items": [documents.of_request(found[pk]) for pk in pks]}
    return Response(body, status=status.HTTP_201_CREATED)


def _shown(pk: UUID, code: int) -> Response:
    return Response(documents.of_request(documents.requests().get(pk=pk)), status=code)
