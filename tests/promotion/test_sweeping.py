"""What the sweep does with people who left, and with dark versions nobody wants."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from governance.errors import Refused
from governance.services import people
from promotion.models import Deployment, Request
from promotion.services import sweeping
from tests.promotion.conftest import SET_UP


@pytest.fixture
def live(world):
    return world.agent("eu-1")


@pytest.fixture
def dark(world):
    return world.agent("eu-dark", tier="dark")


def disable(actor):
    people.disable_person(user_id=UUID(actor.id), actor=SET_UP)


class TestDisabledPeople:
    def test_what_they_approved_and_still_waits_is_voided(
        self, live, world, ask, sign, rules, asha, bram, cleo
    ):
        rules(approvals=2)
        request = ask(world.version(), by=asha)
        sign(request, bram)
        disable(bram)
        sweeping.sweep()

        found = Request.objects.get(pk=request.pk)
        assert found.state == Request.State.VOIDED
        assert "bram, who approved it, is disabled" in found.detail

    def test_what_others_approved_stays(self, live, world, ask, sign, rules, asha, bram, cleo):
        rules(approvals=2)
        request = ask(world.version(), by=asha)
        sign(request, cleo)
        disable(bram)
        sweeping.sweep()

        assert Request.objects.get(pk=request.pk).state == Request.State.OPEN

    def test_what_was_carried_out_stays(self, live, world, ask, sign, asha, bram):
        request = sign(ask(world.version(), by=asha), bram)
        world.settle()
        disable(bram)
        sweeping.sweep()

        assert Request.objects.get(pk=request.pk).state == Request.State.DONE


class TestDark:
    def test_a_model_has_only_so_many_dark_versions(self, dark, world, ask, rules, asha):
        rules(dark_limit=1)
        ask(world.version(), to="dark", by=asha)
        second = world.version()
        with pytest.raises(Refused) as refusal:
            ask(second, to="dark", by=asha)
        assert "1 of its versions are dark here; 1 may be" in refusal.value.message

        world.settle()
        with pytest.raises(Refused):
            ask(second, to="dark", by=asha)
        ask(world.version("another-model"), to="dark", by=asha)

    def test_one_that_nobody_asks_to_promote_is_retired_in_time(
        self, live, dark, world, ask, rules, asha
    ):
        rules(dark_days=2)
        old, wanted, young = (world.version() for _ in range(3))
        for version in (old, wanted, young):
            ask(version, to="dark", by=asha)
            world.settle()
        ask(wanted, by=asha)
        long_ago = timezone.now() - timedelta(days=3)
        for version in (old, wanted):
            age(version, long_ago)
        sweeping.sweep()
        world.settle()

        states = dict(Deployment.objects.values_list("version__number", "state"))
        assert states == {1: "retired", 2: "dark", 3: "dark"}
        retired = Request.objects.get(kind="retire")
        assert retired.reason == "Dark for more than 2 days, and nobody asked to promote it."
        sweeping.sweep()
        assert Request.objects.filter(kind="retire").count() == 1

    def test_without_a_time_to_live_they_stay(self, dark, world, ask, asha):
        version = world.version()
        ask(version, to="dark", by=asha)
        world.settle()
        age(version, timezone.now() - timedelta(days=900))
        sweeping.sweep()

        assert Deployment.objects.get().state == "dark"


def age(version, moment):
    Deployment.objects.filter(version=version).update(changed_at=moment)
