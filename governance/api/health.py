"""Is this process alive, and can it do its work? For load balancers, without a token."""

import logging

from django.db import Error, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from governance.services import reachability

logger = logging.getLogger(__name__)


@require_safe
def live(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - a view's signature
    """Answer at all."""
    return JsonResponse({"live": True})


@require_safe
def ready(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - a view's signature
    """Tell whether requests can be served: with the database, without it not.

    The broker is told beside it: without it wake-ups wait for the next sweep, no more.
    """
    database = _database_answers()
    broker = not reachability.trouble_with_broker()
    body = {"ready": database, "database": database, "broker": broker}
    return JsonResponse(body, status=200 if database else 503)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:
        logger.warning("not ready, the database does not answer: %s", error)
        return False
    return True
