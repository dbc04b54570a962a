"""The audit log's pages. Reading it is noted in the access log."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_http_methods

from governance import access, names
from governance.access import Permission
from governance.audit import behind
from governance.errors import GovernanceError, Invalid
from governance.services import access_log, sealing
from promotion.selectors.audit_page import FILTERS, audit_page
from promotion.views.frame import actor_of, framed, page, text_of

LARGEST = 2**63 - 1


@require_GET
@page
def audit(request: HttpRequest) -> HttpResponse:
    """Show entries, newest first, filtered."""
    actor = actor_of(request)
    access.require(actor, Permission.AUDIT)
    filters = {name: request.GET.get(name, "").strip() for name in FILTERS}
    _refuse_odd(filters)
    found = audit_page(filters=filters, before=_before(request))
    kept = {name: value for name, value in filters.items() if value}
    address = request.META.get("REMOTE_ADDR")
    detail = urlencode(kept)
    access_log.note(kind=access_log.LOG_READ, principal=actor.label, address=address, detail=detail)
    context = {"page": found, "nav": "audit", "query": urlencode(kept)}
    return framed(request, "audit.html", context)


@require_http_methods(["GET", "POST"])
@page
def history(request: HttpRequest) -> HttpResponse:
    """Show what was sealed and is not here; then let the log go on, recorded."""
    actor = actor_of(request)
    access.require(actor, Permission.OPERATE)
    error: GovernanceError | None = None
    if request.method == "POST":
        try:
            sealing.adopt(reason=text_of(request.POST, "reason"), actor=actor)
        except GovernanceError as refusal:
            error = refusal
        else:
            messages.success(request, "Recorded. Changes can be made again.")
            return HttpResponseRedirect(reverse("environments"))
    lost = behind.look()
    context = {
        "nav": "audit",
        "lost": lost,
        "next_epoch": lost.epoch + 1 if lost else 0,
        "form": request.POST,
    }
    return framed(request, "log_history.html", context, error=error)


def _refuse_odd(filters: dict[str, str]) -> None:
    """Refuse what no stored text can hold, such as NUL."""
    problems = {
        name: problem
        for name, value in filters.items()
        if (problem := names.problem_with(value, limit=200, blank=True))
    }
    if problems:
        message = "This cannot be searched for: " + "; ".join(
            f"{name} {problem}" for name, problem in problems.items()
        )
        raise Invalid(message, **problems)


def _before(request: HttpRequest) -> int | None:
    """The cursor; anything that is none begins at the newest entry."""
    text = request.GET.get("before", "")
    return min(int(text), LARGEST) if text.isascii() and text.isdigit() and len(text) < 20 else None
