"""One inference request: from JSON to inputs the model may see, and back."""

import time
import uuid
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from serving_agent import tensors
from serving_agent.errors import BadRequest
from serving_agent.loaded import Loaded, rows_of
from serving_agent.manifests import TensorSpec
from serving_agent.ports import Answer, Tensor

MAX_ID = 256
_encode = msgspec.json.Encoder().encode


class _Selected(msgspec.Struct):
    name: str
    parameters: dict[str, Any] | None = None


class _Request(msgspec.Struct):
    inputs: list[tensors.WireTensor]
    id: str | None = None
    outputs: list[_Selected] | None = None
    parameters: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(_Request).decode


@dataclass(frozen=True, slots=True)
class Call:
    """A request that fits the model's signature."""

    id: str
    inputs: tuple[Tensor, ...]
    feeds: dict[str, NDArray[Any]]
    outputs: tuple[str, ...]


def read(body: bytes, loaded: Loaded) -> Call:
    """Read a request for one version.

    Raises:
        BadRequest: it does not fit, and why.
    """
    try:
        request = _decode(body)
        inputs = tuple(_input(wire, loaded) for wire in request.inputs)
    except RecursionError:
        raise BadRequest("the JSON is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise BadRequest(f"the request cannot be read: {exc}") from None
    feeds = {tensor.name: tensor.data for tensor in inputs}
    if len(feeds) != len(inputs):
        raise BadRequest("an input is given twice")
    missing = sorted(set(loaded.inputs) - set(feeds))
    if missing:
        raise BadRequest(f"inputs are missing: {', '.join(missing)[:300]}")
    if request.id is not None and len(request.id) > MAX_ID:
        raise BadRequest(f"an id has at most {MAX_ID} characters")
    return Call(request.id or str(uuid.uuid4()), inputs, feeds, _selected(request, loaded))


def _selected(request: _Request, loaded: Loaded) -> tuple[str, ...]:
    if not request.outputs:
        return tuple(loaded.outputs)
    names = tuple(one.name for one in request.outputs)
    unknown = [name for name in names if name not in loaded.outputs]
    if unknown:
        raise BadRequest(f"there is no output {unknown[0][:80]!r}")
    return names


def _input(wire: tensors.WireTensor, loaded: Loaded) -> Tensor:
    spec = loaded.inputs.get(wire.name)
    if spec is None:
        raise BadRequest(f"there is no input {wire.name[:80]!r}")
    if wire.datatype != spec.datatype:
        raise BadRequest(f"{spec.name!r} is {spec.datatype}, not {wire.datatype[:32]!r}")
    if not _fits(wire.shape, spec.shape):
        raise BadRequest(f"{spec.name!r} has shape {list(spec.shape)}, not {wire.shape[:9]}")
    tensor = tensors.read(wire)
    if wire.datatype in tensors.FLOATS and np.isnan(tensor.data).any():
        _check_missing(tensor, spec)
    return tensor


def _fits(shape: list[int], declared: tuple[int, ...]) -> bool:
    if len(shape) != len(declared):
        return False
    return all(want in (-1, got) for got, want in zip(shape, declared, strict=True))


def _check_missing(tensor: Tensor, spec: TensorSpec) -> None:
    """Let a feature be null where the model was trained with gaps in it."""
    features = spec.features or ()
    columns = np.isnan(tensor.data).reshape(-1, tensor.shape[-1]).any(axis=0)
    for column in np.flatnonzero(columns):
        if column >= len(features) or not features[column].missing:
            name = features[column].name if column < len(features) else str(column)
            raise BadRequest(f"{spec.name!r}: feature {name[:80]!r} may not be null")


def write(call: Call, loaded: Loaded, outputs: list[NDArray[Any]]) -> bytes:
    specs = loaded.manifest.outputs
    places = [loaded.outputs[name] for name in call.outputs]
    return _encode(
        {
            "model_name": loaded.model,
            "model_version": str(loaded.version),
            "id": call.id,
            "parameters": {"digest": loaded.digest},
            "outputs": [
                tensors.write(specs[place].name, specs[place].datatype, outputs[place])
                for place in places
            ],
        }
    )


def answer(call: Call, loaded: Loaded, outputs: list[NDArray[Any]], *, latency_ms: float) -> Answer:
    """Put down what the caller was told."""
    return Answer(
        transaction_id=call.id,
        at_us=time.time_ns() // 1000,
        model=loaded.model,
        version=loaded.version,
        digest=loaded.digest,
        score=loaded.score_of(outputs, rows=rows_of(call.inputs)),
        latency_ms=latency_ms,
        inputs=call.inputs,
    )
