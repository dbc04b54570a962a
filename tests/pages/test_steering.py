"""A rollout in stages on its page: what it shows, and the buttons that hold, go on and end."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from governance import access
from governance.models import User
from promotion.models import Deployment, Request, Rollout
from promotion.selectors import abnormal
from promotion.services import rollouts
from tests.pages.factory import SET_UP, World

STAGES = [{"agents": 1}, {"weight": 0.25, "minimum_requests": 40, "seconds": 60.0}, "all"]


@pytest.fixture
def staged(world: World) -> Request:
    """Version 2 of ``credit-default`` answers on one of two agents."""
    world.environment("prod-eu", "production", stages=STAGES)
    world.agent("eu-1", "prod-eu")
    world.agent("eu-2", "prod-eu")
    model = world.model("credit-default")
    world.champion(world.version(model), "prod-eu")
    request = world.ask(world.version(model), "production", "prod-eu")
    for rig in world.rigs:
        rig.obey()
    return request


@pytest.fixture
def omar(world: World) -> User:
    return world.person("omar", "operator")


def rollout_of(request: Request) -> Rollout:
    return Rollout.objects.get(request=request)


def test_the_page_shows_every_stage_and_who_shares(
    staged: Request, omar: User, browser: Callable[..., Client]
) -> None:
    text = browser(omar).get(f"/promotions/{staged.pk}/").content.decode()

    assert "under way, step stage 1" in text
    assert "1 agent answers with it" in text
    wanted = "25 % of callers, always the same, get its answers; at least 60 s and 40 answers"
    assert wanted in text
    for verb in ("pause", "abort"):
        assert f'href="/rollouts/{rollout_of(staged).pk}/{verb}/"' in text


ROLL_BACK = "/environments/prod-eu/models/credit-default/roll-back/"


def test_a_rollback_in_a_stage_first_offers_the_champion_for_all_callers(
    staged: Request, omar: User, browser: Callable[..., Client]
) -> None:
    """The candidate is what went wrong: the champion is not to go with it."""
    page = browser(omar)
    assert f'href="{ROLL_BACK}"' in page.get(f"/promotions/{staged.pk}/").content.decode()
    model = page.get("/models/credit-default/").content.decode()
    assert "to version 1 for all callers" in model

    text = page.get(ROLL_BACK).content.decode()
    assert "Some callers are answered by version 2, the candidate." in text
    assert 'value="1" checked required> <span>version 1 <span class="muted">for all' in text
    answer = page.post(ROLL_BACK, {"to": "1", "reason": "declined cards"})

    assert answer.status_code == 302
    assert [(row.version.number, row.role) for row in in_production()] == [(1, "champion")]


def test_a_former_champion_is_offered_after_it_and_is_not_the_default(
    world: World, omar: User, browser: Callable[..., Client]
) -> None:
    world.environment("prod-eu", "production")
    world.agent("eu-1", "prod-eu")
    model = world.model("credit-default")
    for _ in range(2):
        world.champion(world.version(model), "prod-eu")
    world.environment("prod-eu", "production", stages=STAGES)
    world.ask(world.version(model), "production", "prod-eu")
    world.rigs[0].obey()

    text = browser(omar).get(ROLL_BACK).content.decode()
    assert text.index('value="2" checked') < text.index('value="1" required')
    assert "Version 3 goes back where it was before." in text
    assert "version 2 is retired and kept" in text


def in_production() -> list[Deployment]:
    rows = Deployment.objects.filter(state="production").select_related("version")
    return list(rows.order_by("version__number"))


def test_only_operators_have_the_buttons(
    staged: Request, bram: User, browser: Callable[..., Client]
) -> None:
    page = browser(bram)

    assert "/pause/" not in page.get(f"/promotions/{staged.pk}/").content.decode()
    assert page.get(f"/rollouts/{rollout_of(staged).pk}/pause/").status_code == 403


def test_pausing_resuming_and_aborting(
    staged: Request, omar: User, browser: Callable[..., Client]
) -> None:
    page, pk = browser(omar), rollout_of(staged).pk
    asked = page.get(f"/rollouts/{pk}/pause/").content.decode()
    assert "Pause the rollout of credit-default 2 in prod-eu?" in asked
    assert "guards watch on" in asked

    answer = page.post(f"/rollouts/{pk}/pause/", {"reason": "wait for the night"})
    assert (answer.status_code, answer["Location"]) == (302, f"/promotions/{staged.pk}/")
    shown = page.get(f"/promotions/{staged.pk}/").content.decode()
    assert "Paused" in shown
    assert f"/rollouts/{pk}/resume/" in shown

    page.post(f"/rollouts/{pk}/resume/", {"reason": "it is night"})
    assert rollout_of(staged).paused_at is None
    asked = page.get(f"/rollouts/{pk}/abort/").content.decode()
    assert "Version 1 answers everybody" in asked
    page.post(f"/rollouts/{pk}/abort/", {"reason": "not tonight"})
    assert Deployment.objects.get(version__number=2).state == "trained"


def test_a_refusal_is_shown_with_its_reason(
    staged: Request, omar: User, browser: Callable[..., Client]
) -> None:
    page, pk = browser(omar), rollout_of(staged).pk

    assert "Say why" in page.post(f"/rollouts/{pk}/abort/", {"reason": " "}).content.decode()
    answer = page.post(f"/rollouts/{pk}/resume/", {"reason": "go"})
    assert answer.status_code == 409
    assert "It is not paused, and has not halted." in answer.content.decode()


def test_one_that_halted_raises_the_red_bar_and_can_continue(
    world: World, staged: Request, omar: User, browser: Callable[..., Client]
) -> None:
    rollout = rollout_of(staged)
    world.rigs[0].falls_silent()
    late = rollout.step_at + timedelta(seconds=301)  # Agents have 300 s to confirm.
    rollouts.advance(rollout_id=rollout.pk, actor=SET_UP, now=late)
    text = browser(omar).get(f"/promotions/{staged.pk}/").content.decode()

    assert "Continue …" in text
    assert "did not confirm in time" in text
    (alarm,) = [one for one in abnormal.alarms(access.sight(SET_UP)) if "rollout" in one.what]
    assert alarm.remedy == "Let it continue, or abort it."
