"""The report of a place or a period, forged by whoever has the control plane's key."""

import json

import pytest

from governance.audit.standalone import verify
from tests.governance.sealing.conftest import (  # noqa: F401 - fixtures
    keys,
    log,
    make_sealer,
    sealer,
    sealers_url,
    sink,
)
from tests.governance.sealing.test_lineage_bundle import forged, told
from tests.governance.sealing.test_lineage_forged import altered, places, within
from tests.promotion.test_lineage_scope_bundles import (  # noqa: F401 - a fixture
    Asked,
    files,
    made,
    sealed,
)

pytestmark = pytest.mark.django_db(transaction=True)
WORDS = (
    *("schema", "header.says", "header.says_not", "header.system", "header.time_source"),
    *("header.verify", "serving.said_by", "header.log", "header.scope.as_of"),
)
"""What reports say in the same words, and where the log ended, which may be no entry of these."""
ELSEWHERE = ("serving.confirmed[].version", "population.objects[].entries", "population.objects[]")
"""What other entries tell: of chains that are not given whole, and of versions."""
OF_NO_PLACE = "refusals.of_no_place"
"""Of an environment's report: these refusals are not in its bundle."""


def body_of(file):
    return json.loads(files(file)["report.json"])["report"]["body"]


@pytest.mark.parametrize("environment", ["prod-eu", ""])
def test_nothing_in_it_is_altered_or_left_out_unseen(sealed, ada, environment):  # noqa: F811
    _, file = made(environment, Asked(), ada)
    assert told(file, sealed).code == verify.PROVEN, told(file, sealed).line
    kinds = {}
    for path, name in places(body_of(file)):
        is_elsewhere = name.startswith(ELSEWHERE) or (environment and name == OF_NO_PLACE)
        if not name.startswith(WORDS) and not is_elsewhere:
            kinds.setdefault(name, path)
    unseen = []
    for name, path in kinds.items():

        def change(body, path=path):
            where = within(body, path[:-1])
            if isinstance(where[path[-1]], list):
                del where[path[-1]][0]
            else:
                where[path[-1]] = altered(where[path[-1]])

        if told(forged(file, change), sealed).code != verify.TAMPERED:
            unseen.append(name)
    assert unseen == []
    assert len(kinds) > 90


def unnamed(body):
    found = next(row["signed"] for row in body["promotions"] if row["signed"])
    del found[0]["entry"]
    found[0]["name"] = "Mallory"


CHEATS = {
    "a signature names no entry": (unnamed, "shape of its kind"),
    "another order": (lambda body: body["changes"].reverse(), "changes is not in the order"),
    "a section less": (lambda body: body.pop("exceptions"), "lacks its section exceptions"),
    "a change is left out": (lambda body: body["changes"].pop(), "is left out of the report's"),
    "a champion is left out": (lambda body: body["serving"]["decided"].pop(), "serving.decided"),
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_each_of_these_is_named(sealed, ada, cheat):  # noqa: F811
    _, file = made("prod-eu", Asked(), ada)
    change, words = CHEATS[cheat]
    result = told(forged(file, change), sealed)
    assert (result.code, words in result.line) == (verify.TAMPERED, True), result.line
