"""Evidence that comes after the manifest: sealed as a blob of its own, beside the version."""

from collections.abc import Mapping
from typing import NamedTuple

import rfc8785
from django.db import transaction

from governance.access import Permission, reach, require
from governance.actors import Actor
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.errors import Invalid, TooLarge
from registry.manifests import Attested, parse_attested
from registry.models import Attestation, Blob, ModelVersion
from registry.services import blobs, origins
from registry.services.origins import Parent

LARGEST = 1024 * 1024


class Given(NamedTuple):
    """An attestation, and whether that is news."""

    attestation: Attestation
    is_new: bool


class Said(NamedTuple):
    """A document of some kind, and what of it is kept as lineage."""

    kind: str
    document: Mapping[str, object]
    told: Attested
    parents: list[Parent]


def attest(
    *, version: ModelVersion, kind: str, document: Mapping[str, object], actor: Actor
) -> Given:
    """Put evidence beside a version; the same document again is the same attestation.

    Whether it was given by an author is kept with it, so that a policy can ask for others.

    Raises:
        Forbidden: the actor neither submits nor judges risk in the model's group.
        Invalid: an unknown kind, an empty document, or of lineage one that is not in order
            (``invalid_lineage``) or names a parent that is not there (``unknown_parent``).
        Conflict: of lineage, ``already_supplied``, ``self_dependency`` or ``cyclic_lineage``.
        TooLarge: ``attestation_too_large``.
        Unavailable: the store is down or full.
    """
    group = version.model.group
    if not reach(actor, Permission.WAIVE).covers(group=group):
        require(actor, Permission.SUBMIT, group=group)
    if kind not in Attestation.Kind.values or not document:
        message = "Say which kind of evidence it is, and what it says."
        raise Invalid(message, kind=f"one of {', '.join(Attestation.Kind.values)}")
    data = rfc8785.dumps(dict(document))  # type: ignore[arg-type]
    if len(data) > LARGEST:
        message = f"An attestation has at most {LARGEST} bytes."
        raise TooLarge(message, code="attestation_too_large", limit=LARGEST)
    told = parse_attested(document) if kind == Attestation.Kind.LINEAGE else Attested()
    parents = origins.find_parents(told.parents, actor=actor)
    blob = blobs.keep(data, actor=actor)
    said = Said(kind, document, told, parents)
    return _seal(version, said, blob=blob, actor=actor)


@transaction.atomic
def _seal(version: ModelVersion, said: Said, *, blob: Blob, actor: Actor) -> Given:
    held = ModelVersion.objects.select_for_update(no_key=True).get(pk=version.pk)

    first = Attestation.objects.filter(version=held, kind=said.kind, blob=blob).first()
    if first is not None:
        return Given(first, is_new=False)
    filled = origins.require_absent(held, said.told)

    persons = sorted(actor.persons())
    attestation = Attestation.objects.create(
        version=held,
        kind=said.kind,
        blob=blob,
        document=dict(said.document),
        attested_by=actor.label[:150],
        persons=persons,
        by_author=not persons or bool(set(persons) & set(held.authors)),
    )
    origins.add(held, datasets=filled, parents=said.parents, attestation=attestation)

    audit.record(
        Action.VERSION_ATTESTED,
        actor=actor,
        object=f"model:{version.model.name}",
        subject=f"attestation:{attestation.pk}",
        model=version.model.name,
        version=version.number,
        details={
            "kind": said.kind,
            "sha256": blob.pk,
            "persons": persons,
            "by_author": attestation.by_author,
        },
    )
    return Given(attestation, is_new=True)
