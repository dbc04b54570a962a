"""A stop: nobody answers, at once and on every agent, until a rollback or a promotion."""

import pytest

from governance.audit.models import Entry
from governance.errors import Conflict, Forbidden, Invalid, NotFound
from promotion.models import Deployment, Request, Rollout
from promotion.services import environments, rollbacks, rollouts, stops
from tests.promotion.conftest import PROD, SET_UP

pytestmark = pytest.mark.django_db
WHERE = {"environment": "prod-eu", "model": "credit-default"}


def halt(actor, **changes):
    return stops.stop(**{**WHERE, "reason": "wrong scores", **changes}, actor=actor)


def roles():
    rows = Deployment.objects.order_by("version__number")
    return {d.version.number: d.role or f"{d.state}/{d.hold}" for d in rows}


@pytest.fixture
def live(world, promote):
    """Versions 1 and 2 were champions; 2 answers, on two agents."""
    world.agent("eu-1")
    world.agent("eu-2")
    promote()
    promote()
    return world


def test_nobody_answers_afterwards_and_the_files_stay(live, omar, replayed):
    request = halt(omar)

    assert roles() == {1: "retired/previous", 2: "retired/previous"}
    assert (request.kind, request.state, request.approvals_needed) == ("stop", "executing", 0)
    document = live.rigs[0].desired()
    (model,) = document["models"]
    assert model["champion"] is None
    assert [ref["version"] for ref in model["hold"]] == [1, 2]
    assert document["may_remove"] == ["credit-default"]
    live.settle()
    request.refresh_from_db()
    assert request.state == "done"
    replayed()


def test_it_says_who_and_why(live, omar):
    request = halt(omar, reason="p99 doubled")
    entries = Entry.objects.filter(request=request.pk).order_by("seq").select_related("payload")
    assert (entries[0].action, entries[0].actor_id) == ("request.opened", omar.id)
    assert "p99 doubled" in entries[0].payload.body
    assert "deployment.retired" in [entry.action for entry in entries]


def test_an_agent_that_missed_it_may_still_lose_its_champion(live, omar):
    """Whatever is published next says so too: state, not messages."""
    halt(omar)
    document = {**PROD, "targets": {"live": {"mirror_fraction": 0.1}, "dark": {}}}
    environments.apply(slug="prod-eu", document=document, actor=SET_UP)

    assert live.rigs[0].desired()["may_remove"] == ["credit-default"]
    live.settle()
    rollbacks.rollback(**WHERE, reason="mended", actor=omar)
    assert live.rigs[0].desired()["may_remove"] == []


def test_a_rollback_brings_back_what_was_stopped(live, omar, replayed):
    halt(omar)
    live.settle()
    rollbacks.rollback(**WHERE, reason="it was not the model", actor=omar)
    assert roles() == {1: "retired/previous", 2: "champion"}
    live.settle()
    assert Request.objects.get(kind="rollback").state == "done"
    replayed()


def test_a_rollback_need_not_wait_for_it(live, omar, replayed):
    stopped = halt(omar)
    rollbacks.rollback(**WHERE, reason="to the one before", to=1, actor=omar)
    stopped.refresh_from_db()
    assert stopped.state == "superseded"
    live.settle()
    assert roles() == {1: "champion", 2: "retired/previous"}
    replayed()


def test_a_promotion_ends_it_too(live, promote, omar, replayed):
    halt(omar)
    live.settle()
    request = promote()
    request.refresh_from_db()
    assert (request.state, request.replaces) == ("done", None)
    assert roles() == {1: "retired/previous", 2: "retired/previous", 3: "champion"}
    replayed()


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("load", {1: "retired/previous", 2: "retired/previous", 3: "trained/none"}),
        ("commit", {1: "retired/previous", 2: "retired/previous", 3: "retired/previous"}),
        ("bake", {1: "retired/previous", 2: "retired/previous", 3: "retired/previous"}),
    ],
)
def test_it_takes_over_from_a_rollout(live, rules, promote, omar, replayed, step, expected):
    rules(bake_seconds=3_600.0)
    request = promote(rounds={"load": 0, "commit": 1, "bake": 12}[step])
    assert Rollout.objects.get(request=request).step == step
    halt(omar)

    request.refresh_from_db()
    assert request.state == "superseded"
    assert roles() == expected
    live.settle()
    assert not Deployment.objects.filter(state="production").exists()
    replayed()


def test_in_a_stage_the_candidate_goes_back_where_it_was(live, rules, promote, omar, replayed):
    rules(stages=[{"agents": 1, "seconds": 3_600.0}, "all"])
    promote(rounds=2)
    assert roles()[3] == "candidate"
    halt(omar)
    assert roles() == {1: "retired/previous", 2: "retired/previous", 3: "trained/none"}
    live.settle()
    assert not Deployment.objects.filter(state="production").exists()
    replayed()


def test_it_takes_over_from_a_rollback(live, omar, replayed):
    back = rollbacks.rollback(**WHERE, reason="wrong", actor=omar)
    halt(omar)
    back.refresh_from_db()
    assert back.state == "superseded"
    assert roles() == {1: "retired/previous", 2: "retired/previous"}
    live.settle()
    replayed()


def test_no_more_than_three_former_champions_are_kept(live, promote, omar):
    promote()
    promote()
    halt(omar)
    assert roles() == {
        1: "retired/none",
        2: "retired/previous",
        3: "retired/previous",
        4: "retired/previous",
    }


def test_a_wedged_agent_is_named_and_waited_for_no_longer_than_the_deadline(live, omar):
    request = halt(omar)
    live.rigs[0].obey()
    rollout = Rollout.objects.get(request=request)
    rollouts.advance(rollout_id=rollout.pk, actor=omar, now=rollout.deadline)
    request.refresh_from_db()
    assert request.state == "done"
    assert "eu-2" in request.detail


def test_asked_twice_it_is_one_stop(live, omar):
    assert halt(omar).pk == halt(omar).pk
    live.settle()
    with pytest.raises(Conflict) as conflict:
        halt(omar)
    assert conflict.value.code == "nothing_answers"


def test_another_model_is_left_alone(live, ask, sign, asha, bram, omar):
    other = sign(ask(live.version("other-model"), by=asha), bram)
    halt(omar)
    live.settle()
    other.refresh_from_db()
    assert other.state == "done"
    assert Deployment.objects.get(role="champion").model.name == "other-model"


class TestRefused:
    def test_only_an_operator_who_says_why(self, live, asha, bram, ada, vera, omar):
        for somebody in (asha, bram, ada, vera):
            with pytest.raises(Forbidden):
                halt(somebody)
        for reason in ("", " ", "a\0b", "x" * 2_001):
            with pytest.raises(Invalid):
                halt(omar, reason=reason)
        assert roles()[2] == "champion"

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"environment": "nowhere"}, "unknown_environment"),
            ({"model": "nothing"}, "unknown_model"),
        ],
    )
    def test_what_is_not_there_is_named(self, live, omar, changes, code):
        with pytest.raises(NotFound) as error:
            halt(omar, **changes)
        assert error.value.code == code

    def test_over_the_api(self, live, api, omar, asha):
        path = "/api/v1/environments/prod-eu/models/credit-default/stop"
        body = {"reason": "wrong scores"}
        assert api(asha).post(path, body, format="json").status_code == 403
        answer = api(omar).post(path, body, format="json")
        assert (answer.status_code, answer.json()["kind"]) == (201, "stop")
        live.settle()
        again = api(omar).post(path, body, format="json")
        assert (again.status_code, again.json()["code"]) == (409, "nothing_answers")
        assert api(omar).post(path, {}, format="json").status_code == 400


@pytest.mark.django_db(transaction=True)
def test_the_database_asks_for_its_audit_entries_and_has_them(world, promote, omar):
    world.agent("eu-1")
    promote()
    halt(omar)
    world.settle()
    assert Request.objects.get(kind="stop").state == "done"
