r"""One supervised program: started, read, and started again when it dies.

         start            dies
waiting -------> running ------> waiting (1, 2, 4 ... 30 s; 1 s again after a good minute)
   \                | stop
    \--- stop ----> ended
"""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import IO

from governance.embedded import processes
from governance.embedded.processes import Leash
from governance.embedded.stream import Journal, Lines, Stream

LONGEST_WAIT = 30.0
GOOD_SECONDS = 60.0
READ_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. The environment is asked for at every start."""

    name: str
    command: Sequence[str]
    environ: Callable[[], Mapping[str, str]]
    stop_seconds: float = 10.0
    url: str = ""
    """Where it answers, for those who want to talk to it."""
    health: str = ""
    """What answers 200 there once it takes work; without it, running is enough."""
    once: bool = False
    """It runs to its end, and what it prints is kept instead of shown: it may hold secrets."""
    hush: re.Pattern[str] | None = None
    """Lines that only its raw log gets: they come every few seconds and say nothing new."""

    def shows(self, line: str) -> bool:
        return bool(line.strip()) and not (self.hush and self.hush.search(line))


class State(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


def delay(failures: int) -> float:
    """How long to wait before the start after that many failures in a row."""
    return min(LONGEST_WAIT, 2.0 ** (failures - 1))


class Child:
    """A program with its process, its log and its patience."""

    def __init__(self, program: Program, *, stream: Stream, journal: Journal, leash: Leash) -> None:
        self.program = program
        self.state = State.WAITING
        self.failures = 0
        self.starts = 0
        self.ready = False
        self._stream = stream
        self._journal = journal
        self._leash = leash
        self._lines = Lines()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: IO[bytes] | None = None
        self._printed: IO[bytes] | None = None
        self.code: int | None = None
        self.printed = ""
        self._start_at = 0.0
        self._started_at = 0.0
        self._restarting = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self.state is State.RUNNING else None

    @property
    def output(self) -> int | None:
        """The descriptor to read from while it runs."""
        return self._pipe.fileno() if self._pipe and not self._pipe.closed else None

    def due(self) -> bool:
        return self.state is State.WAITING and time.monotonic() >= self._start_at

    def start(self) -> None:
        """Start the program; if even that fails, try again later."""
        self._printed = tempfile.TemporaryFile() if self.program.once else None  # noqa: SIM115
        try:
            self._process = processes.start(
                self.program.command,
                leash=self._leash,
                output=self._printed or subprocess.PIPE,
                errors=subprocess.PIPE if self._printed else subprocess.STDOUT,
                environ=self.program.environ(),
            )
        except OSError as error:
            self._failed(f"cannot start: {error.strerror}")
            return
        self._pipe = self._process.stderr if self._printed else self._process.stdout
        if self._pipe:
            os.set_blocking(self._pipe.fileno(), False)
        self.state = State.RUNNING
        self.starts += 1
        self._started_at = time.monotonic()

    def read(self) -> None:
        """Pass on what it has said so far."""
        descriptor = self.output
        while descriptor is not None:
            try:
                content = os.read(descriptor, READ_BYTES)
            except BlockingIOError:
                return
            if not content:
                self._close_output()
                return
            self._journal.write(content)
            self._show(self._lines.feed(content))

    def reap(self) -> int | None:
        """Notice its end: give the number it ran under, or None while it lives."""
        if self.state is not State.RUNNING or self._process is None:
            return None
        code = self._process.poll()
        if code is None:
            return None
        self.read()
        self._close_output()
        processes.kill_group(self._process.pid)  # what it started goes with it
        self.ready = False
        self.code = code
        if self.program.once:
            self.finish(by_force=False)
        elif self._restarting:
            self._restarting, self.state, self._start_at = False, State.WAITING, 0.0
        else:
            if time.monotonic() - self._started_at > GOOD_SECONDS:
                self.failures = 0
            self._failed(_reason(code))
        return self._process.pid

    def restart(self) -> None:
        """End it, and start it anew at once: what it was told at its start has changed."""
        self._restarting = True
        self.ask_to_end()

    def ask_to_end(self) -> None:
        if self.state is State.RUNNING and self._process:
            self._process.send_signal(signal.SIGTERM)

    def ended(self) -> bool:
        """Say whether the process is gone, whatever comes next."""
        return self._process is None or self._process.poll() is not None

    def finish(self, *, by_force: bool) -> int | None:
        """Close the books after a stop: give the number it ran under, if it still did."""
        ran, self.state = self.state is State.RUNNING, State.ENDED
        if self._process is None or not ran:
            self._close_books()
            return None
        if by_force and self._process.poll() is None:
            said = f"did not end within {self.program.stop_seconds:g} s, killed"
            self._stream.say(self.program.name, said)
        processes.kill_group(self._process.pid)
        self._process.wait()
        self.read()
        self._close_output()
        self._close_books()
        return self._process.pid

    def _close_books(self) -> None:
        self._journal.close()
        if self._printed:
            self._printed.seek(0)
            self.printed = self._printed.read().decode(errors="replace")
            self._printed.close()
            self._printed = None

    def _failed(self, reason: str) -> None:
        self.failures += 1
        wait = delay(self.failures)
        self.state, self._start_at = State.WAITING, time.monotonic() + wait
        self._stream.say(self.program.name, f"{reason}; starts again in {wait:g} s")

    def _show(self, lines: Iterable[str]) -> None:
        for line in lines:
            if self.program.shows(line):
                self._stream.say(self.program.name, line)

    def _close_output(self) -> None:
        self._show(self._lines.end())
        if self._pipe:
            with suppress(OSError):
                self._pipe.close()


def _reason(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with code {code}"
