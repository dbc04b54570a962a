"""Agents that ran it measured answers within the model's latency budget."""

from collections.abc import Mapping

from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.policy_parts import Latency
from promotion.verdicts import GateResult, not_asked

NAME = "latency"
TRAFFIC = "Deploy it dark or in a lower environment, and let transactions pass."
SMALLER = "Make it smaller, or give the agents more."


def judge(facts: Facts, policy: Policy) -> GateResult:
    asked = policy.gates.latency
    if asked is None:
        return not_asked(NAME)
    budget = facts.latency_budget_ms
    if budget is None:
        return GateResult(NAME, "not_applicable", "The model has no latency budget.")
    if facts.latency:
        return _of_all(facts.latency, asked, budget)
    return _of_each(facts, asked, budget)


def _of_all(latency: Mapping[str, float], asked: Latency, budget: float) -> GateResult:
    """Judge what all agents have measured, added up."""
    n, took = int(latency["answers"]), latency[f"{asked.percentile}_ms"]
    found = {"percentile": asked.percentile, "budget_ms": budget, "measured_ms": took, "answers": n}
    words = f"{asked.percentile} of {n:,} answers in the last hour is {took:.4g} ms"
    if n < asked.answers:
        return GateResult(
            NAME,
            "inconclusive",
            f"Agents have measured {n:,} of {asked.answers:,} answers of it in the last hour.",
            TRAFFIC,
            found,
        )
    if took > budget:
        reason = f"Its {words}; the budget is {budget:g} ms."
        return GateResult(NAME, "failed", reason, SMALLER, found)
    return GateResult(NAME, "passed", f"Its {words}, of {budget:g} ms.", facts=found)


def _of_each(facts: Facts, asked: Latency, budget: float) -> GateResult:
    """Judge agents of an older release one by one: their quantiles do not add up."""
    figures = {
        one["agent"]: one[f"{asked.percentile}_ms"]
        for one in facts.ran_on
        if one["answers"] >= asked.answers
    }
    found = {"percentile": asked.percentile, "budget_ms": budget, "measured_ms": figures}
    if not figures:
        return GateResult(
            NAME,
            "inconclusive",
            f"No agent has measured {asked.answers} answers of it.",
            TRAFFIC,
            found,
        )
    over = {agent: value for agent, value in figures.items() if value > budget}
    if over:
        words = ", ".join(f"{value:g} ms on {agent}" for agent, value in over.items())
        return GateResult(
            NAME,
            "failed",
            f"Its {asked.percentile} is {words}; the budget is {budget:g} ms.",
            SMALLER,
            found,
        )
    return GateResult(
        NAME,
        "passed",
        f"Its {asked.percentile} is {max(figures.values()):g} ms at most, of {budget:g} ms.",
        facts=found,
    )
