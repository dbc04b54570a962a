"""Tell a worker that there is something to do, once it can be seen.

A wake-up only saves time. If the broker loses it, agents poll, their reports
advance rollouts, and ``promotion.sweep`` finds the rest: so a failure here must
not fail the request, nor hold it up. After a failure nothing is sent for a few
seconds, so a black-holed broker costs half a second once and not every time.
"""

import logging
import threading
import time
from collections.abc import Sequence
from uuid import UUID

from celery import current_app
from django.db import transaction

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 0.5
PAUSE_SECONDS = 5.0


class _Breaker:
    """Remembers, per process, until when the broker is left alone."""

    def __init__(self) -> None:
        self._closed_from = 0.0
        self._lock = threading.Lock()

    def is_open(self) -> bool:
        with self._lock:
            return time.monotonic() < self._closed_from

    def trip(self) -> None:
        with self._lock:
            self._closed_from = time.monotonic() + PAUSE_SECONDS


_breaker = _Breaker()


def tell(*, target_id: UUID, generation: int, load: Sequence[UUID], unload: Sequence[UUID]) -> None:
    """After commit, let a worker tell the target's agents what changed.

    Args:
        load, unload: ids of the versions that are new in the target's state, or gone from it.
    """

    def send() -> None:
        for version in load:
            _send("promotion.tell_agents_to_load", str(target_id), str(version), generation)
        for version in unload:
            _send("promotion.tell_agents_to_unload", str(target_id), str(version), generation)

    # Not a partial: Django 5.2 logs a failed hook by its __qualname__.
    transaction.on_commit(send, robust=True)


def _send(name: str, *args: object) -> None:
    if _breaker.is_open():
        return
    options = {"socket_timeout": TIMEOUT_SECONDS, "socket_connect_timeout": TIMEOUT_SECONDS}
    try:
        with current_app.connection_for_write(
            connect_timeout=TIMEOUT_SECONDS, transport_options=options
        ) as connection:
            current_app.send_task(name, args=list(args), connection=connection, retry=False)
    except Exception as error:  # noqa: BLE001 - any broker's any failure; the sweep makes up for it
        _breaker.trip()
        logger.warning("the broker did not take %s, agents will poll: %s", name, error)
