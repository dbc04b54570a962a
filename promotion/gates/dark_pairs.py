"""Enough copies of real traffic were scored beside the champion to compare them."""

from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.verdicts import GateResult


def judge(facts: Facts, policy: Policy) -> GateResult:
    if not policy.minimum_pairs:
        return GateResult("dark_pairs", "not_applicable", "The policy does not ask for it.")
    if facts.champion is None:
        return GateResult(
            "dark_pairs", "not_applicable", "No version answers here yet to be compared with."
        )
    found = {
        "champion": facts.champion,
        "pairs": facts.pairs,
        "minimum": policy.minimum_pairs,
        "flips": facts.flips,
        "errors": facts.errors,
        "mean_absolute_difference": round(facts.mean_absolute_difference, 9),
    }
    if facts.pairs < policy.minimum_pairs:
        return GateResult(
            "dark_pairs",
            "inconclusive",
            f"It has {facts.pairs} of {policy.minimum_pairs} paired transactions.",
            "Wait for more mirrored traffic.",
            found,
        )
    if facts.errors:
        return GateResult(
            "dark_pairs",
            "failed",
            f"{facts.errors} mirrored transactions could not be scored.",
            "Look at the errors in the dark predictions, and register a mended version.",
            found,
        )
    return GateResult(
        "dark_pairs",
        "passed",
        f"{facts.pairs} paired transactions, {facts.flips} decided otherwise.",
        facts=found,
    )
