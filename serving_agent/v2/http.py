"""ASGI without a framework: read a request, send an answer.

Bare, because routing and middleware of a framework cost more than a forest.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import msgspec

from serving_agent.errors import AgentError, BadRequest

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON = b"application/json"
_encode = msgspec.json.Encoder().encode


class Gone(AgentError):
    """The caller hung up."""


class Response(msgspec.Struct, frozen=True):
    status: int
    body: bytes
    headers: list[Header] = []
    content_type: bytes = JSON
    then: Callable[[], None] | None = None
    """What is done once the caller has the answer."""


def reply(content: object, *, status: int = 200, headers: Iterable[Header] = ()) -> Response:
    return Response(status, _encode(content), list(headers))


def error(status: int, message: str, *, headers: Iterable[Header] = ()) -> Response:
    """Answer in the protocol's one form for errors."""
    extra = list(headers)
    if status == 503:
        extra.append((b"retry-after", b"1"))
    return reply({"error": message}, status=status, headers=extra)


def header(scope: Scope, name: bytes) -> bytes | None:
    for key, value in scope["headers"]:
        if key == name:
            found: bytes = value
            return found
    return None


async def read_small(scope: Scope, receive: Receive, *, limit: int) -> bytes:
    """Read a body that is small or not meant.

    Raises:
        BadRequest: 413 beyond ``limit`` bytes.
        Gone: the caller hung up, or was too slow for the connection's deadline.
    """
    announced = header(scope, b"content-length")
    if announced is not None and announced.isdigit() and int(announced[:20]) > limit:
        raise BadRequest(f"a body of more than {limit} bytes", status=413)
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone("the caller hung up")
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > limit:
            raise BadRequest(f"a body of more than {limit} bytes", status=413)
        if not message.get("more_body", False):
            return body


async def send_response(send: Send, response: Response, *, closing: bool = False) -> None:
    headers = [
        (b"content-type", response.content_type),
        (b"content-length", str(len(response.body)).encode()),
        *response.headers,
    ]
    if closing:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
