"""Who answers while a candidate stands beside the champion: the table, and real agents."""

from typing import Any

import httpx
import pytest

from serving_agent.documents import Switch
from serving_agent.routing import Caller, Rule, place

from .conftest import StartAgent
from .control_plane import ControlPlane, model
from .process import AgentProcess
from .test_mirror import table
from .versions import Version, make, rows, tensor

ANY = Caller("k")


@pytest.mark.parametrize(
    ("switch", "caller", "chosen", "admitted"),
    [
        ({"to": "all"}, ANY, False, True),
        ({"agents": ["a1", "a2"]}, ANY, True, True),
        ({"agents": ["a2"]}, ANY, False, True),
        ({"agents": []}, ANY, False, True),
        ({"weight": 0.0, "salt": "s"}, ANY, False, True),
        ({"weight": 1.0, "salt": "s"}, ANY, True, True),
        ({"group": "pilot"}, ANY, False, False),
        ({"group": "pilot"}, Caller("k", "pilot"), True, True),
        ({"group": "pilot"}, Caller("k", "other"), False, False),
        ({"weight": 0.0, "salt": "s"}, Caller("k", "pilot"), False, True),
    ],
)
def test_one_switch_and_one_caller(
    switch: dict[str, Any], caller: Caller, chosen: object, admitted: object
) -> None:
    rule = Switch(**switch).rule("a1")

    assert (rule.chooses(caller), rule.admits(caller)) == (chosen, admitted)


@pytest.mark.parametrize("weight", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("salt", ["", "one", "another"])
def test_the_share_of_keys_is_the_weight(weight: float, salt: str) -> None:
    rule, count = Rule(share=weight, salt=salt), 20_000
    chosen = sum(rule.chooses(Caller(f"client-{n}")) for n in range(count))

    spread = (weight * (1 - weight) / count) ** 0.5
    assert abs(chosen / count - weight) < 5 * spread


def test_a_larger_weight_keeps_those_who_were_chosen() -> None:
    keys = [Caller(f"client-{n}") for n in range(5_000)]
    few = {one.key for one in keys if Rule(share=0.1, salt="s").chooses(one)}
    many = {one.key for one in keys if Rule(share=0.3, salt="s").chooses(one)}

    assert few < many


def test_another_salt_chooses_others() -> None:
    keys = [Caller(f"client-{n}") for n in range(5_000)]
    one, other = (
        {caller.key for caller in keys if Rule(share=0.2, salt=salt).chooses(caller)}
        for salt in ("one", "other")
    )

    assert 0.1 < len(one & other) / len(one) < 0.3


@pytest.mark.parametrize("key", ["", "x" * 1024, "\ud800", "\0", "ключ"])
def test_every_key_has_a_place(key: str) -> None:
    assert 0 <= place("salt", key) < 1


@pytest.fixture
def two(plane: ControlPlane, start_agent: StartAgent) -> tuple[AgentProcess, Version, Version]:
    """An agent on which version 1 answers and version 2 is loaded."""
    old, new = make(number=1), make(number=2)
    plane.publish(model(champion=old, load=[new]), versions=[old, new])
    agent = start_agent()
    plane.wait_champion(old)
    plane.wait_report(
        lambda r: any(m["digest"] == new.digest and m["phase"] == "ready" for m in r["models"])
    )
    return agent, old, new


def stage(plane: ControlPlane, pair: tuple[AgentProcess, Version, Version], **switch: Any) -> None:
    """Publish a stage of a rollout, and wait until the agent follows it."""
    _, old, new = pair
    (feature,) = {"agents", "weight", "group"} & set(switch)
    document = {**model(champion=old, candidate=new), "switch": switch}
    plane.publish(document, requires=[f"switch.{feature}"])
    plane.wait_report(
        lambda r: (
            r["observed_generation"] == plane.generation
            and any((m["digest"], m["role"]) == (new.digest, "candidate") for m in r["models"])
        )
    )


def version_of(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    answer: str = response.json()["model_version"]
    assert response.headers["lockgate-version"] == answer
    return answer


def test_a_share_of_keys_sticks_to_the_candidate(
    plane: ControlPlane, two: tuple[AgentProcess, Version, Version]
) -> None:
    agent = two[0]
    stage(plane, two, weight=0.25, salt="r1", key="customer")

    def asked() -> dict[str, str]:
        return {
            f"c{n}": version_of(agent.infer(rows(n), parameters={"customer": f"c{n}"}))
            for n in range(400)
        }

    first = asked()
    candidates = sum(version == "2" for version in first.values())
    assert 0.25 * 400 * 0.6 < candidates < 0.25 * 400 * 1.4
    assert asked() == first
    expected = {key: place("r1", key) < 0.25 for key in first}
    assert {key: version == "2" for key, version in first.items()} == expected


def test_without_a_key_the_transaction_decides(
    plane: ControlPlane, two: tuple[AgentProcess, Version, Version]
) -> None:
    agent = two[0]
    stage(plane, two, weight=0.5, salt="r2")

    chosen, positive = {}, 0
    for n in range(40):
        response = agent.infer(rows(n), id=f"t{n}")
        chosen[f"t{n}"] = version_of(response)
        assert chosen[f"t{n}"] == ("2" if place("r2", f"t{n}") < 0.5 else "1")
        positive += response.json()["outputs"][0]["data"][1] >= 0.5

    def scores(report: dict[str, Any]) -> list[int]:
        found = [one["scores"] or {"count": 0, "positive": 0} for one in report["models"]]
        return [sum(one[name] for one in found) for name in ("count", "positive")]

    plane.wait_report(lambda r: scores(r) == [40, positive])
    assert agent.terminate() == 0
    told = {row["transaction_id"]: row for row in table(plane, "decision")}
    assert {key: str(row["version"]) for key, row in told.items()} == chosen
    digests = {row["version"]: row["digest"] for row in told.values()}
    assert digests == {1: two[1].digest, 2: two[2].digest}


def test_only_named_callers_reach_a_pilot(
    plane: ControlPlane, two: tuple[AgentProcess, Version, Version]
) -> None:
    agent = two[0]
    stage(plane, two, group="pilot")

    assert version_of(agent.infer(rows(1))) == "1"
    assert version_of(agent.infer(rows(1), parameters={"group": "other"})) == "1"
    assert version_of(agent.infer(rows(1), parameters={"group": "pilot"})) == "2"
    named = agent.http.post(
        "/v2/models/credit/infer",
        json={"inputs": [tensor("X", rows(1))]},
        headers={"Lockgate-Group": "pilot"},
    )
    assert version_of(named) == "2"
    refused = agent.infer(rows(1), version=2)
    assert refused.status_code == 404, "by its number it is for the pilot's callers too"
    assert "not for you" in refused.json()["error"]
    assert version_of(agent.infer(rows(1), version=2, parameters={"group": "pilot"})) == "2"


def test_a_stage_of_agents_is_for_those_it_names(
    plane: ControlPlane, two: tuple[AgentProcess, Version, Version]
) -> None:
    agent, old, new = two
    stage(plane, two, agents=["a1"])
    assert version_of(agent.infer(rows(1))) == "2"
    stage(plane, two, agents=["a9"])
    assert version_of(agent.infer(rows(1))) == "1"
    plane.publish(model(champion=new, bake=old))
    plane.wait_champion(new)
    assert version_of(agent.infer(rows(1))) == "2"


def test_a_key_that_is_none_is_refused(
    plane: ControlPlane, two: tuple[AgentProcess, Version, Version]
) -> None:
    stage(plane, two, weight=0.5, salt="r3")
    for key in (True, 1.5, ["a"], {"a": 1}, "x" * 1025):
        response = two[0].infer(rows(1), parameters={"routing_key": key})

        assert response.status_code == 400
        assert "routing_key" in response.json()["error"]


def test_a_switch_it_cannot_follow_is_refused(
    plane: ControlPlane, two: tuple[AgentProcess, Version, Version]
) -> None:
    agent, old, new = two
    candidate = model(champion=old, candidate=new)
    mistakes: list[dict[str, Any]] = [
        {},
        {"to": "all", "group": "g"},
        {"weight": 1.5},
        {"agents": "a1"},
        {"to": "some"},
    ]
    for switch in mistakes:
        plane.publish({**candidate, "switch": switch})
        plane.wait_report(
            lambda r: (
                (r["refused"] or {}).get("generation") == plane.generation
                and r["refused"]["reason"] == "INVALID"
            )
        )
    plane.publish({**candidate, "switch": {"moon": "full"}}, requires=["switch.moon"])
    plane.wait_report(lambda r: (r["refused"] or {}).get("reason") == "UNSUPPORTED")

    assert version_of(agent.infer(rows(1))) == "1"
