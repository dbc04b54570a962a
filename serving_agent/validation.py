"""Trying versions in a child process, and reading how that ended.

Spawned, never forked: a fork of a process with threads inherits their locks.
The child lives on for the next version as long as all it saw was good, and is
ended when there is nothing more to try.
"""

import contextlib
import os
import select
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
LOOK = 0.2
MOST_TASKS = 50
"""Versions that one child tries, should each of them leave something behind."""
TAIL = 4096

Files = tuple[Path, Path, Path]


@dataclass(frozen=True, slots=True)
class Limits:
    seconds: float
    memory_bytes: int


def _environment() -> dict[str, str]:
    """Pass on what a process needs to start, and no secret of this one."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {**kept, **threads, "PYTHONPATH": PACKAGE_FOLDER, "MALLOC_ARENA_MAX": "2"}


class Validator:
    """Tries one version after the other. Used by one thread."""

    def __init__(self, limits: Limits, *, command: tuple[str, ...] = CHILD) -> None:
        self._limits, self._command = limits, command
        self._child: subprocess.Popen[bytes] | None = None
        self._tasks = 0

    @property
    def pid(self) -> int | None:
        """The child that waits for the next version, if one does."""
        return self._child.pid if self._child else None

    def validate(self, files: Files, *, wanted: Callable[[], bool]) -> Finding:
        """Try the version of these files: manifest, model and golden transactions.

        ``wanted`` is asked while it runs; once it says no, the child is killed.

        Raises:
            VersionFailure: with the reason the version is not good.
            Abandoned: nobody wants the version any more.
        """
        finding = None
        try:
            finding = self._try(files, wanted)
        finally:
            if finding is None or self._tasks >= MOST_TASKS:
                self.end()
        return finding

    def end(self) -> None:
        """End the child, if there is one, and give its memory back."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.communicate()

    def _try(self, files: Files, wanted: Callable[[], bool]) -> Finding:
        manifest, model_file, golden = (str(path) for path in files)
        seconds = max(1, round(self._limits.seconds))
        task = Task(manifest, model_file, golden, seconds, self._limits.memory_bytes)
        if self._child is None:
            self._child, self._tasks = self._start(), 0
        self._tasks += 1
        output, errors = self._ask(self._child, msgspec.json.encode(task) + b"\n", wanted)
        if not output.endswith(b"\n"):
            # It has closed its mouth, so it has ended, or is about to.
            code = self._child.wait(self._limits.seconds)
            if code != 0:
                raise _ending(code, errors)
        try:
            finding = msgspec.json.decode(output, type=Finding)
            reason = Reason(finding.reason) if finding.reason else None
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as exc:
            detail = f"the child's finding is unreadable: {exc}"
            raise VersionFailure(Reason.LOAD_FAILED, detail) from exc
        if reason is not None:
            raise VersionFailure(reason, finding.detail)
        return finding

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=_environment(),
            cwd="/",
        )

    def _ask(
        self, child: subprocess.Popen[bytes], task: bytes, wanted: Callable[[], bool]
    ) -> tuple[bytes, bytes]:
        """Return the line that answers a task, or what there was of it, and what was complained."""
        assert child.stdin is not None  # noqa: S101 - all three were asked for
        assert child.stdout is not None  # noqa: S101
        assert child.stderr is not None  # noqa: S101
        told = {child.stdout.fileno(): b"", child.stderr.fileno(): b""}
        output, errors = told
        with contextlib.suppress(BrokenPipeError):  # How it ended is read below.
            child.stdin.write(task)
        deadline, open_ends = time.monotonic() + self._limits.seconds, set(told)
        while open_ends and not told[output].endswith(b"\n"):
            for end in select.select(list(open_ends), [], [], LOOK)[0]:
                piece = os.read(end, TAIL)
                told[end] = told[end] + piece if end == output else (told[end] + piece)[-TAIL:]
                if not piece:
                    open_ends.discard(end)
            if time.monotonic() > deadline:
                raise VersionFailure(Reason.TIMEOUT, f"no result in {self._limits.seconds:g} s")
            if not wanted():
                raise Abandoned("no longer wanted")
        return told[output], told[errors]


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
