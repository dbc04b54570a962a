"""Real model versions, small enough to make in a moment.

A version is a softmax over two classes, its weights drawn from a seed, so that
no two answer alike. ``ballast`` makes one heavy in memory, ``depth`` slow.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FEATURES = 4


@dataclass(frozen=True)
class Version:
    """A manifest's digest, and every blob it needs by its own."""

    model: str
    number: int
    digest: str
    blobs: dict[str, bytes]
    files: dict[str, str] = field(default_factory=dict)
    """Digests by role."""

    @property
    def ref(self) -> dict[str, Any]:
        return {"version": self.number, "digest": self.digest}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def rows(seed: int, count: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, FEATURES)).astype(np.float32)


def network(seed: int, *, ballast: int = 0, depth: int = 0) -> bytes:
    random = np.random.default_rng(seed)
    tensors = [
        numpy_helper.from_array(random.normal(size=(FEATURES, 2)).astype(np.float32), "W"),
        numpy_helper.from_array(random.normal(size=(2,)).astype(np.float32), "B"),
    ]
    nodes = [
        helper.make_node("MatMul", ["X", "W"], ["XW"]),
        helper.make_node("Add", ["XW", "B"], ["logits"]),
    ]
    last = "logits"
    if ballast:
        # Weights that no optimiser can fold away, for they meet the input.
        tensors.append(
            numpy_helper.from_array(np.ones((FEATURES, ballast), dtype=np.float32), "heavy")
        )
        nodes += [
            helper.make_node("MatMul", ["X", "heavy"], ["wide"]),
            helper.make_node("ReduceMean", ["wide"], ["mean"], axes=[1], keepdims=1),
            helper.make_node("Add", [last, "mean"], ["weighted"]),
        ]
        last = "weighted"
    if depth:
        size = 512
        tensors.append(
            numpy_helper.from_array(np.eye(size, dtype=np.float32) * np.float32(0.999), "turn")
        )
        tensors.append(
            numpy_helper.from_array(np.zeros((FEATURES, size), dtype=np.float32), "spread")
        )
        nodes.append(helper.make_node("MatMul", ["X", "spread"], ["h0"]))
        for step in range(depth):
            nodes.append(helper.make_node("MatMul", [f"h{step}", "turn"], [f"h{step + 1}"]))
        nodes += [
            helper.make_node("ReduceMean", [f"h{depth}"], ["deep"], axes=[1], keepdims=1),
            helper.make_node("Add", [last, "deep"], ["deepened"]),
        ]
        last = "deepened"
    nodes.append(helper.make_node("Softmax", [last], ["probabilities"], axis=1))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, FEATURES])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


def scores(onnx_bytes: bytes, inputs: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(onnx_bytes, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"X": inputs})[0])


def tensor(name: str, array: np.ndarray) -> dict[str, Any]:
    return {
        "name": name,
        "datatype": "FP32",
        "shape": list(array.shape),
        "data": array.ravel().tolist(),
    }


def golden(onnx_bytes: bytes, *, count: int = 5, off: float = 0.0) -> bytes:
    transactions = []
    for place in range(count):
        inputs = rows(1000 + place)
        outputs = scores(onnx_bytes, inputs) + np.float32(off)
        transactions.append(
            {
                "id": f"g{place}",
                "inputs": [tensor("X", inputs)],
                "outputs": [tensor("probabilities", outputs)],
            }
        )
    content = {"schema": "lockgate.golden/1", "tolerance": 1e-5, "transactions": transactions}
    return json.dumps(content).encode()


def manifest(model: str, files: list[tuple[str, str, bytes]], **changes: Any) -> bytes:
    entries = [
        {"path": path, "role": role, "size": len(content), "sha256": sha256(content)}
        for path, role, content in files
    ]
    return json.dumps(
        {
            "schema": "lockgate.manifest/1",
            "model": model,
            "kind": "onnx",
            "files": entries,
            "inputs": [{"name": "X", "datatype": "FP32", "shape": [-1, FEATURES]}],
            "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]}],
            "score": {"output": "probabilities", "column": 1, "threshold": 0.5},
            "authors": ["p1"],
            "training": {"commit": "c", "run": "r", "parameters": {}, "seed": 1},
            "pipeline_digest": None,
            "datasets": [],
            "metrics": {},
            "environment_lock": None,
            **changes,
        }
    ).encode()


def pack(
    model: str,
    number: int,
    model_file: bytes,
    golden_file: bytes,
    *,
    external: bytes | None = None,
    **changes: Any,
) -> Version:
    files = [("model.onnx", "model", model_file), ("golden.json", "golden", golden_file)]
    if external is not None:
        files.append(("weights.bin", "external_data", external))
    raw = manifest(model, files, **changes)
    contents = [raw, *(content for _, _, content in files)]
    return Version(
        model,
        number,
        sha256(raw),
        {sha256(content): content for content in contents},
        {role: sha256(content) for _, role, content in files},
    )


def make(model: str = "credit", number: int = 1, *, off: float = 0.0, **shape: int) -> Version:
    onnx_bytes = network(number, **shape)
    return pack(model, number, onnx_bytes, golden(onnx_bytes, off=off))


def make_external(model: str = "credit", number: int = 1) -> Version:
    """A version whose weights lie in a second file."""
    loaded = onnx.load_from_string(network(number))
    weights = b""
    for initializer in loaded.graph.initializer:
        raw = numpy_helper.to_array(initializer).tobytes()
        place = len(weights)
        weights += raw
        initializer.ClearField("raw_data")
        initializer.data_location = TensorProto.EXTERNAL
        for key, value in (("location", "weights.bin"), ("offset", place), ("length", len(raw))):
            initializer.external_data.add(key=key, value=str(value))
    return pack(
        model,
        number,
        bytes(loaded.SerializeToString()),
        golden(network(number)),
        external=weights,
    )


def expected(version: Version, inputs: np.ndarray) -> np.ndarray:
    return scores(version.blobs[version.files["model"]], inputs)
