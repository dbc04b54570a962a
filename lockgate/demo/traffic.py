"""The process of callers, as the story sees it."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Self

from lockgate.demo.errors import StoryError
from lockgate.demo.processes import leashed
from lockgate.demo.tally import Tally

BUSY = 60.0
"""Requests a second while the story is told."""
CALM = 6.0
"""And afterwards, so that pages show life."""
STOP_SECONDS = 15.0


class Traffic:
    """Callers that keep arriving until ``stop``."""

    def __init__(self, *, extraction: str, agents: Mapping[str, str], rate: float = BUSY) -> None:
        pairs = ",".join(f"{name}={url}" for name, url in agents.items())
        command = [sys.executable, "-m", "lockgate.demo.callers", "--extraction", extraction]
        self._process = subprocess.Popen(
            leashed([*command, "--agents", pairs, "--rate", str(rate)]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._tally = Tally()
        self._reader = threading.Thread(target=self._read, name="traffic", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def tally(self) -> Tally:
        """Give the newest tally: at most a quarter of a second old.

        Raises:
            StoryError: the process has ended.
        """
        if self._process.poll() is not None and not self._stopped():
            raise StoryError(f"the callers ended with code {self._process.returncode}")
        return self._tally

    def set_rate(self, rate: float) -> None:
        if self._process.stdin and not self._stopped():
            self._process.stdin.write(f"rate {rate}\n")
            self._process.stdin.flush()

    def stop(self) -> Tally:
        """Let requests in flight end, and give the last tally."""
        if not self._stopped():
            if self._process.stdin:
                with suppress(BrokenPipeError):
                    self._process.stdin.close()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._reader.join(STOP_SECONDS)
            if self._process.stdout:
                self._process.stdout.close()
        return self._tally

    def wait_all_answer(self, version: int, *, seconds: float) -> float:
        """Wait until every agent answers with a version; give the time of the last first answer."""
        until = time.monotonic() + seconds
        while (since := self.tally().all_answer(str(version))) is None:
            if time.monotonic() > until:
                answering = {name: each.version for name, each in self._tally.agents.items()}
                raise StoryError(f"after {seconds:g} s not all answer with {version}: {answering}")
            time.sleep(0.1)
        # A late answer of the version before may still be on its way to us.
        time.sleep(0.5)
        return self.tally().all_answer(str(version)) or since

    def _stopped(self) -> bool:
        return self._process.stdin is None or self._process.stdin.closed

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._tally = Tally.read(json.loads(line))
