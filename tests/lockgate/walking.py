"""What the tests of ``promote``, ``approve`` and ``status`` stand on."""

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections

from governance.actors import Actor
from lockgate.client import Client
from promotion.services import environments
from tests.promotion.conftest import World

PASSWORD = "correct horse battery"
SET_UP = Actor.from_task("tests.set_up")
QA = {"kind": "qa", "position": 1, "policy": {"approvals": 0, "bake_seconds": 0.0}}
PROD = {
    "kind": "production",
    "position": 2,
    "targets": {"live": {}, "dark": {}},
    "policy": {"approvals": 1, "bake_seconds": 0.0, "through": ["qa"]},
}


def made() -> World:
    """``qa`` and ``prod-eu`` with an agent each, and one version that is trained."""
    environments.apply(slug="qa", document=QA, actor=SET_UP)
    environments.apply(slug="prod-eu", document=PROD, actor=SET_UP)
    world = World()
    world.agent("qa-1", "qa")
    world.agent("eu-1")
    world.version(authors=("mia",))
    return world


@contextmanager
def beside(step: Callable[[], object]) -> Iterator[None]:
    """Do something again and again in a thread of its own, as other processes would."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.03):
            step()
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def obeying(world: World) -> Callable[[], None]:
    """Let every agent do what it is told, once."""

    def obey() -> None:
        for rig in world.rigs:
            rig.obey()

    return obey


def signing(client: Client, decision: str = "approve") -> Callable[[], None]:
    """Sign whatever is open, once."""

    def sign() -> None:
        for request in client.promotions(state="open"):
            client.approve(
                request["id"],
                content_hash=request["content_hash"],
                password=PASSWORD,
                decision=decision,
                comment="seen",
            )

    return sign


def _hear_interrupts() -> None:
    """Let children hear Ctrl-C, also where the tests run in the background of a shell."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Terminal:
    """``lockgate`` on a terminal of its own."""

    def __init__(self, *arguments: str, environ: dict[str, str]) -> None:
        _hear_interrupts()
        ours, theirs = pty.openpty()
        self._ours = ours
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lockgate", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "120", **environ},
            start_new_session=True,
        )
        os.close(theirs)
        self.written = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while chunk := os.read(self._ours, 4096):
                self.written += chunk.decode(errors="replace")
        except OSError:  # The other end is closed.
            return

    def until(self, text: str, *, seconds: float = 20.0) -> None:
        began = time.monotonic()
        while text not in self.written:
            assert time.monotonic() - began < seconds, self.written
            time.sleep(0.02)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def end(self) -> int:
        code = self.process.wait(20)
        self._reader.join(5)
        os.close(self._ours)
        return code


def only(items: Any) -> Any:
    (found,) = items
    return found
