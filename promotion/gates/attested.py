"""Somebody other than its authors has put evidence beside it."""

from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.verdicts import GateResult, not_asked

NAME = "attested"


def judge(facts: Facts, policy: Policy) -> GateResult:
    asked = policy.gates.attested
    if asked is None:
        return not_asked(NAME)
    found = {"attested": sorted(facts.attested), "needed": list(asked.kinds)}
    missing = [kind for kind in asked.kinds if kind not in facts.attested]
    if missing:
        words = ", ".join(kind.replace("_", " ") for kind in missing)
        return GateResult(
            NAME,
            "failed",
            f"Nobody but its authors has given: {words}.",
            "Let somebody who did not make it attest it:"
            " POST /api/v1/models/NAME/versions/NUMBER/attestations.",
            found,
        )
    return GateResult(NAME, "passed", "What is needed was given by others.", facts=found)
