"""Calls of the inference protocol, and models that show all of its types."""

import json
from typing import Any

import httpx
import onnx
from onnx import TensorProto, helper

from .process import AgentProcess
from .versions import Version, make, pack

TYPES = {
    "BOOL": TensorProto.BOOL,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}
SAMPLES: dict[str, list[Any]] = {
    "BOOL": [True, False],
    "INT8": [-128, 127],
    "INT16": [-32768, 32767],
    "INT32": [-(2**31), 2**31 - 1],
    "INT64": [-(2**63), 2**63 - 1],
    "UINT8": [0, 255],
    "UINT16": [0, 65535],
    "UINT32": [0, 2**32 - 1],
    "UINT64": [0, 2**64 - 1],
    "FP16": [0.5, -2],
    "FP32": [0.5, -2],
    "FP64": [0.1, 1e300],
    "BYTES": ["Zürich", ""],
}


def echo() -> Version:
    """A model that takes one input of every type and gives each back."""
    inputs = [helper.make_tensor_value_info(f"i_{n}", t, [None]) for n, t in TYPES.items()]
    outputs = [helper.make_tensor_value_info(f"o_{n}", t, [None]) for n, t in TYPES.items()]
    nodes = [helper.make_node("Identity", [f"i_{n}"], [f"o_{n}"]) for n in TYPES]
    graph = helper.make_graph(nodes, "g", inputs, outputs)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(made)
    sent = [of_type("i", name) for name in TYPES]
    transaction = {"id": "g", "inputs": sent, "outputs": [of_type("o", name) for name in TYPES]}
    golden = {"schema": "lockgate.golden/1", "tolerance": 0, "transactions": [transaction]}
    return pack(
        "echo",
        1,
        bytes(made.SerializeToString()),
        json.dumps(golden).encode(),
        inputs=[{"name": f"i_{n}", "datatype": n, "shape": [-1]} for n in TYPES],
        outputs=[{"name": f"o_{n}", "datatype": n, "shape": [-1]} for n in TYPES],
        score=None,
    )


def of_type(prefix: str, name: str) -> dict[str, Any]:
    data = SAMPLES[name]
    return {"name": f"{prefix}_{name}", "datatype": name, "shape": [2], "data": data}


def gaps() -> Version:
    """A model trained with gaps in its second feature."""
    version = make("gaps", 9)
    features = [
        {"name": name, "min": -9, "max": 9, "missing": name == "b"} for name in ("a", "b", "c", "d")
    ]
    return pack(
        "gaps",
        9,
        version.blobs[version.files["model"]],
        version.blobs[version.files["golden"]],
        inputs=[{"name": "X", "datatype": "FP32", "shape": [-1, 4], "features": features}],
    )


X = {"name": "X", "datatype": "FP32", "shape": [1, 4], "data": [1, 2.5, -3, 0]}


def call(**changes: Any) -> dict[str, Any]:
    return {"inputs": [{**X, **changes}]}


def infer(agent: AgentProcess, body: Any, name: str = "credit") -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return agent.http.post(f"/v2/models/{name}/infer", content=content)
