"""Histogram gradient boosting of scikit-learn, written straight from its arrays.

The general converter has wrong answers for it. Its trees are those of a forest; what
differs is around them: their sum is added to a first guess, and becomes the answer by
the inverse of what the loss links it with. All of that in float64, as scikit-learn does.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from lockgate.convert import forests, trees
from lockgate.convert.forests import Forest, Link, Tell
from lockgate.errors import NotConvertible

KINDS = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)
_LINKS = {
    "IdentityLink": Link.IDENTITY,
    "LogLink": Link.LOG,
    "LogitLink": Link.LOGIT,
    "MultinomialLogit": Link.MULTINOMIAL,
}


def is_boosted(estimator: Any) -> bool:
    """Tell whether this is one that is written here."""
    return isinstance(estimator, KINDS)


def write(estimator: Any, *, tell: Tell = lambda _: None) -> bytes:
    """Write a fitted estimator as an ONNX model.

    Raises:
        NotConvertible: it splits on categories, or is too large for one file.
    """
    name = type(estimator).__name__
    if estimator.is_categorical_ is not None and estimator.is_categorical_.any():
        raise NotConvertible(f"{name} splits on categories: encode them before it.")
    loss = estimator._loss  # noqa: SLF001 - what it has learned is nowhere else; here and below
    if (link := _LINKS.get(type(loss.link).__name__)) is None:
        raise NotConvertible(f"{name} learned by {type(loss).__name__}, which is not known here.")
    rounds = estimator._predictors  # noqa: SLF001
    count = sum(len(tree.nodes) for trees_of_round in rounds for tree in trees_of_round)
    tell(f"writing {sum(map(len, rounds))} trees, {count:,} nodes")
    columns = int(estimator.n_features_in_)
    members = [
        trees.of_arrays(_arrays(tree.nodes, output, len(trees_of_round), columns=columns))
        for trees_of_round in rounds
        for output, tree in enumerate(trees_of_round)
    ]
    guess = np.asarray(estimator._baseline_prediction, np.float64).reshape(1, -1)  # noqa: SLF001
    added = forests.Added(guess, link)
    return forests.model_of(Forest(members, columns, bool(is_classifier(estimator)), added))


def _arrays(nodes: NDArray[Any], output: int, outputs: int, *, columns: int) -> trees.Arrays:
    """Read one tree, which adds to one of the outputs."""
    leaf = nodes["is_leaf"] != 0
    values = np.zeros((len(nodes), outputs))
    values[:, output] = nodes["value"]
    return trees.Arrays(
        children_left=np.where(leaf, trees.NO_CHILD, nodes["left"].astype(np.int64)),
        children_right=np.where(leaf, trees.NO_CHILD, nodes["right"].astype(np.int64)),
        feature=nodes["feature_idx"].astype(np.int64),
        threshold=nodes["num_threshold"].astype(np.float64),
        n_node_samples=nodes["count"],
        missing_go_to_left=nodes["missing_go_to_left"],
        value=values,
        n_features=columns,
    )
