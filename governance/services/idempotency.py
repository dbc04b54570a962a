"""Answers kept by ``Idempotency-Key``, in the transaction that did what they tell of.

A caller whose answer was lost repeats the request with the same key and gets the first
answer. Should two such requests come at once, the second waits for the first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from governance.errors import Conflict
from governance.models import IdempotencyKey

KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it was."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def claim(*, principal: str, key: str, request_sha256: str) -> Answer | None:
    """Take a key for the request now being handled, or return the answer it has.

    Inside the transaction of the request. Waits while another request with this key runs.

    Raises:
        Conflict: ``idempotency_key_reused``, the key belongs to another request.
    """
    mine = IdempotencyKey.objects.filter(principal=principal)
    mine.filter(created_at__lt=timezone.now() - KEPT).delete()
    fresh = IdempotencyKey(principal=principal, key=key, request_sha256=request_sha256)
    # Waits for a transaction that holds the key, and adds nothing if that one commits.
    IdempotencyKey.objects.bulk_create([fresh], ignore_conflicts=True)
    row = mine.select_for_update(no_key=True).get(key=key)
    if row.request_sha256 != request_sha256:
        message = "This idempotency key was used for another request."
        raise Conflict(message, code="idempotency_key_reused")
    if row.status is None:
        return None
    return Answer(row.status, row.headers, bytes(row.body))


def keep(*, principal: str, key: str, answer: Answer) -> None:
    """Keep the answer for whoever repeats the request."""
    IdempotencyKey.objects.filter(principal=principal, key=key).update(
        status=answer.status, headers=dict(answer.headers), body=answer.body
    )


def release(*, principal: str, key: str) -> None:
    """Give a key back: the request failed, and may be tried again."""
    IdempotencyKey.objects.filter(principal=principal, key=key).delete()
