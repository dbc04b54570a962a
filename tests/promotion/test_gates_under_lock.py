"""Gates in the world: what agents report counts, and a freeze blocks without voiding."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from governance.errors import Refused
from promotion.models import Request, ServingInterval
from promotion.services import execution
from tests.promotion.conftest import SET_UP, publish


@pytest.fixture
def live(world):
    return world.agent("eu-1")


def gate(request, name):
    return next(one for one in request.evidence["gates"] if one["gate"] == name)


def freeze_now():
    now = timezone.now()
    return {
        "since": (now - timedelta(hours=1)).isoformat(),
        "until": (now + timedelta(hours=1)).isoformat(),
        "reason": "year end",
    }


def test_a_freeze_refuses_what_is_asked_and_says_until_when(live, world, ask, rules, asha):
    rules(freeze=[freeze_now()])
    with pytest.raises(Refused) as refusal:
        ask(world.version(), by=asha)

    assert refusal.value.context["gates"][0]["gate"] == "frozen"
    assert "year end" in refusal.value.message


def test_a_freeze_that_has_begun_since_blocks_an_approved_request_and_voids_nothing(
    live, world, ask, sign, rules, asha, bram
):
    soon = timezone.now() + timedelta(seconds=1)
    rules(freeze=[{"since": soon.isoformat(), "until": (soon + timedelta(hours=1)).isoformat()}])
    request = ask(world.version(), by=asha)
    time.sleep(max(0.0, (soon - timezone.now()).total_seconds()))

    blocked = sign(request, bram)
    assert (blocked.state, "Nothing is promoted here" in blocked.detail) == ("approved", True)
    assert not execution.start(request_id=request.pk, actor=SET_UP)
    assert Request.objects.get(pk=request.pk).approvals.count() == 1


def test_a_request_that_does_not_fit_now_waits_and_goes_on_when_it_does(
    live, world, ask, sign, rules, asha, bram
):
    dark = world.agent("eu-dark", tier="dark")
    version = world.version()
    ask(version, to="dark", by=asha)
    items = [{**item, "memory_bytes": 100_000_000} for item in dark.items(dark.desired())]
    dark.say(dark.desired()["generation"], items)
    dark.say(dark.desired()["generation"], items)
    rules(gates={"memory": {"agent_mb": 150}})
    request = ask(version, by=asha)
    live.say(live.desired()["generation"], [], resident_bytes=100_000_000)

    waiting = sign(request, bram)
    assert (waiting.state, "does not fit on eu-1" in waiting.detail) == ("approved", True)

    live.say(live.desired()["generation"], [], resident_bytes=10_000_000)
    assert execution.start(request_id=request.pk, actor=SET_UP)
    assert Request.objects.get(pk=request.pk).state == Request.State.EXECUTING


def test_golden_transactions_and_latency_are_what_agents_report(live, world, ask, rules, asha):
    dark = world.agent("eu-dark", tier="dark")
    version = world.version()
    ask(version, to="dark", by=asha)
    rules(gates={"golden": {}})
    with pytest.raises(Refused):
        ask(version, by=asha)
    items = [
        {**item, "golden": {"passed": 2, "total": 2, "max_error": 0.0}}
        for item in dark.items(dark.desired())
    ]
    dark.say(dark.desired()["generation"], items)

    request = ask(version, by=asha)
    assert gate(request, "golden")["facts"]["passed_on"] == ["eu-dark"]


def test_hours_in_a_lower_environment_count_from_when_agents_answered(
    live, world, ask, rules, asha
):
    world.agent("qa-1", "qa")
    version = world.version()
    ask(version, environment="qa", by=asha)
    world.settle()
    rules(gates={"live_hours": {"qa": 2}})
    with pytest.raises(Refused):
        ask(version, by=asha)
    began = timezone.now() - timedelta(hours=3)
    ServingInterval.objects.filter(version=version).update(began_at=began)

    assert gate(ask(version, by=asha), "live_hours")["outcome"] == "passed"


def test_a_metric_worse_than_the_champions_is_refused(live, world, ask, sign, rules, asha, bram):
    old = world.version(metrics={"auc": 0.8})
    old.model.optimising_metric = "auc"
    old.model.save(update_fields=["optimising_metric"])
    sign(ask(old, by=asha), bram)
    world.settle()
    publish(environment="prod-eu", tier="", document={"gates": {"metrics": {}}}, actor=SET_UP)
    with pytest.raises(Refused, match="worse than version 1's"):
        ask(world.version(metrics={"auc": 0.79}), by=asha)
    assert (
        gate(ask(world.version(metrics={"auc": 0.81}), by=asha), "metrics")["outcome"] == "passed"
    )
