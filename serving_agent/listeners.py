"""The two listening sockets, and the servers behind them.

A port is kept across restarts where it is still free: load balancers and the
control plane remember it.
"""

import asyncio
import contextlib
import logging
import resource
import socket
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from serving_agent.connections import Config
from serving_agent.files import read_or_none, write_atomic

logger = logging.getLogger(__name__)

BACKLOG = 1024
FILES = 65_536


class Address(msgspec.Struct, frozen=True):
    """What ``address.json`` says: where this agent can be reached, until it ends."""

    inference_url: str
    control_url: str
    inference_port: int
    control_port: int
    pid: int = 0
    agent_id: str = ""


def last_address(home: Path) -> Address | None:
    raw = read_or_none(home / "address.json")
    try:
        return msgspec.json.decode(raw or b"", type=Address)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def save_address(home: Path, address: Address) -> None:
    write_atomic(home / "address.json", msgspec.json.encode(address), mode=0o644)


def listen(host: str, port: int, *, before: int | None) -> socket.socket:
    """Listen on ``port``; where that is 0, on the port of before, else on a free one.

    Raises:
        OSError: a port was asked for and is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if port == 0 and before:
        with contextlib.suppress(OSError):
            return _bound(family, host, before)
        logger.warning("port %d of the last run is taken, using a free one", before)
    return _bound(family, host, port)


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def url_of(listener: socket.socket, *, advertise: str) -> str:
    host, port = listener.getsockname()[:2]
    if advertise:
        host = advertise
    elif host in ("0.0.0.0", "::"):  # noqa: S104 - read here, not bound
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def raise_file_limit() -> None:
    """Allow as many connections as the host does: the usual soft limit is 1,024 files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@dataclass(frozen=True, slots=True)
class Limits:
    """What one listener takes from callers who have not asked for anything whole yet."""

    head_seconds: float
    body_seconds: float
    connections: int
    turned_away: Counter[str]


class Listener(uvicorn.Server):
    """uvicorn for one app, leaving signals to the agent."""

    def __init__(self, app: Any, *, drain_seconds: float, limits: Limits) -> None:
        self._bounded = Config(
            app,
            turned_away=limits.turned_away,
            head_seconds=limits.head_seconds,
            body_seconds=limits.body_seconds,
            connections=limits.connections,
            loop="none",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=max(1, round(drain_seconds)),
        )
        super().__init__(self._bounded)

    def backlog(self) -> int:
        """Count the requests that came whole and are not answered yet."""
        return self._bounded.waiting

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def serve(listeners: dict[Listener, socket.socket]) -> None:
    """Serve on all sockets until every listener was told to exit."""
    await asyncio.gather(*(one.serve(sockets=[at]) for one, at in listeners.items()))
