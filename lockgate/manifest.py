"""Write what a version is registered by: its manifest and its golden transactions.

Needs nothing but Python: a pipeline in any framework can pack its models here.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lockgate.errors import BadPack

SCHEMA = "lockgate.manifest/1"
GOLDEN_SCHEMA = "lockgate.golden/1"
MANIFEST = "manifest.json"
_CHUNK = 1024 * 1024
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=@-]*(/[A-Za-z0-9_][A-Za-z0-9_.+=@-]*)*\Z")
Document = dict[str, Any]
GUARDS = frozenset({"refuse", "clip", "pass"})


@dataclass(frozen=True, slots=True)
class Training:
    """How a version came about."""

    commit: str
    run: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """Which number of the answer is "the score", and from where on it means yes."""

    output: str
    column: int | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """Data a version was made of. Times are ISO 8601, with their zone."""

    id: str
    digest: str
    start: str | None = None
    end: str | None = None
    source: str | None = None
    licence: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Parent:
    """Another version this one comes from: by its number, its digest, or both."""

    model: str
    version: int | None = None
    digest: str | None = None
    relation: str = "derived"
    """``derived``, ``retrained``, ``fine_tuned``, ``distilled``, ``ensemble`` or ``converted``."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What goes into a model and what comes out."""

    inputs: Sequence[Mapping[str, Any]]
    outputs: Sequence[Mapping[str, Any]]
    score: Score


def guarded(signature: Signature, rules: Mapping[str, str]) -> Signature:
    """Say by feature what becomes of values that training did not hold.

    Args:
        rules: ``refuse``, ``clip`` or ``pass`` by a feature's name.
    """
    named = {str(one["name"]) for tensor in signature.inputs for one in tensor.get("features", ())}
    if unknown := sorted(set(rules) - named):
        message = f"There is no feature {', '.join(unknown)}."
        raise BadPack(message)
    if odd := sorted(set(rules.values()) - GUARDS):
        message = f"A guard is refuse, clip or pass, not {', '.join(odd)}."
        raise BadPack(message)

    def of(tensor: Mapping[str, Any]) -> Document:
        features = [
            {**one, "guard": rules[one["name"]]} if one["name"] in rules else dict(one)
            for one in tensor.get("features", ())
        ]
        return {**tensor, "features": features} if features else dict(tensor)

    return replace(signature, inputs=[of(tensor) for tensor in signature.inputs])


def build_manifest(
    *,
    model: str,
    files: Iterable[Mapping[str, Any]],
    signature: Signature,
    authors: Sequence[str],
    training: Training,
    datasets: Iterable[Dataset] = (),
    parents: Iterable[Parent] = (),
    metrics: Mapping[str, float] | None = None,
    pipeline_digest: str | None = None,
    environment_lock: Mapping[str, Any] | None = None,
) -> bytes:
    """Write a manifest; the same facts give the same bytes, and so the same version.

    Args:
        files: entries as of ``file_entry``.
        authors: persons who made the version; they may not approve it.
    """
    document = {
        "schema": SCHEMA,
        "model": model,
        "kind": "onnx",
        "files": sorted(files, key=lambda entry: str(entry["path"])),
        "inputs": list(signature.inputs),
        "outputs": list(signature.outputs),
        "score": {
            "output": signature.score.output,
            "column": signature.score.column,
            "threshold": signature.score.threshold,
        },
        "authors": list(authors),
        "training": {
            "commit": training.commit,
            "run": training.run,
            "parameters": dict(training.parameters),
            "seed": training.seed,
        },
        "pipeline_digest": pipeline_digest,
        "datasets": [_dataset(each) for each in datasets],
        "metrics": dict(metrics or {}),
        "environment_lock": None if environment_lock is None else dict(environment_lock),
    }
    if listed := [_parent(each) for each in parents]:
        document["parents"] = listed
    return canonical(document)


def file_entry(path: str, source: Path | bytes, *, role: str) -> Document:
    """Describe one file of a version.

    Args:
        path: its name in the version, relative, with / between folders.
        role: ``model``, ``external_data``, ``golden``, ``profile`` or ``other``.
    """
    digest, size = hashlib.sha256(), 0
    if isinstance(source, bytes):
        digest.update(source)
        size = len(source)
    else:
        with source.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
    return {"path": path, "size": size, "sha256": digest.hexdigest(), "role": role}


def tensor(name: str, datatype: str, values: Any) -> Document:
    """Describe a tensor from nested lists or an array; NaN becomes null, a missing number."""
    nested = values.tolist() if hasattr(values, "tolist") else values
    shape: list[int] = []
    level = nested
    while isinstance(level, list):
        shape.append(len(level))
        level = level[0] if level else None
    flat = [_number(value) for value in _flatten(nested)]
    if math.prod(shape) != len(flat):
        message = f"The values of {name!r} are ragged."
        raise BadPack(message)
    return {"name": name, "datatype": datatype, "shape": shape, "data": flat}


def golden_file(transactions: Iterable[Mapping[str, Any]], *, tolerance: float) -> bytes:
    """Write golden transactions: ``{"id", "inputs": [tensor], "outputs": [tensor]}`` each.

    Args:
        tolerance: how far an agent's answers may be off, in each number.
    """
    document = {
        "schema": GOLDEN_SCHEMA,
        "tolerance": tolerance,
        "transactions": [dict(transaction) for transaction in transactions],
    }
    return canonical(document)


def canonical(document: Mapping[str, Any]) -> bytes:
    """Write JSON the same way every time: keys sorted, no white space, no NaN."""
    try:
        text = json.dumps(
            document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
    except ValueError as error:
        message = f"This cannot be written as JSON: {error}"
        raise BadPack(message) from error
    return text.encode()


def write_pack(folder: Path, *, manifest: bytes, files: Mapping[str, Path | bytes]) -> None:
    """Put a version into a folder, from which ``lockgate register`` takes it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in files.items():
        path = _inside(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source if isinstance(source, bytes) else source.read_bytes())
    (folder / MANIFEST).write_bytes(manifest)


def read_pack(folder: Path) -> tuple[bytes, Document, dict[str, Path]]:
    """Return a folder's manifest, as bytes and read, and its files by digest.

    Raises:
        BadPack: something is missing, or not what the manifest says.
    """
    try:
        raw = (folder / MANIFEST).read_bytes()
        manifest = json.loads(raw)
        entries = [(str(entry["path"]), str(entry["sha256"])) for entry in manifest["files"]]
        files = {sha256: _inside(folder, path) for path, sha256 in entries}
        for path, sha256 in entries:
            found = file_entry(path, _inside(folder, path), role="")["sha256"]
            if found != sha256:
                message = f"{folder / path} is not what the manifest says: its SHA-256 is {found}."
                raise BadPack(message)
    except OSError as error:
        message = f"{error.filename}: {error.strerror}"
        raise BadPack(message) from error
    except (ValueError, KeyError, TypeError) as error:
        message = f"{folder / MANIFEST} is no manifest: {error}"
        raise BadPack(message) from error
    return raw, manifest, files


def _inside(folder: Path, name: str) -> Path:
    if not _SAFE.match(name):
        message = f"{name!r} is no name for a file of a version."
        raise BadPack(message)
    return folder / name


def _dataset(dataset: Dataset) -> Document:
    return {
        "id": dataset.id,
        "digest": dataset.digest,
        "from": dataset.start,
        "to": dataset.end,
        "source": dataset.source,
        **_given(licence=dataset.licence, version=dataset.version),
    }


def _parent(parent: Parent) -> Document:
    named = _given(version=parent.version, digest=parent.digest)
    return {"model": parent.model, "relation": parent.relation, **named}


def _given(**members: object) -> Document:
    """Leave out what was not said: manifests of before are the same bytes as ever."""
    return {name: value for name, value in members.items() if value is not None}


def _flatten(nested: Any) -> list[Any]:
    flat: list[Any] = []
    stack = [nested]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(reversed(item))
        else:
            flat.append(item)
    return flat


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
