"""Policies over HTTP: what is in force, the schema of a document, and a trial of another."""

from typing import Any
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
from governance.errors import Forbidden, NotFound
from governance.models import Environment, User
from promotion import policies as rules_of_policies
from promotion.api.bodies import PolicyApprovalIn, PolicyIn, ReasonIn, TrialIn
from promotion.models import Approval, PolicyRequest
from promotion.selectors import policies as selectors
from promotion.services import passwords, policies, policy_requests, requests


class PolicySchemaView(ApiView):
    """What a policy may say."""

    @extend_schema(operation_id="show_policy_schema", responses=OpenApiTypes.OBJECT)
    def get(self, request: HttpRequest) -> Response:
        """Show the JSON schema of a policy document."""
        access.require(actor_of(request), access.Permission.VIEW)
        return Response(rules_of_policies.schema())


class PoliciesView(ApiView):
    """All policies one may see."""

    @extend_schema(
        operation_id="list_policies",
        parameters=[OpenApiParameter("environment", OpenApiTypes.STR)],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: HttpRequest) -> Response:
        """List what is in force, by environment, and the numbers of what was."""
        parsing.query(request, "environment")
        actor = actor_of(request)
        access.require(actor, access.Permission.VIEW)
        places = access.environments(actor)
        wanted = request.query_params.get("environment")
        if wanted is not None:
            places = places.filter(slug=wanted)
        return Response(
            {
                "items": [
                    {
                        "environment": place.environment.slug,
                        "in_force": [selectors.document(policy) for policy in place.current],
                        "former": [policy.number for policy in place.former],
                    }
                    for place in selectors.places(places)
                ]
            }
        )


class EnvironmentPoliciesView(ApiView):
    """The next policy of one environment."""

    @extend_schema(
        operation_id="publish_policy",
        request=PolicyIn,
        responses={
            200: OpenApiTypes.OBJECT,
            201: OpenApiTypes.OBJECT,
            202: OpenApiTypes.OBJECT,
        },
    )
    def post(self, request: HttpRequest, slug: str) -> Response:
        """Let a document be the next policy: 201; 202 where it has to be approved first.

        It is 200 when it is in force already.
        """
        body = PolicyIn(data=request.data)
        body.is_valid(raise_exception=True)
        asked: dict[str, Any] = body.validated_data
        made = policy_requests.publish_or_ask(
            environment=slug,
            tier=asked["risk_tier"],
            document=asked["document"],
            reason=asked["reason"],
            actor=actor_of(request),
        )
        if made is None:
            return Response({"changed": False})
        if isinstance(made, PolicyRequest):
            waiting = selectors.document_of_request(selectors.find_request(made.pk))
            return Response({"changed": False, "request": waiting}, status=status.HTTP_202_ACCEPTED)
        found = selectors.find(slug, made.number)
        return Response(
            {"changed": True, "policy": selectors.document(found)}, status=status.HTTP_201_CREATED
        )


class PolicyView(ApiView):
    """One policy."""

    @extend_schema(operation_id="show_policy", responses=OpenApiTypes.OBJECT)
    def get(self, request: HttpRequest, slug: str, number: int) -> Response:
        """Show one document, and what it changed."""
        place = _visible(request, slug)
        found = selectors.policy_page(selectors.find(place.slug, number))
        return Response(
            {
                **selectors.document(found.policy),
                "in_force": found.in_force,
                "follows": found.before.number if found.before else None,
                "changes": [
                    {"name": one.name, "before": one.before, "after": one.after}
                    for one in found.changes
                ],
            }
        )


class PolicyTrialView(ApiView):
    """A document that nobody published."""

    @extend_schema(operation_id="try_policy", request=TrialIn, responses=OpenApiTypes.OBJECT)
    def post(self, request: HttpRequest, slug: str) -> Response:
        """Say which of the last requests would have gone otherwise, and judge one not made."""
        body = TrialIn(data=request.data)
        body.is_valid(raise_exception=True)
        asked: dict[str, Any] = body.validated_data
        place = _visible(request, slug)
        rules = policies.read(asked["document"])
        tried = selectors.try_on_past(
            rules,
            place,
            tier=asked["risk_tier"],
            last=asked["last"],
            seen=access.reach(actor_of(request)),
        )
        answer: dict[str, Any] = {
            "tried": len(tried),
            "otherwise": sum(one.otherwise for one in tried),
            "requests": [selectors.document_of_trial(one) for one in tried],
        }
        if asked["request"] is not None:
            outcome = requests.try_request(
                environment=slug, proposed=rules, actor=actor_of(request), **asked["request"]
            )
            answer["request"] = {
                "would_pass": all(result.passes() for result in outcome.gates),
                "approvals_needed": outcome.approvals_needed,
                "gates": [result.as_document() for result in outcome.gates],
            }
        return Response(answer)


class PolicyRequestView(ApiView):
    """A policy that waits for approval."""

    @extend_schema(operation_id="show_policy_request", responses=OpenApiTypes.OBJECT)
    def get(self, request: HttpRequest, pk: UUID) -> Response:
        """Show a policy request with what it would change, and who signed."""
        found = selectors.find_request(pk)
        access.require(actor_of(request), access.Permission.VIEW, environment=found.environment)
        return Response(selectors.document_of_request(found))


class PolicyApprovalsView(ApiView):
    """Signatures under one policy request."""

    @extend_schema(
        operation_id="sign_policy_request",
        request=PolicyApprovalIn,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: HttpRequest, pk: UUID) -> Response:
        """Approve or reject as the calling person, who signs again with their password."""
        actor = actor_of(request)
        access.require(actor, access.Permission.VIEW)
        body = PolicyApprovalIn(data=request.data)
        body.is_valid(raise_exception=True)
        signature: dict[str, Any] = dict(body.validated_data)
        decision = signature.pop("decision")
        if not isinstance(request.user, User):
            message = "Only a person signs; use a personal token."
            raise Forbidden(message, code="a_person")
        passwords.confirm(
            user=request.user,
            password=signature["password"],
            address=request.META.get("REMOTE_ADDR"),
        )
        is_yes = decision == Approval.Decision.APPROVE
        act = policy_requests.approve if is_yes else policy_requests.reject
        act(request_id=pk, user=request.user, actor=actor, **signature)
        found = selectors.find_request(pk)
        return Response(selectors.document_of_request(found), status=status.HTTP_201_CREATED)


class PolicyWithdrawView(ApiView):
    """Taking a policy request back."""

    @extend_schema(
        operation_id="withdraw_policy_request", request=ReasonIn, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: HttpRequest, pk: UUID) -> Response:
        """Take back a policy request of one's own that waits."""
        actor = actor_of(request)
        access.require(actor, access.Permission.VIEW)
        body = ReasonIn(data=request.data)
        body.is_valid(raise_exception=True)
        policy_requests.withdraw(request_id=pk, actor=actor, **body.validated_data)
        return Response(selectors.document_of_request(selectors.find_request(pk)))


def _visible(request: HttpRequest, slug: str) -> Environment:
    actor = actor_of(request)
    access.require(actor, access.Permission.VIEW)
    place = Environment.objects.filter(slug=slug).first()
    if place is None:
        message = "There is no such environment."
        raise NotFound(message, code="unknown_environment")
    access.require(actor, access.Permission.VIEW, environment=place)
    return place
