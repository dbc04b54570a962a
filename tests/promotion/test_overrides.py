"""A rollback on an agent's own host: stored, shown, and once in the log, however late it comes."""

import json
from datetime import datetime, timedelta

import pytest
from django.template.loader import render_to_string
from django.utils import timezone
from pydantic import ValidationError

from governance import access
from governance.audit.models import Entry
from governance.models import Environment
from promotion import pacing, wire
from promotion.models import AgentReport, Deployment
from promotion.selectors import abnormal, fleet, observed
from promotion.selectors.decided import decided
from promotion.services import rollbacks
from tests.promotion.conftest import SET_UP

pytestmark = pytest.mark.django_db
MINUTE_MS = 60_000.0


@pytest.fixture
def rig(world, ask, sign, asha, bram):
    """Version 2 answers on one agent; version 1 did before."""
    rig = world.agent("eu-1")
    for _ in range(2):
        sign(ask(world.version(), by=asha), bram)
        world.settle()
    return rig


@pytest.fixture
def former(rig):
    return Deployment.objects.select_related("version").get(version__number=1).version


def override(version, **changes):
    return {
        "id": "o-1",
        "model": version.model.name,
        "version": version.number,
        "digest": version.digest,
        "since_age_ms": MINUTE_MS,
        "reason": "wrong scores",
        "by": "ops (uid 7)",
        **changes,
    }


def say(rig, *overrides, answers=None):
    items = rig.items(rig.desired())
    if answers is not None:
        for item in items:
            item["role"] = "champion" if item["digest"] == answers.digest else "load"
    rig.say(rig.desired()["generation"], items, overrides=list(overrides))


def entries(action):
    found = Entry.objects.filter(action=action).order_by("seq").select_related("payload")
    return [(one, json.loads(one.payload.body)) for one in found]


def bar():
    return [one.what for one in abnormal.alarms(access.sight(SET_UP))]


def test_it_is_recorded_once_in_the_story_of_its_model(rig, former, replayed):
    for _ in range(3):
        say(rig, override(former), answers=former)
    ((entry, told),) = entries("agent.rolled_back")
    assert (entry.object, entry.subject) == ("model:credit-default", f"agent:{rig.agent.pk}")
    assert (entry.model_version, entry.environment) == (1, "prod-eu")
    assert (told["reason"], told["by"], told["digest"]) == (
        "wrong scores",
        "ops (uid 7)",
        former.digest,
    )
    began = datetime.fromisoformat(told["began_at"])
    assert timedelta(seconds=55) < timezone.now() - began < timedelta(seconds=120)
    replayed()


def test_the_red_bar_the_fleet_and_the_model_name_it_until_it_ends(rig, former, omar):
    assert bar() == []
    say(rig, override(former), answers=former)
    (what,) = bar()
    assert "rolled back on its host by ops (uid 7)" in what
    assert "credit-default version 1, whatever is decided (wrong scores)" in what
    page = render_to_string(
        "parts/fleet.html", {"fleet": fleet.fleet(access.sight(SET_UP), now=timezone.now())}
    )
    assert "version 1 answers here, whatever is decided." in page
    assert "serving_agent resume credit-default" in page
    (card,) = fleet.fleet(access.sight(SET_UP), now=timezone.now()).targets[1].agents
    assert (card.standing, len(card.overrides)) == ("rolled back", 1)
    agents = observed.live_by_environment(
        observed.present_agents([rig.agent.target.environment_id])
    )
    rows = decided(Deployment.objects.filter(role="champion"))
    (found,) = observed.champions(rows, agents=agents, now=timezone.now()).values()
    assert found.confirmation.findings[0].why == "was rolled back on its host to another version"

    rollbacks.rollback(environment="prod-eu", model="credit-default", reason="so too", actor=omar)
    say(rig, override(former, ended_age_ms=10.0, ended="decided"))
    assert AgentReport.objects.get(agent=rig.agent).overrides == []
    assert not any("on its host" in what for what in bar())
    ((_, told),) = entries("agent.resumed")
    assert told["why"] == "decided"
    say(rig)
    assert AgentReport.objects.get(agent=rig.agent).told_overrides == []
    assert len(entries("agent.rolled_back")) == len(entries("agent.resumed")) == 1


def test_who_does_not_see_the_model_is_told_without_its_name(rig, former):
    say(rig, override(former, reason="of credit-default"), answers=former)
    others = access.Sight(Environment.objects.all(), access.Reach(frozenset({(None, "fraud")})))
    told = [one.what for one in abnormal.alarms(others) if "on its host" in one.what]
    assert len(told) == 1
    assert "credit-default" not in told[0]
    cards = fleet.fleet(others, now=timezone.now()).targets[1].agents
    assert [(card.standing, card.overrides) for card in cards] == [("rolled back", [])]


def test_what_came_and_went_while_it_was_cut_off_is_told_whole(rig, former):
    ended = override(former, ended_age_ms=1_000.0, ended="resumed")
    for _ in range(2):
        say(rig, ended, override(former, id="o-2"))
    actions = Entry.objects.filter(action__in=["agent.rolled_back", "agent.resumed"])
    assert list(actions.order_by("seq").values_list("action", flat=True)) == [
        "agent.rolled_back",
        "agent.resumed",
        "agent.rolled_back",
    ]


def test_a_version_nobody_knows_is_told_of_as_what_was_claimed(rig, former):
    say(rig, override(former, digest="f" * 64, by="\x1b[31m\n"))
    ((entry, told),) = entries("agent.rolled_back")
    assert (entry.object, entry.model) == (f"agent:{rig.agent.pk}", None)
    assert told["claimed"] == f"credit-default {'f' * 64}"
    assert "\x1b" not in told["by"]


def test_one_that_makes_them_up_is_held_to_a_pace(rig, former):
    for number in range(2 * pacing.BURST):
        say(rig, override(former, id=f"made-up-{number}"))
    assert len(entries("agent.rolled_back")) <= pacing.BURST
    later = timezone.now() - timedelta(hours=1)
    AgentReport.objects.filter(agent=rig.agent).update(paced_until=later)
    say(rig, override(former, id="true"))
    assert entries("agent.rolled_back")[-1][1]["override"] == "true"


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ""},
        {"id": "a b"},
        {"digest": "F" * 64},
        {"version": 0},
        {"version": "1"},
        {"since_age_ms": -1.0},
        {"since_age_ms": float("nan")},
        {"since_age_ms": 1e300},
        {"by": "x" * 201},
        {"ended_age_ms": "soon"},
    ],
)
def test_what_cannot_be_is_refused(changes):
    good = {
        "id": "o-1",
        "model": "credit-default",
        "version": 1,
        "digest": "a" * 64,
    }
    wire.Override.model_validate(good)
    with pytest.raises(ValidationError):
        wire.Override.model_validate({**good, **changes})
