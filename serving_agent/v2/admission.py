"""How much the agent takes in at once.

Three things are bounded: whole requests that wait for their answer, the bytes
of large bodies, and the time a body may take. Who comes beyond a bound is told
to come back, at once: an answer that is seconds late is of no use to a
payment. Slow callers count for nothing but their own bytes, so that a
thousand of them keep nobody else out.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from serving_agent.errors import BadRequest
from serving_agent.v2.http import Gone, Receive, Scope, header

SMALL_BODY = 64 * 1024
"""Taken whatever else is held: as many as there are connections still fit in memory."""


@dataclass(frozen=True, slots=True)
class Bounds:
    concurrency: int
    body_bytes: int
    bodies_bytes: int
    body_seconds: float


@dataclass(slots=True)
class Held:
    """What one request holds of the bytes that all of them share."""

    large: int = 0


def no_backlog() -> int:
    return 0


class Admission:
    def __init__(self, bounds: Bounds, turned_away: Counter[str]) -> None:
        self._bounds, self._turned_away = bounds, turned_away
        self._arriving = 0
        self._large = 0
        self.backlog: Callable[[], int] = no_backlog
        """Requests begun and not answered, as the server counts them."""

    def check(self) -> None:
        """Turn a request away while too many whole ones wait.

        Raises:
            BadRequest: 503.
        """
        if self.backlog() - self._arriving > self._bounds.concurrency:
            raise self.overloaded("requests", "too many requests at once")

    def overloaded(self, reason: str, message: str) -> BadRequest:
        """Count a caller who is told to come back, and say so."""
        self._turned_away[reason] += 1
        return BadRequest(message, status=503)

    async def body(self, scope: Scope, receive: Receive, held: Held) -> bytes:
        """Read a whole body.

        Raises:
            BadRequest: 413 for one too large, 415 for a packed one, 408 when it does not come,
                503 while too many large ones are held.
            Gone: the caller hung up.
        """
        _check_head(scope, self._bounds.body_bytes)
        self._arriving += 1
        try:
            async with asyncio.timeout(self._bounds.body_seconds):
                return await self._collect(receive, held)
        except TimeoutError:
            self._turned_away["body_seconds"] += 1
            raise BadRequest("the body did not arrive in time", status=408) from None
        finally:
            self._arriving -= 1

    async def _collect(self, receive: Receive, held: Held) -> bytes:
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


def _check_head(scope: Scope, limit: int) -> None:
    """Refuse by the head what need not be read."""
    announced = header(scope, b"content-length")
    if announced is not None and announced.isdigit() and int(announced[:20]) > limit:
        raise too_large(limit)
    packed = header(scope, b"content-encoding")
    if packed is not None and packed.strip().lower() != b"identity":
        raise BadRequest("a packed body (Content-Encoding) is not taken", status=415)
