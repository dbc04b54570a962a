"""Small honest versions, to be spoiled by tests."""

import hashlib
import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper
from rest_framework.test import APIClient

from registry.adapters import inspector
from registry.adapters.store import Store, open_store
from registry.inspecting.limits import Limits
from registry.models import RegisteredModel
from registry.services import blobs, registered_models
from registry.services.registered_models import Description

Document = dict[str, Any]
Codes = Callable[..., set[str]]

FEATURES = 3


def _onnx(
    *, ir_version: int = 10, opsets: dict[str, int] | None = None, **changes: Any
) -> onnx.ModelProto:
    """A linear model with one constant, as small as a real one gets."""
    weights = helper.make_tensor("w", TensorProto.FLOAT, [FEATURES, 2], [0.1] * FEATURES * 2)
    graph = helper.make_graph(
        changes.pop("nodes", None)
        or [
            helper.make_node("MatMul", ["X", "w"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["probabilities"]),
        ],
        "credit",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, FEATURES])],
        changes.pop("outputs", None)
        or [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
        initializer=changes.pop("initializer", None) or [weights],
    )
    imports = [helper.make_opsetid(name, number) for name, number in (opsets or {"": 17}).items()]
    model = helper.make_model(graph, opset_imports=imports, producer_name="tests", **changes)
    model.ir_version = ir_version
    return model


@pytest.fixture(scope="session")
def make_onnx() -> Callable[..., onnx.ModelProto]:
    return _onnx


def _golden() -> Document:
    def tensor(name: str, data: list[float]) -> Document:
        return {"name": name, "datatype": "FP32", "shape": [1, len(data)], "data": data}

    return {
        "schema": "lockgate.golden/1",
        "tolerance": 1e-5,
        "transactions": [
            {
                "id": f"g{number}",
                "inputs": [tensor("X", [0.1 * number, 2.0, 3.0])],
                "outputs": [tensor("probabilities", [0.5, 0.5])],
            }
            for number in (1, 2)
        ],
    }


@pytest.fixture
def golden() -> Document:
    return _golden()


MODEL = _onnx().SerializeToString()
GOLDEN = json.dumps(_golden()).encode()


def _entry(path: str, data: bytes, role: str) -> Document:
    digest = hashlib.sha256(data).hexdigest()
    return {"path": path, "size": len(data), "sha256": digest, "role": role}


MANIFEST: Document = {
    "schema": "lockgate.manifest/1",
    "model": "credit-default",
    "kind": "onnx",
    "files": [_entry("model.onnx", MODEL, "model"), _entry("golden.json", GOLDEN, "golden")],
    "inputs": [
        {
            "name": "X",
            "datatype": "FP32",
            "shape": [-1, FEATURES],
            "features": [
                {"name": "limit_bal", "min": 10_000, "max": 1_000_000.5, "missing": False},
                {"name": "age", "min": 21},
                {"name": "sex", "categories": [1, 2]},
            ],
        }
    ],
    "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]}],
    "score": {"output": "probabilities", "column": 1, "threshold": 0.5},
    "authors": ["person-asha"],
    "training": {"commit": "4f2c9e1", "run": "ci/17", "parameters": {"trees": 100}, "seed": 7},
    "pipeline_digest": "ab" * 32,
    "datasets": [
        {
            "id": "credit-2005",
            "digest": "cd" * 32,
            "from": "2005-04-01",
            "to": "2005-09-30T23:59:59Z",
            "source": "UCI: Default of Credit Card Clients",
        }
    ],
    "metrics": {"auc": 0.77, "accuracy": 0.82},
    "environment_lock": {"scikit-learn": "1.9.1"},
}


@pytest.fixture
def manifest() -> Document:
    """A manifest in order, as a document of one's own."""
    return deepcopy(MANIFEST)


@pytest.fixture(scope="session")
def valid_manifest() -> Document:
    """The same, to be left as it is."""
    return MANIFEST


@pytest.fixture
def files() -> dict[str, bytes]:
    """The bytes the manifest names, by path."""
    return {"model.onnx": MODEL, "golden.json": GOLDEN}


@pytest.fixture(scope="session")
def entry() -> Callable[[str, bytes, str], Document]:
    """Make a manifest's entry of a file."""
    return _entry


@pytest.fixture(scope="session")
def encode() -> Callable[[Document], bytes]:
    return lambda document: json.dumps(document).encode()


@pytest.fixture
def submitter(api, asha) -> APIClient:
    return api(asha)


@pytest.fixture
def model(asha) -> RegisteredModel:
    return registered_models.register_model(
        name="credit-default", description=Description("Team Credit", "Approve."), actor=asha
    )


@pytest.fixture
def uploaded(files, asha) -> None:
    for data in files.values():
        blobs.keep(data, actor=asha)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store((tmp_path / "store").as_uri())


@pytest.fixture
def keep(store: Store) -> Callable[[bytes], str]:
    def keep(data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        with store.open_write() as upload:
            upload.write(data)
            upload.commit(sha256=sha256)
        return sha256

    return keep


@pytest.fixture
def version_of(keep, manifest, encode, entry) -> Callable[..., inspector.Subject]:
    """Keep a manifest and the files it names; return what is to be inspected."""

    def version_of(files: dict[str, bytes], external: dict[str, int]) -> inspector.Subject:
        manifest["files"] = [
            entry("model.onnx", files["model.onnx"], "model"),
            entry("golden.json", files["golden.json"], "golden"),
        ]
        for path, size in external.items():
            manifest["files"].append({**entry(path, b"", "external_data"), "size": size})
        return inspector.Subject(
            model=manifest["model"],
            manifest=keep(encode(manifest)),
            onnx=keep(files["model.onnx"]),
            golden=keep(files["golden.json"]),
        )

    return version_of


@pytest.fixture
def inspect(store, files, encode, version_of) -> Callable[..., inspector.Outcome]:
    def inspect(
        model: bytes | onnx.ModelProto | None = None,
        *,
        golden: Any = None,
        external: dict[str, int] | None = None,
        limits: Limits | None = None,
    ) -> inspector.Outcome:
        data = model.SerializeToString() if isinstance(model, onnx.ModelProto) else model
        files["model.onnx"] = files["model.onnx"] if data is None else data
        if golden is not None:
            files["golden.json"] = golden if isinstance(golden, bytes) else encode(golden)
        subject = version_of(files, external or {})
        return inspector.inspect(subject, store=store, limits=limits)

    return inspect


@pytest.fixture
def codes(inspect) -> Codes:
    def codes(*args: Any, **kwargs: Any) -> set[str]:
        outcome = inspect(*args, **kwargs)
        assert all(reason["detail"] for reason in outcome.reasons)
        return {reason["code"] for reason in outcome.reasons}

    return codes
