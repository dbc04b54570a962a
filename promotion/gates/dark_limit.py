"""There is room for another dark version of the model, or an older one gives it its place."""

from promotion.gates.facts import Facts
from promotion.policies import Policy
from promotion.verdicts import GateResult, not_asked

NAME = "dark_limit"


def judge(facts: Facts, policy: Policy) -> GateResult:
    if policy.dark_limit is None:
        return not_asked(NAME)
    dark, limit = facts.dark_versions, policy.dark_limit
    giving_way = facts.dark_idle_before if policy.supersede.dark else ()
    found = {"dark": list(dark), "limit": limit}
    if giving_way:
        found["giving_way"] = list(giving_way)
    if len(dark) - len(giving_way) >= limit:
        return GateResult(
            NAME,
            "failed",
            f"{len(dark)} of its versions are dark here; {limit} may be.",
            f"Retire one first, such as version {min(dark)}.",
            found,
        )
    excess = len(dark) + 1 - limit
    words = f"{len(dark)} other versions are dark here."
    if excess > 0:
        leaving = ", ".join(map(str, giving_way[:excess]))
        words = f"{len(dark)} other versions are dark here; {leaving} will give way."
    return GateResult(NAME, "passed", words, facts=found)
