"""Convert an estimator, prove that the result answers the same, and describe it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from lockgate.convert import forests, general
from lockgate.convert.descriptions import (
    GOLDEN,
    TOLERANCE,
    Answered,
    Description,
    describe,
    feature,
)
from lockgate.convert.forests import INPUT, Tell
from lockgate.convert.proof import Proof, first_line, open_model, prove, run
from lockgate.convert.samples import Sample, of_rows
from lockgate.errors import BadEstimator, BadSample
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


def to_onnx(estimator: Any, sample: ArrayLike, *, tolerance: float = TOLERANCE) -> bytes:
    """Convert an estimator that was fitted, and prove it on a sample.

    Args:
        sample: rows as the estimator takes them; they are rounded to float32, as agents do.
        tolerance: by how much a probability or value may differ.

    Raises:
        NotConvertible: the converter cannot, or the estimator gives no score.
        NotEqual: the result answers differently; ``rows`` says where.
    """
    return _proved(estimator, of_rows(sample), tolerance=tolerance, tell=lambda _: None)[0]


def convert(
    estimator: Any,
    sample: ArrayLike,
    *,
    features: Sequence[str] | None = None,
    threshold: float | None = 0.5,
    tolerance: float = TOLERANCE,
    golden: int = GOLDEN,
    tell: Tell = lambda _: None,
) -> Converted:
    """Do as ``to_onnx``, and prepare all that a manifest says of the model.

    Args:
        features: names of the columns; ``f0``, ``f1`` and so on without.
        threshold: from where on the score means yes; None where it means nothing.
        golden: how many rows of the sample become golden transactions. They are spread
            over the scores, lowest and highest among them.
        tell: is given a line for each step.
    """
    taken = of_rows(sample, names=features)
    model, proof = _proved(estimator, taken, tolerance=tolerance, tell=tell)
    tell(f"describing {len(taken.names)} features")
    answered = Answered(
        [_input(taken)], {INPUT: taken.rows}, [_output(proof)], {proof.output: proof.expected}
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


def _proved(estimator: Any, sample: Sample, *, tolerance: float, tell: Tell) -> tuple[bytes, Proof]:
    _require_fitted(estimator)
    width = getattr(estimator, "n_features_in_", sample.rows.shape[1])
    if width != sample.rows.shape[1]:
        name = type(estimator).__name__
        raise BadSample(f"{name} takes {width} columns, the sample has {sample.rows.shape[1]}.")
    if forests.is_forest(estimator):
        model = forests.write(estimator, tell=tell)
    else:
        tell(f"converting {type(estimator).__name__}")
        model = general.write(estimator, width=width)
    tell(f"loading {len(model):,} bytes of ONNX")
    session = open_model(model)
    tell(f"proving on {len(sample):,} rows")
    answers = run(session, {INPUT: sample.rows})
    return model, prove(estimator, answers, sample, tolerance=tolerance)


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


def _input(sample: Sample) -> Document:
    columns = zip(sample.names, sample.rows.T, strict=True)
    features = [feature(name, column) for name, column in columns]
    shape = [-1, len(sample.names)]
    return {"name": INPUT, "datatype": "FP32", "shape": shape, "features": features}


def _output(proof: Proof) -> Document:
    datatype = "FP64" if proof.expected.dtype == np.float64 else "FP32"
    return {"name": proof.output, "datatype": datatype, "shape": [-1, proof.expected.shape[1]]}
