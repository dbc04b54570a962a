"""Copies of live transactions, on their way to dark agents.

The live side only ever *offers* a copy: what the transport cannot take in time
is dropped and counted, because no copy is worth a late answer. The dark side
acknowledges what it has on disk, so a copy that was taken is scored once or is
visibly missing, never silently gone.

A transport is a ``Publisher`` and a ``Subscription``; everything else here does
not know which one it is.
"""

from urllib.parse import urlsplit

from serving_agent.mirror.interface import Publisher, Subscription
from serving_agent.mirror.redis_publisher import RedisPublisher
from serving_agent.mirror.redis_subscription import RedisSubscription

__all__ = ["open_publisher", "open_subscription"]

_REDIS = {
    "redis": "redis",
    "rediss": "rediss",
    "unix": "unix",
    "valkey": "redis",
    "valkeys": "rediss",
}


def open_publisher(url: str) -> Publisher:
    """Choose the transport by the URL's scheme. Connects later, so a dead broker stops nothing."""
    return RedisPublisher(_redis_url(url))


def open_subscription(url: str, *, stream: str, consumer: str) -> Subscription:
    """Join the group ``dark`` of a stream, under a name that is the same after a restart."""
    return RedisSubscription(_redis_url(url), stream=stream, consumer=consumer)


def _redis_url(url: str) -> str:
    scheme = urlsplit(url).scheme
    if scheme not in _REDIS:
        known = ", ".join(sorted(_REDIS))
        raise ValueError(f"no mirror transport for {scheme or 'no'} scheme: one of {known}")
    return _REDIS[scheme] + url[len(scheme) :]
