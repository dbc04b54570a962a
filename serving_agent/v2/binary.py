"""The protocol's binary tensors: raw little-endian bytes after the JSON.

Some clients send them by default. The header ``Inference-Header-Content-Length``
says where the JSON ends; each binary input says how many bytes are its own. A
text is four bytes of length and then its UTF-8.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving_agent import tensors
from serving_agent.errors import BadRequest
from serving_agent.ports import Tensor

LENGTH_HEADER = b"inference-header-content-length"
CONTENT_TYPE = b"application/octet-stream"


class Tail:
    """What follows the JSON, handed out piece by piece."""

    def __init__(self, content: bytes) -> None:
        self._whole = self._content = memoryview(content)

    def rewind(self) -> None:
        """Begin anew, to be read for another version."""
        self._content = self._whole

    def take(self, size: object) -> memoryview:
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise BadRequest("binary_data_size is a number of bytes")
        if size > len(self._content):
            raise BadRequest("fewer bytes came than the inputs' binary_data_size say")
        piece, self._content = self._content[:size], self._content[size:]
        return piece

    def end(self) -> None:
        if len(self._content):
            raise BadRequest(f"{len(self._content)} bytes came that belong to no input")


def split(body: bytes, announced: bytes | None) -> tuple[bytes, Tail]:
    """Cut a body into its JSON and the bytes after it."""
    if announced is None:
        return body, Tail(b"")
    if not announced.isdigit() or len(announced) > 20 or int(announced) > len(body):
        raise BadRequest("Inference-Header-Content-Length does not fit the body")
    length = int(announced)
    return body[:length], Tail(body[length:])


def read(wire: tensors.WireTensor, piece: memoryview) -> Tensor:
    """Turn raw bytes into a tensor.

    Raises:
        BadRequest: type, shape and bytes do not belong together.
    """
    if wire.data:
        raise BadRequest(f"{wire.name!r} has both data and binary data")
    if wire.datatype == "BYTES":
        texts = _texts(wire.name, piece)
        tensors.check_texts(wire.name, texts)
        data = np.array(texts, dtype=np.object_)
    else:
        data = _numbers(wire, piece)
    tensors.check_shape(wire, data.size)
    return Tensor(wire.name, wire.datatype, tuple(wire.shape), data.reshape(wire.shape))


def _numbers(wire: tensors.WireTensor, piece: memoryview) -> NDArray[Any]:
    dtype = tensors.DTYPES.get(wire.datatype)
    if dtype is None:
        raise BadRequest(f"{wire.name!r}: unknown datatype {wire.datatype[:32]!r}")
    little = np.dtype(dtype).newbyteorder("<")
    if len(piece) % little.itemsize:
        raise BadRequest(f"{wire.name!r}: {len(piece)} bytes are no whole {wire.datatype}")
    if wire.datatype == "BOOL" and (np.frombuffer(piece, dtype=np.uint8) > 1).any():
        raise BadRequest(f"{wire.name!r}: a BOOL is 0 or 1")
    # A copy, for the piece may begin anywhere and the runtime wants it aligned.
    return np.frombuffer(piece, dtype=little).astype(dtype)


def _texts(name: str, piece: memoryview) -> list[str]:
    texts, place = [], 0
    while place < len(piece):
        if place + 4 > len(piece):
            raise BadRequest(f"{name!r}: a text's length is cut off")
        size = int.from_bytes(piece[place : place + 4], "little")
        place += 4
        if place + size > len(piece):
            raise BadRequest(f"{name!r}: a text is cut off")
        try:
            texts.append(str(piece[place : place + size], "utf-8"))
        except UnicodeDecodeError:
            raise BadRequest(f"{name!r}: a text is not UTF-8") from None
        place += size
    return texts


def write(data: NDArray[Any]) -> bytes:
    if data.dtype != np.object_:
        return data.astype(data.dtype.newbyteorder("<"), copy=False).tobytes()
    encoded = [str(text).encode() for text in data.ravel()]
    return b"".join(len(text).to_bytes(4, "little") + text for text in encoded)


def describe(name: str, datatype: str, data: NDArray[Any], *, size: int) -> dict[str, Any]:
    return {
        "name": name,
        "datatype": datatype,
        "shape": list(data.shape),
        "parameters": {"binary_data_size": size},
    }
