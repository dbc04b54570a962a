"""The pages on which incidents are seen, opened and closed."""

from collections.abc import Callable

import pytest
from django.test import Client

from governance.models import User
from promotion.models import Incident, Request
from tests.pages.factory import World

FORM = {
    "environment": "prod-eu",
    "model": "credit-default",
    "severity": "critical",
    "title": "Scores are all 0.5",
    "detail": "Since the feed of limits broke.",
}


def text(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def test_opened_seen_on_every_page_and_closed(
    waiting: Request, rosa: User, bram: User, browser: Callable[..., Client]
) -> None:
    page = browser(rosa)
    assert "No incident is open" in text(page, "/incidents/")
    assert "/incidents/?environment=prod-eu" in text(page, "/")
    assert page.post("/incidents/open/", FORM).status_code == 302

    bar = "critical incident of credit-default: Scores are all 0.5"
    for address in ("/", "/abnormal/", "/models/credit-default/"):
        assert bar in text(browser(bram), address)
    shown = text(page, "/incidents/?environment=prod-eu")
    assert "1 incident is open in prod-eu" in shown
    assert "Since the feed of limits broke." in shown

    made = Incident.objects.get()
    path = f"/incidents/{made.pk}/close/"
    assert path in shown
    assert path not in text(browser(bram), "/incidents/")
    assert "open since" in text(page, path)
    assert page.post(path, {"resolution": " "}).status_code == 422
    assert page.post(path, {"resolution": "The feed is back."}).status_code == 302
    assert page.post(path, {"resolution": "again"}).status_code == 409
    assert "The feed is back." in text(browser(bram), "/incidents/")
    assert bar not in text(page, "/")


def test_while_one_is_open_the_two_buttons_say_that_nothing_comes_back(
    waiting: Request, rosa: User, browser: Callable[..., Client]
) -> None:
    page = browser(rosa)
    stop = "/environments/prod-eu/models/credit-default/stop/"
    assert "its files stay on the agents" in text(page, stop)
    page.post("/incidents/open/", FORM)
    assert "leaves by the open incident" in text(page, stop)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"severity": "bad"}, 422),
        ({"title": " "}, 422),
        ({"title": "x" * 201}, 422),
        ({"environment": "nowhere"}, 404),
        ({"model": "nothing"}, 404),
    ],
)
def test_what_makes_no_sense_is_said(
    waiting: Request,
    rosa: User,
    browser: Callable[..., Client],
    changes: dict[str, str],
    status: int,
) -> None:
    assert browser(rosa).post("/incidents/open/", {**FORM, **changes}).status_code == status
    assert not Incident.objects.exists()


def test_who_handles_none_opens_none(
    waiting: Request, bram: User, world: World, browser: Callable[..., Client]
) -> None:
    assert browser(bram).get("/incidents/open/").status_code == 403
    assert "Open an incident" not in text(browser(bram), "/incidents/")
