"""Feature extraction, a process of its own: clients in, scores out.

It has the sidecar beside it and knows of no agent: one address, whoever answers::

    python -m lockgate.demo.extraction --model NAME --sidecar URL --port 8090

``POST /score`` takes ``{"id": ..., "client": {...}}`` as the bank's systems know a client, and
answers ``{"id", "score", "version", "agent"}``; ``agent`` is the address of who answered. What
the agents say no to is passed on with their status, as ``{"error": ...}``.
"""

import argparse
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import uvicorn

from lockgate.demo.clients import NoClient, extract
from lockgate.sidecar import ADDRESS_HEADER

INPUT = "X"
OUTPUT = "probabilities"
TIMEOUT_SECONDS = 5.0
LARGEST = 65_536
"""Bytes of a client's document: a few hundred are usual."""

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Refused(Exception):
    """What the caller is told instead of a score."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Extraction:
    """A bare ASGI application."""

    def __init__(self, *, model: str, sidecar: str) -> None:
        self._path = f"/v2/models/{model}/infer"
        self._sidecar = sidecar
        self._open = AsyncExitStack()
        self._http: httpx.AsyncClient | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        try:
            status, document = 200, await self._answer(scope, receive)
        except Refused as refused:
            status, document = refused.status, {"error": str(refused)}
        await _reply(send, status, document)

    async def _answer(self, scope: Message, receive: Receive) -> Message:
        if (scope["method"], scope["path"]) != ("POST", "/score"):
            raise Refused(404, "there is POST /score and nothing else")
        return await self._score(await _read(receive))

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._http = await self._open.enter_async_context(
            httpx.AsyncClient(base_url=self._sidecar, timeout=TIMEOUT_SECONDS, trust_env=False)
        )
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._open.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def _score(self, asked: Any) -> Message:
        try:
            features = extract(asked["client"])
        except NoClient as error:
            raise Refused(400, str(error)) from None
        except (KeyError, TypeError):
            raise Refused(400, "a client is missing") from None
        if self._http is None:
            raise Refused(503, "not started yet")
        tensor = {"name": INPUT, "datatype": "FP32", "shape": [1, len(features)], "data": features}
        question = {"id": str(asked.get("id", "")), "inputs": [tensor]}
        try:
            reply = await self._http.post(self._path, json=question)
            found = reply.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Refused(502, f"no answer from the sidecar: {type(error).__name__}") from None
        if not reply.is_success:
            raise Refused(reply.status_code, str(found.get("error", reply.text)))
        return {
            "id": found["id"],
            "score": _score_of(found["outputs"]),
            "version": found["model_version"],
            "agent": reply.headers.get(ADDRESS_HEADER, ""),
        }


def _score_of(outputs: list[Message]) -> float:
    """Read the probability of default: the second column of the one row."""
    found = next(each for each in outputs if each["name"] == OUTPUT)
    return float(found["data"][1])


async def _read(receive: Receive) -> Any:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > LARGEST:
            raise Refused(413, f"a client takes {LARGEST} bytes at most")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "this is no JSON") from None


async def _reply(send: Send, status: int, document: Message) -> None:
    body = json.dumps(document).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    parser = argparse.ArgumentParser(description="Extract features, and have them scored.")
    parser.add_argument("--model", required=True)
    parser.add_argument("--sidecar", required=True, help="URL of the Envoy beside this process")
    parser.add_argument("--port", type=int, required=True)
    asked = parser.parse_args()
    app: Any = Extraction(model=asked.model, sidecar=asked.sidecar)
    uvicorn.run(app, host="127.0.0.1", port=asked.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
