"""What the model and the manifest must say of themselves is there."""

from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.verdicts import GateResult, not_asked

NAME = "documentation"


def judge(facts: Facts, policy: Policy) -> GateResult:
    if policy.gates.documentation is None:
        return not_asked(NAME)
    found = {"missing": list(facts.undocumented)}
    if facts.undocumented:
        return GateResult(
            NAME,
            "failed",
            f"Not documented: {', '.join(facts.undocumented)}.",
            "Register a version whose manifest says so.",
            found,
        )
    return GateResult(NAME, "passed", "Its documentation is complete.", facts=found)
