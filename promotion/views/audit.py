"""The audit log's page. Reading it is noted in the access log."""

from django.http import HttpRequest, HttpResponse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from governance import access, names
from governance.access import Permission
from governance.errors import Invalid
from governance.services import access_log
from promotion.selectors.audit_page import FILTERS, audit_page
from promotion.views.frame import actor_of, framed, page

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
