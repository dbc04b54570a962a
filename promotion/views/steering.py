"""Pausing, resuming and aborting a rollout: each first says what it will do."""

from collections.abc import Callable, Mapping
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from governance import access
from governance.access import Permission
from governance.errors import GovernanceError, NotFound
from promotion.models import Request, Rollout
from promotion.services import steering
from promotion.views.frame import actor_of, framed, page, text_of

SERVICES: Mapping[str, Callable[..., Request]] = {
    "pause": steering.pause,
    "resume": steering.resume,
    "abort": steering.abort,
}
DONE: Mapping[str, str] = {
    "pause": "It is paused, and takes no step until somebody resumes it.",
    "resume": "It goes on.",
    "abort": "It is ended.",
}


@require_http_methods(["GET", "POST"])
@page
def steer(request: HttpRequest, pk: UUID, verb: str) -> HttpResponse:
    """Say what the verb does to this rollout as it is now; then do it."""
    rollout = _find(pk)
    row = rollout.request
    access.require(
        actor_of(request), Permission.OPERATE, environment=row.environment, group=row.model.group
    )
    error: GovernanceError | None = None
    if request.method == "POST":
        reason = text_of(request.POST, "reason")
        try:
            ended = SERVICES[verb](rollout_id=pk, reason=reason, actor=actor_of(request))
        except GovernanceError as refusal:
            error = refusal
        else:
            messages.success(request, DONE[verb])
            return HttpResponseRedirect(reverse("promotion", args=[ended.pk]))
    word, consequence = _words(rollout, verb)
    what = f"{row.model.name} {row.deployment.version.number} in {row.environment.slug}"
    context = {
        "nav": "promotions",
        "title": f"{word} the rollout of {what}?",
        "consequence": consequence,
        "button": f"{word} the rollout",
        "back": reverse("promotion", args=[row.pk]),
        "reason": request.POST.get("reason", ""),
    }
    return framed(request, "confirm.html", context, error=error)


def _find(pk: UUID) -> Rollout:
    rows = Rollout.objects.select_related(
        "request__environment",
        "request__model",
        "request__deployment__version",
        "outgoing__version",
    )
    found = rows.filter(pk=pk).first()
    if found is None:
        message = "There is no such rollout."
        raise NotFound(message)
    return found


def _words(rollout: Rollout, verb: str) -> tuple[str, str]:
    """Return the verb as a button says it, and its consequence."""
    new = rollout.request.deployment.version.number
    old = rollout.outgoing.version.number if rollout.outgoing else None
    if verb == "pause":
        return "Pause", (
            "It takes no further step until somebody resumes it. What answers now answers on,"
            " and the guards watch on."
        )
    if verb == "resume" and rollout.paused_at is None:
        return "Continue", (
            "It goes on without the answers it lacks; agents that are missing get their time"
            " once more. The guards watch on."
        )
    if verb == "resume":
        return "Resume", "It goes on where it was, with the time that was left."
    if rollout.step in steering.BEFORE_COMMIT:
        answers = f"Version {old} answers everybody." if old else "Nobody answers, as before."
        return "Abort", (
            f"Version {new} goes back where it was before this rollout. {answers}"
            " The same can be asked for again."
        )
    if old is None:
        return "Abort", "No version answered before this one: there is nothing to go back to."
    return "Abort", (
        f"Version {new} answers everybody already, so this is a rollback: version {old} answers"
        " again, agent by agent, at once."
    )
