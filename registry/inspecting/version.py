"""Inspect one version: its model file and its golden transactions, against its manifest."""

from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from registry.inspecting import graphs
from registry.inspecting.findings import Findings, NotTextError, require_text, shown
from registry.inspecting.magic import HEAD, recognise
from registry.inspecting.signature import check_signature
from registry.inspecting.weights import Files, check_tensors
from registry.manifests import Manifest, Role, check_golden

LARGEST_PROTOBUF = 2**31 - 1
_CHECKED_WHOLE = 256 * 1024 * 1024
"""Up to here ONNX's own checker reads the model again; it needs three times its size."""
_MOST_METADATA = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Inspected:
    """Where the files of a version were put for inspection."""

    manifest: Manifest
    model: Path
    golden: Path


def inspect(inspected: Inspected) -> Findings:
    """Look at everything there is to see without running it."""
    findings = Findings()
    _inspect_golden(inspected, findings)
    model = _read_model(inspected.model, findings)
    if model is not None:
        try:
            _inspect_model(model, inspected.manifest, findings)
        except NotTextError:
            findings.reject("not_onnx", "A name in the model file is not UTF-8.")
        except graphs.TooComplexError:
            pass  # The walk has said so.
    return findings


def _inspect_golden(inspected: Inspected, findings: Findings) -> None:
    golden, problems = check_golden(inspected.golden.read_bytes(), manifest=inspected.manifest)
    for path, problem in problems.items():
        findings.reject("golden", f"{path}: {problem}")
    findings.facts["golden"] = {
        "transactions": golden.transactions,
        "tolerance": golden.tolerance,
    }


def _read_model(path: Path, findings: Findings) -> onnx.ModelProto | None:
    if path.stat().st_size > LARGEST_PROTOBUF:
        message = "The model file is larger than 2 GiB, more than a protobuf may be."
        findings.reject("too_large", f"{message} Move its weights into external data.")
        return None
    with path.open("rb") as file:
        if known := recognise(file.read(HEAD)):
            code, name = known
            findings.reject(code, f"The model file is {name}, not ONNX.")
            return None
    model = onnx.ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except DecodeError as error:
        if "alloc" in str(error):  # The parser has no other way of saying so.
            raise MemoryError from error
        findings.reject("not_onnx", "The model file is not an ONNX protobuf, or is cut short.")
        return None
    if not model.HasField("graph") or not model.graph.node:
        findings.reject("not_onnx", "The model file holds no graph.")
        return None
    return model


def _inspect_model(model: onnx.ModelProto, manifest: Manifest, findings: Findings) -> None:
    require_text(entry.domain for entry in model.opset_import)
    require_text((model.producer_name, model.producer_version))
    opsets = _check_versions(model, findings)
    if not opsets:
        return
    graphs.check_unknown(model, "the model", findings=findings)
    if model.functions or model.training_info:
        message = "The model defines functions or training of its own."
        findings.reject("custom_operator", message)
        return
    if sum(len(entry.key) + len(entry.value) for entry in model.metadata_props) > _MOST_METADATA:
        findings.reject("too_complex", f"There are more than {_MOST_METADATA} bytes of metadata.")
    walk = graphs.GraphWalk(opsets=opsets, findings=findings)
    walk.visit(model.graph)
    external = {file.path: file.size for file in manifest.files if file.role == Role.EXTERNAL_DATA}
    files = Files(manifest.only(Role.MODEL).path, external)
    check_tensors(walk.tensors, files=files, findings=findings)
    check_signature(model.graph, manifest=manifest, findings=findings)
    findings.facts |= {
        "ir_version": model.ir_version,
        "opsets": {domain or "ai.onnx": version for domain, version in sorted(opsets.items())},
        "producer": shown(f"{model.producer_name} {model.producer_version}".strip(), limit=100),
        "nodes": walk.nodes,
        "tensors": len(walk.tensors),
    }
    if not findings.reasons and not external and model.ByteSize() <= _CHECKED_WHOLE:
        _check_whole(model, findings)


def _check_versions(model: onnx.ModelProto, findings: Findings) -> dict[str, int]:
    if model.ir_version not in graphs.IR_VERSIONS:
        newest = graphs.IR_VERSIONS[-1]
        message = f"The IR version {model.ir_version} is not known; the newest is {newest}."
        findings.reject("unsupported_version", message)
    opsets: dict[str, int] = {}
    for entry in model.opset_import:
        domain = "" if entry.domain == "ai.onnx" else entry.domain
        if domain not in graphs.OPSETS:
            message = f"The operators of {entry.domain!r} are not known to the runtime."
            findings.reject("custom_operator", message)
        elif entry.version not in graphs.OPSETS[domain]:
            newest = graphs.OPSETS[domain][-1]
            name = domain or "ai.onnx"
            message = f"The operators of {name} {entry.version} are not known; newest: {newest}."
            findings.reject("unsupported_version", message)
            return {}  # Against which operators the nodes should be held is not known.
        elif opsets.get(domain, entry.version) != entry.version:
            findings.reject("malformed", f"Two versions of {domain or 'ai.onnx'} are imported.")
        else:
            opsets[domain] = entry.version
    if not opsets:
        findings.reject("unsupported_version", "The model imports no operators.")
    return opsets


def _check_whole(model: onnx.ModelProto, findings: Findings) -> None:
    """Let ONNX's checker look at what is left: attributes, numbers of inputs, types."""
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        findings.reject("malformed", str(error))
