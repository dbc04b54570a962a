"""Put a sample to an estimator and to its ONNX model, and compare the answers.

A converter can be wrong without saying so: forests trained with missing values are
an example. So nothing is handed out before both have answered the sample, row by row.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pyarrow as pa
from numpy.typing import NDArray

from lockgate.convert.samples import Sample, listed
from lockgate.errors import BadSample, NotConvertible, NotEqual

PROBABILITIES = "probabilities"
VALUES = "variable"
_LABEL = "label"
_BATCH = 2_000
_QUIET = 4
Answers = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Proof:
    """What both answered, and how close that was.

    Attributes:
        expected: the estimator's answers, in the type of the model's output.
        identical: rows that are equal to the last bit.
    """

    output: str
    expected: NDArray[Any]
    identical: int
    largest: float


def open_model(model: bytes | Path) -> Any:
    """Open a model as agents do, in one thread.

    Raises:
        NotConvertible: the runtime cannot.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = _QUIET
    given = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # The runtime has exceptions of its own, and no common class for them.
        raise NotConvertible(f"ONNX Runtime cannot open it: {first_line(error)}") from error


def run(session: Any, feeds: Mapping[str, NDArray[Any]]) -> Answers:
    """Let a model answer, some rows at a time."""
    names = [output.name for output in session.get_outputs()]
    total = len(next(iter(feeds.values())))
    parts = []
    for start in range(0, total, _BATCH):
        some = {name: values[start : start + _BATCH] for name, values in feeds.items()}
        parts.append(session.run(names, some))
    return {
        name: np.concatenate([np.asarray(part[place]) for part in parts])
        for place, name in enumerate(names)
    }


def prove(estimator: Any, answers: Answers, sample: Sample, *, tolerance: float) -> Proof:
    """Compare a model's answers with its estimator's.

    Raises:
        BadSample: the estimator refuses the rows.
        NotConvertible: it gives no score.
        NotEqual: the model answers differently; ``rows`` says where.
    """
    if PROBABILITIES in answers and hasattr(estimator, "predict_proba"):
        expected = _asked(estimator.predict_proba, sample).astype(np.float64)
        wrong = _apart(expected, answers[PROBABILITIES]) > tolerance
        if _LABEL in answers:
            labels = _asked(estimator.predict, sample)
            wrong |= (labels != answers[_LABEL]) & ~_tied(expected, tolerance=tolerance)
        return judge(PROBABILITIES, expected, answers, wrong=wrong, tolerance=tolerance)
    if VALUES in answers and hasattr(estimator, "predict"):
        expected = _asked(estimator.predict, sample).astype(np.float64).reshape(len(sample), -1)
        found = answers[VALUES].reshape(len(sample), -1)
        # Values of a regression may be large: the tolerance is relative above one.
        wrong = (_apart(expected, found, relative=True)) > tolerance
        return judge(VALUES, expected, answers, wrong=wrong, tolerance=tolerance)
    name = type(estimator).__name__
    raise NotConvertible(f"{name} gives neither probabilities nor values.")


def judge(
    output: str,
    expected: NDArray[np.float64],
    answers: Answers,
    *,
    wrong: NDArray[np.bool_],
    tolerance: float,
) -> Proof:
    """Accept answers of which none is wrong.

    Raises:
        NotEqual: some are.
    """
    found = answers[output].reshape(expected.shape)
    apart = _apart(expected, found)
    largest = float(apart.max())
    if rows := [int(row) for row in np.flatnonzero(wrong)]:
        raise NotEqual(
            f"The ONNX model answers {len(rows)} of {len(wrong)} rows differently"
            f" (by up to {largest:.3g}, {tolerance:.3g} allowed): rows {listed(rows)}.",
            rows=rows,
            largest=largest,
        )
    typed = expected.astype(found.dtype)
    return Proof(output, typed, int((typed == found).all(axis=1).sum()), largest)


def _apart(
    expected: NDArray[np.float64], found: NDArray[Any], *, relative: bool = False
) -> NDArray[np.float64]:
    """Return how far the farthest number of each row is off; infinite where there is none."""
    difference = np.abs(expected - found)
    if relative:
        difference /= np.maximum(1.0, np.abs(expected))
    apart: NDArray[np.float64] = np.where(np.isnan(difference), np.inf, difference).max(axis=1)
    return apart


def _tied(probabilities: NDArray[np.float64], *, tolerance: float) -> NDArray[np.bool_]:
    """Tell where two classes are as likely, so that either label is right."""
    if probabilities.shape[1] == 1:
        return np.zeros(len(probabilities), np.bool_)
    highest = np.sort(probabilities, axis=1)
    tied: NDArray[np.bool_] = highest[:, -1] - highest[:, -2] <= 2 * tolerance
    return tied


def _asked(method: Any, sample: Sample) -> NDArray[Any]:
    try:
        with warnings.catch_warnings():
            # Fitted with names, it wonders about rows without: they are in its order.
            warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
            return np.asarray(method(sample.asked))
    except (ValueError, TypeError) as error:
        missing = sample.missing()
        where = f" (numbers are missing in rows {listed(missing)})" if missing.size else ""
        if isinstance(sample.asked, pa.Table):
            where += " (it may want pandas, which is not installed here)"
        raise BadSample(f"The estimator refuses the sample: {first_line(error)}{where}") from error


def first_line(error: Exception) -> str:
    """Say an exception in a line."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
