"""Where a server's words go: a log that stays bounded, and what to quote from it."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from governance.embedded import processes
from governance.embedded.errors import EmbeddedError

LOG_BYTES = 4 * 1024 * 1024
"""Size at which a log becomes ``NAME.log.1``: two such files at most."""

TELLING = ("FATAL", "PANIC", "could not", "No space", "Fatal", "FAILED", "Can't", "Bad file")


@dataclass(frozen=True, slots=True)
class Output:
    """The log of one start: ``begin`` is where its first line lies."""

    path: Path
    file: IO[bytes]
    begin: int

    def words(self) -> str:
        """Give what was said since this start, the last part of it."""
        with self.path.open("rb") as log:
            log.seek(max(self.begin, self.path.stat().st_size - 8000))
            return log.read().decode(errors="replace")

    def last_words(self) -> str:
        """Give the line that says best why the program ended."""
        lines = [line.strip() for line in self.words().splitlines()]
        found = [
            line[max(line.find("FATAL"), 0) :] for line in lines if any(w in line for w in TELLING)
        ]
        return (found[:1] or [line for line in lines if line][-1:] or ["it ended silently"])[0]


@contextmanager
def appended(path: Path) -> Iterator[Output]:
    """Open a server's log for one more start."""
    bound(path)
    with path.open("ab") as file:
        yield Output(path, file, file.tell())


def bound(path: Path) -> None:
    """Keep a log that a program appends to below its limit, while the program runs."""
    if path.exists() and path.stat().st_size > LOG_BYTES:
        shutil.copyfile(path, path.with_name(f"{path.name}.1"))
        with path.open("r+b") as file:
            file.truncate(0)


def wait_ready(
    child: subprocess.Popen[bytes], *, name: str, ready: Callable[[], bool], output: Output
) -> None:
    """Wait until a new server takes work; recovery after a crash may take its time.

    Raises:
        EmbeddedError: it ended or took too long; the message quotes what it said last.
    """
    until = time.monotonic() + 120
    while not ready():
        if child.poll() is not None:
            raise EmbeddedError(f"{name} did not start: {output.last_words()} (log: {output.path})")
        if time.monotonic() > until:
            processes.kill_group(child.pid)
            child.wait()
            raise EmbeddedError(f"{name} is not ready after 120 s (log: {output.path})")
        time.sleep(0.01)
