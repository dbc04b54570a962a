"""A version's manifest and golden transactions, as far as the agent reads them.

The manifest's digest is the version's identity, so its bytes are checked
before anything here parses them. Fields the agent does not use pass unread.
"""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

import msgspec

from serving_agent import tensors
from serving_agent.errors import BadRequest, Reason, VersionFailure
from serving_agent.ports import Tensor

MANIFEST_BYTES = 1024 * 1024
GOLDEN_BYTES = 8 * 1024 * 1024
"""Parsed in the serving process too, which answers nobody meanwhile."""

Digest = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Size = Annotated[int, msgspec.Meta(ge=0)]


class FileEntry(msgspec.Struct, frozen=True):
    path: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    size: Size
    sha256: Digest
    role: str


class Feature(msgspec.Struct, frozen=True):
    """What one column held in training, and what becomes of what it did not hold."""

    name: str
    missing: bool = False
    min: float | None = None
    max: float | None = None
    categories: tuple[str | float, ...] | None = None
    guard: Literal["refuse", "clip", "pass"] | None = None


class TensorSpec(msgspec.Struct, frozen=True):
    name: str
    datatype: str
    shape: tuple[int, ...]
    features: tuple[Feature, ...] | None = None


class Score(msgspec.Struct, frozen=True):
    """Which number of the answer is "the score"."""

    output: str
    column: int | None = None
    threshold: float | None = None


class Manifest(msgspec.Struct, frozen=True):
    model: str
    kind: str
    files: tuple[FileEntry, ...]
    inputs: Annotated[tuple[TensorSpec, ...], msgspec.Meta(min_length=1)]
    outputs: Annotated[tuple[TensorSpec, ...], msgspec.Meta(min_length=1)]
    schema: Literal["lockgate.manifest/1"]
    score: Score | None = None
    pipeline_digest: str | None = None

    def only(self, role: str) -> FileEntry:
        """Return the one file of a role that there is exactly one of."""
        return next(entry for entry in self.files if entry.role == role)

    def external(self) -> tuple[FileEntry, ...]:
        return tuple(entry for entry in self.files if entry.role == "external_data")


class Golden(msgspec.Struct, frozen=True):
    id: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


class GoldenSet(msgspec.Struct, frozen=True):
    tolerance: float
    transactions: tuple[Golden, ...]


class _WireGolden(msgspec.Struct):
    id: str
    inputs: list[tensors.WireTensor]
    outputs: Annotated[list[tensors.WireTensor], msgspec.Meta(min_length=1)]


class _WireGoldenSet(msgspec.Struct):
    schema: Literal["lockgate.golden/1"]
    tolerance: Annotated[float, msgspec.Meta(ge=0)]
    transactions: Annotated[list[_WireGolden], msgspec.Meta(min_length=1, max_length=10_000)]


_manifest = msgspec.json.Decoder(Manifest)
_golden = msgspec.json.Decoder(_WireGoldenSet)
_MALFORMED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def _check_path(path: str) -> None:
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts or "\\" in path or "\0" in path or not parts:
        raise VersionFailure(Reason.INVALID, f"the manifest names a file outside: {path[:80]!r}")


def parse_manifest(raw: bytes, *, model: str | None = None) -> Manifest:
    """Parse a manifest, and check that it is of ``model``.

    Raises:
        VersionFailure: INVALID.
    """
    try:
        manifest = _manifest.decode(raw)
    except _MALFORMED as exc:
        raise VersionFailure(Reason.INVALID, f"the manifest cannot be read: {exc}") from exc
    if manifest.kind != "onnx":
        raise VersionFailure(Reason.INVALID, f"the agent runs no {manifest.kind[:32]!r} models")
    if model is not None and manifest.model != model:
        raise VersionFailure(Reason.INVALID, f"the manifest is of {manifest.model[:80]!r}")
    roles = [entry.role for entry in manifest.files]
    if roles.count("model") != 1 or roles.count("golden") != 1:
        raise VersionFailure(Reason.INVALID, "exactly one model file and one golden file")
    paths = [entry.path for entry in manifest.files]
    if len(set(paths)) != len(paths):
        raise VersionFailure(Reason.INVALID, "the manifest names a file twice")
    for path in paths:
        _check_path(path)
    return manifest


def parse_golden(raw: bytes) -> GoldenSet:
    """Parse the golden transactions.

    Raises:
        VersionFailure: INVALID; an empty set is invalid too, for it proves nothing.
    """
    try:
        wire = _golden.decode(raw)
        transactions = tuple(
            Golden(
                one.id,
                tuple(tensors.read_finite(tensor) for tensor in one.inputs),
                tuple(tensors.read_finite(tensor) for tensor in one.outputs),
            )
            for one in wire.transactions
        )
    except (*_MALFORMED, BadRequest) as exc:
        raise VersionFailure(Reason.INVALID, f"golden transactions unreadable: {exc}") from exc
    return GoldenSet(wire.tolerance, transactions)


def feeds(inputs: tuple[Tensor, ...]) -> dict[str, Any]:
    return {tensor.name: tensor.data for tensor in inputs}
