"""Writes events into the outbox, in the transaction of the change they tell of.

Nothing is sent here. What is committed will be delivered, what is rolled back never was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from promotion import events, wake
from promotion.models import Delivery, Webhook


@dataclass(frozen=True, slots=True)
class Happened:
    """One entry of the journal, as far as the outside may know it."""

    action: str
    subject: str
    facts: dict[str, object]


def put(happened: Sequence[Happened]) -> int:
    """Queue what is told, for every address that wants it; return how many deliveries.

    Two queries, whatever there is to tell; none when there is nothing.
    """
    told = [event for event in happened if event.action in events.TOLD]
    if not told:
        return 0
    places = {str(event.facts.get("environment")) for event in told}
    webhooks = list(
        Webhook.objects.filter(
            Q(environment=None) | Q(environment__slug__in=places), removed_at=None
        ).select_related("environment")
    )
    now = timezone.now()
    deliveries = []
    for event in told:
        for webhook in webhooks:
            slug = webhook.environment.slug if webhook.environment else None
            if slug not in {None, event.facts.get("environment")}:
                continue
            event_id = uuid4()
            body = events.body(
                event_id=str(event_id),
                action=event.action,
                source=settings.CONFIG.public_url,
                subject=event.subject,
                at=now,
                facts=event.facts,
            )
            deliveries.append(
                Delivery(
                    id=event_id,
                    webhook=webhook,
                    action=event.action,
                    body=body.decode(),
                    created_at=now,
                    next_at=now,
                )
            )
    if deliveries:
        Delivery.objects.bulk_create(deliveries)
        wake.deliver()
    return len(deliveries)
