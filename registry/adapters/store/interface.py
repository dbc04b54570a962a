"""What every store promises, and the two halves of it that are the same everywhere.

- Nothing is kept before its bytes were hashed here and found to be what they
  were said to be. An upload that is not committed leaves nothing behind.
- What is there is never overwritten: committing the same digest again, also
  from several processes at once, finds it there.
- Reading hashes again. The last piece is only handed out once the whole is
  known to be right, so damaged bytes never look complete.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

from governance.errors import Invalid, Unavailable

CHUNK = 256 * 1024


class Source(Protocol):
    """What bytes are read from: a file, or the body of a response."""

    def read(self, size: int, /) -> bytes: ...
    def close(self) -> None: ...


class Upload(ABC):
    """Bytes on their way in, spooled to disk and hashed. A context manager.

    Leaving the context discards whatever was not committed.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._discard()

    @property
    def sha256(self) -> str:
        """The digest of what was written so far."""
        return self._hash.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Add bytes.

        Raises:
            Unavailable: the disk they are spooled to is full or broken.
        """
        self._hash.update(chunk)
        self.size += len(chunk)
        self._spool(chunk)

    def commit(self, *, sha256: str, size: int | None = None) -> bool:
        """Keep the bytes under their digest; tell whether they are new.

        Raises:
            Invalid: ``digest_mismatch``, the bytes are others than said.
            Unavailable: the store is down, full, or holds something else there.
        """
        if self.sha256 != sha256 or size not in {None, self.size}:
            message = f"These {self.size} bytes have the SHA-256 {self.sha256}, not what was said."
            raise Invalid(message, code="digest_mismatch")
        return self._keep(sha256)

    @abstractmethod
    def _spool(self, chunk: bytes) -> None: ...

    @abstractmethod
    def _keep(self, sha256: str) -> bool: ...

    @abstractmethod
    def _discard(self) -> None: ...


class Reader:
    """The bytes of one digest in pieces, hashed on the way. Iterate once, then close."""

    def __init__(self, source: Source, *, sha256: str, size: int) -> None:
        self._source = source
        self._sha256 = sha256
        self.size = size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        """Yield the pieces; the last one only after the digest of all of them is right.

        Raises:
            Unavailable: ``blob_damaged``, what lies there is not what was put there.
        """
        digest, held = hashlib.sha256(), b""
        while chunk := self._source.read(CHUNK):
            digest.update(chunk)
            if held:
                yield held
            held = chunk
        if digest.hexdigest() != self._sha256:
            raise damaged(self._sha256)
        if held:
            yield held

    def close(self) -> None:
        """Give back the file or connection. Can be repeated."""
        self._source.close()


class Store(Protocol):
    """Bytes by SHA-256. Safe in threads. Digests are 64 lower-case hexadecimal digits."""

    def prepare(self) -> None:
        """Make the folder or bucket if it is not there. Can be repeated."""

    def open_write(self) -> Upload:
        """Begin an upload whose digest is not known yet."""

    def open_read(self, sha256: str) -> Reader:
        """Open bytes for reading.

        Raises:
            NotFound: there are none with this digest.
            Unavailable: the store is down.
        """

    def size(self, sha256: str) -> int | None:
        """Tell how many bytes lie under a digest, ``None`` for nothing there."""

    def exists(self, sha256: str) -> bool:
        """Tell whether bytes lie under a digest."""


def damaged(sha256: str) -> Unavailable:
    """Say that what lies under a digest is something else. A case for an operator."""
    return Unavailable(f"The stored bytes of {sha256} are damaged.", code="blob_damaged")
