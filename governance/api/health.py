"""Is this process alive, and can it do its work? For load balancers, without a token."""

import logging

from celery import current_app
from django.db import Error, connection
from django.http import HttpRequest, JsonResponse
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


def live(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - a view's signature
    """Answer at all."""
    return JsonResponse({"live": True})


def ready(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - a view's signature
    """Tell whether requests can be served: with the database, without it not.

    The broker is told beside it: without it wake-ups wait for the next sweep, no more.
    """
    database = _database_answers()
    body = {"ready": database, "database": database, "broker": _broker_answers()}
    return JsonResponse(body, status=200 if database else 503)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:
        logger.warning("not ready, the database does not answer: %s", error)
        return False
    return True


def _broker_answers() -> bool:
    try:
        with current_app.connection_for_write() as link:
            link.ensure_connection(max_retries=1, interval_start=0, timeout=1)
    except (OperationalError, OSError) as error:
        logger.warning("the broker does not answer: %s", error)
        return False
    return True
