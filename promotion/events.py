"""What is told to the outside: which events, as which bytes, signed how, and when again.

Bodies are CloudEvents 1.0 in structured mode, headers those of Standard Webhooks 1.0:
``webhook-id``, ``webhook-timestamp`` and ``webhook-signature``, the Base64 of an HMAC-SHA256
over ``<id>.<timestamp>.<body>``. No framework, no database.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import rfc8785

TYPE_PREFIX = "io.lockgate."
CONTENT_TYPE = "application/cloudevents+json"
TOLD = frozenset(
    {
        "request.opened",
        "request.approved",
        "request.rejected",
        "request.withdrawn",
        "request.voided",
        "request.expired",
        "request.started",
        "request.executed",
        "request.failed",
        "request.superseded",
        "deployment.darkened",
        "deployment.admitted",
        "deployment.recalled",
        "deployment.promoted",
        "deployment.restored",
        "deployment.retired",
        "rollout.halted",
        "rollout.paused",
        "rollout.resumed",
        "rollout.aborted",
        "agent.refused_state",
        "agent.rolled_back",
        "agent.resumed",
        "incident.opened",
        "incident.closed",
    }
)
"""Actions of the audit vocabulary that are told. Everything else stays inside."""

KEPT = (
    "kind",
    "state",
    "role",
    "digest",
    "replaces",
    "detail",
    "reason",
    "content_hash",
    "severity",
    "step",
    "stage",
)
"""Facts of an entry that are told; names and comments of people are not among them."""

PAUSES = (5, 30, 120, 600, 3_600, 10_800, 21_600, 43_200)
"""Seconds between attempts: eight more within a day, then the delivery has failed."""


def body(
    *,
    event_id: str,
    action: str,
    source: str,
    subject: str,
    at: datetime,
    facts: Mapping[str, object],
) -> bytes:
    """Return the canonical bytes of one event.

    Args:
        facts: what is known; only ``KEPT`` and what names a place is told.
    """
    places = ("model", "version", "environment", "request")
    told = {name: facts[name] for name in (*places, *KEPT) if facts.get(name) is not None}
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": f"{TYPE_PREFIX}{action}",
        "time": at.isoformat(),
        "subject": subject,
        "datacontenttype": "application/json",
        "data": told,
    }
    return rfc8785.dumps(event)  # type: ignore[arg-type]


def secret(key: bytes, *, webhook: str, version: int) -> str:
    """Derive a webhook's secret, in the form ``whsec_<base64>``; it is stored nowhere."""
    derived = hmac.digest(key, f"lockgate webhook {webhook} {version}".encode(), hashlib.sha256)
    return f"whsec_{base64.b64encode(derived).decode()}"


def headers(*, event_id: str, at: int, content: bytes, secret: str) -> dict[str, str]:
    """Return the headers a receiver checks. ``at`` is in whole seconds since 1970."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{event_id}.{at}.".encode() + content
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{signature}",
        "content-type": CONTENT_TYPE,
    }


def pause_after(attempts: int) -> timedelta | None:
    """Return how long to wait after so many attempts; None when it was the last."""
    return timedelta(seconds=PAUSES[attempts - 1]) if attempts <= len(PAUSES) else None


def problem_with_url(url: str) -> str:
    """Say what is wrong with an address at first sight, or return ``""``.

    Where it leads is looked at when it is called, each time.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is no URL"
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        return "must begin with https://"
    if parts.username is not None or parts.password is not None:
        return "must not carry a name or a password"
    if port is not None and port not in {80, 443} and port < 1024:
        return f"must not lead to port {port}"
    if parts.fragment:
        return "must not carry a fragment"
    return ""
