"""Tell a worker that agents have something new to do, once it can be seen.

A wake-up only saves time. If the broker loses it, agents poll, their reports
advance rollouts, and ``promotion.sweep`` finds the rest: so a failure here must
not fail the request.
"""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from registry import wake


def tell(*, target_id: UUID, generation: int, load: Sequence[UUID], unload: Sequence[UUID]) -> None:
    """After commit, let a worker tell the target's agents what changed.

    Args:
        load, unload: ids of the versions that are new in the target's state, or gone from it.
    """

    def send() -> None:
        for version in load:
            wake.send("promotion.tell_agents_to_load", str(target_id), str(version), generation)
        for version in unload:
            wake.send("promotion.tell_agents_to_unload", str(target_id), str(version), generation)

    # Not a partial: Django 5.2 logs a failed hook by its __qualname__.
    transaction.on_commit(send, robust=True)


def deliver() -> None:
    """After commit, let a worker deliver what lies in the outbox."""

    def send() -> None:
        wake.send("promotion.deliver_webhooks")

    transaction.on_commit(send, robust=True)
