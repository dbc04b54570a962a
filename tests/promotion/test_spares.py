"""A spare: a former champion that answers when the champion fails, until somebody drops it."""

import pytest
from django.db import IntegrityError, connection, transaction

from governance.audit.models import Entry
from governance.errors import Conflict, Forbidden, Invalid, NotFound
from promotion.models import Deployment, DesiredState, Request
from promotion.services import rollbacks, rollouts, stops
from promotion.services.dismissals import dismiss
from promotion.services.spares import drop_spare, name_spare
from tests.promotion.test_parallel import at_once, codes

pytestmark = pytest.mark.django_db
WHERE = {"environment": "prod-eu", "model": "credit-default", "reason": "a test"}
PATH = "/api/v1/environments/prod-eu/models/credit-default/spare"


@pytest.fixture
def live(world, promote):
    """Versions 1 to 3 were champions; 3 answers, on one agent."""
    world.agent("eu-1")
    for _ in range(3):
        promote()
    return world


def name(version, actor, **changes):
    return name_spare(**{**WHERE, **changes}, version=version, actor=actor)


def roles():
    rows = Deployment.objects.order_by("version__number")
    return {d.version.number: d.role or f"{d.state}/{d.hold}" for d in rows}


def told(world):
    """The numbers in the state that agents were told last: spare, and held."""
    [model] = world.rigs[0].desired()["models"]
    return model["spare"] and model["spare"]["version"], [ref["version"] for ref in model["hold"]]


class TestNamed:
    def test_agents_are_told_and_keep_it(self, live, omar, replayed):
        generation = live.rigs[0].desired()["generation"]
        name(2, omar)
        assert roles() == {1: "retired/previous", 2: "spare", 3: "champion"}
        assert told(live) == (2, [1])
        assert live.rigs[0].desired()["generation"] == generation + 1
        live.settle()
        assert roles()[2] == "spare"
        replayed()

    def test_it_says_who_and_why(self, live, omar):
        name(1, omar, reason="it never failed")
        entry = Entry.objects.select_related("payload").get(action="deployment.named_spare")
        assert (entry.actor_id, entry.model_version) == (omar.id, 1)
        assert "it never failed" in entry.payload.body

    def test_named_again_nothing_changes(self, live, omar):
        name(2, omar)
        published = DesiredState.objects.count()
        assert name(2, omar).role == "spare"
        assert DesiredState.objects.count() == published

    def test_another_takes_its_place_in_one_state(self, live, omar, replayed):
        name(2, omar)
        published = DesiredState.objects.count()
        name(1, omar)
        assert roles() == {1: "spare", 2: "retired/previous", 3: "champion"}
        assert told(live) == (1, [2])
        assert DesiredState.objects.count() == published + 1
        replayed()

    def test_one_whose_files_were_released_is_fetched_again(self, live, promote, omar, replayed):
        promote()
        promote()
        assert roles()[1] == "retired/none"
        name(1, omar)
        assert told(live) == (1, [2, 3, 4])
        drop_spare(**WHERE, actor=omar)
        assert roles()[1] == "retired/none"
        assert told(live) == (None, [2, 3, 4])
        replayed()

    def test_dropped_it_is_kept_for_rollback(self, live, omar, replayed):
        name(2, omar)
        assert drop_spare(**WHERE, actor=omar).hold == "previous"
        assert roles() == {1: "retired/previous", 2: "retired/previous", 3: "champion"}
        assert told(live) == (None, [1, 2])
        with pytest.raises(Conflict) as conflict:
            drop_spare(**WHERE, actor=omar)
        assert conflict.value.code == "no_spare"
        replayed()


class TestStays:
    def test_through_a_rollout(self, live, promote, omar, replayed):
        name(2, omar)
        promote()
        assert roles() == {1: "retired/previous", 2: "spare", 3: "retired/previous", 4: "champion"}
        assert told(live)[0] == 2
        replayed()

    def test_through_a_rollback_to_another(self, live, omar, replayed):
        name(2, omar)
        rollbacks.rollback(**WHERE, to=1, actor=omar)
        live.settle()
        assert roles() == {1: "champion", 2: "spare", 3: "retired/previous"}
        replayed()

    def test_and_answers_for_what_is_stopped(self, live, omar, replayed):
        name(2, omar)
        stops.stop(**WHERE, actor=omar)
        live.settle()
        assert Request.objects.get(kind="stop").state == "done"
        assert roles() == {1: "retired/previous", 2: "spare", 3: "retired/previous"}
        assert live.rigs[0].desired()["may_remove"] == ["credit-default"]
        drop_spare(**WHERE, actor=omar)
        assert told(live) == (None, [1, 2, 3])
        live.settle()
        replayed()

    @pytest.mark.parametrize("to", [None, 2])
    def test_until_a_rollback_makes_it_champion(self, live, promote, omar, replayed, to):
        name(2, omar)
        rollbacks.rollback(**WHERE, to=to, actor=omar)
        assert roles() == {1: "retired/previous", 2: "champion", 3: "bake"}
        live.settle()
        assert told(live)[0] is None
        promote()
        assert roles()[2] == "retired/previous"
        assert name(2, omar).role == "spare"
        replayed()

    def test_nobody_asks_for_it_elsewhere(self, live, ask, asha, omar):
        row = name(2, omar)
        for to in ("dark", "production", "retired"):
            with pytest.raises(Conflict, match="spare"):
                ask(row.version, to, by=asha)


class TestRefused:
    def refused(self, version, omar):
        before = roles()
        with pytest.raises(Conflict) as conflict:
            name(version, omar)
        assert roles() == before
        return conflict.value.code

    def test_who_never_answered_or_still_does(self, live, ask, asha, omar):
        fresh = live.version()
        ask(fresh, by=asha)
        assert self.refused(4, omar) == "not_a_former_champion"
        assert self.refused(3, omar) == "not_retired"

    def test_what_a_rollback_took_away_and_what_was_dismissed(self, live, omar):
        rollbacks.rollback(**WHERE, actor=omar)
        assert self.refused(3, omar) == "not_retired"
        live.settle()
        assert self.refused(3, omar) == "waits_for_a_decision"
        dismiss(**WHERE, version=3, actor=omar)
        assert self.refused(3, omar) == "barred"

    def test_who_is_on_its_way_out_or_to_dark(self, live, ask, asha, omar):
        live.agent("eu-dark", tier="dark")
        stops.stop(**WHERE, actor=omar)
        assert self.refused(3, omar) == "rollout_in_progress"
        live.settle()
        ask(Deployment.objects.get(version__number=1).version, "dark", by=asha)
        assert self.refused(1, omar) == "rollout_in_progress"

    def test_only_an_operator_who_says_why(self, live, asha, bram, ada, vera, omar):
        for somebody in (asha, bram, ada, vera):
            with pytest.raises(Forbidden):
                name(2, somebody)
            with pytest.raises(Forbidden):
                drop_spare(**WHERE, actor=somebody)
        for reason in ("", " ", "a\0b", "x" * 2_001):
            with pytest.raises(Invalid):
                name(2, omar, reason=reason)

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"environment": "nowhere"}, "unknown_environment"),
            ({"model": "nothing"}, "unknown_model"),
            ({"version": 99}, "unknown_version"),
        ],
    )
    def test_what_is_not_there_is_named(self, live, omar, changes, code):
        with pytest.raises(NotFound) as error:
            name_spare(**{**WHERE, "version": 2, **changes}, actor=omar)
        assert error.value.code == code

    @pytest.mark.parametrize("facts", ["champion_at = NULL", "barred = true"])
    def test_by_the_database_too(self, live, omar, facts):
        row = name(2, omar)
        with pytest.raises(IntegrityError, match="a_spare_was_champion"), transaction.atomic():
            execute(f"UPDATE promotion_deployment SET {facts} WHERE id = %s", row.pk)
        other = Deployment.objects.get(version__number=1)
        with pytest.raises(IntegrityError, match="one_spare"), transaction.atomic():
            execute(
                "UPDATE promotion_deployment SET state = 'production', role = 'spare',"
                " hold = 'none' WHERE id = %s",
                other.pk,
            )


def execute(statement, *arguments):
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)


def test_over_the_api(live, api, omar, asha):
    body = {"version": 2, "reason": "it never failed"}
    assert api(asha).post(PATH, body, format="json").status_code == 403
    answer = api(omar).post(PATH, body, format="json")
    assert (answer.status_code, answer.json()["role"]) == (200, "spare")
    state = api(omar).get("/api/v1/environments/prod-eu/state")
    assert "'role': 'spare'" in str(state.json())
    again = api(omar).post(PATH, {**body, "version": 3}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "not_retired")
    for wrong in ({}, {"version": 0, "reason": "x"}, {**body, "more": 1}):
        assert api(omar).post(PATH, wrong, format="json").status_code == 400
    assert api(omar).delete(PATH, {}, format="json").status_code == 400
    dropped = api(omar).delete(PATH, {"reason": "enough"}, format="json")
    assert (dropped.status_code, dropped.json()["state"]) == (200, "retired")


@pytest.mark.django_db(transaction=True)
def test_the_database_asks_for_its_audit_entries_and_has_them(live, omar):
    name(2, omar)
    name(1, omar)
    drop_spare(**WHERE, actor=omar)
    row = Deployment.objects.get(version__number=1)
    with pytest.raises(IntegrityError, match="no audit entry"), transaction.atomic():
        execute(
            "UPDATE promotion_deployment SET state = 'production', role = 'spare', hold = 'none'"
            " WHERE id = %s",
            row.pk,
        )


@pytest.mark.django_db(transaction=True)
def test_two_at_once_leave_one_spare(live, omar, replayed):
    results = at_once([lambda: name(1, omar), lambda: name(2, omar)] * 4)
    assert codes(results) == {"done": 8}
    assert sorted(roles().values()) == ["champion", "retired/previous", "spare"]
    replayed()


def test_a_step_of_a_rollout_leaves_it(live, promote, rules, omar):
    """Also while another version bakes."""
    name(2, omar)
    rules(bake_seconds=3_600.0)
    request = promote(rounds=8)
    assert roles() == {1: "retired/previous", 2: "spare", 3: "bake", 4: "champion"}
    rollouts.advance_target(target_id=request.rollouts.get().target_id, actor=omar)
    assert roles()[2] == "spare"
