"""Agents join, leave, are evicted and decommissioned; the wedged and the cloned are named."""

from datetime import timedelta

import pytest
from django.utils import timezone

from governance import access
from governance.audit.models import Entry
from governance.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from governance.models import Environment
from promotion import wire
from promotion.models import Agent, AgentReport, DesiredState, Request, Rollout
from promotion.selectors import abnormal, fleet, fleet_facts, observed
from promotion.services import agents, environments, rollouts, sweeping, tellings
from promotion.services.agents.standing import ROLLOUT
from tests.promotion.conftest import PROD, SET_UP

pytestmark = pytest.mark.django_db
WHY = "it hangs"


def row(rig):
    return Agent.objects.select_related("token", "report").get(pk=rig.agent.pk)


def present(rig):
    places = Environment.objects.values_list("pk", flat=True)
    return next(a for a in observed.present_agents(places) if a.pk == rig.agent.pk)


def alarms():
    return [one.what for one in abnormal.alarms(access.sight(SET_UP))]


def publish(fraction):
    document = {**PROD, "targets": {"live": {"mirror_fraction": fraction}, "dark": {}}}
    environments.apply(slug="prod-eu", document=document, actor=SET_UP)


class TestEvicted:
    def test_its_token_ends_and_nothing_it_says_counts(self, world, api, omar):
        rig = world.agent("eu-1")
        agents.evict(agent_id=rig.agent.pk, reason=WHY, actor=omar)

        assert row(rig).token.revoked_at is not None
        client = api()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {rig.secret}")
        for path in ("desired-state", "report"):
            call = client.get if path == "desired-state" else client.put
            assert call(f"/api/v1/agents/self/{path}").status_code == 401
        with pytest.raises(Unauthenticated):
            rig.obey()  # It was on its way when the token ended.

    def test_no_rollout_waits_for_it(self, world, promote, omar):
        first, second = world.agent("eu-1"), world.agent("eu-2")
        request = promote(rounds=0)
        first.obey()
        assert Rollout.objects.get(request=request).step == "load"
        agents.evict(agent_id=second.agent.pk, reason=WHY, actor=omar)

        assert Rollout.objects.get(request=request).step == "commit"
        first.obey()
        request.refresh_from_db()
        assert request.state == "done"

    def test_it_is_told_nothing_more(self, world, promote, omar):
        rig = world.agent("eu-1")
        rig.say(rig.desired()["generation"], [], control_url="http://127.0.0.1:9")
        request = promote(rounds=0)
        agents.evict(agent_id=rig.agent.pk, reason=WHY, actor=omar)
        version = request.deployment.version_id
        told = tellings.tell(
            action="load", target_id=rig.agent.target_id, version_id=version, generation=2
        )
        assert told == 0
        assert not rig.agent.tellings.exists()

    def test_what_it_serves_is_flagged_until_it_is_decommissioned(self, world, promote, omar):
        rig, _ = world.agent("eu-1"), world.agent("eu-2")
        promote()
        agents.evict(agent_id=rig.agent.pk, reason=WHY, actor=omar)
        assert alarms() == ["agent eu-1 was evicted and may still serve what it held, unseen."]
        card = fleet.fleet(access.sight(SET_UP), now=timezone.now()).targets
        (shown,) = [c for target in card for c in target.agents if c.agent.pk == rig.agent.pk]
        assert (shown.standing, [one.role for one in shown.holdings]) == ("evicted", ["champion"])
        assert not rig.agent.intervals.filter(ended_at=None).exists()

        agents.decommission(agent_id=rig.agent.pk, reason="gone", actor=omar)
        assert alarms() == []

    def test_nobody_is_confirmed_by_it(self, world, promote, omar):
        rig = world.agent("eu-1")
        promote()
        agents.evict(agent_id=rig.agent.pk, reason=WHY, actor=omar)
        facts = fleet_facts.facts_by_environment("credit-default", now=timezone.now())
        assert facts["prod-eu"][0].evicted
        assert world.agent("eu-2").desired()["models"][0]["champion"] is not None

    def test_it_can_only_enrol_anew_once_its_name_is_free(self, world, omar):
        rig = world.agent("eu-1")
        agents.evict(agent_id=rig.agent.pk, reason=WHY, actor=omar)
        with pytest.raises(Conflict) as conflict:
            world.agent("eu-1")
        assert conflict.value.code == "name_evicted"
        with pytest.raises(Conflict) as conflict:
            agents.uncordon(agent_id=rig.agent.pk, reason="again", actor=omar)
        assert conflict.value.code == "evicted"
        agents.decommission(agent_id=rig.agent.pk, reason="gone", actor=omar)
        again = world.agent("eu-1")
        assert again.agent.pk != rig.agent.pk
        with pytest.raises(Conflict):
            agents.evict(agent_id=rig.agent.pk, reason=WHY, actor=omar)

    def test_twice_is_once(self, world, omar):
        rig = world.agent("eu-1")
        for _ in range(2):
            agents.evict(agent_id=rig.agent.pk, reason=WHY, actor=omar)
        assert Entry.objects.filter(action="agent.evicted").count() == 1

    def test_only_an_operator_who_says_why(self, world, asha, bram, ada, vera, omar):
        rig = world.agent("eu-1")
        for change in (agents.evict, agents.decommission, agents.cordon):
            for somebody in (asha, bram, ada, vera):
                with pytest.raises(Forbidden):
                    change(agent_id=rig.agent.pk, reason=WHY, actor=somebody)
            for reason in ("", "a\0b", "x" * 2_001):
                with pytest.raises(Invalid):
                    change(agent_id=rig.agent.pk, reason=reason, actor=omar)
            with pytest.raises(NotFound):
                change(agent_id=Request().pk, reason=WHY, actor=omar)
        assert row(rig).evicted_at is None

    def test_over_the_api(self, world, api, omar, asha):
        rig = world.agent("eu-1")
        path = f"/api/v1/agents/{rig.agent.pk}"
        body = {"reason": WHY}
        assert api(asha).post(f"{path}/evict", body, format="json").status_code == 403
        answers = [
            api(omar).post(f"{path}/{act}", body, format="json")
            for act in ("cordon", "uncordon", "decommission", "evict", "decommission", "cordon")
        ]
        assert [answer.status_code for answer in answers] == [200, 200, 409, 200, 200, 409]
        assert [answers[2].json()["code"], answers[5].json()["code"]] == [
            "still_here",
            "decommissioned",
        ]
        assert answers[4].json()["decommissioned_at"] is not None


@pytest.mark.django_db(transaction=True)
def test_the_database_asks_for_its_audit_entries_and_has_them(world, omar):
    rig = world.agent("eu-1")
    agents.evict(agent_id=rig.agent.pk, reason=WHY, actor=omar)
    agents.decommission(agent_id=rig.agent.pk, reason="gone", actor=omar)
    actions = Entry.objects.filter(subject=f"agent:{rig.agent.pk}").values_list("action", flat=True)
    assert list(actions.order_by("seq"))[-2:] == ["agent.evicted", "agent.decommissioned"]


class TestDecommissioned:
    def test_one_that_left_is_struck_off(self, world, omar):
        rig = world.agent("eu-1")
        with pytest.raises(Conflict) as conflict:
            agents.decommission(agent_id=rig.agent.pk, reason="gone", actor=omar)
        assert conflict.value.code == "still_here"
        agents.leave(agent_id=rig.agent.pk, actor=rig.actor)
        agents.decommission(agent_id=rig.agent.pk, reason="gone", actor=omar)

        assert row(rig).token.revoked_at is not None
        with pytest.raises(Unauthenticated):
            rig.obey()
        shown = fleet.fleet(access.sight(SET_UP), now=timezone.now()).targets
        assert not [one for target in shown for one in (*target.agents, *target.gone)]

    def test_those_that_left_are_listed_until_then(self, world):
        rig = world.agent("eu-1")
        agents.leave(agent_id=rig.agent.pk, actor=rig.actor)
        shown = fleet.fleet(access.sight(SET_UP), now=timezone.now()).targets
        assert [one.name for target in shown for one in target.gone] == ["eu-1"]


class TestScaledDown:
    """Agents that leave never halt a rollout, at whatever step; the last one leaving does."""

    @pytest.mark.parametrize("rounds", [0, 1])
    def test_the_others_go_on(self, world, promote, rules, rounds):
        rules(bake_seconds=0.0)
        rigs = [world.agent(f"eu-{n}") for n in range(4)]
        request = promote(rounds=rounds)
        for rig in rigs[1:]:
            agents.leave(agent_id=rig.agent.pk, actor=rig.actor)
            world.rigs.remove(rig)
        world.settle()
        request.refresh_from_db()
        assert request.state == "done"

    def test_also_while_it_bakes_and_retires(self, world, promote, rules):
        rigs = [world.agent(f"eu-{n}") for n in range(3)]
        promote()
        rules(bake_seconds=3_600.0)
        request = promote()
        rollout = Rollout.objects.get(request=request)
        assert rollout.step == "bake"
        agents.leave(agent_id=rigs[2].agent.pk, actor=rigs[2].actor)
        world.rigs.remove(rigs[2])
        rollouts.advance(rollout_id=rollout.pk, actor=ROLLOUT, now=rollout.deadline)
        rollout.refresh_from_db()
        assert rollout.step == "retire"
        agents.leave(agent_id=rigs[1].agent.pk, actor=rigs[1].actor)
        world.rigs.remove(rigs[1])
        world.settle()
        request.refresh_from_db()
        assert request.state == "done"

    def test_nobody_is_never_enough(self, world, promote):
        rig = world.agent("eu-1")
        request = promote(rounds=0)
        agents.leave(agent_id=rig.agent.pk, actor=rig.actor)
        world.rigs.clear()
        sweeping.sweep()
        request.refresh_from_db()
        assert request.state == "executing"
        assert Rollout.objects.get(request=request).step == "load"


class TestWedged:
    PATIENCE = timedelta(seconds=45)

    def later(self, rig, seconds=46):
        """How it stands a while later, if it reports the same then."""
        at = timezone.now() + timedelta(seconds=seconds)
        AgentReport.objects.filter(agent=rig.agent).update(at=at)
        return observed.wedged(present(rig), now=at)

    def test_it_reports_and_does_not_apply_what_it_is_told(self, world):
        rig = world.agent("eu-1")
        assert self.later(rig) is None
        publish(0.1)
        published = DesiredState.objects.filter(target=rig.agent.target_id).first().at
        publish(0.2)

        assert self.later(rig, seconds=5) is None
        wedge = self.later(rig)
        assert wedge.how == "does not apply what it is told"
        assert wedge.since == published
        rig.obey()
        assert self.later(rig) is None

    def test_a_refusal_is_not_a_hang(self, world):
        rig = world.agent("eu-1")
        publish(0.1)
        refused = {"generation": 2, "reason": "INVALID", "detail": "no"}
        rig.say(1, [], refused=refused)
        assert self.later(rig) is None

    def item(self, rig, **more):
        (item,) = rig.items(rig.desired())
        return {**item, **more}

    def test_calls_in_flight_that_nobody_answers(self, world, promote):
        rig = world.agent("eu-1")
        promote()
        generation = rig.desired()["generation"]
        for number in (7, 8, 8):
            rig.say(generation, [self.item(rig, in_flight=3, requests=number)])
        wedge = self.later(rig)
        assert wedge.how == "answers none of 3 calls in flight at credit-default version 1"
        rig.say(generation, [self.item(rig, in_flight=3, requests=9)])
        assert self.later(rig) is None

    def test_a_runtime_that_does_not_answer_its_own_golden_transaction(self, world, promote):
        rig = world.agent("eu-1")
        promote()
        generation = rig.desired()["generation"]
        for answers in (True, False, False):
            rig.say(generation, [self.item(rig, answers=answers)])
        assert self.later(rig, seconds=1) is None
        wedge = self.later(rig)
        assert "no right answer from credit-default version 1" in wedge.how
        rig.say(generation, [self.item(rig, answers=True)])
        assert self.later(rig) is None

    def test_a_restart_begins_anew(self, world, promote):
        rig = world.agent("eu-1")
        promote()
        generation = rig.desired()["generation"]
        for _ in range(2):
            rig.say(generation, [self.item(rig, in_flight=3)])
        rig.boot_id = "boot-2"
        rig.say(generation, [self.item(rig, in_flight=3)])
        assert self.later(rig) is None

    def test_who_is_cordoned_or_silent_is_not_called_wedged_too(self, world, omar):
        rig = world.agent("eu-1")
        publish(0.1)
        assert observed.wedged(present(rig), now=timezone.now() + timedelta(minutes=2)) is None
        agents.cordon(agent_id=rig.agent.pk, reason=WHY, actor=omar)
        assert self.later(rig) is None


class TestCloned:
    @pytest.fixture
    def twins(self, world, promote):
        """Two processes that report in turns as ``eu-1``, beside ``eu-2``."""
        rig = world.agent("eu-1")
        world.agent("eu-2")
        promote()
        for boot in ("boot-2", "boot-1", "boot-2"):
            rig.boot_id = boot
            rig.obey()
        return rig

    def test_a_restart_is_not_a_clone(self, world):
        rig = world.agent("eu-1")
        for boot in ("boot-2", "boot-3"):
            rig.boot_id = boot
            rig.obey()
            assert not fleet_facts.is_cloned(row(rig).report, now=timezone.now())

    def test_a_late_report_of_the_run_before_is_dropped(self, world):
        rig = world.agent("eu-1")
        for _ in range(3):
            rig.obey()
        late, rig.boot_id = rig.boot_id, "boot-2"
        rig.obey()
        body = {
            "schema": wire.SCHEMA,
            "boot_id": late,
            "seq": 2,
            "observed_generation": 1,
            "models": [],
        }
        agents.report(agent=rig.agent, body=wire.Report.model_validate(body), actor=rig.actor)
        report = row(rig).report
        assert report.boot_id == "boot-2"
        assert report.cloned_at is None

    def test_both_are_unknown_and_named(self, world, twins):
        facts = {f.name: f for f in self.facts()}
        assert (facts["eu-1"].cloned, facts["eu-2"].cloned) == (True, False)
        found = abnormal.alarms(access.sight(SET_UP))
        assert [one.what for one in found] == [
            "agent eu-1 is two processes under one name. What either serves is unknown."
        ]
        assert found[0].evict
        entry = Entry.objects.select_related("payload").get(action="agent.cloned")
        assert "boot-1" in entry.payload.body
        assert "boot-2" in entry.payload.body

    def test_no_rollout_begins_with_them(self, world, twins, promote):
        request = promote(rounds=0)
        asked = Rollout.objects.get(request=request).steps.values_list("agent__name", flat=True)
        assert list(asked) == ["eu-2"]

    def test_it_is_over_some_time_after_one_has_ended(self, twins):
        later = timezone.now() + timedelta(minutes=2)
        assert not fleet_facts.is_cloned(row(twins).report, now=later)
        AgentReport.objects.update(cloned_at=timezone.now() - timedelta(minutes=2))
        twins.obey()
        assert row(twins).report.cloned_since is None

    def facts(self):
        return fleet_facts.facts_by_environment("credit-default", now=timezone.now())["prod-eu"]
