"""The supervisor's end of ``undertaker``: keeps it told which process groups are ours."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

SCRIPT = str(Path(__file__).with_name("undertaker.py"))
GRACE_SECONDS = 8.0
DAMAGED = (BrokenPipeError, OSError, ValueError)


class Undertaking:
    """Runs the undertaker. On no leash: it is there for when we are not."""

    def __init__(self, *, grace_seconds: float = GRACE_SECONDS) -> None:
        self._grace = str(grace_seconds)
        self._groups: set[int] = set()
        self._process = self._start()

    def add(self, group: int) -> None:
        self._groups.add(group)
        self._tell(group)

    def remove(self, group: int) -> None:
        self._groups.discard(group)
        self._tell(-group)

    def close(self) -> None:
        """Let it go: it ends what we still named, which after an orderly stop is nothing."""
        if self._process.stdin:
            with suppress(*DAMAGED):
                self._process.stdin.close()
        self._process.wait()

    def _tell(self, number: int) -> None:
        try:
            self._write(number)
        except DAMAGED:  # Somebody ended it: hire another, and tell it everything.
            self._process.kill()
            self._process.wait()
            self._process = self._start()
            for group in self._groups:
                self._write(group)

    def _write(self, number: int) -> None:
        if self._process.stdin is None:
            raise BrokenPipeError
        self._process.stdin.write(b"%d\n" % number)
        self._process.stdin.flush()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", SCRIPT, self._grace],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
