"""Tell a worker that there is something to do. Allowed to fail.

A wake-up only saves time, and must not hold up the request that causes it: a
broker that does not answer costs half a second, and is then left alone for a
while. Whoever sends one has another way, such as a sweep or doing it at once.
"""

import logging
import threading
import time

from celery import current_app

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 0.5
PAUSE_SECONDS = 5.0


class _Breaker:
    """Remembers, per process, until when the broker is left alone."""

    def __init__(self) -> None:
        self._until = 0.0
        self._lock = threading.Lock()

    def is_open(self) -> bool:
        with self._lock:
            return time.monotonic() < self._until

    def trip(self) -> None:
        with self._lock:
            self._until = time.monotonic() + PAUSE_SECONDS


_breaker = _Breaker()


def send(name: str, *arguments: object, expires: float | None = None) -> bool:
    """Send a task by name; tell whether the broker took it. Call it after commit.

    Args:
        expires: seconds after which nobody needs it any more.
    """
    if _breaker.is_open():
        return False
    options = {
        "socket_timeout": TIMEOUT_SECONDS,
        "socket_connect_timeout": TIMEOUT_SECONDS,
        "max_retries": 0,  # else a refused connection is tried again, two seconds later
    }
    try:
        with current_app.connection_for_write(
            connect_timeout=TIMEOUT_SECONDS, transport_options=options
        ) as connection:
            current_app.send_task(
                name, args=list(arguments), connection=connection, retry=False, expires=expires
            )
    except Exception as error:  # noqa: BLE001 - any broker's any failure means the same here
        _breaker.trip()
        logger.warning("the broker did not take %s: %s", name, error)
        return False
    return True
