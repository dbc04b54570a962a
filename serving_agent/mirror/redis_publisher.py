"""Copies into a Valkey or Redis stream."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any, Final

from serving_agent.mirror.redis_connection import connect, translated

STREAM_LENGTH: Final = 10_000
"""Entries kept, about. At 300 a second half a minute: a longer pause of the dark side is a gap."""

_TIMEOUT: Final = 0.5


class RedisPublisher:
    """Appends with XADD, a batch in one round trip."""

    def __init__(self, url: str) -> None:
        self._client = connect(url, timeout=_TIMEOUT)

    def publish(self, stream: str, payloads: Sequence[bytes]) -> int:
        with translated(self._client):
            pipeline = self._client.pipeline(transaction=False)
            for payload in payloads:
                pipeline.xadd(
                    stream,
                    {"v": "1", "d": payload},
                    maxlen=STREAM_LENGTH,
                    approximate=True,
                )
            replies: list[Any] = pipeline.execute(raise_on_error=False)
        return sum(1 for _ in takewhile(lambda r: not isinstance(r, Exception), replies))

    def ping(self) -> None:
        with translated(self._client):
            self._client.ping()

    def close(self) -> None:
        self._client.close()
