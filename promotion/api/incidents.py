"""Incidents over HTTP."""

from uuid import UUID

from django.db.models import Q, QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from governance import access
from governance.api.authentication import actor_of
from governance.api.base import ApiView
from governance.api.pagination import cut
from governance.errors import Invalid, NotFound
from governance.models import Environment
from promotion.api.bodies import IncidentIn, ResolutionIn
from promotion.models import Incident
from promotion.selectors import incidents as selector
from promotion.services import incidents

STATES = ("open", "closed")


class IncidentsView(ApiView):
    """All incidents, and a new one."""

    @extend_schema(
        operation_id="list_incidents",
        parameters=[
            OpenApiParameter("cursor", OpenApiTypes.STR),
            OpenApiParameter("limit", OpenApiTypes.INT),
            OpenApiParameter("environment", OpenApiTypes.STR),
            OpenApiParameter("state", OpenApiTypes.STR, enum=list(STATES)),
        ],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: HttpRequest) -> Response:
        """List the incidents of the environments the caller may see, the newest first."""
        rows = _visible(request).filter(_asked(request))
        page = cut(rows, request=request, by="opened_at", newest_first=True)
        return Response(page.body(_out))

    @extend_schema(
        operation_id="open_incident", request=IncidentIn, responses={201: OpenApiTypes.OBJECT}
    )
    def post(self, request: HttpRequest) -> Response:
        """Say that something is wrong, with one model or with everything here."""
        body = IncidentIn(data=request.data)
        body.is_valid(raise_exception=True)
        made = incidents.open_incident(actor=actor_of(request), **body.validated_data)
        return Response(_out(made), status=status.HTTP_201_CREATED)


class IncidentView(ApiView):
    """One incident."""

    @extend_schema(operation_id="show_incident", responses=OpenApiTypes.OBJECT)
    def get(self, request: HttpRequest, pk: UUID) -> Response:
        """Show what is wrong, since when, and how it ended."""
        return Response(_out(selector.find(_visible(request), pk)))


class CloseView(ApiView):
    """Over."""

    @extend_schema(
        operation_id="close_incident", request=ResolutionIn, responses=OpenApiTypes.OBJECT
    )
    def post(self, request: HttpRequest, pk: UUID) -> Response:
        """Say that it is over, and how. It is never opened again."""
        body = ResolutionIn(data=request.data)
        body.is_valid(raise_exception=True)
        closed = incidents.close_incident(
            incident_id=pk, actor=actor_of(request), **body.validated_data
        )
        return Response(_out(closed))


def _visible(request: HttpRequest) -> QuerySet[Incident]:
    actor = actor_of(request)
    access.require(actor, access.Permission.VIEW)
    return selector.incidents(access.reach(actor))


def _asked(request: HttpRequest) -> Q:
    """Read the filters. A slip of the pen must not read as "nothing is wrong"."""
    asked, found = request.query_params, Q()
    if (slug := asked.get("environment")) is not None:
        if not Environment.objects.filter(slug=slug.replace("\0", "")).exists():
            message = "There is no such environment."
            raise NotFound(message, code="unknown_environment")
        found &= Q(environment__slug=slug)
    if (state := asked.get("state")) is not None:
        if state not in STATES:
            message = "There is no such state."
            raise Invalid(message, state=f"must be one of {', '.join(STATES)}")
        found &= Q(closed_at__isnull=state == "open")
    return found


def _out(incident: Incident) -> dict[str, object]:
    return {
        "id": str(incident.pk),
        "environment": incident.environment.slug,
        "model": incident.model.name if incident.model else None,
        "severity": incident.severity,
        "title": incident.title,
        "detail": incident.detail,
        "opened_by": incident.opened_by,
        "opened_at": incident.opened_at,
        "closed_by": incident.closed_by or None,
        "closed_at": incident.closed_at,
        "resolution": incident.resolution or None,
    }
