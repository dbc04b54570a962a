"""What every request passes, before and after the views."""

from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest

from governance import addresses
from governance.api import problems

GetResponse = Callable[[HttpRequest], HttpResponse]


class ReadableAddress:
    """Refuse a path or query with NUL, and a query with bytes that are not UTF-8.

    PostgreSQL stores neither, so what came of them further in would be a 500.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if _readable(request):
            return self.get_response(request)
        detail = "The address holds characters that cannot be read."
        if problems.is_api(request):
            return problems.problem(400, code="bad_request", detail=detail)
        return HttpResponseBadRequest(detail, content_type="text/plain; charset=utf-8")


class HeadWithoutBody:
    """Answer HEAD with the head alone, as long as the body would be.

    Django leaves that to the server, and gunicorn warns of every such answer.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.method == "HEAD" and not response.streaming:
            response.headers.setdefault("Content-Length", str(len(response.content)))
            response.content = b""
        return response


class CallersAddress:
    """Behind a proxy of ours, let ``REMOTE_ADDR`` be the caller's and not the proxy's."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if trusted := addresses.networks(settings.CONFIG.trusted_proxies):
            request.META["REMOTE_ADDR"] = addresses.caller(
                remote=request.META.get("REMOTE_ADDR", ""),
                forwarded=request.META.get("HTTP_X_FORWARDED_FOR", ""),
                trusted=trusted,
            )
        return self.get_response(request)


class AdminPolicy:
    """Give the admin the content security policy its widgets need, and only the admin.

    Alpine evaluates expressions and unfold sets styles inline; see docs of django-unfold.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path_info.startswith("/admin/"):
            # Where django-csp looks for what its decorator csp_update would say.
            response._csp_update = {  # type: ignore[attr-defined]  # noqa: SLF001
                "script-src": ["'unsafe-eval'"],
                "style-src": ["'unsafe-inline'"],
            }
        return response


def _readable(request: HttpRequest) -> bool:
    # In the path Django has kept bytes that are not UTF-8 as "%FF".
    query = request.META.get("QUERY_STRING", "").encode("latin-1", "replace")
    try:
        text = unquote_to_bytes(query).decode()
    except UnicodeDecodeError:
        return False
    return "\0" not in request.path_info + text
