"""Reading what exists. What an actor may not see is not found."""

from django.db.models import QuerySet

from governance import access
from governance.access import Permission
from governance.actors import Actor
from governance.errors import NotFound
from registry.models import Blob, Inspection, ModelVersion, RegisteredModel, VersionFile


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
