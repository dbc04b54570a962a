"""Reading what exists. What an actor may not see is not found."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from governance import access
from governance.access import Permission
from governance.actors import Actor
from governance.errors import NotFound
from registry.models import (
    Attestation,
    Blob,
    Inspection,
    ModelVersion,
    RegisteredModel,
    VersionFile,
)


def models(actor: Actor) -> QuerySet[RegisteredModel]:
    """Return the models this actor may see. Two queries, however many there are."""
    groups = access.groups(actor)
    rows = RegisteredModel.objects.all()
    return rows if groups is None else rows.filter(group__in=groups)


def model(name: str, *, actor: Actor) -> RegisteredModel:
    """Return a model by its name.

    Raises:
        NotFound: there is none, or none this actor may see.
        Forbidden: this actor may see no models at all.
    """
    access.require(actor, Permission.VIEW)
    found = RegisteredModel.objects.filter(name=name).first()
    if found is None or not access.allowed(actor, Permission.VIEW, group=found.group):
        message = "There is no such model."
        raise NotFound(message, code="no_such_model")
    return found


def versions(of: RegisteredModel) -> QuerySet[ModelVersion]:
    """Return a model's versions with all that a list shows of them; one query more for files."""
    rows = ModelVersion.objects.filter(model=of).select_related("model", "inspection")
    return rows.prefetch_related("files__blob").defer("manifest")


def version(of: RegisteredModel, number: int) -> ModelVersion:
    """Return one version with all there is.

    Raises:
        NotFound: there is none.
    """
    rows = versions(of).defer(None).prefetch_related("attestations")
    found = rows.filter(number=number).first()
    if found is None:
        message = f"There is no version {number} of {of.name}."
        raise NotFound(message, code="no_such_version")
    return found


def version_by_digest(of: RegisteredModel, digest: str) -> ModelVersion | None:
    """Return the version that was registered with exactly this manifest."""
    return versions(of).defer(None).filter(digest=digest).first()


def blob(sha256: str) -> Blob:
    """Return what is known of some bytes.

    Raises:
        NotFound: there are none.
    """
    found = Blob.objects.filter(pk=sha256).first()
    if found is None:
        message = "There are no bytes with this digest."
        raise NotFound(message, code="no_such_blob")
    return found


def sizes(digests: set[str]) -> dict[str, int]:
    """Return the sizes of those blobs that are there."""
    return dict(Blob.objects.filter(pk__in=digests).values_list("sha256", "size"))


def file(of: ModelVersion, role: str) -> VersionFile:
    """Return a version's file of a role that it has exactly one of."""
    return of.files.get(role=role)


def inspecting() -> QuerySet[Inspection]:
    """Return the inspections without an outcome, the oldest first."""
    waiting = Inspection.objects.filter(status=Inspection.Status.INSPECTING)
    return waiting.order_by("version__created_at")


MEMBERS = ("run", "pipeline_digest", "environment_lock")
"""What evidence may add to where a version comes from, beside data sets and parents."""


def members_of(
    manifest: Mapping[str, object], attestations: Iterable[Attestation]
) -> dict[str, object]:
    """Return run, pipeline digest and environment lock, as far as anybody has said."""
    training = manifest.get("training")
    run = training.get("run") if isinstance(training, Mapping) else None
    said = {"run": run, **{name: manifest.get(name) for name in MEMBERS[1:]}}
    found = {name: value for name, value in said.items() if value is not None}
    for one in attestations:
        if one.kind == Attestation.Kind.LINEAGE:
            later = {name: one.document.get(name) for name in MEMBERS}
            found = {name: value for name, value in later.items() if value is not None} | found
    return found


def ancestors(version: UUID, *, most: int = 200) -> dict[UUID, int]:
    """Return what a version comes from, with the fewest steps to it, the nearest first."""
    return _kin(_KIN.format(next="parent_id", here="child_id"), version, most=most)


def descendants(version: UUID, *, most: int = 200) -> dict[UUID, int]:
    """Return what comes from a version, with the fewest steps to it, the nearest first."""
    return _kin(_KIN.format(next="child_id", here="parent_id"), version, most=most)


_FARTHEST = 50
"""Generations that are followed; what lies beyond is not listed."""
_KIN = """
WITH RECURSIVE kin(id, steps) AS (
    SELECT {next}, 1 FROM registry_parentlink WHERE {here} = %s
    UNION
    SELECT link.{next}, kin.steps + 1
    FROM registry_parentlink link JOIN kin ON link.{here} = kin.id WHERE kin.steps < %s
) SELECT id, min(steps) FROM kin GROUP BY id ORDER BY 2, 1 LIMIT %s
"""


def _kin(query: str, version: UUID, *, most: int) -> dict[UUID, int]:
    with connection.cursor() as cursor:
        cursor.execute(query, [version, _FARTHEST, most])
        return dict(cursor.fetchall())
