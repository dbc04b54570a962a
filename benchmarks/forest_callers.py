"""Callers of the forest at a steady rate, who know the right answers.

A process of its own, so that neither the control plane's interpreter nor its threads hold
up a call that is being measured. It calls until standard input ends, and then prints one
JSON object: ``took``, pairs of the moment of a call (``time.perf_counter``, which all
processes of a host share) and its milliseconds; ``failed``; ``wrong``.

    python -m benchmarks.forest_callers URL MODEL ROWS EXPECTED
"""

import contextlib
import json
import socket
import sys
import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lockgate.manifest import tensor

RATE = 200
CONNECTIONS = 4
AWAKE_SECONDS = 0.003


class Callers:
    """Connections that call at a steady rate together, whatever the agent does.

    A call that could not go out in time, since the one before it was still waited
    for, counts from when it was due.
    """

    def __init__(self, url: str, requests: list[bytes], expected: list[list[float]]) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self._address = (host, int(port))
        self._requests, self._expected = requests, expected
        self._stop = threading.Event()
        self.took: list[tuple[float, float]] = []
        self.failed: list[str] = []
        self.wrong = 0

    def call_until(self, wait: Callable[[], object]) -> None:
        """Call until ``wait``, a function without arguments, returns."""
        start = time.perf_counter() + 0.05
        threads = [
            threading.Thread(target=self._call, args=(number, start))
            for number in range(CONNECTIONS)
        ]
        for thread in threads:
            thread.start()
        wait()
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
                self.failed.append(repr(error))
                link = socket.create_connection(self._address, timeout=30)
            else:
                self.took.append((due, (time.perf_counter() - due) * 1000))
                self._judge(row, status, answer)
            turn += CONNECTIONS
        link.close()

    def _judge(self, row: int, status: int, answer: bytes) -> None:
        if status != 200:
            self.failed.append(f"{status} {answer[:200]!r}")
        elif json.loads(answer)["outputs"][0]["data"] != self._expected[row]:
            self.wrong += 1


def _request(model: str, row: NDArray[np.float32]) -> bytes:
    body = json.dumps({"inputs": [tensor("X", "FP32", row.reshape(1, -1))]}).encode()
    head = f"POST /v2/models/{model}/infer HTTP/1.1\r\nHost: agent\r\n"
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
    """Read what comes, awake: how long this process takes to wake up is not the agent's."""
    awake_until = time.perf_counter() + AWAKE_SECONDS
    while time.perf_counter() < awake_until:
        with contextlib.suppress(BlockingIOError):
            return _there(link.recv(65536, socket.MSG_DONTWAIT))
    return _there(link.recv(65536))


def _there(piece: bytes) -> bytes:
    if not piece:
        raise ConnectionResetError("the agent closed the connection")
    return piece


def main() -> None:
    """Call until standard input ends, and tell."""
    url, model, rows, expected = sys.argv[1:]
    requests = [_request(model, row) for row in np.load(rows)]
    callers = Callers(url, requests, np.load(expected).tolist())
    callers.call_until(sys.stdin.read)
    said = {"took": callers.took, "failed": callers.failed, "wrong": callers.wrong}
    print(json.dumps(said))


if __name__ == "__main__":
    main()
