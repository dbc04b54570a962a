"""One mirrored transaction, as it travels: MessagePack with raw little-endian tensors.

What comes out of the broker was written by another process, perhaps an older
or a broken one. ``decode`` lets nothing through that would have to be doubted
later: types, sizes and finite numbers are checked here and nowhere else.
"""

import math
import struct
from collections.abc import Iterator
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from serving_agent.errors import PermanentFailure
from serving_agent.ports import Answer, Tensor

MAX_BYTES: Final = 1024 * 1024
"""Of one encoded record. A transaction is a row of features; more is a mistake or an attack."""

_LATEST_US: Final = 253_402_300_799_999_999  # the last microsecond of the year 9999

_DTYPES: Final = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Dimension = Annotated[int, msgspec.Meta(ge=0, le=MAX_BYTES)]


class UnreadableRecord(PermanentFailure):
    """Bytes that are no mirrored transaction. Reading them again will not help."""


class UnsendableRecord(PermanentFailure):
    """An answer that cannot be mirrored: too large, or with a tensor of no known type."""


class MirrorTensor(msgspec.Struct, frozen=True, gc=False):
    name: Text
    datatype: str
    shape: Annotated[tuple[Dimension, ...], msgspec.Meta(max_length=8)]
    data: bytes


class MirrorRecord(msgspec.Struct, frozen=True):
    transaction_id: Text
    at_us: Annotated[int, msgspec.Meta(ge=0, le=_LATEST_US)]
    model: Text
    champion_version: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
    champion_digest: Digest
    champion_score: float
    latency_ms: Annotated[float, msgspec.Meta(ge=0)]
    inputs: Annotated[tuple[MirrorTensor, ...], msgspec.Meta(min_length=1, max_length=64)]
    producer: Text
    epoch: Text
    seq: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

    def tensors(self) -> tuple[Tensor, ...]:
        """Return the inputs as the runtime takes them. They share this record's bytes."""
        return tuple(_tensor(t) for t in self.inputs)


_decoder = msgspec.msgpack.Decoder(MirrorRecord)
_encoder = msgspec.msgpack.Encoder()


def encode(answer: Answer, *, producer: str, epoch: str, seq: int) -> bytes:
    """Write one answer as a record.

    Raises:
        UnsendableRecord: it has no score, is too large, or has a tensor of an unknown type.
    """
    if answer.score is None:
        raise UnsendableRecord("an answer without a score has nothing to be compared with")
    record = MirrorRecord(
        transaction_id=answer.transaction_id,
        at_us=answer.at_us,
        model=answer.model,
        champion_version=answer.version,
        champion_digest=answer.digest,
        champion_score=answer.score,
        latency_ms=answer.latency_ms,
        inputs=tuple(_raw(t) for t in answer.inputs),
        producer=producer,
        epoch=epoch,
        seq=seq,
    )
    try:
        payload = _encoder.encode(record)
    except (TypeError, ValueError, OverflowError) as exc:
        raise UnsendableRecord(f"cannot be written: {exc}") from exc
    if len(payload) > MAX_BYTES:
        raise UnsendableRecord(f"{len(payload)} bytes, the limit is {MAX_BYTES}")
    return payload


def decode(payload: bytes) -> MirrorRecord:
    """Read one record and check all of it.

    Raises:
        UnreadableRecord: with a reason a person can read.
    """
    if len(payload) > MAX_BYTES:
        raise UnreadableRecord(f"{len(payload)} bytes, the limit is {MAX_BYTES}")
    try:
        record = _decoder.decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as exc:
        raise UnreadableRecord(str(exc)) from exc
    if not (math.isfinite(record.champion_score) and math.isfinite(record.latency_ms)):
        raise UnreadableRecord("the champion's score and latency must be finite numbers")
    try:
        record.tensors()
    except (ValueError, struct.error) as exc:
        raise UnreadableRecord(str(exc)) from exc
    return record


def _raw(tensor: Tensor) -> MirrorTensor:
    if tensor.datatype == "BYTES":
        data = b"".join(_prefixed(tensor.data))
    elif tensor.datatype in _DTYPES:
        data = np.ascontiguousarray(tensor.data, dtype=_DTYPES[tensor.datatype]).tobytes()
    else:
        raise UnsendableRecord(f"tensors of type {tensor.datatype} are not mirrored")
    return MirrorTensor(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape, data=data)


def _tensor(tensor: MirrorTensor) -> Tensor:
    if tensor.datatype == "BYTES":
        data: NDArray[Any] = np.array(list(_texts(tensor.data)), dtype=object)
    elif tensor.datatype in _DTYPES:
        data = np.frombuffer(tensor.data, dtype=_DTYPES[tensor.datatype])
    else:
        raise ValueError(f"unknown tensor type {tensor.datatype[:32]!r}")
    if data.size != math.prod(tensor.shape):
        raise ValueError(f"{tensor.name[:64]!r} has {data.size} elements, shape {tensor.shape}")
    return Tensor(tensor.name, tensor.datatype, tensor.shape, data.reshape(tensor.shape))


def _prefixed(texts: NDArray[Any]) -> Iterator[bytes]:
    """Write strings as the protocol's binary form does: four bytes of length, then the bytes."""
    for text in texts.ravel():
        raw = text if isinstance(text, bytes) else str(text).encode()
        yield struct.pack("<I", len(raw)) + raw


def _texts(data: bytes) -> Iterator[str]:
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at)
        at += 4
        if at + length > len(data):
            raise ValueError("a string is longer than its tensor")
        yield data[at : at + length].decode()
        at += length
