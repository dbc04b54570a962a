"""Every write to a version. There is one: its registration."""

import hashlib
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from governance.access import Permission, require
from governance.actors import Actor
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.errors import Invalid, TooLarge
from registry import manifests, selectors, wake
from registry.manifests import Manifest, Role
from registry.models import Blob, Inspection, ModelVersion, RegisteredModel, VersionFile
from registry.services import blobs, inspections, origins
from registry.services.origins import Parent

INSPECTED_AT_ONCE = 32 * 1024 * 1024
"""Without a worker, a model file up to here is inspected by whoever registers it: a second
or two. A larger one waits for a worker."""


class Registered(NamedTuple):
    """A version, and whether that is news."""

    version: ModelVersion
    is_new: bool


def register_version(*, model: RegisteredModel, manifest: bytes, actor: Actor) -> Registered:
    """Seal a version of a model by its manifest; the same bytes again are the same version.

    Raises:
        Forbidden: the actor does not submit in the model's group.
        Invalid: ``invalid_manifest``, ``unknown_parent``, or ``missing_blobs``: files that
            were not uploaded.
        TooLarge: ``manifest_too_large``.
        Unavailable: the store is down or full.
    """
    require(actor, Permission.SUBMIT, group=model.group)
    _check_size(manifest)
    digest = hashlib.sha256(manifest).hexdigest()
    first = selectors.version_by_digest(model, digest)
    if first is not None:
        return Registered(first, is_new=False)

    read = manifests.parse(manifest, model=model.name)
    parents = origins.find_parents(read.parents, actor=actor)
    _check_files(read)
    blob = blobs.keep(manifest, actor=actor)
    return _seal(model, read, parents=parents, blob=blob, actor=actor)


@transaction.atomic
def _seal(
    model: RegisteredModel, manifest: Manifest, *, parents: list[Parent], blob: Blob, actor: Actor
) -> Registered:
    model = RegisteredModel.objects.select_for_update(no_key=True).get(pk=model.pk)

    first = selectors.version_by_digest(model, blob.pk)
    if first is not None:
        return Registered(first, is_new=False)

    last = model.versions.aggregate(last=Max("number"))["last"] or 0
    version = ModelVersion(
        model=model,
        number=last + 1,
        digest=blob.pk,
        manifest_blob=blob,
        manifest=manifest.document,
        authors=list(manifest.authors),
        registered_by=actor.label[:150],
        registered_by_person=(actor.person or actor.owner)[:100],
    )
    version.save(force_insert=True)
    VersionFile.objects.bulk_create(
        VersionFile(version=version, path=file.path, role=file.role, blob_id=file.sha256)
        for file in manifest.files
    )
    origins.keep(version, datasets=manifest.datasets, parents=parents)
    Inspection(version=version).save(force_insert=True)
    _inspect_after_commit(version.pk, at_once=manifest.only(Role.MODEL).size <= INSPECTED_AT_ONCE)

    audit.record(
        Action.VERSION_REGISTERED,
        actor=actor,
        object=f"model:{model.name}",
        subject=f"version:{version.pk}",
        model=model.name,
        version=version.number,
        details={
            "digest": version.digest,
            "authors": version.authors,
            "files": [{"path": file.path, "sha256": file.sha256} for file in manifest.files],
        },
    )
    return Registered(selectors.version(model, version.number), is_new=True)


def _check_size(manifest: bytes) -> None:
    if len(manifest) > manifests.MANIFEST_BYTES:
        message = f"A manifest has at most {manifests.MANIFEST_BYTES} bytes."
        raise TooLarge(message, code="manifest_too_large", limit=manifests.MANIFEST_BYTES)


def _check_files(manifest: Manifest) -> None:
    """Refuse a manifest of files that are not there, or are of another size."""
    sizes = selectors.sizes({file.sha256 for file in manifest.files})
    missing: dict[str, str] = {}
    wrong: dict[str, str] = {}
    for index, file in enumerate(manifest.files):
        if file.sha256 not in sizes:
            missing[f"files[{index}].sha256"] = f"sha256:{file.sha256} was not uploaded"
        elif sizes[file.sha256] != file.size:
            wrong[f"files[{index}].size"] = f"must be {sizes[file.sha256]}, as uploaded"
    if wrong:
        raise manifests.invalid(wrong | missing)
    if missing:
        message = "Upload the files before you register the version."
        raise Invalid(message, code="missing_blobs", **missing)


def _inspect_after_commit(version_id: UUID, *, at_once: bool) -> None:
    """Have the version inspected; the sweep does it if this is lost."""

    def look() -> None:
        if not wake.send(inspections.TASK, str(version_id)) and at_once:
            actor = Actor.from_task(inspections.TASK)
            inspections.inspect_version(version_id=version_id, actor=actor)

    # Not a partial: Django 5.2 logs a failed hook by its __qualname__.
    transaction.on_commit(look, robust=True)
