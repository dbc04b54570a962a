"""When the log takes no entry, no version is registered and none is judged."""

import pytest
from django.db import DatabaseError, transaction

from governance.actors import Actor
from registry.services import inspections, versions
from tests.refusing import everything, refusing

pytestmark = pytest.mark.django_db
DEEDS = {
    "registry.services.inspections.inspect_version",
    "registry.services.versions.register_version",
}


def test_neither_a_version_nor_its_inspection_is_kept(model, uploaded, manifest, encode, asha):
    def register():
        return versions.register_version(model=model, manifest=encode(manifest), actor=asha)

    def inspect():
        inspector = Actor.from_task(inspections.TASK)
        return inspections.inspect_version(version_id=version.pk, actor=inspector)

    seen = closed(register)
    version = register().version
    seen |= closed(inspect)
    assert inspect().status == "ready"
    assert seen >= DEEDS


def closed(deed):
    """See that nothing is left of a deed that cannot be recorded; return who was at it."""
    before = everything()
    with refusing() as log, pytest.raises(DatabaseError), transaction.atomic():
        deed()
    assert everything() == before
    return log.services
