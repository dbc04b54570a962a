"""How long answers take: counted by agents, added up here, judged by a gate, and kept a week."""

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from promotion import latencies, wire
from promotion.latencies import MOST, SIZE, Sums
from promotion.models import LatencySlot
from promotion.selectors import facts
from promotion.services import latencies as service
from serving_agent import latency as agents_scale
from tests.measured import measured

pytestmark = pytest.mark.django_db


@pytest.fixture
def live(world, ask, sign, asha, bram):
    """Version 1 answers in prod-eu on two agents."""
    world.agent("eu-1")
    world.agent("eu-2")
    version = world.version()
    sign(ask(version, by=asha), bram)
    world.settle()
    world.champion = version
    return world


def say(rig, taken, *, budget_ms=None):
    """Let an agent report what it holds, with answers timed since it was loaded."""
    document = rig.desired()
    items = rig.items(document)
    latency = measured(taken, budget_ms=budget_ms)
    return rig.say(document["generation"], [{**one, "latency": latency} for one in items])


def counted():
    """Answers in the history, by target's tier."""
    return sum(sum(row.counts) for row in LatencySlot.objects.all())


@given(st.floats(min_value=0, max_value=1e7))
def test_agents_and_control_plane_measure_on_one_scale(milliseconds):
    place = agents_scale.bucket(milliseconds)

    assert (latencies.SIZE, latencies.STEPS) == (agents_scale.SIZE, agents_scale.STEPS)
    assert latencies.edge(place) == agents_scale.edge(place)


@given(st.lists(st.floats(min_value=0.01, max_value=100_000), min_size=2, max_size=100))
def test_what_two_agents_counted_adds_up_to_what_one_would_have(taken):
    half = len(taken) // 2
    parts = [Sums.read(measured(taken[:half])), Sums.read(measured(taken[half:]))]

    both = latencies.distribution(latencies.total(parts))

    assert both.n == len(taken)
    assert np.isclose(both.mean_ms, np.mean(taken))
    for share, found in ((50, both.p50_ms), (95, both.p95_ms), (99, both.p99_ms)):
        right = np.percentile(taken, share, method="inverted_cdf")
        assert right / 1.092 <= found <= right * 1.092


def test_only_what_came_since_the_last_report_is_added(live):
    first, second = live.rigs

    say(first, [1.0] * 10)
    say(first, [1.0] * 10)
    say(first, [1.0] * 25, budget_ms=0.5)
    say(second, [4.0] * 5)

    (slot,) = LatencySlot.objects.all()
    assert (sum(slot.counts), slot.sum_ms, slot.over_budget) == (30, 45.0, 25)
    assert slot.version == live.champion
    assert slot.target.tier == "live"


def test_a_restart_begins_anew_and_a_clone_adds_nothing(live):
    rig = live.rigs[0]
    say(rig, [1.0] * 10)

    rig.boot_id = "boot-2"
    say(rig, [1.0] * 4)
    assert counted() == 14

    rig.boot_id = "boot-1"
    say(rig, [1.0] * 20)
    assert counted() == 14


def test_a_version_that_was_loaded_anew_begins_anew(live):
    rig = live.rigs[0]
    say(rig, [1.0] * 10)
    say(rig, [2.0] * 3)

    assert counted() == 13


def test_numbers_beyond_all_measure_stop_at_the_largest_and_break_nothing(live):
    rig = live.rigs[0]
    for boot in range(3):
        rig.boot_id = f"liar-{boot}"
        latency = measured([1.0])
        latency["since_load"] |= {"counts": [MOST] * SIZE, "sum_ms": 1e18, "squares": 1e18}
        items = [{**one, "latency": latency} for one in rig.items(rig.desired())]
        rig.say(rig.desired()["generation"], items)

    assert set(LatencySlot.objects.get().counts) == {MOST}


@pytest.mark.parametrize(
    "wrong",
    [
        {"first": SIZE},
        {"first": 1, "counts": [0] * SIZE},
        {"counts": [-1]},
        {"counts": [2**53]},
        {"sum_ms": float("nan")},
        {"sum_ms": -1.0},
        {"squares": 1e300},
    ],
)
def test_counts_off_the_scale_are_refused(wrong):
    latency = measured([1.0])
    latency["since_load"] |= wrong

    with pytest.raises(ValidationError):
        wire.Latency.model_validate(latency)


def test_an_agent_of_an_older_release_is_heard_too(live):
    rig = live.rigs[0]
    latency = {"count": 3, "mean_ms": 1.0, "p50_ms": 1.0, "p95_ms": 1.0, "p99_ms": 1.0}
    items = [{**one, "latency": latency} for one in rig.items(rig.desired())]

    rig.say(rig.desired()["generation"], items)

    assert not LatencySlot.objects.exists()


def test_a_week_is_kept(live):
    say(live.rigs[0], [1.0])
    now = timezone.now()

    assert service.forget(now=now + timedelta(days=6)) == 0
    assert service.forget(now=now + timedelta(days=8)) == 1


def test_the_gate_reads_the_last_hour_of_all_agents_together(live):
    first, second = live.rigs
    say(first, [1.0] * 150)
    say(second, [40.0] * 50)
    LatencySlot.objects.create(
        version=live.champion,
        target=first.agent.target,
        at=timezone.now() - timedelta(hours=2),
        counts=[1_000] * SIZE,
        sum_ms=1.0,
        squares=1.0,
        over_budget=0,
    )

    environment = first.agent.target.environment
    found = facts.gather(
        live.champion, environment, deployment=None, champion=None, now=timezone.now()
    ).latency

    assert found["answers"] == 200
    assert found["mean_ms"] == pytest.approx(10.75)
    assert 0.9 < found["p50_ms"] < 1.1
    assert 36 < found["p99_ms"] < 44
