"""Gates: facts in, verdict out."""

import pytest

from promotion import gates
from promotion.gates.facts import Facts
from promotion.policies import Policy

STRICT = Policy(through=["qa"], dark_first=True, minimum_pairs=100)
GOOD = {
    "inspection": "ready",
    "answering_in": {"qa": 1},
    "deployment_state": "dark",
    "champion": 1,
    "pairs": 150,
}


def outcomes(policy=STRICT, kind="promote", **changes):
    results = gates.judge(kind, Facts(**{**GOOD, **changes}), policy)
    return {result.gate: result.outcome for result in results}


def test_all_pass_when_everything_is_as_it_should_be():
    assert set(outcomes().values()) == {"passed"}


@pytest.mark.parametrize(
    ("changes", "gate", "outcome"),
    [
        ({"inspection": "inspecting"}, "inspected", "inconclusive"),
        ({"inspection": "rejected"}, "inspected", "failed"),
        ({"answering_in": {}}, "lower_environment", "failed"),
        ({"answering_in": {"other": 3}}, "lower_environment", "failed"),
        ({"deployment_state": "trained"}, "dark_first", "failed"),
        ({"pairs": 99}, "dark_pairs", "inconclusive"),
        ({"errors": 1}, "dark_pairs", "failed"),
        ({"champion": None}, "dark_pairs", "not_applicable"),
    ],
)
def test_each_gate_stands_for_itself(changes, gate, outcome):
    found = outcomes(**changes)

    assert found.pop(gate) == outcome
    assert set(found.values()) == {"passed"}


def test_what_the_policy_does_not_ask_for_does_not_apply():
    found = outcomes(Policy(), deployment_state="trained", answering_in={}, pairs=0)

    assert found == {
        "inspected": "passed",
        "lower_environment": "not_applicable",
        "dark_first": "not_applicable",
        "dark_pairs": "not_applicable",
    }


def test_every_refusal_names_its_remedy():
    facts = Facts(inspection="rejected", inspection_reasons=("not_onnx",), champion=1)
    for result in gates.judge("promote", facts, STRICT):
        assert not result.passes()
        assert result.remedy
        assert result.as_document()["facts"] == dict(result.facts)


def test_only_passed_and_not_applicable_promote():
    facts = Facts(inspection="inspecting")
    assert [r.passes() for r in gates.judge("deploy_dark", facts, Policy())] == [False, True]
