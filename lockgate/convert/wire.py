"""The protobuf wire format, as far as a large ONNX graph needs it.

A forest of 25 million nodes is a few long lists of numbers. Made through the
generated classes, each number would be a Python object; here a list is one
array, and becomes its bytes in one step.

https://protobuf.dev/programming-guides/encoding/
"""

import numpy as np
from numpy.typing import NDArray

_VARINT = 0
_BYTES = 2
_GROUP = 7
_MORE = 0x80

INT, TENSOR, INTS = 2, 4, 7
"""``AttributeProto.AttributeType``."""
_ELEMENT_TYPES = {np.dtype(np.float32): 1, np.dtype(np.uint8): 2, np.dtype(np.float64): 11}


def varint(value: int) -> bytes:
    """Write one number that is not negative."""
    written = bytearray()
    while value >= _MORE:
        written.append(value & 0x7F | _MORE)
        value >>= _GROUP
    written.append(value)
    return bytes(written)


def packed(values: NDArray[np.integer]) -> bytes:
    """Write numbers that are not negative, one after the other."""
    if not values.size:
        return b""
    wide = values.astype(np.uint64).reshape(-1, 1)
    groups = -(-max(int(wide.max()).bit_length(), 1) // _GROUP)
    rest = wide >> (_GROUP * np.arange(groups + 1, dtype=np.uint64))
    more = rest[:, 1:] != 0
    digits = (rest[:, :-1] & np.uint64(0x7F)).astype(np.uint8)
    written = digits | (more * np.uint8(_MORE))
    used = np.ones_like(more)
    used[:, 1:] = more[:, :-1]
    return bytes(written[used].tobytes())


def number(field: int, value: int) -> bytes:
    """Write a field that is a number."""
    return varint(field << 3 | _VARINT) + varint(value)


def nested(field: int, *parts: bytes) -> bytes:
    """Write a field that is text, bytes, packed numbers or a message."""
    size = sum(map(len, parts))
    return b"".join((varint(field << 3 | _BYTES), varint(size), *parts))


def tensor(array: NDArray[np.generic], *, name: str = "") -> bytes:
    """Write a ``TensorProto``."""
    dims = b"".join(number(1, size) for size in array.shape)
    kind = number(2, _ELEMENT_TYPES[array.dtype])
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    named = nested(8, name.encode()) if name else b""
    return b"".join((dims, kind, named, nested(9, little.tobytes())))


def attribute(name: str, value: int | NDArray[np.generic], *, as_tensor: bool = False) -> bytes:
    """Write an ``AttributeProto`` as a field of its node."""
    named = nested(1, name.encode())
    if isinstance(value, int):
        return nested(5, named, number(3, value), number(20, INT))
    if as_tensor:
        return nested(5, named, nested(5, tensor(value)), number(20, TENSOR))
    return nested(5, named, nested(8, packed(value.astype(np.int64))), number(20, INTS))


def node(operator: str, *, takes: str, gives: str, domain: str, attributes: list[bytes]) -> bytes:
    """Write a ``NodeProto`` as a field of its graph."""
    head = (nested(1, takes.encode()), nested(2, gives.encode()), nested(3, gives.encode()))
    kind = (nested(4, operator.encode()), nested(7, domain.encode()))
    return nested(1, *head, *kind, *attributes)
