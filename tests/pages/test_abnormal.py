"""What raises the red bar: what needs somebody now, and nothing else."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from governance import access
from governance.audit.models import SealerReport
from governance.models import Environment, User
from promotion.models import AgentReport, Deployment
from promotion.selectors import abnormal, observed
from promotion.selectors.decided import decided
from promotion.services.incidents import open_incident
from tests.conftest import as_owner
from tests.pages.factory import SET_UP, World

LATER = timedelta(minutes=1)


@pytest.fixture
def prod(world: World) -> World:
    """Version 1 of ``credit-default`` answers on two agents."""
    world.environment("prod-eu", "production")
    world.agent("eu-1", "prod-eu")
    world.agent("eu-2", "prod-eu")
    world.champion(world.version(world.model("credit-default")), "prod-eu")
    return world


def alarms_later() -> list[str]:
    """What would be abnormal a minute from now, if agents said the same then."""
    now = timezone.now() + LATER
    AgentReport.objects.update(at=now)
    agents = observed.present_agents(Environment.objects.values_list("pk", flat=True))
    rows = decided(Deployment.objects.all())
    live = observed.live_by_environment(agents)
    found = abnormal.among(
        agents,
        observed.champions(rows, agents=live, now=now).values(),
        lost=[],
        sight=access.sight(SET_UP),
        now=now,
    )
    return [f"{one.place}: {one.what} {one.remedy}" for one in found]


def test_nothing_is_abnormal_while_all_say_what_was_decided(prod: World) -> None:
    assert abnormal.alarms(access.sight(SET_UP)) == []
    assert alarms_later() == []


def test_entries_that_wait_too_long_to_be_sealed_are_named(prod: World, settings: Any) -> None:
    now = timezone.now()
    assert abnormal.of_log(now=now + timedelta(minutes=4)) == []
    (alarm,) = abnormal.of_log(now=now + timedelta(minutes=12))
    assert alarm.place == "audit log"
    assert re.fullmatch(r"sealing is \d+ entries and 1[12] minutes behind.", alarm.what)
    settings.CONFIG = settings.CONFIG.model_copy(update={"checkpoint_sinks": ""})
    assert abnormal.of_log(now=now + timedelta(minutes=12)) == []


def test_a_sealer_that_refuses_or_a_sink_that_is_full_is_named(prod: World) -> None:
    now = timezone.now()
    long_ago = (now - timedelta(minutes=6)).isoformat()
    full = {"name": "file:///sink", "size": 3, "error": "The sink is full.", "since": long_ago}
    just_now = {**full, "name": "s3://b", "since": now.isoformat()}
    said = {"refused": "entry 5 is missing", "sinks": [full, just_now]}
    with as_owner(connection):
        SealerReport.objects.create(pk=1, at=now, said=said)
    assert [alarm.what for alarm in abnormal.of_log(now=now)] == [
        "the sealer refuses to go on: entry 5 is missing.",
        "the sink file:///sink takes no checkpoints: The sink is full.",
    ]


def test_an_agent_that_answers_with_nothing_contradicts_the_decision(prod: World) -> None:
    prod.rigs[1].say(3, [])

    assert alarms_later() == [
        (
            "prod-eu: credit-default version 1 is decided, and confirmed by 1 of 2 agents:"
            " eu-2 answers with no version."
            " Look at the agents; roll back if callers get wrong answers."
        )
    ]


def test_a_decision_gets_two_leases_before_anybody_is_called(prod: World) -> None:
    prod.rigs[1].say(3, [])

    assert abnormal.alarms(access.sight(SET_UP)) == []


def test_a_champion_without_any_agent_is_abnormal(prod: World) -> None:
    for rig in prod.rigs:
        rig.falls_silent(seconds=90)
    agents = observed.present_agents(Environment.objects.values_list("pk", flat=True))
    now = timezone.now() + LATER
    rows = decided(Deployment.objects.all())
    live = observed.live_by_environment(agents)
    found = abnormal.among(
        [],
        observed.champions(rows, agents=live, now=now).values(),
        lost=[],
        sight=access.sight(SET_UP),
        now=now,
    )

    assert [one.what for one in found] == [
        "credit-default version 1 is decided, and confirmed by 0 of 2 agents."
    ]


def test_many_that_fall_silent_are_one_line(prod: World) -> None:
    for number in range(3, 7):
        prod.agent(f"eu-{number}", "prod-eu")
    for rig in prod.rigs[:3]:
        rig.falls_silent(seconds=90)
    three = [one.what for one in abnormal.alarms(access.sight(SET_UP))]
    assert three[:3] == [
        f"agent eu-{number} is silent. What it serves is unknown." for number in (1, 2, 3)
    ]

    for rig in prod.rigs[3:]:
        rig.falls_silent(seconds=90)
    many, *_ = abnormal.alarms(access.sight(SET_UP))

    assert many.what == (
        "6 agents are silent: eu-1, eu-2, eu-3 and 3 more. What they serve is unknown."
    )
    assert many.place == "prod-eu"
    assert many.since is not None


def test_a_long_red_bar_folds(prod: World, rosa: User, browser: Callable[..., Client]) -> None:
    for number in range(7):
        open_incident(
            environment="prod-eu", severity="minor", title=f"thing {number}", actor=SET_UP
        )

    page = browser(rosa).get("/").content.decode()

    assert "7 things need somebody now" in page
    assert "<summary>and 1 more</summary>" in page
    assert page.count("incident of everything") == 7
