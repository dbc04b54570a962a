"""Signing in and out. The only pages for those who are not signed in."""

from django.conf import settings
from django.contrib import auth
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from governance.errors import GovernanceError
from governance.services import sign_in as credentials
from promotion.views.frame import STATUS

BACKEND = "django.contrib.auth.backends.ModelBackend"


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Ask for name and password; then go where the person wanted to go, on this host only."""
    following = _following(request)
    if request.method == "GET":
        if request.user.is_authenticated:
            return HttpResponseRedirect(following)
        return _door(request, following)
    username = request.POST.get("username", "")
    try:
        user = credentials.check(
            username=username,
            password=request.POST.get("password", ""),
            address=request.META.get("REMOTE_ADDR"),
        )
    except GovernanceError as error:
        return _refused(request, following, username=username, error=error)
    auth.login(request, user, backend=BACKEND)  # Takes a new session key.
    return HttpResponseRedirect(following)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    auth.logout(request)
    return HttpResponseRedirect(settings.LOGIN_URL)


def _following(request: HttpRequest) -> str:
    """Where to go afterwards: a path of this host, or the first page."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    allowed = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts=None, require_https=request.is_secure()
    )
    return wanted if allowed and wanted.startswith("/") else settings.LOGIN_REDIRECT_URL


def _refused(
    request: HttpRequest, following: str, *, username: str, error: GovernanceError
) -> HttpResponse:
    """Say why, and to who guesses too often also for how long."""
    if error.code != "too_many_attempts":
        status = STATUS.get(type(error), 400)
        return _door(request, following, username=username, error=error, status=status)
    response = _door(request, following, username=username, error=error, status=429)
    response["Retry-After"] = str(int(credentials.WINDOW.total_seconds()))
    return response


def _door(
    request: HttpRequest,
    following: str,
    *,
    username: str = "",
    error: GovernanceError | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {"next": following, "username": username, "error": error}
    return render(request, "sign_in.html", context, status=status)
