"""Tensors between the Open Inference Protocol's JSON and numpy.

Strict on the way in: a wrong type, a number that does not fit or a literal
NaN is the caller's mistake and is said so, because a silent cast would be
scored. ``null`` stands for a missing number, where the caller may leave one out.
"""

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from serving_agent.errors import BadRequest
from serving_agent.ports import Tensor

DTYPES: dict[str, Any] = {
    "BOOL": np.bool_,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BYTES": np.object_,
}
FLOATS = frozenset({"FP16", "FP32", "FP64"})
MAX_RANK = 8
MAX_TEXT = 1024**2

_decode_floats = msgspec.json.Decoder(list[float]).decode
_decode_ints = msgspec.json.Decoder(list[int]).decode
_decode_bools = msgspec.json.Decoder(list[bool]).decode
_decode_texts = msgspec.json.Decoder(list[str]).decode
_decode_any = msgspec.json.Decoder().decode

_FLAT: dict[str, Callable[[msgspec.Raw], list[Any]]] = {
    "BOOL": _decode_bools,
    "BYTES": _decode_texts,
    **dict.fromkeys(FLOATS, _decode_floats),
}
_PYTHON: dict[str, tuple[type, ...]] = {
    "BOOL": (bool,),
    "BYTES": (str,),
    **dict.fromkeys(FLOATS, (float, int)),
}


class WireTensor(msgspec.Struct):
    """A tensor as it stands in JSON; what it holds is decoded once more is known of it."""

    name: str
    datatype: str
    shape: list[int]
    data: msgspec.Raw = msgspec.Raw(b"")
    parameters: msgspec.Raw = msgspec.Raw(b"")


def _flatten(nested: Any, *, datatype: str) -> list[Any]:
    """Flatten row-major nested lists, and turn null into NaN where numbers may be missing."""
    wanted = _PYTHON.get(datatype, (int,))
    flat: list[Any] = []
    stack = [nested]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(reversed(item))
        elif item is None and datatype in FLOATS:
            flat.append(math.nan)
        elif isinstance(item, wanted) and isinstance(item, bool) == (datatype == "BOOL"):
            flat.append(item)
        else:
            raise BadRequest(f"data holds a {type(item).__name__}, which is not {datatype}")
    return flat


def _values(wire: WireTensor) -> list[Any]:
    try:
        return _FLAT.get(wire.datatype, _decode_ints)(wire.data)
    except msgspec.ValidationError:
        pass
    nested = _decode_any(wire.data)
    if not isinstance(nested, list):
        raise BadRequest(f"input {wire.name!r}: data is not an array")
    return _flatten(nested, datatype=wire.datatype)


def check_shape(wire: WireTensor, count: int) -> None:
    """Refuse a shape that does not hold ``count`` values."""
    if len(wire.shape) > MAX_RANK:
        raise BadRequest(f"{wire.name!r}: more than {MAX_RANK} dimensions")
    if wire.shape and min(wire.shape) < 1:
        raise BadRequest(f"{wire.name!r}: every dimension is at least 1")
    if math.prod(wire.shape) != count:
        raise BadRequest(f"{wire.name!r}: its shape does not hold {count} values")


def check_texts(name: str, texts: list[str]) -> None:
    if texts and max(map(len, texts)) > MAX_TEXT:
        raise BadRequest(f"{name!r}: a text has at most {MAX_TEXT} characters")


def read_finite(wire: WireTensor) -> Tensor:
    """Turn a JSON tensor into an array without infinities.

    Raises:
        BadRequest: as ``read``, or a number is too large for the type.
    """
    tensor = read(wire)
    if wire.datatype in FLOATS and np.isinf(tensor.data).any():
        raise BadRequest(f"{wire.name!r}: a number is too large for {wire.datatype}")
    return tensor


def read(wire: WireTensor) -> Tensor:
    """Turn a JSON tensor into an array.

    A NaN in the result was a ``null``, infinity a number too large for the type: whether
    they may be there is for the caller to check, who looks at every number anyway.

    Raises:
        BadRequest: type, shape and data do not belong together.
    """
    dtype = DTYPES.get(wire.datatype)
    if dtype is None:
        raise BadRequest(f"{wire.name!r}: unknown datatype {wire.datatype[:32]!r}")
    if not wire.data:
        raise BadRequest(f"{wire.name!r}: data is missing")
    values = _values(wire)
    check_shape(wire, len(values))
    if wire.datatype == "BYTES":
        check_texts(wire.name, values)
    try:
        with np.errstate(over="ignore"):
            data = np.array(values, dtype=dtype)
    except (OverflowError, ValueError, TypeError) as exc:
        raise BadRequest(f"{wire.name!r}: a value does not fit {wire.datatype}") from exc
    return Tensor(wire.name, wire.datatype, tuple(wire.shape), data.reshape(wire.shape))


def write(name: str, datatype: str, data: NDArray[Any]) -> dict[str, Any]:
    """Turn an array into what JSON carries: flat, row-major; NaN becomes null."""
    return {
        "name": name,
        "datatype": datatype,
        "shape": list(data.shape),
        "data": data.ravel().tolist(),
    }
