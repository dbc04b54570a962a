"""The page on which an operator decides what becomes of a version that was taken away."""

from collections.abc import Callable

import pytest
from django.test import Client

from governance.actors import Actor
from governance.models import User
from promotion.models import Deployment, Request
from promotion.services import rollbacks
from tests.pages.factory import World

PATH = "/environments/prod-eu/models/credit-default/versions/2/dismiss/"


@pytest.fixture
def taken_away(world: World, waiting: Request, bram: User, rosa: User) -> None:
    """Version 2 was promoted, and rolled back from."""
    world.sign(waiting, bram)
    world.settle()
    rollbacks.rollback(
        environment="prod-eu",
        model="credit-default",
        reason="it was wrong",
        actor=Actor.from_user(rosa),
    )
    world.settle()


def text(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def test_named_in_the_red_bar_until_it_is_retired_for_good(
    taken_away: None, rosa: User, bram: User, browser: Callable[..., Client]
) -> None:
    page = browser(rosa)
    assert PATH in text(page, "/abnormal/")
    assert "waits for a decision" in text(page, "/models/credit-default/")
    assert "lockgate promote credit-default 2 prod-eu --to dark" in text(page, PATH)
    assert page.post(PATH, {"reason": " "}).status_code == 422
    assert browser(bram).post(PATH, {"reason": "why not"}).status_code == 403

    assert page.post(PATH, {"reason": "its data were wrong"}).status_code == 302
    assert text(page, "/abnormal/").strip() == ""
    assert page.post(PATH, {"reason": "again"}).status_code == 409
    assert Deployment.objects.get(version__number=2).hold == "none"
