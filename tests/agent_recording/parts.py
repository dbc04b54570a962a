"""What stands on the other side of the seams: a control plane, a runtime, answers."""

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from serving_agent.errors import NotLoaded
from serving_agent.ports import (
    Answer,
    DarkVersion,
    PredictionKind,
    RecordingSettings,
    Tensor,
)

CHAMPION = "c" * 64
MODEL = "credit-default"
STREAM = "mirror:prod-eu"


def answer(number: int = 1, **changes: Any) -> Answer:
    values: dict[str, Any] = {
        "transaction_id": f"tx-{number}",
        "at_us": 1_790_000_000_000_000 + number,
        "model": MODEL,
        "version": 3,
        "digest": CHAMPION,
        "score": 0.25,
        "latency_ms": 1.5,
        "inputs": (features(number),),
    }
    return Answer(**{**values, **changes})


def features(number: int = 1, width: int = 4) -> Tensor:
    return Tensor("X", "FP32", (1, width), np.full((1, width), number, dtype=np.float32))


def settings(home: Path, *, mirror_url: str | None = None, **changes: Any) -> RecordingSettings:
    values: dict[str, Any] = {
        "agent_id": "agent-1",
        "agent_name": "live-a",
        "boot_id": "boot-1",
        "environment": "prod-eu",
        "home": home,
        "mirror_url": mirror_url,
        "flush_seconds": 0.1,
    }
    return RecordingSettings(**{**values, **changes})


class ControlPlane:
    """Takes files into a folder, under their hash; first raises what the test put in front."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.failures: deque[Exception] = deque()
        self.calls: list[tuple[PredictionKind, str]] = []
        self.gate = threading.Event()
        self.gate.set()
        folder.mkdir(parents=True, exist_ok=True)

    def upload_predictions(self, kind: PredictionKind, path: Path) -> None:
        assert self.gate.wait(30)
        self.calls.append((kind, path.name))
        if self.failures:
            raise self.failures.popleft()
        content = path.read_bytes()
        name = f"{kind}-{hashlib.sha256(content).hexdigest()}"
        (self.folder / f"{name}.part").write_bytes(content)
        (self.folder / f"{name}.part").rename(self.folder / name)

    def rows(self, kind: PredictionKind) -> list[dict[str, Any]]:
        return rows_of(*self.folder.glob(f"{kind}-" + "[0-9a-f]" * 64))


def rows_of(*paths: Path) -> list[dict[str, Any]]:
    return [row for path in paths for row in pq.ParquetFile(path).read().to_pylist()]


Scorer = Callable[[tuple[Tensor, ...]], float]


class Runtime:
    """Scores with plain functions, one per digest."""

    def __init__(self, scorers: Mapping[str, Scorer], *, model: str = MODEL) -> None:
        self.scorers = dict(scorers)
        self.model = model
        self.calls = 0

    def dark_versions(self) -> list[DarkVersion]:
        return [DarkVersion(self.model, n, d) for n, d in enumerate(self.scorers, start=4)]

    def score(self, model: str, digest: str, inputs: tuple[Tensor, ...]) -> float:
        self.calls += 1
        if model != self.model or digest not in self.scorers:
            raise NotLoaded(digest)
        return self.scorers[digest](inputs)


def first_feature(inputs: tuple[Tensor, ...]) -> float:
    return float(inputs[0].data.flat[0])


def no_waits() -> Iterator[float]:
    """Retry fast: the tests wait for the outcome, not for the clock."""
    while True:
        yield 0.02


def elapsed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began
