"""The class API views derive from: ``Idempotency-Key`` on POST, ``If-Match`` on demand."""

import hashlib
from typing import Any

from django.db import DatabaseError, InterfaceError, transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance import names
from governance.api.authentication import actor_of
from governance.errors import Invalid, Stale
from governance.services import idempotency
from governance.services.idempotency import Answer

KEPT_HEADERS = ("Location", "ETag")
LONGEST_KEY = 255


class ApiView(APIView):
    """A thin view. A POST with ``Idempotency-Key`` happens once, however often it is sent.

    Such a POST runs in one transaction with the keeping of its answer. Answers of
    errors are not kept: what failed may be tried again with the same key.
    """

    answers_hold_secrets = False
    """Answers that are shown once are not kept, so such a view takes no key."""

    _claimed: tuple[str, str] | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        keyed = request.method == "POST" and "Idempotency-Key" in request.headers
        if not keyed or self.answers_hold_secrets:
            return super().dispatch(request, *args, **kwargs)
        try:
            with transaction.atomic():
                response = super().dispatch(request, *args, **kwargs)
                if self._claimed:
                    self._settle(response)
        except (DatabaseError, InterfaceError) as exc:
            # Raised by the commit: deferred constraints, or the connection is gone.
            answer = self.handle_exception(exc)
            response = self.finalize_response(self.request, answer, *args, **kwargs)
        return response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method == "POST" and "Idempotency-Key" in request.headers:
            self._claim(request)

    def handle_exception(self, exc: Exception) -> Any:
        if isinstance(exc, _Repeated):
            return HttpResponse(
                exc.answer.body, status=exc.answer.status, headers=dict(exc.answer.headers)
            )
        return super().handle_exception(exc)

    def _claim(self, request: Request) -> None:
        if self.answers_hold_secrets:
            message = "This answer holds a secret and is not kept; send no Idempotency-Key."
            raise Invalid(message, code="idempotency_key_not_taken")
        key = request.headers["Idempotency-Key"]
        problem = names.problem_with(key, limit=LONGEST_KEY)
        if problem:
            message = "This is no idempotency key."
            raise Invalid(message, code="bad_idempotency_key", key=problem)
        actor = actor_of(request)
        principal = f"{actor.kind}:{actor.id}"
        answer = idempotency.claim(
            principal=principal,
            key=key,
            request_sha256=_fingerprint(request._request),  # noqa: SLF001
        )
        if answer is not None:
            raise _Repeated(answer)
        self._claimed = principal, key

    def _settle(self, response: HttpResponseBase) -> None:
        if self._claimed is None or not isinstance(response, HttpResponse):
            return
        principal, key = self._claimed
        if not 200 <= response.status_code < 300:
            idempotency.release(principal=principal, key=key)
            return
        if isinstance(response, Response):
            response.render()
        kept = {name: response[name] for name in KEPT_HEADERS if name in response}
        kept["Content-Type"] = response["Content-Type"]
        answer = Answer(response.status_code, kept, response.content)
        idempotency.keep(principal=principal, key=key, answer=answer)


def require_match(request: Request, etag: str) -> None:
    """Refuse a change of something that is no longer what the caller saw.

    Args:
        etag: of what there is now, with its quotes.

    Raises:
        Invalid: ``precondition_required``, no ``If-Match``.
        Stale: it names something else.
    """
    sent = request.headers.get("If-Match")
    if sent is None:
        message = "Send If-Match with the ETag of what you mean to change."
        raise Invalid(message, code="precondition_required")
    if etag not in (candidate.strip() for candidate in sent.split(",")):
        message = "This is no longer what you saw. Read it again."
        raise Stale(message, etag=etag)


class _Repeated(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


def _fingerprint(request: HttpRequest) -> str:
    """Hash what makes two requests the same: method, path with query, and body."""
    line = f"{request.method} {request.get_full_path()} {request.content_type}\n"
    return hashlib.sha256(line.encode() + request.body).hexdigest()
