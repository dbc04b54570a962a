"""What was taken away is named until somebody decides: tested again, or retired for good."""

import json

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from governance import access
from governance.audit.models import Entry
from governance.errors import Conflict, Forbidden, Invalid, NotFound
from promotion.models import Deployment, DesiredState
from promotion.selectors import abnormal
from promotion.services import rollbacks, stops
from promotion.services.dismissals import dismiss
from promotion.services.incidents import open_incident
from tests.promotion.conftest import SET_UP

pytestmark = pytest.mark.django_db
WHERE = {"environment": "prod-eu", "model": "credit-default", "reason": "a test"}
PATH = "/api/v1/environments/prod-eu/models/credit-default/versions/2/dismiss"


@pytest.fixture
def live(world, promote):
    """Versions 1 and 2 were champions; 2 answers, on one agent."""
    world.agent("eu-1")
    promote()
    promote()
    return world


@pytest.fixture
def rolled_back(live, omar):
    rollbacks.rollback(**WHERE, actor=omar)
    live.settle()
    return live


def alarms():
    found = abnormal.alarms(access.sight(SET_UP))
    return [one.what for one in found if "waits for a decision" in one.what]


def row(number):
    return Deployment.objects.get(version__number=number)


class TestNamed:
    def test_who_was_rolled_back_from(self, rolled_back):
        assert alarms() == [
            "credit-default version 2 was taken away by a rollback and waits for a decision."
        ]
        [alarm] = abnormal.alarms(access.sight(SET_UP))
        assert (alarm.place, alarm.since) == ("prod-eu", row(2).undecided_since)
        assert alarm.url.endswith("/versions/2/dismiss/")

    def test_who_a_refusal_took_out(self, live, rules, ask, sign, asha, bram):
        rules(stages=[{"agents": 1, "seconds": 3_600.0}, "all"])
        version = live.version()
        sign(ask(version, by=asha), bram)
        live.settle(1)
        live.rigs[0].broken[version.digest] = "GOLDEN_MISMATCH"
        live.settle()
        assert (row(3).state, row(3).barred) == ("retired", True)
        [named] = alarms()
        assert named.startswith("credit-default version 3 was taken away by a guard, a refusal")

    def test_who_was_stopped_by_an_incident_but_not_who_was_merely_stopped(self, live, omar):
        stops.stop(**WHERE, actor=omar)
        live.settle()
        assert alarms() == []
        rollbacks.rollback(**WHERE, actor=omar)
        live.settle()
        open_incident(
            environment="prod-eu",
            model="credit-default",
            severity="minor",
            title="it drifts",
            actor=omar,
        )
        stops.stop(**WHERE, actor=omar)
        live.settle()
        assert len(alarms()) == 1

    def test_a_return_to_the_newer_version_is_the_decision(self, rolled_back, omar, replayed):
        rollbacks.rollback(**WHERE, actor=omar, to=2)
        rolled_back.settle()
        assert row(2).role == "champion"
        assert alarms() == [], "nor is the older one, to which nobody steps back"
        replayed()

    def test_whose_successor_answers_needs_nobody(self, live, promote):
        promote()
        assert alarms() == []


class TestDecided:
    def test_a_test_in_the_dark_is_one(self, rolled_back, ask, asha, replayed):
        rolled_back.agent("eu-dark", tier="dark")
        ask(row(2).version, to="dark", by=asha)
        rolled_back.settle()
        assert (row(2).state, alarms()) == ("dark", [])
        replayed()

    def test_retired_for_good_it_leaves_the_agents_and_is_no_way_back(
        self, rolled_back, omar, replayed
    ):
        [held] = rolled_back.rigs[0].desired()["models"][0]["hold"]
        assert held["version"] == 2
        dismiss(**WHERE, version=2, actor=omar)
        assert alarms() == []
        assert rolled_back.rigs[0].desired()["models"][0]["hold"] == []
        with pytest.raises(Conflict):
            rollbacks.rollback(**WHERE, actor=omar, to=2)
        entry = Entry.objects.get(action="deployment.dismissed")
        assert json.loads(entry.payload.body)["reason"] == "a test"
        replayed()

    def test_what_is_not_held_is_not_published(self, live, omar):
        open_incident(
            environment="prod-eu",
            model="credit-default",
            severity="minor",
            title="it drifts",
            actor=omar,
        )
        rollbacks.rollback(**WHERE, actor=omar)
        live.settle()
        count = DesiredState.objects.count()
        dismiss(**WHERE, version=2, actor=omar)
        assert (DesiredState.objects.count(), alarms()) == (count, [])

    def test_only_once_by_an_operator_who_says_why(self, rolled_back, omar, asha, bram, cleo):
        for somebody in (asha, bram, cleo):
            with pytest.raises(Forbidden):
                dismiss(**WHERE, version=2, actor=somebody)
        with pytest.raises(Invalid):
            dismiss(**{**WHERE, "reason": " "}, version=2, actor=omar)
        with pytest.raises(NotFound):
            dismiss(**WHERE, version=9, actor=omar)
        dismiss(**WHERE, version=2, actor=omar)
        for number in (1, 2):
            with pytest.raises(Conflict) as conflict:
                dismiss(**WHERE, version=number, actor=omar)
            assert conflict.value.code == "nothing_to_decide"

    def test_over_the_api(self, rolled_back, api, omar, vera):
        body = {"reason": "a test"}
        assert api(vera).post(PATH, body, format="json").status_code == 403
        answer = api(omar).post(PATH, body, format="json")
        assert (answer.status_code, answer.json()["hold"]) == (200, "none")
        assert api(omar).post(PATH, body, format="json").status_code == 409


def test_only_the_retired_wait(live):
    with pytest.raises(DatabaseError), transaction.atomic():
        Deployment.objects.filter(role="champion").update(undecided_since=timezone.now())


@pytest.mark.django_db(transaction=True)
def test_the_database_asks_for_its_audit_entry_and_has_it(live, omar):
    rollbacks.rollback(**WHERE, actor=omar)
    live.settle()
    dismiss(**WHERE, version=2, actor=omar)
    assert row(2).undecided_since is None
