"""The audit log's pages. Reading it is noted in the access log."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from governance import access
from governance.access import Permission
from governance.audit import behind
from governance.errors import GovernanceError
from governance.services import sealing
from promotion import desk
from promotion.selectors import listings
from promotion.selectors.audit_page import MOST_EXPORTED, audit_page, exported
from promotion.views.auditing import asked_of, shown
from promotion.views.frame import actor_of, framed, page, text_of

LARGEST = 2**63 - 1


@require_GET
@page
def audit(request: HttpRequest) -> HttpResponse:
    """Show entries, newest first, filtered."""
    asked = asked_of(request, *desk.SEARCH, "before")
    search, before = desk.search(asked), _before(asked.pop("before", ""))
    is_page = desk.form(asked) is None
    found = audit_page(search, asked=asked, before=before) if is_page else None
    return shown(
        request,
        "audit/log.html",
        asked=asked,
        listing=lambda: listings.log(exported(search), about={"asked": asked}),
        context={"page": found, "most": MOST_EXPORTED, "tab": "log"},
    )


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


def _before(text: str) -> int | None:
    """The cursor; anything that is none begins at the newest entry."""
    return min(int(text), LARGEST) if text.isascii() and text.isdigit() and len(text) < 20 else None
