"""The same digest answers, confirmed by agents, in the environments before this one."""

from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.verdicts import GateResult


def judge(facts: Facts, policy: Policy) -> GateResult:
    if not policy.through:
        return GateResult("lower_environment", "not_applicable", "The policy names none.")
    found = {name: facts.answering_in.get(name, 0) for name in policy.through}
    missing = [name for name, agents in found.items() if agents < 1]
    if missing:
        where = ", ".join(missing)
        return GateResult(
            "lower_environment",
            "failed",
            f"No agent confirms that it answers in {where}.",
            f"Promote it in {where} first.",
            {"agents": found},
        )
    return GateResult(
        "lower_environment",
        "passed",
        f"It answers in {', '.join(policy.through)}.",
        facts={"agents": found},
    )
