"""A version's page tells where it comes from and what agents make of it now."""

from collections.abc import Callable

from django.test import Client

from governance.models import User
from promotion.models import Request
from tests.pages.factory import World


def test_one_that_nobody_holds_any_more_is_not_said_to_have_never_been_loaded(
    world: World, waiting: Request, bram: User, browser: Callable[..., Client]
) -> None:
    world.sign(waiting, bram)
    world.settle()

    page = browser(bram).get("/models/credit-default/versions/1/").content.decode()

    assert "retired" in page
    assert "No agent holds this version now" in page
    assert "has loaded this version" not in page


def test_the_times_its_data_is_about_are_days(
    world: World, bram: User, browser: Callable[..., Client]
) -> None:
    data = {
        "id": "clients",
        "digest": "ab" * 32,
        "from": "2005-04-01T00:00:00+00:00",
        "to": "2005-09-30T00:00:00+00:00",
    }
    world.version(world.model("score"), datasets=[data])

    page = browser(bram).get("/models/score/versions/1/").content.decode()

    assert 'title="2005-04-01T00:00:00+00:00 to 2005-09-30T00:00:00+00:00"' in page
    assert ">2005-04-01 to 2005-09-30<" in page
