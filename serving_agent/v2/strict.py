"""No key twice: of two values, another reader might have taken the other one.

The decoder keeps the last and says nothing. Parsing again would cost as much
as all the rest, so keys are counted instead: where there are exactly as many
colons as keys that were read, none stood there twice. Where there are more,
what is left of the JSON without its tensors' data is looked at closely.
"""

import json
from collections.abc import Sequence
from typing import Any

from serving_agent.errors import BadRequest
from serving_agent.tensors import WireTensor

MOST_PARAMETERS = 64
REST_BYTES = 1024 * 1024
"""JSON beside the data. A thousand inputs take a tenth of it."""
Parameters = dict[str, Any] | None


def keys_of(wire: WireTensor) -> int:
    """Count the keys of one tensor, as they were read."""
    return 3 + bool(wire.data) + keys_of_parameters(wire.parameters)


def keys_of_parameters(parameters: Parameters) -> int:
    """Count "parameters" itself and what it holds.

    Raises:
        BadRequest: it holds too much.
    """
    if parameters is None:
        return 0
    if len(parameters) > MOST_PARAMETERS:
        raise BadRequest(f"there are at most {MOST_PARAMETERS} parameters in one place")
    return 1 + len(parameters)


def refuse_doubled(content: bytes, tensors: Sequence[WireTensor], *, keys: int) -> None:
    """Refuse JSON in which a key stands twice in one object.

    Args:
        keys: how many were read.

    Raises:
        BadRequest: naming the key.
    """
    colons = content.count(b":")
    if colons == keys:
        return
    try:
        json.loads(_rest(content, tensors), object_pairs_hook=_unique, parse_int=float)
    except RecursionError:
        raise BadRequest("the JSON is nested too deeply") from None
    except ValueError as exc:
        raise BadRequest(f"the request cannot be read: {exc}"[:200]) from None


def _rest(content: bytes, tensors: Sequence[WireTensor]) -> bytes:
    """Return the JSON with every tensor's data cut out, wherever it stands."""
    parts, place = [], 0
    for wire in tensors:
        data = bytes(wire.data)
        found = content.find(data, place) if data.startswith(b"[") else -1
        if found >= 0:
            parts += [content[place:found], b"0"]
            place = found + len(data)
    parts.append(content[place:])
    if sum(map(len, parts)) > REST_BYTES:
        raise BadRequest(f"more than {REST_BYTES} bytes of JSON beside the tensors' data")
    return b"".join(parts)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    whole = dict(pairs)
    if len(whole) == len(pairs):
        return whole
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise BadRequest(f"the key {key[:80]!r} stands there twice")
        seen.add(key)
    return whole
