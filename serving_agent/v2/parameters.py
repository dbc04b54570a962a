"""What requests, inputs and outputs may carry beside their tensors.

Free names and values, so they are small and few, and what is read of them has
a type. They are taken apart only once their size is known: a million of them
would keep everybody else waiting.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from serving_agent.errors import BadRequest

MOST = 64
MOST_BYTES = 64 * 1024
MAX_TEXT = 1024
UNSUPPORTED = ("classification", "shared_memory_region")
Parameters = Mapping[str, Any]
NONE: Parameters = {}
_decode = msgspec.json.Decoder(dict[str, Any] | None).decode


def read(raw: msgspec.Raw) -> Parameters:
    """Take them apart; null and nothing are none.

    Raises:
        BadRequest: too many, or too large.
        msgspec.ValidationError: no object.
    """
    if not raw:
        return NONE
    if len(raw) > MOST_BYTES:
        raise BadRequest(f"parameters have at most {MOST_BYTES} bytes in one place")
    found = _decode(raw) or NONE
    if len(found) > MOST:
        raise BadRequest(f"there are at most {MOST} parameters in one place")
    return found


def text(parameters: Parameters, name: str, *, default: str | None) -> str | None:
    """Read a text or a whole number."""
    value = parameters.get(name)
    if value is None:
        return default
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise BadRequest(f"the parameter {name[:80]!r} is a text or a whole number")
    if isinstance(value, int) and abs(value) >= 2**64:
        raise BadRequest(f"the parameter {name[:80]!r} is no number of at most 64 bits")
    if len(found := str(value)) > MAX_TEXT:
        raise BadRequest(f"the parameter {name[:80]!r} has at most {MAX_TEXT} characters")
    return found


def flag(parameters: Parameters, name: str, *, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise BadRequest(f"the parameter {name!r} is true or false")
    return value


def refuse_extensions(parameters: Parameters) -> None:
    """Refuse what other servers do with a tensor, rather than leave it undone unsaid."""
    for name in UNSUPPORTED:
        if name in parameters:
            raise BadRequest(f"the parameter {name!r} is not supported here")
