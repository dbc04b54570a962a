"""scikit-learn's trees as ONNX's ``TreeEnsemble`` wants them: arrays in, arrays out.

Two things make the answers the same. scikit-learn compares float32 inputs with
float64 thresholds, ONNX float32 with float32: so a threshold becomes the largest
float32 that is not above it. And a missing value goes where training sent it.

One thing makes them fast. ONNX Runtime lays a node's false child right behind it
and the true child elsewhere, so each step to a true child may miss the cache.
Here the false child is the one that more training samples went to. Where that is
the left one (``x <= t``), the test is turned round to ``-x <= -t'``, with t' the
next float32 above t: the input of the ensemble is [x, -x], and all nodes still
test ``<=``, which the runtime has a fast path for. It also is where scikit-learn sends a
missing value that training never saw: so only forests that did learn from missing values
need to say where they go.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NO_CHILD = -1
Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Nodes:
    """Inner nodes, and what their children are: inner nodes or leaves, by position.

    ``roots`` holds the position of each tree's root.
    """

    features: Ints
    splits: Floats
    true_ids: Ints
    true_leafs: NDArray[np.bool_]
    false_ids: Ints
    false_leafs: NDArray[np.bool_]
    missing_is_true: NDArray[np.bool_]
    roots: Ints

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True, slots=True)
class Arrays:
    """A tree as scikit-learn's ``tree_`` has it, for kinds of trees that keep it otherwise."""

    children_left: Ints
    children_right: Ints
    feature: Ints
    threshold: NDArray[np.float64]
    n_node_samples: NDArray[Any]
    missing_go_to_left: NDArray[Any]
    value: NDArray[np.float64]
    n_features: int


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree: its inner nodes, and what its leaves say (leaf, output)."""

    nodes: Nodes
    values: NDArray[np.float64]


def largest_float32(thresholds: NDArray[np.float64]) -> Floats:
    """Return for each threshold the largest float32 that is not above it."""
    with np.errstate(over="ignore"):
        near = thresholds.astype(np.float32)
    above = near > thresholds
    near[above] = np.nextafter(near[above], np.float32(-np.inf))
    return near


def read(estimator: Any) -> Tree:
    """Read a fitted tree of scikit-learn.

    Its leaves say one number for each class of a classifier, or for each output of a
    regressor.
    """
    return of_arrays(estimator.tree_)


def of_arrays(tree: Any) -> Tree:
    """Read a tree from its arrays, named as those of scikit-learn's ``tree_``."""
    left, right = tree.children_left, tree.children_right
    leaf = left == NO_CHILD
    values = np.asarray(tree.value, dtype=np.float64)[leaf]
    values = values.reshape(len(values), -1)
    if leaf[0]:
        return Tree(_stump(), values)
    ids = np.where(leaf, np.cumsum(leaf), np.cumsum(~leaf)) - 1
    inner = np.flatnonzero(~leaf)
    left, right = left[inner], right[inner]
    splits = largest_float32(tree.threshold[inner])
    next_above = np.nextafter(splits, np.float32(np.inf))
    samples = tree.n_node_samples
    turned = samples[left] > samples[right]
    to_true, to_false = np.where(turned, right, left), np.where(turned, left, right)
    nodes = Nodes(
        features=tree.feature[inner] + turned * tree.n_features,
        splits=np.where(turned, -next_above, splits),
        true_ids=ids[to_true],
        true_leafs=leaf[to_true],
        false_ids=ids[to_false],
        false_leafs=leaf[to_false],
        missing_is_true=(tree.missing_go_to_left[inner] != 0) != turned,
        roots=np.zeros(1, np.int64),
    )
    return Tree(nodes, values)


def join(trees: list[Nodes], *, leaf_ids: list[Ints]) -> Nodes:
    """Put trees behind one another, with their leaves renamed as ``leaf_ids`` says."""
    starts = np.cumsum([0, *(len(tree) for tree in trees)])[:-1]

    def renamed(ids: Ints, leafs: NDArray[np.bool_], place: int) -> Ints:
        # Positions of inner nodes may be beyond those of leaves: look up leaves alone.
        found = leaf_ids[place][np.where(leafs, ids, 0)]
        return np.where(leafs, found, ids + starts[place])

    def all_of(name: str) -> Any:
        return np.concatenate([getattr(tree, name) for tree in trees])

    sides = {
        f"{side}_ids": np.concatenate([
            renamed(getattr(tree, f"{side}_ids"), getattr(tree, f"{side}_leafs"), place)
            for place, tree in enumerate(trees)
        ])
        for side in ("true", "false")
    }  # fmt: skip
    kept = ("features", "splits", "true_leafs", "false_leafs", "missing_is_true")
    return Nodes(**sides, **{name: all_of(name) for name in kept}, roots=starts.astype(np.int64))


def _stump() -> Nodes:
    """Stand in for a tree that is a single leaf: both ways lead there."""
    zero, yes = np.zeros(1, np.int64), np.ones(1, np.bool_)
    return Nodes(zero, np.zeros(1, np.float32), zero, yes, zero, yes, ~yes, zero)
