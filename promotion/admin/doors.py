"""The admin has no door of its own: people sign in, and change passwords, on the pages."""

from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse


def login(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Lead to the sign-in page, unless signing in again would not help."""
    if request.user.is_authenticated:
        raise PermissionDenied
    wanted = request.GET.get("next") or reverse("admin:index")
    return redirect_to_login(wanted)


def password_change(
    request: HttpRequest,  # noqa: ARG001 - Django's signature
    extra_context: dict[str, Any] | None = None,  # noqa: ARG001 - Django's signature
) -> HttpResponse:
    """Lead to the page that changes it through the service."""
    return HttpResponseRedirect(reverse("password"))
