"""A real agent in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from .control_plane import JOIN_TOKEN, ControlPlane
from .versions import tensor

FULL_DISK = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
"""Runs Python so that every write to a file fails, as on a full disk."""


class AgentProcess:
    def __init__(
        self,
        home: Path,
        *,
        arguments: list[str],
        environment: dict[str, str],
        full_disk: bool = False,
    ) -> None:
        self.home = home
        self._log = (home.parent / f"{home.name}.log").open("ab")
        address = home / "address.json"
        address_before = address.stat().st_mtime_ns if address.exists() else 0
        python = [sys.executable, "-c", FULL_DISK] if full_disk else [sys.executable]
        self.process = subprocess.Popen(
            [*python, "-m", "serving_agent", "run", "--home", str(home), *arguments],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        self._wait_address(address, -1 if full_disk else address_before)
        found = json.loads(address.read_bytes())
        self.url: str = found["inference_url"]
        self.control_url: str = found["control_url"]
        self.http = httpx.Client(base_url=self.url, timeout=10, trust_env=False)

    def _wait_address(self, address: Path, before: int) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        while line and "answers at" not in line:
            line = self.process.stdout.readline().decode()
        if not line:
            self.process.wait(10)
            raise AssertionError(f"the agent did not start: {self.log()}")
        assert address.stat().st_mtime_ns > before

    def log(self) -> str:
        return (self.home.parent / f"{self.home.name}.log").read_text()

    def infer(
        self, inputs: np.ndarray, *, model: str = "credit", version: int | None = None, **more: Any
    ) -> httpx.Response:
        place = f"/v2/models/{model}" + (f"/versions/{version}" if version else "")
        return self.http.post(f"{place}/infer", json={"inputs": [tensor("X", inputs)], **more})

    def wait_ready(self, *, seconds: float = 15.0) -> None:
        deadline = time.monotonic() + seconds
        while self.http.get("/v2/health/ready").status_code != 200:
            assert time.monotonic() < deadline, f"not ready in {seconds} s: {self.log()}"
            time.sleep(0.02)

    def hint(self, generation: int = 1) -> httpx.Response:
        return httpx.post(
            f"{self.control_url}/v1/hint",
            json={
                "action": "load",
                "model": "credit",
                "digest": "0" * 64,
                "generation": generation,
            },
            trust_env=False,
        )

    def terminate(self, *, seconds: float = 15.0) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        self.http.close()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()


def joining(plane: ControlPlane) -> list[str]:
    return [
        "--url",
        plane.url,
        "--token",
        JOIN_TOKEN,
        "--key",
        plane.key.fingerprint,
        "--name",
        "a1",
    ]
