"""Do the servers beside the database answer? Short timeouts, and no error gets out."""

import logging

from celery import current_app
from kombu.exceptions import OperationalError
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)
SECONDS = 1.0


def trouble_with_broker() -> str:
    """Return why Celery's broker does not answer, empty when it does."""
    try:
        with current_app.connection_for_write() as link:
            # One that takes connections and answers nothing must not hold us up.
            link.transport_options = {**link.transport_options, "socket_timeout": SECONDS}
            link.ensure_connection(max_retries=1, interval_start=0, timeout=SECONDS)
    except (OperationalError, OSError) as error:
        logger.warning("the broker does not answer: %s", error)
        return _line(error)
    return ""


def trouble_with_mirror(url: str) -> str:
    """Return why the mirror stream's server does not answer, empty when it does."""
    try:
        with Redis.from_url(
            url,
            socket_timeout=SECONDS,
            socket_connect_timeout=SECONDS,
            retry=Retry(NoBackoff(), 0),
        ) as link:
            link.ping()
    except (RedisError, OSError, ValueError) as error:
        logger.warning("the mirror does not answer: %s", error)
        return _line(error)
    return ""


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__
