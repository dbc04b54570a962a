"""Findings: recorded by reviewers, closed once by another one, never edited."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from governance.audit import comparing
from governance.audit.models import Entry
from governance.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from governance.models import Environment, User
from promotion import rules as judging
from promotion.models import Finding
from promotion.selectors.findings import owned_by
from promotion.services import watching
from promotion.services.findings import close_finding, record_finding
from tests.conftest import as_owner
from tests.promotion.conftest import SET_UP

pytestmark = pytest.mark.django_db
LIST = "/api/v1/findings"
PATH = "/api/v1/models/credit-default/versions/1/findings"
ASKED = {"gates": {"no_open_findings": {}}}


def in_days(days):
    return timezone.now().date() + timedelta(days=days)


def user_of(actor):
    return User.objects.filter(username=actor.label).first() or User()


def recorded(version, actor, /, **changes):
    arguments = {
        "model": version.model.name,
        "version": version.number,
        "severity": "high",
        "title": "Too few defaults among the young",
        "text": "72 rows under 25",
        "owner": "asha",
        "due": in_days(30),
        "user": user_of(actor),
        "actor": actor,
    }
    return record_finding(**{**arguments, **changes})


def closed(finding, actor, resolution="trained again with 4,000 rows", **more):
    return close_finding(
        finding_id=finding.pk, resolution=resolution, user=user_of(actor), actor=actor, **more
    )


@pytest.fixture
def version(world, asha):
    return world.version()


class TestTheRecord:
    @pytest.mark.parametrize("name", ["bram", "cleo"])
    def test_approvers_and_risk_officers_record_and_another_closes(
        self, version, dina, request, name
    ):
        actor = request.getfixturevalue(name)
        made = recorded(version, actor)
        assert (made.recorded_person, made.owner, made.is_open()) == (name, "asha", True)
        over = closed(made, dina, evidence="RISK-7")
        assert (over.closed_person, over.evidence, over.is_open()) == ("dina", "RISK-7", False)

    @pytest.mark.parametrize("name", ["asha", "omar", "vera", "ada"])
    def test_nobody_else_does(self, version, bram, request, name):
        actor, made = request.getfixturevalue(name), recorded(version, bram)
        with pytest.raises(Forbidden):
            recorded(version, actor)
        with pytest.raises(Forbidden):
            closed(made, actor)
        assert Finding.objects.get().is_open()

    def test_who_reviews_another_group_of_models_does_not(self, version, bram, make_person):
        finn = make_person("finn", "approver", group="fraud").actor
        made = recorded(version, bram)
        with pytest.raises(Forbidden):
            recorded(version, finn)
        with pytest.raises(Forbidden):
            closed(made, finn)

    def test_a_role_in_one_environment_is_enough_for_a_version_is_of_none(
        self, version, make_person
    ):
        place = Environment.objects.get(slug="qa")
        local = make_person("local", "approver", environment=place).actor
        assert recorded(version, local).is_open()

    def test_a_machine_records_none(self, version, bram):
        with pytest.raises(Forbidden) as refusal:
            recorded(version, SET_UP, user=user_of(bram))
        assert refusal.value.code == "a_person"

    def test_both_are_recorded_with_exactly_these_facts(self, version, bram, dina):
        made = closed(recorded(version, bram), dina)
        entries = Entry.objects.filter(subject=f"finding:{made.pk}").order_by("seq")
        assert [(e.action, e.object, e.model, e.model_version) for e in entries] == [
            ("finding.recorded", "model:credit-default", "credit-default", 1),
            ("finding.closed", "model:credit-default", "credit-default", 1),
        ]
        first, second = (json.loads(entry.payload.body) for entry in entries)
        assert first == {
            "actor": "bram",
            "finding": str(made.pk),
            "severity": "high",
            "title": "Too few defaults among the young",
            "text": "72 rows under 25",
            "owner": "asha",
            "due": made.due.isoformat(),
            "blocks": False,
            "condition_of": None,
        }
        assert second == {
            "actor": "dina",
            "finding": str(made.pk),
            "resolution": "trained again with 4,000 rows",
            "evidence": "",
        }

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"model": "nothing"}, NotFound),
            ({"version": 9}, NotFound),
            ({"condition_of": uuid4()}, NotFound),
            ({"severity": "bad"}, Invalid),
            ({"title": " "}, Invalid),
            ({"title": "x" * 201}, Invalid),
            ({"text": "a\0b"}, Invalid),
            ({"owner": "nobody"}, Invalid),
            ({"owner": "a\0b"}, Invalid),
            ({"due": in_days(-1)}, Invalid),
            ({"due": in_days(9_999)}, Invalid),
        ],
    )
    def test_what_makes_no_sense_records_none(self, version, bram, changes, error):
        with pytest.raises(error):
            recorded(version, bram, **changes)
        assert not Finding.objects.exists()

    def test_its_owner_sees_the_model(self, version, bram, make_person):
        make_person("finn", "submitter", group="fraud")
        with pytest.raises(Invalid) as refusal:
            recorded(version, bram, owner="finn")
        assert "somebody who sees this model" in str(refusal.value.context["owner"])

    def test_a_condition_is_of_a_request_of_this_version(self, world, version, ask, asha, bram):
        mine, other = ask(version, by=asha), ask(world.version(), by=asha)
        made = recorded(version, bram, condition_of=mine.pk)
        assert Entry.objects.get(subject=f"finding:{made.pk}").request == mine.pk
        with pytest.raises(NotFound):
            recorded(version, bram, condition_of=other.pk)
        with pytest.raises(DatabaseError, match="of its own version"), transaction.atomic():
            Finding.objects.create(**_row(version), condition_of=other)


class TestClosing:
    @pytest.mark.parametrize(
        ("closer", "passes"),
        [("", False), ("r", False), ("o", False), ("a", False), ("b", True)],
    )
    def test_another_person_than_recorder_owner_and_authors(self, closer, passes):
        verdict = judging.may_close_finding(
            closer=closer, recorder="r", owner="o", authors=frozenset("a")
        )
        assert bool(verdict) is passes

    def test_the_refused_is_recorded(self, world, bram, cleo, dina):
        version = world.version(authors=("dina",))
        made = recorded(version, bram, owner="cleo")
        for actor in (bram, cleo, dina):
            with pytest.raises(Refused) as refusal:
                closed(made, actor)
            assert refusal.value.rule == "four_eyes"
        tried = Entry.objects.filter(action="attempt.refused", subject=f"finding:{made.pk}")
        assert tried.count() == 3

    def test_two_accounts_of_one_human_are_one_person(self, version, bram, make_person):
        made = recorded(version, bram)
        with pytest.raises(Refused):
            closed(made, make_person("bram2", "risk", person="bram").actor)

    def test_once_and_with_words(self, version, bram, dina):
        made = recorded(version, bram)
        for words in ("", " ", "a\0b"):
            with pytest.raises(Invalid):
                closed(made, dina, words)
        closed(made, dina)
        with pytest.raises(Conflict) as conflict:
            closed(made, dina)
        assert conflict.value.code == "closed"

    @pytest.mark.parametrize(
        "change",
        [
            {"title": "something else"},
            {"severity": "low"},
            {"owner": "bram"},
            {"due": in_days(900)},
            {"blocks": True},
            {"closed_at": None, "resolution": "", "closed_by": "", "closed_person": ""},
            {"resolution": "another end"},
        ],
    )
    @pytest.mark.parametrize("is_closed", [True, False])
    def test_the_database_lets_nobody_edit_or_reopen_it(
        self, version, bram, dina, change, is_closed
    ):
        made = recorded(version, bram)
        if is_closed:
            closed(made, dina)
        with pytest.raises(DatabaseError), transaction.atomic():
            Finding.objects.filter(pk=made.pk).update(**change)
        with pytest.raises(DatabaseError), transaction.atomic():
            Finding.objects.filter(pk=made.pk).delete()

    @pytest.mark.parametrize("person", ["bram", "asha", "paul", ""])
    def test_the_database_too_asks_for_another_person(self, world, asha, bram, person):
        made = recorded(world.version(authors=("paul",)), bram)
        end = {"closed_at": timezone.now(), "resolution": "x", "closed_person": person}
        with pytest.raises(DatabaseError), transaction.atomic():
            Finding.objects.filter(pk=made.pk).update(**end)


@pytest.mark.django_db(transaction=True)
def test_the_database_asks_for_its_audit_entries_and_has_them(world, asha, bram, dina):
    version = world.version()
    made = recorded(version, bram)
    closed(made, dina)
    with pytest.raises(DatabaseError, match="no audit entry"), transaction.atomic():
        Finding.objects.create(**_row(version))


@pytest.mark.django_db(transaction=True)
def test_what_the_databases_owner_changes_of_one_is_noticed(world, asha, bram, dina):
    version = world.version()
    made, other = recorded(version, bram), recorded(version, bram, title="Another")
    closed(other, dina)
    kinds = [kind for kind in watching.KINDS if kind.name == "finding"]
    assert comparing.look(kinds, {})[0] == []
    with as_owner(connection), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE promotion_finding DISABLE TRIGGER USER")
        cursor.execute("UPDATE promotion_finding SET severity = 'low' WHERE id = %s", [made.pk])
        cursor.execute(
            "UPDATE promotion_finding SET closed_at = NULL, closed_person = '', closed_by = '',"
            " resolution = '', evidence = '' WHERE id = %s",
            [other.pk],
        )
        cursor.execute("ALTER TABLE promotion_finding ENABLE TRIGGER USER")
        for trigger in ("closes_once", "audited"):
            cursor.execute(f"ALTER TABLE promotion_finding ENABLE ALWAYS TRIGGER {trigger}")
    texts = sorted(str(notice) for notice in comparing.look(kinds, {})[0])
    assert len(texts) == 2
    assert "Another" in texts[0]
    assert "severity" in texts[1]


def _row(version):
    return {
        "version": version,
        "severity": "low",
        "title": "unsaid",
        "owner": "asha",
        "owner_name": "asha",
        "due": in_days(1),
        "recorded_person": "bram",
        "recorded_by": "bram",
    }


class TestTheApi:
    BODY = {  # noqa: RUF012 - read only
        "severity": "high",
        "title": "Too few defaults",
        "owner": "asha",
        "due": in_days(9).isoformat(),
    }

    def test_the_whole_life(self, version, api, bram, dina, vera):
        made = api(bram).post(PATH, self.BODY, format="json")
        assert made.status_code == 201, made.json()
        one = made.json()
        assert (one["model"], one["version"], one["overdue"]) == ("credit-default", 1, False)
        assert api(vera).get(LIST).json()["items"] == [one]
        assert api(vera).get(f"{LIST}/{one['id']}").json() == one

        path, body = f"{LIST}/{one['id']}/close", {"resolution": "done"}
        assert api(vera).post(path, body, format="json").status_code == 403
        refused = api(bram).post(path, body, format="json")
        assert (refused.status_code, refused.json()["code"]) == (403, "four_eyes")
        assert api(dina).post(path, body, format="json").json()["closed_by"] == "dina"
        again = api(dina).post(path, body, format="json")
        assert (again.status_code, again.json()["code"]) == (409, "closed")

    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ("state=open", 2),
            ("state=closed", 1),
            ("state=overdue", 0),
            ("model=credit-default&version=1", 3),
            ("model=nothing", 0),
            ("version=2", 0),
            ("severity=low", 1),
            ("owner=asha", 2),
            ("owner=me", 1),
            ("limit=1", 1),
        ],
    )
    def test_the_filters(self, version, api, bram, cleo, dina, query, count):
        recorded(version, bram)
        recorded(version, bram, severity="low", owner="dina")
        closed(recorded(version, bram), cleo)
        assert len(api(dina).get(f"{LIST}?{query}").json()["items"]) == count

    @pytest.mark.parametrize(
        "query", ["state=x", "severity=x", "version=x", "version=99999999999", "owner=%00"]
    )
    def test_filters_that_make_no_sense_are_refused(self, version, api, bram, query):
        assert api(bram).get(f"{LIST}?{query}").status_code == 400

    def test_what_is_of_another_group_is_nobodys_business(self, version, api, bram, make_person):
        made = recorded(version, bram)
        finn = make_person("finn", "approver", group="fraud").actor
        assert api(finn).get(LIST).json()["items"] == []
        assert api(finn).get(f"{LIST}/{made.pk}").status_code == 404
        body = {"resolution": "over"}
        path = f"{LIST}/{made.pk}/close"
        assert api(finn).post(path, body, format="json").status_code == 404

    @pytest.mark.parametrize(
        "change",
        [
            {"severity": "bad"},
            {"title": 1},
            {"title": ""},
            {"recorded_by": "me"},
            {"due": "tomorrow"},
            {"due": "20261120"},
            {"due": "9999-99-99"},
            {"due": 7},
            {"blocks": "yes"},
            {"condition_of": "x"},
        ],
    )
    def test_bad_input_is_refused_in_words(self, version, api, bram, change):
        answer = api(bram).post(PATH, {**self.BODY, **change}, format="json")
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")


def test_its_owner_sees_it_among_what_waits(version, asha, bram, dina):
    made = recorded(version, bram)
    assert list(owned_by(asha)) == [made]
    assert not owned_by(bram).exists()
    closed(made, dina)
    assert not owned_by(asha).exists()
