"""Incidents: opened, closed once, never edited; what they stop, and what leaves by one."""

import json
from typing import ClassVar

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from governance import access
from governance.audit.models import Entry
from governance.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from governance.models import Environment
from promotion.models import Deployment, Incident, Request
from promotion.selectors import abnormal
from promotion.services import execution, rollbacks, stops, sweeping
from promotion.services.incidents import close_incident, open_incident
from tests.promotion.conftest import SET_UP

pytestmark = pytest.mark.django_db
PATH = "/api/v1/incidents"
BODY = {"environment": "prod-eu", "severity": "major", "title": "Scores drift"}
ASKED = {"gates": {"no_open_incident": {}}}


def opened(actor, **changes):
    return open_incident(**{**BODY, **changes}, actor=actor)


def closed(incident, actor, resolution="the feed is back"):
    return close_incident(incident_id=incident.pk, resolution=resolution, actor=actor)


@pytest.fixture
def live(world, promote):
    """Versions 1 and 2 were champions; 2 answers, on one agent."""
    world.agent("eu-1")
    promote()
    promote()
    return world


class TestTheRecord:
    @pytest.mark.parametrize("name", ["omar", "cleo"])
    def test_operators_and_risk_officers_open_and_close(self, world, request, name):
        actor = request.getfixturevalue(name)
        made = opened(actor, detail="since the deploy of the feed")
        assert (made.opened_by, made.is_open()) == (actor.label, True)
        over = closed(made, actor)
        assert (over.closed_by, over.resolution, over.is_open()) == (
            actor.label,
            "the feed is back",
            False,
        )

    @pytest.mark.parametrize("name", ["asha", "bram", "vera", "ada"])
    def test_nobody_else_does(self, world, omar, request, name):
        actor, made = request.getfixturevalue(name), opened(omar)
        with pytest.raises(Forbidden):
            opened(actor)
        with pytest.raises(Forbidden):
            closed(made, actor)
        assert Incident.objects.get().is_open()

    def test_who_handles_one_group_of_models_speaks_of_no_other(self, world, make_person):
        world.version()
        rita = make_person("rita", "operator", group="fraud").actor
        for about in ({}, {"model": "credit-default"}):
            with pytest.raises(Forbidden):
                opened(rita, **about)

    def test_both_are_recorded_on_the_chain_of_what_it_is_about(self, world, omar):
        world.version()
        for about, object_ in (
            ({}, "environment:prod-eu"),
            ({"model": "credit-default"}, "model:credit-default"),
        ):
            made = closed(opened(omar, **about, detail="all of it"), omar)
            entries = Entry.objects.filter(subject=f"incident:{made.pk}").order_by("seq")
            assert [(e.action, e.object) for e in entries] == [
                ("incident.opened", object_),
                ("incident.closed", object_),
            ]
            first, second = (json.loads(entry.payload.body) for entry in entries)
            assert (first["detail"], second["resolution"]) == ("all of it", "the feed is back")
            assert first["severity"] == "major"

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"environment": "nowhere"}, NotFound),
            ({"model": "nothing"}, NotFound),
            ({"severity": "bad"}, Invalid),
            ({"title": " "}, Invalid),
            ({"title": "x" * 201}, Invalid),
            ({"title": "a\0b"}, Invalid),
            ({"detail": "x" * 2_001}, Invalid),
        ],
    )
    def test_what_makes_no_sense_opens_none(self, world, omar, changes, error):
        with pytest.raises(error):
            opened(omar, **changes)
        assert not Incident.objects.exists()

    def test_it_is_closed_once_and_with_words(self, world, omar):
        made = opened(omar)
        for words in ("", " ", "a\0b"):
            with pytest.raises(Invalid):
                closed(made, omar, words)
        closed(made, omar)
        with pytest.raises(Conflict) as conflict:
            closed(made, omar, "again")
        assert conflict.value.code == "closed"
        with pytest.raises(NotFound):
            close_incident(incident_id=Request().pk, resolution="x", actor=omar)

    @pytest.mark.parametrize(
        "change",
        [
            {"title": "something else"},
            {"severity": "minor"},
            {"opened_by": "somebody else"},
            {"opened_at": timezone.now()},
            {"closed_at": None, "resolution": "", "closed_by": ""},
            {"resolution": "another end"},
        ],
    )
    @pytest.mark.parametrize("is_closed", [True, False])
    def test_the_database_lets_nobody_edit_or_reopen_it(self, world, omar, change, is_closed):
        made = opened(omar)
        if is_closed:
            closed(made, omar)
        with pytest.raises(DatabaseError), transaction.atomic():
            Incident.objects.filter(pk=made.pk).update(**change)
        with pytest.raises(DatabaseError), transaction.atomic():
            Incident.objects.filter(pk=made.pk).delete()

    def test_none_begins_as_closed(self, world):
        with pytest.raises(DatabaseError), transaction.atomic():
            Incident.objects.create(
                environment=Environment.objects.get(slug="prod-eu"),
                severity="minor",
                title="x",
                closed_at=timezone.now(),
                resolution="x",
            )


@pytest.mark.django_db(transaction=True)
def test_the_database_asks_for_its_audit_entries_and_has_them(world, omar):
    made = opened(omar)
    closed(made, omar)
    with pytest.raises(DatabaseError), transaction.atomic():
        Incident.objects.create(
            environment=Environment.objects.get(slug="prod-eu"), severity="minor", title="unsaid"
        )


class TestTheGate:
    def test_an_open_one_refuses_a_promotion_with_words_and_a_remedy(
        self, world, ask, rules, asha, omar
    ):
        world.agent("eu-1")
        rules(**ASKED)
        made = opened(omar)
        with pytest.raises(Refused) as refusal:
            ask(world.version(), by=asha)
        [gate] = refusal.value.context["gates"]
        assert gate["gate"] == "no_open_incident"
        assert gate["reason"] == "An incident is open here: major (Scores drift)."
        assert "closes it" in gate["remedy"]

        closed(made, omar)
        request = ask(world.version(), by=asha)
        stored = {g["gate"]: g for g in request.evidence["gates"]}["no_open_incident"]
        assert (stored["outcome"], stored["facts"]["open"]) == ("passed", [])

    @pytest.mark.parametrize(
        ("change", "passes"),
        [
            ({"model": "credit-default"}, False),
            ({"model": "fraud-score"}, True),
            ({"environment": "qa"}, True),
            ({"severity": "minor"}, True),
            ({"severity": "critical"}, False),
        ],
    )
    def test_what_is_elsewhere_or_of_another_model_or_minor_stops_nothing(
        self, world, ask, rules, asha, omar, change, passes
    ):
        world.agent("eu-1")
        world.version("fraud-score")
        version = world.version()
        rules(gates={"no_open_incident": {"severity": "major"}})
        opened(omar, **change)
        if passes:
            assert ask(version, by=asha).state == "open"
        else:
            with pytest.raises(Refused):
                ask(version, by=asha)

    def test_a_dark_version_reaches_nobody_and_goes_on(self, world, ask, rules, asha, omar):
        rules(**ASKED)
        opened(omar)
        assert ask(world.version(), to="dark", by=asha).state == "approved"

    def test_one_opened_since_blocks_an_approved_request_and_voids_nothing(
        self, world, ask, sign, rules, asha, bram, omar
    ):
        world.agent("eu-1")
        rules(**ASKED)
        request = ask(world.version(), by=asha)
        made = opened(omar)
        signed = sign(request, bram)
        assert signed.state == "approved"
        assert "An incident is open here" in signed.detail
        assert not execution.start(request_id=request.pk, actor=SET_UP)

        closed(made, omar)
        sweeping.sweep()
        request.refresh_from_db()
        assert (request.state, request.approvals.count()) == ("executing", 1)


class TestTheRedBar:
    def alarms(self):
        return abnormal.alarms(access.sight(SET_UP))

    def test_it_is_named_until_it_is_closed(self, world, omar):
        world.version()
        assert self.alarms() == []
        made = opened(omar, model="credit-default")
        [alarm] = self.alarms()
        assert alarm.what == "major incident of credit-default: Scores drift."
        assert (alarm.place, alarm.since) == ("prod-eu", made.opened_at)
        assert alarm.url.endswith(f"#incident-{made.pk}")
        closed(made, omar)
        assert self.alarms() == []


class TestWhatLeavesByOne:
    WHERE: ClassVar = {"environment": "prod-eu", "model": "credit-default", "reason": "it drifts"}

    def state(self, number):
        row = Deployment.objects.get(version__number=number)
        return row.state, row.role, row.hold, row.barred

    def test_a_rollback_bars_what_it_takes_away(self, live, omar, ask, asha, replayed):
        made = opened(omar, model="credit-default")
        rollbacks.rollback(**self.WHERE, actor=omar)
        live.settle()
        assert self.state(2) == ("retired", "", "none", True)
        assert self.state(1)[1] == "champion"
        closed(made, omar)
        with pytest.raises(Conflict) as conflict:
            rollbacks.rollback(**self.WHERE, actor=omar, to=2)
        assert conflict.value.code == "not_a_former_champion"

        live.agent("eu-dark", tier="dark")
        ask(Deployment.objects.get(version__number=2).version, to="dark", by=asha)
        live.settle()
        assert self.state(2) == ("dark", "", "none", False)
        replayed()

    def test_a_stop_bars_it_too(self, live, omar, replayed):
        opened(omar, model="credit-default")
        stops.stop(**self.WHERE, actor=omar)
        live.settle()
        assert self.state(2) == ("retired", "", "none", True)
        back = rollbacks.rollback(**self.WHERE, actor=omar)
        assert back.deployment.version.number == 1
        replayed()

    @pytest.mark.parametrize("about", [{}, {"environment": "qa", "model": "credit-default"}])
    def test_an_incident_of_everything_or_elsewhere_bars_nothing(self, live, omar, about):
        opened(omar, **about)
        rollbacks.rollback(**self.WHERE, actor=omar)
        live.settle()
        assert self.state(2) == ("retired", "", "previous", False)

    def test_a_candidate_in_a_stage_is_barred(self, live, rules, promote, omar, replayed):
        rules(stages=[{"weight": 0.5, "seconds": 3_600.0}, "all"])
        promote()
        assert self.state(3)[1] == "candidate"
        opened(omar, model="credit-default")
        rollbacks.rollback(**self.WHERE, actor=omar)
        live.settle()
        assert self.state(3) == ("retired", "", "none", True)
        assert self.state(2)[1] == "champion"
        replayed()


class TestTheApi:
    def test_the_whole_life(self, world, api, omar, vera):
        made = api(omar).post(PATH, BODY, format="json")
        assert made.status_code == 201
        one = made.json()
        assert (one["model"], one["closed_at"], one["opened_by"]) == (None, None, "omar")
        assert api(vera).get(f"{PATH}?state=open").json()["items"] == [one]
        assert api(vera).get(f"{PATH}?state=open&environment=qa").json()["items"] == []
        assert api(vera).get(f"{PATH}/{one['id']}").json() == one

        path, body = f"{PATH}/{one['id']}/close", {"resolution": "over"}
        assert api(vera).post(path, body, format="json").status_code == 403
        assert api(omar).post(path, body, format="json").json()["resolution"] == "over"
        again = api(omar).post(path, body, format="json")
        assert (again.status_code, again.json()["code"]) == (409, "closed")
        assert api(vera).get(f"{PATH}?state=open").json()["items"] == []
        assert len(api(vera).get(f"{PATH}?state=closed&limit=1").json()["items"]) == 1

    @pytest.mark.parametrize(
        ("asked", "told"),
        [("state=opened", (400, "invalid")), ("environment=prod", (404, "unknown_environment"))],
    )
    def test_a_slip_of_the_pen_is_no_all_clear(self, world, api, omar, asked, told):
        opened(omar)
        answer = api(omar).get(f"{PATH}?{asked}")
        assert (answer.status_code, answer.json()["code"]) == told

    def test_what_is_elsewhere_is_nobodys_business(self, world, api, omar, make_person):
        made = opened(omar)
        qa = Environment.objects.get(slug="qa")
        stranger = make_person("finn", "operator", environment=qa).actor
        assert api(stranger).get(PATH).json()["items"] == []
        assert api(stranger).get(f"{PATH}/{made.pk}").status_code == 404
        body = {"resolution": "over"}
        assert api(stranger).post(f"{PATH}/{made.pk}/close", body, format="json").status_code == 403

    @pytest.mark.parametrize(
        "change",
        [{"severity": "bad"}, {"title": 1}, {"title": ""}, {"opened_by": "me"}, {"model": "A b"}],
    )
    def test_bad_input_is_refused_in_words(self, world, api, omar, change):
        answer = api(omar).post(PATH, {**BODY, **change}, format="json")
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
