"""How much the agent takes in at once.

Two things are bounded: whole requests that wait for their answer, and the bytes
of large bodies; how long a body may take is the connection's business. Who
comes beyond a bound is told to come back, at once: an answer that is seconds
late is of no use to a payment. Slow callers count for nothing but their own
bytes, so that a thousand of them keep nobody else out.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from serving_agent.errors import BadRequest
from serving_agent.v2.http import Gone, Receive

Heads = Mapping[bytes, bytes]
SMALL_BODY = 64 * 1024
"""Taken whatever else is held: as many as there are connections still fit in memory."""


@dataclass(frozen=True, slots=True)
class Bounds:
    concurrency: int
    body_bytes: int
    bodies_bytes: int


@dataclass(slots=True)
class Held:
    """What one request holds of the bytes that all of them share."""

    large: int = 0


def no_backlog() -> int:
    return 0


class Admission:
    def __init__(self, bounds: Bounds, turned_away: Counter[str]) -> None:
        self._bounds, self._turned_away = bounds, turned_away
        self._large = 0
        self.backlog: Callable[[], int] = no_backlog
        """Whole requests that are not answered yet, as the server counts them."""

    def check(self) -> None:
        """Turn a request away while too many whole ones wait.

        Raises:
            BadRequest: 503.
        """
        if self.backlog() > self._bounds.concurrency:
            raise self.overloaded("requests", "too many requests at once")

    def overloaded(self, reason: str, message: str) -> BadRequest:
        """Count a caller who is told to come back, and say so."""
        self._turned_away[reason] += 1
        return BadRequest(message, status=503)

    async def body(self, heads: Heads, receive: Receive, held: Held) -> bytes:
        """Read a whole body. ``heads`` are the request's, by name.

        Raises:
            BadRequest: 413 for one too large, 415 for a packed one, 503 while too many large
                ones are held.
            Gone: the caller hung up, or was too slow for the connection's deadline.
        """
        _check_heads(heads, self._bounds.body_bytes)
        parts: list[bytes] = []
        total = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Gone("the caller hung up")
            part: bytes = message.get("body", b"")
            total += len(part)
            if total > self._bounds.body_bytes:
                raise too_large(self._bounds.body_bytes)
            if total > SMALL_BODY:
                self._take(total, held)
            parts.append(part)
            if not message.get("more_body", False):
                return part if len(parts) == 1 else b"".join(parts)

    def _take(self, total: int, held: Held) -> None:
        more = total - SMALL_BODY - held.large
        if self._large + more > self._bounds.bodies_bytes:
            raise self.overloaded("bodies", "too many large bodies at once")
        self._large += more
        held.large += more

    def release(self, held: Held) -> None:
        """Give back what an answered request held."""
        self._large -= held.large
        held.large = 0


def too_large(limit: int) -> BadRequest:
    return BadRequest(f"a body of more than {limit} bytes", status=413)


def _check_heads(heads: Heads, limit: int) -> None:
    """Refuse by the head what need not be read."""
    announced = heads.get(b"content-length")
    if announced is not None and announced.isdigit() and int(announced[:20]) > limit:
        raise too_large(limit)
    packed = heads.get(b"content-encoding")
    if packed is not None and packed.strip().lower() != b"identity":
        raise BadRequest("a packed body (Content-Encoding) is not taken", status=415)
