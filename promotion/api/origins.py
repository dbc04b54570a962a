"""Lineage asked both ways over HTTP: what was made of this, and what comes of that."""

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from governance import access
from governance.api import pagination
from governance.api.authentication import actor_of
from governance.api.base import ApiView
from governance.api.parsing import query
from promotion import origins
from promotion.selectors import made_from, relations, relations_document
from registry.manifests.lineage import LARGEST_NUMBER

ASKED = (*origins.PARAMETERS, *pagination.PARAMETERS)


class VersionsByOriginView(ApiView):
    """Versions by what they were made of."""

    @extend_schema(
        operation_id="find_versions_by_origin",
        parameters=[OpenApiParameter(name) for name in ASKED],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: HttpRequest) -> Response:
        """List versions made of this data, code, feature or package, and where they answer."""
        asked = origins.read(query(request, *ASKED))
        actor = actor_of(request)
        access.require(actor, access.Permission.VIEW)
        sight, now = access.sight(actor), timezone.now()
        page = pagination.cut(made_from.versions(asked, sight), request=request, by="digest")
        found = made_from.made(page.rows, sight, now=now)
        items = [relations_document.of_made(one, asked) for one in found]
        return Response({"items": items, "next": page.next})


class RelationsView(ApiView):
    """What is around one version."""

    @extend_schema(operation_id="show_relations", responses=OpenApiTypes.OBJECT)
    def get(self, request: HttpRequest, name: str, number: int) -> Response:
        """Say what a version comes from, what comes of it, and what retiring it would mean."""
        query(request)
        actor = actor_of(request)
        access.require(actor, access.Permission.VIEW)
        found = relations.relations(
            name, min(number, LARGEST_NUMBER), access.sight(actor), now=timezone.now()
        )
        return Response(relations_document.of_relations(found))
