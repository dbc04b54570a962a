"""The seams between serving, recording and dark scoring.

Serving must never wait for what is recorded about it, and a dark score must
never reach a caller. Both are easier to see when the parts meet only here, in
plain data and a few verbs. What is made for each request is a msgspec Struct: a
frozen dataclass takes ten times as long to make.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
from numpy.typing import NDArray

PredictionKind = Literal["decision", "dark"]


class Tensor(msgspec.Struct, frozen=True):
    """One named tensor. ``data`` has ``shape``; nobody writes to it once it is made."""

    name: str
    datatype: str
    """As the Open Inference Protocol names it: FP32, INT64, BOOL, BYTES ..."""
    shape: tuple[int, ...]
    data: NDArray[Any]


class Answer(msgspec.Struct, frozen=True):
    """What a caller was told, and by which version."""

    transaction_id: str
    at_us: int
    """Microseconds since 1970, UTC."""
    model: str
    version: int
    digest: str
    score: float | None
    """None when the manifest names no score, or the caller sent several rows."""
    latency_ms: float
    inputs: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class MirrorSettings:
    """Where copies go, and how many: what the desired document says."""

    stream: str
    fraction: float


@dataclass(frozen=True, slots=True)
class DarkVersion:
    model: str
    version: int
    digest: str


@dataclass(frozen=True, slots=True)
class RecordingSettings:
    """What recording and dark scoring need to know of this process."""

    agent_id: str
    agent_name: str
    boot_id: str
    """New in each process: the producer's epoch."""
    environment: str
    home: Path
    mirror_url: str | None
    flush_seconds: float = 5.0
    """How long a full day of little traffic may sit in memory before it is a file."""
    spool_bytes: int = 256 * 1024 * 1024
    """Files waiting for upload beyond this are dropped, oldest first, and counted."""
    queue_size: int = 10_000


class Recorder(Protocol):
    """Keeps what was answered: a decision record of each, a copy to the mirror of some."""

    def start(self) -> None: ...

    def answered(self, answer: Answer) -> None:
        """Take one answer, on the event loop. Never blocks, never raises: drops and counts."""

    def configure(self, mirror: MirrorSettings | None) -> None:
        """Follow the desired document. Called from the reconcile thread."""

    def counters(self) -> dict[str, int]:
        """Return at least ``sent`` and ``dropped``, of the mirror."""

    def close(self, *, timeout: float) -> None:
        """Write and send what is held, for at most ``timeout`` seconds."""


class DarkScorer(Protocol):
    """Scores copies with every dark version, where no caller can see it."""

    def start(self) -> None: ...

    def configure(self, mirror: MirrorSettings | None) -> None: ...

    def counters(self) -> dict[str, int]:
        """Return at least ``received``, ``scored`` and ``errors``."""

    def close(self, *, timeout: float) -> None: ...


class DarkRuntime(Protocol):
    """What a dark scorer may do with the loaded models. Safe from any thread."""

    def score(self, model: str, digest: str, inputs: tuple[Tensor, ...]) -> float:
        """Score one transaction.

        Raises:
            NotLoaded: that version is not in memory (any more).
            ScoringFailed: it is, and gave no score.
        """

    def dark_versions(self) -> list[DarkVersion]:
        """Return the dark versions that are ready now."""


class Uploads(Protocol):
    """The control plane, as far as prediction logs go."""

    def upload_predictions(self, kind: PredictionKind, path: Path) -> None:
        """Send one Parquet file; sending the same bytes twice is harmless.

        Raises:
            TemporaryFailure: keep the file and try later.
            PermanentFailure: the control plane will never take it.
        """


class BuildRecorder(Protocol):
    """The shape of ``serving_agent.recording.build_recorder``."""

    def __call__(self, settings: RecordingSettings, uploads: Uploads) -> Recorder: ...


class BuildDark(Protocol):
    """The shape of ``serving_agent.recording.build_dark``."""

    def __call__(
        self, settings: RecordingSettings, runtime: DarkRuntime, uploads: Uploads
    ) -> DarkScorer: ...
