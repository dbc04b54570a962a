"""What answers is looked at again when the policy says so, by a reviewer who is no author."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from governance import access
from governance.audit.models import Entry
from governance.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from governance.models import User
from promotion.models import Deployment, LiveReview
from promotion.policy_parts import Reviews
from promotion.reviewing import Answering, Happening, next_review
from promotion.selectors.live_reviews import calendar
from promotion.services.incidents import open_incident
from promotion.services.live_reviews import review
from tests.promotion.conftest import SET_UP

pytestmark = pytest.mark.django_db
PATH = "/api/v1/environments/prod-eu/models/credit-default/versions/1/reviews"
BEGAN = datetime(2026, 1, 10, 9, tzinfo=UTC)


def day(number):
    return BEGAN + timedelta(days=number)


class TestTheRule:
    @pytest.mark.parametrize(
        ("asked", "known", "trigger", "after"),
        [
            (None, {}, None, None),
            ({}, {}, None, None),
            ({"days": 90}, {}, "days", 90),
            ({"days": 90}, {"reviewed_at": day(40)}, "days", 130),
            ({"days": 90}, {"reviewed_at": day(40), "review_by": day(50)}, "last_review", 50),
            (None, {"reviewed_at": day(40), "review_by": day(50)}, "last_review", 50),
            ({"regimes": {"PCI": 30}}, {}, None, None),
            ({"regimes": {"PCI": 30}, "days": 90}, {"regimes": frozenset({"PCI"})}, "regime", 30),
            ({"regimes": {"PCI": 300}, "days": 90}, {"regimes": frozenset({"PCI"})}, "days", 90),
            (
                {"incident": "major"},
                {"incidents": (Happening(day(5), "x", "minor"), Happening(day(7), "y", "major"))},
                "incident",
                7,
            ),
            (
                {"incident": "minor"},
                {"incidents": (Happening(day(5), "x", "minor"),), "reviewed_at": day(6)},
                None,
                None,
            ),
            ({"incident": "minor"}, {"incidents": (Happening(day(-1), "x", "major"),)}, None, None),
            ({}, {"incidents": (Happening(day(5), "x", "critical"),)}, None, None),
            ({"new_policy": True}, {"policies": (Happening(day(3), "policy 4"),)}, "new_policy", 3),
            ({"new_policy": True}, {"policies": (Happening(day(-3), "policy 1"),)}, None, None),
            ({}, {"policies": (Happening(day(3), "policy 4"),)}, None, None),
            (
                {"new_policy": True, "days": 2},
                {"policies": (Happening(day(3), "policy 4"),)},
                "days",
                2,
            ),
        ],
    )
    def test_what_is_due_first_counts(self, asked, known, trigger, after):
        rules = None if asked is None else Reviews.model_validate(asked)
        found = next_review(Answering(since=BEGAN, **known), rules)
        if trigger is None:
            assert found is None
        else:
            assert (found.trigger, found.at) == (trigger, day(after))
            assert found.why


def user_of(actor):
    return User.objects.filter(person=actor.person).first() or User()


def reviewed(actor, **changes):
    arguments = {
        "environment": "prod-eu",
        "model": "credit-default",
        "version": 1,
        "outcome": "continue",
        "comment": "Read the dark report of this week.",
        "user": user_of(actor),
        "actor": actor,
    }
    return review(**{**arguments, **changes})


@pytest.fixture
def live(world, ask, sign, asha, bram):
    """Version 1 answers in prod-eu."""
    world.agent("eu-1")
    sign(ask(world.version(), by=asha), bram)
    world.settle()
    return Deployment.objects.get(role="champion")


def due(*, now=None):
    return calendar(access.reach(SET_UP), now=now or timezone.now())


class TestTheCalendar:
    def test_each_trigger_of_the_policy_in_force(self, live, rules, omar, cleo):
        assert [one.deployment for one in due().never] == [live]
        rules(reviews={"days": 90})
        (one,) = due().ahead
        assert one.due.at == live.champion_at + timedelta(days=90)
        assert due(now=timezone.now() + timedelta(days=91)).overdue[0].due.trigger == "days"

        rules(reviews={"new_policy": True, "incident": "major"})
        assert [one.due.trigger for one in due().overdue] == ["new_policy"]
        reviewed(cleo)
        assert [one.last.name for one in due().never] == ["cleo"]
        for severity, count in (("minor", 0), ("major", 1)):
            open_incident(environment="prod-eu", severity=severity, title="x", actor=omar)
            assert len(due().overdue) == count
        open_incident(environment="qa", severity="critical", title="elsewhere", actor=omar)
        reviewed(cleo)
        assert due().overdue == []
        assert due().title == "No review is overdue"

    def test_a_review_may_ask_for_an_earlier_one(self, live, cleo):
        today = timezone.now().date()
        reviewed(cleo, next_by=today + timedelta(days=7))
        (one,) = due().ahead
        assert (one.due.trigger, one.due.at.date()) == ("last_review", today + timedelta(days=7))

    def test_what_answers_no_more_is_not_reviewed(self, world, live, ask, sign, asha, bram, rules):
        rules(reviews={"days": 1})
        sign(ask(world.version(), by=asha), bram)
        world.settle()
        assert [one.deployment.version.number for one in due().ahead] == [2]

    def test_who_sees_none_of_it_finds_none(self, live, make_person):
        finn = make_person("finn", "viewer", group="fraud").actor
        assert calendar(access.reach(finn), now=timezone.now()).never == []


class TestTheReview:
    def test_it_is_recorded_with_what_had_made_it_due(self, live, rules, cleo):
        rules(reviews={"new_policy": True})
        made = reviewed(cleo)
        assert made.trigger == "new_policy"
        entry = Entry.objects.get(subject=f"live_review:{made.pk}")
        assert (entry.action, entry.object, entry.model_version, entry.environment) == (
            "version.reviewed",
            "model:credit-default",
            1,
            "prod-eu",
        )
        body = json.loads(entry.payload.body)
        assert (body["outcome"], body["person"], body["trigger"], body["next_by"]) == (
            "continue",
            "cleo",
            "new_policy",
            None,
        )
        assert reviewed(cleo, outcome="replace").trigger == ""

    @pytest.mark.parametrize("name", ["asha", "omar", "vera", "ada"])
    def test_only_reviewers_review(self, live, request, name):
        with pytest.raises(Forbidden):
            reviewed(request.getfixturevalue(name))

    def test_no_machine_and_no_author(self, world, live, ask, sign, asha, bram, dina):
        with pytest.raises(Forbidden):
            reviewed(SET_UP, user=user_of(dina))
        sign(ask(world.version(authors=("dina",)), by=asha), bram)
        world.settle()
        with pytest.raises(Refused) as refusal:
            reviewed(dina, version=2)
        assert refusal.value.rule == "four_eyes"

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"environment": "nowhere"}, NotFound),
            ({"environment": "qa"}, NotFound),
            ({"version": 9}, NotFound),
            ({"outcome": "x"}, Invalid),
            ({"comment": " "}, Invalid),
            ({"comment": "a\0b"}, Invalid),
            ({"next_by": timezone.now().date()}, Invalid),
            ({"next_by": timezone.now().date() + timedelta(days=9_999)}, Invalid),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, live, cleo, changes, error):
        with pytest.raises(error):
            reviewed(cleo, **changes)
        assert not LiveReview.objects.exists()

    def test_what_does_not_answer_is_not_reviewed(self, world, live, ask, asha, cleo):
        ask(world.version(), by=asha)
        with pytest.raises(Conflict) as conflict:
            reviewed(cleo, version=2)
        assert conflict.value.code == "does_not_answer"

    def test_the_database_lets_nobody_change_it(self, live, cleo):
        made = reviewed(cleo)
        for change in ({"comment": "else"}, {"next_by": None, "outcome": "replace"}):
            with pytest.raises(DatabaseError), transaction.atomic():
                LiveReview.objects.filter(pk=made.pk).update(**change)
        with pytest.raises(DatabaseError), transaction.atomic():
            LiveReview.objects.filter(pk=made.pk).delete()


@pytest.mark.django_db(transaction=True)
def test_the_database_asks_for_its_audit_entry(world, ask, sign, asha, bram, cleo):
    world.agent("eu-1")
    sign(ask(world.version(), by=asha), bram)
    world.settle()
    made = reviewed(cleo)
    with pytest.raises(DatabaseError, match="no audit entry"), transaction.atomic():
        LiveReview.objects.create(
            deployment=made.deployment, outcome="continue", comment="x", person="y", name="z"
        )


class TestTheApi:
    BODY = {"outcome": "continue", "comment": "Read it."}  # noqa: RUF012 - read only

    def test_the_list_and_a_review(self, live, api, rules, cleo, vera):
        rules(reviews={"new_policy": True})
        (one,) = api(vera).get("/api/v1/reviews?state=overdue").json()["items"]
        assert (one["model"], one["version"], one["trigger"]) == ("credit-default", 1, "new_policy")
        assert api(vera).post(PATH, self.BODY, format="json").status_code == 403
        made = api(cleo).post(PATH, self.BODY, format="json")
        assert (made.status_code, made.json()["reviewed_by"]) == (201, "cleo")
        assert api(vera).get("/api/v1/reviews?state=overdue").json()["items"] == []
        (after,) = api(vera).get("/api/v1/reviews").json()["items"]
        assert (after["state"], after["last_review"]["outcome"]) == ("never", "continue")
        assert api(vera).get("/api/v1/reviews?state=x").status_code == 400

    @pytest.mark.parametrize(
        "change", [{"outcome": "x"}, {"comment": ""}, {"next_by": "soon"}, {"name": "me"}]
    )
    def test_bad_input_is_refused_in_words(self, live, api, cleo, change):
        answer = api(cleo).post(PATH, {**self.BODY, **change}, format="json")
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
