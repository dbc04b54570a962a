"""Sends finished prediction logs to the control plane, oldest first.

The same bytes may be sent twice (a response that was lost): the control plane
knows a file by its hash.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from serving_agent import backoff
from serving_agent.errors import PermanentFailure, TemporaryFailure, Unauthorized
from serving_agent.ports import Uploads
from serving_agent.seldom import Seldom
from serving_agent.spool import Spool

logger = logging.getLogger(__name__)

_LONGEST_RETRY_AFTER: Final = 300.0


def _waits() -> Iterator[float]:
    return backoff.delays(base=0.5, cap=60.0)


class Uploader:
    """One thread for one spool. A failure costs time, never a file that could still be taken."""

    def __init__(
        self,
        spool: Spool,
        uploads: Uploads,
        *,
        waits: Callable[[], Iterator[float]] = _waits,
    ) -> None:
        self._spool = spool
        self._uploads = uploads
        self._make_waits = waits
        self._waits = waits()
        self._closing = threading.Event()
        self._deadline = 0.0
        self._uploaded = 0
        self._failures = 0
        self._worth_a_line = Seldom()
        self._thread = threading.Thread(
            target=self._run, name=f"uploader-{spool.kind}", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def counters(self) -> dict[str, int]:
        return {"files_uploaded": self._uploaded, "upload_failures": self._failures}

    def close(self, *, timeout: float) -> None:
        """Send what is ready, once, for at most ``timeout`` seconds. The rest stays on disk."""
        self._deadline = time.monotonic() + timeout
        self._closing.set()
        self._spool.changed.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            self._spool.changed.wait()
            self._spool.changed.clear()
            while path := self._spool.oldest():
                delay = self._send(path)
                if self._stops(failed=delay is not None):
                    return
                if delay is not None:
                    self._closing.wait(delay)
            if self._closing.is_set():
                return

    def _stops(self, *, failed: bool) -> bool:
        closing = self._closing.is_set()
        return closing and (failed or time.monotonic() >= self._deadline)

    def _send(self, path: Path) -> float | None:
        """Try one file. Return how long to wait for the next, or None when it is dealt with."""
        try:
            self._uploads.upload_predictions(self._spool.kind, path)
            self._spool.remove(path)
        except (TemporaryFailure, Unauthorized) as exc:
            # A token is renewed, or the agent enrolled again: the file is still good.
            return self._later(path, exc, at_least=getattr(exc, "retry_after", None))
        except PermanentFailure as exc:
            logger.warning("the control plane will not take %s: %s", path.name, exc)
            return self._set_aside(path)
        except FileNotFoundError as exc:
            if path.exists():
                return self._later(path, exc)
            self._spool.remove(path)  # dropped meanwhile, to stay within the bounds
        except Exception as exc:
            logger.debug("uploading %s failed", path.name, exc_info=True)
            return self._later(path, exc)
        else:
            self._uploaded += 1
            self._waits = self._make_waits()
        return None

    def _set_aside(self, path: Path) -> float | None:
        try:
            self._spool.refuse(path)
        except OSError as exc:
            return self._later(path, exc)
        return None

    def _later(self, path: Path, exc: Exception, *, at_least: float | None = None) -> float:
        self._failures += 1
        delay = max(next(self._waits), min(at_least or 0.0, _LONGEST_RETRY_AFTER))
        if self._worth_a_line.due():
            logger.warning("%s waits, as do later ones: %r", path.name, exc)
        return delay
