"""The only writer of the access log: what traffic can trigger, kept out of the audit chain."""

from django.http import HttpRequest

from governance.models import AccessLog

SIGNED_IN = "sign_in.succeeded"
SIGN_IN_FAILED = "sign_in.failed"
FORBIDDEN = "request.forbidden"
LOG_READ = "log.read"


def note(*, kind: str, principal: str = "", address: str | None = None, detail: str = "") -> None:
    """Write one line. Never inside a transaction that may still be refused."""
    AccessLog.objects.create(
        kind=kind, principal=principal[:150], address=address, detail=detail[:300]
    )


def note_reading(request: HttpRequest, *, reader: str, detail: str) -> None:
    """Write down who read the audit log, or took some of it away, and what they asked for."""
    address = request.META.get("REMOTE_ADDR") or None
    note(kind=LOG_READ, principal=reader, address=address, detail=detail)


def note_forbidden(request: HttpRequest, *, reason: str) -> None:
    """Write down that somebody known tried what they may not."""
    actor = getattr(getattr(request, "user", None), "actor", None)
    note(
        kind=FORBIDDEN,
        principal=actor.label if actor else "",
        address=request.META.get("REMOTE_ADDR") or None,
        detail=f"{request.method} {request.path_info}: {reason}",
    )
