"""Bytes in a folder: ``sha256/ab/cd/abcd...``, and what is on its way in ``incoming/``.

A file gets its name by a hard link after it was written and flushed, so a name
never stands for half a file, and an existing name is never replaced. Where the
file system knows no hard links the file is renamed instead.
"""

import errno
import fcntl
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from governance.errors import NotFound
from registry.adapters.store import disk
from registry.adapters.store.interface import Reader, Upload, damaged

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
_ABANDONED_AFTER = 60.0
"""Seconds before an unlocked file counts as left behind: between its creation and
its lock lie microseconds."""


class DirectoryStore:
    """A store in one folder. Several processes may use it at once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / "incoming"

    def prepare(self) -> None:
        with disk.errors_translated():
            self._incoming.mkdir(parents=True, exist_ok=True)

    def open_write(self) -> Upload:
        self.prepare()
        with disk.errors_translated():
            self._remove_abandoned()
            return _DirectoryUpload(self)

    def open_read(self, sha256: str) -> Reader:
        with disk.errors_translated():
            try:
                file = self.path(sha256).open("rb", buffering=0)
            except FileNotFoundError:
                message = f"There are no bytes with the digest {sha256}."
                raise NotFound(message, code="no_such_blob") from None
        return Reader(file, sha256=sha256, size=os.fstat(file.fileno()).st_size)

    def size(self, sha256: str) -> int | None:
        with disk.errors_translated():
            try:
                return self.path(sha256).stat().st_size
            except FileNotFoundError:
                return None

    def exists(self, sha256: str) -> bool:
        return self.size(sha256) is not None

    def path(self, sha256: str) -> Path:
        """Where the bytes of a digest lie. Two levels keep folders small."""
        return self._root / "sha256" / sha256[:2] / sha256[2:4] / sha256

    def _remove_abandoned(self) -> None:
        """Remove what killed processes left: their locks ended with them."""
        for entry in self._incoming.iterdir():
            with suppress(OSError):
                if time.time() - entry.stat().st_mtime < _ABANDONED_AFTER:
                    continue
                with entry.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    entry.unlink()


class _DirectoryUpload(Upload):
    def __init__(self, store: DirectoryStore) -> None:
        super().__init__()
        self._store = store
        descriptor, name = tempfile.mkstemp(dir=store._incoming)  # noqa: SLF001 - its other half
        self._name, self._file = Path(name), os.fdopen(descriptor, "wb")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def _spool(self, chunk: bytes) -> None:
        with disk.errors_translated():
            self._file.write(chunk)

    def _keep(self, sha256: str) -> bool:
        target = self._store.path(sha256)
        with disk.errors_translated():
            self._file.flush()
            os.fchmod(self._file.fileno(), 0o444)
            os.fsync(self._file.fileno())
            target.parent.mkdir(parents=True, exist_ok=True)
            new = _link(self._name, target)
            for folder in (target.parent, target.parent.parent, target.parent.parent.parent):
                _flush_folder(folder)
        if self._store.size(sha256) != self.size:
            raise damaged(sha256)
        return new

    def _discard(self) -> None:
        with suppress(OSError):  # Closing flushes, and the disk may be full.
            self._file.close()
        self._name.unlink(missing_ok=True)


def _link(source: Path, target: Path) -> bool:
    """Give ``source`` the name ``target`` unless it is taken; tell whether it was free."""
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if target.exists():
            return False
        source.rename(target)
    return True


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
