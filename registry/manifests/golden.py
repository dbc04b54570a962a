"""Golden transactions, ``lockgate.golden/1``: inputs, and the outputs training produced.

Agents score them before a version answers anybody. Here they are only read: do
they say what the manifest says, and could they be scored at all?
"""

import math
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from registry.manifests import strict_json
from registry.manifests.documents import Manifest
from registry.manifests.reading import Node, Problems
from registry.manifests.tensors import FLOATS, TensorSpec

SCHEMA = "lockgate.golden/1"
GOLDEN_BYTES = 64 * 1024 * 1024
MOST_TRANSACTIONS = 10_000
_WIDEST_TOLERANCE = 1.0
_ROOT = "golden"
_LARGEST = {"FP16": 65504.0, "FP32": 3.4028234663852886e38, "FP64": math.inf}


@dataclass(frozen=True, slots=True)
class Golden:
    """What was found in a golden file."""

    transactions: int
    tolerance: float


def check_golden(raw: bytes, *, manifest: Manifest) -> tuple[Golden, dict[str, str]]:
    """Read a golden file against its manifest; return what is in it, and problems by path."""
    if len(raw) > GOLDEN_BYTES:
        return Golden(0, 0.0), {_ROOT: f"is larger than {GOLDEN_BYTES} bytes"}
    try:
        document = strict_json.decode(raw, root=_ROOT)
    except strict_json.NotStrict as error:
        return Golden(0, 0.0), error.problems
    problems = Problems()
    golden = _read(Node(document, _ROOT, problems, _ROOT), manifest=manifest)
    return golden, problems.found


def _read(node: Node, *, manifest: Manifest) -> Golden:
    fields = node.fields("schema", "tolerance", "transactions")
    fields["schema"].one_of(SCHEMA)
    tolerance = fields["tolerance"].number()
    if not 0 <= tolerance <= _WIDEST_TOLERANCE:
        fields["tolerance"].complain(f"must be between 0 and {_WIDEST_TOLERANCE}")
    inputs = {spec.name: spec for spec in manifest.inputs}
    outputs = {spec.name: spec for spec in manifest.outputs}
    ids: set[str] = set()
    transactions = fields["transactions"].items(least=1, most=MOST_TRANSACTIONS)
    for item in transactions:
        parts = item.fields("id", "inputs", "outputs")
        name = parts["id"].text()
        if name and name in ids:
            parts["id"].complain("stands there twice")
        ids.add(name)
        _check_tensors(parts["inputs"], specs=inputs, wanted=inputs.keys())
        _check_tensors(parts["outputs"], specs=outputs, wanted={manifest.score.output})
    return Golden(len(transactions), tolerance)


def _check_tensors(
    node: Node, *, specs: Mapping[str, TensorSpec], wanted: AbstractSet[str]
) -> None:
    seen: set[str] = set()
    for item in node.items(least=1, most=len(specs)):
        fields = item.fields("name", "datatype", "shape", "data")
        name = fields["name"].text()
        spec = specs.get(name)
        if spec is None:
            fields["name"].complain("is not in the manifest")
            continue
        if name in seen:
            fields["name"].complain("stands there twice")
        seen.add(name)
        _check_tensor(fields, spec=spec)
    if missing := sorted(wanted - seen):
        node.complain(f"lacks {', '.join(missing)[:200]}")


def _check_tensor(fields: Mapping[str, Node], *, spec: TensorSpec) -> None:
    if fields["datatype"].value != spec.datatype:
        fields["datatype"].complain(f"must be {spec.datatype}, as in the manifest")
        return
    sizes = fields["shape"].items(least=1, most=8)
    shape = tuple(size.integer(least=1, most=2**31) for size in sizes)
    if not spec.fits(shape):
        fields["shape"].complain(f"must be {list(spec.shape)}, as in the manifest")
        return
    data = fields["data"].value
    if not isinstance(data, list):
        fields["data"].complain("must be a flat array")
    elif len(data) != math.prod(shape):
        fields["data"].complain(f"has {len(data)} values, the shape says {math.prod(shape)}")
    elif problem := _problem_with_data(data, spec=spec):
        fields["data"].complain(problem)


def _problem_with_data(data: list[object], *, spec: TensorSpec) -> str:
    fits = _float_test(spec) if spec.datatype in FLOATS else _test(spec.datatype)
    for index, value in enumerate(data):
        if not fits(value):
            missing = ", and no feature may be missing" if value is None else ""
            return f"its value {index} is not {spec.datatype}{missing}"
    return ""


def _float_test(spec: TensorSpec) -> Callable[[object], bool]:
    """Make the test of one number; null stands for a missing one."""
    largest, may_miss = _LARGEST[spec.datatype], spec.may_miss

    def fits(value: object) -> bool:
        if isinstance(value, float | int) and not isinstance(value, bool):
            return abs(value) <= largest
        return value is None and may_miss

    return fits


def _test(datatype: str) -> Callable[[object], bool]:
    """Make the test of one value that is not floating; true is no integer here."""
    if datatype == "BOOL":
        return lambda value: isinstance(value, bool)
    if datatype == "BYTES":
        return lambda value: isinstance(value, str)
    bits = int(datatype.removeprefix("U").removeprefix("INT"))
    values = (
        range(2**bits) if datatype.startswith("U") else range(-(2 ** (bits - 1)), 2 ** (bits - 1))
    )
    return lambda value: type(value) is int and value in values
