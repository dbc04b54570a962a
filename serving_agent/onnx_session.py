"""Opening an ONNX model and putting its golden transactions to it.

Used by the validating child and by the agent itself, so that both ask the
runtime in the same way. One thread per session: requests run side by side
instead, and the runtime releases the interpreter's lock while it works.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from serving_agent.errors import Reason, VersionFailure
from serving_agent.manifests import GoldenSet, Manifest, TensorSpec, feeds
from serving_agent.ports import Tensor

# A model file must not bring its own session options.
os.environ.pop("ORT_LOAD_CONFIG_FROM_MODEL", None)

RUNTIME_VERSION: str = onnxruntime.__version__
_TYPES = {
    "tensor(bool)": "BOOL",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}
_FATAL = 4


@dataclass(frozen=True, slots=True)
class GoldenResult:
    passed: int
    total: int
    max_error: float
    mean_ms: float
    """Of the thread's own time, so that a busy machine does not count."""
    detail: str = ""


class Session:
    """One model in memory."""

    def __init__(self, inference: Any, manifest: Manifest) -> None:
        self._run = inference.run
        self._names = [spec.name for spec in manifest.outputs]

    def run(self, inputs: dict[str, Any]) -> list[NDArray[Any]]:
        """Return the outputs in the manifest's order."""
        outputs: list[NDArray[Any]] = self._run(self._names, inputs)
        return outputs


def open_session(path: Path, manifest: Manifest) -> Session:
    """Load a model, and check that it is what the manifest describes.

    Raises:
        VersionFailure: LOAD_FAILED or OUT_OF_MEMORY.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # An arena never gives back what it took.
    options.log_severity_level = _FATAL
    try:
        inference = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as exc:
        raise _load_failure(exc) from exc
    _check(manifest.inputs, inference.get_inputs(), what="input", exact=True)
    _check(manifest.outputs, inference.get_outputs(), what="output", exact=False)
    return Session(inference, manifest)


def _load_failure(exc: Exception) -> VersionFailure:
    text = str(exc)
    exhausted = isinstance(exc, MemoryError) or "bad_alloc" in text or "allocate memory" in text
    reason = Reason.OUT_OF_MEMORY if exhausted else Reason.LOAD_FAILED
    return VersionFailure(reason, text[:500])


def _check(specs: tuple[TensorSpec, ...], nodes: list[Any], *, what: str, exact: bool) -> None:
    found = {node.name: node for node in nodes}
    named = {spec.name for spec in specs}
    if len(named) != len(specs) or named - set(found) or (exact and set(found) - named):
        detail = f"the manifest's {what}s are {sorted(named)}, the model's {sorted(found)}"
        raise VersionFailure(Reason.LOAD_FAILED, detail[:500])
    for spec in specs:
        node = found[spec.name]
        if _TYPES.get(node.type) != spec.datatype:
            detail = f"{what} {spec.name!r} is {node.type}, the manifest says {spec.datatype}"
            raise VersionFailure(Reason.LOAD_FAILED, detail)
        if node.shape and not _shapes_agree(spec.shape, node.shape):
            detail = f"{what} {spec.name!r} has shape {node.shape}, the manifest {spec.shape}"
            raise VersionFailure(Reason.LOAD_FAILED, detail)


def _shapes_agree(declared: tuple[int, ...], actual: list[Any]) -> bool:
    if len(declared) != len(actual):
        return False
    fixed = [(d, a) for d, a in zip(declared, actual, strict=True) if isinstance(a, int)]
    return all(d in (-1, a) or a < 1 for d, a in fixed)


def error_of(got: NDArray[Any], wanted: Tensor) -> float:
    """Measure how far an output is from the recorded one; infinite where they cannot compare.

    Relative above 1, absolute below; NaN equals NaN.
    """
    if tuple(got.shape) != wanted.shape:
        return float("inf")
    if wanted.data.dtype.kind not in "fc":
        return 0.0 if bool(np.array_equal(got, wanted.data)) else float("inf")
    left, right = got.astype(np.float64), wanted.data.astype(np.float64)
    if not np.array_equal(np.isnan(left), np.isnan(right)):
        return float("inf")
    with np.errstate(invalid="ignore"):
        distance = np.abs(left - right) / np.maximum(1.0, np.abs(right))
    distance[(left == right) | np.isnan(left)] = 0.0
    worst = float(distance.max(initial=0.0))
    return worst if worst == worst else float("inf")  # noqa: PLR0124 - inf - inf is NaN


def run_golden(session: Session, manifest: Manifest, golden: GoldenSet) -> GoldenResult:
    """Put every golden transaction to the model and compare.

    Raises:
        VersionFailure: LOAD_FAILED, when the model cannot take one.
    """
    order = {spec.name: place for place, spec in enumerate(manifest.outputs)}
    passed, max_error, spent, detail = 0, 0.0, 0.0, ""
    for transaction in golden.transactions:
        started = time.thread_time()
        try:
            outputs = session.run(feeds(transaction.inputs))
        except Exception as exc:
            raise VersionFailure(Reason.LOAD_FAILED, f"{transaction.id}: {exc}"[:500]) from exc
        spent += time.thread_time() - started
        errors = [
            error_of(outputs[order[tensor.name]], tensor) if tensor.name in order else float("inf")
            for tensor in transaction.outputs
        ]
        worst = max(errors)
        max_error = max(max_error, worst)
        if worst <= golden.tolerance:
            passed += 1
        elif not detail:
            detail = f"{transaction.id} is off by {worst:.6g}, allowed are {golden.tolerance:g}"
    total = len(golden.transactions)
    return GoldenResult(passed, total, max_error, spent * 1000 / total, detail)
