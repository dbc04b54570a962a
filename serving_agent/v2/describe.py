"""What the agent and its models say of themselves when asked."""

from typing import Any

from serving_agent.loaded import Loaded
from serving_agent.manifests import TensorSpec
from serving_agent.runtime import Routes, Runtime

EXTENSIONS = ["binary_tensor_data", "model_configuration", "model_repository", "statistics"]


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)}


def server(software: str) -> dict[str, Any]:
    return {"name": "lockgate-serving-agent", "version": software, "extensions": EXTENSIONS}


def model(loaded: Loaded, routes: Routes) -> dict[str, Any]:
    return {
        "name": loaded.model,
        "versions": sorted(routes.by_version, key=int),
        "platform": "onnx_onnxruntime",
        "inputs": [_tensor(spec) for spec in loaded.manifest.inputs],
        "outputs": [_tensor(spec) for spec in loaded.manifest.outputs],
        "parameters": {"version": str(loaded.version), "digest": loaded.digest},
    }


def config(loaded: Loaded) -> dict[str, Any]:
    """Describe a model as clients of other servers ask for it."""

    def of(spec: TensorSpec) -> dict[str, Any]:
        kind = "STRING" if spec.datatype == "BYTES" else spec.datatype
        return {"name": spec.name, "data_type": f"TYPE_{kind}", "dims": list(spec.shape)}

    return {
        "name": loaded.model,
        "platform": "onnxruntime_onnx",
        "backend": "onnxruntime",
        "max_batch_size": 0,
        "input": [of(spec) for spec in loaded.manifest.inputs],
        "output": [of(spec) for spec in loaded.manifest.outputs],
    }


def stats(loaded: Loaded) -> dict[str, Any]:
    return {"model_stats": [_stats(loaded)]}


def all_stats(runtime: Runtime) -> dict[str, Any]:
    return {"model_stats": [_stats(one) for one in _in_order(runtime)]}


def _stats(loaded: Loaded) -> dict[str, Any]:
    answered = loaded.requests - loaded.errors
    nanoseconds = round(loaded.latency.sum_ms * 1e6)
    return {
        "name": loaded.model,
        "version": str(loaded.version),
        "inference_count": answered,
        "execution_count": answered,
        "inference_stats": {
            "success": {"count": answered, "ns": nanoseconds},
            "fail": {"count": loaded.errors, "ns": 0},
        },
    }


def index(runtime: Runtime, *, ready: bool) -> list[dict[str, Any]]:
    """List what is in memory, or only what is READY.

    READY is what answers callers; the rest says what it does instead.
    """
    table = runtime.table
    listed = [
        {
            "name": one.model,
            "version": str(one.version),
            "state": "READY" if _answers(one, table.models.get(one.model)) else "UNAVAILABLE",
            "reason": one.role.value,
        }
        for one in _in_order(runtime)
    ]
    return [one for one in listed if one["state"] == "READY"] if ready else listed


def _in_order(runtime: Runtime) -> list[Loaded]:
    return sorted(runtime.loaded(), key=lambda one: (one.model, one.version))


def _answers(one: Loaded, routes: Routes | None) -> bool:
    return routes is not None and routes.by_version.get(str(one.version)) is one
