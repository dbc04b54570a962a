"""What was answered, one thin row each: the log every later comparison starts from."""

import logging
import threading
from typing import Final

from serving_agent.prediction_log import DecisionRow
from serving_agent.seldom import Seldom
from serving_agent.spool import Spool

logger = logging.getLogger(__name__)

MAX_ROWS: Final = 50_000
"""Held in memory at most: minutes at 300 a second, should the disk stand still."""

FILE_ROWS: Final = 5_000


class DecisionLog:
    """Rows go in from the event loop; one thread of its own writes them to the spool."""

    def __init__(
        self,
        spool: Spool,
        *,
        flush_seconds: float,
        max_rows: int = MAX_ROWS,
        file_rows: int = FILE_ROWS,
    ) -> None:
        self._spool = spool
        self._flush_seconds = flush_seconds
        self._max_rows = max_rows
        self._file_rows = file_rows
        self._lock = threading.Lock()
        self._rows: list[DecisionRow] = []
        self._writing: list[DecisionRow] = []
        self._dropped = 0
        self._worth_a_line = Seldom()
        self._enough = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="decision-log", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def append(self, row: DecisionRow) -> bool:
        """Keep one row in memory, or drop and count it when there is no room. Never blocks."""
        with self._lock:
            held = len(self._rows)
            if held + len(self._writing) >= self._max_rows:
                self._dropped += 1
                return False
            self._rows.append(row)
        if held + 1 >= self._file_rows and not self._enough.is_set():
            self._enough.set()
        return True

    def counters(self) -> dict[str, int]:
        with self._lock:
            return {
                "decisions_held": len(self._rows) + len(self._writing),
                "decisions_dropped": self._dropped,
            }

    def close(self, *, timeout: float) -> None:
        """Write what is held. Rows that come later are dropped and counted."""
        self._closing.set()
        self._enough.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        with self._lock:
            # A disk that still does not answer: say what is lost with this process.
            self._dropped += len(self._rows) + len(self._writing)
            self._max_rows = 0

    def _run(self) -> None:
        while True:
            self._enough.wait(self._flush_seconds)
            self._enough.clear()
            written = self._flush()
            if self._closing.is_set():
                return
            if not written:
                self._closing.wait(self._flush_seconds)

    def _flush(self) -> bool:
        """Write what is held now, and say whether the disk took it.

        What comes meanwhile waits for the next round, or every few rows would be a file.
        """
        with self._lock:
            due = len(self._writing) + len(self._rows)
        while due > 0:
            with self._lock:
                if not self._writing:
                    self._writing = self._rows[: self._file_rows]
                    del self._rows[: self._file_rows]
            try:
                self._spool.write(self._writing)
            except Exception:
                if self._worth_a_line.due():
                    logger.exception("%d decision rows are not on disk", len(self._writing))
                return False
            with self._lock:
                due -= len(self._writing)
                self._writing = []
        return True
