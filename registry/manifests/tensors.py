"""Inputs and outputs as a manifest describes them, in the Open Inference Protocol's types."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from registry.manifests.reading import Node

DATATYPES = (
    "BOOL",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "FP16",
    "FP32",
    "FP64",
    "BYTES",
)
FLOATS = frozenset({"FP16", "FP32", "FP64"})
ANY = -1
"""A dimension of any size."""
_MOST_TENSORS = 1_000
_MOST_FEATURES = 100_000
_MOST_DIMENSIONS = 8
_MOST_ELEMENTS = 2**31


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    may_miss: bool = False
    """Whether numbers may be left out (null), for at least one feature."""

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Tell whether a tensor of this shape is one."""
        return len(shape) == len(self.shape) and all(
            wanted in {ANY, size} for wanted, size in zip(self.shape, shape, strict=True)
        )


def read_tensors(node: Node, *, features: bool) -> tuple[TensorSpec, ...]:
    """Read the inputs (``features`` allowed) or outputs of a model."""
    specs: list[TensorSpec] = []
    names: set[str] = set()
    for item in node.items(least=1, most=_MOST_TENSORS):
        spec = _read_tensor(item, features=features)
        if spec.name in names:
            item.complain(f"has the name of another one: {spec.name!r}")
        names.add(spec.name)
        specs.append(spec)
    return tuple(specs)


def _read_tensor(node: Node, *, features: bool) -> TensorSpec:
    fields = node.fields("name", "datatype", "shape", optional=("features",) if features else ())
    shape = _read_shape(fields["shape"])
    datatype = fields["datatype"].one_of(*DATATYPES)
    may_miss = False
    if features and not fields["features"].absent:
        may_miss = _read_features(fields["features"], shape=shape, datatype=datatype)
    elif features:
        may_miss = True  # Nothing is said about any feature, so nothing is ruled out.
    return TensorSpec(
        name=fields["name"].text(),
        datatype=datatype,
        shape=shape,
        may_miss=may_miss,
    )


def _read_shape(node: Node) -> tuple[int, ...]:
    shape = tuple(
        size.integer(least=ANY, most=_MOST_ELEMENTS)
        for size in node.items(least=1, most=_MOST_DIMENSIONS)
    )
    if 0 in shape:
        node.complain("has an empty dimension; -1 stands for any size")
    elif math.prod(abs(size) for size in shape) > _MOST_ELEMENTS:
        node.complain(f"holds more than {_MOST_ELEMENTS} elements")
    return shape


def _read_features(node: Node, *, shape: tuple[int, ...], datatype: str) -> bool:
    names: set[str] = set()
    may_miss = False
    items = node.items(least=1, most=_MOST_FEATURES)
    for item in items:
        known = ("min", "max", "missing", "categories", "guard", "transform")
        fields = item.fields("name", optional=known)
        name = fields["name"].text()
        if name and name in names:
            fields["name"].complain(f"stands there twice: {name!r}")
        names.add(name)
        _check_range(fields["min"], fields["max"])
        if not fields["missing"].absent:
            may_miss |= fields["missing"].boolean()
        if not fields["categories"].absent:
            _check_categories(fields["categories"])
        if not fields["transform"].absent:
            fields["transform"].text()
        if not fields["guard"].absent:
            _check_guard(fields, datatype=datatype)
    if items and shape and shape[-1] not in {ANY, len(items)}:
        node.complain(f"names {len(items)} features, the shape has {shape[-1]}")
    return may_miss


def _check_categories(node: Node) -> None:
    for category in node.items(least=1, most=10_000):
        if isinstance(category.value, str):
            category.text()
        else:
            category.number()


def _check_guard(fields: Mapping[str, Node], *, datatype: str) -> None:
    """Refuse a guard that no agent could keep: nothing to clip to, nothing to compare with."""
    node, categories = fields["guard"], fields["categories"].value
    bounded = not (fields["min"].absent and fields["max"].absent)
    texts = datatype == "BYTES"
    if node.one_of("refuse", "clip", "pass") == "clip":
        if not bounded or texts or datatype == "BOOL":
            node.complain("needs a range of numbers to clip to")
        elif not fields["categories"].absent:
            node.complain("cannot clip to categories")
    if isinstance(categories, list) and any(isinstance(one, str) != texts for one in categories):
        fields["categories"].complain(f"must be {'texts' if texts else 'numbers'}, as the tensor")


def _check_range(least: Node, most: Node) -> None:
    low = None if least.absent else least.number()
    high = None if most.absent else most.number()
    if low is not None and high is not None and low > high:
        most.complain("is below the minimum")
