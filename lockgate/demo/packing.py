"""Makes versions of what was trained: converted, proved, described, and put into a folder."""

import hashlib
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import onnx
import sklearn

from lockgate.convert import Converted, convert
from lockgate.demo import data
from lockgate.demo.training import SEED, Trained
from lockgate.manifest import Dataset, Training, build_manifest, file_entry, write_pack

MODEL: Final = "credit-default"
AUTHOR: Final = "asha"
SAMPLE: Final = 2_000
"""Held-out clients whom estimator and ONNX file must score alike."""


@dataclass(frozen=True, slots=True)
class Pack:
    """A version as CI registers it: its manifest and files, also in a folder."""

    folder: Path
    manifest: bytes
    files: dict[str, bytes]


def convert_trained(trained: Trained, clients: data.Clients) -> Converted:
    """Convert, and prove on held-out clients that the file answers as the estimator does."""
    return convert(
        trained.estimator, clients.features[:SAMPLE], features=list(data.feature_names())
    )


def write(
    folder: Path, trained: Trained, converted: Converted, *, golden: bytes | None = None
) -> Pack:
    """Write a version's folder.

    Args:
        golden: other golden transactions than those of this very estimator.
    """
    files = {"model.onnx": converted.onnx, "golden.json": golden or converted.golden}
    manifest = build_manifest(
        model=MODEL,
        files=[
            file_entry("model.onnx", files["model.onnx"], role="model"),
            file_entry("golden.json", files["golden.json"], role="golden"),
        ],
        signature=converted.signature,
        authors=[AUTHOR],
        training=Training(_commit(), "make demo", _parameters(trained), SEED),
        datasets=[_dataset()],
        metrics={"auc": round(trained.auc, 6), "brier": round(trained.brier, 6)},
        environment_lock=_environment(),
    )
    write_pack(folder, manifest=manifest, files=files)
    return Pack(folder, manifest, files)


def _parameters(trained: Trained) -> dict[str, object]:
    known = (bool, int, float, str)
    found = trained.estimator.get_params().items()
    given = {name: value for name, value in found if isinstance(value, known)}
    kind = type(trained.estimator).__name__
    return {"estimator": kind, "clients": trained.clients, **given}


def _dataset() -> Dataset:
    """Describe the data as the repository it is from does; the months are 2005's."""
    return Dataset(
        id="uci-350-default-of-credit-card-clients",
        digest=hashlib.sha256(data.FILE.read_bytes()).hexdigest(),
        start=datetime(2005, 4, 1, tzinfo=UTC).isoformat(),
        end=datetime(2005, 9, 30, tzinfo=UTC).isoformat(),
        source="https://doi.org/10.24432/C55S3H",
        licence="CC BY 4.0",
    )


def _environment() -> dict[str, object]:
    return {
        "python": platform.python_version(),
        "scikit-learn": sklearn.__version__,
        "onnx": onnx.__version__,
    }


def _commit() -> str:
    """Name the code's commit, or say that it is not known: a copy need not be a clone."""
    command = ["git", "rev-parse", "HEAD"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
