"""The folder of everything embedded: data, keys, logs, and who runs at the moment."""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from governance.embedded.errors import EmbeddedError

LOCK_SECONDS = 180.0
"""Longer than a cold start on a slow machine: the second starter waits for the first."""


@dataclass(frozen=True, slots=True)
class Home:
    """``LOCKGATE_HOME``, absolute."""

    path: Path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Home":
        return cls(Path(environ.get("LOCKGATE_HOME") or ".lockgate").expanduser().absolute())

    def folder(self, name: str) -> Path:
        """Give a folder of ours that nobody else may look into."""
        self.path.mkdir(parents=True, exist_ok=True)
        folder = self.path / name
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    @property
    def run(self) -> Path:
        return self.folder("run")

    def log(self, name: str) -> Path:
        return self.folder("logs") / f"{name}.log"

    @contextmanager
    def lock(self, name: str = "start") -> Iterator[None]:
        """Hold the right to start servers here. It ends with the process, however that ends."""
        until = time.monotonic() + LOCK_SECONDS
        with (self.run / f"{name}.lock").open("w") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise EmbeddedError(
                            f"another process has been starting servers in {self.path} for "
                            f"{LOCK_SECONDS:.0f} s; end it and try again."
                        ) from None
                    time.sleep(0.02)
            yield

    def record(self, name: str) -> dict[str, object] | None:
        """Read what a starter wrote down, or None. Half a file is no file."""
        try:
            found = json.loads((self.run / f"{name}.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def write_record(self, name: str, content: Mapping[str, object]) -> None:
        write_private(self.run / f"{name}.json", json.dumps(content, indent=1).encode() + b"\n")


def write_private(path: Path, content: bytes) -> None:
    """Replace a file at once with one that only we can read."""
    temporary = path.with_name(f".{path.name}.{token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
