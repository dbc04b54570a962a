"""What the red bar names beside agents: stopped models, halted rollouts, reviews overdue."""

from datetime import timedelta

import pytest
from django.utils import timezone

from governance import access
from promotion.models import Request, Rollout
from promotion.selectors import abnormal
from promotion.services import rollbacks, rollouts, stops
from tests.promotion.conftest import SET_UP
from tests.promotion.test_break_glass import judge, smash

pytestmark = pytest.mark.django_db
WHERE = {"environment": "prod-eu", "model": "credit-default"}


def alarms():
    return [(one.what, one.action) for one in abnormal.alarms(access.sight(SET_UP))]


@pytest.fixture
def live(world, ask, sign, asha, bram):
    world.agent("eu-1")
    world.agent("eu-2")
    sign(ask(world.version(), by=asha), bram)
    world.settle()
    assert alarms() == []
    return world


def test_a_stopped_model_until_it_answers_again(live, omar):
    stops.stop(**WHERE, reason="wrong", actor=omar)
    live.settle()
    said = "credit-default is stopped: nobody answers, and callers get 503."
    assert alarms() == [(said, "Roll back")]
    rollbacks.rollback(**WHERE, reason="mended", actor=omar)
    live.settle()
    assert alarms() == []


def test_a_halted_rollout(live, ask, sign, asha, bram, omar):
    request = sign(ask(live.version(), by=asha), bram)
    for rig in live.rigs:
        rig.obey()
    live.rigs[0].obey()
    rollout = Rollout.objects.get(request=request)
    rollouts.advance(rollout_id=rollout.pk, actor=omar, now=rollout.deadline)
    assert [action for _, action in alarms()] == ["Open rollout"]
    live.settle()
    assert alarms() == []


def test_a_review_that_is_overdue(live, rules, omar, bram):
    rules(break_glass_roles=["operator"])
    live.version()
    request = smash(omar)
    live.settle()
    assert alarms() == []
    Request.objects.filter(pk=request.pk).update(
        review_due_at=timezone.now() - timedelta(minutes=1)
    )
    assert [action for _, action in alarms()] == ["Review"]
    judge(request, bram)
    assert alarms() == []
