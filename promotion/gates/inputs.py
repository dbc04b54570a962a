"""Whoever calls the champion can call it: features added, removed or narrowed are named."""

from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.verdicts import GateResult, not_asked

NAME = "inputs"


def judge(facts: Facts, policy: Policy) -> GateResult:
    asked = policy.gates.inputs
    if asked is None:
        return not_asked(NAME)
    if facts.inputs_added is None:
        return GateResult(
            NAME, "not_applicable", "No version answers here yet, so nobody calls one."
        )
    changed = {
        "added": facts.inputs_added,
        "removed": facts.inputs_removed or (),
        "narrowed": facts.inputs_narrowed or (),
    }
    found = {name: list(features) for name, features in changed.items()}
    open_ones = {
        name: [one for one in features if one not in asked.acknowledged]
        for name, features in changed.items()
    }
    words = [f"{name} {', '.join(features)}" for name, features in open_ones.items() if features]
    if words:
        return GateResult(
            NAME,
            "failed",
            f"Callers of version {facts.champion} cannot call it: {'; '.join(words)}.",
            "Keep the inputs as they are, or let callers send both and have the policy"
            " acknowledge these features.",
            found,
        )
    return GateResult(
        NAME, "passed", f"Whoever calls version {facts.champion} can call it.", facts=found
    )
