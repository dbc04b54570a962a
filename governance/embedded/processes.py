"""Processes we start: held on a leash, recognised later, stopped within a deadline."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

LEASH = str(Path(__file__).with_name("leash.py"))


@dataclass(frozen=True, slots=True)
class Process:
    """One process, by number and start time: numbers are used again."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> "Process":
        return cls(pid, start_time(pid) or "")

    def alive(self) -> bool:
        return bool(self.started) and start_time(self.pid) == self.started

    def wait_gone(self, seconds: float) -> bool:
        """Wait for its end, and say whether it came."""
        until = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
        return True


def start_time(pid: int) -> str | None:
    """When that process started, as something only to compare; None once it has ended."""
    if sys.platform != "linux":
        asked = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
        answer = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
        return None if not answer.strip() or answer.startswith("Z") else answer.split(None, 1)[1]
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
    return None if fields[0] in "ZX" else f"{_boot()}:{fields[19]}"


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass(frozen=True, slots=True)
class Leash:
    """How a program is held, and where. ``thread_stays``: the starting thread outlives it."""

    ending: signal.Signals = signal.SIGTERM
    identity: str = "same"
    thread_stays: bool = False
    directory: Path | None = None

    def command(self, program: Sequence[str]) -> list[str]:
        """Put ourselves before ``program``, whose first word is a path or found on PATH."""
        stays = self.thread_stays or threading.current_thread() is threading.main_thread()
        mode = "exec" if stays and sys.platform == "linux" else "watch"
        path = shutil.which(program[0]) or program[0]
        held = [sys.executable, "-I", "-S", LEASH, str(int(self.ending)), str(os.getpid())]
        return [*held, mode, self.identity, path, *program[1:]]


def start(
    program: Sequence[str],
    *,
    leash: Leash,
    output: IO[bytes] | int,
    errors: IO[bytes] | int = subprocess.STDOUT,
    environ: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program on a leash, in a session of its own: a Ctrl-C is for us to pass on."""
    return subprocess.Popen(
        leash.command(program),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        cwd=leash.directory,
        env=environ,
        start_new_session=True,
    )


def stop(
    child: subprocess.Popen[bytes], *, seconds: float, with_signal: signal.Signals = signal.SIGTERM
) -> bool:
    """Ask a child to end, and after the deadline make its whole group end; True if it obeyed."""
    child.send_signal(with_signal)
    obeyed = True
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        obeyed = False
    kill_group(child.pid)
    child.wait()
    return obeyed


def kill_group(leader: int) -> None:
    """End at once what is left of a session we started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
