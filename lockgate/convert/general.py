"""Estimators and pipelines through skl2onnx, which knows most of scikit-learn."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import skl2onnx
from numpy.typing import NDArray
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.preprocessing import StandardScaler

from lockgate.convert.proof import PROBABILITIES, VALUES, first_line
from lockgate.errors import NotConvertible

OPSETS = {"": 21, "ai.onnx.ml": 3}
MOST_NODES = 2_000_000
"""Nodes of all trees. skl2onnx makes a Python object of each and runs out of memory
on larger ensembles."""


def write(estimator: Any, *, takes: Mapping[str, NDArray[Any]]) -> bytes:
    """Write a fitted estimator as an ONNX model that takes tensors like these, by name.

    Raises:
        NotConvertible: skl2onnx cannot.
    """
    _require_size(estimator)
    # Dividing as scikit-learn does: a forest behind the scaler may not be a bit off.
    options: dict[Any, dict[str, Any]] = {StandardScaler: {"div": "div"}}
    if hasattr(estimator, "predict_proba"):
        options[id(estimator)] = {"zipmap": False}
    types = [(name, _type_of(values)) for name, values in takes.items()]
    try:
        with warnings.catch_warnings():
            # It reads attributes that scikit-learn will rename: nothing a trainer could mend.
            warnings.simplefilter("ignore", FutureWarning)
            model = skl2onnx.to_onnx(
                estimator, initial_types=types, options=options, target_opset=OPSETS
            )
    except Exception as error:
        # The converter raises whatever it comes across.
        name = type(estimator).__name__
        raise NotConvertible(f"{name} cannot be converted: {first_line(error)}") from error
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    del model.opset_import[:]  # The converter lists some of them twice.
    model.opset_import.extend(
        onnx.helper.make_opsetid(domain, version) for domain, version in sorted(opsets.items())
    )
    _rename(model.graph, list(takes))
    _widen(model.graph)
    return bytes(model.SerializeToString())


def _type_of(values: NDArray[Any]) -> Any:
    kind = FloatTensorType if values.dtype == np.float32 else StringTensorType
    return kind([None, values.shape[1]])


def _rename(graph: onnx.GraphProto, names: Sequence[str]) -> None:
    """Give inputs the names they were meant to have: the converter knows no spaces."""
    new = {tensor.name: name for tensor, name in zip(graph.input, names, strict=True)}
    for tensor in graph.input:
        tensor.name = new[tensor.name]
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = new.get(name, name)


def _widen(graph: onnx.GraphProto) -> None:
    """Give scores as float64, as scikit-learn does and as forests here do.

    So the next version of a model may be of another kind, and its callers see no other type.
    """
    for output in graph.output:
        kind = output.type.tensor_type
        if output.name not in {PROBABILITIES, VALUES} or kind.elem_type != onnx.TensorProto.FLOAT:
            continue
        narrow = f"{output.name}_float32"
        for node in graph.node:
            for names in (node.input, node.output):
                for place, name in enumerate(names):
                    if name == output.name:
                        names[place] = narrow
        kind.elem_type = onnx.TensorProto.DOUBLE
        cast = onnx.helper.make_node("Cast", [narrow], [output.name], to=kind.elem_type)
        graph.node.append(cast)


def _require_size(estimator: Any) -> None:
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    trees = [tree for tree in np.ravel(getattr(last, "estimators_", [])) if hasattr(tree, "tree_")]
    nodes = sum(tree.tree_.node_count for tree in trees)
    if nodes > MOST_NODES:
        raise NotConvertible(
            f"Its trees have {nodes} nodes, more than the {MOST_NODES} that can be converted."
        )
