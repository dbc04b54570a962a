"""What a policy may say of stages, and what guards say of answers."""

import pytest
from pydantic import ValidationError

from promotion import guards
from promotion.guards import Limits, Seen
from promotion.policies import Policy
from promotion.stages import before_all, feature

LIMITS = Limits(minimum=20, error_share=0.05, quantile="p95", budget_ms=30.0)


def test_stages_are_read_in_order():
    stages = [
        {"agents": 1},
        {"share": 0.5},
        {"weight": 0.1, "seconds": 60, "minimum_requests": 50},
        {"group": "pilot"},
        "all",
    ]
    found = before_all(Policy.model_validate({"stages": stages}).stages)
    assert [type(one).__name__ for one in found] == [
        *("AgentsStage", "ShareStage", "WeightStage", "GroupStage")
    ]
    assert (found[2].seconds, found[2].minimum_requests, found[2].key) == (60, 50, "routing_key")


def test_a_policy_with_stages_survives_being_stored():
    policy = Policy.model_validate({"stages": [{"weight": 0.1}, "all"]})
    assert Policy.model_validate(policy.model_dump()) == policy
    assert policy.model_dump()["stages"][0]["weight"] == 0.1


@pytest.mark.parametrize(
    "stages",
    [
        [{}],
        [{"seconds": 3}],
        [{"agents": 1, "share": 0.5}],
        [{"agents": 0}],
        [{"agents": "1"}],
        [{"agents": True}],
        [{"share": 0}],
        [{"weight": 1.1}],
        [{"weight": float("nan")}],
        [{"group": ""}],
        [{"group": "a b"}],
        [{"weight": 0.1, "key": ""}],
        [{"agents": 1, "seconds": -1}],
        [{"agents": 1, "moon": "full"}],
        ["all", {"agents": 1}],
        ["some"],
        [None],
        [7],
        [["all"]],
        {"agents": 1},
        ["all"] * 21,
    ],
)
def test_what_is_no_stage_is_refused(stages):
    with pytest.raises(ValidationError):
        Policy.model_validate({"stages": stages})


@pytest.mark.parametrize(
    ("stage", "agents", "named"),
    [
        ({"agents": 1}, ["b", "a"], ["a"]),
        ({"agents": 5}, ["b", "a"], ["a", "b"]),
        ({"share": 0.5}, ["a", "b", "c"], ["a", "b"]),
        ({"share": 0.01}, ["a", "b", "c"], ["a"]),
        ({"share": 1.0}, ["a", "b", "c"], ["a", "b", "c"]),
    ],
)
def test_which_agents_a_stage_names(stage, agents, named):
    (one,) = before_all(Policy.model_validate({"stages": [stage]}).stages)
    assert one.switch(agents, salt="s") == {"agents": named}
    assert feature(one.switch(agents, salt="s")) == "switch.agents"


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ([], ""),
        ([Seen("a", requests=19, errors=19)], ""),
        ([Seen("a", requests=20, errors=1)], ""),
        ([Seen("a", requests=20, errors=2)], "2 of 20 answers failed during the bake"),
        (
            [Seen("a", requests=10, errors=1), Seen("b", requests=10, errors=1)],
            "2 of 20 answers failed during the bake",
        ),
        ([Seen("a", requests=50, latency={"count": 50, "p95_ms": 30.0})], ""),
        ([Seen("a", requests=50, latency={"count": 19, "p95_ms": 99.0})], ""),
        ([Seen("a", requests=5, latency={"count": 50, "p95_ms": 99.0})], ""),
        (
            [Seen("a", requests=50, latency={"count": 40, "p95_ms": 30.5})],
            "p95 of 40 answers by a was 30.5 ms during the bake, the budget is 30 ms",
        ),
    ],
)
def test_what_a_guard_says(seen, said):
    assert guards.breach(seen, limits=LIMITS, during="bake") == said


@pytest.mark.parametrize(
    ("new", "old", "limit", "speaks"),
    [
        ((500, 1_000), (500, 1_000), 0.05, False),
        ((600, 1_000), (500, 1_000), 0.02, True),
        ((600, 1_000), (500, 1_000), 0.05, False),  # Within what chance does.
        ((900, 1_000), (500, 1_000), 0.05, True),
        ((10, 1_000), (500, 1_000), 0.05, True),
        ((19, 19), (0, 1_000), 0.05, False),
        ((20, 20), (0, 19), 0.05, False),
        ((900, 1_000), (500, 1_000), None, False),
        ((2_000, 1_000), (1_000, 1_000), 0.05, False),  # No agent can be more than sure.
        ((0, 0), (0, 0), 0.05, False),
    ],
)
def test_decisions_that_differ_more_than_chance_would(new, old, limit, speaks):
    half = [
        Seen(
            name,
            scores={"count": new[1] // 2 + (name == "a") * (new[1] % 2), "positive": new[0] // 2},
            champions={
                "count": old[1] // 2 + (name == "a") * (old[1] % 2),
                "positive": old[0] // 2,
            },
        )
        for name in ("a", "b")
    ]
    limits = Limits(minimum=20, error_share=1.0, decisions=limit)
    assert bool(guards.breach(half, limits=limits, during="stage 1")) == speaks


def test_without_a_budget_no_answer_is_too_slow():
    slow = [Seen("a", requests=50, latency={"count": 50, "p95_ms": 9_000.0})]
    for limits in (
        Limits(minimum=20, error_share=1.0, quantile=None, budget_ms=30.0),
        Limits(minimum=20, error_share=1.0, quantile="p95", budget_ms=None),
    ):
        assert guards.breach(slow, limits=limits, during="bake") == ""


@pytest.mark.parametrize(("now", "before", "added"), [(5, 0, 5), (5, 5, 0), (9, 5, 4), (3, 5, 3)])
def test_a_counter_that_is_smaller_has_begun_anew(now, before, added):
    assert guards.since(now, before) == added
