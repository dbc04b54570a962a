"""Hold a graph's inputs and outputs against what the manifest says they are."""

from collections.abc import Mapping

import onnx

from registry.inspecting.findings import Findings
from registry.manifests import Manifest, TensorSpec

ELEMENT_TYPES = {
    "FP32": 1,
    "UINT8": 2,
    "INT8": 3,
    "UINT16": 4,
    "INT16": 5,
    "INT32": 6,
    "INT64": 7,
    "BYTES": 8,
    "BOOL": 9,
    "FP16": 10,
    "FP64": 11,
    "UINT32": 12,
    "UINT64": 13,
}
_ANY = -1


def check_signature(graph: onnx.GraphProto, *, manifest: Manifest, findings: Findings) -> None:
    """Check that the manifest names all inputs, and only outputs there are.

    A manifest may leave out outputs nobody needs, and may be narrower than the
    model (a size where the model takes any), never wider.
    """
    given = {tensor.name for tensor in graph.initializer}
    inputs = {value.name: value for value in graph.input if value.name not in given}
    outputs = {value.name: value for value in graph.output}
    named = {spec.name for spec in manifest.inputs}
    for name in sorted(inputs.keys() - named):
        findings.reject("schema_mismatch", f"The manifest does not name the input {name!r}.")
    for kind, specs, values in (
        ("input", manifest.inputs, inputs),
        ("output", manifest.outputs, outputs),
    ):
        _check_values(specs, values, kind=kind, findings=findings)


def _check_values(
    specs: tuple[TensorSpec, ...],
    values: Mapping[str, onnx.ValueInfoProto],
    *,
    kind: str,
    findings: Findings,
) -> None:
    for spec in specs:
        if spec.name not in values:
            findings.reject("schema_mismatch", f"The model has no {kind} {spec.name!r}.")
        elif problem := _problem_with(values[spec.name].type, spec=spec):
            findings.reject("schema_mismatch", f"The {kind} {spec.name!r} {problem}.")


def _problem_with(kind: onnx.TypeProto, *, spec: TensorSpec) -> str:
    if kind.WhichOneof("value") != "tensor_type":
        return "is not a tensor (a ZipMap, perhaps: switch it off when converting)"
    if kind.tensor_type.elem_type != ELEMENT_TYPES[spec.datatype]:
        return f"is not {spec.datatype}"
    if not kind.tensor_type.HasField("shape"):
        return ""
    shape = [
        dim.dim_value if dim.WhichOneof("value") == "dim_value" else _ANY
        for dim in kind.tensor_type.shape.dim
    ]
    fits = len(shape) == len(spec.shape) and all(
        size in {_ANY, said} for size, said in zip(shape, spec.shape, strict=True)
    )
    return "" if fits else f"has the shape {shape[:8]}, not {list(spec.shape)}"
