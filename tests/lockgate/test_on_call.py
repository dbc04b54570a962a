"""What helps on call, without a browser: incidents, spares, agents, findings."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from governance.models import User
from lockgate.cli import findings, incidents, output
from promotion.models import Deployment, Finding, Incident
from registry.models import RegisteredModel
from tests.pages.factory import World

pytestmark = pytest.mark.django_db(transaction=True)
DUE = (timezone.now().date() + timedelta(days=9)).isoformat()
RECORD = ("finding", "record", "score", "2", "Drifts for the young", "--severity", "high")


@pytest.fixture
def tell(lockgate, live_server, bearer, monkeypatch):
    """Run a command as somebody."""

    def tell(actor, *words):
        monkeypatch.setenv("LOCKGATE_URL", live_server.url)
        monkeypatch.setenv("LOCKGATE_TOKEN", bearer(actor))
        return lockgate(*words)

    return tell


@pytest.fixture
def bank(transactional_db):
    """Version 2 answers in qa; version 1 did before."""
    world = World()
    world.environment("qa", "qa")
    world.agent("qa-1", "qa")
    model = world.model("score", group="")
    for _ in range(2):
        world.champion(world.version(model), "qa")
    return world


def roles():
    return {row.version.number: row.role or row.state for row in Deployment.objects.all()}


class TestIncidents:
    def test_opened_listed_and_closed(self, tell, bank, omar):
        said = ("incident", "open", "qa", "Scores are late", "--severity", "major")
        code, out, err = tell(omar, *said, "--model", "score", "--detail", "since noon\nall of it")
        assert (code, err) == (0, "")
        made = Incident.objects.get()
        lines = out.splitlines()
        assert lines[0] == f"{made.pk}  major  open"
        assert lines[1:4] == ["  score in qa: Scores are late", "    since noon", "    all of it"]
        assert lines[4].startswith("  opened by omar at ")
        assert tell(omar, "incident", "list") == (0, out, "")
        assert tell(omar, "incident", "list", "--environment", "qa")[1] == out

        code, out, _ = tell(omar, "incident", "close", str(made.pk), "--resolution", "a cable")
        assert code == 0
        assert f"{made.pk}  major  closed" in out
        assert out.endswith("    a cable\n")
        assert tell(omar, "incident", "list") == (0, "No such incident.\n", "")
        assert tell(omar, "incident", "list", "--state", "all")[1] == out
        assert tell(omar, "incident", "list", "--state", "closed")[1] == out

    def test_of_everything_in_an_environment(self, tell, bank, omar):
        said = ("--json", "incident", "open", "qa", "The store is away", "--severity", "critical")
        document = json.loads(tell(omar, *said)[1])
        assert (document["model"], document["severity"]) == (None, "critical")
        shown = json.loads(tell(omar, "--json", "incident", "list")[1])
        assert shown == {"items": [document], "is_cut": False}
        assert "  everything in qa: The store is away" in tell(omar, "incident", "list")[1]

    def test_what_the_service_refuses_is_said_and_ends_with_1(self, tell, bank, asha, omar):
        said = ("incident", "open", "qa", "Late", "--severity", "minor")
        code, out, err = tell(asha, *said)
        assert (code, out, err.partition(":")[0]) == (1, "", "forbidden")
        assert "unknown_environment" in tell(omar, "incident", "open", "no", *said[3:])[2]
        code, _, err = tell(omar, "incident", "close", "none", "--resolution", "R")
        assert (code, err.partition(":")[0]) == (1, "not_found")
        assert not Incident.objects.exists()

    def test_an_environment_that_is_not_there_has_no_empty_list(self, tell, bank, omar):
        code, out, err = tell(omar, "incident", "list", "--environment", "qe")
        assert (code, out) == (1, "")
        assert err.startswith("unknown_environment: ")


class TestSpares:
    def test_named_and_dropped(self, tell, bank, omar):
        code, out, err = tell(omar, "spare", "name", "score", "1", "qa", "--reason", "nights")
        assert (code, out, err) == (0, "score 1 in qa: spare\n", "")
        assert roles() == {1: "spare", 2: "champion"}

        code, out, err = tell(omar, "spare", "drop", "score", "qa", "--reason", "it is day")
        assert (code, out, err) == (0, "score 1 in qa: retired, its files are kept\n", "")
        assert roles() == {1: "retired", 2: "champion"}

    def test_as_a_document(self, tell, bank, omar):
        said = ("spare", "name", "score", "1", "qa", "--reason", "nights")
        assert json.loads(tell(omar, "--json", *said)[1])["role"] == "spare"

    def test_what_the_service_refuses_is_said_and_ends_with_1(self, tell, bank, asha, omar):
        code, out, err = tell(omar, "spare", "drop", "score", "qa", "--reason", "R")
        assert (code, out) == (1, "")
        assert err.startswith("no_spare: ")
        code, _, err = tell(omar, "spare", "name", "score", "2", "qa", "--reason", "R")
        assert (code, err.partition(":")[0]) == (1, "not_retired")
        code, _, err = tell(asha, "spare", "name", "score", "1", "qa", "--reason", "R")
        assert (code, err.partition(":")[0]) == (1, "forbidden")


class TestTheEnvironment:
    def test_says_what_stands_beside_the_champion(self, tell, bank, omar):
        shown = ("status", "--environment", "qa")
        lines = tell(omar, *shown)[1].splitlines()
        assert lines[1] == "  score  decided: version 2  live: confirmed by 1 of 1 agents"
        assert lines[2] == "    beside it: version 1 kept for a rollback"

        tell(omar, "spare", "name", "score", "1", "qa", "--reason", "nights")
        assert tell(omar, *shown)[1].splitlines()[2] == "    beside it: version 1 spare"


class TestARequest:
    def test_who_asked_takes_it_back_once(self, tell, bank, asha, bram):
        bank.environment("qa", "qa", approvals=1)
        version = bank.version(RegisteredModel.objects.get())
        made = bank.ask(version, "production", "qa", by=User.objects.get(username="asha"))
        said = ("withdraw", str(made.pk), "--reason", "its golden transactions are wrong")

        code, _, err = tell(bram, *said)
        assert (code, err.partition(":")[0]) == (1, "not_the_requester")
        code, out, err = tell(asha, *said)
        assert (code, err) == (0, "")
        assert out.startswith(f"{made.pk}  withdrawn\nscore 3 in qa: trained -> production\n")
        assert tell(asha, *said)[0] == 1


class TestAgents:
    def test_cordoned_counted_evicted_and_struck_off(self, tell, bank, omar):
        def said(change):
            return tell(omar, "agent", change, "qa-1", "qa", "--reason", "its disk is slow")

        assert said("cordon") == (0, "qa-1 in qa (live): cordoned\n", "")
        assert ", cordoned" in tell(omar, "status", "--environment", "qa")[1]
        assert said("uncordon") == (0, "qa-1 in qa (live): counts\n", "")
        assert said("evict") == (0, "qa-1 in qa (live): evicted\n", "")
        assert ", evicted" in tell(omar, "status", "--environment", "qa")[1]
        assert said("decommission") == (0, "qa-1 in qa (live): decommissioned\n", "")

    def test_named_by_its_id_and_as_a_document(self, tell, bank, omar):
        pk = str(bank.rigs[0].agent.pk)
        said = ("--json", "agent", "cordon", pk, "qa", "--reason", "R")
        assert json.loads(tell(omar, *said)[1])["cordoned"] is True

    def test_one_that_is_not_there_or_is_there_twice(self, tell, bank, omar):
        code, _, err = tell(omar, "agent", "cordon", "eu-1", "qa", "--reason", "R")
        assert (code, "qa has no agent eu-1. There: qa-1." in err) == (2, True)
        bank.agent("qa-1", "qa", "dark")
        code, _, err = tell(omar, "agent", "cordon", "qa-1", "qa", "--reason", "R")
        assert (code, f"{bank.rigs[1].agent.pk} (dark)" in err) == (2, True)

    def test_what_the_service_refuses_is_said_and_ends_with_1(self, tell, bank, asha, omar):
        code, _, err = tell(asha, "agent", "cordon", "qa-1", "qa", "--reason", "R")
        assert (code, err.partition(":")[0]) == (1, "forbidden")
        code, _, err = tell(omar, "agent", "decommission", "qa-1", "qa", "--reason", "R")
        assert (code, err.partition(":")[0]) == (1, "still_here")


class TestFindings:
    def test_recorded_listed_and_closed_by_another(self, tell, bank, asha, bram, cleo):
        more = ("--owner", "asha", "--due", DUE, "--text", "Seen in May.")
        code, out, err = tell(bram, *RECORD, *more)
        assert (code, err) == (0, "")
        made = Finding.objects.get()
        lines = out.splitlines()
        assert lines[0] == f"{made.pk}  high  open"
        assert lines[1:3] == ["  score 2: Drifts for the young", "    Seen in May."]
        assert lines[3].startswith(f"  for asha by {DUE}  recorded by bram at ")
        assert tell(cleo, "finding", "list", "--model", "score", "--version", "2")[1] == out
        assert tell(asha, "finding", "list", "--owner", "me", "--severity", "high")[1] == out
        assert tell(bram, "finding", "list", "--owner", "me")[1] == "No such finding.\n"
        assert tell(bram, "finding", "list", "--state", "overdue")[1] == "No such finding.\n"

        how = ("finding", "close", str(made.pk), "--resolution", "retrained", "--evidence", "PR 7")
        code, _, err = tell(bram, *how)
        assert (code, err.partition(":")[0]) == (1, "four_eyes")
        code, out, err = tell(cleo, *how)
        assert (code, err) == (0, "")
        assert f"{made.pk}  high  closed" in out
        assert out.endswith("    retrained\n    PR 7\n")
        assert tell(cleo, "finding", "list", "--state", "all")[1] == out
        assert tell(cleo, "finding", "list")[1] == "No such finding.\n"

    def test_problems_are_listed_by_their_path(self, tell, bank, bram):
        code, _, err = tell(bram, *RECORD, "--owner", "asha", "--due", "soon")
        assert (code, "\n  due: " in err) == (1, True)
        assert not Finding.objects.exists()

    def test_as_a_document(self, tell, bank, asha, bram):
        made = json.loads(tell(bram, "--json", *RECORD, "--owner", "asha", "--due", DUE)[1])
        listed = json.loads(tell(bram, "--json", "finding", "list")[1])
        assert (listed["items"], listed["is_cut"]) == ([made], False)


@pytest.mark.parametrize(
    "words",
    [
        ("finding", "list", "--version", "2"),
        ("finding", "list", "--state", "gone"),
        ("finding", "record", "score", "2", "T", "--severity", "awful"),
        ("finding", "close", "x"),
        ("incident", "open", "qa", "T"),
        ("incident", "list", "--state", "overdue"),
        ("spare", "name", "score", "0", "qa", "--reason", "R"),
        ("spare", "nonsense"),
    ],
)
def test_wrong_usage_has_its_own_code(tell, omar, words):
    code, out, err = tell(omar, *words)
    assert (code, out) == (2, "")
    assert err.startswith("Usage: ")


def test_severities_are_those_of_the_service():
    assert [*findings.Severity] == Finding.Severity.values
    assert [*incidents.Severity] == Incident.Severity.values


def test_a_long_list_says_that_it_is_cut(capsys):
    rows = [{"n": n} for n in range(output.MOST + 1)]
    output.show_items(rows, lambda row: [str(row["n"])], none="None.", as_json=False)
    assert capsys.readouterr().out.splitlines()[-1] == "These are the first 500; there are more."
