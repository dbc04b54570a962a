"""The registry's part of the watch: versions against the log, and bytes against their digests."""

import json
from collections.abc import Iterable, Iterator, Mapping
from uuid import UUID

from governance.audit import comparing
from governance.audit.comparing import Kind, Row
from governance.audit.notices import Area, Notice
from governance.errors import NotFound, Unavailable
from registry.adapters import store
from registry.models import Attestation, ModelVersion, RegisteredModel, VersionFile

BUDGET = 256 * 1024**2
"""Bytes hashed in one round, after which one more file is begun in the next."""
MOST = 1_000
"""Files whose presence and size are looked at in one round."""


def _version(row: ModelVersion) -> Row:
    files = sorted(row.files.all(), key=lambda file: file.pk)
    return Row(
        f"version:{row.pk}",
        f"version {row.number} of {row.model.name}",
        {
            "model": row.model.name,
            "version": row.number,
            "digest": row.digest,
            "authors": row.authors,
            "files": [{"path": file.path, "sha256": file.blob_id} for file in files],
        },
    )


def _model(row: RegisteredModel) -> Row:
    names = ("group", "owner", "purpose", "risk_tier", "regimes", "satisficing")
    facts = {name: getattr(row, name) for name in names}
    return Row(f"model:{row.pk}", f"the model {row.name}", {"model": row.name, **facts})


def _attestation(row: Attestation) -> Row:
    facts = {"kind": row.kind, "sha256": row.blob_id, "by_author": row.by_author}
    return Row(f"attestation:{row.pk}", f"an attestation of {row.version}", facts)


KINDS = (
    Kind(
        "version",
        lambda: ModelVersion.objects.select_related("model").prefetch_related("files"),
        _version,
    ),
    Kind("model", RegisteredModel.objects.all, _model),
    Kind("attestation", lambda: Attestation.objects.select_related("version__model"), _attestation),
)


def rows(
    places: Mapping[str, str], subjects: Mapping[str, int]
) -> tuple[list[Notice], dict[str, str]]:
    """Compare models, versions and attestations with the log. Within a snapshot."""
    found, went = comparing.look(KINDS, places)
    return [*found, *comparing.missing(KINDS, subjects)], went


def live_files(versions: Iterable[UUID]) -> dict[str, tuple[int, str]]:
    """Return the blobs of versions that may run: by digest, their size and what they are."""
    ids = list(versions)
    files = VersionFile.objects.filter(version__in=ids).select_related("version__model", "blob")
    found = {
        file.blob_id: (file.blob.size, f"{file.path} of {file.version.model.name} {_number(file)}")
        for file in files
    }
    for row in ModelVersion.objects.filter(pk__in=ids).select_related("model", "manifest_blob"):
        name = f"the manifest of {row.model.name} version {row.number}"
        found[row.digest] = (row.manifest_blob.size, name)
    return found


def _number(file: VersionFile) -> str:
    return f"version {file.version.number}"


def artifacts(
    files: Mapping[str, tuple[int, str]], *, after: str
) -> tuple[list[Notice], str | None]:
    """Look that bytes are there, and hash as many as a round may. Outside any transaction.

    Returns:
        What is not as it was put there, and the digest the next round goes on behind: empty
        when all was looked at, None when the store did not answer.
    """
    place, found, hashed = store.default(), list[Notice](), 0
    digests = sorted(files)
    begun = [digest for digest in digests if digest > after] or digests
    try:
        for digest in digests[:MOST]:
            size, name = files[digest]
            there = place.size(digest)
            if there != size:
                found.append(_notice(there, digest, name))
        for digest in begun:
            if hashed >= BUDGET:
                return found, after
            hashed, after = hashed + files[digest][0], digest
            found += _hashed(place, digest, files[digest])
    except Unavailable:
        return found, None  # The doctor names a store that is down.
    return found, ""


def _hashed(place: store.Store, digest: str, about: tuple[int, str]) -> Iterator[Notice]:
    size, name = about
    try:
        if place.size(digest) == size:
            with place.open_read(digest) as reader:
                for _ in reader:
                    pass
    except NotFound:
        yield _notice(None, digest, name)
    except Unavailable as error:
        if error.code != "blob_damaged":
            raise
        yield Notice(Area.ARTIFACT, f"{name}: the bytes under {digest[:12]} are others")


def _notice(size: int | None, digest: str, name: str) -> Notice:
    if size is None:
        return Notice(Area.ARTIFACT, f"{name}: {digest[:12]} is gone from the store")
    return Notice(Area.ARTIFACT, f"{name}: the bytes under {digest[:12]} are others")


def manifests(versions: Iterable[UUID]) -> list[Notice]:
    """Compare the manifests that decisions read with the bytes that were registered."""
    place, found = store.default(), list[Notice]()
    for row in ModelVersion.objects.filter(pk__in=list(versions)).select_related("model"):
        try:
            with place.open_read(row.digest) as reader:
                registered = json.loads(b"".join(reader))
        except (NotFound, Unavailable, ValueError):
            continue  # Its bytes are looked at as an artifact.
        if registered != row.manifest:
            text = f"the manifest of {row.model.name} version {row.number} in the database"
            found.append(Notice(Area.ROW, f"{text} is not the one that was registered"))
    return found
