"""Ports on loopback: the one of last time if it is free, else a usual one, else any."""

import atexit
import socket
import sys
from pathlib import Path

from governance.embedded.errors import EmbeddedError
from governance.embedded.home import write_private

LOOPBACK = "127.0.0.1"
_claims: dict[int, socket.socket] = {}


def choose(remembered: Path, *, usual: int = 0) -> int:
    """Give a free port, and remember nothing yet: call ``remember`` once it is used."""
    for port in (_last(remembered), usual, 0):
        if port is not None and is_free(port) and claim(port):
            return port or _any()
    raise EmbeddedError(f"no free port on {LOOPBACK}.")


def remember(file: Path, port: int) -> None:
    """Keep a port for the next start: others may have written its URL down."""
    if _last(file) != port:
        write_private(file, str(port).encode())


def is_free(port: int) -> bool:
    """Say whether a server could listen there; 0 stands for any port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def claim(port: int) -> bool:
    """Keep other systems that start now from the port a server of ours will listen on.

    Between looking and listening pass seconds, in which a second system would find the port
    free as well. The claim is a name in the kernel: no file, and gone with this process.
    """
    if port == 0 or port in _claims or sys.platform != "linux":
        return True
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0lockgate-port-{port}")
    except OSError:
        name.close()
        return False
    _claims[port] = name
    atexit.register(name.close)
    return True


def _any() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _last(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (FileNotFoundError, ValueError):
        return None
