"""The pages on which what answers is looked at again."""

from collections.abc import Callable

from django.test import Client

from governance.models import User
from promotion.models import LiveReview, Request
from tests.pages.factory import World

FORM = {"outcome": "continue", "comment": "Read the dark report."}
PATH = "/environments/prod-eu/models/credit-default/versions/1/review/"


def text(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def test_overdue_first_and_reviewed(
    waiting: Request, world: World, bram: User, asha: User, browser: Callable[..., Client]
) -> None:
    world.environment("prod-eu", "production", approvals=1, reviews={"new_policy": True})
    page = browser(bram)
    shown = text(page, "/reviews/")
    assert "1 review is overdue" in shown
    assert PATH in shown
    assert "overdue since" in text(page, "/models/credit-default/versions/1/")
    assert "/reviews/" in text(page, "/findings/")
    assert PATH not in text(browser(asha), "/reviews/")
    assert browser(asha).get(PATH).status_code == 403

    assert "A review is due" in text(page, PATH)
    assert page.post(PATH, {**FORM, "outcome": ""}).status_code == 422
    assert page.post(PATH, {**FORM, "next_by": "soon"}).status_code == 422
    assert page.post(PATH, FORM).status_code == 302
    assert LiveReview.objects.get().name == "Bram de Wit"
    assert "No review is overdue" in text(page, "/reviews/")
    assert "Read the dark report." in text(page, "/reviews/")
    assert "Read the dark report." in text(page, "/models/credit-default/versions/1/")
    other = PATH.replace("versions/1", "versions/2")
    assert "It answers nobody there" in text(page, other)
    assert page.post(other, FORM).status_code in {404, 409}
