"""A large forest, as ``lockgate convert`` writes it, stays within the limits of its size."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lockgate.convert.forests import Forest, model_of
from lockgate.convert.trees import Nodes, Tree
from lockgate.manifest import Score, Signature, Training, build_manifest, file_entry, golden_file
from registry.inspecting.limits import Limits

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = 40
LEVELS = 16
PROCESS = 170 * 1024**2
"""What the inspecting process may take besides what its files are allowed."""


def _tree(random: np.random.Generator) -> Tree:
    """A complete tree of random splits."""
    inner = np.arange(2**LEVELS - 1)
    below, last = 2 * inner + 1, inner >= 2 ** (LEVELS - 1) - 1
    ids = np.where(last, below - len(inner), below)
    nodes = Nodes(
        features=random.integers(0, 2 * COLUMNS, len(inner)),
        splits=random.normal(size=len(inner)).astype(np.float32),
        true_ids=ids + 1,
        true_leafs=last,
        false_ids=ids,
        false_leafs=last,
        missing_is_true=np.zeros(len(inner), np.bool_),
        roots=np.zeros(1, np.int64),
    )
    share = random.integers(0, 2, 2**LEVELS)
    return Tree(nodes, np.column_stack([1.0 - share, share]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of a version, as an inspection finds them."""
    place = tmp_path_factory.mktemp("forest")
    random = np.random.default_rng(7)
    forest = Forest([_tree(random) for _ in range(20)], COLUMNS, classifies=True)
    (place / "model").write_bytes(model_of(forest))
    row = {"name": "X", "datatype": "FP32", "shape": [1, COLUMNS], "data": [0.0] * COLUMNS}
    answer = {"name": "probabilities", "datatype": "FP64", "shape": [1, 2], "data": [0.5, 0.5]}
    golden = golden_file([{"id": "g", "inputs": [row], "outputs": [answer]}], tolerance=1e-5)
    (place / "golden.json").write_bytes(golden)
    manifest = build_manifest(
        model="forest",
        files=[
            file_entry("model.onnx", place / "model", role="model"),
            file_entry("golden.json", golden, role="golden"),
        ],
        signature=Signature(
            [{"name": "X", "datatype": "FP32", "shape": [-1, COLUMNS]}],
            [{"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]}],
            Score("probabilities", 1, 0.5),
        ),
        authors=["asha"],
        training=Training("unknown"),
    )
    (place / "manifest.json").write_bytes(manifest)
    return place


def test_a_large_forest_is_inspected_within_the_limits_of_its_size(folder):
    size = (folder / "model").stat().st_size
    limits = Limits.for_files(size)
    memory = limits.memory - 1024**3 + PROCESS

    done = subprocess.run(
        [sys.executable, "-m", "registry.inspecting", folder, "forest", str(memory), "30"],
        cwd=ROOT,
        env={"OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        check=False,
    )

    assert size > 12 * 1024**2
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["reasons"] == []
    assert said["facts"]["opsets"] == {"ai.onnx": 21, "ai.onnx.ml": 5}
