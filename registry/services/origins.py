"""The only writer of where versions come from: data sets and parents, as rows one can ask.

What the manifest says is kept with the version, in its transaction. Evidence that comes
later fills what was left open and overrides nothing.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Q

from governance import access
from governance.access import Permission
from governance.actors import Actor
from governance.errors import Conflict, Invalid
from registry import selectors
from registry.manifests import Attested, DatasetSpec, ParentSpec
from registry.models import Attestation, DatasetUse, ModelVersion, ParentLink

MEANT = {"edition": "version", "begins": "from", "ends": "to"}
"""What fields of a data set are called where they are told."""
_DESCENDANTS = """
WITH RECURSIVE below(id) AS (
    SELECT child_id FROM registry_parentlink WHERE parent_id = %s
    UNION SELECT link.child_id FROM registry_parentlink link JOIN below ON link.parent_id = below.id
) SELECT id FROM below
"""


class Parent(NamedTuple):
    """A parent that was found, and how the child comes from it."""

    version: ModelVersion
    relation: str


def find_parents(specs: Iterable[ParentSpec], *, actor: Actor) -> list[Parent]:
    """Find the versions that are named as parents. One query, and one for what is seen.

    Raises:
        Invalid: ``unknown_parent``: not there, or none this actor may see, by its path.
    """
    specs = list(specs)
    if not specs:
        return []
    wanted = Q(pk__in=[])
    for spec in specs:
        wanted |= Q(model__name=spec.model, **_named(spec))
    rows = list(ModelVersion.objects.filter(wanted).select_related("model").defer("manifest"))
    reach = access.reach(actor, Permission.VIEW)
    seen = [row for row in rows if reach.covers(group=row.model.group)]
    found: dict[str, Parent] = {}
    missing: dict[str, str] = {}
    for spec in specs:
        row = next((row for row in seen if _is(spec, row)), None)
        if row is None:
            missing[spec.path] = "names no version that is there"
        elif any(row.pk == parent.version.pk for parent in found.values()):
            missing[spec.path] = "names a version that stands there already"
        else:
            found[spec.path] = Parent(row, spec.relation)
    if missing:
        error = Invalid("A parent is not a version of its own here.", code="unknown_parent")
        error.context = dict(missing)
        raise error
    return list(found.values())


def keep(
    version: ModelVersion, *, datasets: Iterable[DatasetSpec], parents: Iterable[Parent]
) -> None:
    """Keep what a manifest says; called in the transaction that seals the version."""
    DatasetUse.objects.bulk_create(_use(version, spec, attestation=None) for spec in datasets)
    _link(version, parents, attestation=None)


def require_absent(version: ModelVersion, attested: Attested) -> list[DatasetSpec]:
    """Return the data sets as they are known with what is new; the version's row is locked.

    Raises:
        Conflict: ``already_supplied``, naming what was said before and otherwise.
    """
    before = {row.name: row for row in DatasetUse.objects.current().filter(version=version)}
    told: dict[str, str] = {}
    filled = []
    for spec in attested.datasets:
        row = before.get(spec.id)
        merged = spec if row is None else _merged(row, spec, told)
        if row is None or replace(_spec(row), path=merged.path) != merged:
            filled.append(merged)
    supplied = selectors.members_of(version.manifest, version.attestations.all())
    told |= {
        name: "was supplied before"
        for name, value in attested.members.items()
        if name in supplied and supplied[name] != value
    }
    if told:
        message = "Evidence that comes later fills what is absent and overrides nothing."
        raise Conflict(message, code="already_supplied", supplied=told)
    return filled


def add(
    version: ModelVersion,
    *,
    datasets: Iterable[DatasetSpec],
    parents: Iterable[Parent],
    attestation: Attestation,
) -> None:
    """Keep what evidence added, in its transaction.

    Raises:
        Conflict: ``already_supplied``, ``self_dependency`` or ``cyclic_lineage``.
    """
    known = {link.parent_id: link.relation for link in version.parent_links.all()}
    for parent in parents:
        if known.get(parent.version.pk, parent.relation) != parent.relation:
            message = f"{parent.version} is a parent already, in another relation."
            raise Conflict(message, code="already_supplied")
    DatasetUse.objects.bulk_create(_use(version, spec, attestation) for spec in datasets)
    fresh = [parent for parent in parents if parent.version.pk not in known]
    _link(version, fresh, attestation=attestation)


def descendants_of(version: UUID) -> frozenset[UUID]:
    """Return every version that comes from one, at any distance. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_DESCENDANTS, [version])
        return frozenset(row[0] for row in cursor.fetchall())


def _merged(row: DatasetUse, spec: DatasetSpec, told: dict[str, str]) -> DatasetSpec:
    """Put what is new beside what was known; note what contradicts it."""
    before = _spec(row)
    values: dict[str, Any] = {}
    for name in ("digest", "edition", "begins", "ends", "source", "licence"):
        old, new = getattr(before, name), getattr(spec, name)
        if old and new and old != new:
            told[f"{spec.path}.{MEANT.get(name, name)}"] = f"was supplied before: {old}"
        values[name] = old or new
    if not told and values["begins"] and values["ends"] and values["begins"] > values["ends"]:
        told[f"{spec.path}.to"] = "lies before the beginning that was supplied before"
    return replace(spec, **values)


def _spec(row: DatasetUse) -> DatasetSpec:
    return DatasetSpec(
        id=row.name,
        digest=row.digest,
        begins=row.begins,
        ends=row.ends,
        source=row.source,
        licence=row.licence,
        edition=row.edition,
    )


def _named(spec: ParentSpec) -> dict[str, object]:
    named: dict[str, object] = {}
    if spec.version is not None:
        named["number"] = spec.version
    if spec.digest:
        named["digest"] = spec.digest
    return named


def _is(spec: ParentSpec, row: ModelVersion) -> bool:
    return (
        row.model.name == spec.model
        and spec.version in {None, row.number}
        and spec.digest in {"", row.digest}
    )


def _use(version: ModelVersion, spec: DatasetSpec, attestation: Attestation | None) -> DatasetUse:
    return DatasetUse(
        version=version,
        name=spec.id,
        digest=spec.digest,
        edition=spec.edition,
        begins=spec.begins,
        ends=spec.ends,
        source=spec.source,
        licence=spec.licence,
        attestation=attestation,
    )


def _link(
    child: ModelVersion, parents: Iterable[Parent], *, attestation: Attestation | None
) -> None:
    links = [
        ParentLink(child=child, parent=one.version, relation=one.relation, attestation=attestation)
        for one in parents
    ]
    if not links:
        return
    if any(link.parent_id == child.pk for link in links):
        message = "A version is not its own parent."
        raise Conflict(message, code="self_dependency")
    with connection.cursor() as cursor:
        cursor.execute("SELECT parent_links_one_by_one()")
    if descendants_of(child.pk) & {link.parent_id for link in links}:
        message = "A parent comes from this version itself: lineage makes no circle."
        raise Conflict(message, code="cyclic_lineage")
    ParentLink.objects.bulk_create(links)
