"""Environments, their state and their join tokens over HTTP."""

from datetime import timedelta

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from governance import access, signing
from governance.api.authentication import actor_of
from governance.api.base import ApiView
from governance.api.parsing import query
from governance.errors import NotFound
from governance.models import Environment
from promotion import decision_records, replay
from promotion.api.bodies import AnyObject, HistoryIn, JoinTokenIn
from promotion.selectors import documents, past, past_document, scored
from promotion.services import agents, environments, histories, recorded
from registry.models import RegisteredModel

TRANSACTION = {"type": "string", "minLength": 1, "maxLength": decision_records.LONGEST_ID}


class EnvironmentsView(ApiView):
    """All environments one may see."""

    @extend_schema(operation_id="list_environments", responses=OpenApiTypes.OBJECT)
    def get(self, request: HttpRequest) -> Response:
        """List environments with their kind."""
        actor = actor_of(request)
        access.require(actor, access.Permission.VIEW)
        rows = access.environments(actor)
        return Response(
            {"items": [{"slug": e.slug, "kind": e.kind, "position": e.position} for e in rows]}
        )


class EnvironmentView(ApiView):
    """One environment as code."""

    @extend_schema(
        operation_id="put_environment",
        request=AnyObject,
        parameters=[OpenApiParameter("dry_run", OpenApiTypes.STR, enum=["0", "1"])],
        responses=OpenApiTypes.OBJECT,
    )
    def put(self, request: HttpRequest, slug: str) -> Response:
        """Make an environment, its targets and its policy be like this."""
        is_dry = request.query_params.get("dry_run") == "1"
        applied = environments.apply(
            slug=slug, document=request.data, actor=actor_of(request), dry_run=is_dry
        )
        return Response(
            {"changed": bool(applied.changes), "changes": applied.changes, "dry_run": is_dry}
        )


class EnvironmentStateView(ApiView):
    """What was decided, and what agents confirm."""

    @extend_schema(
        operation_id="show_environment_state",
        parameters=[OpenApiParameter("at", OpenApiTypes.DATETIME, description="as of when")],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: HttpRequest, slug: str) -> Response:
        """Show decided and confirmed side by side, by model: now, or from the log as of ``at``."""
        asked = query(request, "at")
        found = Environment.objects.filter(slug=slug).first()
        if found is None:
            message = "There is no such environment."
            raise NotFound(message, code="unknown_environment")
        access.require(actor_of(request), access.Permission.VIEW, environment=found)
        now, seen = timezone.now(), access.reach(actor_of(request))
        if "at" not in asked:
            return Response(documents.of_environment(found, seen=seen, now=now))
        then = past.as_of(found, at=replay.moment(asked["at"], now=now), seen=seen)
        return Response(past_document.document(then))


class ScoredView(ApiView):
    """Which version of a model answered callers at some moment."""

    @extend_schema(
        operation_id="show_scored",
        parameters=[
            OpenApiParameter("at", OpenApiTypes.DATETIME, description="when; default now"),
            OpenApiParameter("transaction", TRANSACTION, description="id of one prediction"),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: HttpRequest, environment: str, model: str) -> Response:
        """Say by agent which version answered then, by the audit log, and what is unknown.

        Of a ``transaction`` the decision records tell that agents uploaded; ``at`` is then
        about when it was, and what is answered from when they do not hold it.
        """
        asked = query(request, "at", "transaction")
        place = Environment.objects.filter(slug=environment).first()
        row = RegisteredModel.objects.filter(name=model).first()
        if place is None or row is None:
            what = "model" if place else "environment"
            message = f"There is no such {what}."
            raise NotFound(message, code=f"unknown_{what}")
        actor = actor_of(request)
        access.require(actor, access.Permission.VIEW, environment=place, group=row.group)
        now = timezone.now()
        at = replay.moment(asked["at"], now=now) if "at" in asked else None
        search = None
        if "transaction" in asked:
            search = recorded.search(
                environment=place, model=row, transaction=asked["transaction"], at=at
            )
            if search.answers or at is None:
                return Response(scored.of_transaction(search))
        found = past.as_of(place, at=at or now, seen=access.reach(actor))
        if search:
            return Response(scored.of_moment_instead(search, found))
        return Response(scored.document(found, model))


class HistoryView(ApiView):
    """A target whose agents have applied what was never published here."""

    @extend_schema(operation_id="decide_history", request=HistoryIn, responses=OpenApiTypes.OBJECT)
    def post(self, request: HttpRequest, slug: str, tier: str) -> Response:
        """Adopt what the agents serve, or override it with what is decided here."""
        body = HistoryIn(data=request.data)
        body.is_valid(raise_exception=True)
        decided = histories.decide(
            environment=slug, tier=tier, actor=actor_of(request), **body.validated_data
        )
        return Response({"generation": decided.target.generation, "changes": decided.changes})


class JoinTokensView(ApiView):
    """Join tokens: how agents get in."""

    answers_hold_secrets = True

    @extend_schema(
        operation_id="issue_join_token", request=JoinTokenIn, responses={201: OpenApiTypes.OBJECT}
    )
    def post(self, request: HttpRequest) -> Response:
        """Make a join token; it is shown this once. ``key`` is what agents must be given too."""
        body = JoinTokenIn(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        secret = agents.issue_join_token(
            environment=asked["environment"],
            tier=asked["tier"],
            uses=asked["uses"],
            lifetime=timedelta(hours=asked["hours"]),
            actor=actor_of(request),
        )
        key = signing.fingerprint(signing.public_keys()[0])
        return Response({"token": secret, "key": key}, status=status.HTTP_201_CREATED)
