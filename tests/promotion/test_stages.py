"""Stages before the switch to all: who answers, what ends a stage, and every way back."""

from datetime import timedelta

import pytest
from django.db import transaction

from governance.audit import services as audit
from governance.audit.actions import Action
from governance.errors import Conflict, Forbidden, Invalid, NotFound
from promotion.models import Deployment, Rollout, RolloutStep
from promotion.services import agents, rollbacks, rollouts, steering
from tests.promotion.conftest import SET_UP

# Each service commits for real: only then do the database's deferred guards speak.
pytestmark = pytest.mark.django_db(transaction=True)
CANARY = [{"agents": 1}, {"weight": 0.25, "minimum_requests": 40, "seconds": 60.0}, "all"]


@pytest.fixture
def live(world, ask, sign, asha, bram, settings):
    """Version 1 answers in prod-eu on two agents, whose reports count for the whole test."""
    settings.CONFIG = settings.CONFIG.model_copy(update={"lease_seconds": 86_400.0})
    world.agent("eu-1")
    world.agent("eu-2")
    sign(ask(world.version(), by=asha), bram)
    world.settle()
    return world


@pytest.fixture
def begin(live, rules, ask, sign, asha, bram):
    """Promote version 2 through stages, as far as loaded by all."""

    def begun(stages=CANARY, *, dark=False, **changes):
        rules(stages=stages, guard_minimum=20, **changes)
        version = live.version()
        if dark:
            live.agent("eu-dark", tier="dark")
            ask(version, "dark", by=asha)
            live.settle()
        request = sign(ask(version, by=asha), bram)
        obey(live, version, rounds=1)
        return request

    return begun


def obey(world, version, *, rounds=2, scores=None, **counted):
    """Let the live agents follow, having answered that many times with ``version``."""
    for _ in range(rounds):
        for rig in world.rigs:
            document = rig.desired()
            items = rig.items(document)
            for item in items:
                if item["digest"] == version.digest and item["role"] in {"candidate", "champion"}:
                    item.update(counted, scores=scores and scores["new"])
                elif item["role"] == "champion":
                    item.update(scores=scores and scores["old"])
            rig.say(document["generation"], items)


def rollout_of(request):
    return Rollout.objects.get(request=request)


def pass_time(request, actor, *, seconds=3_600):
    rollout = rollout_of(request)
    later = rollout.deadline + timedelta(seconds=seconds)
    rollouts.advance(rollout_id=rollout.pk, actor=actor, now=later)


def switch(world):
    document = world.rigs[0].desired()
    return document["requires"], document["models"][0]["switch"]


def roles():
    rows = Deployment.objects.order_by("version__number")
    return [(row.version.number, row.state, row.role) for row in rows]


def test_a_candidate_answers_beside_the_champion_stage_by_stage(live, begin, asha, replayed):
    request = begin()
    version = request.deployment.version
    assert roles() == [(1, "production", "champion"), (2, "production", "candidate")]
    assert rollout_of(request).step_name == "stage-1"
    assert switch(live) == (["switch.agents"], {"agents": ["eu-1"]})

    obey(live, version, rounds=1)
    pass_time(request, asha)
    assert rollout_of(request).step_name == "stage-2"
    required, found = switch(live)
    assert required == ["switch.weight"]
    assert found == {"weight": 0.25, "salt": str(rollout_of(request).pk), "key": "routing_key"}
    obey(live, version, requests=20)
    assert rollout_of(request).step_name == "stage-2", "its seconds are not over"

    rollout = rollout_of(request)
    rollouts.advance(rollout_id=rollout.pk, actor=asha, now=rollout.deadline)
    assert rollout_of(request).step == "commit"
    assert roles() == [(1, "production", "bake"), (2, "production", "champion")]
    assert switch(live) == ([], {"to": "all"})
    live.settle()
    request.refresh_from_db()
    assert request.state == "done"
    steps = RolloutStep.objects.filter(rollout__request=request)
    assert set(steps.values_list("step", flat=True)) == {
        *("load", "stage-1", "stage-2", "commit", "bake", "retire")
    }
    assert not steps.filter(step__startswith="stage", done_at=None).exists()
    replayed()


def test_the_first_version_has_no_stages(world, rules, ask, sign, asha, bram):
    rules(stages=CANARY)
    world.agent("eu-1")
    sign(ask(world.version(), by=asha), bram)
    world.settle()
    assert roles() == [(1, "production", "champion")]
    assert not RolloutStep.objects.filter(step__startswith="stage").exists()


@pytest.mark.parametrize(
    ("stage", "feature", "published"),
    [
        ({"share": 0.5}, "switch.agents", {"agents": ["eu-1"]}),
        ({"share": 0.6}, "switch.agents", {"agents": ["eu-1", "eu-2"]}),
        ({"agents": 9}, "switch.agents", {"agents": ["eu-1", "eu-2"]}),
        ({"group": "pilot"}, "switch.group", {"group": "pilot"}),
    ],
)
def test_each_way_to_share(live, begin, stage, feature, published):
    begin([stage])
    assert switch(live) == ([feature], published)


def test_a_stage_without_traffic_is_extended_once_and_then_asks_a_person(
    live, begin, asha, make_person, replayed
):
    request = begin(CANARY[1:])
    version = request.deployment.version
    obey(live, version, requests=4)
    pass_time(request, asha, seconds=0)
    found = rollout_of(request)
    assert (found.step_name, found.extended, found.halted_at) == ("stage-1", True, None)
    assert found.detail == "extended once: 8 of 40 answers"

    pass_time(request, asha)
    found = rollout_of(request)
    assert found.halted_at is not None
    assert found.detail == "halted: 8 of 40 answers, also after one more time"
    assert roles()[1] == (2, "production", "candidate")

    omar = make_person("omar", "operator").actor
    steering.resume(rollout_id=found.pk, reason="a quiet night", actor=omar)
    assert rollout_of(request).unwatched
    pass_time(request, asha)
    assert rollout_of(request).step == "commit"
    replayed()


def test_answers_that_come_after_all_let_it_go_on(live, begin, asha):
    request = begin(CANARY[1:])
    version = request.deployment.version
    for _ in range(2):
        pass_time(request, asha)
        obey(live, version, rounds=1)
    pass_time(request, asha)
    obey(live, version, rounds=1, requests=30)
    pass_time(request, asha)
    assert rollout_of(request).step == "commit"


def test_a_guard_in_a_stage_takes_the_candidate_out(live, begin, replayed):
    request = begin(CANARY[1:], dark=True)
    obey(live, request.deployment.version, requests=30, errors=4)
    request.refresh_from_db()
    assert request.state == "failed"
    assert request.detail == "4 of 30 answers failed during the stage 1"
    barred = Deployment.objects.get(version__number=2)
    assert (barred.state, barred.barred, barred.hold) == ("retired", True, "none")
    assert roles()[0] == (1, "production", "champion")
    assert switch(live) == ([], {"to": "all"})
    replayed()


@transaction.atomic
def give_budget(model, budget):
    model.latency_budget_ms = budget
    model.save(update_fields=["latency_budget_ms"])
    subject = {"object": f"model:{model.name}", "subject": f"model:{model.pk}"}
    audit.record(Action.MODEL_REGISTERED, actor=SET_UP, model=model.name, **subject)


@pytest.mark.parametrize(("budget", "fails"), [(30.0, True), (50.0, False), (None, False)])
def test_answers_slower_than_the_budget_take_it_out(live, begin, budget, fails):
    give_budget(Deployment.objects.get().model, budget)
    request = begin(CANARY[1:])
    slow = {"count": 25, "mean_ms": 20.0, "p50_ms": 12.0, "p95_ms": 41.25, "p99_ms": 90.0}
    obey(live, request.deployment.version, requests=25, latency=slow)
    request.refresh_from_db()
    assert (request.state == "failed") == fails
    if fails:
        assert request.detail == (
            "p95 of 25 answers by eu-1 was 41.25 ms during the stage 1, the budget is 30 ms"
        )


@pytest.mark.parametrize(("limit", "fails"), [(0.05, True), (0.5, False), (None, False)])
def test_other_decisions_than_the_policy_lets_pass_take_it_out(live, begin, limit, fails):
    request = begin(CANARY[1:], guard_decisions=limit)
    scores = {"new": {"count": 100, "positive": 60}, "old": {"count": 300, "positive": 60}}
    obey(live, request.deployment.version, requests=1, scores=scores)
    request.refresh_from_db()
    assert (request.state == "failed") == fails
    if fails:
        assert request.detail == (
            "60 of 100 scores were above the threshold during the stage 1,"
            " 60 of 300 of the version before: further apart than 0.05"
        )


def test_a_refusal_in_a_stage_takes_it_out(live, begin):
    request = begin()
    generation = live.rigs[0].desired()["generation"]
    refused = {"generation": generation, "reason": "UNSUPPORTED", "detail": "switch.agents"}
    live.rigs[1].say(generation - 1, [], refused=refused)
    request.refresh_from_db()
    assert request.detail == "eu-2 refused: UNSUPPORTED (switch.agents)"
    assert roles() == [(1, "production", "champion"), (2, "retired", "")]


def test_who_does_not_confirm_in_time_halts_it_until_they_do(live, begin, asha):
    request = begin()
    live.rigs[0].obey()
    started = rollout_of(request).step_at
    late = started + timedelta(seconds=301)
    rollouts.advance(rollout_id=rollout_of(request).pk, actor=asha, now=late)
    halted = rollout_of(request)
    assert halted.halted_at
    assert halted.detail == "halted: eu-2 did not confirm in time"
    live.settle()
    assert rollout_of(request).step_name != "stage-1"


def test_others_take_the_place_of_agents_that_left(live, begin):
    request = begin([{"agents": 1, "minimum_requests": 10, "seconds": 600.0}])
    gone = live.rigs.pop(0)
    agents.leave(agent_id=gone.agent.pk, actor=gone.actor)
    obey(live, request.deployment.version)
    assert switch(live) == (["switch.agents"], {"agents": ["eu-2"]})
    assert rollout_of(request).step_name == "stage-1"


class TestSteering:
    @pytest.fixture
    def omar(self, make_person):
        return make_person("omar", "operator").actor

    def test_a_paused_rollout_takes_no_step(self, live, begin, asha, omar, replayed):
        request = begin()
        pk = rollout_of(request).pk
        steering.pause(rollout_id=pk, reason="wait for the night", actor=omar)
        before = rollout_of(request)
        live.settle()
        pass_time(request, asha)
        assert rollout_of(request).step_name == "stage-1"
        with pytest.raises(Conflict) as refused:
            steering.pause(rollout_id=pk, reason="again", actor=omar)
        assert refused.value.code == "already_paused"

        steering.resume(rollout_id=pk, reason="it is night", actor=omar)
        after = rollout_of(request)
        assert after.paused_at is None
        assert after.deadline > before.deadline
        live.settle()
        pass_time(request, asha)
        assert rollout_of(request).step_name == "stage-2"
        replayed()

    def test_a_guard_waits_for_nobody(self, live, begin, omar):
        request = begin(CANARY[1:])
        steering.pause(rollout_id=rollout_of(request).pk, reason="look at it", actor=omar)
        obey(live, request.deployment.version, requests=30, errors=30)
        request.refresh_from_db()
        assert request.state == "failed"

    @pytest.mark.parametrize(("dark", "state"), [(True, "dark"), (False, "trained")])
    def test_an_abort_in_a_stage_puts_it_back_where_it_was(
        self, live, begin, ask, sign, asha, bram, omar, replayed, dark, state
    ):
        request = begin(dark=dark)
        steering.abort(rollout_id=rollout_of(request).pk, reason="not now", actor=omar)
        request.refresh_from_db()
        assert (request.state, request.detail) == ("failed", "aborted by omar: not now")
        assert roles() == [(1, "production", "champion"), (2, state, "")]
        document = live.rigs[0].desired()["models"][0]
        assert (document["candidate"], document["load"]) == (None, [])
        if dark:
            assert [one["version"] for one in live.rigs[2].desired()["models"][0]["dark"]] == [2]
        replayed()
        again = sign(ask(request.deployment.version, by=asha), bram)
        assert again.state == "executing"

    def test_an_abort_while_loading(self, live, rules, ask, sign, asha, bram, omar):
        request = sign(ask(live.version(), by=asha), bram)
        steering.abort(rollout_id=rollout_of(request).pk, reason="not now", actor=omar)
        assert roles() == [(1, "production", "champion"), (2, "trained", "")]
        assert live.rigs[0].desired()["models"][0]["load"] == []

    def test_an_abort_after_the_commit_is_a_rollback(self, live, begin, omar, replayed):
        request = begin([])
        assert rollout_of(request).step == "commit"
        ended = steering.abort(rollout_id=rollout_of(request).pk, reason="no", actor=omar)
        assert (ended.kind, ended.deployment.version.number) == ("rollback", 1)
        live.settle()
        assert roles() == [(1, "production", "champion"), (2, "retired", "")]
        replayed()

    def test_a_rollback_in_a_stage_lets_the_champion_answer_all(self, live, begin, omar, replayed):
        request = begin(dark=True)
        back = rollbacks.rollback(
            environment="prod-eu", model="credit-default", reason="complaints", actor=omar
        )
        request.refresh_from_db()
        assert request.state == "superseded"
        assert (back.deployment.version.number, back.replaces.number) == (1, 2)
        assert roles() == [(1, "production", "champion"), (2, "dark", "")]
        assert switch(live) == ([], {"to": "all"})
        live.settle()
        back.refresh_from_db()
        assert back.state == "done"
        replayed()

    def test_a_rollback_in_a_stage_to_one_before_the_champion(
        self, live, begin, ask, sign, asha, bram, omar, replayed
    ):
        sign(ask(live.version(), by=asha), bram)
        live.settle()
        begin()
        assert [role for _, _, role in roles()] == ["", "champion", "candidate"]
        rollbacks.rollback(
            environment="prod-eu", model="credit-default", reason="both bad", to=1, actor=omar
        )
        live.settle()
        assert roles() == [(1, "production", "champion"), (2, "retired", ""), (3, "trained", "")]
        replayed()

    def test_what_is_over_and_what_is_not_there(self, live, begin, omar):
        request = begin([])
        live.settle()
        pk = rollout_of(request).pk
        for act in (steering.pause, steering.resume, steering.abort):
            with pytest.raises(Conflict) as over:
                act(rollout_id=pk, reason="late", actor=omar)
            assert over.value.code == "rollout_over"
            with pytest.raises(NotFound):
                act(rollout_id=request.pk, reason="none", actor=omar)

    def test_only_operators_who_say_why(self, live, begin, asha, omar):
        pk = rollout_of(begin()).pk
        for act in (steering.pause, steering.resume, steering.abort):
            with pytest.raises(Forbidden):
                act(rollout_id=pk, reason="mine", actor=asha)
            with pytest.raises(Invalid):
                act(rollout_id=pk, reason="  ", actor=omar)
        with pytest.raises(Conflict) as running:
            steering.resume(rollout_id=pk, reason="it runs", actor=omar)
        assert running.value.code == "not_paused"

    def test_a_rollback_is_not_held_up(self, live, begin, omar):
        begin()
        back = rollbacks.rollback(
            environment="prod-eu", model="credit-default", reason="complaints", actor=omar
        )
        pk = rollout_of(back).pk
        for act in (steering.pause, steering.abort):
            with pytest.raises(Conflict) as refused:
                act(rollout_id=pk, reason="no", actor=omar)
            assert refused.value.code == "not_steerable"
