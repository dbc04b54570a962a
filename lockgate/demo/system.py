"""The whole system as a process: ``lockgate up`` on the demo's home, and moto for S3."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lockgate.demo import homes
from lockgate.demo.errors import StoryError
from lockgate.demo.processes import leashed

CHECKOUT: Final = Path(__file__).parents[2]
READY_SECONDS: Final = 180.0
STOP_SECONDS: Final = 60.0
COMMAND_SECONDS: Final = 120.0
OTHERS: Final = (
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "BROKER_URL",
    "MIRROR_URL",
    "STORE_URL",
    "SECRET_KEY_FILE",
    "SIGNING_KEY_FILE",
    "SUCCESSOR_KEY_FILE",
    "CHECKPOINT_SINKS",
    "CHECKPOINT_KEYS_FILE",
    "SEALER_DATABASE_URL",
    "SEALER_KEY_FILE",
    "SEALER_SUCCESSOR_KEY_FILE",
    "SEALER_ORIGIN",
    "PUBLIC_URL",
)
"""Settings that name somebody's own servers: the demo fills none of those with its story."""


@dataclass(slots=True)
class System:
    """What runs for one story. Started from the main thread, stopped last first."""

    home: Path
    store: str = ""
    url: str = ""
    agents: dict[str, str] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)
    """Settings that this story needs otherwise than usual."""
    _environ: dict[str, str] = field(default_factory=dict)
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """Start everything; it becomes ready by itself."""
        self._environ = {name: value for name, value in os.environ.items() if name not in OTHERS}
        self._environ |= {**self.extra, "LOCKGATE_HOME": str(self.home)}
        self._environ["PYTHONUNBUFFERED"] = "1"
        if self.store == "s3":
            self._start_s3()
        self.run("up", _lockgate("up", "--once-ready-file", str(self._ready_file)))

    def wait_ready(self) -> None:
        """Wait until every part of it takes work.

        Raises:
            StoryError: it ended, or takes too long.
        """
        until = time.monotonic() + READY_SECONDS
        while not self._ready_file.exists():
            if (code := self._running[-1].poll()) is not None:
                raise StoryError(f"lockgate up ended with code {code}:\n{self._last_words('up')}")
            if time.monotonic() > until:
                raise StoryError(f"lockgate up is not ready:\n{self._last_words('up')}")
            time.sleep(0.05)
        standing = json.loads(self._ready_file.read_bytes())
        self.url = standing["url"]
        self.agents = {name: each["inference_url"] for name, each in standing["agents"].items()}
        with suppress(OSError, ValueError, KeyError):
            record = json.loads((self.home / "run" / "postgres.json").read_bytes())
            homes.note_elsewhere(self.home, Path(record["sockets"]).parent)

    def manage(self, *arguments: str) -> str:
        """Run one of Django's commands on this system, and give what it printed."""
        return self._command([sys.executable, str(CHECKOUT / "manage.py"), *arguments])

    def lockgate(self, *arguments: str, environ: Mapping[str, str] | None = None) -> str:
        """Run a command of ``lockgate`` on this system, and give what it printed."""
        return self._command(_lockgate(*arguments), environ=environ)

    def raise_if_ended(self) -> None:
        """Say so when a part of it is gone.

        Raises:
            StoryError: ``lockgate up``, or the S3 server, has ended.
        """
        for process in self._running:
            if (code := process.poll()) is not None:
                raise StoryError(f"a part of the system ended with code {code}; see {self.home}")

    def stop(self) -> None:
        """Stop everything in order, and wait for it."""
        for process in reversed(self._running):
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()

    @property
    def _ready_file(self) -> Path:
        return self.home / "ready.json"

    def _command(self, command: list[str], *, environ: Mapping[str, str] | None = None) -> str:
        done = subprocess.run(
            command,
            env={**self._environ, **(environ or {})},
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if done.returncode:
            words = " ".join(command[1:])
            said = (done.stdout + done.stderr).strip()[-2000:]
            raise StoryError(f"{words} ended with code {done.returncode}:\n{said}")
        return done.stdout

    def run(self, name: str, command: list[str]) -> None:
        """Run something beside it until it stops; what it says goes to a log in its home."""
        with self._log(name).open("ab") as log:
            # A group of its own: Ctrl-C comes to us, and we stop the rest in order.
            process = subprocess.Popen(
                leashed(command),
                env=self._environ,
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running.append(process)

    def _start_s3(self) -> None:
        """Run moto's server as S3, and make a bucket; it checks no credentials."""
        port = free_port()
        self.run(
            "s3",
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        )
        wait_for(port, seconds=30)
        self._environ |= {
            "STORE_URL": f"s3://lockgate/artifacts?endpoint=http://127.0.0.1:{port}&region=eu-west-1",
            "AWS_ACCESS_KEY_ID": "demo",
            "AWS_SECRET_ACCESS_KEY": "demo",
        }
        self.manage("make_bucket")

    def _log(self, name: str) -> Path:
        return self.home / f"{name}.log"

    def _last_words(self, name: str) -> str:
        return "\n".join(self._log(name).read_text(errors="replace").splitlines()[-15:])


def read_json(printed: str) -> Any:
    """Read the JSON object at the end of what a command printed."""
    start = printed.index("{")
    return json.loads(printed[start:])


def _lockgate(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("lockgate")), *arguments]


def free_port() -> int:
    """Find a port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for(port: int, *, seconds: float) -> None:
    """Wait until something listens on a port of this machine.

    Raises:
        StoryError: nothing does, in that time.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", port), timeout=1),
        ):
            return
        time.sleep(0.05)
    raise StoryError(f"nothing answers on port {port} after {seconds:g} s")
