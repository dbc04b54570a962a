"""Who must sign, said where it is signed: a number of approvals alone would mislead."""

from collections.abc import Callable

import pytest
from django.test import Client

from governance.models import User
from promotion.models import Request
from promotion.selectors import documents
from tests.pages.factory import World

BY_RISK = "waits for 1 approval by a risk officer"


@pytest.fixture
def two(waiting: Request, world: World, asha: User) -> Request:
    """Version 2 needs two signatures, one of them of a risk officer."""
    old = Request.objects.get(pk=waiting.pk)
    world.environment("prod-eu", "production", approvals={"count": 2, "with_risk_of": 1})
    model = old.model
    return world.ask(world.version(model), "production", "prod-eu", by=asha)


def text_of(client: Client, address: str) -> str:
    return " ".join(client.get(address).content.decode().split())


def test_two_approvers_do_not_stand_for_a_risk_officer(
    two: Request, world: World, bram: User, browser: Callable[..., Client]
) -> None:
    page = f"/promotions/{two.pk}/"
    rita = world.person("rita", "risk")
    assert "waits for 2 approvals, 1 of them by a risk officer" in text_of(browser(rita), page)
    assert f"Yours is not the last: it then {BY_RISK}" in text_of(browser(bram), page)

    for user in (bram, world.person("dina", "approver")):
        world.sign(two, user)
    two.refresh_from_db()
    assert two.state == Request.State.OPEN

    another = browser(world.person("emil", "approver"))
    assert BY_RISK in text_of(another, page)
    assert f"Yours is not the last: it then {BY_RISK}" in text_of(another, page)
    assert "Yours is the last approval needed" in text_of(browser(rita), page)
    assert f"2 of 2 approvals, {BY_RISK}" in text_of(another, "/promotions/")
    assert documents.of_request(two)["waits_for"] == {
        "approvals": 1,
        "by_risk": 1,
        "words": "1 approval by a risk officer",
    }


def test_it_waits_for_nobody_whose_role_the_policy_does_not_name(
    waiting: Request, world: World, asha: User, bram: User, browser: Callable[..., Client]
) -> None:
    world.environment("prod-eu", "production", approvals={"count": 1, "roles": ["risk"]})
    asked = world.ask(world.version(waiting.model), "production", "prod-eu", by=asha)
    page, rita = f"/promotions/{asked.pk}/", world.person("rita", "risk")

    assert "To sign it you need the role risk in prod-eu." in text_of(browser(bram), page)
    assert f'action="{page}sign/' not in text_of(browser(bram), page)
    assert "1 promotion waits for you" in text_of(browser(bram), "/promotions/")
    assert "2 promotions wait for you" in text_of(browser(rita), "/promotions/")
    assert BY_RISK in text_of(browser(rita), page)
