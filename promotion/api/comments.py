"""Comments on requests over HTTP."""

from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from governance import access
from governance.api import parsing
from governance.api.authentication import actor_of
from governance.api.base import ApiView
from governance.api.pagination import PARAMETERS, cut
from promotion.api.bodies import CommentIn
from promotion.models import Comment
from promotion.selectors import policies, promotion_page
from promotion.services import comments

PAGED = [
    OpenApiParameter("cursor", OpenApiTypes.STR),
    OpenApiParameter("limit", OpenApiTypes.INT),
]


class CommentsView(ApiView):
    """What was said about one promotion."""

    @extend_schema(operation_id="list_comments", parameters=PAGED, responses=OpenApiTypes.OBJECT)
    def get(self, request: HttpRequest, pk: UUID) -> Response:
        """List the comments on a promotion, the oldest first."""
        parsing.query(request, *PARAMETERS)
        actor = actor_of(request)
        access.require(actor, access.Permission.VIEW)
        found = promotion_page.find(pk)
        access.require(
            actor, access.Permission.VIEW, environment=found.environment, group=found.model.group
        )
        page = cut(Comment.objects.filter(request=found), request=request, by="at")
        return Response(page.body(_document))

    @extend_schema(
        operation_id="comment_promotion",
        request=CommentIn,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: HttpRequest, pk: UUID) -> Response:
        """Say something about a promotion. It is kept, and never changed."""
        made = comments.comment(request_id=pk, text=_text(request), actor=actor_of(request))
        return Response(_document(made), status=status.HTTP_201_CREATED)


class PolicyCommentsView(ApiView):
    """What was said about one policy request."""

    @extend_schema(
        operation_id="list_policy_comments", parameters=PAGED, responses=OpenApiTypes.OBJECT
    )
    def get(self, request: HttpRequest, pk: UUID) -> Response:
        """List the comments on a policy request, the oldest first."""
        parsing.query(request, *PARAMETERS)
        actor = actor_of(request)
        access.require(actor, access.Permission.VIEW)
        found = policies.find_request(pk)
        access.require(actor, access.Permission.VIEW, environment=found.environment)
        page = cut(Comment.objects.filter(policy_request=found), request=request, by="at")
        return Response(page.body(_document))

    @extend_schema(
        operation_id="comment_policy_request",
        request=CommentIn,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: HttpRequest, pk: UUID) -> Response:
        """Say something about a policy request. It is kept, and never changed."""
        text = _text(request)
        made = comments.comment_on_policy(request_id=pk, text=text, actor=actor_of(request))
        return Response(_document(made), status=status.HTTP_201_CREATED)


def _text(request: HttpRequest) -> str:
    access.require(actor_of(request), access.Permission.VIEW)
    body = CommentIn(data=request.data)
    body.is_valid(raise_exception=True)
    return str(body.validated_data["text"])


def _document(comment: Comment) -> dict[str, object]:
    return {
        "id": str(comment.pk),
        "by": {"kind": comment.author_kind, "name": comment.name},
        "text": comment.text,
        "at": comment.at,
    }
