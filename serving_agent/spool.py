"""Finished prediction logs on this disk, until the control plane has them.

A file appears under its final name only when all of it is on disk, so whatever
lies here after a crash is whole and is uploaded at the next start. The folder
is bounded: when the control plane is away for long the oldest files go first,
and are counted.

A file may be *held*: it is on disk for good, and not uploaded before it is
released. The dark side holds a file until the broker knows that its copies are
dealt with; what is still held after a crash says which copies were.
"""

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from serving_agent import prediction_log
from serving_agent.ports import PredictionKind
from serving_agent.seldom import Seldom

logger = logging.getLogger(__name__)

MAX_FILES: Final = 20_000
MAX_REFUSED: Final = 50

_DONE: Final = ".parquet"
_HELD: Final = ".parquet.held"
_PART: Final = ".part"


class Spool:
    """The files of one kind, below ``<home>/spool/<kind>``. Safe from any thread."""

    def __init__(self, home: Path, kind: PredictionKind, *, limit_bytes: int) -> None:
        self.kind: Final = kind
        self.changed = threading.Event()
        """Set when a file became ready to upload."""
        self._folder = home / "spool" / kind
        self._refused = self._folder / "refused"
        self._limit = limit_bytes
        self._lock = threading.Lock()
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._bytes = 0
        self._latest = 0
        self._worth_a_line = Seldom()
        self._counts = {
            "files_written": 0,
            "rows_written": 0,
            "rows_unfit": 0,
            "files_dropped": 0,
            "rows_dropped": 0,
            "files_refused": 0,
        }

    def open(self) -> None:
        """Make the folders, remove half-written files, find what an earlier process left."""
        self._refused.mkdir(parents=True, exist_ok=True)
        for part in self._folder.glob(f"*{_PART}"):
            part.unlink(missing_ok=True)
        with self._lock:
            self._sizes.clear()
            found = sorted(self._folder.glob(f"*{_DONE}"), key=lambda path: path.name)
            self._sizes.update((path.name, path.stat().st_size) for path in found)
            self._bytes = sum(self._sizes.values())
            self._drop_oldest()
        if found:
            self.changed.set()

    def write(self, rows: Sequence[prediction_log.Row], *, held: bool = False) -> Path | None:
        """Put the rows on disk as one file; when this returns they survive a power cut.

        Returns None when none of the rows fits its columns.

        Raises:
            OSError: the disk is full or failing. Nothing was kept.
        """
        stamp = self._stamp()
        part = self._folder / f"{stamp}{_PART}"
        try:
            with part.open("wb") as file:
                written = prediction_log.write(self.kind, rows, file)
                file.flush()
                os.fsync(file.fileno())
            self._count("rows_unfit", len(rows) - written)
            if not written:
                part.unlink()
                return None
            path = self._folder / f"{stamp}-{written}{_HELD if held else _DONE}"
            part.rename(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        self._sync_folder()
        self._count("files_written", 1)
        self._count("rows_written", written)
        if not held:
            self._admit(path)
        return path

    def held(self) -> list[Path]:
        """Return the files that wait for their release, oldest first."""
        return sorted(self._folder.glob(f"*{_HELD}"))

    def release(self, path: Path) -> None:
        """Let a held file be uploaded."""
        done = path.with_name(path.name.removesuffix(_HELD) + _DONE)
        path.rename(done)
        self._sync_folder()
        self._admit(done)

    def oldest(self) -> Path | None:
        with self._lock:
            name = next(iter(self._sizes), None)
        return self._folder / name if name else None

    def remove(self, path: Path) -> None:
        """Forget a file that the control plane has."""
        path.unlink(missing_ok=True)
        with self._lock:
            self._bytes -= self._sizes.pop(path.name, 0)

    def refuse(self, path: Path) -> None:
        """Set a file aside that the control plane will never take. The last few are kept."""
        if path.exists():
            path.rename(self._refused / path.name)
            self._count("files_refused", 1)
        self.remove(path)
        for surplus in sorted(self._refused.glob(f"*{_DONE}"))[:-MAX_REFUSED]:
            surplus.unlink(missing_ok=True)

    def counters(self) -> dict[str, int]:
        with self._lock:
            return {
                **self._counts,
                "files_waiting": len(self._sizes),
                "bytes_waiting": self._bytes,
            }

    def _stamp(self) -> str:
        """Name files by time, later ones always greater, whatever the clock does."""
        with self._lock:
            self._latest = max(self._latest + 1, time.time_ns())
            return f"{self._latest:020d}"

    def _admit(self, path: Path) -> None:
        size = path.stat().st_size
        with self._lock:
            self._sizes[path.name] = size
            self._bytes += size
            self._drop_oldest()
        self.changed.set()

    def _drop_oldest(self) -> None:
        """Keep within the bounds. Called with the lock held."""
        while self._sizes and (self._bytes > self._limit or len(self._sizes) > MAX_FILES):
            name, size = self._sizes.popitem(last=False)
            self._bytes -= size
            (self._folder / name).unlink(missing_ok=True)
            self._counts["files_dropped"] += 1
            self._counts["rows_dropped"] += _rows(name)
            if self._worth_a_line.due("dropped"):
                logger.warning("the spool is full: dropped %s", name)

    def _count(self, counter: str, by: int) -> None:
        with self._lock:
            self._counts[counter] += by

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _rows(name: str) -> int:
    """Read the number of rows from a file's name; 0 for a name that is not ours."""
    _, _, rows = name.removesuffix(_DONE).rpartition("-")
    return int(rows) if rows.isdecimal() else 0
