"""Erasing the payload of one audit entry: what waits, asking for it, deciding it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from governance import access
from governance.access import Permission
from governance.audit.erasing import kept_because
from governance.audit.models import Entry
from governance.errors import GovernanceError, Invalid
from governance.models import Erasure
from governance.services import access_log
from governance.services import erasures as service
from promotion.selectors import timeline
from promotion.views.frame import actor_of, framed, page, text_of, user_of

SHOWN = 100


@require_GET
@page
def erasures(request: HttpRequest) -> HttpResponse:
    """What was asked to be erased: what waits, and what was decided."""
    access.require(actor_of(request), Permission.ERASE)
    rows = list(Erasure.objects.all()[:SHOWN])
    context = {
        "nav": "audit",
        "waiting": [row for row in rows if row.state == Erasure.State.ASKED],
        "settled": [row for row in rows if row.state != Erasure.State.ASKED],
    }
    return framed(request, "erasures.html", context)


@require_http_methods(["GET", "POST"])
@page
def erase(request: HttpRequest, seq: int) -> HttpResponse:
    """One entry with what would go; ask for it, or decide what somebody else asked for."""
    actor = actor_of(request)
    access.require(actor, Permission.ERASE)
    found = Erasure.objects.filter(pk=seq).first()
    if found is None:
        # Who decides sees what is asked for, and no other entry.
        access.require(actor, Permission.AUDIT)
    entry = service.find(seq)
    error: GovernanceError | None = None
    if request.method == "POST":
        try:
            said = _act(request, seq, is_asked=found is not None and found.state == "asked")
        except GovernanceError as refusal:
            error = refusal
        else:
            messages.success(request, said)
            return HttpResponseRedirect(reverse("erasures"))
    _note_reading(request, entry)
    context = {
        "nav": "audit",
        "entry": entry,
        "event": timeline.in_words([entry])[0],
        "erasure": found,
        "is_own": found is not None and found.asked_person == actor.person,
        "kept": kept_because(action=entry.action, subject=entry.subject),
        "form": request.POST,
    }
    return framed(request, "erase.html", context, error=error)


def _act(request: HttpRequest, seq: int, *, is_asked: bool) -> str:
    """Do what the form says; return what to tell afterwards."""
    form, user, actor = request.POST, user_of(request), actor_of(request)
    if form.get("decision") in {"erase", "decline"}:
        done = service.decide(
            seq=seq,
            erase=form["decision"] == "erase",
            comment=text_of(form, "comment"),
            user=user,
            actor=actor,
        )
        is_gone = done.state == Erasure.State.ERASED
        return "It is gone, and the log says so." if is_gone else "You declined it. Nothing went."
    if is_asked:
        message = "Say whether it goes."
        raise Invalid(message, decision="Choose one.")
    service.ask(
        seq=seq,
        reason=text_of(form, "reason"),
        basis=form.get("basis", ""),
        user=user,
        actor=actor,
    )
    return "You asked for it. Another auditor or an admin decides."


def _note_reading(request: HttpRequest, entry: Entry) -> None:
    access_log.note(
        kind=access_log.LOG_READ,
        principal=actor_of(request).label,
        address=request.META.get("REMOTE_ADDR"),
        detail=f"entry {entry.seq}, to erase",
    )
