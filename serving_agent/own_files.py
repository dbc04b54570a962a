"""Hashes what the agent keeps on its disk, again and again, and tells what was changed there.

What is in memory was checked when it was loaded, and serves on. A file that somebody
changes meanwhile would be found at the next load, which may be the restart that nobody
wants to fail: so it is looked for before. Hashing is paced, and takes no call's time.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from serving_agent.state import State

CHUNK = 1024 * 1024
PACE = 100 * CHUNK
"""Bytes a second at most: a version of 150 MB takes a second and a half of every pass."""
MOST = 20
"""Files that are named in a report."""
AGAIN = 0.5
"""Seconds until a second look at a file that this process itself may be writing."""
logger = logging.getLogger(__name__)


class OwnFiles:
    """Keeps ``changed``, of the last pass over everything."""

    def __init__(
        self,
        home: Path,
        *,
        state: State,
        tell: Callable[[], None],
        seconds: float,
    ) -> None:
        self._blobs, self._state = home / "blobs", state
        self._tell, self._seconds = tell, seconds
        self._stopping = threading.Event()
        self.changed: list[str] = []

    def run(self) -> None:
        """Go round until told to stop."""
        while not self._stopping.wait(self._seconds):
            try:
                self.look()
            except OSError as exc:
                logger.warning("the agent's own files cannot be looked at: %s", exc)

    def stop(self) -> None:
        self._stopping.set()

    def look(self) -> list[str]:
        """Look at every file once; return those that are not as they were left."""
        found = [*self._of_state(), *self._of_blobs()][:MOST]
        news = found != self.changed
        for name in sorted(set(found) - set(self.changed)):
            logger.error("%s was changed on disk", name)
        self.changed = found
        if news:
            self._tell()
        return found

    def _of_state(self) -> list[str]:
        """Look twice: a document that has just come is written before it is remembered."""
        first = set(self._state.changed())
        if first:
            self._stopping.wait(AGAIN)
        return [f"state/{name}" for name in self._state.changed() if name in first]

    def _of_blobs(self) -> Iterator[str]:
        for path in sorted(self._blobs.iterdir()):
            if self._stopping.is_set():
                return
            if path.is_file() and self._hash(path) not in {path.name, ""}:
                yield f"blobs/{path.name[:12]}"

    def _hash(self, path: Path) -> str:
        """Hash a file slowly; nothing for one that went meanwhile, a word if it cannot be read."""
        digest = hashlib.sha256()
        try:
            with path.open("rb") as source:
                while chunk := source.read(CHUNK):
                    digest.update(chunk)
                    time.sleep(len(chunk) / PACE)
        except FileNotFoundError:
            return ""
        except OSError:
            return "unreadable"
        return digest.hexdigest()
