"""An agent whose status flaps adds to the log at a pace, and its final state is never lost."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from governance.audit.models import Entry
from promotion import pacing
from promotion.models import Agent, AgentReport, ServingInterval
from promotion.services import agents, sweeping

pytestmark = pytest.mark.django_db


@pytest.fixture
def flapping(world, ask, sign, asha, bram):
    """An agent that answers with version 1, and can say so or not."""
    rig = world.agent("eu-1")
    sign(ask(world.version(), by=asha), bram)
    world.settle()
    return rig


def flap(rig, times, **more):
    """Say in turns that it answers with nothing, and with version 1 again."""
    document = rig.desired()
    for number in range(times):
        items = [] if number % 2 == 0 else rig.items(document)
        rig.say(document["generation"], items, **more)


def entries(action="agent.changed_serving"):
    rows = Entry.objects.filter(action=action).select_related("payload").order_by("seq")
    return [json.loads(row.payload.body) for row in rows]


def running(rig):
    return ServingInterval.objects.filter(agent=rig.agent, ended_at=None).count()


def later(rig, seconds):
    """Let so much time have passed since what it told."""
    report = AgentReport.objects.get(agent=rig.agent)
    paced_until = report.paced_until - timedelta(seconds=seconds)
    AgentReport.objects.filter(agent=rig.agent).update(paced_until=paced_until)


def test_the_pace_is_a_burst_and_then_one_each_period():
    now = timezone.now()
    spent, told = None, 0
    for number in range(1_000):  # A hundred a second, for ten seconds.
        at = now + timedelta(seconds=number / 100)
        if pacing.may(spent, now=at):
            spent, told = pacing.spend(spent, now=at), told + 1
    assert told == pacing.BURST
    at = now + timedelta(hours=1)
    assert pacing.may(spent, now=at)
    assert pacing.spend(spent, now=at) == at + pacing.EVERY


def test_what_is_too_much_is_told_with_the_next_entry_and_how_many_it_stands_for(flapping):
    flap(flapping, 100)
    told = entries()
    assert len(told) <= pacing.BURST + 1
    assert ServingInterval.objects.count() <= pacing.BURST + 1
    held_back = AgentReport.objects.get(agent=flapping.agent).untold
    assert held_back > 60

    later(flapping, pacing.EVERY.total_seconds())
    flap(flapping, 1)
    assert len(entries()) == len(told) + 1
    assert entries()[-1]["changes"] == held_back + 1
    assert entries()[-1]["after"] == []
    assert all(a["after"] == b["before"] for a, b in zip(entries(), entries()[1:], strict=False))


def test_what_stopped_ends_at_once_and_what_began_waits(flapping):
    flap(flapping, 2 * pacing.BURST + 1)
    assert running(flapping) == 0
    flap(flapping, 2)  # It answers again; nobody believes it yet.
    assert running(flapping) == 0
    later(flapping, pacing.EVERY.total_seconds())
    flapping.obey()
    assert running(flapping) == 1, "one that is quiet again is told, though nothing changed"


def test_of_one_that_fell_silent_the_sweep_tells_the_rest(flapping, replayed):
    flap(flapping, 2 * pacing.BURST)
    count = len(entries())
    sweeping.sweep()
    assert len(entries()) == count, "not before its time"
    later(flapping, pacing.EVERY.total_seconds())
    sweeping.sweep()
    assert (len(entries()), running(flapping)) == (count + 1, 1)
    assert entries()[-1]["after"][0]["role"] == "champion"
    sweeping.sweep()
    assert len(entries()) == count + 1
    replayed()


def test_one_that_left_is_told_of_once(flapping, replayed):
    flap(flapping, 2 * pacing.BURST)
    agents.leave(agent_id=flapping.agent.pk, actor=flapping.actor)
    later(flapping, 3_600)
    count = len(entries())
    sweeping.sweep()
    assert (len(entries()), running(flapping)) == (count, 0)
    flapping.obey()
    assert (len(entries()), running(flapping)) == (count + 1, 1)
    assert entries()[-1]["before"] == []
    replayed()


def test_refusals_of_ever_other_generations_are_paced_too(flapping):
    generation = flapping.desired()["generation"]
    for number in range(100):
        refused = {"generation": generation + number, "reason": "INVALID", "detail": ""}
        flapping.say(generation, [], refused=refused)
    told = entries("agent.refused_state")
    assert len(told) <= pacing.BURST
    later(flapping, pacing.EVERY.total_seconds())
    sweeping.sweep()
    assert entries("agent.refused_state")[-1]["generation"] == generation + 99


def test_the_same_refusal_is_told_once_however_often_it_is_said(flapping):
    generation = flapping.desired()["generation"]
    refused = {"generation": generation + 1, "reason": "INVALID", "detail": ""}
    for number in range(10):
        flapping.say(generation, [], refused=refused if number % 2 else None)
    assert len(entries("agent.refused_state")) == 1


def test_others_are_told_of_as_before(flapping, world):
    flap(flapping, 2 * pacing.BURST)
    other = world.agent("eu-2")
    assert AgentReport.objects.get(agent=other.agent).untold == 0
    assert Agent.objects.get(pk=other.agent.pk).intervals.filter(ended_at=None).count() == 1
