"""The version is dark here: it has been loaded and has seen copies of real traffic."""

from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.verdicts import GateResult


def judge(facts: Facts, policy: Policy) -> GateResult:
    if not policy.dark_first:
        return GateResult("dark_first", "not_applicable", "The policy does not ask for it.")
    found = {"state": facts.deployment_state}
    if facts.deployment_state == "dark":
        return GateResult("dark_first", "passed", "It is dark here.", facts=found)
    return GateResult(
        "dark_first",
        "failed",
        f"It is {facts.deployment_state} here, and this policy wants it dark first.",
        "Ask for a dark deployment first.",
        found,
    )
