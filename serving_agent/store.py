"""Model files on disk, by the SHA-256 of their bytes.

    <home>/blobs/<sha256>       a manifest or a file it names, never changed
    <home>/incoming/<sha256>    what is being fetched
    <home>/versions/<digest>/   links, for models whose weights lie in further files

A name in ``blobs`` is a promise about the bytes, made when they arrived. It
is checked again before every load, because disks and people change files.
"""

import hashlib
import logging
import os
import shutil
import stat
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from serving_agent.errors import ChangedOnDisk, Reason, VersionFailure
from serving_agent.files import FULL, sync_folder
from serving_agent.manifests import (
    GOLDEN_BYTES,
    MANIFEST_BYTES,
    FileEntry,
    GoldenSet,
    Manifest,
    parse_golden,
    parse_manifest,
)

logger = logging.getLogger(__name__)

CHUNK = 1024 * 1024


def hash_file(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _check_bytes(path: Path, sha256: str) -> None:
    if hash_file(path) != sha256:
        detail = f"{sha256[:12]}: the bytes that came are not the ones that were named"
        raise VersionFailure(Reason.DIGEST_MISMATCH, detail)


def _remove(path: Path) -> bool:
    """Remove a file; a folder that somebody else made there, such as lost+found, stays."""
    if path.is_dir() and not path.is_symlink():
        return False
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        logger.warning("%s cannot be removed: %s", path.name, exc.strerror)
        return False
    return True


class Store:
    """The blobs of one agent. Only the working thread changes it; reports read it."""

    def __init__(self, home: Path, *, reserve_bytes: int, file_bytes: int) -> None:
        self.blobs = home / "blobs"
        self.incoming = home / "incoming"
        self.versions = home / "versions"
        self._reserve = reserve_bytes
        self._limit = file_bytes
        self._manifests: dict[str, Manifest] = {}
        self._lock = threading.Lock()

    def open(self) -> None:
        """Make the folders, forget half-fetched files, and find the versions that are here."""
        for folder in (self.blobs, self.incoming, self.versions):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for leftover in self.incoming.iterdir():
            _remove(leftover)
        for blob in self.blobs.iterdir():
            self._recognise(blob)

    def _recognise(self, blob: Path) -> None:
        try:
            if not blob.is_file() or blob.stat().st_size > MANIFEST_BYTES:
                return
            raw = blob.read_bytes()
        except OSError as exc:
            # One file that the disk has lost must not keep the others from being served.
            logger.warning("%s cannot be read: %s", blob.name, exc.strerror)
            return
        if hashlib.sha256(raw).hexdigest() != blob.name:
            return
        try:
            self._remember(blob.name, parse_manifest(raw))
        except VersionFailure:  # a small file of another kind
            return

    def _remember(self, digest: str, manifest: Manifest) -> None:
        with self._lock:
            self._manifests[digest] = manifest

    def on_disk(self) -> frozenset[str]:
        """Return the versions that have anything here."""
        with self._lock:
            return frozenset(self._manifests)

    def held(self) -> frozenset[str]:
        """Return the versions whose files are all here, by their sizes."""
        with self._lock:
            manifests = dict(self._manifests)
        return frozenset(
            digest
            for digest, manifest in manifests.items()
            if self.has(digest) and all(self.has(one.sha256, one.size) for one in manifest.files)
        )

    def has(self, sha256: str, size: int | None = None) -> bool:
        try:
            found = (self.blobs / sha256).stat()
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and size in {None, found.st_size}

    def manifest(self, digest: str, *, model: str) -> Manifest:
        """Read a manifest that is here, checking its bytes.

        Raises:
            ChangedOnDisk: it is removed.
            VersionFailure: INVALID.
        """
        path = self.blobs / digest
        if path.stat().st_size > MANIFEST_BYTES:
            raise VersionFailure(Reason.INVALID, f"a manifest of more than {MANIFEST_BYTES} bytes")
        raw = path.read_bytes()
        if hashlib.sha256(raw).hexdigest() != digest:
            self._discard(digest)
            raise ChangedOnDisk("the manifest was changed on disk")
        manifest = parse_manifest(raw, model=model)
        self._remember(digest, manifest)
        return manifest

    def golden(self, manifest: Manifest) -> GoldenSet:
        entry = manifest.only("golden")
        if entry.size > GOLDEN_BYTES:
            raise VersionFailure(Reason.INVALID, f"golden file of more than {GOLDEN_BYTES} bytes")
        return parse_golden((self.blobs / entry.sha256).read_bytes())

    def verify(self, manifest: Manifest) -> None:
        """Hash every file of a version.

        Raises:
            ChangedOnDisk: what was changed is removed, to be fetched again.
        """
        changed = [one for one in manifest.files if not self._intact(one)]
        for entry in changed:
            self._discard(entry.sha256)
        if changed:
            names = ", ".join(entry.path for entry in changed)
            raise ChangedOnDisk(f"changed on disk: {names[:300]}")

    def _intact(self, entry: FileEntry) -> bool:
        if not self.has(entry.sha256, entry.size):
            return False
        try:
            return hash_file(self.blobs / entry.sha256) == entry.sha256
        except OSError:
            return False

    def _discard(self, sha256: str) -> None:
        (self.blobs / sha256).unlink(missing_ok=True)

    def model_path(self, digest: str, manifest: Manifest) -> Path:
        """Return a path the runtime can load, with further weights beside it if there are any."""
        entry = manifest.only("model")
        if not manifest.external():
            return self.blobs / entry.sha256
        folder = self.versions / digest
        shutil.rmtree(folder, ignore_errors=True)
        for one in (entry, *manifest.external()):
            place = folder / one.path
            place.parent.mkdir(parents=True, exist_ok=True)
            os.link(self.blobs / one.sha256, place)
        return folder / entry.path

    def check_space(self, size: int) -> None:
        """Refuse a file that is too large for the limits or the disk.

        Raises:
            VersionFailure: OVERSIZED or DISK_FULL.
        """
        if size > self._limit:
            raise VersionFailure(Reason.OVERSIZED, f"a file of {size} bytes, limit {self._limit}")
        free = shutil.disk_usage(self.blobs).free
        if size + self._reserve > free:
            detail = f"{size} bytes needed, {free} free, {self._reserve} kept in reserve"
            raise VersionFailure(Reason.DISK_FULL, detail)

    def partial(self, sha256: str) -> int:
        """Return how much of a file an interrupted transfer left."""
        try:
            return (self.incoming / sha256).stat().st_size
        except FileNotFoundError:
            return 0

    def add(self, sha256: str, chunks: Iterable[bytes], *, limit: int, offset: int = 0) -> None:
        """Take in a file, appending to the first ``offset`` bytes of an interrupted transfer.

        Raises:
            VersionFailure: DIGEST_MISMATCH, OVERSIZED or DISK_FULL; nothing is left behind.
            Exception: whatever ``chunks`` raises; what came stays for the next try.
        """
        path = self.incoming / sha256
        try:
            self._write(path, chunks, limit=limit, offset=offset)
            _check_bytes(path, sha256)
            path.chmod(0o444)
            path.rename(self.blobs / sha256)
            sync_folder(self.blobs)
        except VersionFailure:
            path.unlink(missing_ok=True)
            raise
        except OSError as exc:
            path.unlink(missing_ok=True)
            reason = Reason.DISK_FULL if exc.errno in FULL else Reason.FETCH_FAILED
            raise VersionFailure(reason, f"{sha256[:12]}: {exc.strerror}") from exc

    @staticmethod
    def _write(path: Path, chunks: Iterable[bytes], *, limit: int, offset: int) -> None:
        total = offset
        with path.open("ab") as out:
            out.truncate(offset)
            for chunk in chunks:
                total += len(chunk)
                if total > limit:
                    raise VersionFailure(Reason.OVERSIZED, f"more than {limit} bytes came")
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())

    def sweep(self, keep: Iterable[str]) -> int:
        """Remove every blob that belongs to none of these versions; return how many went."""
        kept = set(keep)
        with self._lock:
            manifests = {d: m for d, m in self._manifests.items() if d in kept}
            self._manifests = manifests
        named = kept | {one.sha256 for manifest in manifests.values() for one in manifest.files}
        folders = (self.blobs, self.incoming)
        strays = [path for one in folders for path in one.iterdir() if path.name not in named]
        gone = sum(map(_remove, strays))
        for folder in self._stray_folders(kept):
            shutil.rmtree(folder, ignore_errors=True)
        return gone

    def _stray_folders(self, kept: set[str]) -> Iterator[Path]:
        return (folder for folder in self.versions.iterdir() if folder.name not in kept)
