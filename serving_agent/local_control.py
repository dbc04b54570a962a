"""The agent's local control socket: for whoever is on the host when the control plane is not.

``<home>/control.sock`` has mode 0600, so its owner and root may speak, and nobody over a
network. One line of JSON each way. It has threads of its own: neither a load nor a wedged
event loop keeps it from answering.
"""

import contextlib
import logging
import os
import pwd
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec

logger = logging.getLogger(__name__)

NAME = "control.sock"
LINE_BYTES = 8192
LINE_SECONDS = 5.0


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    action: Literal["rollback", "resume", "status"]
    model: Annotated[str, msgspec.Meta(max_length=200)] = ""
    version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""


class Said(msgspec.Struct, frozen=True):
    done: bool
    text: str


Answer = Callable[[Asked, str], Said]
"""From what is asked, and who asks it, to what is said."""


class LocalControl:
    def __init__(self, home: Path, answer: Answer) -> None:
        self._home, self._answer = home, answer
        self._server: _Server | None = None

    def start(self) -> None:
        """Listen. The folder is this agent's alone, so a socket found there is of a dead one.

        Raises:
            OSError: no socket can be made.
        """
        (self._home / NAME).unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            with _short(self._home) as path:
                self._server = _Server(path, _handler(self._answer))
        finally:
            os.umask(before)
        threading.Thread(
            target=self._server.serve_forever, name="local-control", daemon=True
        ).start()

    def stop(self) -> None:
        if self._server is not None:
            (self._home / NAME).unlink(missing_ok=True)
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def call(home: Path, asked: Asked, *, seconds: float) -> Said:
    """Ask the agent that runs in ``home``.

    Raises:
        OSError: none runs there, or not for this user, or it does not answer in time.
    """
    with _short(home) as path, socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        connection.connect(path)
        connection.sendall(msgspec.json.encode(asked) + b"\n")
        with connection.makefile("rb") as incoming:
            line = incoming.readline()
    try:
        return msgspec.json.decode(line, type=Said)
    except msgspec.MsgspecError as exc:
        raise OSError("the agent ended before it answered") from exc


@contextlib.contextmanager
def _short(home: Path) -> Iterator[str]:
    """Name the socket in few characters: the system takes about a hundred, and folders lie deep."""
    open_files = Path("/proc/self/fd")
    if not open_files.is_dir():
        yield str(home / NAME)
        return
    handle = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield str(open_files / str(handle) / NAME)
    finally:
        os.close(handle)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False


def _handler(answer: Answer) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        timeout = LINE_SECONDS

        def handle(self) -> None:
            with contextlib.suppress(OSError):  # Whoever asked has gone.
                said = _said(self.rfile.readline(LINE_BYTES), self.connection, answer)
                self.wfile.write(msgspec.json.encode(said) + b"\n")

    return Handler


def _said(line: bytes, connection: socket.socket, answer: Answer) -> Said:
    try:
        asked = msgspec.json.decode(line, type=Asked)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        return Said(done=False, text=f"not understood: {exc}"[:500])
    try:
        return answer(asked, _peer(connection))
    except Exception as exc:
        logger.exception("local control failed unforeseen")
        return Said(done=False, text=f"it failed in a way nobody foresaw: {exc!r}"[:500])


def _peer(connection: socket.socket) -> str:
    """Say who asks, as the system knows it and not as the caller says."""
    uid = os.getuid()
    if hasattr(socket, "SO_PEERCRED"):
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, uid, _ = struct.unpack("3i", raw)
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
