"""Checkpoints in a folder: ``<epoch>/<size / 10,000>/<size>.note``.

A file is written beside its place, flushed, and linked to its name, which is never
replaced: half a checkpoint is never found, and an old one never becomes another.
"""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from governance.audit.sinks.interface import Taken
from governance.errors import Unavailable

FOLDER = 10_000
"""Sizes that share a folder: listing stays quick after years."""
LONGEST = 64 * 1024
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class DirectorySink:
    """A sink in one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def name(self) -> str:
        return self._root.as_uri()

    def put(self, epoch: int, size: int, note: str) -> None:
        path = self._path(epoch, size)
        with _translated():
            self._look()
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                _compare(path, note)
                return
            _write(path, note.encode())
            for folder in (path.parent, path.parent.parent, self._root):
                _flush(folder)

    def sizes(self, epoch: int, *, after: int) -> Iterator[int]:
        top = self._root / f"{epoch:04d}"
        with _translated():
            self._look()
            folders = _numbers(top) if top.is_dir() else []
        for number in folders:
            if number >= after // FOLDER:
                with _translated():
                    found = _numbers(top / f"{number:011d}", suffix=".note")
                yield from (size for size in found if size > after)

    def read(self, epoch: int, size: int) -> str:
        with _translated(), self._path(epoch, size).open("rb") as file:
            return file.read(LONGEST).decode(errors="replace")

    def _look(self) -> None:
        """A folder that is not there is a disk that is not mounted, not an empty sink."""
        if not self._root.is_dir():
            raise FileNotFoundError(errno.ENOENT, "no such folder")

    def _path(self, epoch: int, size: int) -> Path:
        return self._root / f"{epoch:04d}" / f"{size // FOLDER:011d}" / f"{size:015d}.note"


def _write(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".new")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o444)
            os.fsync(file.fileno())
        try:
            os.link(name, path)
        except FileExistsError:
            _compare(path, content.decode())
    finally:
        with suppress(OSError):
            Path(name).unlink()


def _compare(path: Path, note: str) -> None:
    if path.read_bytes() != note.encode():
        raise Taken(f"{path} holds another checkpoint of this size")


def _numbers(folder: Path, *, suffix: str = "") -> list[int]:
    paths = (path.name for path in folder.iterdir() if path.name.endswith(suffix))
    names = (name.removesuffix(suffix) for name in paths)
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise Unavailable("The sink is full.", code="sink_full") from error
        message = f"The sink does not work: {error.strerror or error}."
        raise Unavailable(message, code="sink_unavailable") from error
