"""The page on which a risk officer waives a gate."""

from collections.abc import Callable

import pytest
from django.test import Client

from governance.models import User
from promotion.models import Request, Waiver
from tests.pages.factory import World

PATH = "/models/credit-default/versions/2/waive/"
FORM = {"environment": "prod-eu", "gate": "dark_pairs", "hours": "24", "reason": "a quiet month"}


@pytest.fixture
def rita(world: World, waiting: Request) -> User:
    world.environment("prod-eu", "production", waivers={"gates": ["dark_pairs"], "hours": 48})
    return world.person("rita", "risk", first_name="Rita", last_name="Vos")


def test_what_is_waived_stands_on_the_version(rita: User, browser: Callable[..., Client]) -> None:
    page = browser(rita)
    assert "Waive a gate for credit-default version 2?" in page.get(PATH).content.decode()
    assert page.post(PATH, FORM).status_code == 302

    text = page.get("/models/credit-default/versions/2/").content.decode()
    assert "by Rita Vos, until" in text
    assert "a quiet month" in text


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"gate": "metrics"}, 409),
        ({"hours": "x"}, 422),
        ({"hours": "49"}, 422),
        ({"reason": " "}, 422),
        ({"environment": "nowhere"}, 404),
    ],
)
def test_what_cannot_be_waived_says_why(
    rita: User, browser: Callable[..., Client], changes: dict[str, str], status: int
) -> None:
    assert browser(rita).post(PATH, {**FORM, **changes}).status_code == status
    assert not Waiver.objects.exists()


def test_who_judges_no_risk_waives_nothing(
    rita: User, bram: User, browser: Callable[..., Client]
) -> None:
    assert browser(bram).get(PATH).status_code == 403
    assert (
        "Waive a gate"
        not in browser(bram).get("/models/credit-default/versions/2/").content.decode()
    )
