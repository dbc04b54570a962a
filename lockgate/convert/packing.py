"""Write what was made beside the ONNX file, and make a version of its folder."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from platform import python_version

from lockgate.convert.descriptions import Description
from lockgate.errors import BadPack
from lockgate.manifest import MANIFEST, Training, build_manifest, file_entry

GOLDEN_FILE = "golden.json"
PROFILE_FILE = "profile.json"
_LIBRARIES = ("scikit-learn", "onnx", "onnxruntime", "numpy")


@dataclass(frozen=True, slots=True)
class About:
    """What a manifest says of a version that no file tells."""

    model: str
    authors: Sequence[str]
    training: Training
    metrics: Mapping[str, float] = field(default_factory=dict)


def write_files(onnx: Path, described: Description, *, content: bytes | None = None) -> list[Path]:
    """Write golden transactions and profile beside a model, and the model if it is new.

    Raises:
        BadPack: the disk does not take them.
    """
    folder = onnx.parent
    files = {folder / GOLDEN_FILE: described.golden, folder / PROFILE_FILE: described.profile}
    if content is not None:
        files[onnx] = content
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Of another version: it must not vouch for what is written now.
        (folder / MANIFEST).unlink(missing_ok=True)
        for path, data in files.items():
            _replace(path, data)
    except OSError as error:
        raise BadPack(f"{error.filename}: {error.strerror}") from error
    return list(files)


def write_manifest(
    onnx: Path, described: Description, *, about: About, external: Sequence[str] = ()
) -> Path:
    """Write the manifest that makes the model's folder a version.

    Args:
        external: files of its weights, as the model names them.

    Raises:
        BadPack: a file is not there.
    """
    folder = onnx.parent
    roles = {onnx.name: "model", GOLDEN_FILE: "golden", PROFILE_FILE: "profile"}
    roles |= dict.fromkeys(external, "external_data")
    try:
        entries = [file_entry(path, folder / path, role=role) for path, role in roles.items()]
        manifest = build_manifest(
            model=about.model,
            files=entries,
            signature=described.signature,
            authors=about.authors,
            training=about.training,
            metrics=about.metrics,
            environment_lock={
                "python": python_version(),
                **{library: version(library) for library in _LIBRARIES},
            },
        )
        _replace(folder / MANIFEST, manifest)
    except OSError as error:
        raise BadPack(f"{error.filename}: {error.strerror}") from error
    return folder / MANIFEST


def commit_of(folder: Path) -> str:
    """Name the commit of the code in a folder, or say that it is not known."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - whichever git the trainer uses
            cwd=folder, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def _replace(path: Path, data: bytes) -> None:
    """Write a file whole, or leave what was there."""
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_bytes(data)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
