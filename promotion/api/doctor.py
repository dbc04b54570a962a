"""The system's own examination over HTTP."""

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from governance.api.authentication import actor_of
from governance.api.base import ApiView
from governance.services.starting import software
from promotion.services import checking


class DoctorView(ApiView):
    """Everything that can be ill."""

    @extend_schema(operation_id="examine", responses=OpenApiTypes.OBJECT)
    def get(self, request: HttpRequest) -> Response:
        """Look at database, store, servers, keys, worker and agents; say what helps."""
        found = checking.examine(actor=actor_of(request))
        return Response(
            {
                "at": timezone.now(),
                "software": software(),
                "checks": [check.as_document() for check in found],
            }
        )
