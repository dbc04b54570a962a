"""The forest that is measured: trained once, and kept; and the files made of it.

Rows have one decimal, as much data has, so that thresholds lie between values that
float32 cannot hold. Labels are mostly noise, so that trees grow until each leaf is
of one class: about 100,000 nodes each.

    python -m benchmarks.forest_material CACHE FOLDER [--small]
"""

import argparse
import json
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

COLUMNS = 40
TENTH = 10
"""skl2onnx is measured on every tenth tree: on all of them it runs out of memory."""


@dataclass(frozen=True)
class Size:
    """How large a forest is, and how long it is measured."""

    name: str
    trees: int
    samples: int
    rows: int
    single: int
    """Rows asked for one by one, each run."""
    seconds: float
    """Of calls over HTTP, each run."""
    cycles: int
    ballast_trees: int
    """Trees of the model that is loaded and unloaded: 100 MB in memory at full size."""


FULL = Size("250x100000", 250, 233_000, 10_000, 1_000, 20.0, 100, 17)
SMALL = Size("small", 10, 4_000, 2_000, 100, 1.5, 5, 10)


def made_of(folder: Path, size: Size) -> Path:
    """Return the folder of a size's forest, trained now unless it is there."""
    place = folder / size.name
    if (place / "forest.joblib").exists():
        return place
    import joblib
    from sklearn.ensemble import RandomForestClassifier

    random = np.random.default_rng(7)
    given = _rows(random, size.samples)
    noise = random.normal(size=size.samples) * 4
    labels = given[:, :8].sum(axis=1) * 0.4 + given[:, 8] * given[:, 9] + noise > 0
    print(f"training {size.trees} trees, once; they are kept in {place}", file=sys.stderr)
    began = time.monotonic()
    forest = RandomForestClassifier(size.trees, max_features=2, random_state=1, n_jobs=2)
    forest.fit(given, labels)
    # A forest keeps the threads it was fitted with, and answers single rows slower for it.
    forest.n_jobs = 1
    half = place.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    joblib.dump(forest, half / "forest.joblib")
    np.save(half / "rows.npy", _rows(random, size.rows))
    half.replace(place)
    print(f"trained in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return place


def write_files(place: Path, folder: Path, size: Size) -> dict[str, Any]:
    """Convert the forest, and write what is measured into a folder; say how large it all is."""
    import joblib
    from sklearn.base import clone

    from lockgate.convert import forests

    forest, rows = joblib.load(place / "forest.joblib"), np.load(place / "rows.npy")
    np.save(folder / "expected.npy", forest.predict_proba(rows))
    began = time.monotonic()
    (folder / "ours.onnx").write_bytes(forests.write(forest))
    facts = {
        "trees": len(forest.estimators_),
        "nodes": sum(tree.tree_.node_count for tree in forest.estimators_),
        "convert_seconds": time.monotonic() - began,
        "onnx_bytes": (folder / "ours.onnx").stat().st_size,
    }
    for name, trees in (
        ("tenth", forest.estimators_[::TENTH]),
        ("ballast", forest.estimators_[: size.ballast_trees]),
    ):
        part = clone(forest)
        part.__dict__ |= forest.__dict__ | {"estimators_": trees, "n_estimators": len(trees)}
        (folder / f"{name}.onnx").write_bytes(forests.write(part))
        theirs = place / "skl2onnx.onnx"
        if name == "tenth" and not theirs.exists():
            print("converting every tenth tree with skl2onnx, once", file=sys.stderr)
            half = theirs.with_suffix(".half")
            half.write_bytes(_by_skl2onnx(part))
            half.replace(theirs)
    return facts


def _by_skl2onnx(forest: Any) -> bytes:
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType

    model = skl2onnx.to_onnx(
        forest,
        initial_types=[("X", FloatTensorType([None, COLUMNS]))],
        options={"zipmap": False},
        target_opset={"": 21, "ai.onnx.ml": 3},
    )
    return bytes(model.SerializeToString())


def _rows(random: np.random.Generator, count: int) -> NDArray[np.float32]:
    return random.normal(size=(count, COLUMNS)).round(1).astype(np.float32)


def main() -> None:
    """Train if that was not done yet, convert, and print the facts as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cache", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--small", action="store_true")
    asked = parser.parse_args()
    size = SMALL if asked.small else FULL
    print(json.dumps(write_files(made_of(asked.cache, size), asked.folder, size)))


if __name__ == "__main__":
    main()
