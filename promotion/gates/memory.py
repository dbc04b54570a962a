"""It fits into the agents' memory beside what they hold. Looked at again under lock."""

from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.verdicts import GateResult, not_asked

NAME = "memory"
MB = 1_000_000


def judge(facts: Facts, policy: Policy) -> GateResult:
    asked = policy.gates.memory
    if asked is None:
        return not_asked(NAME)
    needed = max((int(one["memory_bytes"]) for one in facts.ran_on), default=0)
    held = {agent: round(size / MB, 1) for agent, size in facts.resident.items()}
    found = {"version_mb": round(needed / MB, 1), "held_mb": held, "agent_mb": asked.agent_mb}
    if not needed:
        return GateResult(
            NAME,
            "inconclusive",
            "No agent that holds it has said how much memory it takes.",
            "Deploy it dark or in a lower environment first.",
            found,
        )
    full = [agent for agent, size in facts.resident.items() if size + needed > asked.agent_mb * MB]
    if full:
        return GateResult(
            NAME,
            "failed",
            f"It takes {needed / MB:,.0f} MB, which does not fit on {', '.join(full)}.",
            "Retire what these agents no longer need, or give them more memory.",
            found,
        )
    return GateResult(NAME, "passed", f"It takes {needed / MB:,.0f} MB and fits.", facts=found)
