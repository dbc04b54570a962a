"""Every write to the bytes we keep."""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from governance import config, names
from governance.access import Permission, require
from governance.actors import Actor
from governance.errors import Invalid, TooLarge
from registry.adapters import store
from registry.adapters.store import Reader, Upload
from registry.models import Blob


class Received(NamedTuple):
    """The bytes as they are kept, and whether that is news."""

    blob: Blob
    is_new: bool


def receive(
    *, sha256: str, chunks: Iterable[bytes], actor: Actor, length: int | None = None
) -> Received:
    """Take bytes from outside, hash them on the way, and keep them if they are what was said.

    Bytes that are there already are hashed all the same: who sends others under
    their name is told so.

    Args:
        length: bytes, as far as the sender said it beforehand.

    Raises:
        Forbidden: the actor submits nothing anywhere.
        Invalid: ``bad_digest``, ``empty``, ``truncated`` or ``digest_mismatch``.
        TooLarge: over the limit for one blob.
        Unavailable: the store is down or full.
    """
    require(actor, Permission.SUBMIT)
    if not names.is_sha256(sha256):
        message = "Bytes are named sha256: and 64 lower-case hexadecimal digits."
        raise Invalid(message, code="bad_digest")
    _check_size(length)
    there = Blob.objects.filter(pk=sha256).first()
    if there is not None and store.default().exists(sha256):
        with _Hashed() as upload:
            _spool(upload, chunks, length=length)
            upload.commit(sha256=sha256)
        return Received(there, is_new=False)
    with store.default().open_write() as upload:
        _spool(upload, chunks, length=length)
        upload.commit(sha256=sha256)
        return _remember(sha256, size=upload.size, actor=actor)


def keep(data: bytes, *, actor: Actor) -> Blob:
    """Keep bytes we hold, such as a manifest or what an agent logged.

    Raises:
        Unavailable: the store is down or full.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    with store.default().open_write() as upload:
        upload.write(data)
        upload.commit(sha256=sha256)
    return _remember(sha256, size=len(data), actor=actor).blob


def open_blob(sha256: str) -> Reader:
    """Open bytes: iterate it for the pieces, then close it. Who may is for the caller to know.

    Raises:
        NotFound: there are none.
        Unavailable: the store is down.
    """
    return store.default().open_read(sha256)


class _Hashed(Upload):
    """An upload of what is there already: only its digest matters."""

    def _spool(self, chunk: bytes) -> None:
        pass

    def _keep(self, sha256: str) -> bool:  # noqa: ARG002 - kept already
        return False

    def _discard(self) -> None:
        pass


def _spool(upload: Upload, chunks: Iterable[bytes], *, length: int | None) -> None:
    for chunk in chunks:
        upload.write(chunk)
        _check_size(upload.size)
    if length is not None and upload.size < length:
        message = f"The upload ended after {upload.size} of {length} bytes."
        raise Invalid(message, code="truncated")
    _check_size(upload.size)


def _check_size(size: int | None) -> None:
    limit = config.load().upload_limit
    if size == 0:
        message = "There is nothing in it."
        raise Invalid(message, code="empty")
    if size is not None and size > limit:
        message = f"Bytes of one name are at most {limit}."
        raise TooLarge(message, limit=limit)


def _remember(sha256: str, *, size: int, actor: Actor) -> Received:
    blob, is_new = Blob.objects.get_or_create(
        sha256=sha256, defaults={"size": size, "created_by": actor.label[:100]}
    )
    return Received(blob, is_new)
