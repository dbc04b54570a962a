"""Convert an estimator, prove that the result answers the same, and describe it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from lockgate.convert import boosted, columns, forests, general
from lockgate.convert.descriptions import (
    GOLDEN,
    TOLERANCE,
    Answered,
    Description,
    describe,
)
from lockgate.convert.forests import Tell
from lockgate.convert.proof import Proof, first_line, open_model, prove, run
from lockgate.convert.samples import Sample, of_rows, of_table
from lockgate.errors import BadEstimator, BadSample, NotConvertible
from lockgate.manifest import Document


@dataclass(frozen=True, slots=True)
class Converted(Description):
    """An ONNX model that answered a sample as its estimator does.

    Attributes:
        identical: rows whose answers are equal to the last bit.
    """

    onnx: bytes
    identical: int
    largest_difference: float


def load(path: Path, *, tell: Tell = lambda _: None) -> Any:
    """Open an estimator that joblib or pickle wrote. That runs what is in the file.

    Raises:
        BadEstimator: it cannot be opened, or is no fitted estimator.
    """
    tell(f"opening {path}")
    try:
        found = joblib.load(path)
    except ModuleNotFoundError as error:
        raise BadEstimator(f"{path} needs {error.name}, which is not installed here.") from error
    except Exception as error:
        # A pickle may raise anything.
        raise BadEstimator(f"{path} cannot be opened: {first_line(error)}") from error
    _require_fitted(found)
    return found


def columns_of(estimator: Any) -> list[str] | None:
    """Return the names of the columns it was fitted on, if it knows them."""
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def to_onnx(estimator: Any, sample: ArrayLike | pa.Table, *, tolerance: float = TOLERANCE) -> bytes:
    """Convert an estimator that was fitted, and prove it on a sample.

    Args:
        sample: rows as the estimator takes them, or a table that holds its columns, of pyarrow
            or pandas; numbers are rounded to float32, as agents do.
        tolerance: by how much a probability or value may differ.

    Raises:
        NotConvertible: the converter cannot, or the estimator gives no score.
        NotEqual: the result answers differently; ``rows`` says where.
    """
    taken = _sample(estimator, sample, names=None)
    return _proved(estimator, taken, tolerance=tolerance, tell=lambda _: None)[0]


def convert(
    estimator: Any,
    sample: ArrayLike | pa.Table,
    *,
    features: Sequence[str] | None = None,
    threshold: float | None = 0.5,
    tolerance: float = TOLERANCE,
    golden: int = GOLDEN,
    tell: Tell = lambda _: None,
) -> Converted:
    """Do as ``to_onnx``, and prepare all that a manifest says of the model.

    Args:
        features: names of columns that have none; ``f0``, ``f1`` and so on without.
        threshold: from where on the score means yes; None where it means nothing.
        golden: how many rows of the sample become golden transactions. They are spread
            over the scores, lowest and highest among them.
        tell: is given a line for each step.
    """
    taken = _sample(estimator, sample, names=features)
    model, proof = _proved(estimator, taken, tolerance=tolerance, tell=tell)
    tell(f"describing {len(taken.names)} features")
    answered = Answered(
        taken.inputs(), taken.tensors(), [_output(proof)], {proof.output: proof.expected}
    )
    described = describe(
        answered, output=proof.output, threshold=threshold, tolerance=tolerance, golden=golden
    )
    return Converted(
        described.signature,
        described.golden,
        described.profile,
        described.rows,
        onnx=model,
        identical=proof.identical,
        largest_difference=proof.largest,
    )


def _sample(estimator: Any, given: ArrayLike | pa.Table, *, names: Sequence[str] | None) -> Sample:
    """Take of a table what the estimator knows by name, or rows as they are."""
    _require_fitted(estimator)
    known = columns_of(estimator)
    if known is not None and hasattr(given, "__arrow_c_stream__"):
        given = pa.table(given)
    if not isinstance(given, pa.Table):
        return of_rows(given, names=names)
    if known is not None and columns.needed(estimator, given, names=known):
        return columns.of_table(given, names=known)
    return of_table(given, names=known)


def _proved(estimator: Any, sample: Sample, *, tolerance: float, tell: Tell) -> tuple[bytes, Proof]:
    found = len(sample.names)
    if (width := getattr(estimator, "n_features_in_", found)) != found:
        name = type(estimator).__name__
        raise BadSample(f"{name} takes {width} columns, the sample has {found}.")
    model = _written(estimator, sample, tell=tell)
    tell(f"loading {len(model):,} bytes of ONNX")
    session = open_model(model)
    tell(f"proving on {len(sample):,} rows")
    try:
        answers = run(session, sample.tensors())
    except Exception as error:
        # The runtime has exceptions of its own, and no common class for them.
        raise NotConvertible(f"The ONNX model refuses the sample: {first_line(error)}") from error
    return model, prove(estimator, answers, sample, tolerance=tolerance)


def _written(estimator: Any, sample: Sample, *, tell: Tell) -> bytes:
    found = getattr(estimator, "best_estimator_", estimator)  # What a search has found.
    if forests.is_forest(found):
        return forests.write(found, tell=tell)
    if boosted.is_boosted(found):
        return boosted.write(found, tell=tell)
    tell(f"converting {type(estimator).__name__}")
    return general.write(estimator, takes=sample.tensors())


def _require_fitted(estimator: Any) -> None:
    name = type(estimator).__name__
    if isinstance(estimator, type) or not hasattr(estimator, "fit"):
        raise BadEstimator(f"This is no estimator: {name}.")
    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise BadEstimator(f"This {name} was not fitted.") from error
    except TypeError as error:
        raise BadEstimator(f"{name} is no estimator of scikit-learn.") from error


def _output(proof: Proof) -> Document:
    datatype = "FP64" if proof.expected.dtype == np.float64 else "FP32"
    return {"name": proof.output, "datatype": datatype, "shape": [-1, proof.expected.shape[1]]}
