"""Hints save time, and can do nothing else."""

import json
import time
from itertools import pairwise

import httpx
import pytest

from .conftest import StartAgent
from .control_plane import ControlPlane, model
from .versions import make, rows

GOOD = {"action": "load", "model": "credit", "digest": "0" * 64, "generation": 1}


def test_with_polls_an_hour_apart_a_hint_loads_within_two_seconds(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    old, new = make(), make(number=2)
    plane.publish(model(champion=old), versions=[old])
    agent = start_agent(poll_seconds="3600", report_seconds="3600")
    plane.wait_champion(old)
    time.sleep(1.0)

    plane.publish(model(champion=new), versions=[new])
    started = time.monotonic()
    answer = agent.hint(2)
    plane.wait_champion(new)

    assert time.monotonic() - started < 2
    assert answer.status_code == 202
    assert answer.json() == {
        "agent_id": "agent-1",
        "observed_generation": 1,
        "accepted": True,
    }
    assert agent.infer(rows(1)).headers["lockgate-digest"] == new.digest


def test_a_storm_of_hints_is_one_fetch_a_second(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    agent = start_agent(poll_seconds="3600", report_seconds="3600")
    while not plane.fetches:
        time.sleep(0.02)
    time.sleep(1.1)
    before = len(plane.fetches)

    started = time.monotonic()
    with httpx.Client(base_url=agent.control_url, trust_env=False) as http:
        while time.monotonic() - started < 2.5:
            assert http.post("/v1/hint", json=GOOD).status_code == 202
    fetches = plane.fetches[before:]

    assert 2 <= len(fetches) <= 4
    assert fetches[0] - started < 0.5
    assert min(b - a for a, b in pairwise(fetches)) > 0.9


def hint(**changes: object) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


BAD = [
    ("POST", "/v1/hint", b"", 400),
    ("POST", "/v1/hint", b"{}", 400),
    ("POST", "/v1/hint", b"[" * 4000, 400),
    ("POST", "/v1/hint", hint(action="format"), 400),
    ("POST", "/v1/hint", hint(model=""), 400),
    ("POST", "/v1/hint", hint(digest="x"), 400),
    ("POST", "/v1/hint", hint(generation=-1), 400),
    ("POST", "/v1/hint", hint(generation="1"), 400),
    ("POST", "/v1/hint", b" " * 4097, 413),
    ("GET", "/v1/hint", b"", 405),
    ("POST", "/v2/models/credit/infer", b"{}", 404),
    ("POST", "/", b"", 404),
]


def test_bad_hints_are_refused_and_fetch_nothing(
    plane: ControlPlane, start_agent: StartAgent
) -> None:
    agent = start_agent(poll_seconds="3600", report_seconds="3600")
    while not plane.fetches:
        time.sleep(0.02)
    before = len(plane.fetches)

    with httpx.Client(base_url=agent.control_url, trust_env=False) as http:
        for method, path, body, status in BAD:
            response = http.request(method, path, content=body)
            assert response.status_code == status, (path, body[:60], response.text)
            assert set(response.json()) == {"error"}
    time.sleep(1.2)

    assert len(plane.fetches) == before


@pytest.mark.parametrize("path", ["/v2", "/metrics", "/v2/health/live"])
def test_the_control_listener_serves_nothing_else(path: str, start_agent: StartAgent) -> None:
    agent = start_agent()

    assert httpx.get(agent.control_url + path, trust_env=False).status_code == 404
