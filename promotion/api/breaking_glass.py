"""Promoting alone in an emergency, and its review, over HTTP."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from governance.api.authentication import actor_of
from governance.api.base import ApiView
from governance.errors import Forbidden
from governance.models import User
from promotion.api.bodies import BreakGlassIn, ReviewIn
from promotion.selectors import documents
from promotion.services import passwords, requests


class BreakGlassView(ApiView):
    """One person promotes alone."""

    @extend_schema(
        operation_id="break_glass", request=BreakGlassIn, responses={201: OpenApiTypes.OBJECT}
    )
    def post(self, request: HttpRequest, environment: str, model: str) -> Response:
        """Promote past approvals, windows and gates, in a role the policy names."""
        body = BreakGlassIn(data=request.data)
        body.is_valid(raise_exception=True)
        made = requests.break_glass(
            environment=environment,
            model=model,
            user=_person(request, body.validated_data["password"]),
            actor=actor_of(request),
            **body.validated_data,
        )
        return _shown(made.pk)


class ReviewView(ApiView):
    """A second person looks at it afterwards."""

    @extend_schema(
        operation_id="review_promotion", request=ReviewIn, responses={201: OpenApiTypes.OBJECT}
    )
    def post(self, request: HttpRequest, pk: UUID) -> Response:
        """Say whether the glass was broken rightly."""
        body = ReviewIn(data=request.data)
        body.is_valid(raise_exception=True)
        said: dict[str, Any] = body.validated_data
        requests.review(
            request_id=pk,
            user=_person(request, said["password"]),
            actor=actor_of(request),
            **said,
        )
        return _shown(pk)


def _person(request: HttpRequest, password: str) -> User:
    """Return who is calling, having asked for their password again."""
    if not isinstance(request.user, User):
        message = "Only a person does this; use a personal token."
        raise Forbidden(message, code="a_person")
    address = request.META.get("REMOTE_ADDR") or None
    passwords.confirm(user=request.user, password=password, address=address)
    return request.user


def _shown(pk: UUID) -> Response:
    document = documents.of_request(documents.requests().get(pk=pk))
    return Response(document, status=status.HTTP_201_CREATED)
