"""There is room for another dark version of the model."""

from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.verdicts import GateResult, not_asked

NAME = "dark_limit"


def judge(facts: Facts, policy: Policy) -> GateResult:
    if policy.dark_limit is None:
        return not_asked(NAME)
    found = {"dark": list(facts.dark_versions), "limit": policy.dark_limit}
    if len(facts.dark_versions) >= policy.dark_limit:
        oldest = min(facts.dark_versions)
        return GateResult(
            NAME,
            "failed",
            f"{len(facts.dark_versions)} of its versions are dark here;"
            f" {policy.dark_limit} may be.",
            f"Retire one first, such as version {oldest}.",
            found,
        )
    return GateResult(
        NAME, "passed", f"{len(facts.dark_versions)} other versions are dark here.", facts=found
    )
