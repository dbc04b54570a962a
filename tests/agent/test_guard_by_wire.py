"""The guard as callers, Prometheus and the control plane see it."""

import re
from typing import Any

import httpx
import pytest

from .conftest import StartAgent
from .control_plane import ControlPlane, model
from .process import AgentProcess
from .protocol import call, infer
from .versions import Version, expected, golden, network, pack, rows

PIPELINE = "ab" * 32
FEATURES = [
    {"name": "limit", "min": -9, "max": 9, "guard": "refuse"},
    {"name": "age", "min": 0, "max": 9, "guard": "clip"},
    {"name": "paid", "min": 0, "max": 9},
    {"name": "kind", "categories": [0, 1], "guard": "pass"},
]


def guarded(number: int = 1) -> Version:
    raw = network(number)
    inputs = [{"name": "X", "datatype": "FP32", "shape": [-1, 4], "features": FEATURES}]
    return pack("credit", number, raw, golden(raw), inputs=inputs, pipeline_digest=PIPELINE)


@pytest.fixture
def agent(plane: ControlPlane, start_agent: StartAgent) -> AgentProcess:
    version = guarded()
    plane.publish(model(champion=version), versions=[version])
    agent = start_agent()
    plane.wait_champion(version)
    return agent


def counted(agent: AgentProcess, name: str) -> dict[str, float]:
    lines = [line for line in agent.http.get("/metrics").text.splitlines() if line.startswith(name)]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_values_outside_are_refused_clipped_or_counted(
    plane: ControlPlane, agent: AgentProcess
) -> None:
    refused = infer(agent, call(shape=[2, 4], data=[1, 1, 1, 1, 10, 1, 1, 1]))
    assert refused.status_code == 400
    assert refused.json() == {"error": "'X': feature 'limit' in row 1 is above its range (10.0)"}

    clipped = infer(agent, call(data=[1, -5, 1, 1])).json()
    assert clipped["parameters"]["clipped"] == 1
    within = infer(agent, call(data=[1, 0, 1, 1])).json()
    assert "clipped" not in within["parameters"]
    assert clipped["outputs"] == within["outputs"]

    passed = infer(agent, call(data=[1, 1, -4, 7]))
    assert passed.status_code == 200
    series = counted(agent, "lockgate_agent_odd_values_total")
    of = [dict(re.findall(r'(\w+)="([^"]*)"', name)) for name in series]
    about = {
        (one["input"], one["feature"], one["kind"], one["did"]): count
        for one, count in zip(of, series.values(), strict=True)
    }
    assert about == {
        ("X", "limit", "above", "refused"): 1,
        ("X", "age", "below", "clipped"): 1,
        ("X", "paid", "below", "passed"): 1,
        ("X", "kind", "category", "passed"): 1,
    }
    sums = {"refused": 1, "clipped": 1, "passed": 2, "other_pipelines": 0}
    plane.wait_report(lambda r: bool(r["models"]) and r["models"][0]["guard"] == sums)


def test_what_a_version_was_trained_on_is_counted_nowhere(agent: AgentProcess) -> None:
    assert infer(agent, call(data=[1, 1, 1, 1])).status_code == 200

    assert counted(agent, "lockgate_agent_odd_values_total") == {}


def ask(agent: AgentProcess, *, header: str | None = None, **parameters: Any) -> httpx.Response:
    body = {**call(data=[1, 1, 1, 1]), **({"parameters": parameters} if parameters else {})}
    headers = {"Lockgate-Pipeline-Digest": header} if header is not None else {}
    return agent.http.post("/v2/models/credit/infer", json=body, headers=headers)


def test_features_of_another_pipeline_are_refused(plane: ControlPlane, agent: AgentProcess) -> None:
    assert ask(agent, header=PIPELINE).status_code == 200
    assert ask(agent, pipeline_digest=PIPELINE).status_code == 200

    for refused in (ask(agent, header="cd" * 32), ask(agent, pipeline_digest="cd" * 32)):
        assert refused.status_code == 409
        assert PIPELINE in refused.json()["error"]
    for wrong in ("", "abc", "AB" * 32, "ab" * 33):
        assert ask(agent, header=wrong).status_code == 400
        assert ask(agent, pipeline_digest=wrong).status_code == 400
    assert ask(agent, pipeline_digest=7).status_code == 400

    assert set(counted(agent, "lockgate_agent_other_pipeline_total").values()) == {2}
    plane.wait_report(
        lambda r: (
            bool(r["models"] and r["models"][0]["guard"])
            and r["models"][0]["guard"]["other_pipelines"] == 2
        )
    )


def test_a_clipped_caller_s_answer_is_the_model_s_for_what_was_clipped(
    agent: AgentProcess,
) -> None:
    inputs = rows(4)
    sent = inputs.copy()
    inputs[0, 1], sent[0, 1] = 9, 400

    found = agent.infer(sent).json()["outputs"][0]["data"]

    assert found == pytest.approx(expected(guarded(), inputs)[0].tolist(), abs=1e-6)
