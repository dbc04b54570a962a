"""What every page shares: signed in, allowed, framed, and its errors in plain words."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from governance import access
from governance.access import ROLES, Permission, Sight
from governance.actors import Actor
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
from governance.models import User
from governance.services import access_log
from promotion.selectors import abnormal, promotions
from promotion.templatetags.lockgate import fingerprint

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]

STATUS: Mapping[type[GovernanceError], int] = {
    NotFound: 404,
    Conflict: 409,
    Stale: 412,
    Invalid: 422,
    TooLarge: 413,
    Unauthenticated: 401,
    Forbidden: 403,
    Refused: 403,
    Unavailable: 503,
}
NO_CONTENT = 204


def page(view: View[P]) -> View[P]:
    """Guard a page: sign in first, hold a role anywhere, and get refusals in plain words."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return _to_sign_in(request)
        try:
            access.require(actor_of(request), Permission.VIEW)
            return view(request, *args, **kwargs)
        except GovernanceError as error:
            if isinstance(error, Forbidden):
                access_log.note_forbidden(request, reason=error.message)
            return problem(request, error)

    return cast("View[P]", never_cache(guarded))


def user_of(request: HttpRequest) -> User:
    """The signed-in account."""
    return cast("User", request.user)


def actor_of(request: HttpRequest) -> Actor:
    """The signed-in account, as whoever does something."""
    return Actor.from_user(user_of(request))


def visible(request: HttpRequest) -> Sight:
    """The environments this person may see, and of which models in each."""
    return access.sight(actor_of(request))


def place_of(request: HttpRequest, environment: str) -> Sight:
    """The one environment a page is about.

    Raises:
        NotFound: there is none of that name, or none that this person may see.
    """
    found = visible(request).only(environment)
    if not found:
        message = f"There is no environment {environment}."
        raise NotFound(message)
    return found


def text_of(form: Mapping[str, str], field: str) -> str:
    """What was written in a field, with the line ends of everybody else: browsers send two."""
    return form.get(field, "").replace("\r\n", "\n")


def operable_places(request: HttpRequest) -> set[str]:
    """Names of the environments whose agents this person operates."""
    rows = access.environments(actor_of(request), Permission.OPERATE, group="")
    return set(rows.values_list("slug", flat=True))


def framed(
    request: HttpRequest,
    template: str,
    context: Mapping[str, object],
    *,
    error: GovernanceError | None = None,
    environments: Sight | None = None,
) -> HttpResponse:
    """Render a whole page inside the frame: navigation, what is abnormal, what waits for me.

    With an error, its form is shown again: what was refused, which fields, and the status of that.
    """
    actor = actor_of(request)
    places = visible(request) if environments is None else environments
    held = access.roles_of(actor)
    frame = {
        # A page that has read what is abnormal for itself need not read it again.
        "alarms": context["alarms"] if "alarms" in context else abnormal.alarms(places),
        "operable_places": operable_places(request),
        "waiting_count": promotions.count_waiting(actor),
        "may_audit": bool(held & ROLES[Permission.AUDIT]),
        "may_see_people": bool(held & ROLES[Permission.SEE_PEOPLE]),
        "error": error,
        "problems": problems_of(error) if error else {},
    }
    status = STATUS.get(type(error), 400) if error else 200
    return render(request, template, {**frame, **context}, status=status)


def live(request: HttpRequest, template: str, context: Mapping[str, object]) -> HttpResponse:
    """Render a live part, or answer 204 when nothing but the time has changed.

    The page sends along the hash of what it shows, so that what has not changed is
    never swapped: focus, selection and scrolling stay.
    """
    response = render(request, template, context)
    seen = fingerprint(response.content.decode())
    if request.GET.get("seen") == seen:
        return HttpResponse(status=NO_CONTENT)
    response["X-Seen"] = seen
    return response


def problem(request: HttpRequest, error: GovernanceError) -> HttpResponse:
    """Say what happened, why, and what to do."""
    context = {"error": error, "status": STATUS.get(type(error), 400)}
    return render(request, "problem.html", context, status=STATUS.get(type(error), 400))


def problems_of(error: GovernanceError) -> dict[str, str]:
    """The fields an error names, and what is wrong with each."""
    if not isinstance(error, Invalid):
        return {}
    return {name: str(text) for name, text in error.context.items()}


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    """Go to the sign-in page, and afterwards back here; a live part reloads its whole page."""
    if not request.headers.get("HX-Request"):
        return redirect_to_login(request.get_full_path())
    response = HttpResponse(status=401)
    response["HX-Refresh"] = "true"
    return response
