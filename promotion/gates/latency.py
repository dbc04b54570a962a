"""Agents that ran it measured answers within the model's latency budget."""

from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.verdicts import GateResult, not_asked

NAME = "latency"


def judge(facts: Facts, policy: Policy) -> GateResult:
    asked = policy.gates.latency
    if asked is None:
        return not_asked(NAME)
    budget = facts.latency_budget_ms
    if budget is None:
        return GateResult(NAME, "not_applicable", "The model has no latency budget.")
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
            "Deploy it dark or in a lower environment, and let transactions pass.",
            found,
        )
    over = {agent: value for agent, value in figures.items() if value > budget}
    if over:
        words = ", ".join(f"{value:g} ms on {agent}" for agent, value in over.items())
        return GateResult(
            NAME,
            "failed",
            f"Its {asked.percentile} is {words}; the budget is {budget:g} ms.",
            "Make it smaller, or give the agents more.",
            found,
        )
    return GateResult(
        NAME,
        "passed",
        f"Its {asked.percentile} is {max(figures.values()):g} ms at most, of {budget:g} ms.",
        facts=found,
    )
