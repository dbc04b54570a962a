"""Bringing a version's files to this disk: the manifest first, for it names the rest."""

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from serving_agent.control_plane import BlobStream
from serving_agent.errors import (
    Abandoned,
    ChangedOnDisk,
    PermanentFailure,
    Reason,
    TemporaryFailure,
    VersionFailure,
)
from serving_agent.manifests import MANIFEST_BYTES, Manifest
from serving_agent.plan import Wanted
from serving_agent.store import Store


class BlobSource(Protocol):
    def blob(
        self, digest: str, *, offset: int, seconds: float
    ) -> AbstractContextManager[BlobStream]: ...


def fetch_version(
    wanted: Wanted,
    *,
    store: Store,
    source: BlobSource,
    seconds: float,
    still_wanted: Callable[[], bool],
) -> None:
    """Fetch what is missing of a version. ``seconds`` is the deadline of each file.

    Raises:
        VersionFailure: with the reason.
        Abandoned: a newer document does not want it.
    """
    fetch = _Fetch(store, source, seconds=seconds, still_wanted=still_wanted)
    manifest = _manifest(wanted, store=store, fetch=fetch)
    for entry in manifest.files:
        if not store.has(entry.sha256, entry.size):
            fetch.one(entry.sha256, size=entry.size)


def _manifest(wanted: Wanted, *, store: Store, fetch: "_Fetch") -> Manifest:
    with contextlib.suppress(ChangedOnDisk):
        if store.has(wanted.digest):
            return store.manifest(wanted.digest, model=wanted.model)
    fetch.one(wanted.digest, size=None)
    return store.manifest(wanted.digest, model=wanted.model)


class _Fetch:
    def __init__(
        self,
        store: Store,
        source: BlobSource,
        *,
        seconds: float,
        still_wanted: Callable[[], bool],
    ) -> None:
        self._store = store
        self._source = source
        self._seconds = seconds
        self._still_wanted = still_wanted

    def one(self, sha256: str, *, size: int | None) -> None:
        limit = MANIFEST_BYTES if size is None else size
        self._store.check_space(limit)
        offset = self._store.partial(sha256)
        try:
            with self._source.blob(sha256, offset=offset, seconds=self._seconds) as stream:
                chunks = self._watched(stream.chunks)
                self._store.add(sha256, chunks, limit=limit, offset=stream.offset)
        except (TemporaryFailure, PermanentFailure) as exc:
            raise VersionFailure(Reason.FETCH_FAILED, str(exc)) from exc
        if not self._store.has(sha256, size):
            raise VersionFailure(Reason.INVALID, f"{sha256[:12]} has not the size that was named")

    def _watched(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        looked_at = time.monotonic()
        for chunk in chunks:
            if time.monotonic() - looked_at > 0.2:
                looked_at = time.monotonic()
                if not self._still_wanted():
                    raise Abandoned("no longer wanted")
            yield chunk
