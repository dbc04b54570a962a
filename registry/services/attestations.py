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
from registry.models import Attestation, Blob, ModelVersion
from registry.services import blobs

LARGEST = 1024 * 1024


class Attested(NamedTuple):
    """An attestation, and whether that is news."""

    attestation: Attestation
    is_new: bool


def attest(
    *, version: ModelVersion, kind: str, document: Mapping[str, object], actor: Actor
) -> Attested:
    """Put evidence beside a version; the same document again is the same attestation.

    Whether it was given by an author is kept with it, so that a policy can ask for others.

    Raises:
        Forbidden: the actor neither submits nor judges risk in the model's group.
        Invalid: an unknown kind, or an empty document.
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
    blob = blobs.keep(data, actor=actor)
    return _seal(version, kind=kind, document=document, blob=blob, actor=actor)


@transaction.atomic
def _seal(
    version: ModelVersion, *, kind: str, document: Mapping[str, object], blob: Blob, actor: Actor
) -> Attested:
    held = ModelVersion.objects.select_for_update(no_key=True).get(pk=version.pk)

    first = Attestation.objects.filter(version=held, kind=kind, blob=blob).first()
    if first is not None:
        return Attested(first, is_new=False)

    persons = sorted(actor.persons())
    attestation = Attestation.objects.create(
        version=held,
        kind=kind,
        blob=blob,
        document=dict(document),
        attested_by=actor.label[:150],
        persons=persons,
        by_author=not persons or bool(set(persons) & set(held.authors)),
    )

    audit.record(
        Action.VERSION_ATTESTED,
        actor=actor,
        object=f"model:{version.model.name}",
        subject=f"attestation:{attestation.pk}",
        model=version.model.name,
        version=version.number,
        details={
            "kind": kind,
            "sha256": blob.pk,
            "persons": persons,
            "by_author": attestation.by_author,
        },
    )
    return Attested(attestation, is_new=True)
