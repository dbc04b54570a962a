"""Stages with real agents: who reaches a candidate, that it sticks, and that an abort returns."""

import threading
from collections.abc import Iterator
from typing import Any, Self

import httpx
import pytest

from tests.agent import versions
from tests.system.conftest import System, answering, wait

pytestmark = pytest.mark.timeout(240)
MODEL = "staged"
AGENTS = ("eu-1", "eu-2")
BEFORE = {"approvals": 1, "bake_seconds": 1.0, "load_seconds": 60.0}
STAGES = [{"group": "pilot", "seconds": 5.0}, {"weight": 0.25, "seconds": 600.0}, "all"]


def put_policy(system: System, **more: object) -> None:
    document = {
        "kind": "production",
        "targets": {"live": {"mirror_fraction": 0.5}, "dark": {}},
        "policy": {**BEFORE, **more},
    }
    put = system.call("ada", "PUT", "environments/prod-eu", json=document)
    assert put.status_code == 200, put.text


@pytest.fixture
def staged(system: System) -> Iterator[System]:
    """The system under a policy with a pilot and a canary stage."""
    put_policy(system, stages=STAGES)
    yield system
    put_policy(system)


class Callers:
    """One caller per agent that never stops asking; each answer that is not one is kept."""

    def __init__(self, urls: list[str]) -> None:
        self.answers, self.failures = 0, list[str]()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=[url]) for url in urls]

    def _ask(self, url: str) -> None:
        with httpx.Client(base_url=url, timeout=10, trust_env=False) as http:
            while not self._stop.wait(0.02):
                try:
                    version_of(http, key=str(self.answers))
                    self.answers += 1
                except (AssertionError, httpx.HTTPError) as problem:
                    self.failures.append(repr(problem))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def version_of(http: httpx.Client, *, key: str, **parameters: str) -> str:
    row = [float(x) for x in versions.rows(1)[0]]
    tensor = {"name": "X", "datatype": "FP32", "shape": [1, versions.FEATURES], "data": row}
    body = {"inputs": [tensor], "parameters": {"routing_key": key, **parameters}}
    response = http.post(f"/v2/models/{MODEL}/infer", json=body)
    assert response.status_code == 200, response.text
    answer: str = response.json()["model_version"]
    assert response.headers["lockgate-version"] == answer
    return answer


def rollout(system: System, request: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(iter(system.promotion(request)["rollouts"]), {})
    return found


def is_confirmed(system: System, request: dict[str, Any], stage: int) -> bool:
    """Whether both agents follow this stage."""
    found = rollout(system, request)
    steps = [one for one in found.get("agents", []) if one["step"] == f"stage-{stage}"]
    done = [one for one in steps if one["done_at"]]
    return (found.get("step"), found.get("stage"), len(done)) == ("stage", stage, len(AGENTS))


def steer(system: System, request: dict[str, Any], verb: str) -> dict[str, Any]:
    path = f"rollouts/{rollout(system, request)['id']}/{verb}"
    answer = system.call("omar", "POST", path, json={"reason": "a test"})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_a_pilot_then_a_sticky_share_then_an_abort_and_no_request_fails(staged: System) -> None:
    urls = [staged.agent_url(name) for name in AGENTS]
    staged.promote(versions.make(MODEL, 1))
    number = staged.register(versions.make(MODEL, 2))
    keys = [f"customer-{n}" for n in range(300)]

    with Callers(urls) as callers:
        request = staged.ask(MODEL, number)
        staged.sign(request)
        wait(lambda: rollout(staged, request).get("step") == "stage", seconds=60, what="stage 1")
        steer(staged, request, "pause")
        wait(lambda: is_confirmed(staged, request, 1), seconds=30, what="both agents")
        asked = [httpx.Client(base_url=url, timeout=10, trust_env=False) for url in urls]
        for http in asked:
            assert {version_of(http, key=key) for key in keys[:30]} == {"1"}
            assert version_of(http, key="any", group="other") == "1"
            assert version_of(http, key="any", group="pilot") == "2"

        steer(staged, request, "resume")
        wait(lambda: is_confirmed(staged, request, 2), seconds=40, what="stage 2")
        first = {key: version_of(asked[0], key=key) for key in keys}
        share = sum(version == "2" for version in first.values()) / len(keys)
        assert 0.12 < share < 0.40
        for http in asked:
            assert {key: version_of(http, key=key) for key in keys} == first, "it sticks"

        ended = steer(staged, request, "abort")
        assert (ended["state"], ended["detail"]) == ("failed", "aborted by omar: a test")
        wait(
            lambda: all(version_of(http, key=key) == "1" for http in asked for key in keys[:40]),
            seconds=20,
            what="the champion to answer everybody",
        )
        for http in asked:
            http.close()

    state = staged.call("ada", "GET", "environments/prod-eu/state").json()
    decided = next(one for one in state["models"] if one["model"] == MODEL)["decided"]
    assert [(one["version"], one["state"]) for one in decided] == [(1, "production")]
    assert [answering(url, MODEL) for url in urls] == ["1", "1"]
    assert callers.failures == []
    assert callers.answers > 200, "too little load to prove anything"
    print(f"{callers.answers} answers, none failed; canary share {share:.3f} of 0.25")
