"""``lockgate promote --through``: environment after environment, and on after a kill."""

import json
import os
import signal
from collections.abc import Callable, Iterator

import pytest

from lockgate.client import Client
from lockgate.walk import Step, progress_of, steps_of
from promotion.models import Request
from promotion.services import environments
from tests.lockgate import walking
from tests.lockgate.walking import PASSWORD, PROD, SET_UP, Terminal, beside, obeying, signing

NOWHERE = ("--url", "http://127.0.0.1:9", "--token", "none")
THROUGH = ("promote", "credit-default", "1", "--through", "qa,prod-eu", "--reason", "A test")


@pytest.fixture
def world(transactional_db) -> walking.World:
    return walking.made()


@pytest.fixture
def environ(live_server, make_person, bearer) -> Callable[..., dict[str, str]]:
    def of(name: str, *roles: str) -> dict[str, str]:
        token = bearer(make_person(name, *roles, password=PASSWORD).actor)
        return {"LOCKGATE_URL": live_server.url, "LOCKGATE_TOKEN": token}

    return of


@pytest.fixture
def asha(world, environ, lockgate, monkeypatch) -> Callable[..., tuple[int, str, str]]:
    """The command line of somebody who submits."""
    for name, value in environ("asha", "submitter").items():
        monkeypatch.setenv(name, value)
    return lockgate


@pytest.fixture
def bram(environ) -> Iterator[Client]:
    """Somebody who approves."""
    found = environ("bram", "approver")
    with Client(found["LOCKGATE_URL"], found["LOCKGATE_TOKEN"]) as client:
        yield client


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("qa", [Step("qa", "production")]),
        (" qa , prod-eu ", [Step("qa", "production"), Step("prod-eu", "production")]),
        ("prod-eu:dark,prod-eu", [Step("prod-eu", "dark"), Step("prod-eu", "production")]),
    ],
)
def test_environments_are_read(text, steps):
    assert steps_of(text, to="production") == steps


ROLLOUT = {
    "step": "load",
    "stage": 0,
    "switch": None,
    "paused_at": None,
    "halted_at": None,
    "ended_at": None,
    "detail": "",
    "agents": [],
}
STEP = {"agent": "eu-1", "step": "load", "done_at": None, "failed_at": None, "reason": ""}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "load"),
        ({"agents": [STEP]}, "load: eu-1 asked"),
        ({"agents": [{**STEP, "done_at": "now"}]}, "load: eu-1 done"),
        (
            {"agents": [{**STEP, "failed_at": "now", "reason": "LOAD_FAILED"}]},
            "load: eu-1 refused (LOAD_FAILED)",
        ),
        ({"step": "stage", "stage": 1, "switch": {"agents": ["eu-1"]}}, "stage 1"),
        (
            {"step": "stage", "stage": 2, "switch": {"weight": 0.05}},
            "stage 2, 5.0% of the calls",
        ),
        ({"step": "bake", "paused_at": "now"}, "bake, paused by an operator"),
        (
            {"step": "stage", "stage": 1, "halted_at": "now", "detail": "too few answers"},
            "stage 1, halted: it asks for an operator (too few answers)",
        ),
    ],
)
def test_progress_is_a_line(changes, says):
    request = {"state": "executing", "rollouts": [{**ROLLOUT, **changes}]}
    assert progress_of(request) == says


@pytest.mark.parametrize("text", ["", " , ", "qa,qa", "qa,qa:production", "qa:moon", ":dark"])
def test_what_names_no_environments_is_wrong_usage(lockgate, text):
    code, _, err = lockgate(*NOWHERE, *THROUGH[:4], text or ",", "--reason", "R")
    assert code == 2
    assert "names" in err


@pytest.mark.parametrize("more", [["qa"], ["--dry-run"]])
def test_several_ways_to_say_where_are_wrong_usage(lockgate, more):
    assert lockgate(*NOWHERE, *THROUGH, *more)[0] == 2


def test_a_version_walks_from_environment_to_environment(asha, bram, world):
    with beside(obeying(world)), beside(signing(bram)):
        code, out, err = asha(*THROUGH, "--wait", "--timeout", "60")

    assert code == 0, err
    states = Request.objects.order_by("created_at").values_list("environment__slug", "state")
    assert list(states) == [("qa", "done"), ("prod-eu", "done")]
    assert out.count("live, confirmed") == 2
    told = err.splitlines()
    assert told.index("qa: live, confirmed") < next(
        place for place, line in enumerate(told) if line.startswith("prod-eu: asked for, http")
    )
    assert len(told) == len(set(told)), "a line that says nothing new"

    code, out, err = asha("--json", *THROUGH, "--wait")
    assert (code, json.loads(out)["done"]) == (0, True)
    assert Request.objects.count() == 2


def test_it_asks_for_one_step_when_nobody_waits(asha, world):
    code, out, _ = asha("--json", *THROUGH)

    document = json.loads(out)
    assert code == 0
    assert [step["state"] for step in document["steps"]] == ["executing", None]
    assert [step["reached"] for step in document["steps"]] == [False, False]
    assert asha(*THROUGH)[0] == 0
    assert Request.objects.count() == 1


def test_a_walk_that_waited_too_long_goes_on_when_begun_again(asha, bram, world):
    with beside(obeying(world)):
        assert asha(*THROUGH[:4], "qa", "--reason", "R", "--wait")[0] == 0
        code, out, err = asha(*THROUGH, "--wait", "--timeout", "1")
        assert code == 4, err
        assert "prod-eu: waiting for approval, 0 of 1" in err
        assert "prod-eu (production)  open" in out

        with beside(signing(bram)):
            code, out, err = asha(*THROUGH, "--wait", "--timeout", "60")
    assert code == 0, err
    assert ": asked for, " not in err
    assert Request.objects.count() == 2


def test_a_walk_says_that_a_risk_officer_is_waited_for(asha, world):
    approvals = {"count": 1, "with_risk_of": 1}
    policy = {**PROD["policy"], "approvals": approvals}
    environments.apply(slug="prod-eu", document={**PROD, "policy": policy}, actor=SET_UP)
    with beside(obeying(world)):
        code, _, err = asha(*THROUGH, "--wait", "--timeout", "5")
    assert code == 4, err
    assert "prod-eu: waiting for approval, 0 of 1; still 1 approval by a risk officer" in err


def test_a_walk_that_was_killed_goes_on_when_begun_again(asha, bram, world, environ):
    run = environ("mona", "submitter")
    with beside(obeying(world)):
        killed = Terminal(*THROUGH, "--wait", environ=run)
        killed.until("prod-eu: waiting for approval")
        os.kill(killed.process.pid, signal.SIGKILL)
        assert killed.end() == -signal.SIGKILL
        with beside(signing(bram)):
            code, _, err = asha(*THROUGH, "--wait", "--timeout", "60")
    assert code == 0, err
    assert Request.objects.count() == 2


def test_who_stops_waiting_stops_nothing(asha, world, environ):
    waiting = Terminal(*THROUGH, "--wait", environ=environ("mona", "submitter"))
    waiting.until("qa: ")
    os.kill(waiting.process.pid, signal.SIGINT)
    assert waiting.end() == 130
    assert "Traceback" not in waiting.written
    assert Request.objects.get().state == "executing"


def test_gates_that_refuse_are_shown_with_their_remedies(asha, world):
    policy = {**PROD["policy"], "dark_first": True}
    environments.apply(slug="prod-eu", document={**PROD, "policy": policy}, actor=SET_UP)
    with beside(obeying(world)):
        code, out, err = asha("--json", *THROUGH, "--wait", "--timeout", "60")

    assert code == 1
    assert "gates_not_passed" in err
    assert "  dark_first  failed  " in err
    assert "Ask for a dark deployment first." in err
    assert [step["reached"] for step in json.loads(out)["steps"]] == [True, False]

    world.agent("eu-dark", tier="dark")
    through = ("--through", "qa,prod-eu:dark", "--reason", "As the gate says")
    with beside(obeying(world)):
        code, out, _ = asha("promote", "credit-default", "1", *through, "--wait")
    assert code == 0
    assert "prod-eu (dark)  dark" in out


def test_a_rejected_request_ends_the_walk(asha, bram, world):
    with beside(obeying(world)), beside(signing(bram, "reject")):
        code, _, err = asha(*THROUGH, "--wait", "--timeout", "60")
    assert code == 1
    assert "prod-eu: the request is rejected" in err


def test_a_version_that_was_replaced_is_not_waited_for(asha, world):
    with beside(obeying(world)):
        assert asha(*THROUGH[:4], "qa", "--reason", "R", "--wait")[0] == 0
        world.version(authors=("mia",))
        newer = ("promote", "credit-default", "2", "--through", "qa", "--reason", "R", "--wait")
        assert asha(*newer)[0] == 0
        code, _, err = asha(*THROUGH, "--wait", "--timeout", "30")
    assert code == 1
    assert "illegal_transition" in err


def test_one_environment_is_walked_to_as_well(asha, bram, world):
    promote = ("promote", "credit-default", "1", "qa", "--reason", "R")
    assert asha(*promote)[0] == 0
    with beside(obeying(world)):
        code, out, err = asha("--json", *promote, "--wait")
    assert code == 0, err
    assert json.loads(out)["state"] == "done"
    assert Request.objects.count() == 1


def test_what_is_done_already_is_shown_and_not_asked_for_again(asha, bram, world):
    """Whoever types the last command of the README is slower than an agent's load."""
    promote = ("promote", "credit-default", "1", "qa", "--reason", "R")
    with beside(obeying(world)):
        assert asha(*promote, "--wait")[0] == 0
    for more in ([], ["--wait"]):
        code, out, err = asha("--json", *promote, *more)
        assert code == 0, err
        assert json.loads(out)["state"] == "done"
    assert Request.objects.count() == 1


def test_what_was_replaced_since_is_not_told_to_be_done(asha, bram, world):
    promote = ("promote", "credit-default", "1", "qa", "--reason", "R")
    with beside(obeying(world)):
        assert asha(*promote, "--wait")[0] == 0
        world.version(authors=("mia",))
        newer = ("promote", "credit-default", "2", "qa", "--reason", "R", "--wait")
        assert asha(*newer)[0] == 0
    code, _, err = asha(*promote)
    assert (code, "illegal_transition" in err) == (1, True)


def test_a_former_champion_is_brought_back_and_stopped(asha, world, environ, lockgate, monkeypatch):
    world.version(authors=("mia",))
    with beside(obeying(world)):
        for number in ("1", "2"):
            promote = ("promote", "credit-default", number, "qa", "--reason", "R", "--wait")
            assert asha(*promote)[0] == 0
        for name, value in environ("omar", "operator").items():
            monkeypatch.setenv(name, value)
        rollback = ("rollback", "credit-default", "qa", "--reason", "Too slow")
        assert lockgate(*rollback, "--to", "7")[0] == 1
        code, out, err = lockgate("--json", *rollback, "--wait")
        assert code == 0, err
        assert (json.loads(out)["kind"], json.loads(out)["version"]) == ("rollback", 1)

        code, out, err = lockgate("--json", "stop", *rollback[1:], "--wait")
    assert code == 0, err
    assert (json.loads(out)["kind"], json.loads(out)["state"]) == ("stop", "done")


def test_a_service_that_restarts_is_waited_for(asha, world, monkeypatch):
    from lockgate.errors import Unreachable

    promotion, calls = Client.promotion, []

    def sometimes(client, promotion_id):
        calls.append(promotion_id)
        if len(calls) == 1:
            raise Unreachable("127.0.0.1 does not answer")
        return promotion(client, promotion_id)

    monkeypatch.setattr(Client, "promotion", sometimes)
    with beside(obeying(world)):
        code, _, err = asha(*THROUGH[:4], "qa", "--reason", "R", "--wait")
    assert code == 0
    assert "127.0.0.1 does not answer\n" in err
