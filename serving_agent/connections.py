"""One connection: uvicorn's protocol, with an end to everything a caller may take.

A head that does not come, a body that goes on after its answer, and one
connection too many each cost something until they end; a caller who means no
harm never meets these limits. What cannot be read is answered in the
protocol's one form for errors, and then the connection ends: after bytes that
two readers may understand differently, nothing on it can be trusted.
"""

import asyncio
from collections import Counter
from functools import partial
from http import HTTPStatus
from typing import Any

import httptools
import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

VERSIONS = ("1.0", "1.1")
HEAD_BYTES = 64 * 1024
GO_ON = b"HTTP/1.1 100 "
REST_SECONDS = 5.0
"""For what is left of a body whose answer is out: long enough to hear that answer."""


class Config(uvicorn.Config):
    """uvicorn's configuration, with the limits that uvicorn does not know."""

    def __init__(
        self,
        app: Any,
        *,
        turned_away: Counter[str],
        head_seconds: float,
        body_seconds: float,
        connections: int,
        **more: Any,
    ) -> None:
        super().__init__(app, http=BoundedProtocol, **more)
        self.turned_away = turned_away
        self.head_seconds = head_seconds
        self.body_seconds = body_seconds
        self.connections = connections
        self.waiting = 0
        """Whole requests that have no answer yet, on all connections together."""


class OneWrite:
    """A transport that sends an answer in one piece, after all others of this turn of the loop.

    uvicorn writes head and body apart and at once, and each write wakes the one who waits
    for it in the middle of everybody else's turn. An answer that is alone is not held up.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Keep a piece until its answer is complete or the connection is closed."""
        if data.startswith(GO_ON):
            self._transport.write(data)
        else:
            self._pieces.append(data)

    def complete(self, *, alone: bool) -> None:
        """Send what was kept: at once, or with the others."""
        if alone:
            self.flush()
        else:
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        pieces, self._pieces = self._pieces, []
        if pieces and not self._transport.is_closing():
            self._transport.write(b"".join(pieces))

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class BoundedProtocol(HttpToolsProtocol):
    config: Config
    transport: OneWrite  # type: ignore[assignment]
    _head = 0
    _arrived = 0
    _too_long = False
    _in_head = False
    _whole = True
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(OneWrite(transport, self.loop))  # type: ignore[arg-type]
        if len(self.connections) > self.config.connections:
            self._turn_away("connections", 503, "too many connections")
        else:
            self._within(self.config.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        self._arrived = len(data)
        try:
            self._feed(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse()
            return
        if self._in_head:
            self._head += len(data)
            if self._head > HEAD_BYTES:
                self._too_long = True
                self._refuse()
            else:
                self._within(self.config.head_seconds)
        elif not self._whole:
            self._within(self.config.body_seconds)

    def _feed(self, data: bytes) -> None:
        """Parse; where another protocol is offered, parse the request as if it were not.

        The parser would take the body for that protocol's bytes, and some clients offer
        HTTP/2 with every first request.
        """
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self.parser.get_method() == b"CONNECT":
                raise
            kept = [one for one in self.headers if one[0] not in (b"upgrade", b"connection")]
            lines = [
                b"%s %s HTTP/1.1" % (self.parser.get_method(), self.url),
                *(b"%s: %s" % one for one in kept),
                b"connection: close",
            ]
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self.parser.feed_data(b"\r\n".join((*lines, b"", b"")) + data[upgrade.args[0] :])

    def _refuse(self) -> None:
        if self._too_long:
            self._turn_away("head_bytes", 431, "the head of the request is too long")
        else:
            self._turn_away("malformed", 400, "this is not a request in HTTP/1.1")

    def on_message_begin(self) -> None:
        self._head, self._in_head, self._whole = 0, True, False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self._head + self._arrived > HEAD_BYTES and self._length_of_head() > HEAD_BYTES:
            self._too_long = True
            raise ValueError("too long a head")
        if self.parser.get_http_version() not in VERSIONS:
            raise ValueError("another version of HTTP")
        if self.parser.should_upgrade():
            return  # It is parsed again, without the offer.
        self._in_head = False
        self._in_time()
        super().on_headers_complete()

    def _length_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._whole = True
        self._in_time()
        if not self.pipeline and not self.cycle.response_complete:
            self.config.waiting += 1
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if not cycle.more_body:  # It came whole while the one before it was answered.
            self.config.waiting += 1
        super()._start_asgi_task(cycle, partial(self._answer, cycle, app))

    async def _answer(self, cycle: RequestResponseCycle, app: Any, *asgi: Any) -> None:
        """Answer one request; whether its caller still hears it or not, it waits no more."""
        try:
            await app(*asgi)
        finally:
            if not cycle.more_body:
                self.config.waiting -= 1

    def on_response_complete(self) -> None:
        self.transport.complete(alone=len(self.tasks) == 1)
        super().on_response_complete()
        if not self._whole and self.cycle.response_complete:
            self._in_time()
            self._within(REST_SECONDS)

    def _within(self, seconds: float) -> None:
        """Give the caller this long for the next step, unless a deadline runs already."""
        if self._timer is None:
            self._timer = self.loop.call_later(seconds, self._too_late)

    def _in_time(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        self._timer = None
        if self._in_head or self.cycle is None:
            self._turn_away("head_seconds", 408, "the head of the request did not arrive in time")
        elif self.cycle.response_complete:
            self._turn_away("body_after_answer", 408, "")
        else:
            self._turn_away("body_seconds", 408, "the body did not arrive in time")

    def _turn_away(self, reason: str, status: int, message: str) -> None:
        self.config.turned_away[reason] += 1
        answering = self.pipeline or (self.cycle is not None and self.cycle.response_started)
        if message and (self._in_head or not answering):
            self.transport.write(_last_words(status, message))
        self.transport.close()


def _last_words(status: int, message: str) -> bytes:
    body = msgspec.json.encode({"error": message})
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "connection: close",
        *(["retry-after: 1"] if status == HTTPStatus.SERVICE_UNAVAILABLE else []),
    ]
    return "\r\n".join((*lines, "", "")).encode() + body
