"""Ways into the admin: the sign-in page of all pages, and a password changed by the service."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.forms import AdminPasswordChangeForm
from django.contrib.auth.views import PasswordChangeView, redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse, reverse_lazy
from django.utils.http import url_has_allowed_host_and_scheme

from governance.models import User
from governance.services import people


def sign_in(request: HttpRequest) -> HttpResponse:
    """Send people to the one page where passwords are asked for, and back."""
    if admin.site.has_permission(request):
        return HttpResponseRedirect(reverse("admin:index"))
    if request.user.is_authenticated:
        raise PermissionDenied  # Signed in, but not staff: asking again would not help.
    wanted = request.GET.get("next", "")
    safe = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return redirect_to_login(wanted if safe else reverse("admin:index"), settings.LOGIN_URL)


class OwnPassword(AdminPasswordChangeForm):
    """Django's form for one's own password, saved by the service."""

    user: User

    def save(self, commit: bool = True) -> User:  # noqa: ARG002, FBT001, FBT002 - Django's
        account = User.objects.get(pk=self.user.pk)
        self.user = people.set_password(
            user_id=account.pk, password=self.cleaned_data["new_password1"], actor=account.actor
        )
        return self.user


class ChangePassword(PasswordChangeView):
    """Django's view, with that form, in the admin's frame."""

    form_class = OwnPassword
    success_url = reverse_lazy("admin:password_change_done")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(**admin.site.each_context(self.request), **context)
