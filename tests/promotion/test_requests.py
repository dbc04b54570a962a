"""Who may ask for what, what gates say to it, and how it is withdrawn."""

import pytest
from django.apps import apps

from governance.actors import Actor
from governance.audit.models import Entry
from governance.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from governance.models import Environment
from governance.services import bindings, tokens
from governance.services.environments import define_environment
from promotion import content
from promotion.models import DarkTally, Deployment, Request
from promotion.services import requests, sweeping
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

    def test_who_answers_for_the_token_that_asked_may(self, world, ask, make_person, set_up, bram):
        owner = make_person("olga")
        token = tokens.issue(name="ci", scope="ci", owner=owner, actor=set_up).token
        bindings.grant_role(to=token, role="submitter", actor=set_up)
        request = ask(world.version(), by=Actor.from_service(token.pk, name="ci", owner="olga"))
        bindings.grant_role(to=owner, role="viewer", actor=set_up)
        tokens.revoke(token_id=token.pk, actor=set_up)
        with pytest.raises(Refused):
            requests.withdraw(request_id=request.pk, reason="no", actor=bram)

        requests.withdraw(request_id=request.pk, reason="the pipeline is wrong", actor=owner.actor)
        assert state(request) == "withdrawn"

    def test_the_same_person_by_another_account_may(self, world, ask, asha, make_person):
        request = ask(world.version(), by=asha)
        other = make_person("asha-2", "viewer", person=asha.person).actor
        requests.withdraw(request_id=request.pk, reason="wrong one", actor=other)
        assert state(request) == "withdrawn"

    def test_an_operator_may_once_it_would_begin_by_itself(
        self, world, ask, sign, asha, bram, omar, audit_trail
    ):
        request = ask(world.version(), by=asha)
        with pytest.raises(Refused):
            requests.withdraw(request_id=request.pk, reason="not mine to judge", actor=omar)
        sign(request, bram)
        audit_trail.clear()
        with pytest.raises(Refused):
            requests.withdraw(request_id=request.pk, reason="no role for it", actor=bram)
        requests.withdraw(request_id=request.pk, reason="it is known to be bad", actor=omar)
        assert audit_trail() == [("attempt.refused", "bram"), ("request.withdrawn", "omar")]

        world.agent("eu-1")
        sweeping.sweep()
        assert state(request) == "withdrawn"

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
