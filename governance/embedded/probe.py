"""Asks programs over HTTP whether they take work, apart from the loop that watches them."""

import http.client
import threading
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

LOOK_SECONDS = 0.25
ANSWER_SECONDS = 2.0


class Probe:
    """A thread that asks each address until it answers 200. It starts no process."""

    def __init__(self) -> None:
        self._asked: dict[str, str] = {}
        self._ready: set[str] = set()
        self._stop = threading.Event()
        self._opener = build_opener(ProxyHandler({}))  # loopback needs no proxy
        self._thread = threading.Thread(target=self._run, name="probe", daemon=True)
        self._thread.start()

    def ask(self, name: str, address: str) -> None:
        """Begin anew with one program."""
        self._ready.discard(name)
        self._asked[name] = address

    def forget(self, name: str) -> None:
        self._asked.pop(name, None)
        self._ready.discard(name)

    def is_ready(self, name: str) -> bool:
        return name in self._ready

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            for name, address in list(self._asked.items()):
                if name in self._ready or not self._answers(address):
                    continue
                if self._asked.get(name) == address:  # It may have been forgotten meanwhile.
                    self._ready.add(name)

    def _answers(self, address: str) -> bool:
        try:
            with self._opener.open(address, timeout=ANSWER_SECONDS) as answer:
                return bool(answer.status == http.client.OK)
        except (URLError, OSError, http.client.HTTPException):
            return False
