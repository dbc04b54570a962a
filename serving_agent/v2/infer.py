"""One inference request: from JSON to inputs the model may see, and back."""

import time
import uuid
from typing import Any

import msgspec
from numpy.typing import NDArray

from serving_agent import tensors
from serving_agent.errors import BadRequest
from serving_agent.loaded import Loaded, rows_of
from serving_agent.ports import Answer, Tensor
from serving_agent.routing import GROUP, Caller, Instead
from serving_agent.v2 import binary, parameters, strict
from serving_agent.v2.http import Response
from serving_agent.v2.parameters import Parameters

MAX_ID = 256
MOST_INPUTS = 1000
PIPELINE = "pipeline_digest"
SPARE_HEADER = b"lockgate-spare"
_encode = msgspec.json.Encoder().encode


class _Selected(msgspec.Struct):
    name: str
    parameters: msgspec.Raw = msgspec.Raw(b"")


class _Request(msgspec.Struct):
    inputs: list[tensors.WireTensor]
    id: str | None = None
    outputs: list[_Selected] | None = None
    parameters: msgspec.Raw = msgspec.Raw(b"")


class _Index(msgspec.Struct):
    ready: bool = False


_decode = msgspec.json.Decoder(_Request).decode
_decode_index = msgspec.json.Decoder(_Index).decode


class Call(msgspec.Struct, frozen=True):
    """A request that fits the model's signature."""

    id: str
    inputs: tuple[Tensor, ...]
    feeds: dict[str, NDArray[Any]]
    """What the model sees: the inputs, some of them clipped to what it was trained on."""
    clipped: int
    outputs: tuple[str, ...]
    raw: frozenset[str]
    """The outputs that go back as bytes."""


class Asked(msgspec.Struct, frozen=True):
    """A request as it came, before it is known which version it is for."""

    id: str
    request: _Request
    parameters: Parameters
    tail: binary.Tail

    def caller(self, *, parameter: str, group: bytes | None) -> Caller:
        """Say who asks: by the named parameter, else by the transaction's id."""
        given = self.parameters
        named = group.decode("latin-1") if group is not None else None
        return Caller(
            parameters.text(given, parameter, default=self.id) or self.id,
            parameters.text(given, GROUP, default=named),
        )


def parse(body: bytes, *, json_length: bytes | None = None) -> Asked:
    """Take a request apart.

    ``json_length`` is what the header of a request with binary tensors says.

    Raises:
        BadRequest: it cannot be read, and why.
    """
    content, tail = binary.split(body, json_length)
    try:
        request = _decode(content)
        if len(request.inputs) > MOST_INPUTS:
            raise BadRequest(f"more than {MOST_INPUTS} inputs")
        given, keys = parameters.read(request.parameters), _keys(request)
    except RecursionError:
        raise BadRequest("the JSON is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise BadRequest(f"the request cannot be read: {exc}") from None
    if request.id is not None and len(request.id) > MAX_ID:
        raise BadRequest(f"an id has at most {MAX_ID} characters")
    strict.refuse_doubled(content, request.inputs, keys=keys)
    return Asked(request.id or str(uuid.uuid4()), request, given, tail)


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
    _check_names(request, loaded)
    _check_pipeline(asked.parameters, loaded, pipeline)
    try:
        inputs = tuple(_input(wire, loaded, tail) for wire in request.inputs)
    except RecursionError:
        raise BadRequest("the JSON is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise BadRequest(f"the request cannot be read: {exc}") from None
    tail.end()
    feeds, clipped = loaded.guard.feeds(inputs)
    names, raw = _selected(asked, loaded)
    return Call(asked.id, inputs, feeds, clipped, names, raw)


def _check_names(request: _Request, loaded: Loaded) -> None:
    """Check that every input is there, once, and no other, before any of them is read."""
    inputs, outputs = request.inputs, request.outputs or ()
    if len(inputs) > len(loaded.inputs) or len(outputs) > len(loaded.outputs):
        raise BadRequest("more inputs or outputs than the model has")
    names = {wire.name for wire in inputs}
    if len(names) == len(inputs) and names == loaded.inputs.keys():
        return
    if len(names) != len(inputs):
        raise BadRequest("an input is given twice")
    for name in names:
        if name not in loaded.inputs:
            raise BadRequest(f"there is no input {name[:80]!r}")
    missing = sorted(set(loaded.inputs) - names)
    raise BadRequest(f"inputs are missing: {', '.join(missing)[:300]}")


def _check_pipeline(given: Parameters, loaded: Loaded, header: bytes | None) -> None:
    if header is not None:
        loaded.guard.check_pipeline(header.decode("latin-1"))
    if (sent := given.get(PIPELINE)) is not None:
        if not isinstance(sent, str):
            raise BadRequest(f"the parameter {PIPELINE!r} is a text")
        loaded.guard.check_pipeline(sent)


def _selected(asked: Asked, loaded: Loaded) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the outputs that are wanted, and those of them that are wanted as bytes."""
    all_raw = parameters.flag(asked.parameters, "binary_data_output", default=False)
    if not asked.request.outputs:
        names = tuple(loaded.outputs)
        return names, frozenset(names if all_raw else ())
    raw = set()
    for one in asked.request.outputs:
        if one.name not in loaded.outputs:
            raise BadRequest(f"there is no output {one.name[:80]!r}")
        given = parameters.read(one.parameters)
        parameters.refuse_extensions(given)
        if parameters.flag(given, "binary_data", default=all_raw):
            raw.add(one.name)
    names = tuple(one.name for one in asked.request.outputs)
    if len(set(names)) != len(names):
        raise BadRequest("an output is asked for twice")
    return names, frozenset(raw)


def _input(wire: tensors.WireTensor, loaded: Loaded, tail: binary.Tail) -> Tensor:
    spec = loaded.inputs[wire.name]
    if wire.datatype != spec.datatype:
        raise BadRequest(f"{spec.name!r} is {spec.datatype}, not {wire.datatype[:32]!r}")
    if not _fits(wire.shape, spec.shape):
        raise BadRequest(f"{spec.name!r} has shape {list(spec.shape)}, not {_short(wire.shape)}")
    return _values(wire, tail)


def _short(shape: list[int]) -> list[int | str]:
    """Cut a shape for a message: a caller may have sent any number of any length."""
    return [size if abs(size) < 2**63 else "..." for size in shape[:9]]


def _values(wire: tensors.WireTensor, tail: binary.Tail) -> Tensor:
    given = parameters.read(wire.parameters)
    parameters.refuse_extensions(given)
    size = given.get("binary_data_size")
    return tensors.read(wire) if size is None else binary.read(wire, tail.take(size))


def _fits(shape: list[int], declared: tuple[int, ...]) -> bool:
    if len(shape) != len(declared):
        return False
    # A loop, since a generator would cost more than all that it looks at.
    for got, want in zip(shape, declared, strict=True):  # noqa: SIM110
        if want not in (-1, got):
            return False
    return True


def write(
    call: Call, loaded: Loaded, outputs: list[NDArray[Any]], *, instead: Instead | None = None
) -> Response:
    """Put an answer down; ``instead`` says why it is the spare's."""
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
    about: dict[str, Any] = {"digest": loaded.digest}
    if call.clipped:
        about["clipped"] = call.clipped
    headers = loaded.headers
    if instead is not None:
        about["spare"] = instead.value
        headers = [*headers, (SPARE_HEADER, instead.value.encode())]
    content = _encode(
        {
            "model_name": loaded.model,
            "model_version": str(loaded.version),
            "id": call.id,
            "parameters": about,
            "outputs": described,
        }
    )
    if not pieces:
        return Response(200, content, headers)
    length = (binary.LENGTH_HEADER, str(len(content)).encode())
    body = b"".join((content, *pieces))
    return Response(200, body, [*headers, length], binary.CONTENT_TYPE)


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
