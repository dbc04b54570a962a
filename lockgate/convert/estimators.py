"""Convert an estimator, prove that the result answers the same, and pick golden transactions.

A converter can be wrong without saying so: forests trained with missing values are
an example. So nothing is handed out before both have answered a sample, row by row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
import skl2onnx
from numpy.typing import ArrayLike, NDArray
from skl2onnx.common.data_types import FloatTensorType

from lockgate.errors import NotConvertible, NotEqual
from lockgate.manifest import Score, Signature, golden_file, tensor

INPUT = "X"
OPSETS = {"": 21, "ai.onnx.ml": 3}
TOLERANCE = 1e-5
MOST_NODES = 2_000_000
"""Nodes of all trees. The converter makes a Python object of each and runs out of memory
on larger forests."""
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Converted:
    """An ONNX model that answered a sample as its estimator does."""

    onnx: bytes
    signature: Signature
    golden: bytes
    largest_difference: float


def to_onnx(estimator: Any, sample: ArrayLike, *, tolerance: float = TOLERANCE) -> bytes:
    """Convert an estimator that was fitted, and prove it on a sample.

    Args:
        sample: rows as the estimator takes them; they are rounded to float32, as agents do.
        tolerance: by how much a probability or value may differ.

    Raises:
        NotConvertible: the converter cannot, or the estimator gives no score.
        NotEqual: the result answers differently; ``rows`` says where.
    """
    rows = _rows(sample)
    model = _convert(estimator, rows)
    _prove(estimator, model, rows, tolerance=tolerance)
    return model


def convert(
    estimator: Any,
    sample: ArrayLike,
    *,
    features: Sequence[str] | None = None,
    threshold: float | None = 0.5,
    tolerance: float = TOLERANCE,
    golden: int = 20,
) -> Converted:
    """Do as ``to_onnx``, and prepare all that a manifest says of the model.

    Args:
        features: names of the columns; ``f0``, ``f1`` and so on without.
        threshold: from where on the score means yes; None where it means nothing.
        golden: how many rows of the sample become golden transactions. They are spread
            over the scores, lowest and highest among them.
    """
    rows = _rows(sample)
    names = list(features) if features else [f"f{index}" for index in range(rows.shape[1])]
    if len(names) != rows.shape[1]:
        message = f"There are {len(names)} names for {rows.shape[1]} columns."
        raise NotConvertible(message)
    model = _convert(estimator, rows)
    expected, largest = _prove(estimator, model, rows, tolerance=tolerance)
    signature = _signature(model, rows, names=names, threshold=threshold)
    picked = _pick(expected, count=golden)
    transactions = [
        {
            "id": f"golden-{row}",
            "inputs": [tensor(INPUT, "FP32", rows[[row]])],
            "outputs": [tensor(signature.score.output, "FP32", expected[[row]])],
        }
        for row in picked
    ]
    return Converted(model, signature, golden_file(transactions, tolerance=tolerance), largest)


def _rows(sample: ArrayLike) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        rows = np.asarray(sample, dtype=np.float32)
    if rows.ndim != 2 or not rows.size:
        message = "A sample has rows and columns."
        raise NotConvertible(message)
    if np.isinf(rows).any():
        message = "The sample holds numbers too large for float32."
        raise NotConvertible(message)
    return rows


def _convert(estimator: Any, rows: NDArray[np.float32]) -> bytes:
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    trees = [tree for tree in np.ravel(getattr(last, "estimators_", [])) if hasattr(tree, "tree_")]
    nodes = sum(tree.tree_.node_count for tree in trees)
    if nodes > MOST_NODES:
        message = f"Its trees have {nodes} nodes, more than the {MOST_NODES} that can be converted."
        raise NotConvertible(message)
    options = {"zipmap": False} if hasattr(estimator, "predict_proba") else {}
    try:
        model = skl2onnx.to_onnx(
            estimator,
            initial_types=[(INPUT, FloatTensorType([None, rows.shape[1]]))],
            options={id(estimator): options} if options else None,
            target_opset=OPSETS,
        )
    except Exception as error:
        # The converter raises whatever it comes across.
        message = f"{type(estimator).__name__} cannot be converted: {_first_line(error)}"
        raise NotConvertible(message) from error
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    del model.opset_import[:]  # The converter lists some of them twice.
    model.opset_import.extend(
        onnx.helper.make_opsetid(domain, version) for domain, version in sorted(opsets.items())
    )
    return bytes(model.SerializeToString())


def _prove(
    estimator: Any, model: bytes, rows: NDArray[np.float32], *, tolerance: float
) -> tuple[NDArray[np.float32], float]:
    """Return the estimator's answers and the largest difference, if that is small enough."""
    outputs = dict(_run(model, rows))
    if not outputs.keys() & {"probabilities", "variable"}:
        message = f"{type(estimator).__name__} gives neither probabilities nor values."
        raise NotConvertible(message)
    if "probabilities" in outputs:
        expected = np.asarray(estimator.predict_proba(rows), dtype=np.float64)
        difference = np.abs(expected - outputs["probabilities"]).max(axis=1)
        wrong = ~(difference <= tolerance)
        labels = np.asarray(estimator.predict(rows))
        wrong |= (labels != outputs["label"]) & ~_tied(expected, tolerance=tolerance)
    else:
        expected = np.asarray(estimator.predict(rows), dtype=np.float64).reshape(len(rows), -1)
        found = outputs["variable"].reshape(len(rows), -1)
        difference = np.abs(expected - found).max(axis=1)
        # Values of a regression may be large: the tolerance is relative above one.
        wrong = ~(difference <= tolerance * np.maximum(1.0, np.abs(expected).max(axis=1)))
    largest = float(np.nanmax(difference))
    bad = [int(row) for row in np.flatnonzero(wrong)]
    if bad:
        some = ", ".join(map(str, bad[:_SHOWN])) + (", ..." if len(bad) > _SHOWN else "")
        message = (
            f"The ONNX model answers {len(bad)} of {len(rows)} rows differently"
            f" (by up to {largest:.3g}, {tolerance:.3g} allowed): rows {some}."
        )
        raise NotEqual(message, rows=bad, largest=largest)
    return expected.astype(np.float32), largest


def _tied(probabilities: NDArray[np.float64], *, tolerance: float) -> NDArray[np.bool_]:
    """Tell where two classes are as likely, so that either label is right."""
    highest = np.sort(probabilities, axis=1)
    tied: NDArray[np.bool_] = highest[:, -1] - highest[:, -2] <= 2 * tolerance
    return tied


def _run(model: bytes, rows: NDArray[np.float32]) -> list[tuple[str, NDArray[Any]]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return list(zip(names, session.run(names, {INPUT: rows}), strict=True))


def _signature(
    model: bytes, rows: NDArray[np.float32], *, names: list[str], threshold: float | None
) -> Signature:
    missing = np.isnan(rows)
    features = [
        {
            "name": name,
            "min": _bound(rows[:, column], np.nanmin),
            "max": _bound(rows[:, column], np.nanmax),
            "missing": bool(missing[:, column].any()),
        }
        for column, name in enumerate(names)
    ]
    inputs = [{"name": INPUT, "datatype": "FP32", "shape": [-1, len(names)], "features": features}]
    found = dict(_run(model, rows[:1]))
    output = "probabilities" if "probabilities" in found else "variable"
    width = int(found[output].shape[1])
    outputs = [{"name": output, "datatype": "FP32", "shape": [-1, width]}]
    return Signature(inputs, outputs, Score(output, column=width - 1, threshold=threshold))


def _bound(column: NDArray[np.float32], extreme: Any) -> float | None:
    return None if np.isnan(column).all() else float(extreme(column))


def _pick(expected: NDArray[np.float32], *, count: int) -> list[int]:
    """Pick rows evenly over the scores."""
    order = np.argsort(expected[:, -1], kind="stable")
    places = np.linspace(0, len(order) - 1, num=min(count, len(order))).round().astype(int)
    return sorted({int(order[place]) for place in places})


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
