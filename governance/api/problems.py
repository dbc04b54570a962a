"""Turn errors into RFC 9457 problem responses. The only place that does.

Each is ``application/problem+json`` with ``type``, ``title``, ``status``, ``code`` and
``detail``, and whatever context the error brings. Clients match on ``code``.
"""

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.views import defaults
from django_fsm import TransitionNotAllowed
from rest_framework import exceptions as drf

from governance.errors import (
    Conflict,
    Forbidden,
    GovernanceError,
    Invalid,
    NotFound,
    Refused,
    Stale,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from governance.services import access_log

logger = logging.getLogger(__name__)

CHALLENGE = 'Bearer realm="lockgate"'
RETRY_SECONDS = 2
"""What a client waits when we are down: as long as a failover of the database takes to notice."""
GUESSING_SECONDS = 300
UNAUDITED = "23000"
"""The SQL state our triggers raise with when a change has no audit entry: a bug, not a conflict."""

STATUS: dict[type[GovernanceError], HTTPStatus] = {
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    Stale: HTTPStatus.PRECONDITION_FAILED,
    Invalid: HTTPStatus.BAD_REQUEST,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    Refused: HTTPStatus.FORBIDDEN,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
STATUS_OF_CODE = {
    "too_many_attempts": HTTPStatus.TOO_MANY_REQUESTS,
    "precondition_required": HTTPStatus.PRECONDITION_REQUIRED,
}
CODES_OF_DRF = {
    "not_authenticated": "unauthenticated",
    "authentication_failed": "unauthenticated",
    "permission_denied": "forbidden",
    "parse_error": "invalid",
}
NOTHING_HERE = (HTTPStatus.NOT_FOUND, "not_found", "There is nothing here.")
NOT_ALLOWED = (HTTPStatus.FORBIDDEN, "forbidden", "You may not do this.")
UNREADABLE = (HTTPStatus.BAD_REQUEST, "bad_request", "The request cannot be read.")
OF_DJANGO: dict[type[Exception], tuple[HTTPStatus, str, str]] = {
    Http404: NOTHING_HERE,
    PermissionDenied: NOT_ALLOWED,
    RequestDataTooBig: (
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too_large",
        "The body is larger than this path takes.",
    ),
    SuspiciousOperation: UNREADABLE,
    BadRequest: UNREADABLE,
    UnreadablePostError: UNREADABLE,
}


def problem(
    status: int,
    *,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    context: Mapping[str, object] | None = None,
) -> HttpResponse:
    """Render one problem. Context never hides the standard members."""
    body = {
        **(context or {}),
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "code": code,
        "detail": detail,
    }
    # ASCII: an echoed name may hold what UTF-8 cannot.
    content = json.dumps(body, cls=_Encoder, ensure_ascii=True)
    return HttpResponse(
        content, status=status, content_type="application/problem+json", headers=headers
    )


def handle(exc: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """Answer for an exception of an API view; None lets it become a 500."""
    if isinstance(exc, Forbidden):
        access_log.note_forbidden(context["request"], reason=exc.message)
    if isinstance(exc, GovernanceError):
        return of_ours(exc)
    if isinstance(exc, drf.APIException):
        return _of_drf(exc)
    if isinstance(exc, DatabaseError | InterfaceError):
        return _of_database(exc)
    return _of_django(exc)


def of_ours(exc: GovernanceError) -> HttpResponse:
    """Answer for an error our own code raised on purpose."""
    default = next((STATUS[kind] for kind in type(exc).__mro__ if kind in STATUS), None)
    status = STATUS_OF_CODE.get(exc.code) or default or HTTPStatus.BAD_REQUEST
    headers = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = CHALLENGE
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        headers["Retry-After"] = str(GUESSING_SECONDS)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(exc.context.get("retry_after", RETRY_SECONDS))
    extra: Mapping[str, object] = exc.context
    if isinstance(exc, Invalid) and exc.context:
        extra = {"problems": exc.context}
    return problem(status, code=exc.code, detail=exc.message, headers=headers, context=extra)


def _of_drf(exc: drf.APIException) -> HttpResponse:
    status = exc.status_code
    headers = {}
    if isinstance(exc, drf.NotAuthenticated | drf.AuthenticationFailed):
        status, headers = HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": CHALLENGE}
    wait = getattr(exc, "wait", None)
    if isinstance(exc, drf.Throttled) and wait:
        headers["Retry-After"] = str(int(wait) + 1)
    if isinstance(exc, drf.ValidationError):
        wrong = {"problems": dict(_flat(exc.detail))}
        return problem(status, code="invalid", detail="The input is wrong.", context=wrong)
    codes = exc.get_codes()
    code = codes if isinstance(codes, str) else exc.default_code
    return problem(
        status, code=CODES_OF_DRF.get(code, code), detail=str(exc.detail), headers=headers
    )


def _of_database(exc: Exception) -> HttpResponse | None:
    if isinstance(exc, OperationalError | InterfaceError):
        logger.warning("the database does not answer: %s", exc)
        return unavailable()
    if getattr(exc.__cause__, "sqlstate", "") == UNAUDITED:
        return None
    if isinstance(exc, IntegrityError):
        logger.warning("refused by a constraint: %s", exc)
        detail = "This contradicts what is stored; perhaps somebody was quicker."
        return problem(HTTPStatus.CONFLICT, code="conflict", detail=detail)
    if isinstance(exc, DataError):
        logger.warning("refused by the database: %s", exc)
        detail = "A value is outside of what can be stored."
        return problem(HTTPStatus.BAD_REQUEST, code="invalid", detail=detail)
    return None


def _of_django(exc: Exception) -> HttpResponse | None:
    if isinstance(exc, DjangoValidationError):
        detail = "; ".join(exc.messages)
        return problem(HTTPStatus.BAD_REQUEST, code="invalid", detail=detail)
    if isinstance(exc, TransitionNotAllowed):
        return problem(HTTPStatus.CONFLICT, code="transition_not_allowed", detail=str(exc))
    # In this order: a body that is too big is also suspicious.
    for kind, answer in OF_DJANGO.items():
        if isinstance(exc, kind):
            return _said(answer)
    return None


def _said(answer: tuple[HTTPStatus, str, str]) -> HttpResponse:
    status, code, detail = answer
    return problem(status, code=code, detail=detail)


def unavailable() -> HttpResponse:
    """Answer while something we need is down."""
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        code="unavailable",
        detail="Something this needs is not available. Nothing was changed; try again.",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django refuses before any view: ``handler400``."""
    if not is_api(request):
        return defaults.bad_request(request, exception)
    return _of_django(exception) or _said(UNREADABLE)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a refusal outside of the API's views: ``handler403``."""
    if not is_api(request):
        return defaults.permission_denied(request, exception)
    return _said(NOT_ALLOWED)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a path that does not exist: ``handler404``."""
    if not is_api(request):
        return defaults.page_not_found(request, exception)
    return _said(NOTHING_HERE)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer our own mistake without showing it: ``handler500``."""
    if not is_api(request):
        return defaults.server_error(request)
    detail = "This is our mistake. Nothing was changed, and it is in the log."
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, code="internal", detail=detail)


def is_api(request: HttpRequest) -> bool:
    """Tell whether a program asks, and not a person's browser."""
    return request.path_info.startswith(("/api/", "/health/"))


def _flat(detail: object, path: str = "") -> list[tuple[str, list[str]]]:
    """Name each wrong field by its path, as in ``files.0.sha256``."""
    if isinstance(detail, Mapping):
        items = [(str(key), value) for key, value in detail.items()]
    elif isinstance(detail, list) and any(isinstance(item, dict | list) for item in detail):
        items = [(str(index), value) for index, value in enumerate(detail) if value]
    else:
        messages = detail if isinstance(detail, list) else [detail]
        return [(path or "body", [str(message) for message in messages])]
    found: list[tuple[str, list[str]]] = []
    for key, value in items:
        inner = path if key == "non_field_errors" else f"{path}.{key}" if path else key
        found += _flat(value, inner)
    return found


class _Encoder(DjangoJSONEncoder):
    def default(self, o: object) -> Any:
        if isinstance(o, set | frozenset):
            return sorted(o)
        if isinstance(o, Mapping):
            return dict(o)
        return super().default(o)
