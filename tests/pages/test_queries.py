"""How many queries each page makes: a number that does not grow with what it shows.

``queries.json`` is compared exactly. After a change that is meant, write it anew:
``LOCKGATE_RATCHET=write pytest tests/pages/test_queries.py``.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from governance.models import User
from promotion.models import Request
from tests.pages.factory import World

RATCHET = Path(__file__).with_name("queries.json")


def counted(client: Client, addresses: dict[str, str]) -> dict[str, int]:
    found = {}
    for name, address in addresses.items():
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).status_code == 200
        found[name] = len(queries)
    return found


@pytest.fixture
def addresses(waiting: Request) -> dict[str, str]:
    return {
        "matrix": "/",
        "abnormal": "/abnormal/",
        "models": "/models/",
        "model": "/models/credit-default/",
        "version": "/models/credit-default/versions/2/",
        "promotions": "/promotions/",
        "promotion": f"/promotions/{waiting.pk}/",
        "progress": f"/promotions/{waiting.pk}/progress/",
        "as-of": "/environments/prod-eu/as-of/",
        "audit": "/audit/",
        "audit-searched": "/audit/?actor=asha&text=risk&action=request.",
        "desk": "/audit/desk/",
        "population": "/audit/population/",
        "sample": "/audit/samples/?seed=one",
        "rights": "/audit/rights/",
        "duties": "/audit/duties/",
        "owed": "/audit/owed/",
        "verify": "/audit/verify/",
        "policies": "/policies/",
        "policy": "/policies/prod-eu/1/",
        "fleet": "/fleet/",
        "incidents": "/incidents/",
        "findings": "/findings/",
        "reviews": "/reviews/",
        "people": "/people/",
        "origins": "/lineage/",
        "made-of": "/lineage/?dataset=credit-default",
        "relations": "/models/credit-default/versions/2/relations/",
        "audit-reports": "/audit/reports/",
        "audit-report": "/audit/reports/?form=html&environment=prod-eu",
    }


def test_each_page_makes_exactly_as_many_queries_as_written_down(
    addresses: dict[str, str], bram: User, rosa: User, world: World, browser: Callable[..., Client]
) -> None:
    world.sign(Request.objects.get(state="open"), bram)
    found = counted(browser(rosa), addresses)
    if os.environ.get("LOCKGATE_RATCHET") == "write":
        RATCHET.write_text(json.dumps(found, indent=2) + "\n")

    assert found == json.loads(RATCHET.read_text())


def test_more_models_versions_agents_and_requests_make_no_more_queries(
    addresses: dict[str, str], rosa: User, asha: User, world: World, browser: Callable[..., Client]
) -> None:
    page = browser(rosa)
    few = counted(page, addresses)
    world.environment("prod-eu", "production", approvals=0)
    for number in range(6):
        model = world.model(f"model-{number}")
        world.champion(world.version(model), "prod-eu")
        world.version(model)
    for number in range(3, 6):
        world.agent(f"eu-{number}", "prod-eu")
    world.environment("prod-eu", "production", approvals=1)
    for _ in range(6):
        version = world.version(Request.objects.get(state="open", ticket="RISK-311").model)
        world.ask(version, "production", "prod-eu", by=asha)
        world.ask(version, "dark", "prod-eu")
    world.settle()

    assert counted(page, addresses) == few
