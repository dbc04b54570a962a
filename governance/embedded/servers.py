"""Attach to a server that runs for a home, or start it. Never two for one home."""

import atexit
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from governance.embedded import processes
from governance.embedded.errors import EmbeddedError
from governance.embedded.home import Home
from governance.embedded.processes import Process

GOODBYE_SECONDS = 15.0
"""How long a server that is being shut down may take before we start another."""


class Server(Protocol):
    """One kind of embedded server."""

    @property
    def name(self) -> str: ...

    @property
    def stop_signal(self) -> signal.Signals: ...

    def answers(self, urls: Mapping[str, str]) -> bool:
        """Say whether the server at these URLs takes work now."""

    def start(self, home: Home, *, thread_stays: bool) -> "Started":
        """Start it and return once it takes work. The home's lock is held."""


@dataclass(frozen=True, slots=True)
class Started:
    """A server this process started: it stops it, too."""

    child: subprocess.Popen[bytes]
    urls: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Own:
    home: Home
    server: Server
    child: subprocess.Popen[bytes]
    starter: int


_own: list[_Own] = []


def ensure(home: Home, server: Server, *, thread_stays: bool = False) -> dict[str, str]:
    """Give the URLs of the running server of this home, starting it if there is none."""
    urls = attach(home, server)
    if urls is not None:
        return urls
    with home.lock():
        urls = _attach_or_see_off(home, server)
        if urls is not None:
            return urls
        started = server.start(home, thread_stays=thread_stays)
        _write_down(home, server, started)
    if not _own:
        atexit.register(stop_started)
    _own.append(_Own(home, server, started.child, os.getpid()))
    return dict(started.urls)


def _write_down(home: Home, server: Server, started: Started) -> None:
    process, starter = Process.of(started.child.pid), Process.of(os.getpid())
    record = {
        "pid": process.pid,
        "started": process.started,
        "starter": [starter.pid, starter.started],
        **started.urls,
    }
    try:
        home.write_record(server.name, record)
    except BaseException:
        processes.stop(started.child, seconds=GOODBYE_SECONDS, with_signal=server.stop_signal)
        raise


def attach(home: Home, server: Server) -> dict[str, str] | None:
    """Give the URLs of a server that runs and answers, or None."""
    found = read_record(home, server)
    if found is None or not found.stays() or not server.answers(found.urls):
        return None
    return found.urls


@dataclass(frozen=True, slots=True)
class Record:
    """What a starter wrote down about a server."""

    process: Process
    starter: Process
    urls: dict[str, str]

    def stays(self) -> bool:
        """Say whether it runs, and its starter too: a server whose starter is gone is ending."""
        return self.process.alive() and self.starter.alive()


def read_record(home: Home, server: Server) -> Record | None:
    """Read what is written down about a server, or None."""
    match home.record(server.name):
        case {
            "pid": int(pid),
            "started": str(started),
            "starter": [int(starter), str(since)],
            **urls,
        }:
            texts = {str(key): str(value) for key, value in urls.items()}
            return Record(Process(pid, started), Process(starter, since), texts)
    return None


def _attach_or_see_off(home: Home, server: Server) -> dict[str, str] | None:
    """Wait until the server on record either answers or is gone: it may be just ending."""
    found = read_record(home, server)
    until = time.monotonic() + GOODBYE_SECONDS
    while found is not None and found.process.alive():
        urls = attach(home, server)
        if urls is not None:
            return urls
        if time.monotonic() > until:
            who = f"{server.name} of {home.path} (process {found.process.pid})"
            raise EmbeddedError(f"{who} does not answer; end it and try again.")
        time.sleep(0.05)
    return None


def stop_started(home: Home | None = None) -> None:
    """Stop what this process started, last first; what it merely attached to goes on.

    Records stay: by now they may be of servers that another process has started.
    """
    for own in reversed(_own):
        if own.starter != os.getpid() or home not in (None, own.home):
            continue
        if own.child.poll() is None:
            processes.stop(own.child, seconds=GOODBYE_SECONDS, with_signal=own.server.stop_signal)
    _own[:] = [own for own in _own if own.starter == os.getpid() and home not in (None, own.home)]
