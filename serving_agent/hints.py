"""The control listener: "look now", from a control plane that is allowed to be wrong.

A hint carries no secret and is not believed: it only makes the agent fetch the
signed state sooner, at most once a second.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from serving_agent.errors import BadRequest
from serving_agent.manifests import Digest
from serving_agent.v2.http import (
    Gone,
    Receive,
    Response,
    Scope,
    Send,
    error,
    read_small,
    reply,
    send_response,
)

HINT_BYTES = 4096


class Hint(msgspec.Struct):
    action: Literal["load", "unload"]
    model: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    digest: Digest
    generation: Annotated[int, msgspec.Meta(ge=0)]


_decode = msgspec.json.Decoder(Hint).decode


@dataclass(frozen=True, slots=True)
class HintApp:
    agent_id: str
    generation: Callable[[], int]
    hinted: Callable[[], None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            response = await self._answer(scope, receive)
        except BadRequest as exc:
            response = error(exc.status, str(exc))
        except Gone:
            return
        await send_response(send, response)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        if scope["path"] != "/v1/hint":
            raise BadRequest("there is nothing at this path", status=404)
        if scope["method"] != "POST":
            raise BadRequest("hints are posted", status=405)
        body = await read_small(scope, receive, limit=HINT_BYTES)
        try:
            _decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
            raise BadRequest(f"not a hint: {exc}") from None
        self.hinted()
        content = {
            "agent_id": self.agent_id,
            "observed_generation": self.generation(),
            "accepted": True,
        }
        return reply(content, status=202)
