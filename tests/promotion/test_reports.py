"""What agents say is stored, judged and never believed beyond what it says."""

import json
from typing import ClassVar

import pytest
from django.utils import timezone
from pydantic import ValidationError

from governance.audit.models import Entry
from governance.errors import Invalid
from promotion import wire
from promotion.models import (
    AgentReport,
    Deployment,
    Request,
    Rollout,
    ServingInterval,
    Target,
)
from promotion.selectors import observed
from promotion.selectors.decided import decided
from promotion.services import agents, rollouts

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


def step(request):
    return Rollout.objects.filter(request=request).order_by("-attempt")[0].step


def entries(action):
    found = Entry.objects.filter(action=action).order_by("seq").select_related("payload")
    return [json.loads(entry.payload.body) for entry in found]


def confirmed():
    """How many agents confirm the champion, and the verdict in a word."""
    places = Target.objects.values_list("environment", flat=True).distinct()
    rigs = observed.live_by_environment(observed.present_agents(places))
    rows = decided(Deployment.objects.filter(role="champion"))
    (found,) = observed.champions(rows, agents=rigs, now=timezone.now()).values()
    return found.confirmation.verdict.value, len(found.confirmation.confirmed)


def body(**changes):
    return {
        "schema": wire.SCHEMA,
        "boot_id": "boot-1",
        "seq": 1,
        "observed_generation": 1,
        "models": [],
        **changes,
    }


def held(**changes):
    return {
        "model": "credit-default",
        "version": 1,
        "digest": "a" * 64,
        "role": "champion",
        "phase": "ready",
        **changes,
    }


class TestOrder:
    def test_a_late_or_doubled_report_changes_nothing(self, live):
        rig = live.rigs[0]
        document = rig.desired()
        rig.obey()
        before = AgentReport.objects.values().get(agent=rig.agent)
        trail = Entry.objects.count()
        for seq in (before["seq"], before["seq"] - 1, 0):
            agents.report(
                agent=rig.agent,
                body=wire.Report.model_validate(
                    body(seq=seq, observed_generation=document["generation"])
                ),
                actor=rig.actor,
            )
        assert AgentReport.objects.values().get(agent=rig.agent) == before
        assert Entry.objects.count() == trail
        assert ServingInterval.objects.filter(agent=rig.agent, ended_at=None).count() == 1

    def test_another_boot_counts_from_its_own_beginning(self, live):
        rig = live.rigs[0]
        rig.boot_id = "boot-2"
        said = wire.Report.model_validate(
            body(boot_id="boot-2", seq=1, observed_generation=rig.desired()["generation"])
        )
        agents.report(agent=rig.agent, body=said, actor=rig.actor)
        report = AgentReport.objects.get(agent=rig.agent)
        assert (report.boot_id, report.seq, report.versions) == ("boot-2", 1, [])
        assert confirmed() == ("partly", 1)

    def test_every_report_learns_the_newest_generation(self, live, second):
        rig = live.rigs[0]
        assert rig.say(1, []) == Target.objects.get(pk=rig.agent.target_id).generation


class TestGenerations:
    @pytest.mark.parametrize("ahead", [10**9 + 1, 2**53 - 100])
    def test_one_too_far_ahead_to_be_believed_changes_nothing(self, live, ahead):
        rig = live.rigs[0]
        generation = rig.desired()["generation"]
        before = AgentReport.objects.values().get(agent=rig.agent)
        with pytest.raises(Invalid) as invalid:
            rig.say(generation + ahead, [])
        assert invalid.value.code == "implausible_generation"
        assert AgentReport.objects.values().get(agent=rig.agent) == before

    def test_ready_counts_only_at_the_generation_that_asked_for_it(self, live, second):
        """An agent that claims to be ready without having applied the state is not done."""
        items = live.rigs[0].items(live.rigs[0].desired())
        generation = live.rigs[0].desired()["generation"]
        for rig in live.rigs:
            rig.say(generation - 1, items)
        assert step(second) == "load"
        for rig in live.rigs:
            rig.say(generation, items)
        assert step(second) == "commit"

    def test_the_right_version_of_an_older_generation_confirms_nothing(self, live):
        rig = live.rigs[0]
        assert confirmed() == ("confirmed", 2)
        rig.say(1, rig.items(rig.desired()))
        assert confirmed() == ("partly", 1)

    def test_a_refusal_of_a_later_generation_is_no_refusal_of_this_rollout(
        self, live, second, ask, sign, asha, bram
    ):
        """An agent that has applied what this rollout waits for is done, whatever comes later."""
        generation = live.rigs[0].desired()["generation"]
        items = live.rigs[0].items(live.rigs[0].desired())
        sign(ask(live.version("other-model"), by=asha), bram)
        refused = {"generation": generation + 1, "reason": "INVALID", "detail": "other-model"}
        live.rigs[0].say(generation, items, refused=refused)
        assert step(second) == "load"
        live.rigs[1].say(generation, items)
        assert step(second) == "commit"

    def test_an_old_refusal_is_not_held_against_a_new_rollout(self, live, second):
        generation = live.rigs[0].desired()["generation"]
        items = live.rigs[0].items(live.rigs[0].desired())
        old = {"generation": generation - 1, "reason": "INVALID", "detail": "before"}
        live.rigs[0].say(generation, items, refused=old)
        live.rigs[1].say(generation, items)
        assert step(second) == "commit"

    def test_a_refusal_is_recorded_once(self, live):
        rig = live.rigs[0]
        generation = rig.desired()["generation"]
        refused = {"generation": generation, "reason": "BAD_SIGNATURE", "detail": "x"}
        for _ in range(3):
            rig.say(generation - 1, [], refused=refused)
        assert [e["reason"] for e in entries("agent.refused_state")] == ["BAD_SIGNATURE"]


class TestServing:
    def test_versions_nobody_knows_open_no_interval(self, live):
        rig = live.rigs[0]
        generation = rig.desired()["generation"]
        rig.say(generation, [held(digest="f" * 64), held(model="no-such-model", digest="e" * 64)])
        assert not ServingInterval.objects.filter(agent=rig.agent, ended_at=None).exists()
        assert confirmed() == ("partly", 1)
        assert len(entries("agent.changed_serving")[-1]["after"]) == 2

    def test_only_a_change_of_what_answers_is_an_entry(self, live):
        before = Entry.objects.count()
        for _ in range(3):
            for rig in live.rigs:
                rig.obey()
        assert Entry.objects.count() == before

    def test_an_empty_list_ends_what_was_serving(self, live):
        rig = live.rigs[0]
        rig.say(rig.desired()["generation"], [])
        assert ServingInterval.objects.filter(agent=rig.agent, ended_at=None).count() == 0
        assert confirmed() == ("partly", 1)

    @pytest.mark.parametrize("phase", ["fetching", "validating", "failed"])
    def test_what_is_not_ready_answers_nobody(self, live, phase):
        rig = live.rigs[0]
        items = [{**item, "phase": phase} for item in rig.items(rig.desired())]
        rig.say(rig.desired()["generation"], items)
        assert confirmed() == ("partly", 1)
        assert ServingInterval.objects.filter(agent=rig.agent, ended_at=None).count() == 0

    def test_who_leaves_and_returns_has_two_intervals(self, live):
        rig = live.rigs[0]
        agents.leave(agent_id=rig.agent.pk, actor=rig.actor)
        assert ServingInterval.objects.filter(agent=rig.agent, ended_at=None).count() == 0
        assert confirmed() == ("confirmed", 1)
        rig.boot_id = "boot-2"
        rig.obey()
        assert confirmed() == ("confirmed", 2)
        found = ServingInterval.objects.filter(agent=rig.agent).order_by("pk")
        assert [row.ended_at is None for row in found] == [False, True]


class TestGuard:
    def bake(self, live, second, rules, *, requests, errors):
        """Both agents answer with the new version, and many during the bake."""
        digest = second.deployment.version.digest
        for turn in range(5):
            for rig in live.rigs:
                items = [
                    {**item, "requests": requests, "errors": errors}
                    if item["digest"] == digest and turn >= 3
                    else item
                    for item in rig.items(rig.desired())
                ]
                rig.say(rig.desired()["generation"], items)

    @pytest.fixture
    def baking(self, live, rules, ask, sign, asha, bram):
        rules(bake_seconds=3_600.0, guard_minimum=20, guard_error_share=0.05)
        return sign(ask(live.version(), by=asha), bram)

    def test_too_many_errors_switch_back(self, live, baking, rules, replayed):
        self.bake(live, baking, rules, requests=100, errors=6)
        baking.refresh_from_db()
        assert baking.state == "failed"
        assert baking.detail == "6 of 100 answers failed during the bake"
        assert Deployment.objects.get(role="champion").version.number == 1
        barred = Deployment.objects.get(version__number=2)
        assert (barred.state, barred.hold, barred.barred) == ("retired", "none", True)
        replayed()

    @pytest.mark.parametrize(("requests", "errors"), [(100, 5), (9, 9), (0, 0)])
    def test_few_errors_and_few_answers_do_not(self, live, baking, rules, requests, errors):
        self.bake(live, baking, rules, requests=requests, errors=errors)
        assert step(baking) == "bake"

    def test_when_the_time_is_up_the_old_one_goes(self, live, baking, rules, asha):
        self.bake(live, baking, rules, requests=100, errors=0)
        rollout = Rollout.objects.get(request=baking)
        rollouts.advance(rollout_id=rollout.pk, actor=asha, now=rollout.deadline)
        assert step(baking) == "retire"
        live.settle()
        assert Request.objects.get(pk=baking.pk).state == "done"


class TestWire:
    """Refused before anything is stored."""

    BAD: ClassVar = {
        "10 MB of text": {"models": [held(detail="x" * 10_000_000)]},
        "text over the limit": {"models": [held(detail="x" * 2_001)]},
        "a negative generation": {"observed_generation": -1},
        "a generation no JSON number holds": {"observed_generation": 2**53},
        "a generation of 2^63": {"observed_generation": 2**63},
        "a refused generation of 2^63 - 1": {
            "refused": {"generation": 2**63 - 1, "reason": "INVALID"}
        },
        "a negative seq": {"seq": -1},
        "a number as text": {"seq": "1"},
        "a truth value as a number": {"seq": True},
        "a fraction": {"seq": 1.5},
        "an empty boot id": {"boot_id": ""},
        "a boot id with a colour": {"boot_id": "\x1b[31m"},
        "another schema": {"schema": "lockgate.agent-report/2"},
        "no list of models": {"models": None},
        "too many models": {"models": [held()] * 2_001},
        "an unknown phase": {"models": [held(phase="sleeping")]},
        "an unknown role": {"models": [held(role="king")]},
        "a short digest": {"models": [held(digest="abc")]},
        "an upper-case digest": {"models": [held(digest="A" * 64)]},
        "NaN clock": {"clock_offset_seconds": float("nan")},
        "a clock of no time": {"clock_offset_seconds": -1e13},
        "NaN seconds": {"models": [held(load_seconds=float("nan"))]},
        "infinite seconds": {"models": [held(load_seconds=float("inf"))]},
        "negative seconds": {"models": [held(load_seconds=-0.1)]},
        "negative memory": {"models": [held(memory_bytes=-1)]},
        "negative errors": {"models": [held(errors=-1)]},
        "NaN latency": {"models": [held(latency={"count": 1, "p99_ms": float("nan")})]},
        "negative latency": {"models": [held(latency={"count": 1, "mean_ms": -1.0})]},
        "negative refusals": {"models": [held(guard={"refused": -1})]},
        "a guard that is a number": {"models": [held(guard=3)]},
        "a reason that is no code": {"models": [held(reason="<script>")]},
        "a URL of another kind": {"control_url": "file:///etc/passwd"},
        "a URL with a password": {"control_url": "http://a:b@host/"},
        "a URL with NUL": {"control_url": "http://a\0b/"},
        "a URL with an escape": {"control_url": "http://a\x1b[31m/"},
    }

    @pytest.mark.parametrize("name", BAD)
    def test_it_is_refused(self, name):
        with pytest.raises(ValidationError):
            wire.Report.model_validate(body(**self.BAD[name]))

    def test_what_a_newer_agent_adds_is_ignored(self):
        found = wire.Report.model_validate(body(mood="fine", models=[held(colour="blue")]))
        assert not hasattr(found, "mood")

    def test_what_guards_did_is_kept(self, live):
        rig = live.rigs[0]
        sums = {"refused": 1, "clipped": 2, "passed": 3, "other_pipelines": 4}
        rig.say(
            rig.desired()["generation"],
            [{**one, "guard": sums} for one in rig.items(rig.desired())],
        )
        versions = AgentReport.objects.get(agent=rig.agent).versions
        assert [one["guard"] for one in versions] == [sums] * len(versions)
        assert versions

    def test_text_for_terminals_and_logs_is_made_harmless(self, live):
        rig = live.rigs[0]
        generation = rig.desired()["generation"]
        evil = "\x1b[2Jred\r\n\x00 \u202eabc <b>bold</b> ünï"
        refused = {"generation": generation, "reason": "INVALID", "detail": evil}
        items = [{**item, "detail": evil} for item in rig.items(rig.desired())]
        rig.say(generation - 1, items, refused=refused, software="0.1\x1b[31m")
        report = AgentReport.objects.get(agent=rig.agent)
        shown = [report.refused["detail"], report.versions[0]["detail"], report.software]
        shown.append(entries("agent.refused_state")[-1]["detail"])
        for text in shown:
            assert not any(c in text for c in "\x1b\x00\r\u202e")
        assert "ünï" in shown[0]
        assert "<b>bold</b>" in shown[0]  # Pages escape it.

    def test_an_infinite_golden_error_is_no_number(self):
        golden = {"passed": 1, "total": 20, "max_error": float("inf")}
        found = wire.Report.model_validate(body(models=[held(golden=golden)]))
        assert found.models[0].golden.max_error is None
