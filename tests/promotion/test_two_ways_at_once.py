"""One version, asked to go two ways: it takes one of them, and never both."""

import pytest

from promotion.models import Deployment, Request, Rollout
from promotion.services import rollbacks, sweeping

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def live(world, ask, sign, asha, bram):
    """Version 1 answers; a live and a dark agent are there."""
    world.agent("eu-1")
    world.agent("eu-dark", tier="dark")
    sign(ask(world.version(), by=asha), bram)
    world.settle()
    return world


def test_a_promotion_waits_while_the_version_is_on_its_way_to_dark(
    live, ask, sign, asha, bram, replayed
):
    version = live.version()
    promotion = ask(version, by=asha)
    dark = ask(version, "dark", by=asha)
    assert Request.objects.get(pk=dark.pk).state == "executing"

    promotion = sign(promotion, bram)
    assert (promotion.state, promotion.detail) == (
        "approved",
        "waiting for another rollout of this version to end",
    )
    live.settle()
    sweeping.sweep()

    assert Request.objects.get(pk=dark.pk).state == "done"
    promotion = Request.objects.get(pk=promotion.pk)
    assert promotion.state == "voided"
    assert "was trained when this was asked, and is dark now" in promotion.detail
    assert Deployment.objects.get(version=version).state == "dark"
    replayed()


def test_a_version_that_is_loaded_to_answer_is_not_retired_meanwhile(
    live, ask, sign, asha, bram, replayed
):
    version = live.version()
    sign(ask(version, by=asha), bram)
    retirement = ask(version, "retired", by=asha)
    assert Request.objects.get(pk=retirement.pk).state == "approved"
    live.settle()
    sweeping.sweep()

    assert Deployment.objects.get(version=version).role == "champion"
    assert Request.objects.get(pk=retirement.pk).state == "voided"
    replayed()


def test_a_rollback_takes_a_version_that_was_on_its_way_to_dark(
    live, ask, sign, asha, bram, omar, replayed
):
    sign(ask(live.version(), by=asha), bram)
    live.settle()
    first = Deployment.objects.get(version__number=1)
    dark = ask(first.version, "dark", by=asha)
    assert Request.objects.get(pk=dark.pk).state == "executing"

    rollbacks.rollback(environment="prod-eu", model="credit-default", reason="wrong", actor=omar)
    assert Request.objects.get(pk=dark.pk).state == "superseded"
    live.settle()

    assert Deployment.objects.get(pk=first.pk).role == "champion"
    assert not Rollout.objects.filter(ended_at=None).exists()
    told = [model for rig in live.rigs for model in rig.desired()["models"] if model["load"]]
    assert told == []
    replayed()
