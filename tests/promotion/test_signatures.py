"""Who may sign a request, and exactly what a signature stands for."""

import pytest
from django.db import IntegrityError, transaction

from governance.actors import Actor
from governance.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from governance.models import Environment, RoleBinding, User
from governance.services import bindings, people, tokens
from promotion import content
from promotion.models import Approval, Deployment, Rollout
from promotion.services import requests
from tests.promotion.test_requests import opened, refused_attempts, state

pytestmark = pytest.mark.django_db


@pytest.fixture
def live(world, ask, sign, asha, bram):
    """Version 1 answers in prod-eu on one agent."""
    world.agent("eu-1")
    sign(ask(world.version(), by=asha), bram)
    world.settle()
    return world


class TestFourEyes:
    def test_nobody_approves_what_they_asked_for(self, world, ask, sign, make_person, audit_trail):
        both = make_person("eve", "submitter", "approver").actor
        request = ask(world.version(), by=both)
        audit_trail.clear()
        with pytest.raises(Refused) as refusal:
            sign(request, both)

        assert refusal.value.rule == "four_eyes"
        assert state(request) == "open"
        assert not Approval.objects.exists()
        assert audit_trail() == [("attempt.refused", "eve")]
        assert refused_attempts() == [("request", both.id)]

    def test_an_author_does_not_approve_their_own_model(self, world, ask, sign, asha, bram):
        request = ask(world.version(authors=("asha", "bram")), by=asha)
        with pytest.raises(Refused) as refusal:
            sign(request, bram)
        assert refusal.value.rule == "four_eyes"

    def test_a_second_account_of_the_requester_is_the_same_person(
        self, world, ask, sign, asha, make_person
    ):
        other = make_person("asha-approves", "approver", person="asha").actor
        request = ask(world.version(authors=()), by=asha)
        with pytest.raises(Refused) as refusal:
            sign(request, other)
        assert refusal.value.rule == "four_eyes"

    def test_two_accounts_of_one_person_are_one_vote(
        self, world, ask, sign, asha, bram, make_person, rules
    ):
        rules(approvals=2)
        other = make_person("bram-admin", "approver", "risk", person="bram").actor
        request = ask(world.version(), by=asha)
        sign(request, bram)
        with pytest.raises(Refused) as refusal:
            sign(request, other)

        assert refusal.value.rule == "one_vote"
        assert state(request) == "open"
        with pytest.raises(IntegrityError), transaction.atomic():
            Approval.objects.create(
                request=request,
                user=User.objects.get(username="bram-admin"),
                person="bram",
                name="bram again",
                role="approver",
                decision="approve",
                meaning="approval",
                content_hash=request.content_hash,
                method="password",
            )

    def test_who_answers_for_a_token_does_not_approve_what_it_asked_for(
        self, world, ask, sign, bram, dina, set_up
    ):
        owner = User.objects.get(pk=bram.id)
        token = tokens.issue(name="ci", scope="ci", owner=owner, actor=set_up).token
        bindings.grant_role(to=token, role="submitter", actor=set_up)
        request = ask(world.version(), by=Actor.from_service(token.pk, name="ci", owner="bram"))
        with pytest.raises(Refused) as refusal:
            sign(request, bram)

        assert refusal.value.rule == "four_eyes"
        assert sign(request, dina).state == "approved"

    def test_a_token_never_approves(self, world, ask, asha, bram, set_up):
        owner = User.objects.get(pk=bram.id)
        token = tokens.issue(name="ci", scope="ci", owner=owner, actor=set_up).token
        with pytest.raises((Invalid, IntegrityError)), transaction.atomic():
            bindings.grant_role(to=token, role="approver", actor=set_up)
        with pytest.raises(IntegrityError, match="never_approve"), transaction.atomic():
            RoleBinding.objects.create(token=token, role="approver")
        request = ask(world.version(), by=asha)
        machine = Actor.from_service(token.pk, name="ci", owner="bram")
        with pytest.raises(Forbidden):
            requests.approve(
                request_id=request.pk,
                user=owner,
                password="x",
                meaning="approval",
                comment="",
                content_hash=request.content_hash,
                actor=machine,
            )
        assert state(request) == "open"

    def test_a_superuser_bypasses_nothing(self, world, ask, sign, asha, set_up):
        account = people.add_person(
            username="root", person="root", is_superuser=True, is_staff=True, actor=set_up
        )
        request = ask(world.version(), by=asha)
        with pytest.raises(Forbidden):
            sign(request, account.actor)
        with pytest.raises(Forbidden):
            opened(world.version(), actor=account.actor)

    def test_an_approver_elsewhere_is_none_here(self, world, ask, sign, asha, make_person):
        elsewhere = make_person(
            "pia", "approver", environment=Environment.objects.get(slug="qa")
        ).actor
        other_group = make_person("pim", "approver", group="ads").actor
        request = ask(world.version(), by=asha)
        for somebody in (elsewhere, other_group):
            with pytest.raises(Forbidden):
                sign(request, somebody)

    def test_two_persons_are_two_votes(self, world, ask, sign, asha, bram, cleo, rules):
        rules(approvals=2)
        request = ask(world.version(), by=asha)
        assert sign(request, bram).state == "open"
        assert sign(request, cleo).state == "approved"
        assert list(request.approvals.values_list("role", flat=True)) == ["approver", "risk"]


class TestSignature:
    def test_it_is_for_exactly_what_was_shown(self, world, ask, sign, asha, bram, audit_trail):
        request = ask(world.version(), by=asha)
        audit_trail.clear()
        with pytest.raises(Conflict) as conflict:
            sign(request, bram, content_hash="0" * 64)

        assert conflict.value.code == "content_changed"
        assert not request.approvals.exists()
        assert audit_trail() == []

    def test_the_hash_is_of_everything_that_matters(self, live, ask, asha):
        request = ask(live.version(), by=asha)
        shown = content.document(
            kind="promote",
            model="credit-default",
            version=2,
            digest=request.deployment.version.digest,
            environment="prod-eu",
            from_state="trained",
            to_state="production",
            policy=1,
            champion_digest=Deployment.objects.get(role="champion").version.digest,
            evidence=request.evidence,
        )
        assert request.content_hash == content.hash_of(shown)
        for name in shown:
            assert content.hash_of({**shown, name: "other"}) != request.content_hash

    def test_a_wrong_password_signs_nothing(self, world, ask, sign, asha, bram):
        request = ask(world.version(), by=asha)
        for password in ("wrong", "", "CORRECT HORSE BATTERY"):
            with pytest.raises(Forbidden) as refusal:
                sign(request, bram, password=password)
            assert refusal.value.code == "wrong_password"
        assert (state(request), Approval.objects.count()) == ("open", 0)

    def test_another_persons_password_signs_nothing(self, world, ask, asha, bram, dina):
        request = ask(world.version(), by=asha)
        dina_account = User.objects.get(pk=dina.id)
        dina_account.set_password("hers")
        with pytest.raises(Forbidden) as refusal:
            requests.approve(
                request_id=request.pk,
                user=dina_account,
                password="hers",
                meaning="approval",
                comment="",
                content_hash=request.content_hash,
                actor=bram,
            )
        assert refusal.value.code == "wrong_password"

    def test_an_account_without_a_password_signs_nothing(self, world, ask, asha, bram):
        request = ask(world.version(), by=asha)
        with pytest.raises(Forbidden):
            requests.approve(
                request_id=request.pk,
                user=User.objects.get(pk=bram.id),
                password="",
                meaning="approval",
                comment="",
                content_hash=request.content_hash,
                actor=bram,
            )

    def test_what_cannot_be_stored_is_named(self, world, ask, sign, asha, bram):
        request = ask(world.version(), by=asha)
        for changes in (
            {"meaning": "whatever"},
            {"meaning": ""},
            {"comment": "a\0b"},
            {"comment": "x" * 2_001},
            {"comment": "\N{RIGHT-TO-LEFT OVERRIDE}evil"},
        ):
            with pytest.raises(Invalid):
                sign(request, bram, **changes)
        assert state(request) == "open"

    def test_a_double_click_signs_once(self, world, ask, sign, asha, bram, rules):
        rules(approvals=2)
        request = ask(world.version(), by=asha)
        sign(request, bram)
        with pytest.raises(Refused) as refusal:
            sign(request, bram)
        assert refusal.value.rule == "one_vote"
        assert request.approvals.count() == 1

    def test_a_double_click_on_the_last_one_rolls_out_once(self, live, ask, sign, asha, bram):
        request = ask(live.version(), by=asha)
        sign(request, bram)
        with pytest.raises(Conflict) as conflict:
            sign(request, bram)
        assert conflict.value.code == "not_open"
        assert Rollout.objects.filter(request=request).count() == 1

    def test_one_rejection_ends_it(self, world, ask, sign, asha, bram, dina, rules):
        rules(approvals=2)
        request = ask(world.version(), by=asha)
        sign(request, bram)
        reject(request, dina)
        assert state(request) == "rejected"
        with pytest.raises(Conflict) as conflict:
            sign(request, bram)
        assert conflict.value.code == "not_open"

    def test_a_rejection_says_why(self, world, ask, asha, bram):
        request = ask(world.version(), by=asha)
        for comment in ("", "  \n"):
            with pytest.raises(Invalid):
                reject(request, bram, comment=comment)
        assert state(request) == "open"

    def test_there_must_be_such_a_request(self, world, ask, sign, asha, bram):
        request = ask(world.version(), by=asha)
        request.pk = "00000000-0000-4000-8000-000000000000"
        with pytest.raises(NotFound):
            sign(request, bram)


def reject(request, actor, comment="not this one"):
    user = User.objects.get(pk=actor.id)
    user.set_password("hers")
    return requests.reject(
        request_id=request.pk,
        user=user,
        password="hers",
        meaning="review",
        comment=comment,
        content_hash=request.content_hash,
        actor=actor,
    )
