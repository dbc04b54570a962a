"""Copies every artifact the database names from one store to another, for backups."""

from dataclasses import dataclass, field

from governance.errors import GovernanceError
from registry.adapters.store import Store
from registry.models import Blob

CHUNK_ROWS = 1_000


@dataclass(slots=True)
class Copied:
    """What a copy did. ``failed`` says of each digest why it is not there."""

    new: int = 0
    bytes: int = 0
    present: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def copy_blobs(*, source: Store, destination: Store) -> Copied:
    """Bring ``destination`` to where it holds all that the database names.

    What is there is left alone, so that a second backup copies only what is new. Each
    is hashed on its way out and on its way in. One that cannot be copied stops no other.
    """
    done = Copied()
    destination.prepare()
    rows = Blob.objects.order_by("sha256").values_list("sha256", "size")
    for sha256, size in rows.iterator(chunk_size=CHUNK_ROWS):
        try:
            if destination.size(sha256) == size:
                done.present += 1
                continue
            _copy(sha256, size, source=source, destination=destination)
        except GovernanceError as error:
            done.failed[sha256] = error.message
        else:
            done.new, done.bytes = done.new + 1, done.bytes + size
    return done


def _copy(sha256: str, size: int, *, source: Store, destination: Store) -> None:
    with source.open_read(sha256) as pieces, destination.open_write() as upload:
        for piece in pieces:
            upload.write(piece)
        upload.commit(sha256=sha256, size=size)
