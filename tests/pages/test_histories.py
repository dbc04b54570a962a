"""A lost history on the pages: seen everywhere, decided on one."""

from collections.abc import Callable

import pytest
from django.test import Client

from governance.models import User
from promotion.models import Target
from tests.pages.factory import World

REASON = {"reason": "The database is of last night."}


@pytest.fixture
def target(world: World) -> Target:
    """Agents answer with version 2, which the tables have forgotten: they say version 1."""
    world.environment("prod-eu", "production")
    rigs = [world.agent(name, "prod-eu") for name in ("eu-1", "eu-2")]
    model = world.model("credit-default")
    old, new = world.version(model), world.version(model)
    world.champion(old, "prod-eu")
    target = Target.objects.get(environment__slug="prod-eu", tier="live")
    item = {"model": model.name, "version": 2, "digest": new.digest, "role": "champion"}
    stale = {"generation": target.generation, "reason": "STALE", "detail": "applied is 9"}
    for rig in rigs:
        rig.say(target.generation + 5, [{**item, "phase": "ready"}], refused=stale)
    return target


def test_every_page_says_so_once(
    target: Target, rosa: User, browser: Callable[..., Client]
) -> None:
    text = browser(rosa).get("/models/").content.decode()

    assert text.count("history is lost") == 1
    assert f"/fleet/#target-{target.pk}" in text
    assert "refused generation" not in text


def test_the_page_shows_both_and_decides(
    target: Target, rosa: User, browser: Callable[..., Client]
) -> None:
    page = browser(rosa)
    address = f"/fleet/targets/{target.pk}/history/"
    assert address in page.get("/fleet/").content.decode()
    shown = page.get(address).content.decode()
    assert "<td>version 1</td><td>version 2</td>" in shown

    assert page.post(address, {"decision": "adopt"}).status_code == 422
    answer = page.post(address, {"decision": "adopt", **REASON}, follow=True)
    assert "goes on with generation 1,0" in answer.content.decode()
    assert "history is lost" not in answer.content.decode()
    assert page.get(address).status_code == 409


def test_what_cannot_be_adopted_says_why(
    world: World, target: Target, rosa: User, browser: Callable[..., Client]
) -> None:
    world.rigs[0].say(target.generation + 5, [])
    page = browser(rosa)
    address = f"/fleet/targets/{target.pk}/history/"
    assert "do not serve the same" in page.get(address).content.decode()

    answer = page.post(address, {"decision": "adopt", **REASON})
    assert answer.status_code == 409
    assert page.post(address, {"decision": "override", **REASON}).status_code == 302


def test_who_does_not_operate_sees_and_does_not_decide(
    target: Target, asha: User, browser: Callable[..., Client]
) -> None:
    page = browser(asha)

    assert "history is lost" in page.get("/fleet/").content.decode()
    assert f"/fleet/targets/{target.pk}/history/" not in page.get("/fleet/").content.decode()
    assert page.get(f"/fleet/targets/{target.pk}/history/").status_code == 403
