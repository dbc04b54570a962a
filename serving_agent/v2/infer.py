"""One inference request: from JSON to inputs the model may see, and back."""

import time
import uuid
from dataclasses import dataclass
from typing import Any

import msgspec
from numpy.typing import NDArray

from serving_agent import tensors
from serving_agent.errors import BadRequest
from serving_agent.loaded import Loaded, rows_of
from serving_agent.ports import Answer, Tensor
from serving_agent.routing import GROUP, Caller
from serving_agent.v2 import binary, strict
from serving_agent.v2.http import Response

MAX_ID = 256
MAX_TEXT = 1024
PIPELINE = "pipeline_digest"
UNSUPPORTED = ("classification", "shared_memory_region")
_encode = msgspec.json.Encoder().encode


class _Selected(msgspec.Struct):
    name: str
    parameters: dict[str, Any] | None = None


class _Request(msgspec.Struct):
    inputs: list[tensors.WireTensor]
    id: str | None = None
    outputs: list[_Selected] | None = None
    parameters: dict[str, Any] | None = None


class _Index(msgspec.Struct):
    ready: bool = False


_decode = msgspec.json.Decoder(_Request).decode
_decode_index = msgspec.json.Decoder(_Index).decode


@dataclass(frozen=True, slots=True)
class Call:
    """A request that fits the model's signature."""

    id: str
    inputs: tuple[Tensor, ...]
    feeds: dict[str, NDArray[Any]]
    """What the model sees: the inputs, some of them clipped to what it was trained on."""
    clipped: int
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
    strict.refuse_doubled(content, request.inputs, keys=_keys(request))
    return Asked(request.id or str(uuid.uuid4()), request, tail)


def wants_ready(body: bytes) -> bool:
    """Tell whether a call for the index asks for no more than what is ready.

    Raises:
        BadRequest: it is neither empty nor such a call.
    """
    if not body:
        return False
    try:
        return _decode_index(body).ready
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise BadRequest(f"the request cannot be read: {exc}"[:300]) from None


def _keys(request: _Request) -> int:
    """Count the keys that were read. What is null counts as not there, which only costs time."""
    keys = 1 + (request.id is not None) + strict.keys_of_parameters(request.parameters)
    keys += sum(strict.keys_of(wire) for wire in request.inputs)
    if request.outputs is not None:
        asked = [1 + strict.keys_of_parameters(one.parameters) for one in request.outputs]
        keys += 1 + sum(asked)
    return keys


def read(asked: Asked, loaded: Loaded, *, pipeline: bytes | None = None) -> Call:
    """Read a request for one version.

    ``pipeline`` is what a header says of where the features come from.

    Raises:
        BadRequest: it does not fit, and why.
    """
    request, tail = asked.request, asked.tail
    _check_pipeline(request, loaded, pipeline)
    try:
        inputs = tuple(_input(wire, loaded, tail) for wire in request.inputs)
    except RecursionError:
        raise BadRequest("the JSON is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise BadRequest(f"the request cannot be read: {exc}") from None
    tail.end()
    _check_names(inputs, loaded)
    feeds, clipped = loaded.guard.feeds(inputs)
    names, raw = _selected(request, loaded)
    return Call(asked.id, inputs, feeds, clipped, names, raw)


def _check_names(inputs: tuple[Tensor, ...], loaded: Loaded) -> None:
    """Check that every input is there once; that there is no other, each saw for itself."""
    if len({tensor.name for tensor in inputs}) != len(inputs):
        raise BadRequest("an input is given twice")
    if len(inputs) != len(loaded.inputs):
        missing = sorted(set(loaded.inputs) - {tensor.name for tensor in inputs})
        raise BadRequest(f"inputs are missing: {', '.join(missing)[:300]}")


def _check_pipeline(request: _Request, loaded: Loaded, header: bytes | None) -> None:
    if header is not None:
        loaded.guard.check_pipeline(header.decode("latin-1"))
    if request.parameters and (sent := request.parameters.get(PIPELINE)) is not None:
        if not isinstance(sent, str):
            raise BadRequest(f"the parameter {PIPELINE!r} is a text")
        loaded.guard.check_pipeline(sent)


def _selected(request: _Request, loaded: Loaded) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the outputs that are wanted, and those of them that are wanted as bytes."""
    all_raw = _flag(request.parameters, "binary_data_output", default=False)
    if not request.outputs:
        names = tuple(loaded.outputs)
        return names, frozenset(names if all_raw else ())
    raw = set()
    for one in request.outputs:
        if one.name not in loaded.outputs:
            raise BadRequest(f"there is no output {one.name[:80]!r}")
        _refuse_extensions(one.parameters)
        if _flag(one.parameters, "binary_data", default=all_raw):
            raw.add(one.name)
    names = tuple(one.name for one in request.outputs)
    if len(set(names)) != len(names):
        raise BadRequest("an output is asked for twice")
    return names, frozenset(raw)


def _flag(parameters: dict[str, Any] | None, name: str, *, default: bool) -> bool:
    value = parameters.get(name, default) if parameters else default
    if not isinstance(value, bool):
        raise BadRequest(f"the parameter {name!r} is true or false")
    return value


def _refuse_extensions(parameters: dict[str, Any] | None) -> None:
    """Refuse what other servers do with a tensor, rather than leave it undone unsaid."""
    for name in UNSUPPORTED:
        if parameters and name in parameters:
            raise BadRequest(f"the parameter {name!r} is not supported here")


def _input(wire: tensors.WireTensor, loaded: Loaded, tail: binary.Tail) -> Tensor:
    spec = loaded.inputs.get(wire.name)
    if spec is None:
        raise BadRequest(f"there is no input {wire.name[:80]!r}")
    if wire.datatype != spec.datatype:
        raise BadRequest(f"{spec.name!r} is {spec.datatype}, not {wire.datatype[:32]!r}")
    if not _fits(wire.shape, spec.shape):
        raise BadRequest(f"{spec.name!r} has shape {list(spec.shape)}, not {_short(wire.shape)}")
    return _values(wire, tail)


def _short(shape: list[int]) -> list[int | str]:
    """Cut a shape for a message: a caller may have sent any number of any length."""
    return [size if abs(size) < 2**63 else "..." for size in shape[:9]]


def _values(wire: tensors.WireTensor, tail: binary.Tail) -> Tensor:
    _refuse_extensions(wire.parameters)
    if wire.parameters is None or "binary_data_size" not in wire.parameters:
        return tensors.read(wire)
    return binary.read(wire, tail.take(wire.parameters["binary_data_size"]))


def _fits(shape: list[int], declared: tuple[int, ...]) -> bool:
    if len(shape) != len(declared):
        return False
    return all(want in (-1, got) for got, want in zip(shape, declared, strict=True))


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
    parameters: dict[str, Any] = {"digest": loaded.digest}
    if call.clipped:
        parameters["clipped"] = call.clipped
    content = _encode(
        {
            "model_name": loaded.model,
            "model_version": str(loaded.version),
            "id": call.id,
            "parameters": parameters,
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
