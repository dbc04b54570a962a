"""Taking away with real agents: a model that is stopped, an agent that is frozen and evicted."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.agent import versions
from tests.system.conftest import PASSWORD, System, answer, answering, wait
from tests.system.test_static_stability import Outside

pytestmark = pytest.mark.timeout(180)


def post(system: System, path: str, **body: object) -> dict[str, Any]:
    done = system.call("omar", "POST", path, json={"reason": "a test", **body})
    assert done.status_code in {200, 201}, done.text
    document: dict[str, Any] = done.json()
    return document


@pytest.fixture
def browser(system: System) -> Iterator[httpx.Client]:
    """Omar the operator, signed in."""
    with httpx.Client(base_url=system.url, timeout=30, trust_env=False) as http:
        page = http.get("/sign-in/")
        form = {"username": "omar", "password": PASSWORD, "csrfmiddlewaretoken": token(page)}
        assert http.post("/sign-in/", data=form).status_code == 302
        yield http


def token(page: httpx.Response) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


@pytest.fixture
def outside(system: System, tmp_path: Path) -> Iterator[Outside]:
    """An agent of prod-eu that can be frozen, and is struck off in the end."""
    agent = Outside(system, tmp_path / "outside")
    agent.start()
    wait(lambda: agent.url and "outside" in names(system), seconds=30, what="the agent to be known")
    yield agent
    agent.stop()
    for path in ("evict", "decommission"):
        system.call("omar", "POST", f"agents/{agent_id(system)}/{path}", json={"reason": "gone"})


def agents(system: System) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = system.call("ada", "GET", "environments/prod-eu/state").json()[
        "agents"
    ]
    return found


def names(system: System) -> set[str]:
    return {one["agent"] for one in agents(system) if one["heard"]}


def agent_id(system: System) -> str:
    return next((one["id"] for one in agents(system) if one["agent"] == "outside"), "")


def test_callers_of_a_stopped_model_are_told_so_by_every_agent(system: System) -> None:
    number = system.promote(versions.make("stopping", 1))
    urls = [system.agent_url(name) for name in ("eu-1", "eu-2")]
    assert [answering(url, "stopping") for url in urls] == [str(number)] * 2

    stopped = post(system, "environments/prod-eu/models/stopping/stop")
    took = wait(
        lambda: [answer(url, "stopping").status_code for url in urls] == [503, 503],
        seconds=20,
        what="both agents to stop",
    )
    assert all("error" in answer(url, "stopping").json() for url in urls)
    wait(
        lambda: system.promotion(stopped)["state"] == "done", seconds=20, what="the stop to be done"
    )
    post(system, "environments/prod-eu/models/stopping/rollback")
    wait(
        lambda: [answering(url, "stopping") for url in urls] == [str(number)] * 2,
        seconds=20,
        what="the rollback that undoes it",
    )
    print(f"503 on both agents {took:.2f} s after the stop")


def test_a_frozen_agent_is_named_and_taken_out_by_one_click(
    system: System, outside: Outside, browser: httpx.Client
) -> None:
    system.promote(versions.make("taken-out", 1))
    number = system.register(versions.make("taken-out", 2))
    assert answering(outside.url, "taken-out") == "1"

    assert outside.process
    os.kill(outside.process.pid, signal.SIGSTOP)
    request = system.ask("taken-out", number)
    system.sign(request)
    named = "agent outside is silent. What it serves is unknown."
    took = wait(
        lambda: named in browser.get("/abnormal/").text, seconds=30, what="the red bar to name it"
    )
    assert system.promotion(request)["state"] == "executing", "the rollout waits for it"

    bar, path = browser.get("/abnormal/").text, f"/fleet/{agent_id(system)}/evict/"
    assert path in bar
    form = {"reason": named, "csrfmiddlewaretoken": token(browser.get("/fleet/"))}
    assert browser.post(path, data=form).status_code == 302
    waited = wait(
        lambda: system.promotion(request)["state"] == "done", seconds=30, what="the rollout"
    )
    assert "agent outside was evicted" in browser.get("/abnormal/").text

    os.kill(outside.process.pid, signal.SIGCONT)
    assert answering(outside.url, "taken-out") == "1", "it serves on, and is told nothing more"
    assert "outside" not in names(system)
    post(system, f"agents/{agent_id(system)}/decommission")
    assert "outside" not in browser.get("/abnormal/").text
    print(f"named after {took:.1f} s; the rollout was done {waited:.1f} s after the click")
