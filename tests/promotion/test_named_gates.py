"""Gates that a policy names, each with its parameters: facts in, verdict out."""

from datetime import UTC, datetime

import pytest

from promotion import gates
from promotion.compatibility import compare_inputs
from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.policy_parts import Freeze

AGENT = {
    "agent": "eu-1",
    "environment": "prod-eu",
    "phase": "ready",
    "golden_passed": 3,
    "golden_total": 3,
    "memory_bytes": 200_000_000,
    "answers": 500,
    "p50_ms": 1.0,
    "p95_ms": 5.0,
    "p99_ms": 20.0,
}
FINDING = {"title": "x", "severity": "high", "due": "", "blocks": False, "condition_of": None}
INCIDENT = {"id": "1", "title": "it drifts", "severity": "critical", "since": "2026-11-20"}
GOOD = {
    "inspection": "ready",
    "champion": 1,
    "pairs": 2_000,
    "flips": 10,
    "mean_absolute_difference": 0.01,
    "at": "2026-11-20T12:00:00+00:00",
    "ran_on": (AGENT,),
    "live_hours": {"qa": 30.0},
    "inputs_added": (),
    "inputs_removed": (),
    "inputs_narrowed": (),
    "metrics": {"auc": 0.8, "fpr": 0.04},
    "champion_metrics": {"auc": 0.79},
    "optimising_metric": "auc",
    "limits": {"fpr": 0.05},
    "attested": ("validation_report",),
    "data_until": "2026-11-01T00:00:00Z",
    "pipeline": "a" * 64,
    "champion_pipeline": "a" * 64,
    "latency_budget_ms": 30.0,
    "resident": {"eu-1": 300_000_000},
}
TIMED = {"answers": 100, "mean_ms": 2.0, "sd_ms": 1.0, "p50_ms": 2.0, "p95_ms": 4.0, "p99_ms": 9.0}
ASKED = {
    "golden": {},
    "inputs": {},
    "metrics": {"at_least": {"auc": 0.75}},
    "live_hours": {"qa": 24},
    "documentation": {},
    "attested": {},
    "data_age": {"days": 90},
    "pipeline": {},
    "dark_comparison": {"flips": 0.01, "difference": 0.05},
    "latency": {},
    "memory": {"agent_mb": 1_000},
    "no_open_incident": {"severity": "major"},
    "no_open_findings": {"severity": "high"},
}
ALL = Policy.model_validate({"gates": ASKED, "freeze": [{"weekdays": ["sun"]}]})


def outcomes(policy=ALL, kind="promote", **changes):
    results = gates.judge(kind, Facts(**{**GOOD, **changes}), policy)
    return {result.gate: result for result in results}


def test_all_pass_when_everything_is_as_it_should_be():
    found = outcomes()

    assert {*ASKED, "frozen"} <= found.keys()
    assert all(result.passes() for result in found.values())


@pytest.mark.parametrize(
    ("changes", "gate", "outcome"),
    [
        ({"incidents": (INCIDENT,)}, "no_open_incident", "failed"),
        ({"incidents": ({**INCIDENT, "severity": "minor"},)}, "no_open_incident", "passed"),
        ({"findings": (FINDING,)}, "no_open_findings", "failed"),
        ({"findings": ({**FINDING, "severity": "low"},)}, "no_open_findings", "passed"),
        ({"ran_on": ()}, "golden", "inconclusive"),
        ({"ran_on": ({**AGENT, "golden_passed": 2},)}, "golden", "failed"),
        ({"ran_on": ({**AGENT, "golden_passed": 0, "golden_total": 0},)}, "golden", "inconclusive"),
        ({"inputs_added": ("tenure",)}, "inputs", "failed"),
        ({"inputs_removed": ("age",)}, "inputs", "failed"),
        ({"inputs_narrowed": ("limit",)}, "inputs", "failed"),
        ({"inputs_added": None}, "inputs", "not_applicable"),
        ({"metrics": {"auc": 0.7, "fpr": 0.04}}, "metrics", "failed"),
        ({"metrics": {"auc": 0.8, "fpr": 0.06}}, "metrics", "failed"),
        ({"metrics": {"auc": 0.8}}, "metrics", "inconclusive"),
        ({"champion_metrics": {"auc": 0.81}}, "metrics", "failed"),
        ({"champion_metrics": {}}, "metrics", "passed"),
        ({"champion_metrics": {"auc": 0.7}, "higher_is_better": False}, "metrics", "failed"),
        ({"live_hours": {}}, "live_hours", "failed"),
        ({"live_hours": {"qa": 23.0}}, "live_hours", "inconclusive"),
        ({"undocumented": ("datasets",)}, "documentation", "failed"),
        ({"attested": ("model_card",)}, "attested", "failed"),
        ({"data_until": ""}, "data_age", "inconclusive"),
        ({"data_until": "2026-01-01"}, "data_age", "failed"),
        ({"pipeline": "b" * 64}, "pipeline", "failed"),
        ({"pipeline": ""}, "pipeline", "inconclusive"),
        ({"champion": None}, "pipeline", "not_applicable"),
        ({"pairs": 999}, "dark_comparison", "inconclusive"),
        ({"flips": 21}, "dark_comparison", "failed"),
        ({"mean_absolute_difference": 0.06}, "dark_comparison", "failed"),
        ({"champion": None}, "dark_comparison", "not_applicable"),
        ({"ran_on": ({**AGENT, "p99_ms": 31.0},)}, "latency", "failed"),
        ({"ran_on": ({**AGENT, "answers": 99},)}, "latency", "inconclusive"),
        ({"latency": TIMED, "ran_on": ()}, "latency", "passed"),
        ({"latency": {**TIMED, "p99_ms": 31.0}}, "latency", "failed"),
        ({"latency": {**TIMED, "answers": 99}}, "latency", "inconclusive"),
        ({"latency": TIMED, "latency_budget_ms": None}, "latency", "not_applicable"),
        ({"latency_budget_ms": None}, "latency", "not_applicable"),
        ({"ran_on": ({**AGENT, "memory_bytes": 0},)}, "memory", "inconclusive"),
        ({"resident": {"eu-1": 900_000_000}}, "memory", "failed"),
        ({"at": "2026-11-22T12:00:00+00:00"}, "frozen", "failed"),
        ({"at": ""}, "frozen", "inconclusive"),
    ],
)
def test_each_gate_says_what_is_wrong_and_what_to_do(changes, gate, outcome):
    result = outcomes(**changes)[gate]

    assert result.outcome == outcome
    assert result.passes() or result.remedy
    assert result.reason.endswith(".")


@pytest.mark.parametrize(
    ("asked", "changes"),
    [
        ({"inputs": {"acknowledged": ["tenure"]}}, {"inputs_added": ("tenure",)}),
        ({"pipeline": {"acknowledged": ["b" * 64]}}, {"pipeline": "b" * 64}),
        ({"metrics": {"worse_by": 0.02}}, {"champion_metrics": {"auc": 0.81}}),
    ],
)
def test_what_is_acknowledged_passes(asked, changes):
    found = outcomes(Policy.model_validate({"gates": asked}), **changes)

    assert all(result.passes() for result in found.values())


def test_a_gate_that_is_not_named_is_not_judged():
    assert outcomes(Policy(), ran_on=()).keys() == gates.ALWAYS


def test_nothing_is_asked_for_a_retirement():
    assert gates.judge("retire", Facts(inspection="rejected"), ALL) == []


def test_only_memory_freezes_incidents_and_findings_are_judged_again():
    results = gates.judge_again("promote", Facts(**GOOD), ALL)

    assert [result.gate for result in results] == [
        "memory",
        "frozen",
        "no_open_incident",
        "no_open_findings",
    ]
    assert gates.count_at_execution(ALL)
    assert not gates.count_at_execution(Policy())


def test_facts_survive_being_stored():
    facts = Facts(**GOOD)

    assert Facts.from_document({**facts.as_document(), "of another release": 1}) == facts


@pytest.mark.parametrize(
    ("freeze", "moment", "holds"),
    [
        ({"since": "2026-12-20T00:00:00Z"}, (2026, 12, 20), True),
        ({"since": "2026-12-20T00:00:00Z"}, (2026, 12, 19, 23, 59), False),
        ({"until": "2026-12-27T00:00:00+01:00"}, (2026, 12, 26, 22, 59), True),
        ({"until": "2026-12-27T00:00:00+01:00"}, (2026, 12, 26, 23, 0), False),
        ({"weekdays": ["fri"]}, (2026, 11, 20, 12), True),
        ({"weekdays": ["fri"]}, (2026, 11, 21, 12), False),
        ({"hours": "16:00-18:00"}, (2026, 11, 20, 18, 0), True),
        ({"hours": "16:00-18:00"}, (2026, 11, 20, 18, 1), False),
        ({"hours": "22:00-06:00"}, (2026, 11, 20, 23), True),
        ({"hours": "22:00-06:00"}, (2026, 11, 20, 5), True),
        ({"hours": "22:00-06:00"}, (2026, 11, 20, 12), False),
        ({"weekdays": ["fri"], "hours": "16:00-23:59"}, (2026, 11, 20, 15), False),
        # Friday's night ends on Saturday; the one that ends on Friday was Thursday's.
        ({"weekdays": ["fri"], "hours": "22:00-06:00"}, (2026, 11, 20, 22), True),
        ({"weekdays": ["fri"], "hours": "22:00-06:00"}, (2026, 11, 21, 6), True),
        ({"weekdays": ["fri"], "hours": "22:00-06:00"}, (2026, 11, 21, 6, 1), False),
        ({"weekdays": ["fri"], "hours": "22:00-06:00"}, (2026, 11, 21, 22), False),
        ({"weekdays": ["fri"], "hours": "22:00-06:00"}, (2026, 11, 20, 5), False),
        ({"weekdays": ["sun"], "hours": "22:00-06:00"}, (2026, 11, 23, 5), True),
    ],
)
def test_a_freeze_holds_when_all_it_names_does(freeze, moment, holds):
    assert Freeze.model_validate(freeze).holds(datetime(*moment, tzinfo=UTC)) is holds


@pytest.mark.parametrize(
    "freeze",
    [
        {},
        {"since": "tomorrow"},
        {"since": "2026-12-20T00:00:00"},
        {"since": "2026-12-20T00:00:00Z", "until": "2026-12-19T00:00:00Z"},
        {"hours": "25:00-26:00"},
        {"weekdays": ["friday"]},
        {"weekdays": ["fri"], "reason": "a\x00b"},
    ],
)
def test_a_freeze_that_never_or_always_holds_is_refused(freeze):
    with pytest.raises(ValueError, match="validation error"):
        Policy.model_validate({"freeze": [freeze]})


def tensor(*features, **more):
    return {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2], "features": [*features]}]
    }


@pytest.mark.parametrize(
    ("before", "after", "narrowed"),
    [
        ({"min": 0, "max": 9}, {"min": 0, "max": 9}, False),
        ({"min": 0, "max": 9}, {"min": -1, "max": 10}, False),
        ({"min": 0, "max": 9}, {"min": 1, "max": 9}, True),
        ({"min": 0, "max": 9}, {"min": 0, "max": 8}, True),
        ({"min": 0}, {}, False),
        ({}, {"max": 5}, True),
        ({"missing": True}, {"missing": False}, True),
        ({"missing": False}, {"missing": True}, False),
        ({"categories": ["a", "b"]}, {"categories": ["a"]}, True),
        ({"categories": ["a"]}, {"categories": ["a", "b"]}, False),
        ({}, {"categories": ["a"]}, True),
        ({"categories": ["a"]}, {}, False),
        ({"max": 9}, {"max": 9, "guard": "refuse"}, True),
        ({"max": 9, "guard": "refuse"}, {"max": 9, "guard": "refuse"}, False),
        ({"max": 9, "guard": "refuse"}, {"max": 9, "guard": "clip"}, False),
        ({"max": 9}, {"max": 9, "guard": "pass"}, False),
    ],
)
def test_a_feature_is_narrowed_when_it_takes_less(before, after, narrowed):
    found = compare_inputs(tensor({"name": "f", **before}), tensor({"name": "f", **after}))

    assert found.narrowed == (("f",) if narrowed else ())


def test_features_that_come_and_go_are_named():
    found = compare_inputs(
        tensor({"name": "a"}, {"name": "b"}), tensor({"name": "b"}, {"name": "c"})
    )
    assert (found.added, found.removed, found.narrowed) == (("c",), ("a",), ())


def test_a_tensor_without_named_features_is_compared_whole():
    one = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]}
    other = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 5]}]}
    assert compare_inputs(one, one).narrowed == ()
    assert compare_inputs(one, other).narrowed == ("x",)
