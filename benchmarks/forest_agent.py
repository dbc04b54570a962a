"""The forest in a real agent: calls at a steady rate over HTTP, also while it is swapped.

The agent is a process of its own, enrolled with the tests' control plane: real HTTP,
real signatures, one document after the other.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockgate.manifest import golden_file, tensor
from tests.agent.control_plane import ControlPlane, model
from tests.agent.process import AgentProcess, joining
from tests.agent.versions import Version, pack

MODEL = "forest"
PATIENCE = 300.0


@dataclass
class Answers:
    """What callers were told: milliseconds by the moment of the call, and what went wrong."""

    took: list[tuple[float, float]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    wrong: int = 0

    def between(self, start: float, end: float) -> list[float]:
        """Return how long the calls of a time took."""
        return [took for at, took in self.took if start <= at < end]


@contextmanager
def calling(url: str, rows: Path, expected: Path) -> Iterator[Answers]:
    """Call until the block ends, from a process of its own; then its answers are known."""
    answers = Answers()
    command = [sys.executable, "-m", "benchmarks.forest_callers", url, MODEL]
    with subprocess.Popen(
        [*command, str(rows), str(expected)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield answers
        said, _ = process.communicate("")
    found = json.loads(said)
    answers.took = [(at, took) for at, took in found["took"]]
    answers.failed, answers.wrong = found["failed"], found["wrong"]


class Agent:
    """An agent that serves versions of the forest, all of the same file."""

    def __init__(self, home: Path, *, onnx: Path, rows: NDArray[np.float32], expected: Any) -> None:
        self._onnx, self._columns = onnx.read_bytes(), rows.shape[1]
        self._golden = _golden(rows[:20], expected[:20])
        self.plane = ControlPlane()
        self.number = 0
        self.version = self._next()
        self._publish(champion=self.version)
        # Reports as often as an agent does by itself. It polls more often, so that a swap is
        # not mostly waiting.
        settings = {"LOCKGATE_AGENT_POLL_SECONDS": "2", "LOCKGATE_AGENT_REPORT_SECONDS": "5"}
        self.process = AgentProcess(
            home, arguments=joining(self.plane), environment={**os.environ, **settings}
        )
        self.plane.wait_champion(self.version, seconds=PATIENCE)

    @property
    def url(self) -> str:
        """Where it answers."""
        return self.process.url

    def swap(self) -> None:
        """Put another version of the same forest in the champion's place, the way rollouts do."""
        old, self.version = self.version, self._next()
        self._publish(champion=old, load=[self.version])
        self.plane.wait_report(
            lambda report: _phase(report, self.version) == "ready", seconds=PATIENCE
        )
        self._publish(champion=self.version, bake=old)
        self.plane.wait_champion(self.version, seconds=PATIENCE)
        self._publish(champion=self.version)
        generation = self.plane.generation
        self.plane.wait_report(
            lambda report: (
                report["observed_generation"] == generation and _phase(report, old) is None
            ),
            seconds=PATIENCE,
        )

    def memory(self) -> dict[str, int]:
        """Return what the agent's process holds, and the most it ever held, in bytes."""
        status = Path(f"/proc/{self.process.process.pid}/status").read_text()
        lines = dict(line.split(":", 1) for line in status.splitlines())
        return {
            name: int(lines[key].split()[0]) * 1024
            for name, key in (("resident", "VmRSS"), ("peak", "VmHWM"))
        }

    def close(self) -> None:
        """End agent and control plane."""
        self.process.close()
        self.plane.stop()

    def _next(self) -> Version:
        self.number += 1
        return pack(
            MODEL,
            self.number,
            self._onnx,
            self._golden,
            inputs=[{"name": "X", "datatype": "FP32", "shape": [-1, self._columns]}],
            outputs=[{"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]}],
            metrics={"number": self.number},
        )

    def _publish(self, **slots: Any) -> None:
        self.plane.publish(model(MODEL, **slots), versions=[self.version])


def _phase(report: dict[str, Any], version: Version) -> str | None:
    found = [one["phase"] for one in report["models"] if one["digest"] == version.digest]
    return found[0] if found else None


def _golden(rows: NDArray[np.float32], expected: NDArray[np.float64]) -> bytes:
    transactions = [
        {
            "id": f"g{at}",
            "inputs": [tensor("X", "FP32", rows[[at]])],
            "outputs": [tensor("probabilities", "FP64", expected[[at]])],
        }
        for at in range(len(rows))
    ]
    return golden_file(transactions, tolerance=1e-6)
