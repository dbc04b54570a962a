"""A restored backup: agents went on, the tables went back, and somebody has to decide."""

import json

import pytest
from django.core.exceptions import ObjectDoesNotExist

from governance.audit.models import Entry
from governance.errors import Conflict, Forbidden, Invalid, NotFound
from promotion import desired, history
from promotion.history import Served, Witness
from promotion.models import AgentReport, Deployment, DesiredState, Request, Rollout, Target
from promotion.selectors import histories as selector
from promotion.selectors import states
from promotion.services import environments, histories, requests, rollbacks, sweeping
from promotion.verdicts import Denied

pytestmark = pytest.mark.django_db


@pytest.fixture
def live(world, ask, sign, asha, bram):
    """Version 1 answers in prod-eu on two agents."""
    world.agent("eu-1")
    world.agent("eu-2")
    sign(ask(world.version(), by=asha), bram)
    world.settle()
    return world


def serving(version, role="champion", phase="ready"):
    return {
        "model": version.model.name,
        "version": version.number,
        "digest": version.digest,
        "role": role,
        "phase": phase,
    }


def target(tier="live"):
    return Target.objects.get(environment__slug="prod-eu", tier=tier)


def get_ahead(world, *items, by=7, tier="live"):
    """All agents of a tier say they have applied what was never published; return how far."""
    generation = target(tier).generation + by
    for rig in world.rigs:
        if rig.agent.target_id == target(tier).pk:
            rig.say(generation, list(items))
    return generation


def decide(decision, actor, *, tier="live", reason="the backup is of yesterday"):
    return histories.decide(
        environment="prod-eu", tier=tier, decision=decision, reason=reason, actor=actor
    )


def state(version):
    row = Deployment.objects.get(version=version)
    return row.state, row.role


def last(action):
    entry = Entry.objects.filter(action=action).order_by("seq").select_related("payload").last()
    return json.loads(entry.payload.body)


def version_one():
    return Deployment.objects.select_related("version__model").get(role="champion").version


class TestArithmetic:
    @pytest.mark.parametrize(
        ("observed", "newest", "stale", "ahead"),
        [
            (5, 5, None, False),
            (4, 5, None, False),
            (6, 5, None, True),
            (6, 5, 5, True),
            (5, 5, 5, True),  # The same number, in other bytes.
            (5, 6, 5, False),  # An old document came late; the newest is on its way.
            (0, 0, 0, False),
        ],
    )
    def test_who_is_ahead(self, observed, newest, stale, ahead):
        assert history.is_ahead(observed=observed, newest=newest, stale=stale) is ahead

    def test_those_farthest_ahead_decide(self):
        old, new = Witness("a", 7, {"m": "1"}, {}), Witness("b", 8, {"m": "2"}, {})
        found = history.agree([old, new])
        assert isinstance(found, Served)
        assert (found.agents, found.champions) == (("b",), {"m": "2"})

    @pytest.mark.parametrize(
        ("witnesses", "rule"),
        [
            ([], "no_agent_to_adopt"),
            ([Witness("a", 7, {"m": "1"}, {}), Witness("b", 7, {"m": "2"}, {})], "agents_disagree"),
            ([Witness("a", 7, {}, {"1": "m"}), Witness("b", 7, {}, {})], "agents_disagree"),
            ([Witness("a", 7, {}, {}, ("m",))], "agents_not_settled"),
        ],
    )
    def test_what_is_no_agreement(self, witnesses, rule):
        found = history.agree(witnesses)
        assert isinstance(found, Denied)
        assert found.rule == rule


class TestNoticing:
    def test_the_report_is_stored_and_the_target_marked_once(self, live):
        before, states_before = target().generation, DesiredState.objects.count()
        generation = get_ahead(live, serving(version_one()))
        found = target()
        assert (found.generation, found.highest_seen) == (before, generation)
        assert found.history_lost_at is not None
        assert target("dark").history_lost_at is None
        assert AgentReport.objects.get(agent=live.rigs[0].agent).observed_generation == generation
        assert DesiredState.objects.count() == states_before
        entries = Entry.objects.filter(action="target.history_lost")
        assert entries.count() == 1  # The second agent said nothing new.
        assert last("target.history_lost")["agent"] == "eu-1"

    def test_one_still_farther_ahead_raises_the_mark(self, live):
        first = get_ahead(live)
        since = target().history_lost_at
        live.rigs[1].say(first + 1, [])
        assert (target().highest_seen, target().history_lost_at) == (first + 1, since)

    def test_a_number_given_twice_is_noticed(self, live):
        rig, generation = live.rigs[0], target().generation
        refused = {"generation": generation, "reason": "STALE", "detail": "applied is the same"}
        rig.say(generation, [], refused=refused)
        assert target().highest_seen == generation

    def test_an_old_document_that_comes_late_is_none(self, live):
        rig, generation = live.rigs[0], target().generation
        refused = {"generation": generation - 1, "reason": "STALE"}
        rig.say(generation, rig.items(rig.desired()), refused=refused)
        assert target().history_lost_at is None


class TestMeanwhile:
    """Nothing is decided and nothing published; reads and reports go on."""

    def test_whatever_decides_answers_history_lost(self, live, ask, sign, asha, bram, omar):
        second = live.version()
        waiting = ask(second, by=asha)
        get_ahead(live, serving(version_one()))
        calls = [
            lambda: ask(live.version(), by=asha),
            lambda: sign(waiting, bram),
            lambda: requests.withdraw(request_id=waiting.pk, reason="late", actor=asha),
            lambda: rollbacks.rollback(
                environment="prod-eu", model="credit-default", reason="slow", actor=omar
            ),
        ]
        published = DesiredState.objects.count()
        for call in calls:
            with pytest.raises(Conflict) as conflict:
                call()
            assert conflict.value.code == "history_lost"
            assert conflict.value.context["newest"] == target().generation
        assert DesiredState.objects.count() == published

    def test_what_is_under_way_stands_still(self, live, ask, sign, asha, bram):
        request = sign(ask(live.version(), by=asha), bram)
        step = Rollout.objects.get(request=request).step
        published = DesiredState.objects.count()
        get_ahead(live, serving(version_one()))
        live.rigs[0].say(target().highest_seen, [])
        sweeping.sweep()
        assert Rollout.objects.get(request=request).step == step
        assert DesiredState.objects.count() == published

    def test_other_environments_go_on(self, live, ask, asha):
        get_ahead(live)
        live.agent("qa-1", "qa")
        assert ask(live.version(), environment="qa", by=asha).state == "executing"

    def test_an_environment_is_not_published_by_applying_a_file(self, live, ada):
        get_ahead(live)
        document = {"kind": "production", "targets": {"live": {"mirror_fraction": 0.1}}}
        with pytest.raises(Conflict, match="adopt"):
            environments.apply(slug="prod-eu", document=document, actor=ada)


class TestOverride:
    def test_agents_are_told_what_the_tables_say_far_enough_ahead(self, live, omar):
        first, second = version_one(), live.version()
        generation = get_ahead(live, serving(second))
        decided = decide("override", omar)
        assert decided.target.generation == generation + 1_000
        assert target().history_lost_at is None
        assert live.rigs[0].desired()["models"][0]["champion"]["digest"] == first.digest
        assert last("target.history_overridden")["reason"] == "the backup is of yesterday"
        live.settle()
        assert state(first) == ("production", "champion")

    def test_a_model_that_only_agents_know_may_be_removed(self, live, omar):
        stranger = live.version("other")
        get_ahead(live, serving(version_one()), serving(stranger))
        decide("override", omar)
        assert live.rigs[0].desired()["may_remove"] == ["other"]

    def test_rollouts_end_and_others_can_begin(self, live, ask, sign, asha, bram, omar):
        request = sign(ask(live.version(), by=asha), bram)
        get_ahead(live, serving(version_one()))
        decide("override", omar)
        assert Request.objects.get(pk=request.pk).state == "failed"
        assert Rollout.objects.filter(ended_at=None).count() == 0
        again = sign(ask(request.deployment.version, by=asha), bram)
        live.settle()
        assert Request.objects.get(pk=again.pk).state == "done"

    def test_a_candidate_goes_back_where_it_was(self, live, rules, ask, sign, asha, bram, omar):
        rules(stages=[{"agents": 1}, "all"])
        second = live.version()
        request = sign(ask(second, by=asha), bram)
        live.settle(1)
        assert state(second) == ("production", "candidate")
        get_ahead(live, serving(version_one()))
        decide("override", omar)
        assert state(second) == ("trained", "")
        assert Request.objects.get(pk=request.pk).state == "failed"


class TestAdopt:
    def test_the_tables_say_what_agents_serve(self, live, omar):
        first, second = version_one(), live.version()
        generation = get_ahead(live, serving(second))
        decide("adopt", omar)
        assert state(second) == ("production", "champion")
        assert state(first) == ("retired", "")
        document = states.document(states.current(target()))
        assert document["generation"] == generation + 1_000
        assert desired.loaded(document) == {second.digest: "champion"}
        row = Deployment.objects.get(version=second)
        assert row.switched_generation == generation + 1_000
        live.settle()
        live.rigs[0].obey()

    def test_a_rollback_leads_back_afterwards(self, live, omar):
        first, second = version_one(), live.version()
        get_ahead(live, serving(second))
        decide("adopt", omar)
        rollbacks.rollback(environment="prod-eu", model="credit-default", reason="slow", actor=omar)
        live.settle()
        assert state(first) == ("production", "champion")

    @pytest.mark.parametrize("end", ["discard", "reject"])
    def test_a_version_that_was_rejected_here_answers_again(self, live, omar, ask, asha, end):
        second = live.version()
        request = ask(second, to="retired", by=asha)
        live.settle()
        assert Request.objects.get(pk=request.pk).state == "done", end
        get_ahead(live, serving(second))
        decide("adopt", omar)
        assert state(second) == ("production", "champion")

    def test_a_stopped_model_stays_stopped(self, live, omar):
        first = version_one()
        get_ahead(live)
        decide("adopt", omar)
        assert state(first) == ("retired", "")

    def test_a_finished_rollout_is_not_begun_again(self, live, ask, sign, asha, bram, omar):
        second = live.version()
        request = sign(ask(second, by=asha), bram)
        get_ahead(live, serving(second))
        decide("adopt", omar)
        assert state(second) == ("production", "champion")
        assert Request.objects.get(pk=request.pk).state == "failed"
        waiting = ask(live.version(), by=asha)
        assert waiting.replaces == second

    def test_what_waits_for_a_version_that_moved_is_void(self, live, ask, asha, omar):
        second = live.version()
        waiting = ask(second, by=asha)
        get_ahead(live, serving(second))
        decide("adopt", omar)
        assert Request.objects.get(pk=waiting.pk).state == "voided"

    def test_dark_versions_are_adopted_too(self, live, omar):
        rig = live.agent("eu-dark", tier="dark")
        second = live.version()
        rig.say(target("dark").generation + 3, [serving(second, role="dark")])
        decide("adopt", omar, tier="dark")
        assert state(second) == ("dark", "")
        assert rig.desired()["models"][0]["dark"] == [{"version": 2, "digest": second.digest}]
        rig.say(target("dark").generation + 3, [])
        decide("adopt", omar, tier="dark")
        assert state(second) == ("retired", "")

    def test_a_version_that_leaves_the_dark_is_not_rolled_out_any_more(
        self, live, ask, sign, asha, bram, omar
    ):
        """It was being loaded by the other tier; nothing of that would ever be done."""
        dark = live.agent("eu-dark", tier="dark")
        version = live.version()
        ask(version, to="dark", by=asha)
        live.settle()
        request = sign(ask(version, by=asha), bram)
        assert Rollout.objects.get(request=request).step == "load"
        dark.say(target("dark").generation + 7, [])
        decide("adopt", omar, tier="dark")

        live.settle()
        sweeping.sweep()
        assert state(version) == ("retired", "")
        assert Request.objects.get(pk=request.pk).state == "failed"
        assert version_one().number == 1

    def test_an_unregistered_version_is_named(self, live, omar):
        stranger = {**serving(version_one()), "digest": "f" * 64}
        get_ahead(live, stranger)
        with pytest.raises(Conflict) as conflict:
            decide("adopt", omar)
        assert conflict.value.code == "not_registered_here"
        assert conflict.value.context["digests"] == ["f" * 64]
        assert target().history_lost_at is not None

    def test_agents_that_disagree_are_named(self, live, omar):
        second, generation = live.version(), target().generation + 3
        live.rigs[0].say(generation, [serving(second)])
        live.rigs[1].say(generation, [serving(version_one())])
        with pytest.raises(Conflict, match="eu-1 and eu-2") as conflict:
            decide("adopt", omar)
        assert conflict.value.code == "agents_disagree"

    def test_one_that_still_loads_is_waited_for(self, live, omar):
        get_ahead(live, serving(version_one(), phase="fetching"))
        with pytest.raises(Conflict, match="still loading"):
            decide("adopt", omar)


class TestWho:
    def test_only_operators_decide(self, live, asha):
        get_ahead(live)
        with pytest.raises(Forbidden):
            decide("override", asha)

    def test_words_are_needed_and_a_known_decision(self, live, omar):
        get_ahead(live)
        with pytest.raises(Invalid):
            decide("override", omar, reason=" ")
        with pytest.raises(Invalid):
            decide("guess", omar)

    def test_there_is_nothing_to_decide_otherwise(self, live, omar):
        with pytest.raises(Conflict) as conflict:
            decide("override", omar)
        assert conflict.value.code == "history_not_lost"
        with pytest.raises(NotFound):
            decide("override", omar, tier="twilight")


def test_over_the_api(live, api, omar):
    second = live.version()
    generation = get_ahead(live, serving(second))
    client = api(omar)
    shown = client.get("/api/v1/environments/prod-eu/state").json()
    assert [bool(t["history_lost_at"]) for t in shown["targets"]] == [False, True]
    path = "/api/v1/environments/prod-eu/targets/live/history"
    answer = client.post(path, {"decision": "adopt", "reason": "restored"}, format="json")
    assert answer.status_code == 200, answer.content
    assert answer.json() == {
        "generation": generation + 1_000,
        "changes": ["credit-default 1: retired", "credit-default 2: champion"],
    }
    again = client.post(path, {"decision": "adopt", "reason": "restored"}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "history_not_lost")


def test_an_environment_without_a_mark_is_not_asked_about(live):
    with pytest.raises(ObjectDoesNotExist):
        Target.objects.get(history_lost_at__isnull=False)
    assert selector.lost(Target.objects.values_list("environment", flat=True)) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("decision", ["adopt", "override"])
def test_every_change_has_its_entry(live, omar, decision):
    """The guards at commit let it pass."""
    get_ahead(live, serving(live.version()))
    decide(decision, omar)
    assert target().history_lost_at is None
