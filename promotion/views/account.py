"""One's own password."""

from django.contrib import auth, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from governance.errors import GovernanceError, Invalid
from governance.services import people
from governance.services import sign_in as credentials
from promotion.views.frame import actor_of, framed, page, user_of


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@page
def password(request: HttpRequest) -> HttpResponse:
    """Change it: the present one first, so that an open screen is not enough."""
    error: GovernanceError | None = None
    if request.method == "POST":
        try:
            _change(request)
        except GovernanceError as refusal:
            error = refusal
        else:
            messages.success(request, "Your password is changed. Your other sessions have ended.")
            return HttpResponseRedirect(reverse("environments"))
    return framed(request, "password.html", {"nav": ""}, error=error)


def _change(request: HttpRequest) -> None:
    form, user = request.POST, user_of(request)
    credentials.check(
        username=user.username,
        password=form.get("present", ""),
        address=request.META.get("REMOTE_ADDR"),
    )
    new = form.get("new", "")
    if new != form.get("again", ""):
        message = "The two new passwords differ."
        raise Invalid(message, again="is not the same")
    changed = people.set_password(user_id=user.pk, password=new, actor=actor_of(request))
    auth.update_session_auth_hash(request, changed)
