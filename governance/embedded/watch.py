"""Looks after the embedded servers while a system is up."""

import time
from collections.abc import Mapping, MutableMapping

from governance.embedded import output, provide, servers
from governance.embedded.child import delay
from governance.embedded.errors import EmbeddedError
from governance.embedded.home import Home
from governance.embedded.stream import Stream

LOOK_SECONDS = 1.0
LOGS_SECONDS = 60.0


class Watch:
    """Starts again the servers that went, also those another process had started."""

    def __init__(self, home: Home, given: Mapping[str, str], stream: Stream) -> None:
        self._home = home
        self._stream = stream
        self._servers = {name: each for name, each in provide.SERVERS.items() if name not in given}
        self._look_at = 0.0
        self._logs_at = 0.0
        self._failures = 0

    def look(self, environ: MutableMapping[str, str]) -> bool:
        """Look once a second. True: an address has changed, and ``environ`` with it."""
        now = time.monotonic()
        if now < self._look_at:
            return False
        self._look_at = now + LOOK_SECONDS
        if now > self._logs_at:
            self._logs_at = now + LOGS_SECONDS
            for server in self._servers.values():
                output.bound(self._home.log(server.name))
        changed = [self._revive(variable, environ) for variable in self._servers]
        return any(changed)

    def _revive(self, variable: str, environ: MutableMapping[str, str]) -> bool:
        server = self._servers[variable]
        record = servers.read_record(self._home, server)
        if record is not None and record.stays():
            return False
        self._stream.say(server.name, "is gone; starts again")
        try:
            urls = servers.ensure(self._home, server, thread_stays=True)
        except (EmbeddedError, OSError) as error:
            self._failures += 1
            wait = delay(self._failures)
            self._look_at = time.monotonic() + wait
            self._stream.say(server.name, f"{error}; starts again in {wait:g} s")
            return False
        self._failures = 0
        changed = environ[variable] != urls["url"]
        environ[variable] = urls["url"]
        return changed
