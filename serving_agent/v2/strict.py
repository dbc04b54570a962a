"""No key of a request twice, at next to no cost.

Parsing once more would cost as much as all the rest, so keys are counted: where
there are exactly as many colons as keys that were read, none stood there twice.
Where there are more, the JSON without its tensors' data is looked at closely.
"""

from collections.abc import Sequence

import msgspec

from serving_agent import doubled
from serving_agent.doubled import Doubled
from serving_agent.errors import BadRequest
from serving_agent.tensors import WireTensor
from serving_agent.v2 import parameters

REST_BYTES = 1024 * 1024
"""JSON beside the data. A thousand inputs take a tenth of it."""


def keys_of(wire: WireTensor) -> int:
    """Count the keys of one tensor, as they were read."""
    return 3 + bool(wire.data) + keys_of_parameters(wire.parameters)


def keys_of_parameters(raw: msgspec.Raw) -> int:
    """Count "parameters" itself and what it holds."""
    return 1 + len(parameters.read(raw)) if raw else 0


def refuse_doubled(content: bytes, tensors: Sequence[WireTensor], *, keys: int) -> None:
    """Refuse JSON in which a key stands twice in one object.

    Args:
        keys: how many were read.

    Raises:
        BadRequest: naming the key.
    """
    if content.count(b":") == keys:
        return
    try:
        doubled.refuse_doubled(_rest(content, tensors))
    except Doubled as exc:
        raise BadRequest(str(exc)) from None
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
