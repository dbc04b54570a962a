"""Forests and trees of scikit-learn, written straight from their arrays as ONNX.

A general converter makes a Python object of each node and needs 20 GB for a forest
of a gigabyte; here that takes seconds. The trees are split over several
``TreeEnsemble`` nodes, because the runtime needs many times a node's size while it
reads one.

What a leaf says is written in one of two ways:

- *summed*: as a float32 that the runtime adds up. For classifiers of two classes,
  and for those whose leaves are all of one class: then the sums are whole numbers,
  and the answers are scikit-learn's to the last bit.
- *looked up*: as the number of a row in a table of float64. For leaves that say
  several numbers, and for regressions, whose sums need more digits than float32 has.

Either way the sum is divided in float64 by the number of trees, as scikit-learn does.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.base import is_classifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from lockgate.convert import trees, wire
from lockgate.convert.proof import PROBABILITIES, VALUES
from lockgate.convert.samples import INPUT
from lockgate.errors import NotConvertible

Tell = Callable[[str], object]
DOMAIN: Final = "ai.onnx.ml"
OPSETS: Final = {"": 21, DOMAIN: 5}
IR_VERSION: Final = 10
KINDS: Final = (
    RandomForestClassifier,
    RandomForestRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    DecisionTreeClassifier,  # Its subclasses with random splits, too.
    DecisionTreeRegressor,
)
PARTS: Final = 16
"""``TreeEnsemble`` nodes of a large forest: loading one needs ten times its size, for a while."""
SMALL: Final = 20_000
"""Nodes of trees that are not worth splitting: each part costs every answer a few microseconds."""
_LARGEST = 2**31 - 1
_EXACT = 2**24
_SUM = 1


class Link(Enum):
    """What turns a sum into the answer: the inverse of a loss's link."""

    IDENTITY = auto()
    LOG = auto()
    LOGIT = auto()
    MULTINOMIAL = auto()


@dataclass(frozen=True, slots=True)
class Added:
    """That trees add to a first guess, in place of the mean of what they say."""

    guess: NDArray[np.float64]
    link: Link


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees that answer together, and how many columns they look at."""

    members: list[trees.Tree]
    columns: int
    classifies: bool
    added: Added | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Trees that become one ``TreeEnsemble``: their nodes, and what its leaves give.

    Summed over all parts, the targets are shares of the second class of two, or votes for
    each class; with a ``table``, each says which of its rows counts.
    """

    nodes: trees.Nodes
    targets: NDArray[np.int64]
    weights: NDArray[np.float32]
    width: int
    share: bool = False
    table: NDArray[np.float64] | None = None


def is_forest(estimator: Any) -> bool:
    """Tell whether this is one that is written here."""
    return isinstance(estimator, KINDS)


def write(estimator: Any, *, tell: Tell = lambda _: None) -> bytes:
    """Write a fitted forest or tree as an ONNX model.

    Raises:
        NotConvertible: it predicts several labels at once, or is too large for one file.
    """
    members = [estimator] if hasattr(estimator, "tree_") else list(estimator.estimators_)
    if is_classifier(estimator) and estimator.n_outputs_ > 1:
        message = f"{type(estimator).__name__} predicts several labels at once."
        raise NotConvertible(message)
    count = sum(member.tree_.node_count for member in members)
    tell(f"writing {len(members)} trees, {count:,} nodes")
    read = [trees.read(member) for member in members]
    return model_of(Forest(read, int(estimator.n_features_in_), bool(is_classifier(estimator))))


def model_of(forest: Forest) -> bytes:
    """Write trees as an ONNX model.

    Raises:
        NotConvertible: they are too large for one file.
    """
    pieces = list(_graph(_parts(forest), forest))
    size = sum(map(len, pieces))
    if size > _LARGEST:
        message = f"Its ONNX file would have {size:,} bytes; one has at most {_LARGEST:,}."
        raise NotConvertible(message)
    return b"".join((_header(), wire.varint(7 << 3 | 2), wire.varint(size), *pieces))


def _parts(forest: Forest) -> list[Part]:
    members = forest.members
    pure = all(bool(np.all(tree.values.max(axis=1) == 1)) for tree in members)
    make = _of_rows
    if forest.added is None and forest.classifies and members[0].values.shape[1] == 2:
        make = _of_share
    elif forest.added is None and forest.classifies and pure:
        make = _of_classes
    return [make(some) for some in _split(members)]


def _split(members: list[trees.Tree]) -> Iterator[list[trees.Tree]]:
    """Deal the trees out so that each part has about as many nodes."""
    total = sum(len(tree.nodes) for tree in members)
    wanted = max(total / PARTS, SMALL)
    some: list[trees.Tree] = []
    for tree in members:
        some.append(tree)
        if sum(len(each.nodes) for each in some) >= wanted:
            yield some
            some = []
    if some:
        yield some


def _of_share(members: list[trees.Tree]) -> Part:
    """Of two classes: a leaf gives the share of the second."""
    weights = np.concatenate([tree.values[:, 1] for tree in members]).astype(np.float32)
    targets = np.zeros(len(weights), np.int64)
    return Part(*_joined(members, targets=targets, weights=weights), width=1, share=True)


def _of_classes(members: list[trees.Tree]) -> Part:
    """Leaves of one class each: a leaf gives its class one vote."""
    values = np.concatenate([tree.values for tree in members])
    votes = np.ones(len(values), np.float32)
    joined = _joined(members, targets=values.argmax(axis=1), weights=votes)
    return Part(*joined, width=values.shape[1])


def _of_rows(members: list[trees.Tree]) -> Part:
    """Leaves that say what float32 cannot: a leaf gives its tree the number of a row."""
    values = np.concatenate([tree.values for tree in members])
    whole = values.view(np.dtype((np.void, values.itemsize * values.shape[1]))).reshape(-1)
    _, first, rows = np.unique(whole, return_index=True, return_inverse=True)
    if len(first) >= _EXACT:
        message = f"{len(members)} of its trees have {len(first):,} different leaves, too many."
        raise NotConvertible(message)
    trees_of_leaves = np.repeat(np.arange(len(members)), [len(tree.values) for tree in members])
    joined = _joined(members, targets=trees_of_leaves, weights=rows.astype(np.float32))
    return Part(*joined, width=len(members), table=values[first])


def _joined(
    members: list[trees.Tree], *, targets: NDArray[np.int64], weights: NDArray[np.float32]
) -> tuple[trees.Nodes, NDArray[np.int64], NDArray[np.float32]]:
    """Join trees; leaves that give the same are written once."""
    same = targets.astype(np.uint64) << np.uint64(32) | weights.view(np.uint32)
    _, first, ids = np.unique(same, return_index=True, return_inverse=True)
    ends = np.cumsum([len(tree.values) for tree in members])[:-1]
    nodes = trees.join([tree.nodes for tree in members], leaf_ids=np.split(ids, ends))
    return nodes, targets[first], weights[first]


def _header() -> bytes:
    header = helper.make_model(
        helper.make_graph([], "", [], []),
        opset_imports=[helper.make_opsetid(*opset) for opset in OPSETS.items()],
        ir_version=IR_VERSION,
        producer_name="lockgate",
    )
    header.ClearField("graph")
    return bytes(header.SerializeToString())


def _graph(parts: list[Part], forest: Forest) -> Iterator[bytes]:
    """Write a ``GraphProto`` piece by piece, its nodes in the order they run in."""
    head, tail = _around(parts, forest)
    yield bytes(head.SerializeToString())
    for place, part in enumerate(parts):
        if part.table is not None:
            yield wire.nested(5, wire.tensor(part.table, name=f"table{place}"))
        yield _ensemble(part, gives=f"part{place}")
    yield bytes(tail.SerializeToString())


def _ensemble(part: Part, *, gives: str) -> bytes:
    nodes = part.nodes
    attributes = [
        wire.attribute("aggregate_function", _SUM),
        wire.attribute("n_targets", part.width),
        wire.attribute("tree_roots", nodes.roots),
        wire.attribute("nodes_modes", np.zeros(len(nodes), np.uint8), as_tensor=True),
        wire.attribute("nodes_featureids", nodes.features),
        wire.attribute("nodes_splits", nodes.splits, as_tensor=True),
        wire.attribute("nodes_truenodeids", nodes.true_ids),
        wire.attribute("nodes_trueleafs", nodes.true_leafs),
        wire.attribute("nodes_falsenodeids", nodes.false_ids),
        wire.attribute("nodes_falseleafs", nodes.false_leafs),
        wire.attribute("leaf_targetids", part.targets),
        wire.attribute("leaf_weights", part.weights, as_tensor=True),
    ]
    if nodes.missing_is_true.any():
        tracks = nodes.missing_is_true
        attributes.append(wire.attribute("nodes_missing_value_tracks_true", tracks))
    return wire.node(
        "TreeEnsemble", takes="both", gives=gives, domain=DOMAIN, attributes=attributes
    )


def _around(parts: list[Part], forest: Forest) -> tuple[Any, Any]:
    """Return what stands before the ensembles and after them, as two graphs to be joined."""
    before = [
        helper.make_node("Neg", [INPUT], ["turned"]),
        helper.make_node("Concat", [INPUT, "turned"], ["both"], axis=1),
    ]
    output = PROBABILITIES if forest.classifies else VALUES
    after, width = _after(parts, output=output, added=forest.added)
    takes = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, forest.columns])
    gives = helper.make_tensor_value_info(output, TensorProto.DOUBLE, [None, width])
    head = helper.make_graph(before, "forest", [takes], [])
    tail = helper.make_graph(after, "forest", [], [gives])
    constants = {
        "count": np.float64(len(forest.members)),
        "trees": np.array([1], np.int64),
        "one": np.float64(1),
        "guess": np.zeros(1) if forest.added is None else forest.added.guess,
    }
    tail.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name)
        for name, value in constants.items()
        if any(name in node.input for node in after)
    )
    tail.ClearField("name")
    return head, tail


def _after(parts: list[Part], *, output: str, added: Added | None) -> tuple[list[Any], int]:
    """Return the nodes that turn the parts into the answer, and how many numbers that has."""
    made = [f"part{place}" for place in range(len(parts))]
    if (table := parts[0].table) is not None:
        nodes = [node for place in range(len(parts)) for node in _looked_up(place)]
        looked_up = [f"sum{place}" for place in range(len(parts))]
        nodes.append(helper.make_node("Sum", looked_up, ["sum"]))
    else:
        nodes = [
            helper.make_node("Sum", made, ["float_sum"]),
            helper.make_node("Cast", ["float_sum"], ["sum"], to=TensorProto.DOUBLE),
        ]
    if added is not None:
        return [*nodes, *_linked(added.link, output=output)], _width(added)
    if parts[0].share:
        nodes += [
            helper.make_node("Sub", ["count", "sum"], ["rest"]),
            helper.make_node("Concat", ["rest", "sum"], ["sums"], axis=1),
            helper.make_node("Div", ["sums", "count"], [output]),
        ]
        return nodes, 2
    nodes.append(helper.make_node("Div", ["sum", "count"], [output]))
    return nodes, parts[0].width if table is None else table.shape[1]


def _linked(link: Link, *, output: str) -> list[Any]:
    """Return the nodes that turn the sum, added to the first guess, into the answer."""
    raw = helper.make_node("Add", ["guess", "sum"], ["raw"])
    if link is Link.LOGIT:
        return [
            raw,
            helper.make_node("Sigmoid", ["raw"], ["second"]),
            helper.make_node("Sub", ["one", "second"], ["rest"]),
            helper.make_node("Concat", ["rest", "second"], [output], axis=1),
        ]
    if link is Link.MULTINOMIAL:
        return [raw, helper.make_node("Softmax", ["raw"], [output], axis=1)]
    inverse = {Link.IDENTITY: "Identity", Link.LOG: "Exp"}[link]
    return [raw, helper.make_node(inverse, ["raw"], [output])]


def _width(added: Added) -> int:
    return 2 if added.link is Link.LOGIT else added.guess.shape[1]


def _looked_up(place: int) -> list[Any]:
    """Return the nodes that add up the rows the leaves of a part gave the numbers of."""
    return [
        helper.make_node("Cast", [f"part{place}"], [f"rows{place}"], to=TensorProto.INT64),
        helper.make_node("Gather", [f"table{place}", f"rows{place}"], [f"found{place}"], axis=0),
        helper.make_node("ReduceSum", [f"found{place}", "trees"], [f"sum{place}"], keepdims=0),
    ]
