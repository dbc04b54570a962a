"""What makes an approval void, and what becomes of a request in time."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from governance.actors import Actor
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.audit.models import Entry
from governance.errors import Conflict
from governance.models import RoleBinding, User
from governance.services import bindings, people
from promotion.models import Deployment, Rollout
from promotion.services import execution, rollbacks, sweeping
from tests.promotion.test_requests import state

pytestmark = pytest.mark.django_db


@pytest.fixture
def live(world, ask, sign, asha, bram):
    """Version 1 answers in prod-eu on one agent."""
    world.agent("eu-1")
    sign(ask(world.version(), by=asha), bram)
    world.settle()
    return world


class TestVoid:
    """What was approved and waits for agents must still stand when they come."""

    @pytest.fixture
    def waiting(self, world, ask, sign, asha, bram):
        request = sign(ask(world.version(), by=asha), bram)
        assert request.state == "approved"
        return request

    def lapses(self, world, request, rule, replayed):
        world.agent("eu-1")
        sweeping.sweep()
        request.refresh_from_db()
        assert request.state == "voided"
        assert not Rollout.objects.filter(request=request).exists()
        entry = Entry.objects.select_related("payload").get(
            action="request.voided", subject=request.subject
        )
        assert f'"rule":"{rule}"' in entry.payload.body
        replayed()

    def test_without_any_change_it_starts(self, world, waiting, replayed):
        world.agent("eu-1")
        sweeping.sweep()
        assert state(waiting) == "executing"
        replayed()

    def test_a_disabled_approver(self, world, waiting, set_up, bram, replayed):
        people.disable_person(user_id=User.objects.get(pk=bram.id).pk, actor=set_up)
        self.lapses(world, waiting, "approvals_lapsed", replayed)

    def test_an_approver_who_lost_the_role(self, world, waiting, set_up, bram, replayed):
        binding = RoleBinding.objects.get(user=bram.id)
        bindings.revoke_role(binding_id=binding.pk, actor=set_up)
        self.lapses(world, waiting, "approvals_lapsed", replayed)

    def test_a_new_policy(self, world, waiting, rules, replayed):
        rules(expiry_hours=1.0)
        self.lapses(world, waiting, "another_policy", replayed)

    def test_an_author_who_turns_out_to_have_approved(self, world, waiting, set_up, replayed):
        """An account that is merged with the requester's no longer counts as another person."""
        bram = User.objects.get(username="bram")
        people.change_person(user_id=bram.pk, changes={"person": "asha"}, actor=set_up)
        self.lapses(world, waiting, "approvals_lapsed", replayed)

    def test_a_new_champion(self, live, ask, sign, asha, bram, dina, replayed):
        second, third = ask(live.version(), by=asha), ask(live.version(), by=asha)
        sign(second, bram)
        live.settle()
        request = sign(third, dina)

        assert request.state == "voided"
        assert Deployment.objects.get(role="champion").version.number == 2
        assert not Rollout.objects.filter(request=third).exists()
        replayed()

    def test_a_champion_that_was_rolled_back_meanwhile(
        self, live, ask, sign, asha, bram, dina, omar
    ):
        sign(ask(live.version(), by=asha), bram)
        live.settle()
        third = ask(live.version(), by=asha)
        rollbacks.rollback(environment="prod-eu", model="credit-default", reason="bad", actor=omar)
        live.settle()
        assert sign(third, dina).state == "voided"

    def test_what_is_voided_stays_so(self, world, waiting, rules, sign, bram):
        rules(expiry_hours=1.0)
        world.agent("eu-1")
        sweeping.sweep()
        rules()
        sweeping.sweep()
        assert state(waiting) == "voided"
        with pytest.raises(Conflict):
            sign(waiting, bram)


class TestTime:
    def expired(self, request):
        """Let its time be over."""
        with transaction.atomic():
            request.expires_at = timezone.now() - timedelta(seconds=1)
            request.save(update_fields=["expires_at"])
            audit.record(
                Action.REQUEST_OPENED,
                actor=Actor.from_task("tests.set_up"),
                object=request.chain,
                subject=request.subject,
                details={"state": request.state},
            )

    def test_an_expired_request_is_not_signed(self, world, ask, sign, asha, bram, replayed):
        request = ask(world.version(), by=asha)
        self.expired(request)
        with pytest.raises(Conflict) as conflict:
            sign(request, bram)
        assert conflict.value.code == "expired"
        sweeping.sweep()
        assert state(request) == "expired"
        replayed()

    def test_an_approved_one_expires_too(self, world, ask, sign, asha, bram):
        request = sign(ask(world.version(), by=asha), bram)
        self.expired(request)
        world.agent("eu-1")
        sweeping.sweep()
        assert state(request) == "expired"
        assert not Rollout.objects.exists()

    def test_an_approved_one_that_has_expired_is_not_started(self, world, ask, sign, asha, bram):
        """Also when nobody has swept yet."""
        request = sign(ask(world.version(), by=asha), bram)
        self.expired(request)
        world.agent("eu-1")
        execution.start(request_id=request.pk, actor=Actor.from_task("x"))
        assert not Rollout.objects.exists()

    def test_what_runs_does_not_expire(self, live, ask, sign, asha, bram):
        request = sign(ask(live.version(), by=asha), bram)
        self.expired(request)
        sweeping.sweep()
        assert state(request) == "executing"
        live.settle()
        assert state(request) == "done"

    def test_the_same_can_be_asked_again_afterwards(self, world, ask, asha):
        version = world.version()
        request = ask(version, by=asha)
        self.expired(request)
        sweeping.sweep()
        assert ask(version, by=asha).pk != request.pk
