"""Beside the champion, on copies of real traffic, it decides nearly the same."""

from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.verdicts import GateResult, not_asked

NAME = "dark_comparison"


def judge(facts: Facts, policy: Policy) -> GateResult:
    asked = policy.gates.dark_comparison
    if asked is None:
        return not_asked(NAME)
    if facts.champion is None:
        return GateResult(NAME, "not_applicable", "No version answers here yet.")
    share = facts.flips / facts.pairs if facts.pairs else 0.0
    found = {
        "pairs": facts.pairs,
        "flips": facts.flips,
        "share": round(share, 6),
        "share_at_most": asked.flips,
        "mean_absolute_difference": round(facts.mean_absolute_difference, 9),
        "difference_at_most": asked.difference,
    }
    if facts.pairs < asked.pairs:
        return GateResult(
            NAME,
            "inconclusive",
            f"It has {facts.pairs} of {asked.pairs} paired transactions.",
            "Deploy it dark, and wait for more mirrored traffic.",
            found,
        )
    problems = []
    if share > asked.flips:
        problems.append(f"{share:.2%} of {facts.pairs} are decided otherwise")
    if asked.difference is not None and facts.mean_absolute_difference > asked.difference:
        problems.append(f"scores lie {facts.mean_absolute_difference:.4g} apart")
    if problems:
        return GateResult(
            NAME,
            "failed",
            f"Against version {facts.champion}: {', '.join(problems)}.",
            "Look at the transactions decided otherwise, by segment, before you ask again.",
            found,
        )
    return GateResult(
        NAME, "passed", f"{share:.2%} of {facts.pairs} are decided otherwise.", facts=found
    )
