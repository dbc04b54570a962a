"""The page on which a model is placed, and where its placement is seen."""

from collections.abc import Callable

import pytest
from django.test import Client

from governance.models import User
from promotion.models import Placement, Request

PATH = "/environments/prod-eu/models/credit-default/placement/"
FORM = {"labels": "zone=a\r\n", "minimum": "1", "reason": "zone b is closed"}


def text(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def test_placed_and_shown(
    waiting: Request, rosa: User, bram: User, browser: Callable[..., Client]
) -> None:
    page = browser(rosa)
    assert "On all agents: eu-1, eu-2." in text(page, PATH)
    assert page.post(PATH, FORM).status_code == 302

    shown = text(browser(bram), "/models/credit-default/")
    assert "on agents with zone=a (eu-1), at least 1 for a rollout" in shown
    assert PATH not in shown
    assert PATH in text(page, "/models/credit-default/")
    assert "by 1 of 1 agent" in text(page, "/")
    again = text(page, PATH)
    assert "zone=a</textarea>" in again
    assert 'value="1"' in again


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"labels": "zone"}, 422),
        ({"labels": "zone=c"}, 409),
        ({"minimum": "many"}, 422),
        ({"minimum": "0"}, 422),
        ({"minimum": "9" * 30}, 422),
        ({"reason": " "}, 422),
    ],
)
def test_what_makes_no_sense_is_said(
    waiting: Request,
    rosa: User,
    browser: Callable[..., Client],
    changes: dict[str, str],
    status: int,
) -> None:
    assert browser(rosa).post(PATH, {**FORM, **changes}).status_code == status
    assert not Placement.objects.exists()


def test_only_operators_place(waiting: Request, bram: User, browser: Callable[..., Client]) -> None:
    assert browser(bram).get(PATH).status_code == 403
    assert browser(bram).post(PATH, FORM).status_code == 403
