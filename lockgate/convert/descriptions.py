"""What a manifest says of a model, and the two files beside it, from a sample and its answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.convert import profiles
from lockgate.manifest import Document, Score, Signature, golden_file, tensor

TOLERANCE = 1e-5
GOLDEN = 20
FEW_WORDS = 100
"""Text of more different values has no categories: it is rather free."""
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Description:
    """What goes in and comes out of a model.

    Attributes:
        golden: golden transactions, as a file.
        profile: what the sample and its scores are distributed like, as a file.
        rows: of the sample.
    """

    signature: Signature
    golden: bytes
    profile: bytes
    rows: int


@dataclass(frozen=True, slots=True)
class Answered:
    """A sample as tensors, and the answers to it; both with what a manifest says of them."""

    inputs: Sequence[Document]
    feeds: Arrays
    outputs: Sequence[Document]
    answers: Arrays

    def scores(self, name: str) -> NDArray[Any]:
        """Return the last number an output says of each row."""
        answers = self.answers[name]
        last: NDArray[Any] = answers.reshape(len(answers), -1)[:, -1]
        return last

    def transaction(self, row: int) -> Document:
        """Return one row as a golden transaction."""
        return {
            "id": f"golden-{row}",
            "inputs": [_tensor(spec, self.feeds, row) for spec in self.inputs],
            "outputs": [_tensor(spec, self.answers, row) for spec in self.outputs],
        }

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the features, by their names."""
        return {
            str(feature["name"]): self.feeds[spec["name"]].reshape(-1, len(spec["features"]))[:, at]
            for spec in self.inputs
            for at, feature in enumerate(spec["features"])
        }


def describe(
    answered: Answered,
    *,
    output: str,
    threshold: float | None,
    tolerance: float,
    golden: int,
) -> Description:
    """Describe a model by what it answers to a sample.

    Args:
        output: the one whose last number is the score.
        golden: how many rows of the sample become golden transactions. They are spread
            over the scores, lowest and highest among them.
    """
    scores = answered.scores(output)
    width = next(len(spec["shape"]) for spec in answered.outputs if spec["name"] == output)
    column = None if width == 1 else answered.answers[output][0].size - 1
    transactions = [answered.transaction(row) for row in _spread(scores, count=golden)]
    return Description(
        Signature(answered.inputs, answered.outputs, Score(output, column, threshold)),
        golden_file(transactions, tolerance=tolerance),
        profiles.profile_file(answered.columns(), scores=scores),
        len(scores),
    )


def feature(name: str, column: NDArray[Any]) -> Document:
    """Describe a feature as a manifest does."""
    if column.dtype.kind == "O":
        found = sorted(set(column))
        return {"name": name, **({"categories": found} if len(found) <= FEW_WORDS else {})}
    if column.dtype.kind not in "fiu":
        return {"name": name}
    there = column[~np.isnan(column)]
    return {
        "name": name,
        "min": there.min().item() if there.size else None,
        "max": there.max().item() if there.size else None,
        "missing": bool(there.size < column.size),
    }


def _spread(scores: NDArray[Any], *, count: int) -> list[int]:
    """Pick rows evenly over the scores."""
    order = np.argsort(scores, kind="stable")
    places = np.linspace(0, len(order) - 1, num=min(count, len(order))).round().astype(int)
    return sorted({int(order[place]) for place in places})


def _tensor(spec: Document, arrays: Arrays, row: int) -> Document:
    return tensor(str(spec["name"]), str(spec["datatype"]), arrays[spec["name"]][[row]])
