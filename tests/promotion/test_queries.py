"""How many queries each call of the API makes: a number that does not grow with the answer.

``queries.json`` is compared exactly. After a change that is meant, write it anew:
``LOCKGATE_RATCHET=write pytest tests/promotion/test_queries.py``.
"""

import json
import os
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from promotion.models import Request

pytestmark = pytest.mark.django_db
RATCHET = Path(__file__).with_name("queries.json")
CALLS = {
    "environments": "environments",
    "state": "environments/prod-eu/state",
    "models": "models",
    "model": "models/credit-default",
    "version": "models/credit-default/versions/1",
    "promotions": "promotions",
    "promotion": "promotions/{promotion}",
    "entries": "audit/entries",
    "population": "audit/population",
    "sample": "audit/samples?seed=one",
    "rights": "audit/rights",
    "duties": "audit/duties",
    "owed": "audit/owed",
    "sealing": "audit/sealing",
    "incidents": "incidents",
    "findings": "findings",
    "reviews": "reviews",
    "me": "me",
}


def counted(client):
    first = Request.objects.order_by("created_at").first()
    found = {}
    for name, address in CALLS.items():
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(f"/api/v1/{address.format(promotion=first.pk)}")
        assert answer.status_code == 200, (name, answer.content)
        found[name] = len(queries)
    return found


@pytest.fixture
def live(world, ask, sign, asha, bram):
    world.agent("eu-1")
    sign(ask(world.version(), by=asha), bram)
    world.settle()
    return world


def test_each_call_makes_exactly_as_many_queries_as_written_down(live, api, ada):
    found = counted(api(ada))
    if os.environ.get("LOCKGATE_RATCHET") == "write":
        RATCHET.write_text(json.dumps(found, indent=2) + "\n")

    assert found == json.loads(RATCHET.read_text())


def test_more_of_everything_makes_no_more_queries(live, api, ada, ask, sign, asha, bram):
    client = api(ada)
    few = counted(client)
    for number in range(3):
        live.agent(f"more-{number}")
        sign(ask(live.version(f"model-{number}"), by=asha), bram)
        live.settle()
        ask(live.version(), by=asha)

    assert counted(client) == few
