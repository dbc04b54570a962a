"""Check tensors: their sizes, and where those in other files say they lie.

External data is how a model file reaches other files on the machine that loads
it. Here each place must be a file of the same version, and lie inside it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import onnx

from registry.inspecting.findings import Findings, require_text
from registry.manifests.paths import problem_with_path

_MOST_ELEMENTS = 2**40
_KEYS = {"location", "offset", "length", "checksum"}
_DIGITS = 15
_MOST_DIMENSIONS = 64
# Bytes of one element; types packed below a byte and strings are left to the runtime.
_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a version that may hold external data, by path, with their sizes."""

    model: str
    sizes: Mapping[str, int]

    def resolve(self, location: str) -> str:
        """Read a location as the runtime does: beside the model file."""
        return str(PurePosixPath(self.model).parent / location)


def check_tensors(tensors: Sequence[onnx.TensorProto], *, files: Files, findings: Findings) -> None:
    """Check every tensor, and that every file listed for them is used."""
    used: set[str] = set()
    for tensor in tensors:
        require_text((tensor.name, *(e.key for e in tensor.external_data)))
        require_text(e.value for e in tensor.external_data)
        count = math.prod(tensor.dims) if min(tensor.dims, default=0) >= 0 else -1
        if not 0 <= count <= _MOST_ELEMENTS or len(tensor.dims) > _MOST_DIMENSIONS:
            findings.reject("malformed", f"The tensor {tensor.name!r} has impossible dimensions.")
            continue
        expected = count * _BYTES[tensor.data_type] if tensor.data_type in _BYTES else None
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            used.add(_check_external(tensor, expected=expected, files=files, findings=findings))
        elif tensor.external_data:
            message = f"The tensor {tensor.name!r} names external data and says it has none."
            findings.reject("external_data", message)
        elif tensor.HasField("raw_data") and expected not in {None, len(tensor.raw_data)}:
            message = (
                f"The tensor {tensor.name!r} has {len(tensor.raw_data)} bytes, not {expected}."
            )
            findings.reject("malformed", message)
    for path in sorted(files.sizes.keys() - used):
        findings.reject("external_data", f"Nothing in the model refers to {path}.")


def _check_external(
    tensor: onnx.TensorProto, *, expected: int | None, files: Files, findings: Findings
) -> str:
    """Check one tensor's place; return the file it lies in, if that is one of the version."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    path = files.resolve(location)
    problem = ""
    if len(entries) != len(tensor.external_data) or entries.keys() - _KEYS:
        problem = "with keys that are doubled or unknown"
    elif location_problem := problem_with_path(location):
        problem = f"which {location_problem}"
    elif path not in files.sizes:
        problem = "which the manifest does not list as external_data"
    else:
        problem = _problem_with_place(entries, size=files.sizes[path], expected=expected)
    if problem:
        message = f"The tensor {tensor.name!r} lies in {location!r}, {problem}."
        findings.reject("external_data", message)
    return path


def _problem_with_place(entries: Mapping[str, str], *, size: int, expected: int | None) -> str:
    numbers = {key: entries[key] for key in ("offset", "length") if key in entries}
    if not all(
        text.isascii() and text.isdigit() and len(text) <= _DIGITS for text in numbers.values()
    ):
        return "at a place that is not a number"
    offset = int(numbers.get("offset", 0))
    length = int(numbers.get("length", max(size - offset, 0)))
    if offset + length > size:
        return f"beyond its {size} bytes"
    if expected is not None and length != expected and "length" in numbers:
        return f"in {length} bytes instead of {expected}"
    if expected is not None and offset + expected > size:
        return f"beyond its {size} bytes"
    return ""
