"""Two embedded Valkeys: Celery's broker, and the mirror stream.

Apart, each with its own password, because agents read and write the mirror and must
never hold the broker's credentials. Append-only files: what was queued outlives a crash.
"""

import json
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from governance.embedded import binaries, keys, ports, processes
from governance.embedded.errors import EmbeddedError
from governance.embedded.home import Home, write_private
from governance.embedded.output import appended, wait_ready
from governance.embedded.processes import Leash
from governance.embedded.servers import Started

ATTEMPTS = 5
"""Ports to try: another program may take the free one between our look and the start."""

CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {folder}
appendonly yes
appendfsync everysec
save ""
maxmemory {memory}
maxmemory-policy noeviction
"""


@dataclass(frozen=True, slots=True)
class Valkey:
    """One of the two. ``memory`` bounds it: a full one refuses writes and keeps what it has."""

    name: str
    memory: str
    stop_signal = signal.SIGTERM

    def answers(self, urls: Mapping[str, str]) -> bool:
        return ping(urls["url"])

    def start(self, home: Home, *, thread_stays: bool) -> Started:
        folder = home.folder(self.name)
        password = keys.keep(home, f"{self.name}-password", keys.password).read_text()
        for _ in range(ATTEMPTS):
            port = ports.choose(folder / "port")
            started = self._start_on(port, home=home, password=password, thread_stays=thread_stays)
            if started:
                return started
        raise EmbeddedError(f"{self.name}: no free port on 127.0.0.1 in {ATTEMPTS} attempts.")

    def _start_on(
        self, port: int, *, home: Home, password: str, thread_stays: bool
    ) -> Started | None:
        """Start it on that port; None when another program has taken the port meanwhile."""
        folder = home.folder(self.name)
        settings = folder / "valkey.conf"
        text = CONFIGURATION.format(
            port=port, password=password, folder=json.dumps(str(folder)), memory=self.memory
        )
        write_private(settings, text.encode())
        url = f"redis://:{password}@127.0.0.1:{port}/0"
        with appended(home.log(self.name)) as output:
            child = processes.start(
                [binaries.valkey(), str(settings)],
                leash=Leash(thread_stays=thread_stays, directory=folder),
                output=output.file,
            )
            try:
                wait_ready(child, name=self.name, ready=lambda: ping(url), output=output)
            except EmbeddedError:
                if "Address already in use" in output.words():
                    return None
                raise
        ports.remember(folder / "port", port)
        return Started(child, {"url": url})


BROKER = Valkey("broker", "128mb")
MIRROR = Valkey("mirror", "256mb")


def ping(url: str) -> bool:
    """Say whether a Valkey takes commands with this URL's password."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=2) as link:
            link.sendall(f"AUTH {unquote(parts.password or '')}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2:
                more = link.recv(256)
                if not more:
                    return False
                answer += more
    except OSError:
        return False
    return answer == b"+OK\r\n+PONG\r\n"
