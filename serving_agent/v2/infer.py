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
from serving_agent.routing import GROUP, Caller
from serving_agent.v2 import binary
from serving_agent.v2.http import Response

MAX_ID = 256
MAX_TEXT = 1024
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
    raw: frozenset[str]
    """The outputs that go back as bytes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came, before it is known which version it is for."""

    id: str
    request: _Request
    tail: binary.Tail

    def caller(self, *, parameter: str, group: bytes | None) -> Caller:
        """Say who asks: by the named parameter, else by the transaction's id."""
        given = self.request.parameters or {}
        named = group.decode("latin-1") if group is not None else None
        return Caller(
            _text(given, parameter, default=self.id) or self.id,
            _text(given, GROUP, default=named),
        )


def _text(parameters: dict[str, Any], name: str, *, default: str | None) -> str | None:
    value = parameters.get(name)
    if value is None:
        return default
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise BadRequest(f"the parameter {name[:80]!r} is a text or a whole number")
    if len(text := str(value)) > MAX_TEXT:
        raise BadRequest(f"the parameter {name[:80]!r} has at most {MAX_TEXT} characters")
    return text


def parse(body: bytes, *, json_length: bytes | None = None) -> Asked:
    """Take a request apart.

    ``json_length`` is what the header of a request with binary tensors says.

    Raises:
        BadRequest: it cannot be read, and why.
    """
    content, tail = binary.split(body, json_length)
    try:
        request = _decode(content)
    except RecursionError:
        raise BadRequest("the JSON is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise BadRequest(f"the request cannot be read: {exc}") from None
    if request.id is not None and len(request.id) > MAX_ID:
        raise BadRequest(f"an id has at most {MAX_ID} characters")
    return Asked(request.id or str(uuid.uuid4()), request, tail)


def read(asked: Asked, loaded: Loaded) -> Call:
    """Read a request for one version.

    Raises:
        BadRequest: it does not fit, and why.
    """
    request, tail = asked.request, asked.tail
    try:
        inputs = tuple(_input(wire, loaded, tail) for wire in request.inputs)
    except RecursionError:
        raise BadRequest("the JSON is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise BadRequest(f"the request cannot be read: {exc}") from None
    tail.end()
    feeds = {tensor.name: tensor.data for tensor in inputs}
    if len(feeds) != len(inputs):
        raise BadRequest("an input is given twice")
    missing = sorted(set(loaded.inputs) - set(feeds))
    if missing:
        raise BadRequest(f"inputs are missing: {', '.join(missing)[:300]}")
    names, raw = _selected(request, loaded)
    return Call(asked.id, inputs, feeds, names, raw)


def _selected(request: _Request, loaded: Loaded) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the outputs that are wanted, and those of them that are wanted as bytes."""
    all_raw = bool(request.parameters and request.parameters.get("binary_data_output"))
    if not request.outputs:
        names = tuple(loaded.outputs)
        return names, frozenset(names if all_raw else ())
    raw = set()
    for one in request.outputs:
        if one.name not in loaded.outputs:
            raise BadRequest(f"there is no output {one.name[:80]!r}")
        if (one.parameters or {}).get("binary_data", all_raw):
            raw.add(one.name)
    return tuple(one.name for one in request.outputs), frozenset(raw)


def _input(wire: tensors.WireTensor, loaded: Loaded, tail: binary.Tail) -> Tensor:
    spec = loaded.inputs.get(wire.name)
    if spec is None:
        raise BadRequest(f"there is no input {wire.name[:80]!r}")
    if wire.datatype != spec.datatype:
        raise BadRequest(f"{spec.name!r} is {spec.datatype}, not {wire.datatype[:32]!r}")
    if not _fits(wire.shape, spec.shape):
        raise BadRequest(f"{spec.name!r} has shape {list(spec.shape)}, not {wire.shape[:9]}")
    tensor = _values(wire, tail)
    if wire.datatype in tensors.FLOATS and np.isnan(tensor.data).any():
        _check_missing(tensor, spec)
    return tensor


def _values(wire: tensors.WireTensor, tail: binary.Tail) -> Tensor:
    if wire.parameters is None or "binary_data_size" not in wire.parameters:
        return tensors.read(wire)
    return binary.read(wire, tail.take(wire.parameters["binary_data_size"]))


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


def write(call: Call, loaded: Loaded, outputs: list[NDArray[Any]]) -> Response:
    described: list[dict[str, Any]] = []
    pieces: list[bytes] = []
    for name in call.outputs:
        place = loaded.outputs[name]
        datatype, data = loaded.manifest.outputs[place].datatype, outputs[place]
        if name in call.raw:
            pieces.append(binary.write(data))
            described.append(binary.describe(name, datatype, data, size=len(pieces[-1])))
        else:
            described.append(tensors.write(name, datatype, data))
    content = _encode(
        {
            "model_name": loaded.model,
            "model_version": str(loaded.version),
            "id": call.id,
            "parameters": {"digest": loaded.digest},
            "outputs": described,
        }
    )
    if not pieces:
        return Response(200, content, loaded.headers)
    length = (binary.LENGTH_HEADER, str(len(content)).encode())
    body = b"".join((content, *pieces))
    return Response(200, body, [*loaded.headers, length], binary.CONTENT_TYPE)


def score_of(call: Call, loaded: Loaded, outputs: list[NDArray[Any]]) -> float | None:
    """Pick the score out of an answer, where there is one."""
    return loaded.score_of(outputs, rows=rows_of(call.inputs))


def answer(call: Call, loaded: Loaded, *, score: float | None, latency_ms: float) -> Answer:
    """Put down what the caller was told."""
    return Answer(
        transaction_id=call.id,
        at_us=time.time_ns() // 1000,
        model=loaded.model,
        version=loaded.version,
        digest=loaded.digest,
        score=score,
        latency_ms=latency_ms,
        inputs=call.inputs,
    )
