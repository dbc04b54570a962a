"""Waivers: named, reasoned, ended, of others, and only where the policy allows them."""

import json
import time

import pytest
from django.db import DatabaseError, transaction

from governance.audit.models import Entry
from governance.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from governance.models import User
from promotion.models import Request, Waiver
from promotion.services.waivers import waive
from tests.promotion.conftest import SET_UP

ALLOWED = {"dark_first": True, "waivers": {"gates": ["dark_first"], "hours": 48}}
PATH = "/api/v1/models/credit-default/versions/1/waivers"


@pytest.fixture
def version(world, rules):
    world.agent("eu-1")
    rules(**ALLOWED)
    return world.version()


def given(of, actor, **changes):
    arguments = {
        "model": of.model.name,
        "version": of.number,
        "environment": "prod-eu",
        "gate": "dark_first",
        "reason": "the dark agents are being replaced",
        "hours": 24.0,
        "user": User.objects.filter(person=actor.person).first() or User(),
        "actor": actor,
        **changes,
    }
    return waive(**arguments)


def test_a_waived_gate_passes_and_says_by_whom_and_why(version, ask, asha, cleo):
    with pytest.raises(Refused):
        ask(version, by=asha)
    waiver = given(version, cleo)

    request = ask(version, by=asha)
    [gate] = [g for g in request.evidence["gates"] if g["gate"] == "dark_first"]
    assert gate["outcome"] == "waived"
    assert "Waived by cleo: the dark agents are being replaced" in gate["reason"]
    assert gate["facts"]["waiver"] == str(waiver.pk)
    assert gate["facts"]["waived_until"] == waiver.expires_at.isoformat()


def test_it_is_recorded_with_reason_and_end(version, cleo):
    waiver = given(version, cleo)
    entry = Entry.objects.latest("seq")
    body = json.loads(entry.payload.body)

    assert (entry.action, entry.object) == ("waiver.given", "model:credit-default")
    assert body["expires_at"] == waiver.expires_at.isoformat()
    assert body["reason"] == waiver.reason


def test_an_ended_waiver_waives_nothing(version, ask, asha, cleo):
    given(version, cleo, hours=0.0001)
    time.sleep(0.5)
    with pytest.raises(Refused):
        ask(version, by=asha)


def test_who_waives_does_not_ask_as_well(version, ask, make_person):
    both = make_person("rita", "risk", "submitter").actor
    given(version, both)
    with pytest.raises(Refused) as refusal:
        ask(version, by=both)
    assert refusal.value.context["rule"] == "gates_not_passed"


def test_an_author_waives_nothing(world, version, make_person):
    author = make_person("asha", "risk").actor
    with pytest.raises(Refused) as refusal:
        given(version, author)
    assert refusal.value.context["rule"] == "four_eyes"
    assert not Waiver.objects.exists()


@pytest.mark.parametrize("name", ["bram", "asha", "vera"])
def test_only_risk_officers_waive(version, request, name):
    with pytest.raises(Forbidden):
        given(version, request.getfixturevalue(name))


def test_a_task_waives_nothing(version):
    with pytest.raises(Forbidden):
        given(version, SET_UP)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"gate": "inspected"}, Conflict),
        ({"gate": "metrics"}, Conflict),
        ({"reason": " "}, Invalid),
        ({"reason": "a\x00b"}, Invalid),
        ({"hours": 49.0}, Invalid),
        ({"hours": 0.0}, Invalid),
        ({"version": 9}, NotFound),
        ({"environment": "nowhere"}, NotFound),
    ],
)
def test_what_the_policy_does_not_allow_is_refused(version, cleo, changes, error):
    with pytest.raises(error):
        given(version, cleo, **changes)
    assert not Waiver.objects.exists()


def test_a_policy_without_waivers_counts_none(version, ask, rules, asha, cleo):
    given(version, cleo)
    rules(dark_first=True)
    with pytest.raises(Refused):
        ask(version, by=asha)


@pytest.mark.parametrize("gate", ["inspected", "golden", "memory", "frozen"])
def test_what_keeps_callers_safe_can_never_be_waived(rules, gate):
    with pytest.raises(Invalid):
        rules(waivers={"gates": [gate]})


def test_a_waiver_is_never_changed(version, cleo):
    given(version, cleo)
    with pytest.raises(DatabaseError), transaction.atomic():
        Waiver.objects.update(gate="metrics")


def test_waiving_over_the_api(api, version, cleo, vera):
    body = {"environment": "prod-eu", "gate": "dark_first", "reason": "a test", "hours": 2.0}
    made = api(cleo).post(PATH, body, format="json")
    assert (made.status_code, made.json()["gate"]) == (201, "dark_first")
    assert api(vera).post(PATH, body, format="json").status_code == 403
    assert api(cleo).post(PATH, {**body, "hours": "2"}, format="json").status_code in {400, 422}
    assert Request.objects.count() == 0
