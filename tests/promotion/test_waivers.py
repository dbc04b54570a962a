"""Waivers: named, reasoned, ended, of others, and only where the policy allows them."""

import json
import time

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from governance import access
from governance.audit.models import Entry
from governance.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from governance.models import User
from promotion.models import Request, Waiver
from promotion.policies import Policy as Rules
from promotion.selectors.policies import try_on_past
from promotion.services import sweeping
from promotion.services.waivers import waive
from tests.promotion.conftest import SET_UP

ALLOWED = {"dark_first": True, "waivers": {"gates": ["dark_first"], "hours": 48}}
EVERYTHING = access.reach(SET_UP)
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


@pytest.fixture
def waived(version, ask, asha, cleo):
    """A request that passed only because cleo had waived a gate, for a moment."""
    given(version, cleo, hours=2 / 3_600)
    return ask(version, by=asha)


def test_what_stands_on_a_waiver_is_carried_out_while_it_holds(waived, sign, bram):
    assert sign(waived, bram).state == Request.State.EXECUTING


def test_a_waiver_that_ended_before_the_last_signature_voids_it(waived, sign, bram, replayed):
    time.sleep(2.1)
    signed = sign(waived, bram)

    assert signed.state == Request.State.VOIDED
    assert signed.detail.startswith("The waiver of dark_first by cleo ended at ")
    assert "Ask for it again." in signed.detail
    body = json.loads(Entry.objects.filter(action="request.voided").latest("seq").payload.body)
    assert body["rule"] == "waiver_ended"
    replayed()


def test_a_waiver_that_ended_while_it_waited_for_agents_voids_it(
    world, rules, ask, sign, asha, bram, cleo
):
    rules(**ALLOWED)
    version = world.version()
    given(version, cleo, hours=2 / 3_600)
    request = sign(ask(version, by=asha), bram)
    assert request.state == Request.State.APPROVED
    time.sleep(2.1)

    world.agent("eu-1")
    sweeping.sweep()
    request.refresh_from_db()
    assert request.state == Request.State.VOIDED


def test_nobody_is_asked_to_sign_what_its_waiver_no_longer_carries(waived, replayed):
    sweeping.sweep()
    waived.refresh_from_db()
    assert waived.state == Request.State.OPEN
    time.sleep(2.1)

    for _ in range(2):
        sweeping.sweep()
    waived.refresh_from_db()
    assert waived.state == Request.State.VOIDED
    assert waived.detail.startswith("The waiver of dark_first by cleo ended at ")
    assert Entry.objects.filter(action="request.voided").count() == 1
    replayed()


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


class TestTrials:
    """Past requests judged again know the waivers that held when they were asked."""

    @pytest.fixture
    def asked(self, version, ask, asha, cleo):
        given(version, cleo)
        return ask(version, by=asha)

    def tried(self, asked, **policy):
        rules = Rules.model_validate({"dark_first": True, "approvals": 1, **policy})
        [found] = try_on_past(rules, asked.environment, tier="", last=50, seen=EVERYTHING)
        return found

    def test_what_was_waived_then_passes_again(self, asked):
        found = self.tried(asked, waivers={"gates": ["dark_first"], "hours": 1})

        assert (found.passes, found.otherwise) == (True, False)
        [gate] = found.waived
        assert (gate.gate, gate.outcome) == ("dark_first", "waived")
        assert "Waived by cleo" in gate.reason

    @pytest.mark.parametrize("waivers", [None, {"gates": ["metrics"], "hours": 1}])
    def test_a_document_that_does_not_let_it_be_waived_would_have_refused_it(self, asked, waivers):
        found = self.tried(asked, waivers=waivers)
        assert found.otherwise
        assert [gate.gate for gate in found.failing] == ["dark_first"]

    def test_a_waiver_given_later_waived_nothing_then(self, version, ask, asha, cleo, rules):
        rules()
        asked = ask(version, by=asha)
        rules(**ALLOWED)
        given(version, cleo)
        assert self.tried(asked, waivers={"gates": ["dark_first"]}).otherwise

    def test_one_that_had_ended_by_then_waived_nothing(self, version, ask, asha, cleo, rules):
        given(version, cleo, hours=0.0001)
        time.sleep(0.5)
        rules()
        asked = ask(version, by=asha)
        assert self.tried(asked, waivers={"gates": ["dark_first"]}).otherwise

    def test_who_asked_did_not_waive_as_well(self, version, ask, make_person, rules):
        both = make_person("rita", "risk", "submitter").actor
        given(version, both)
        rules()
        asked = ask(version, by=both)
        assert self.tried(asked, waivers={"gates": ["dark_first"]}).otherwise

    def test_the_api_says_what_was_waived(self, asked, api, vera):
        body = {"document": {"dark_first": True, "waivers": {"gates": ["dark_first"]}}}
        answer = api(vera).post("/api/v1/policies/prod-eu/trial", body, format="json").json()

        assert answer["otherwise"] == 0
        assert [gate["gate"] for gate in answer["requests"][0]["waived"]] == ["dark_first"]

    def test_more_requests_make_no_more_queries(self, asked, world, ask, asha, rules):
        policy = Rules.model_validate(ALLOWED)
        with CaptureQueriesContext(connection) as few:
            try_on_past(policy, asked.environment, tier="", last=50, seen=EVERYTHING)
        rules()
        for _ in range(4):
            ask(world.version(), by=asha)
        with CaptureQueriesContext(connection) as more:
            assert (
                len(try_on_past(policy, asked.environment, tier="", last=50, seen=EVERYTHING)) == 5
            )
        assert len(few) == len(more) == 2
