"""An agent that is silent is unknown, and where each agent stands with what was decided."""

from datetime import timedelta

import pytest
from django.utils import timezone

from promotion.models import (
    AgentReport,
    Deployment,
    Rollout,
    RolloutStep,
)
from promotion.selectors import facts
from promotion.services import agents, execution, rollouts, sweeping
from tests.promotion.test_reports import confirmed, step

pytestmark = pytest.mark.django_db


@pytest.fixture
def live(world, ask, sign, asha, bram):
    """Version 1 answers in prod-eu on two agents."""
    world.agent("eu-1")
    world.agent("eu-2")
    sign(ask(world.version(), by=asha), bram)
    world.settle()
    return world


@pytest.fixture
def second(live, rules, ask, sign, asha, bram):
    """Version 2 is being loaded; the deadline lies within the agents' leases."""
    rules(load_seconds=10.0)
    return sign(ask(live.version(), by=asha), bram)


class TestLease:
    def silence(self, rig):
        past = timezone.now() - timedelta(hours=1)
        AgentReport.objects.filter(agent=rig.agent).update(at=past)

    def test_a_silent_agent_is_unknown_not_ready(self, live):
        self.silence(live.rigs[0])
        assert confirmed() == ("confirmed", 1)
        self.silence(live.rigs[1])
        assert confirmed() == ("unknown", 0)

    def test_a_lease_lost_in_the_middle_pauses(self, live, second):
        live.rigs[0].obey()
        self.silence(live.rigs[1])
        for _ in range(3):
            sweeping.sweep()
            live.rigs[0].obey()
        assert step(second) == "load"
        live.rigs[1].obey()
        assert step(second) == "commit"

    def test_one_that_was_ready_and_fell_silent_holds_the_switch_back(self, live, second):
        live.rigs[0].obey()
        self.silence(live.rigs[0])
        live.rigs[1].obey()
        assert step(second) == "load"
        live.rigs[0].obey()
        assert step(second) == "commit"

    def test_the_deadline_of_the_load_gives_the_request_back(self, live, second, asha):
        live.rigs[0].obey()
        rollout = Rollout.objects.get(request=second)
        rollouts.advance(rollout_id=rollout.pk, actor=asha, now=rollout.deadline)

        second.refresh_from_db()
        assert second.state == "approved"
        assert "not loaded in time by eu-2" in second.detail
        assert step(second) == "failed"
        assert live.rigs[0].desired()["models"][0]["load"] == []
        assert Deployment.objects.get(version__number=2).state == "trained"
        assert execution.start(request_id=second.pk, actor=asha)
        assert Rollout.objects.get(request=second, ended_at=None).attempt == 2
        live.settle()
        second.refresh_from_db()
        assert second.state == "done"

    def test_the_deadline_of_the_switch_halts_and_changes_nothing_back(
        self, live, second, asha, replayed
    ):
        for rig in live.rigs:
            items, generation = rig.items(rig.desired()), rig.desired()["generation"]
            rig.say(generation, items)
        assert step(second) == "commit"
        live.rigs[0].obey()
        self.silence(live.rigs[1])
        rollout = Rollout.objects.get(request=second)
        for _ in range(3):
            rollouts.advance(rollout_id=rollout.pk, actor=asha, now=rollout.deadline)
        rollout.refresh_from_db()
        assert rollout.step == "commit"
        assert rollout.detail == "halted: eu-2 did not confirm in time"
        assert Deployment.objects.get(role="champion").version.number == 2
        live.rigs[1].obey()
        live.settle()
        assert step(second) == "done"
        replayed()

    def test_nobody_at_all_never_is_enough(self, live, second, asha):
        """All agents leave in the middle: nothing is switched, and nothing counts as live."""
        for rig in live.rigs:
            agents.leave(agent_id=rig.agent.pk, actor=rig.actor)
        sweeping.sweep()
        assert step(second) == "load"
        assert confirmed() == ("unknown", 0)
        version = Deployment.objects.get(role="champion").version
        found = facts.gather(
            version,
            Deployment.objects.get(role="champion").environment,
            deployment=None,
            champion=None,
            now=timezone.now(),
        )
        assert found.answering_in == {"prod-eu": 0}

    def test_agents_that_come_when_all_others_are_gone_are_asked_instead(
        self, world, ask, sign, asha, bram, omar, replayed
    ):
        """The only agent dies for good after the switch: its successor confirms."""
        world.agent("eu-1")
        request = sign(ask(world.version(), by=asha), bram)
        world.rigs[0].say(
            world.rigs[0].desired()["generation"], world.rigs[0].items(world.rigs[0].desired())
        )
        assert step(request) == "commit"
        dead = world.rigs.pop()
        agents.cordon(agent_id=dead.agent.pk, reason="its host is gone", actor=omar)
        world.agent("eu-9")
        for _ in range(3):
            sweeping.sweep()
            world.rigs[0].obey()
        world.settle()
        assert step(request) == "done"
        replayed()


class TestStanding:
    def test_a_cordoned_agent_holds_nothing_up(self, live, second, omar):
        live.rigs[0].obey()
        agents.cordon(agent_id=live.rigs[1].agent.pk, reason="disk", actor=omar)
        sweeping.sweep()
        assert step(second) == "commit"

    def test_one_that_leaves_holds_nothing_up(self, live, second):
        live.rigs[0].obey()
        agents.leave(agent_id=live.rigs[1].agent.pk, actor=live.rigs[1].actor)
        sweeping.sweep()
        assert step(second) == "commit"

    def test_a_refusal_of_a_cordoned_agent_stops_nothing(self, live, second, omar):
        digest = second.deployment.version.digest
        live.rigs[1].broken[digest] = "LOAD_FAILED"
        agents.cordon(agent_id=live.rigs[1].agent.pk, reason="disk", actor=omar)
        live.rigs[1].obey()
        live.rigs[0].obey()
        assert step(second) == "commit"

    def test_one_that_joins_late_is_not_waited_for(self, live, second):
        late = live.agent("eu-3")
        live.rigs[0].obey()
        live.rigs[1].obey()
        assert step(second) == "commit"
        assert late.agent.pk not in RolloutStep.objects.filter(
            rollout__request=second, step="load"
        ).values_list("agent", flat=True)

    def test_a_draining_agent_is_not_asked(self, live, ask, sign, asha, bram):
        rig = live.rigs[1]
        rig.say(rig.desired()["generation"], rig.items(rig.desired()), draining=True)
        request = sign(ask(live.version(), by=asha), bram)
        asked = RolloutStep.objects.filter(rollout__request=request)
        assert [row.agent.name for row in asked] == ["eu-1"]
