"""The forest in a real agent: calls at a steady rate over HTTP, also while it is swapped.

The agent is a process of its own, enrolled with the tests' control plane: real HTTP,
real signatures, one document after the other.
"""

import json
import os
import socket
import threading
import time
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
RATE = 200
CONNECTIONS = 4
PATIENCE = 300.0


@dataclass
class Answers:
    """What callers were told: milliseconds by the moment of the call, and what went wrong."""

    took: list[tuple[float, float]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    wrong: int = 0

    def between(self, start: float, end: float) -> list[float]:
        """Return how long the calls of a time took."""
        return [took for at, took in list(self.took) if start <= at < end]


class Callers:
    """Connections that call at a steady rate together, whatever the agent does.

    A call that could not go out in time, since the one before it was still waited
    for, counts from when it was due.
    """

    def __init__(self, agent: AgentProcess, rows: NDArray[np.float32], expected: Any) -> None:
        host, _, port = agent.url.removeprefix("http://").partition(":")
        self._address = (host, int(port))
        self._requests = [_request(row) for row in rows]
        self._expected = [row.tolist() for row in expected]
        self._stop = threading.Event()
        self.answers = Answers()

    @contextmanager
    def calling(self) -> Iterator[Answers]:
        """Call until the block ends."""
        start = time.perf_counter() + 0.05
        threads = [
            threading.Thread(target=self._call, args=(number, start))
            for number in range(CONNECTIONS)
        ]
        for thread in threads:
            thread.start()
        try:
            yield self.answers
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _call(self, number: int, start: float) -> None:
        link = socket.create_connection(self._address, timeout=30)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        turn = number
        while not self._stop.is_set():
            due = start + turn / RATE
            if (early := due - time.perf_counter()) > 0:
                time.sleep(early)
                due = time.perf_counter()
            row = turn % len(self._requests)
            try:
                status, answer = _exchange(link, self._requests[row])
            except OSError as error:
                self.answers.failed.append(repr(error))
                link = socket.create_connection(self._address, timeout=30)
            else:
                self.answers.took.append((due, (time.perf_counter() - due) * 1000))
                self._judge(row, status, answer)
            turn += CONNECTIONS
        link.close()

    def _judge(self, row: int, status: int, answer: bytes) -> None:
        if status != 200:
            self.answers.failed.append(f"{status} {answer[:200]!r}")
        elif json.loads(answer)["outputs"][0]["data"] != self._expected[row]:
            self.answers.wrong += 1


def _request(row: NDArray[np.float32]) -> bytes:
    body = json.dumps({"inputs": [tensor("X", "FP32", row.reshape(1, -1))]}).encode()
    head = f"POST /v2/models/{MODEL}/infer HTTP/1.1\r\nHost: agent\r\n"
    kind = "Content-Type: application/json\r\n"
    return f"{head}{kind}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _exchange(link: socket.socket, request: bytes) -> tuple[int, bytes]:
    link.sendall(request)
    received = b""
    while (end := received.find(b"\r\n\r\n")) < 0:
        received += _more(link)
    head = received[:end].lower()
    place = head.index(b"content-length:") + len(b"content-length:")
    size = end + 4 + int(head[place:].split(b"\r\n", 1)[0])
    while len(received) < size:
        received += _more(link)
    return int(head.split(b" ", 2)[1]), received[end + 4 :]


def _more(link: socket.socket) -> bytes:
    piece = link.recv(65536)
    if not piece:
        raise ConnectionResetError("the agent closed the connection")
    return piece


class Agent:
    """An agent that serves versions of the forest, all of the same file."""

    def __init__(self, home: Path, *, onnx: Path, rows: NDArray[np.float32], expected: Any) -> None:
        self._onnx, self._rows, self._expected = onnx.read_bytes(), rows, expected
        self._golden = _golden(rows[:20], expected[:20])
        self.plane = ControlPlane()
        self.number = 0
        self.version = self._next()
        self._publish(champion=self.version)
        settings = {
            "LOCKGATE_AGENT_POLL_SECONDS": "0.5",
            "LOCKGATE_AGENT_REPORT_SECONDS": "0.5",
        }
        self.process = AgentProcess(
            home, arguments=joining(self.plane), environment={**os.environ, **settings}
        )
        self.plane.wait_champion(self.version, seconds=PATIENCE)

    def callers(self) -> Callers:
        """Return callers who know the right answers."""
        return Callers(self.process, self._rows, self._expected)

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
        columns = self._rows.shape[1]
        return pack(
            MODEL,
            self.number,
            self._onnx,
            self._golden,
            inputs=[{"name": "X", "datatype": "FP32", "shape": [-1, columns]}],
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
