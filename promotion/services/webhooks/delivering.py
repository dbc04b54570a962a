"""Delivers what lies in the outbox, at least once each, and notes what came of it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from governance import access
from governance.actors import Actor
from governance.errors import Conflict, NotFound
from promotion import events
from promotion.adapters import outbound
from promotion.models import Delivery
from promotion.services.webhooks.addresses import secret_of

AT_ONCE = 8
MOST = 64
CLAIM = timedelta(seconds=60)
"""How long a claimed delivery is left alone; whoever claimed it may have died."""
SUCCESS = range(200, 300)


def deliver_due(*, now: datetime | None = None) -> int:
    """Send what is due, side by side, outside of any transaction; return how many were tried.

    A receiver that is slow or dead holds up no other for longer than one timeout.
    """
    claimed = _claim(now or timezone.now())
    if not claimed:
        return 0
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(claimed))) as pool:
        outcomes = list(pool.map(_send, claimed))
    for delivery, (status, error) in zip(claimed, outcomes, strict=True):
        _note(delivery, status=status, error=error, now=timezone.now())
    return len(claimed)


@transaction.atomic
def replay(*, delivery_id: UUID, actor: Actor) -> Delivery:
    """Send an event once more, with the same id and body.

    Raises:
        NotFound: ``unknown_delivery``.
        Forbidden: the actor does not administer there.
        Conflict: ``webhook_removed``.
    """
    rows = Delivery.objects.select_for_update(of=("self",), no_key=True)
    delivery = rows.select_related("webhook__environment").filter(pk=delivery_id).first()
    if delivery is None:
        message = "No such delivery."
        raise NotFound(message, code="unknown_delivery")
    access.require(actor, access.Permission.ADMINISTER, environment=delivery.webhook.environment)
    if delivery.webhook.removed_at is not None:
        message = "This webhook was removed."
        raise Conflict(message, code="webhook_removed")
    delivery.attempts, delivery.next_at = 0, timezone.now()
    delivery.delivered_at, delivery.error = None, ""
    delivery.save(update_fields=["attempts", "next_at", "delivered_at", "error"])
    return delivery


@transaction.atomic
def _claim(now: datetime) -> list[Delivery]:
    due = Delivery.objects.select_for_update(of=("self",), no_key=True, skip_locked=True).filter(
        next_at__lte=now
    )
    claimed = list(due.select_related("webhook").order_by("next_at")[:MOST])
    for delivery in claimed:
        delivery.attempts += 1
        delivery.next_at = now + CLAIM
    Delivery.objects.bulk_update(claimed, ["attempts", "next_at"])
    return claimed


def _send(delivery: Delivery) -> tuple[int | None, str]:
    content = delivery.body.encode()
    headers = events.headers(
        event_id=str(delivery.pk),
        at=int(timezone.now().timestamp()),
        content=content,
        secret=secret_of(delivery.webhook),
    )
    try:
        status = outbound.post(delivery.webhook.url, content=content, headers=headers)
    except outbound.Unreachable as error:
        return None, str(error)
    return status, "" if status in SUCCESS else f"it answered {status}"


def _note(delivery: Delivery, *, status: int | None, error: str, now: datetime) -> None:
    pause = events.pause_after(delivery.attempts) if error else None
    # Only while the claim is ours: it may have been replayed or removed meanwhile.
    Delivery.objects.filter(
        pk=delivery.pk, attempts=delivery.attempts, next_at=delivery.next_at
    ).update(
        status=status,
        error=error[:200],
        next_at=now + pause if pause else None,
        delivered_at=None if error else now,
    )
