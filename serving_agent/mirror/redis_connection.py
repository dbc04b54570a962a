"""How this agent talks to Valkey or Redis: short timeouts, and no retries but our own."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from serving_agent.mirror.interface import MirrorUnavailable


def connect(url: str, *, timeout: float) -> redis.Redis:
    """Prepare a client. It connects on first use; no call takes much longer than ``timeout``."""
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=0.5,
        socket_keepalive=True,
        # The client's own retries would multiply the timeouts; the callers back off themselves.
        retry=Retry(NoBackoff(), 0),
        # Replies of version 2 have the same shape in every release of the client.
        protocol=2,
        max_connections=2,
    )


@contextmanager
def translated(client: redis.Redis) -> Iterator[None]:
    """Turn whatever the client raises into ``MirrorUnavailable``, and start the next call fresh."""
    try:
        yield
    except (redis.RedisError, OSError) as exc:
        client.connection_pool.disconnect()
        raise MirrorUnavailable(f"{type(exc).__name__}: {exc}") from exc
