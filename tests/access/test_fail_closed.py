"""When the log takes no entry, nothing is changed: each call that changes something, by its row.

A new service is none of those that are known here until a row of ``rows.py`` leads to it, or
a deed of the ``test_fail_closed.py`` of its app does, or it says below why it needs none.
"""

import pytest
from django.db import transaction

from tests.access.rows import ROWS
from tests.access.test_matrix import _call, _probes
from tests.access.world import build
from tests.promotion.test_fail_closed import DEEDS as OF_PROMOTION
from tests.refusing import everything, refusing, services
from tests.registry.test_fail_closed import DEEDS as OF_REGISTRY

pytestmark = pytest.mark.timeout(400)
READ_ONLY = {
    "promotion.services.at_once.resolve",
    "promotion.services.checking.examine",
    "promotion.services.policies.check",
    "promotion.services.requests.opening.resolve_for",
    "promotion.services.requests.opening.try_request",
    "promotion.services.requests.settling.lock_open",
    "promotion.services.requests.signing.refuse_unless_themselves",
    "promotion.services.requests.signing.role_to_sign",
    "promotion.services.rollouts.context.load",
    "registry.services.origins.find_parents",
}
"""They answer, check or lock, and change nothing."""
REPORTS = "promotion.services.lineage"
"""Reports, which read and note in the access log that they did."""
WITHOUT_DECISION = {
    "governance.services.sealing.adopt": "its entry is all it writes",
    "governance.services.starting.note_start": "its entry is all it writes",
    "promotion.services.requests.opening.write": "one beat of opening, rolled back with the rest",
    "promotion.services.webhooks.delivering.replay": "a delivery is due once more",
    "registry.services.blobs.keep": "bytes that no version names yet",
    "registry.services.blobs.receive": "bytes that no version names yet",
}


@pytest.fixture
def stage(db):
    return build({one.who.roles for one in ROWS})


def test_no_call_changes_anything_while_the_log_takes_no_entry(stage):
    reached, wrong, tried = set(), {}, 0
    for row in ROWS:
        probe = next((each for each in _probes(row, stage) if each.may), None)
        if row.method in {"GET", "HEAD"} or probe is None:
            continue
        with transaction.atomic():
            if row.given:
                row.given(stage)
            before = everything()
            with refusing() as log:
                status = _call(probe, stage).status_code
            after = everything()
            transaction.set_rollback(True)
        tried += log.has_refused
        reached |= log.services
        changed = [name for name, found in after.items() if found != before[name]]
        if log.has_refused and (changed or status < 400):
            wrong[row.call] = status, changed

    assert wrong == {}
    assert tried > 50
    known = reached | OF_PROMOTION | OF_REGISTRY | READ_ONLY | WITHOUT_DECISION.keys()
    asked = {name for name in services() if not name.startswith(REPORTS)}
    assert asked - known == set(), "no row and no deed leads to these"
