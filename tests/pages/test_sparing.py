"""The page on which a spare is named, and where it is seen."""

from collections.abc import Callable

from django.test import Client

from governance.models import User
from promotion.models import Request
from tests.pages.factory import World

PATH = "/environments/prod-eu/models/credit-default/spare/"


def text(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def test_named_shown_and_dropped(
    world: World, waiting: Request, bram: User, rosa: User, browser: Callable[..., Client]
) -> None:
    page = browser(rosa)
    assert "No version can be the spare" in text(page, PATH)
    world.sign(waiting, bram)
    world.settle()

    assert 'name="version" value="1"' in text(page, PATH)
    assert browser(bram).get(PATH).status_code == 403
    for wrong in ({}, {"version": "one"}, {"version": "9" * 30}, {"version": "1", "reason": " "}):
        assert page.post(PATH, {"reason": "safe", **wrong}).status_code == 422
    assert page.post(PATH, {"version": "2", "reason": "safe"}).status_code == 409
    assert page.post(PATH, {"version": "1", "reason": "safe"}).status_code == 302

    assert "spare v1" in text(page, "/")
    assert "answers when the champion fails" in text(browser(bram), "/models/credit-default/")
    assert "Version 1 is the spare" in text(page, PATH)
    stop = text(page, "/environments/prod-eu/models/credit-default/stop/")
    assert "Version 1, the spare, answers" in stop
    assert page.post(PATH, {"version": "none", "reason": "enough"}).status_code == 302
    assert "spare v1" not in text(page, "/")


def test_a_stopped_model_says_that_its_spare_answers(
    world: World, waiting: Request, bram: User, rosa: User, browser: Callable[..., Client]
) -> None:
    world.sign(waiting, bram)
    world.settle()
    page = browser(rosa)
    page.post(PATH, {"version": "1", "reason": "safe"})
    page.post("/environments/prod-eu/models/credit-default/stop/", {"reason": "wrong"})
    world.settle()

    assert "version 1, the spare, answers" in text(page, "/abnormal/")
    assert "the spare answers" in text(page, "/models/credit-default/")
    assert "the spare answers" in text(page, "/")
    assert "callers get 503" in text(page, PATH)
