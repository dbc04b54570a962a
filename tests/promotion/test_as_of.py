"""What was decided and confirmed at a moment, and who decided it, from the log alone."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from governance.audit.models import Entry
from governance.models import Environment
from promotion.models import Agent, Deployment
from promotion.services import agents, rollbacks
from tests.conftest import as_owner
from tests.promotion.replaying import the_log_tells_the_tables

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/environments/prod-eu/state"


@pytest.fixture
def then(api, vera):
    """Ask what was so at a moment; by default now."""
    client = api(vera)

    def asked(at=None, status=200):
        answer = client.get(ADDRESS, {"at": (at or timezone.now()).isoformat()})
        assert answer.status_code == status, answer.content
        return answer.json()

    return asked


@pytest.fixture
def moments(world, ask, sign, asha, bram, dina, omar):
    """Before any champion, version 1, version 2, and 1 again after a rollback."""
    noted = {}

    def note(name):
        noted[name] = Entry.objects.order_by("-seq").first().at

    world.agent("eu-1")
    world.agent("eu-2")
    note("nothing")
    sign(ask(world.version(), by=asha), bram, comment="good enough")
    world.settle()
    note("first")
    sign(ask(world.version(), by=asha), dina, meaning="responsibility")
    note("loading")
    world.settle()
    note("second")
    rollbacks.rollback(environment="prod-eu", model="credit-default", reason="wrong", actor=omar)
    note("deciding")
    world.settle()
    note("back")
    return noted


def champion(state):
    [model] = state["models"]
    return model["champion"]["version"], model["confirmed"]


def test_each_moment_is_told_as_it_was(moments, then):
    two = ["eu-1", "eu-2"]
    assert then(moments["nothing"])["models"] == []
    assert champion(then(moments["first"])) == (1, {"by": two, "of": 2})
    assert champion(then(moments["loading"])) == (1, {"by": two, "of": 2})
    assert champion(then(moments["second"])) == (2, {"by": two, "of": 2})
    assert champion(then(moments["deciding"])) == (1, {"by": [], "of": 2})
    assert champion(then(moments["back"])) == (1, {"by": two, "of": 2})
    assert champion(then()) == (1, {"by": two, "of": 2})


def test_agents_that_contradict_the_decision_are_named_with_what_they_answered(moments, then):
    [model] = then(moments["deciding"])["models"]
    said = [(one["agent"], one["version"], one["role"]) for one in model["answering"]]
    assert said == [("eu-1", 2, "champion"), ("eu-2", 2, "champion")]
    assert {row["role"]: row["version"] for row in model["decided"]} == {"champion": 1, "bake": 2}


def test_who_decided_it_is_told_with_every_signature(moments, then, omar):
    state = then(moments["first"])
    [row] = state["models"][0]["decided"]
    request = state["requests"][row["request"]]
    assert (request["kind"], request["by"], request["reason"]) == ("promote", "asha", "a test")
    [one] = request["approvals"]
    assert (one["name"], one["role"], one["meaning"]) == ("bram", "approver", "approval")
    assert (one["decision"], one["comment"]) == ("approve", "good enough")

    state = then(moments["back"])
    request = state["requests"][state["models"][0]["decided"][0]["request"]]
    assert (request["kind"], request["by"], request["reason"]) == ("rollback", "omar", "wrong")
    assert request["approvals"] == []


def test_the_answer_names_the_log_it_is_a_function_of(moments, then):
    at = moments["second"]
    state = then(at)
    last = Entry.objects.filter(at__lte=at).order_by("-seq").first()
    assert state["log"] == {"entries": last.seq, "head": last.hash}
    assert then(at) == state
    assert [target["tier"] for target in state["targets"]] == ["live", "dark"]


def test_it_is_read_from_the_log_and_not_from_the_tables(moments, then):
    before = then(moments["second"])
    with as_owner(connection), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE promotion_deployment DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE promotion_deployment"
            " SET state = 'trained', role = '', hold = 'none', undecided_since = NULL"
        )
        cursor.execute("ALTER TABLE promotion_deployment ENABLE TRIGGER USER")
    assert not Deployment.objects.filter(role="champion").exists()
    assert then(moments["second"]) == before


def test_agents_that_left_are_gone_and_those_cordoned_do_not_count(moments, world, then, omar):
    first, second = world.rigs
    agents.cordon(agent_id=first.agent.pk, reason="look at it", actor=omar)
    agents.leave(agent_id=second.agent.pk, actor=second.actor)
    state = then()
    assert [(one["agent"], one["cordoned"]) for one in state["agents"]] == [("eu-1", True)]
    assert champion(state) == (1, {"by": [], "of": 0})
    assert champion(then(moments["back"]))[1]["by"] == ["eu-1", "eu-2"]


def test_an_agent_that_left_and_joins_again_answers_anew(moments, world, then):
    rig = world.rigs.pop()
    agents.leave(agent_id=rig.agent.pk, actor=rig.actor)
    again = world.agent("eu-2")
    assert again.agent.pk == rig.agent.pk
    again.boot_id = "boot-2"
    again.obey()
    assert champion(then()) == (1, {"by": ["eu-1", "eu-2"], "of": 2})
    the_log_tells_the_tables()


def test_what_was_erased_reads_unknown(moments, then):
    whole = then(moments["second"])
    [row] = [r for r in whole["models"][0]["decided"] if r["role"] == "champion"]
    signed = whole["requests"][row["request"]]["approvals"][0]["entry"]
    with as_owner(connection), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE audit_payload DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE audit_payload SET body = NULL, salt = NULL WHERE seq IN (%s, %s)",
            [row["entry"], signed],
        )
        cursor.execute("ALTER TABLE audit_payload ENABLE TRIGGER USER")
    state = then(moments["second"])
    [model] = state["models"]
    [unknown] = [r for r in model["decided"] if r["version"] == 2]
    assert (unknown["state"], unknown["role"]) == ("unknown", "unknown")
    assert model["champion"] is None
    assert state["requests"][row["request"]]["approvals"][0]["name"] == "unknown"
    assert state["erased"] == sorted([row["entry"], signed])


def test_before_the_log_and_before_the_environment_are_clear_errors(moments, then, set_up):
    first, defined = (
        Entry.objects.order_by("seq").first(),
        Entry.objects.filter(environment="prod-eu").order_by("seq").first(),
    )
    assert then(first.at - timedelta(microseconds=1), 400)["code"] == "before_the_log"
    earlier = Entry.objects.filter(seq__lt=defined.seq, at__lt=defined.at).order_by("-seq").first()
    assert then(earlier.at, 404)["code"] == "unknown_environment_then"
    assert then(timezone.now() + timedelta(minutes=1), 400)["code"] == "bad_time"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"at": ""}, "bad_time"),
        ({"at": "2026-11-20T08:30:00"}, "bad_time"),
        ({"at": "2026-11-20T08:30:00+01:00\0"}, "bad_request"),
        ({"at": ["2026-11-20T08:30:00Z", "2026-11-20T08:30:00Z"]}, "invalid_query"),
        ({"when": "2026-11-20T08:30:00Z"}, "invalid_query"),
    ],
)
def test_what_is_no_time_is_a_clear_error(world, api, vera, query, code):
    answer = api(vera).get(ADDRESS, query)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_it_is_for_those_who_see_the_environment(world, api, make_person):
    qa = Environment.objects.get(slug="qa")
    guest = api(make_person("guest", "viewer", environment=qa).actor)
    now = {"at": timezone.now().isoformat()}
    assert guest.get(ADDRESS, now).status_code == 403
    assert guest.get("/api/v1/environments/qa/state", now).status_code == 200
    assert guest.get("/api/v1/environments/none/state", now).status_code == 404


def test_more_models_agents_and_decisions_make_no_more_queries(
    moments, world, ask, sign, asha, bram, then
):
    with CaptureQueriesContext(connection) as few:
        then(moments["first"])
    for number in range(3):
        world.agent(f"more-{number}")
        sign(ask(world.version(f"model-{number}"), by=asha), bram)
        world.settle()
    with CaptureQueriesContext(connection) as many:
        state = then()
    assert len(state["models"]) == 4
    assert len(many) == len(few)


def test_which_version_answered_at_a_moment(moments, api, vera):
    """By agent, between two switches and after the rollback; nobody before the first."""
    client, address = api(vera), "/api/v1/environments/prod-eu/models/credit-default/scored"

    def answered(name):
        found = client.get(address, {"at": moments[name].isoformat()}).json()
        assert found["source"] == "serving intervals"
        return {(row["agent"], row["version"]) for row in found["answered"]}

    assert answered("nothing") == set()
    assert answered("first") == answered("loading") == {("eu-1", 1), ("eu-2", 1)}
    assert answered("second") == answered("deciding") == {("eu-1", 2), ("eu-2", 2)}
    assert answered("back") == {("eu-1", 1), ("eu-2", 1)}
    assert client.get(address, {"at": "yesterday"}).status_code == 400
    assert client.get(address.replace("credit-default", "none")).status_code == 404
    assert client.get(address.replace("prod-eu", "none")).status_code == 404


def test_who_answered_is_unknown_of_an_evicted_agent(moments, api, vera, omar):
    agents.evict(agent_id=Agent.objects.get(name="eu-1").pk, reason="compromised", actor=omar)
    address = "/api/v1/environments/prod-eu/models/credit-default/scored"
    found = api(vera).get(address).json()
    assert [row["agent"] for row in found["answered"]] == ["eu-2"]
    [unknown] = found["unknown"]
    assert unknown["agent"] == "eu-1"
    assert "evicted" in unknown["why"]
