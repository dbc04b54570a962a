"""Findings over HTTP."""

from uuid import UUID

from django.db.models import Q
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from governance import access
from governance.api.authentication import actor_of
from governance.api.base import ApiView
from governance.api.pagination import cut
from governance.errors import Forbidden, Invalid
from governance.models import User
from promotion.api.bodies import NUMBER_LIMIT, FindingIn, FindingResolutionIn
from promotion.models import Finding
from promotion.models.findings import FindingQuerySet
from promotion.policy_parts import FINDING_SEVERITIES
from promotion.selectors import findings as selector
from promotion.services import findings

STATES = ("open", "closed", "overdue")


class FindingsView(ApiView):
    """All findings."""

    @extend_schema(
        operation_id="list_findings",
        parameters=[
            OpenApiParameter("cursor", OpenApiTypes.STR),
            OpenApiParameter("limit", OpenApiTypes.INT),
            OpenApiParameter("model", OpenApiTypes.STR),
            OpenApiParameter("version", OpenApiTypes.INT),
            OpenApiParameter("owner", OpenApiTypes.STR, description="A person, or me."),
            OpenApiParameter("severity", OpenApiTypes.STR, enum=list(FINDING_SEVERITIES)),
            OpenApiParameter("state", OpenApiTypes.STR, enum=list(STATES)),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: HttpRequest) -> Response:
        """List the findings on versions the caller may see, the newest first."""
        rows = _visible(request).filter(_asked(request))
        return Response(cut(rows, request=request, by="recorded_at", newest_first=True).body(out))


class VersionFindingsView(ApiView):
    """Findings on one version."""

    @extend_schema(
        operation_id="record_finding", request=FindingIn, responses={201: OpenApiTypes.OBJECT}
    )
    def post(self, request: HttpRequest, name: str, number: int) -> Response:
        """Hold something against this version: who sees to it, and by when."""
        user = _person(request)
        body = FindingIn(data=request.data)
        body.is_valid(raise_exception=True)
        made = findings.record_finding(
            model=name, version=number, user=user, actor=actor_of(request), **body.validated_data
        )
        return Response(out(made), status=status.HTTP_201_CREATED)


class FindingView(ApiView):
    """One finding."""

    @extend_schema(operation_id="show_finding", responses=OpenApiTypes.OBJECT)
    def get(self, request: HttpRequest, pk: UUID) -> Response:
        """Show what is held against which version, and how it was resolved."""
        return Response(out(selector.find(_visible(request), pk)))


class CloseFindingView(ApiView):
    """Resolved."""

    @extend_schema(
        operation_id="close_finding",
        request=FindingResolutionIn,
        responses=OpenApiTypes.OBJECT,
    )
    def post(self, request: HttpRequest, pk: UUID) -> Response:
        """Find that it is resolved, as another person than who recorded, owns or made it."""
        user = _person(request)
        body = FindingResolutionIn(data=request.data)
        body.is_valid(raise_exception=True)
        selector.find(_visible(request), pk)
        closed = findings.close_finding(
            finding_id=pk, user=user, actor=actor_of(request), **body.validated_data
        )
        return Response(out(closed))


def out(finding: Finding) -> dict[str, object]:
    """Return a finding as it is told."""
    return {
        "id": str(finding.pk),
        "model": finding.version.model.name,
        "version": finding.version.number,
        "severity": finding.severity,
        "title": finding.title,
        "text": finding.text,
        "owner": finding.owner,
        "due": finding.due.isoformat(),
        "overdue": finding.is_overdue(),
        "blocks": finding.blocks,
        "condition_of": str(finding.condition_of_id) if finding.condition_of_id else None,
        "recorded_by": finding.recorded_by,
        "recorded_at": finding.recorded_at,
        "closed_by": finding.closed_by or None,
        "closed_at": finding.closed_at,
        "resolution": finding.resolution or None,
        "evidence": finding.evidence or None,
    }


def _visible(request: HttpRequest) -> FindingQuerySet:
    actor = actor_of(request)
    access.require(actor, access.Permission.VIEW)
    return selector.findings(access.reach(actor))


def _person(request: HttpRequest) -> User:
    access.require(actor_of(request), access.Permission.VIEW)
    if not isinstance(request.user, User):
        message = "Only a person reviews; use a personal token."
        raise Forbidden(message, code="a_person")
    return request.user


def _asked(request: HttpRequest) -> Q:
    """Read the filters. What is no value of one is refused, never ignored."""
    asked, found = request.query_params, Q()
    if (model := asked.get("model")) is not None:
        found &= Q(version__model__name=model.replace("\0", ""))
    if (number := asked.get("version")) is not None:
        if not (number.isascii() and number.isdigit() and 0 < int(number[:11]) <= NUMBER_LIMIT):
            message = "A version is a number."
            raise Invalid(message, version="must be a whole number above 0")
        found &= Q(version__number=int(number))
    if (owner := asked.get("owner")) is not None:
        person = actor_of(request).person if owner == "me" else owner
        found &= Q(owner=person.replace("\0", ""))
    if (severity := _one_of(request, "severity", FINDING_SEVERITIES)) is not None:
        found &= Q(severity=severity)
    state = _one_of(request, "state", STATES)
    if state is not None:
        found &= Q(closed_at__isnull=state != "closed")
    if state == "overdue":
        found &= Q(due__lt=timezone.now().date())
    return found


def _one_of(request: HttpRequest, name: str, values: tuple[str, ...]) -> str | None:
    value = request.query_params.get(name)
    if value is not None and value not in values:
        message = f"There is no such {name}."
        raise Invalid(message, **{name: f"must be one of {', '.join(values)}"})
    return value
