"""One step back: at once, whatever is being rolled out, and never to a version that failed."""

from typing import ClassVar

import pytest

from governance.audit.models import Entry
from governance.errors import Conflict, Forbidden, Invalid, NotFound
from promotion.models import Deployment, Request, Rollout
from promotion.services import rollbacks, rollouts, sweeping

pytestmark = pytest.mark.django_db


def back(actor, to=None, **changes):
    arguments = {"environment": "prod-eu", "model": "credit-default", "reason": "it was wrong"}
    return rollbacks.rollback(**{**arguments, **changes}, to=to, actor=actor)


def roles():
    """Version -> its role, or its state and hold when it has none."""
    rows = Deployment.objects.order_by("version__number")
    return {d.version.number: d.role or f"{d.state}/{d.hold}" for d in rows}


@pytest.fixture
def live(world, promote):
    """Versions 1 and 2 were champions; 2 answers, on one agent."""
    world.agent("eu-1")
    promote()
    promote()
    assert roles() == {1: "retired/previous", 2: "champion"}
    return world


def test_the_champion_before_answers_again(live, omar, replayed):
    live.agent("eu-2")
    request = back(omar)

    assert roles() == {1: "champion", 2: "bake"}
    assert (request.kind, request.state, request.approvals_needed) == ("rollback", "executing", 0)
    live.settle()
    assert roles() == {1: "champion", 2: "retired/previous"}
    request.refresh_from_db()
    assert request.state == "done"
    assert [r.desired()["models"][0]["champion"]["version"] for r in live.rigs] == [1, 1]
    replayed()


def test_a_named_one_answers_again(live, promote, omar, replayed):
    promote()
    assert roles() == {1: "retired/previous", 2: "retired/previous", 3: "champion"}
    back(omar, to=1)
    live.settle()
    assert roles() == {1: "champion", 2: "retired/previous", 3: "retired/previous"}
    replayed()


def test_it_needs_no_approval_and_says_who_and_why(live, omar):
    request = back(omar, reason="p99 doubled")
    assert not request.approvals.exists()
    entries = Entry.objects.filter(request=request.pk).order_by("seq").select_related("payload")
    first = entries[0]
    assert (first.action, first.actor_id) == ("request.opened", omar.id)
    assert "p99 doubled" in first.payload.body


def test_it_acts_agent_by_agent_and_waits_for_nobody(live, omar):
    """One agent is wedged: the other switches, and at the deadline it is done all the same."""
    live.agent("eu-2")
    request = back(omar)
    live.rigs[0].obey()
    assert roles()[1] == "champion"
    rollout = Rollout.objects.get(request=request)
    assert rollout.step == "commit"
    rollouts.advance(rollout_id=rollout.pk, actor=omar, now=rollout.deadline)
    rollout.refresh_from_db()
    assert rollout.step == "retire"
    rollouts.advance(rollout_id=rollout.pk, actor=omar, now=rollout.deadline)
    request.refresh_from_db()
    assert request.state == "done"
    assert "eu-2" in request.detail


def test_a_refusal_does_not_stop_it(live, omar):
    """An agent that NACKs a rollback is a straggler, not a reason to go forward again."""
    live.agent("eu-2")
    request = back(omar)
    generation = live.rigs[0].desired()["generation"]
    refused = {"generation": generation, "reason": "INVALID", "detail": "no"}
    live.rigs[1].say(generation - 1, [], refused=refused)
    live.rigs[0].obey()
    assert roles()[1] == "champion"
    request.refresh_from_db()
    assert request.state == "executing"


class TestPreempting:
    """A rollback takes over from a rollout of the same model at any of its steps."""

    @pytest.fixture
    def third(self, live, rules, ask, sign, asha, bram):
        """Version 3 on its way to be champion, at a given step."""
        rules(bake_seconds=3_600.0)

        def at(step):
            if step == "retire":
                rules(bake_seconds=0.0)
            request = sign(ask(live.version(), by=asha), bram)
            for _ in range(9):
                if Rollout.objects.get(request=request).step == step:
                    break
                for rig in live.rigs:
                    rig.say_once = rig.items(rig.desired())
                generation = live.rigs[0].desired()["generation"]
                for rig in live.rigs:
                    rig.say(generation, rig.say_once)
                if Rollout.objects.get(request=request).step != step:
                    sweeping.sweep()
            rollout = Rollout.objects.get(request=request)
            assert rollout.step == step
            return request

        return at

    EXPECTED: ClassVar = {
        # While it loads, nobody answers with it: the champion before version 2 comes back.
        "load": ({1: "champion", 2: "bake", 3: "trained/none"}, 1),
        "commit": ({1: "retired/previous", 2: "champion", 3: "bake"}, 2),
        "bake": ({1: "retired/previous", 2: "champion", 3: "bake"}, 2),
        "retire": ({1: "retired/previous", 2: "champion", 3: "bake"}, 2),
    }

    @pytest.mark.parametrize("step", EXPECTED)
    def test_at_every_step(self, live, third, omar, replayed, step):
        request = third(step)
        rollback = back(omar)
        expected, number = self.EXPECTED[step]

        assert roles() == expected
        request.refresh_from_db()
        assert request.state == "superseded"
        assert str(rollback.pk) in request.detail
        rollout = request.rollouts.get()
        assert rollout.step == "superseded"
        assert rollout.ended_at is not None
        document = live.rigs[0].desired()["models"][0]
        assert document["champion"]["version"] == number
        assert document["load"] == []
        live.settle()
        assert Deployment.objects.get(role="champion").version.number == number
        assert not Deployment.objects.filter(role="bake").exists()
        rollback.refresh_from_db()
        assert rollback.state == "done"
        replayed()

    def test_what_was_loading_can_be_asked_for_again(self, live, third, ask, asha, omar):
        request = third("load")
        back(omar)
        live.settle()
        again = ask(request.deployment.version, by=asha)
        assert again.state == "open"

    def test_to_a_version_that_is_neither_new_nor_the_one_before(self, live, third, omar, replayed):
        """Back to 1 while 3 has taken over from 2: what 3 left loaded is retired too."""
        third("bake")
        back(omar, to=1)
        assert roles() == {1: "champion", 2: "retired/previous", 3: "bake"}
        live.settle()
        assert roles() == {1: "champion", 2: "retired/previous", 3: "retired/previous"}
        replayed()

    def test_it_takes_over_from_another_rollback(self, live, promote, omar, replayed):
        promote()
        first = back(omar, to=2)
        second = back(omar, to=1)
        first.refresh_from_db()
        assert first.state == "superseded"
        assert roles() == {1: "champion", 2: "bake", 3: "retired/previous"}
        live.settle()
        second.refresh_from_db()
        assert second.state == "done"
        assert roles() == {1: "champion", 2: "retired/previous", 3: "retired/previous"}
        replayed()

    def test_asked_twice_it_does_not_go_forward_again(self, live, omar, replayed):
        """A double click: the second is the same wish, not a wish for the version that failed."""
        first = back(omar)
        second = back(omar)
        assert second.pk == first.pk
        live.settle()
        assert roles() == {1: "champion", 2: "retired/previous"}
        assert Request.objects.filter(kind="rollback").count() == 1
        replayed()

    def test_a_rollout_of_another_model_goes_on(self, live, ask, sign, asha, bram, omar):
        other = sign(ask(live.version("other-model"), by=asha), bram)
        back(omar)
        other.refresh_from_db()
        assert other.state == "executing"
        live.settle()
        other.refresh_from_db()
        assert other.state == "done"


class TestBarred:
    def test_what_failed_is_never_restored(self, live, ask, sign, asha, bram, omar, replayed):
        """Version 3 was switched back by a NACK; it comes back only by a new dark deployment."""
        sign(ask(live.version(), by=asha), bram)
        for rig in live.rigs:
            rig.obey()
        generation = live.rigs[0].desired()["generation"]
        refused = {"generation": generation, "reason": "INVALID", "detail": "no"}
        live.rigs[0].say(generation - 1, [], refused=refused)
        live.settle()
        assert roles() == {1: "retired/previous", 2: "champion", 3: "retired/none"}
        with pytest.raises(Conflict) as conflict:
            back(omar, to=3)
        assert conflict.value.code == "not_a_former_champion"
        assert conflict.value.context["kept"] == [1]
        back(omar)
        live.settle()
        assert roles()[1] == "champion"
        replayed()

    def test_it_comes_back_by_testing_and_approval(self, live, ask, sign, asha, bram):
        sign(ask(live.version(), by=asha), bram)
        for rig in live.rigs:
            rig.obey()
        generation = live.rigs[0].desired()["generation"]
        refused = {"generation": generation, "reason": "INVALID", "detail": "no"}
        live.rigs[0].say(generation - 1, [], refused=refused)
        live.settle()
        version = Deployment.objects.get(version__number=3).version
        with pytest.raises(Conflict):
            ask(version, by=asha)
        live.agent("eu-dark", tier="dark")
        ask(version, "dark", by=asha)
        live.settle()
        assert Deployment.objects.get(version=version).barred is False
        sign(ask(version, by=asha), bram)
        live.settle()
        assert roles()[3] == "champion"

    def test_files_of_the_last_three_are_kept_and_no_more(self, live, promote, omar, replayed):
        for _ in range(3):
            promote()
        assert roles() == {
            1: "retired/none",
            2: "retired/previous",
            3: "retired/previous",
            4: "retired/previous",
            5: "champion",
        }
        with pytest.raises(Conflict) as conflict:
            back(omar, to=1)
        assert sorted(conflict.value.context["kept"]) == [2, 3, 4]
        replayed()


class TestRefused:
    def test_there_is_nothing_to_go_back_to(self, world, promote, omar):
        world.agent("eu-1")
        promote()
        with pytest.raises(Conflict) as conflict:
            back(omar)
        assert conflict.value.code == "nothing_to_roll_back_to"
        assert roles() == {1: "champion"}

    def test_the_first_rollout_goes_on_when_there_is_nothing_to_go_back_to(
        self, world, promote, omar
    ):
        world.agent("eu-1")
        request = promote(rounds=0)
        with pytest.raises(Conflict):
            back(omar)
        request.refresh_from_db()
        assert request.state == "executing"
        world.settle()
        assert roles() == {1: "champion"}

    def test_only_a_former_champion_that_is_kept(self, live, omar):
        before = roles()
        for to in (2, 3, 0, -1, 2**40):
            with pytest.raises(Conflict) as conflict:
                back(omar, to=to)
            assert conflict.value.code == "not_a_former_champion"
        assert roles() == before

    def test_only_an_operator_who_says_why(self, live, asha, bram, ada, vera, omar):
        for somebody in (asha, bram, ada, vera):
            with pytest.raises(Forbidden):
                back(somebody)
        for reason in ("", " ", "a\0b", "x" * 2_001):
            with pytest.raises(Invalid):
                back(omar, reason=reason)
        assert roles()[2] == "champion"

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"environment": "nowhere"}, "unknown_environment"),
            ({"model": "nothing"}, "unknown_model"),
        ],
    )
    def test_what_is_not_there_is_named(self, world, omar, changes, code):
        world.version()
        with pytest.raises(NotFound) as error:
            back(omar, **changes)
        assert error.value.code == code


def test_the_way_back_from_a_rollback(live, omar, replayed):
    """Once it is done, going back again returns to what was left: nothing is lost."""
    back(omar)
    live.settle()
    back(omar, to=2)
    live.settle()
    assert roles() == {1: "retired/previous", 2: "champion"}
    replayed()
