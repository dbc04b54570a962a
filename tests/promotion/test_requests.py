"""Who may ask for what, who may sign it, and what makes a signature void."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.db import IntegrityError, transaction
from django.utils import timezone

from governance.actors import Actor
from governance.audit import services as audit
from governance.audit.actions import Action
from governance.audit.models import Entry
from governance.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from governance.models import Environment, RoleBinding, User
from governance.services import bindings, people, tokens
from governance.services.environments import define_environment
from promotion import content
from promotion.models import Approval, DarkTally, Deployment, Request, Rollout
from promotion.services import execution, requests, rollbacks, sweeping
from registry.models import Inspection

pytestmark = pytest.mark.django_db


@pytest.fixture
def live(world, ask, sign, asha, bram):
    """Version 1 answers in prod-eu on one agent."""
    world.agent("eu-1")
    sign(ask(world.version(), by=asha), bram)
    world.settle()
    return world


def opened(version, *, number=None, **changes):
    """Ask with the service itself."""
    arguments = {
        "model": version.model.name,
        "version": version.number if number is None else number,
        "environment": "prod-eu",
        "to": "production",
        "reason": "a test",
        **changes,
    }
    return requests.open_request(**arguments)


def state(request):
    return Request.objects.get(pk=request.pk).state


def refused_attempts():
    found = Entry.objects.filter(action="attempt.refused").select_related("payload")
    return [(e.subject.partition(":")[0], e.actor_id) for e in found]


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


class TestWithdraw:
    def test_its_requester_may(self, world, ask, asha, audit_trail):
        request = ask(world.version(), by=asha)
        audit_trail.clear()
        requests.withdraw(request_id=request.pk, reason="wrong one", actor=asha)
        assert state(request) == "withdrawn"
        assert audit_trail() == [("request.withdrawn", "asha")]

    def test_nobody_else_may(self, world, ask, asha, bram, audit_trail):
        request = ask(world.version(), by=asha)
        audit_trail.clear()
        with pytest.raises(Refused) as refusal:
            requests.withdraw(request_id=request.pk, reason="no", actor=bram)
        assert refusal.value.rule == "not_the_requester"
        assert state(request) == "open"
        assert audit_trail() == [("attempt.refused", "bram")]

    def test_while_it_waits_for_agents_too(self, world, ask, sign, asha, bram):
        request = sign(ask(world.version(), by=asha), bram)
        requests.withdraw(request_id=request.pk, reason="wrong one", actor=asha)
        world.agent("eu-1")
        sweeping.sweep()
        assert state(request) == "withdrawn"

    def test_not_after_execution(self, live, ask, sign, asha, bram):
        request = sign(ask(live.version(), by=asha), bram)
        for _ in range(2):
            with pytest.raises(Conflict) as conflict:
                requests.withdraw(request_id=request.pk, reason="late", actor=asha)
            assert conflict.value.code == "not_open"
            live.settle()
        assert state(request) == "done"

    def test_a_reason_that_cannot_be_kept_is_named(self, world, ask, asha):
        request = ask(world.version(), by=asha)
        for reason in ("", " ", "a\0b", "x" * 2_001):
            with pytest.raises(Invalid):
                requests.withdraw(request_id=request.pk, reason=reason, actor=asha)
        assert state(request) == "open"


class TestAsking:
    def test_what_is_not_there_is_named(self, world, asha):
        version = world.version()
        for changes, code in (
            ({"environment": "nowhere"}, "unknown_environment"),
            ({"model": "nothing"}, "unknown_model"),
            ({"number": 2}, "unknown_version"),
            ({"number": 0}, "unknown_version"),
            ({"number": -1}, "unknown_version"),
            ({"number": 2**63}, "unknown_version"),
        ):
            with pytest.raises(NotFound) as error:
                opened(version, actor=asha, **changes)
            assert error.value.code == code
        assert not Deployment.objects.exists()

    def test_what_cannot_be_taken_is_named(self, world, asha):
        version = world.version()
        for changes in (
            {"to": "moon"},
            {"to": ""},
            {"to": "trained"},
            {"reason": ""},
            {"reason": "   "},
            {"reason": "a\0b"},
            {"reason": "x" * 2_001},
            {"reason": "\ud800"},
            {"ticket": "x" * 201},
            {"ticket": "\x1b[31m"},
        ):
            with pytest.raises(Invalid):
                opened(version, actor=asha, **changes)
        assert not Deployment.objects.exists()

    def test_any_script_is_a_reason(self, world, asha):
        request = opened(world.version(), actor=asha, reason="weil es besser ist 🚀 لأن").request
        assert request.reason == "weil es besser ist 🚀 لأن"

    def test_only_a_submitter_asks(self, world, bram, vera, omar):
        for somebody in (bram, vera, omar):
            with pytest.raises(Forbidden):
                opened(world.version(), actor=somebody)
        assert not Request.objects.exists()

    def test_only_here_and_for_this_group(self, world, make_person):
        qa = Environment.objects.get(slug="qa")
        version = world.version()
        with pytest.raises(Forbidden):
            opened(version, actor=make_person("pia", "submitter", environment=qa).actor)
        with pytest.raises(Forbidden):
            opened(version, actor=make_person("pim", "submitter", group="ads").actor)

    ILLEGAL = (
        ("dark", "dark"),
        ("production", "dark"),
        ("production", "production"),
        ("production", "retired"),
        ("retired", "production"),
        ("retired", "retired"),
    )

    @pytest.mark.parametrize(("state", "to"), ILLEGAL)
    def test_no_way_leads_there(self, live, ask, asha, state, to):
        version = live.version()
        if state == "production":
            version = Deployment.objects.get(role="champion").version
        elif state == "dark":
            live.agent("eu-dark", tier="dark")
            ask(version, "dark", by=asha)
            live.settle()
        elif state == "retired":
            ask(version, "retired", by=asha)
        assert Deployment.objects.get(version=version).state == state
        before = Request.objects.count()
        with pytest.raises(Conflict) as conflict:
            opened(version, to=to, actor=asha)
        assert conflict.value.code == "illegal_transition"
        assert Request.objects.count() == before

    def test_the_same_is_asked_for_once_at_a_time(self, world, ask, asha):
        version = world.version()
        request = ask(version, by=asha)
        with pytest.raises(Conflict) as conflict:
            ask(version, by=asha)
        assert conflict.value.code == "request_open"
        assert conflict.value.context["request"] == str(request.pk)

    def test_an_environment_without_targets_is_not_found_out_by_an_error(self, world, asha, set_up):
        define_environment(slug="bare", kind="qa", actor=set_up)
        with pytest.raises(NotFound):
            opened(world.version(), environment="bare", actor=asha)


class TestGates:
    def refusal(self, version, actor, **changes):
        with pytest.raises(Refused) as refusal:
            opened(version, actor=actor, **changes)
        assert refusal.value.rule == "gates_not_passed"
        failed = [g for g in refusal.value.context["gates"] if g["remedy"]]
        assert failed
        return failed

    @pytest.mark.parametrize("status", ["inspecting", "rejected"])
    def test_only_what_was_inspected(self, world, asha, status):
        version = world.version()
        Inspection.objects.filter(version=version).update(status=status, reasons=["a custom op"])
        [gate] = self.refusal(version, asha)
        assert gate["gate"] == "inspected"
        assert (status == "rejected") == ("a custom op" in gate["reason"])

    def test_it_answers_in_the_lower_environment_first(self, world, ask, asha, rules):
        rules(through=["qa"])
        version = world.version()
        [gate] = self.refusal(version, asha)
        assert (gate["gate"], gate["remedy"]) == ("lower_environment", "Promote it in qa first.")
        rig = world.agent("qa-1", environment="qa")
        ask(version, environment="qa", by=asha)
        self.refusal(version, asha)  # Decided there, but no agent confirms it yet.
        rig.obey()
        rig.obey()
        assert ask(version, by=asha).state == "open"

    def test_it_is_dark_first(self, world, ask, asha, rules):
        rules(dark_first=True)
        version = world.version()
        [gate] = self.refusal(version, asha)
        assert gate["gate"] == "dark_first"
        world.agent("eu-dark", tier="dark")
        ask(version, "dark", by=asha)
        world.settle()
        assert ask(version, by=asha).state == "open"

    def test_it_has_enough_pairs_against_the_present_champion(self, live, ask, asha, rules):
        rules(minimum_pairs=10)
        version = live.version()
        champion = Deployment.objects.get(role="champion").version
        tally = DarkTally.objects.create(
            environment=Environment.objects.get(slug="prod-eu"),
            version=version,
            champion=champion,
            scored=9,
        )
        [gate] = self.refusal(version, asha)
        assert (gate["gate"], gate["facts"]["pairs"]) == ("dark_pairs", 9)
        DarkTally.objects.filter(pk=tally.pk).update(scored=10, errors=1)
        [gate] = self.refusal(version, asha)
        assert "could not be scored" in gate["reason"]
        DarkTally.objects.filter(pk=tally.pk).update(errors=0, stricter=2, laxer=1)
        request = ask(version, by=asha)
        [gate] = [g for g in request.evidence["gates"] if g["gate"] == "dark_pairs"]
        assert (gate["outcome"], gate["facts"]["flips"]) == ("passed", 3)

    def test_the_first_version_has_nothing_to_be_paired_with(self, world, ask, asha, rules):
        rules(minimum_pairs=10)
        request = ask(world.version(), by=asha)
        [gate] = [g for g in request.evidence["gates"] if g["gate"] == "dark_pairs"]
        assert gate["outcome"] == "not_applicable"

    def test_the_refusal_is_recorded_and_nothing_else_is(self, world, asha, rules, audit_trail):
        rules(dark_first=True)
        version = world.version()
        audit_trail.clear()
        self.refusal(version, asha)
        assert audit_trail() == [("attempt.refused", "asha")]
        assert refused_attempts() == [("version", asha.id)]
        assert not Deployment.objects.exists()

    def test_evidence_is_frozen_when_asked(self, live, ask, sign, asha, bram, rules):
        """What dark scores say later changes neither the evidence nor the hash of the content."""
        request = ask(live.version(), by=asha)
        DarkTally.objects.create(
            environment=request.environment,
            version=request.deployment.version,
            champion=request.replaces,
            scored=500,
        )
        request.refresh_from_db()
        assert sign(request, bram).state == "executing"


class TestDryRun:
    def counts(self):
        tables = [m for app in ("promotion", "governance", "audit") for m in models_of(app)]
        return {m.__name__: m.objects.count() for m in tables}

    def test_it_changes_nothing_and_says_everything(self, live, asha, rules):
        rules(dark_first=True, approvals=2)
        version = live.version()
        before = self.counts()
        outcome = opened(version, actor=asha, dry_run=True)

        assert self.counts() == before
        assert outcome.request is None
        assert outcome.approvals_needed == 2
        failed = [gate.gate for gate in outcome.gates if not gate.passes()]
        assert failed == ["dark_first"]
        assert outcome.content["replaces"] == Deployment.objects.get(role="champion").version.digest

    def test_it_hashes_to_what_the_request_will_stand_for(self, live, ask, asha):
        version = live.version()
        outcome = opened(version, actor=asha, dry_run=True)
        assert ask(version, by=asha).content_hash == content.hash_of(outcome.content)

    def test_it_may_be_asked_for_by_submitters_only(self, world, vera):
        with pytest.raises(Forbidden):
            opened(world.version(), actor=vera, dry_run=True)

    def test_with_no_approvals_needed_it_carries_nothing_out(self, live, asha, rules):
        rules(approvals=0)
        version = live.version()
        before = self.counts()
        opened(version, actor=asha, dry_run=True)
        assert self.counts() == before


def models_of(app):
    return list(apps.get_app_config(app).get_models())
