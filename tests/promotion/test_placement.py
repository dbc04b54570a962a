"""Placement: which agents take a model, how many a rollout needs, and who is asked and counted."""

import json

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from governance import access
from governance.audit.models import Entry
from governance.errors import Conflict, Forbidden, Invalid, NotFound
from governance.models import Environment
from promotion.models import Agent, DesiredState, Placement, Rollout, RolloutStep, Target
from promotion.placement import Placement as Rule
from promotion.selectors import abnormal, documents, matrix, model_page, past, past_document
from promotion.services import agents, environments, placements, sweeping, tellings
from tests.promotion.conftest import PROD, SET_UP

pytestmark = pytest.mark.django_db
EVERYTHING = access.reach(SET_UP)
PATH = "/api/v1/environments/prod-eu/models/credit-default/placement"
ZONE_A = {"zone": "a"}


def place(actor, labels=None, minimum=None, **changes):
    arguments = {"environment": "prod-eu", "model": "credit-default", "reason": "a test"}
    document = {"labels": labels or {}, "minimum": minimum}
    return placements.place(**{**arguments, **changes}, document=document, actor=actor)


def seen(model="credit-default"):
    """Name -> standing and why, of every agent of prod-eu, and the verdict."""
    place = Environment.objects.get(slug="prod-eu")
    document = documents.of_environment(place, seen=EVERYTHING, now=timezone.now())
    found = next(one for one in document["models"] if one["model"] == model)["live"]
    return found["verdict"], {one["agent"]: one["standing"] for one in found["agents"]}


@pytest.fixture
def zones(world):
    """Two agents in zone a and one in zone b."""
    rigs = {name: world.agent(name, zone=name[0]) for name in ("a-1", "a-2", "b-1")}
    world.version()
    return rigs


@pytest.mark.parametrize(
    ("labels", "of_agent", "covers"),
    [
        ({}, {}, True),
        ({}, {"zone": "a"}, True),
        ({"zone": "a"}, {"zone": "a", "disk": "fast"}, True),
        ({"zone": "a"}, {"zone": "b"}, False),
        ({"zone": "a"}, {}, False),
        ({"zone": "a", "disk": "fast"}, {"zone": "a"}, False),
    ],
)
def test_an_agent_is_placed_when_it_has_every_label(labels, of_agent, covers):
    assert Rule(labels).covers(of_agent) is covers


def test_the_policys_minimum_is_never_undercut():
    assert [Rule(minimum=n).needed(2) for n in (None, 1, 2, 3)] == [2, 2, 2, 3]


class TestSaidAndPublished:
    def test_the_next_generation_of_both_tiers_says_it(self, zones, omar, promote):
        promote()
        before = dict(Target.objects.values_list("pk", "generation"))
        place(omar, ZONE_A, 2)

        generations = dict(Target.objects.values_list("pk", "generation"))
        there = Target.objects.filter(environment__slug="prod-eu")
        assert all(generations[t.pk] == before[t.pk] + 1 for t in there)
        [model] = zones["a-1"].desired()["models"]
        assert model["placement"] == {"labels": ZONE_A, "minimum": 2}
        assert DesiredState.objects.latest("pk").cause == "placement of credit-default"

    def test_twice_is_once(self, zones, omar):
        place(omar, ZONE_A)
        count = DesiredState.objects.count()
        place(omar, ZONE_A)
        assert DesiredState.objects.count() == count
        assert Entry.objects.filter(action="placement.changed").count() == 1

    def test_it_is_recorded_with_the_reason(self, zones, omar, replayed):
        place(omar, ZONE_A, 2)
        entry = Entry.objects.get(action="placement.changed")
        body = json.loads(entry.payload.body)
        assert (entry.object, entry.environment) == ("model:credit-default", "prod-eu")
        assert (body["labels"], body["minimum"], body["reason"]) == (ZONE_A, 2, "a test")
        replayed()

    @pytest.mark.parametrize("name", ["asha", "bram", "cleo", "vera", "ada"])
    def test_only_operators_place(self, zones, request, name):
        with pytest.raises(Forbidden):
            place(request.getfixturevalue(name), ZONE_A)

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"environment": "nowhere"}, NotFound),
            ({"model": "nothing"}, NotFound),
            ({"reason": " "}, Invalid),
            ({"labels": {"Zone": "a"}}, Invalid),
            ({"labels": {"zone": 1}}, Invalid),
            ({"labels": {"zone": "a\0"}}, Invalid),
            ({"labels": {"zone": "x" * 64}}, Invalid),
            ({"labels": {f"l{n}": "x" for n in range(21)}}, Invalid),
            ({"minimum": 0}, Invalid),
            ({"minimum": "2"}, Invalid),
        ],
    )
    def test_what_makes_no_sense_changes_nothing(self, zones, omar, changes, error):
        with pytest.raises(error):
            place(omar, **changes)
        assert not Placement.objects.exists()

    def test_a_model_that_answers_is_not_placed_where_nobody_is(self, zones, omar, promote):
        place(omar, {"zone": "c"})  # Nobody answers yet.
        place(omar)
        promote()
        with pytest.raises(Conflict) as conflict:
            place(omar, {"zone": "c"})
        assert conflict.value.code == "nobody_placed"

    def test_over_the_api(self, zones, api, omar, vera):
        body = {"labels": ZONE_A, "minimum": 2, "reason": "a test"}
        assert api(vera).put(PATH, body, format="json").status_code == 403
        answer = api(omar).put(PATH, body, format="json")
        assert (answer.status_code, answer.json()["labels"]) == (200, ZONE_A)
        bad = api(omar).put(PATH, {**body, "labels": {"zone": 1}}, format="json")
        assert (bad.status_code, bad.json()["code"]) == (400, "invalid")

    def test_the_database_keeps_one_a_place_and_asks_for_somebody(self, zones, omar):
        place(omar, ZONE_A)
        for change in ({"minimum": 0},):
            with pytest.raises(DatabaseError), transaction.atomic():
                Placement.objects.update(**change)
        with pytest.raises(DatabaseError), transaction.atomic():
            Placement.objects.all().delete()


@pytest.mark.django_db(transaction=True)
def test_the_database_asks_for_its_audit_entry_and_has_it(world, omar):
    world.version()
    place(omar, ZONE_A)
    place(omar, {"zone": "b"})
    with pytest.raises(DatabaseError), transaction.atomic():
        Placement.objects.update(minimum=7)


class TestAsCode:
    def apply(self, **more):
        return environments.apply(slug="prod-eu", document={**PROD, **more}, actor=SET_UP)

    def test_what_is_named_is_placed_and_what_is_not_runs_everywhere_again(self, zones, replayed):
        applied = self.apply(placements={"credit-default": {"labels": ZONE_A, "minimum": 2}})
        assert applied.changes == ["placement of credit-default in prod-eu"]
        assert (
            self.apply(placements={"credit-default": {"labels": ZONE_A, "minimum": 2}}).changes
            == []
        )
        assert self.apply().changes == [], "left out, it stays"
        assert Placement.objects.get().rule == Rule(ZONE_A, 2)
        assert self.apply(placements={}).changes == ["placement of credit-default in prod-eu"]
        assert Placement.objects.get().rule == Rule()
        replayed()

    @pytest.mark.parametrize(
        "wrong",
        [
            {"nothing": {"labels": ZONE_A}},
            {"credit-default": {"zone": "a"}},
            {"credit-default": {"labels": {"zone": "a\0"}}},
        ],
    )
    def test_mistakes_are_named(self, zones, wrong):
        with pytest.raises(Invalid):
            self.apply(placements=wrong)
        assert not Placement.objects.exists()

    def test_a_dry_run_changes_nothing(self, zones):
        document = {**PROD, "placements": {"credit-default": {"labels": ZONE_A}}}
        applied = environments.apply(slug="prod-eu", document=document, actor=SET_UP, dry_run=True)
        assert applied.changes == ["placement of credit-default in prod-eu"]
        assert not Placement.objects.exists()


class TestRollouts:
    def test_only_those_that_are_placed_are_asked_and_confirm(self, zones, omar, promote, replayed):
        place(omar, ZONE_A)
        request = promote()
        assert request.state == "done"
        asked = RolloutStep.objects.values_list("agent__name", flat=True)
        assert set(asked) == {"a-1", "a-2"}
        assert zones["b-1"].items(zones["b-1"].desired()) == []
        assert seen() == (
            "confirmed",
            {"a-1": "confirmed", "a-2": "confirmed", "b-1": "excused"},
        )
        replayed()

    def test_the_matrix_and_the_red_bar_miss_nobody(self, zones, omar, promote):
        place(omar, ZONE_A)
        promote()
        places = access.sight(SET_UP)
        cells = matrix.matrix(places, now=timezone.now()).rows[0].cells
        [cell] = [one for one in cells if one.champion]
        assert cell.champion.confirmation.is_complete()
        assert cell.champion.confirmation.counted == 2
        assert abnormal.alarms(places) == []

    def test_with_fewer_than_the_minimum_a_request_waits(self, zones, omar, promote, world):
        place(omar, {"zone": "b"}, 2)
        request = promote()
        assert request.state == "approved"
        assert request.detail == "waiting for 2 agent(s) (agents with zone=b)"
        world.agent("b-2", zone="b")
        sweeping.sweep()
        request.refresh_from_db()
        assert request.state == "executing"

    def test_who_is_no_longer_placed_holds_nothing_up(self, zones, omar, promote):
        request = promote(rounds=0)
        for name in ("a-1", "a-2"):
            zones[name].obey()
        rollout = Rollout.objects.get(request=request)
        assert rollout.step == "load"
        place(omar, ZONE_A)
        rollout.refresh_from_db()
        assert rollout.step == "commit", "placing advances what waited for b-1"

    def test_all_who_were_asked_may_be_replaced(self, zones, omar, promote, world):
        place(omar, ZONE_A)
        request = promote(rounds=0)
        place(omar, {"zone": "b"})
        world.settle()
        request.refresh_from_db()
        assert request.state == "done"
        assert seen()[1] == {"a-1": "excused", "a-2": "excused", "b-1": "confirmed"}

    def test_a_stage_chooses_among_the_placed(self, zones, omar, promote, rules):
        place(omar, {"zone": "b"})
        rules(stages=[{"agents": 1, "seconds": 3_600.0}, "all"])
        promote()
        promote()
        rollout = Rollout.objects.get(ended_at=None)
        assert (rollout.step, rollout.switch) == ("stage", {"agents": ["b-1"]})

    def test_the_next_stage_waits_for_the_minimum(self, zones, omar, promote, world, rules):
        rules(bake_seconds=0.0, load_seconds=60.0)
        place(omar, ZONE_A, 2)
        request = promote(rounds=0)
        gone = zones["a-2"]
        agents.leave(agent_id=gone.agent.pk, actor=gone.actor)
        world.rigs.remove(gone)
        world.settle()
        rollout = Rollout.objects.get(request=request)
        assert rollout.step == "load", "one of two is not enough"
        world.agent("a-3", zone="a")
        world.settle()
        request.refresh_from_db()
        assert request.state == "done"

    def test_out_of_time_it_says_how_many_are_missing(self, zones, omar, promote, world):
        place(omar, ZONE_A, 2)
        request = promote(rounds=0)
        gone = zones["a-2"]
        agents.leave(agent_id=gone.agent.pk, actor=gone.actor)
        zones["a-1"].obey()
        Rollout.objects.update(deadline=timezone.now())
        sweeping.sweep()
        request.refresh_from_db()
        assert (request.state, request.detail) == ("approved", "1 of 2 agents are there")

    def test_scaling_down_to_the_minimum_never_halts(self, zones, omar, promote, world):
        place(omar, ZONE_A, 1)
        request = promote(rounds=1)
        gone = zones["a-2"]
        agents.leave(agent_id=gone.agent.pk, actor=gone.actor)
        world.rigs.remove(gone)
        world.settle()
        request.refresh_from_db()
        assert request.state == "done"
        assert Rollout.objects.get(request=request).halted_at is None

    def test_zero_agents_are_never_live(self, zones, omar, promote, world):
        place(omar, ZONE_A)
        promote()
        for name in ("a-1", "a-2"):
            agents.leave(agent_id=zones[name].agent.pk, actor=zones[name].actor)
        assert seen() == ("unknown", {"b-1": "excused"})

    def test_dark_versions_follow_it_too(self, zones, omar, world, ask, asha):
        world.agent("d-1", tier="dark", zone="a")
        world.agent("d-2", tier="dark")
        place(omar, ZONE_A)
        request = ask(world.version(), to="dark", by=asha)
        world.settle()
        request.refresh_from_db()
        assert request.state == "done"
        assert set(RolloutStep.objects.values_list("agent__name", flat=True)) == {"d-1"}


class TestElsewhere:
    def test_nobody_else_is_told_to_load(self, zones, omar, promote):
        place(omar, ZONE_A)
        for rig in zones.values():
            document = rig.desired()
            rig.say(document["generation"], [], control_url="http://127.0.0.1:9")
        request = promote(rounds=0)
        target = zones["b-1"].agent.target_id
        version = request.deployment.version_id
        for action, told in (("load", {"a-1", "a-2"}), ("unload", {"a-1", "a-2", "b-1"})):
            tellings.tell(action=action, target_id=target, version_id=version, generation=9)
            names = Agent.objects.filter(tellings__action=action).values_list("name", flat=True)
            assert set(names) == told

    def test_a_rollback_names_only_those_that_would_answer(self, zones, omar, promote):
        place(omar, ZONE_A)
        promote()
        promote()
        agents.cordon(agent_id=zones["a-2"].agent.pk, reason="a test", actor=omar)
        places = access.sight(SET_UP).only("prod-eu")
        page = model_page.model_page("credit-default", places, now=timezone.now())
        [former] = page.places[0].former
        assert former.effect.endswith("on a-1: fetched and loaded first")
        assert page.places[0].agents == ["a-1"]

    def test_as_of_counts_those_it_was_placed_on_then(self, zones, omar, promote):
        promote()
        before = timezone.now()
        place(omar, ZONE_A)
        where = Environment.objects.get(slug="prod-eu")
        counts = [
            past_document.document(past.as_of(where, at=at, seen=EVERYTHING))["models"][0][
                "confirmed"
            ]["of"]
            for at in (before, timezone.now())
        ]
        assert counts == [3, 2]

    def test_as_of_an_evicted_agent_no_longer_counts(self, zones, omar, promote, replayed):
        promote()
        agents.evict(agent_id=zones["b-1"].agent.pk, reason="a test", actor=omar)
        where = Environment.objects.get(slug="prod-eu")
        found = past_document.document(past.as_of(where, at=timezone.now(), seen=EVERYTHING))[
            "models"
        ][0]
        assert found["confirmed"] == {"by": ["a-1", "a-2"], "of": 2}
        replayed()
