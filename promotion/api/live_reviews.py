"""Reviews of what answers, over HTTP."""

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from governance import access
from governance.api.authentication import actor_of
from governance.api.base import ApiView
from governance.errors import Forbidden, Invalid
from governance.models import User
from promotion.api.bodies import LiveReviewIn
from promotion.models import LiveReview
from promotion.selectors import live_reviews as selector
from promotion.selectors.live_reviews import LiveVersion
from promotion.services import live_reviews

STATES = ("overdue", "ahead", "never")


class LiveReviewsView(ApiView):
    """All that answers, by when it has to be looked at again."""

    @extend_schema(
        operation_id="list_reviews_due",
        parameters=[OpenApiParameter("state", OpenApiTypes.STR, enum=list(STATES))],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: HttpRequest) -> Response:
        """List versions that answer, what is due the longest first; never is nothing named."""
        actor = actor_of(request)
        access.require(actor, access.Permission.VIEW)
        state = request.query_params.get("state")
        if state is not None and state not in STATES:
            message = "There is no such state."
            raise Invalid(message, state=f"must be one of {', '.join(STATES)}")
        found = selector.calendar(access.reach(actor), now=timezone.now())
        parts = {"overdue": found.overdue, "ahead": found.ahead, "never": found.never}
        items = [
            _out(row, state=name)
            for name, rows in parts.items()
            if state in {None, name}
            for row in rows
        ]
        return Response({"items": items})


class LiveReviewView(ApiView):
    """The review of one version that answers."""

    @extend_schema(
        operation_id="review_live_version",
        request=LiveReviewIn,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: HttpRequest, environment: str, model: str, number: int) -> Response:
        """Say whether it may go on, and by when to look again."""
        actor = actor_of(request)
        access.require(actor, access.Permission.VIEW)
        body = LiveReviewIn(data=request.data)
        body.is_valid(raise_exception=True)
        if not isinstance(request.user, User):
            message = "Only a person reviews; use a personal token."
            raise Forbidden(message, code="a_person")
        made = live_reviews.review(
            environment=environment,
            model=model,
            version=number,
            user=request.user,
            actor=actor,
            **body.validated_data,
        )
        return Response(_review_out(made), status=status.HTTP_201_CREATED)


def _out(one: LiveVersion, *, state: str) -> dict[str, object]:
    row = one.deployment
    return {
        "deployment": str(row.pk),
        "model": row.model.name,
        "version": row.version.number,
        "environment": row.environment.slug,
        "answers_since": row.champion_at,
        "state": state,
        "due_at": one.due.at if one.due else None,
        "trigger": one.due.trigger if one.due else None,
        "why": one.due.why if one.due else None,
        "last_review": _review_out(one.last) if one.last else None,
    }


def _review_out(review: LiveReview) -> dict[str, object]:
    return {
        "id": str(review.pk),
        "outcome": review.outcome,
        "comment": review.comment,
        "trigger": review.trigger or None,
        "next_by": review.next_by.isoformat() if review.next_by else None,
        "reviewed_by": review.name,
        "at": review.at,
    }
