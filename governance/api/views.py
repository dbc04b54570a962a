"""HTTP entry points of ``governance``. Parse, call one service, render."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils.dateparse import parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from governance import access, names, searching, selectors
from governance.access import Permission
from governance.actors import Actor
from governance.api import pagination, parsing, serializers
from governance.api.authentication import actor_of
from governance.api.base import ApiView
from governance.audit import selectors as audit
from governance.errors import Forbidden, Invalid, NotFound
from governance.models import Environment, User
from governance.services import access_log, bindings, people, tokens

ANSWER = {200: OpenApiTypes.OBJECT}
PAGED = [OpenApiParameter(name) for name in pagination.PARAMETERS]
FILTERS = (*(name for name in audit.EQUAL if name != "environment"), "since", "until")
WRITTEN = ("actor", "text")
"""A person, account or token by name; and words of what was written, by their beginnings."""


class Me(ApiView):
    @extend_schema(responses=ANSWER)
    def get(self, request: Request) -> Response:
        """Tell callers who they are and what they may do where."""
        actor = actor_of(request)
        roles = [serializers.role_out(binding) for binding in selectors.roles_held_by(actor)]
        return Response(
            {
                "kind": actor.kind,
                "id": actor.id,
                "label": actor.label,
                "person": actor.person or None,
                "owner": actor.owner or None,
                "roles": roles,
            }
        )


class People(ApiView):
    @extend_schema(operation_id="v1_people_list", responses=ANSWER, parameters=PAGED)
    def get(self, request: Request) -> Response:
        """List accounts, for those who administer or audit."""
        parsing.query(request, *pagination.PARAMETERS)
        access.require(actor_of(request), Permission.SEE_PEOPLE)
        page = pagination.cut(User.objects.all(), request=request, by="username")
        return Response(page.body(serializers.person_out))


class Person(ApiView):
    @extend_schema(responses=ANSWER)
    def get(self, request: Request, username: str) -> Response:
        """Show one account and its roles. Everybody sees their own."""
        actor, user = actor_of(request), _person(request, username)
        if user.actor != actor:
            access.require(actor, Permission.SEE_PEOPLE)
        roles = [serializers.role_out(binding) for binding in selectors.roles(user)]
        return Response({**serializers.person_out(user), "roles": roles})

    @extend_schema(
        request=serializers.PersonIn,
        responses={200: OpenApiTypes.OBJECT, 201: OpenApiTypes.OBJECT},
    )
    def put(self, request: Request, username: str) -> Response:
        """Add an account, or change what is given of it."""
        body = serializers.PersonIn(data=request.data)
        body.is_valid(raise_exception=True)
        fields: dict[str, Any] = body.validated_data
        actor = actor_of(request)
        user = User.objects.filter(username=username).first()
        if user is None:
            fields.pop("is_active", None)
            person = fields.pop("person", username)
            user = people.add_person(username=username, person=person, actor=actor, **fields)
            return Response(serializers.person_out(user), status=status.HTTP_201_CREATED)
        if "password" in fields:
            message = "The password of an account is not changed here."
            raise Invalid(message, password="belongs to a new account")  # noqa: S106 - a message
        user = people.change_person(user_id=user.pk, actor=actor, changes=fields)
        return Response(serializers.person_out(user))


class Roles(ApiView):
    @extend_schema(request=serializers.RoleIn, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request, username: str) -> Response:
        """Give an account a role; a role it has already stays as it is."""
        body = serializers.RoleIn(data=request.data)
        body.is_valid(raise_exception=True)
        actor, slug = actor_of(request), body.validated_data["environment"]
        environment = selectors.environment(slug) if slug else None
        # Before the account is looked for: strangers are not told which names exist.
        access.require(actor, Permission.ADMINISTER, environment=environment)
        binding = bindings.grant_role(
            to=selectors.person(username),
            role=body.validated_data["role"],
            environment=environment,
            group=body.validated_data["group"],
            actor=actor,
        )
        return Response(serializers.role_out(binding), status=status.HTTP_201_CREATED)


class RoleView(ApiView):
    @extend_schema(responses={204: None})
    def delete(self, request: Request, binding_id: UUID) -> Response:
        """Take a role away."""
        bindings.revoke_role(binding_id=binding_id, actor=actor_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class Tokens(ApiView):
    answers_hold_secrets = True

    @extend_schema(responses=ANSWER)
    def get(self, request: Request) -> Response:
        """List the caller's tokens, without their secrets."""
        owner = _owner(request)
        newest = selectors.tokens_of(owner).order_by("-created_at")[: pagination.MOST]
        return Response({"items": [serializers.token_out(token) for token in newest]})

    @extend_schema(request=serializers.TokenIn, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request) -> Response:
        """Make a token of the caller's own. This answer alone holds its secret."""
        body = serializers.TokenIn(data=request.data)
        body.is_valid(raise_exception=True)
        issued = tokens.issue(
            name=body.validated_data["name"],
            scope=body.validated_data["scope"],
            lifetime=timedelta(days=body.validated_data["days"]),
            owner=_owner(request),
            actor=actor_of(request),
        )
        answer = {**serializers.token_out(issued.token), "secret": issued.secret}
        return Response(answer, status=status.HTTP_201_CREATED)


class Token(ApiView):
    @extend_schema(responses={204: None})
    def delete(self, request: Request, token_id: UUID) -> Response:
        """End a token."""
        tokens.revoke(token_id=token_id, actor=actor_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class Entries(ApiView):
    @extend_schema(
        operation_id="v1_audit_entries_list",
        responses=ANSWER,
        parameters=[
            *PAGED,
            *(OpenApiParameter(name) for name in (*FILTERS, *WRITTEN, "environment")),
        ],
    )
    def get(self, request: Request) -> Response:
        """Read the audit log, oldest first. The first page fixes where it ends."""
        asked = parsing.query(request, *FILTERS, *WRITTEN, "environment", *pagination.PARAMETERS)
        actor, slug = actor_of(request), asked.get("environment")
        environment = selectors.environment(slug) if slug else None
        access.require(actor, Permission.AUDIT, environment=environment)
        found = audit.entries(
            filters=_filters(asked),
            since=_time(asked, "since"),
            until=_time(asked, "until"),
        )
        found = searching.narrowed(found, **_written(asked))
        page = pagination.cut(found, request=request, by="seq")
        if "cursor" not in asked:
            _note_reading(request, actor)
        return Response(page.body(serializers.entry_out))


class EntryView(ApiView):
    @extend_schema(responses=ANSWER)
    def get(self, request: Request, seq: int) -> Response:
        """Show one entry of the audit log."""
        actor = actor_of(request)
        entry = audit.entries().filter(seq=min(seq, 2**63 - 1)).first()
        environment = None
        if entry is not None and entry.environment:
            environment = Environment.objects.filter(slug=entry.environment).first()
        access.require(actor, Permission.AUDIT, environment=environment)
        if entry is None:
            message = "The audit log has no such entry."
            raise NotFound(message)
        _note_reading(request, actor)
        return Response(serializers.entry_out(entry))


def _person(request: Request, username: str) -> User:
    """Find an account, without telling strangers which names exist."""
    actor = actor_of(request)
    if actor.label != username:
        access.require(actor, Permission.SEE_PEOPLE)
    return selectors.person(username)


def _owner(request: Request) -> User:
    if not isinstance(request.user, User):
        message = "Tokens are made by people; this is a service's token."
        raise Forbidden(message, code="not_a_person")
    return request.user


def _filters(asked: dict[str, str]) -> dict[str, object]:
    filters: dict[str, object] = {
        name: value for name, value in asked.items() if name in audit.EQUAL
    }
    problems = {}
    if "request" in filters:
        try:
            filters["request"] = UUID(asked["request"])
        except ValueError:
            problems["request"] = "is not a UUID"
    if "model_version" in filters:
        text = asked["model_version"]
        if text.isascii() and text.isdigit() and int(text[:11]) < 2**31:
            filters["model_version"] = int(text)
        else:
            problems["model_version"] = "is not a version's number"
    if problems:
        message = "The query cannot be understood."
        raise Invalid(message, code="invalid_query", **problems)
    return filters


def _written(asked: dict[str, str]) -> dict[str, str]:
    found = {name: asked.get(name, "").strip() for name in WRITTEN}
    problems = {
        name: problem
        for name, text in found.items()
        if (problem := names.problem_with(text, limit=200, blank=True))
    }
    if problems:
        message = "The query cannot be understood."
        raise Invalid(message, code="invalid_query", **problems)
    return found


def _time(asked: dict[str, str], name: str) -> datetime | None:
    if name not in asked:
        return None
    try:
        at = parse_datetime(asked[name])
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        message = "The query cannot be understood."
        raise Invalid(
            message, code="invalid_query", **{name: "is not a time with its zone, as in RFC 3339"}
        )
    return at


def _note_reading(request: Request, actor: Actor) -> None:
    access_log.note(
        kind=access_log.LOG_READ,
        principal=actor.label,
        address=request.META.get("REMOTE_ADDR") or None,
        detail=request.get_full_path(),
    )
