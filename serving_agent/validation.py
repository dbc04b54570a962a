"""Trying a version in a child process, and reading how that ended.

Spawned, never forked: a fork of a process with threads inherits their locks.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from serving_agent.errors import Abandoned, Reason, VersionFailure
from serving_agent.validate import Finding, Task

PACKAGE_FOLDER = str(Path(__file__).resolve().parent.parent)
CHILD = (sys.executable, "-P", "-m", "serving_agent.validate")


@dataclass(frozen=True, slots=True)
class Limits:
    seconds: float
    memory_bytes: int


def _environment() -> dict[str, str]:
    """Pass on what a process needs to start, and no secret of this one."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {**kept, **threads, "PYTHONPATH": PACKAGE_FOLDER, "MALLOC_ARENA_MAX": "2"}


def validate(
    task_files: tuple[Path, Path, Path],
    *,
    limits: Limits,
    wanted: Callable[[], bool],
    command: tuple[str, ...] = CHILD,
) -> Finding:
    """Try the version of these files: manifest, model and golden transactions.

    ``wanted`` is asked while it runs; once it says no, the child is killed.

    Raises:
        VersionFailure: with the reason the version is not good.
        Abandoned: nobody wants the version any more.
    """
    manifest, model_file, golden = (str(path) for path in task_files)
    seconds = max(1, round(limits.seconds))
    task = Task(manifest, model_file, golden, seconds, limits.memory_bytes)
    child = subprocess.Popen(
        [*command, msgspec.json.encode(task).decode()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
        cwd="/",
    )
    try:
        output, errors = _wait(child, seconds=limits.seconds, wanted=wanted)
    finally:
        if child.poll() is None:
            child.kill()
            child.communicate()
    if child.returncode != 0:
        raise _ending(child.returncode, errors)
    try:
        finding = msgspec.json.decode(output, type=Finding)
        reason = Reason(finding.reason) if finding.reason else None
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as exc:
        raise VersionFailure(
            Reason.LOAD_FAILED, f"the child's finding is unreadable: {exc}"
        ) from exc
    if reason is not None:
        raise VersionFailure(reason, finding.detail)
    return finding


def _wait(
    child: subprocess.Popen[bytes], *, seconds: float, wanted: Callable[[], bool]
) -> tuple[bytes, bytes]:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return child.communicate(timeout=0.2)
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                raise VersionFailure(Reason.TIMEOUT, f"no result in {seconds:g} s") from None
            if not wanted():
                raise Abandoned("no longer wanted") from None


def _ending(code: int, errors: bytes) -> VersionFailure:
    """Read how a child ended that said nothing."""
    said = errors.decode(errors="replace").strip().splitlines()[-1:]
    last = said[0][:300] if said else ""
    if code == -signal.SIGKILL:
        return VersionFailure(Reason.OUT_OF_MEMORY, "killed, most likely for memory")
    if code == -signal.SIGXCPU:
        return VersionFailure(Reason.TIMEOUT, "used up its processor time")
    if "MemoryError" in last or "bad_alloc" in last:
        return VersionFailure(Reason.OUT_OF_MEMORY, last)
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        return VersionFailure(Reason.LOAD_FAILED, f"crashed with {name} {last}".strip())
    return VersionFailure(Reason.LOAD_FAILED, f"ended with {code}: {last}")
